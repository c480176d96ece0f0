package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
)

// finished records a job of three tickers: two analyzed, one failed.
func (r *rig) finished() (id string) {
	r.t.Helper()
	id = r.submit(`{"tickers":["TCS.NS","NOSUCH.NS","M&M.NS"]}`)
	r.publish(&events.JobStarted{JobID: id, Total: 3}, r.analyzed(id, "TCS.NS", 0.5, events.Buy),
		r.failed(id, "NOSUCH.NS", events.FailureUnknownTicker), r.analyzed(id, "M&M.NS", -0.3, events.Sell))
	r.record()
	return id
}

// column is a field of each item of a list.
func (p reply) column(name string) []any {
	p.t.Helper()
	items, ok := p.json()["items"].([]any)
	if !ok {
		p.t.Fatalf("no list: %.300s", p.Body)
	}
	column := make([]any, len(items))
	for i, item := range items {
		column[i] = item.(map[string]any)[name]
	}
	return column
}

func TestJobHasEveryField(t *testing.T) {
	r := newRig(t)
	job := r.get("/api/v1/jobs/" + r.finished()).want(http.StatusOK).json()
	for name, want := range map[string]any{
		"status": "completed", "total": 3.0, "analyzed": 2.0, "failed": 1.0, "cancelled": 0.0, "pending": 0.0,
		"progress_percent": 100.0, "as_of_seq": 5.0,
	} {
		if job[name] != want {
			t.Errorf("%s is %v, want %v", name, job[name], want)
		}
	}
	for _, name := range []string{"job_id", "created_at", "started_at", "completed_at"} {
		if text, _ := job[name].(string); text == "" {
			t.Errorf("%s is %v", name, job[name])
		}
	}
}

func TestDetailsAndResults(t *testing.T) {
	r := newRig(t)
	id := r.finished()
	path := "/api/v1/jobs/" + id
	all := r.get(path + "/details").want(http.StatusOK)
	if diff := cmp.Diff([]any{"analyzed", "failed", "analyzed"}, all.column("status")); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	failed := r.get(path + "/details?status=failed&code=unknown_ticker").want(http.StatusOK)
	if diff := cmp.Diff([]any{"NOSUCH.NS"}, failed.column("ticker")); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	results := r.get(path + "/results").want(http.StatusOK)
	if !strings.Contains(string(results.Body), `"M&M.NS"`) {
		t.Errorf("M&M.NS does not read so in %s", results.Body)
	}
	if diff := cmp.Diff([]any{"TCS.NS", "M&M.NS"}, results.column("ticker")); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"TCS.NS"}, r.get(path+"/results?verdict=Buy").want(200).column("ticker")); diff != "" {
		t.Errorf("results of a verdict (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"TCS.NS", "M&M.NS"}, r.get("/api/v1/results?strategy=balanced&max_age_days=3000").want(200).column("ticker")); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}
	if got := r.get("/api/v1/results?class=synthetic").want(200).column("ticker"); len(got) != 0 {
		t.Errorf("synthetic screen: %v", got)
	}
	unrecorded := r.submit(`{"tickers":["TCS.NS"]}`)
	if got := r.get("/api/v1/jobs/" + unrecorded + "/details?status=failed").want(200).column("ticker"); len(got) != 0 {
		t.Errorf("failed of an unrecorded job: %v", got)
	}
}

func TestPages(t *testing.T) {
	r := newRig(t)
	want := []any{}
	for i := range 5 {
		want = append([]any{r.submit(fmt.Sprintf(`{"tickers":["T%d"]}`, i))}, want...)
	}
	r.record()
	var got []any
	next := "/api/v1/jobs?limit=2"
	for next != "" {
		page := r.get(next).want(http.StatusOK)
		got = append(got, page.column("job_id")...)
		next = ""
		if header := page.Header.Get("Link"); header != "" {
			target, rel, _ := strings.Cut(header, ">; ")
			if rel != `rel="next"` || page.json()["next_cursor"] == nil {
				t.Fatalf("Link %q, next_cursor %v", header, page.json()["next_cursor"])
			}
			next = strings.TrimPrefix(target, "<")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	if got := r.get("/api/v1/jobs?active=true").want(200).column("status"); len(got) != 5 {
		t.Errorf("active: %v", got)
	}
}

func TestWrongQueries(t *testing.T) {
	r := newRig(t)
	id := r.finished()
	for path, location := range map[string]string{
		"/api/v1/jobs?limit=0":                                   "query.limit",
		"/api/v1/jobs?limit=1001":                                "query.limit",
		"/api/v1/jobs?status=done":                               "query.status",
		"/api/v1/jobs?stauts=failed":                             "query.stauts",
		"/api/v1/jobs?cursor=nonsense":                           "query.cursor",
		"/api/v1/jobs?active=true&status=queued":                 "query.active",
		"/api/v1/jobs/" + id + "/details?code=bad":               "query.code",
		"/api/v1/jobs/" + id + "/results?verdict=Maybe":          "query.verdict",
		"/api/v1/jobs/" + id + "?min_seq=x":                      "query.min_seq",
		"/api/v1/results?strategy=hope":                          "query.strategy",
		"/api/v1/results?class=invented":                         "query.class",
		"/api/v1/tickers/%2A/latest":                             "path.ticker",
		"/api/v1/jobs/" + id + "/events?last_event_id=x":         "query.last_event_id",
		"/api/v1/tickers/" + strings.Repeat("X", 40) + "/latest": "path.ticker",
	} {
		answer := r.get(path)
		if answer.Status != http.StatusBadRequest || !strings.Contains(string(answer.Body), `"location":"`+location+`"`) {
			t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
		}
	}
}

func TestETag(t *testing.T) {
	r := newRig(t)
	path := "/api/v1/jobs/" + r.finished()
	tag := r.get(path).want(http.StatusOK).Header.Get("ETag")
	if again := r.get(path, "If-None-Match", tag).want(http.StatusNotModified); len(again.Body) != 0 {
		t.Errorf("304 with a body: %s", again.Body)
	}
	r.finished() // another job moves the checkpoint, not this job
	r.get(path, "If-None-Match", `"other", `+tag).want(http.StatusNotModified)
	for _, list := range []string{"/api/v1/jobs", "/api/v1/results?max_age_days=3000", path + "/details", path + "/results", "/api/v1/tickers/TCS.NS/latest", "/api/v1/tickers/TCS.NS/history"} {
		tag := r.get(list).want(http.StatusOK).Header.Get("ETag")
		r.get(list, "If-None-Match", tag).want(http.StatusNotModified)
	}
	before := r.get("/api/v1/tickers/TCS.NS/latest").Header.Get("ETag")
	r.finished()
	r.get("/api/v1/tickers/TCS.NS/latest", "If-None-Match", before).want(http.StatusOK)
	r.get("/api/v1/tickers/TCS.NS/history", "If-None-Match", `"x"`).want(http.StatusOK)
}

func TestMinSeq(t *testing.T) {
	r := newRig(t)
	id := r.submit(`{"tickers":["TCS.NS"]}`)
	begin := time.Now()
	late := r.get("/api/v1/jobs/" + id + "?min_seq=1").want(http.StatusServiceUnavailable)
	if took := time.Since(begin); late.Header.Get("Retry-After") == "" || took < time.Second || took > 10*time.Second {
		t.Errorf("Retry-After %q after %v", late.Header.Get("Retry-After"), took)
	}
	for {
		seq := r.lastSeq()
		begin := time.Now()
		answer := make(chan reply, 1)
		go func() { answer <- r.get(fmt.Sprintf("/api/v1/jobs/%s?min_seq=%d", id, seq)) }()
		r.record()
		took := time.Since(begin)
		got := <-answer
		if got.Status == http.StatusServiceUnavailable && took > time.Second {
			id = r.submit(`{"tickers":["TCS.NS"]}`) // recording it took longer than a request may wait: once more
			continue
		}
		if job := got.want(http.StatusOK).json(); job["as_of_seq"] != float64(seq) {
			t.Errorf("%v", job)
		}
		return
	}
}

func TestTickers(t *testing.T) {
	r := newRig(t)
	r.finished()
	for path, want := range map[string]string{
		"/api/v1/tickers/TCS.NS/latest":   "TCS.NS",
		"/api/v1/tickers/tcs/latest":      "TCS.NS",
		"/api/v1/tickers/M&M/latest":      "M&M.NS",
		"/api/v1/tickers/M%26M.NS/latest": "M&M.NS",
	} {
		if got := r.get(path).want(http.StatusOK).text("ticker"); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	r.get("/api/v1/tickers/NOSUCH.NS/latest").want(http.StatusNotFound)
	if got := r.get("/api/v1/tickers/NOSUCH.NS/history").want(200).column("ticker"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	id := r.finished()
	history := r.get("/api/v1/tickers/TCS.NS/history?limit=1").want(http.StatusOK)
	if got := history.column("job_id"); got[0] != id {
		t.Errorf("newest is of job %v, want %s", got, id)
	}
	if got := r.get("/api/v1/tickers/TCS.NS/history").want(200).column("seq"); len(got) != 2 {
		t.Errorf("every run: %v", got)
	}
	if got := r.get("/api/v1/tickers/TCS.NS/history?daily=true").want(200).column("seq"); len(got) != 1 {
		t.Errorf("days: %v", got)
	}
}
