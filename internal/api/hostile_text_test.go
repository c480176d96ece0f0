package api_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// hostileTexts mean something to what they pass through: NATS, two databases,
// paths, headers, terminals, logs, spreadsheets, pages and templates.
var hostileTexts = []string{
	"*", ">", "TCS.>", "TCS.*", ".", "..", "A..B", "A B", "$JS.API.STREAM.DELETE.TAPE", "_INBOX.x", "tape.job.x.queued",
	"' OR '1'='1", "'; DROP TABLE jobs; --", `"; DELETE FROM details; --`, "$$; DROP SCHEMA tapedeck CASCADE; $$", "$1", "?", `\'; --`, "%' ESCAPE '", "x') UNION SELECT 1 --", "; PRAGMA writable_schema=1", "%", "_", `\`,
	"../../etc/passwd", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f", `..\..\x`, "C:\\x", "/dev/zero", "file:///etc/passwd", "CON",
	"A\r\nX-Injected: yes", "A\nlevel=ERROR msg=forged", "A\x00B", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u009b31m", "\u202eSN.SCT", "A\u200bB", "A\u2028B", "\ufeffA", "\xff\xfe", "\u0430\u0440\u0440le",
	"=1+1", "=cmd|'/c calc'!A1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\uff1d1",
	"<img src=x onerror=alert(1)>", "</td><script>alert(1)</script>", `" onmouseover="alert(1)`, "javascript:alert(1)", "{{.}}", "${jndi:ldap://x}", "%n%s%x", "%!s(MISSING)",
}

// A lockedBuffer is a log that many write.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Split(strings.TrimSuffix(b.text.String(), "\n"), "\n")
}

// TestHostileTexts puts each text into each field, header, parameter and part
// of a path, on both databases. It is refused, or comes back as the very text;
// it never is an internal error, and changes nothing else.
func TestHostileTexts(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { testHostileTexts(t, openDatabase(t)) })
	t.Run("postgres", func(t *testing.T) {
		w, err := postgres.OpenRecording(postgres.Options{URL: postgrestest.Database(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() })
		if err := w.Migrate(t.Context(), func(string) {}); err != nil {
			t.Fatal(err)
		}
		testHostileTexts(t, w)
	})
}

func testHostileTexts(t *testing.T, database store.Recording) {
	log := &lockedBuffer{}
	r := newRigIn(t, streamtest.Server(t), database, func(c *api.Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
		c.Limits = api.Limits{SubmitBurst: 10_000}
	})
	known := r.finished()
	requests, accepted := 0, map[string]string{}
	check := func(what, text string, answer reply) reply {
		requests++
		if answer.Status >= 500 || answer.Header.Get("X-Injected") != "" {
			t.Errorf("%s %q: %d %v %s", what, text, answer.Status, answer.Header, answer.Body)
		}
		if kind := answer.Header.Get("Content-Type"); strings.Contains(kind, "html") || answer.Header.Get("X-Content-Type-Options") != "nosniff" && answer.Status != http.StatusBadRequest {
			t.Errorf("%s %q: %v", what, text, answer.Header)
		}
		return answer
	}
	for i, text := range hostileTexts {
		if testing.Short() && i%4 != 0 && !strings.Contains(text, "\x00") {
			continue
		}
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		for what, body := range map[string]string{
			"ticker": `{"tickers":[%s]}`, "universe": `{"universe":%s}`, "strategy": `{"tickers":["A"],"strategy":%s}`, "deadline": `{"tickers":["A"],"deadline":%s}`,
			"name": `{"tickers":["A"],"strategy":{"name":%s}}`, "title": `{"tickers":["A"],"strategy":{"name":"own","title":%s}}`,
			"description": `{"tickers":["A"],"strategy":{"name":"own","description":%s}}`, "field": `{"tickers":["A"],%s:1}`, "option": `{"tickers":["A"],"options":{%s:1}}`,
		} {
			answer := check(what, text, r.post("/api/v1/jobs", fmt.Sprintf(body, quoted)))
			if answer.Status == http.StatusAccepted {
				var sent string
				if err := json.Unmarshal(quoted, &sent); err != nil {
					t.Fatal(err)
				}
				accepted[answer.text("job_id")] = what + " " + sent
			}
		}
		check("window", text, r.post("/api/v1/backtests", fmt.Sprintf(`{"tickers":["A"],"from":%s,"to":%s}`, quoted, quoted)))
		check("symbols", text, r.post("/api/stocks/analyze-all-stocks", fmt.Sprintf(`{"symbols":[%s]}`, quoted)))
		check("reason", text, r.post("/api/v1/jobs/0197a000-0000-7000-8000-000000000000/cancel", fmt.Sprintf(`{"reason":%s}`, quoted)))
		if !strings.ContainsAny(text, "\r\n\x00") && !strings.ContainsFunc(text, unicode.IsControl) { // no client sends those
			check("key", text, r.post("/api/v1/jobs", `{"tickers":["A"],"capital":-1}`, "Idempotency-Key", text))
			check("last event", text, r.get("/api/v1/jobs/"+known+"/events", "Last-Event-ID", text))
			check("tag", text, r.get("/api/v1/jobs/"+known, "If-None-Match", text))
		}
		for _, path := range []string{
			"/api/v1/jobs?cursor=", "/api/v1/jobs?status=", "/api/v1/jobs?active=", "/api/v1/jobs?limit=", "/api/v1/jobs?min_seq=", "/api/v1/jobs?",
			"/api/v1/jobs/" + known + "/details?code=", "/api/v1/jobs/" + known + "/details?status=", "/api/v1/jobs/" + known + "/details?cursor=",
			"/api/v1/jobs/" + known + "/results?verdict=", "/api/v1/jobs/" + known + "/results?cursor=", "/api/v1/jobs/" + known + "/results/",
			"/api/v1/results?strategy=", "/api/v1/results?class=", "/api/v1/results?verdict=", "/api/v1/results?cursor=", "/api/v1/results?exchange=", "/api/v1/results?max_age=",
			"/api/v1/jobs/", "/api/v1/backtests/", "/api/v1/tickers/", "/api/v1/strategies/", "/api/v1/universes/", "/api/analysis-history/", "/api/analysis/history/",
			"/api/v1/tickers/TCS.NS/history?cursor=", "/api/v1/tickers/TCS.NS/history?strategy=", "/api/v1/tickers/TCS.NS/latest?strategy=", "/api/v1/tickers/TCS.NS/explain?job=", "/ui/", "/",
		} {
			if answer := r.get(path + url.PathEscape(text)); path != "/" || answer.Status != http.StatusOK { // "/." is the page
				check(path, text, answer)
			}
		}
	}
	r.record()
	r.hostileTape()
	r.hostileLog(log.lines())
	for id, what := range accepted {
		r.get("/api/v1/jobs/" + id).want(http.StatusOK)
		if field, text, _ := strings.Cut(what, " "); field == "title" || field == "description" {
			var document map[string]any
			if err := json.Unmarshal(r.queued(id).Strategy, &document); err != nil || document[field] != text {
				t.Errorf("%s %q came back as %q (%v)", field, text, document[field], err)
			}
		}
	}
	if status := r.get("/api/v1/jobs/" + known).want(http.StatusOK).json(); status["analyzed"] != 2.0 || status["failed"] != 1.0 {
		t.Errorf("the job from before: %v", status)
	}
	t.Logf("%d texts in %d requests; %d jobs accepted", len(hostileTexts), requests, len(accepted))
}

// hostileTape holds every subject of the tape against what subjects are.
func (r *rig) hostileTape() {
	r.t.Helper()
	legal := regexp.MustCompile(`^tape\.(job\.[0-9a-f-]{36}\.(queued|started|cancelled)|ticker\.[0-9a-f-]{36}\.[A-Za-z0-9_%-]+\.(analyzed|failed))$`)
	for seq := uint64(1); seq <= r.lastSeq(); seq++ {
		msg, err := r.tape.At(r.t.Context(), seq)
		if err != nil {
			r.t.Fatal(err)
		}
		if !legal.MatchString(msg.Subject) {
			r.t.Errorf("subject %q", msg.Subject)
		}
	}
}

// hostileLog holds that each record is one line without a character that a
// terminal obeys.
func (r *rig) hostileLog(lines []string) {
	r.t.Helper()
	for _, line := range lines {
		if !strings.HasPrefix(line, "time=") || strings.ContainsFunc(line, unicode.IsControl) || strings.Contains(line, "\u202e") {
			r.t.Errorf("a record of the log that is none: %q", line)
		}
	}
}

// TestHostileOutcomes: texts of providers and analyzers are texts in JSON, in
// event streams, in tables for spreadsheets and on the page.
func TestHostileOutcomes(t *testing.T) {
	r := newRig(t, atNoon)
	var names []string
	for i := range hostileTexts {
		names = append(names, fmt.Sprintf("T%d", i))
	}
	list := `{"tickers":["` + strings.Join(names, `","`) + `"]}`
	id, tested, shown := r.submit(list), r.backtest(list), r.submit(list)
	var valid []string
	for i, text := range hostileTexts {
		text = events.CleanText(text)
		valid = append(valid, text)
		failed := r.failed(id, names[i], events.FailureBadData)
		failed.Message = text
		backtested := r.backtested(tested, names[i], 1)
		backtested.Report.Warnings, backtested.Report.Trades[0].Reason = []string{text}, "stop"
		analyzed := r.analyzed(shown, names[i], 0.5, events.Buy)
		analyzed.Report.Lineage.Warnings, analyzed.Report.Indicators[0].Note = []string{text}, text
		r.publish(failed, backtested, analyzed)
	}
	r.record()
	messages := r.get("/api/v1/jobs/" + id + "/details?limit=1000").want(http.StatusOK).column("error_message")
	for _, text := range valid {
		if !slices.Contains(messages, any(text)) {
			t.Errorf("no detail says %q", text)
		}
	}
	told := r.follow("/api/v1/jobs/" + id + "/events").until("end")
	if got := len(ids(told)); got != len(names) {
		t.Errorf("%d outcomes in the stream, want %d", got, len(names))
	}
	table, err := csv.NewReader(bytes.NewReader(r.get("/api/v1/backtests/" + tested + "?format=csv").want(http.StatusOK).Body)).ReadAll()
	if err != nil || len(table) != len(names)+1 {
		t.Fatalf("%d rows, %v", len(table), err)
	}
	for _, row := range table[1:] {
		for i, cell := range row {
			_, number := strconv.ParseFloat(cell, 64)
			if number != nil && (strings.IndexAny(cell, "=+-@\t\r\n") == 0 || strings.HasPrefix(cell, "\uff1d")) {
				t.Errorf("a formula in column %s: %q", table[0][i], cell)
			}
		}
	}
	r.hostilePage(id)
}

// hostilePage holds that no text has become markup.
func (r *rig) hostilePage(id string) {
	r.t.Helper()
	answer := r.get("/").want(http.StatusOK)
	text := string(answer.Body)
	if strings.Contains(text, `href="javascript:`) {
		r.t.Errorf("a link runs a script:\n%s", text)
	}
	if !strings.Contains(text, id) || !strings.Contains(text, "&lt;img src=x") {
		r.t.Errorf("the page does not show the texts:\n%s", text)
	}
	text = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(text, `""`) // what stands in quotes is no attribute
	for _, pattern := range []string{`<script>`, `<img`, `<[^>]* on\w+=`, "\x1b", "\u202e", "\x00"} {
		if found := regexp.MustCompile(pattern).FindString(text); found != "" {
			r.t.Errorf("the page holds %q", found)
		}
	}
	policy := answer.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, part) {
			r.t.Errorf("no %s in %q", part, policy)
		}
	}
	script := string(r.get("/ui/app.mjs").want(http.StatusOK).Body)
	if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(`).FindString(script); found != "" {
		r.t.Errorf("the script makes markup of texts: %q", found)
	}
}
