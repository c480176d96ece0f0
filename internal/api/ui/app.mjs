// Keeps the page current: progress comes by the event stream; when that opens,
// when a job begins or ends, and now and then in between, the page is fetched
// anew and what differs in its two sections is replaced.
const state = document.getElementById("state");
const seq = document.getElementById("seq");

function show(job) {
  const row = document.querySelector(`[data-job="${CSS.escape(job.job_id)}"]`);
  if (!row) return refresh();
  const cell = (name) => row.querySelector(`[data-cell="${name}"]`);
  cell("status").textContent = job.status;
  cell("percent").value = job.progress_percent;
  cell("done").textContent = `${job.total - job.pending}/${job.total}`;
  cell("failed").textContent = job.failed;
  seq.textContent = job.as_of_seq;
  refresh(2000); // its newest results
}

// replace keeps the reader's place: how far the table is scrolled, and what
// has the keyboard's focus.
function replace(id, page) {
  const before = document.getElementById(id), after = page.getElementById(id);
  if (before.isEqualNode(after)) return;
  const left = before.querySelector(".scroll")?.scrollLeft ?? 0;
  const focused = before.contains(document.activeElement) && document.activeElement;
  before.replaceWith(after);
  const table = after.querySelector(".scroll");
  if (table) table.scrollLeft = left;
  if (!focused) return;
  const link = focused.getAttribute("href");
  const again = link ? after.querySelector(`a[href="${CSS.escape(link)}"]`) : table;
  again?.focus({ preventScroll: true });
}

let waiting = false;

function refresh(delay = 250) {
  if (waiting) return;
  waiting = true;
  setTimeout(async () => {
    waiting = false;
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["jobs", "results"]) replace(id, page);
      seq.textContent = page.getElementById("seq").textContent;
      if (events.readyState === EventSource.OPEN) state.textContent = "live";
    } catch {
      state.textContent = "not current: the server does not answer";
    }
  }, delay);
}

const events = new EventSource("/api/v1/events");
events.addEventListener("progress", (e) => show(JSON.parse(e.data)));
for (const kind of ["snapshot", "queued", "end", "resync"]) events.addEventListener(kind, () => refresh());
events.onopen = () => { state.textContent = "live"; };
events.onerror = () => { state.textContent = "not connected; trying again"; };
