// Keeps the page current: progress comes by the event stream; when a job
// begins or ends, the page is fetched anew and its two sections are replaced.
const state = document.getElementById("state");

function show(job) {
  const row = document.querySelector(`[data-job="${CSS.escape(job.job_id)}"]`);
  if (!row) return refresh();
  const cell = (name) => row.querySelector(`[data-cell="${name}"]`);
  cell("status").textContent = job.status;
  cell("percent").value = job.progress_percent;
  cell("done").textContent = `${job.total - job.pending}/${job.total}`;
  cell("failed").textContent = job.failed;
  state.textContent = `live, as recorded up to event ${job.as_of_seq}`;
}

let waiting = false;

function refresh() {
  if (waiting) return;
  waiting = true;
  setTimeout(async () => {
    waiting = false;
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["jobs", "results"]) {
        document.getElementById(id).replaceWith(page.getElementById(id));
      }
    } catch {
      state.textContent = "the server does not answer";
    }
  }, 250);
}

const events = new EventSource("/api/v1/events");
events.addEventListener("progress", (e) => show(JSON.parse(e.data)));
for (const kind of ["queued", "end", "resync"]) events.addEventListener(kind, refresh);
events.onopen = () => { state.textContent = "live"; };
events.onerror = () => { state.textContent = "not connected; trying again"; };
