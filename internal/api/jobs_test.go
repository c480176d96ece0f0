package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
)

func TestSubmitResolvesDefaults(t *testing.T) {
	r := newRig(t)
	answer := r.post("/api/v1/jobs", `{"tickers":["tcs.ns","INFY.NS"," TCS.NS"]}`).want(http.StatusAccepted)
	id := answer.text("job_id")
	if got, want := answer.Header.Get("Location"), "/api/v1/jobs/"+id; got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	q := r.queued(id)
	if diff := cmp.Diff([]string{"TCS.NS", "INFY.NS"}, q.Tickers); diff != "" {
		t.Errorf("tickers (-want +got):\n%s", diff)
	}
	want := events.Options{RiskPercent: 2, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 400}
	if diff := cmp.Diff(want, q.Options); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if q.Capital != 100000 || q.StrategyName != "balanced" || q.Origin != events.OriginAPI || q.Kind != events.KindAnalysis || len(q.RequestSHA256) != 64 {
		t.Errorf("queued: %+v", q)
	}
	if tree := answer.json(); tree["status"] != "queued" || tree["total"] != 2.0 || tree["seq"] != 1.0 {
		t.Errorf("answer: %s", answer.Body)
	}
}

// TestNever404After202: a job is found, with its tickers, before and after it
// is recorded.
func TestNever404After202(t *testing.T) {
	r := newRig(t)
	id := r.submit(`{"tickers":["TCS.NS","INFY.NS"]}`)
	for _, recorded := range []bool{false, true} {
		if recorded {
			r.record()
		}
		job := r.get("/api/v1/jobs/" + id).want(http.StatusOK).json()
		if job["status"] != "queued" || job["total"] != 2.0 || job["pending"] != 2.0 {
			t.Errorf("recorded %v: %v", recorded, job)
		}
		details := r.get("/api/v1/jobs/" + id + "/details").want(http.StatusOK).json()
		if items := details["items"].([]any); len(items) != 2 || items[1].(map[string]any)["status"] != "pending" {
			t.Errorf("recorded %v: %v", recorded, details)
		}
		results := r.get("/api/v1/jobs/" + id + "/results").want(http.StatusOK).json()
		if items := results["items"].([]any); len(items) != 0 {
			t.Errorf("recorded %v: %v", recorded, results)
		}
	}
	r.get("/api/v1/jobs/0197a000-0000-7000-8000-000000000000").want(http.StatusNotFound)
	r.get("/api/v1/jobs/nonsense").want(http.StatusNotFound)
}

// TestRefusedWhole: bad input is refused with each wrong field and its place,
// and nothing is published.
func TestRefusedWhole(t *testing.T) {
	r := newRig(t)
	long := strings.Repeat("X", 200)
	many := `"A` + strings.Repeat(`","A`, 10_000) + `"`
	cases := []struct {
		name, body string
		status     int
		locations  []string
	}{
		{"illegal tickers", fmt.Sprintf(`{"tickers":["TCS.NS","*","NOSUCH.NS","A.B.C","","%s"]}`, long), 422, []string{"body.tickers[1]", "body.tickers[4]", "body.tickers[5]"}},
		{"a number as ticker", `{"tickers":["TCS.NS",7,null]}`, 422, []string{"body.tickers[1]", "body.tickers[2]"}},
		{"unknown fields", `{"tickers":["A"],"capitol":5,"options":{"risk":1}}`, 422, []string{"body.capitol", "body.options.risk"}},
		{"upper case field", `{"Tickers":["A"]}`, 422, []string{"body.Tickers", "body.tickers"}},
		{"no tickers", `{}`, 422, []string{"body.tickers"}},
		{"empty tickers", `{"tickers":[]}`, 422, []string{"body.tickers"}},
		{"both", `{"tickers":["A"],"universe":"nifty50"}`, 422, []string{"body.universe"}},
		{"unknown universe", `{"universe":"moon"}`, 422, []string{"body.universe"}},
		{"too many", `{"tickers":[` + many + `]}`, 422, []string{"body.tickers"}},
		{"ranges", `{"tickers":["A"],"capital":0,"options":{"risk_percent":0,"position_limit_percent":101,"min_risk_reward":-1,"bars":1.5}}`, 422,
			[]string{"body.capital", "body.options.risk_percent", "body.options.position_limit_percent", "body.options.min_risk_reward", "body.options.bars"}},
		{"huge capital", `{"tickers":["A"],"capital":1e999}`, 422, []string{"body.capital"}},
		{"bars below min_bars", `{"tickers":["A"],"options":{"bars":10}}`, 422, []string{"body.options.bars"}},
		{"past deadline", `{"tickers":["A"],"deadline":"2020-01-01T00:00:00Z"}`, 422, []string{"body.deadline"}},
		{"far deadline", `{"tickers":["A"],"deadline":"2999-01-01T00:00:00Z"}`, 422, []string{"body.deadline"}},
		{"unknown strategy", `{"tickers":["A"],"strategy":"hope"}`, 422, []string{"body.strategy"}},
		{"wrong strategy", `{"tickers":["A"],"strategy":{"name":"x","indicators":{"rsi":{"period":-1}}}}`, 422, []string{"body.strategy.indicators.rsi.period"}},
		{"strategy with NUL", `{"tickers":["A"],"strategy":{"name":"x","description":"a\\u0000b"}}`, 422, []string{"body.strategy"}},
		{"not JSON", `{"tickers":["A"]`, 400, nil},
		{"an array", `["A"]`, 400, nil},
		{"two values", `{"tickers":["A"]}{}`, 400, nil},
		{"null", `null`, 400, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			answer := r.post("/api/v1/jobs", c.body)
			answer.t = t
			answer.want(c.status)
			if got := answer.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
			if len(answer.Body) > 100_000 || strings.Contains(string(answer.Body), long[:50]) {
				t.Errorf("the answer quotes too much: %.300s", answer.Body)
			}
			var locations []string
			if list, ok := answer.json()["errors"].([]any); ok {
				for _, e := range list {
					locations = append(locations, e.(map[string]any)["location"].(string))
				}
			}
			if diff := cmp.Diff(c.locations, locations); diff != "" {
				t.Errorf("locations (-want +got):\n%s\n%s", diff, answer.Body)
			}
		})
	}
	if last := r.lastSeq(); last != 0 {
		t.Errorf("%d events were published by refused requests", last)
	}
}

// TestDeadlineAsAsked: a job's deadline is never before the one that was asked
// for, and at most a millisecond after it, on the tape, in the answer and in
// the database.
func TestDeadlineAsAsked(t *testing.T) {
	now := time.Date(2026, 11, 26, 3, 8, 16, 873_000_001, time.UTC)
	r := newRig(t, func(c *api.Config) { c.Clock = func() time.Time { return now } })
	for _, c := range []struct{ what, body, want string }{
		{"whole second", `{"tickers":["A"],"deadline":"2026-11-26T04:00:00Z"}`, "2026-11-26T04:00:00.000Z"},
		{"another zone", `{"tickers":["A"],"deadline":"2026-11-26T09:30:00.5+05:30"}`, "2026-11-26T04:00:00.500Z"},
		{"milliseconds", `{"tickers":["A"],"deadline":"2026-11-26T03:08:21.868Z"}`, "2026-11-26T03:08:21.868Z"},
		{"finer", `{"tickers":["A"],"deadline":"2026-11-26T03:08:21.867999999Z"}`, "2026-11-26T03:08:21.868Z"},
		{"into the next second", `{"tickers":["A"],"deadline":"2026-11-26T03:08:21.999000001Z"}`, "2026-11-26T03:08:22.000Z"},
		{"none", `{"tickers":["A"]}`, "2026-11-29T03:08:16.874Z"},
	} {
		accepted := r.post("/api/v1/jobs", c.body).want(http.StatusAccepted)
		id := accepted.text("job_id")
		if want, err := time.Parse(time.RFC3339, c.want); err != nil || !r.queued(id).Deadline.Equal(want) {
			t.Errorf("%s: the tape says %v, want %v, %v", c.what, r.queued(id).Deadline, want, err)
		}
		if got := accepted.text("deadline"); got != c.want {
			t.Errorf("%s: the answer says %s, want %s", c.what, got, c.want)
		}
		r.record()
		if got := r.get("/api/v1/jobs/" + id).want(http.StatusOK).text("deadline"); got != c.want {
			t.Errorf("%s: the job says %s, want %s", c.what, got, c.want)
		}
	}
}

func TestLargestJob(t *testing.T) {
	r := newRig(t)
	tickers := make([]string, 10_000)
	for i := range tickers {
		tickers[i] = fmt.Sprintf("ABCDEFGHIJKLMNOPQRSTUVWXY%04d.NS", i)
	}
	id := r.submit(`{"tickers":["` + strings.Join(tickers, `","`) + `"]}`)
	if got := len(r.queued(id).Tickers); got != len(tickers) {
		t.Errorf("%d tickers", got)
	}
}

func TestIdempotency(t *testing.T) {
	r := newRig(t)
	first := r.post("/api/v1/jobs", `{"tickers":["TCS.NS"]}`, "Idempotency-Key", "monday").want(http.StatusAccepted)
	again := r.post("/api/v1/jobs", `{ "tickers": ["tcs.ns", "TCS.NS"] }`, "Idempotency-Key", "monday").want(http.StatusAccepted)
	if diff := cmp.Diff(string(first.Body), string(again.Body)); diff != "" {
		t.Errorf("the replay differs (-first +again):\n%s", diff)
	}
	if first.Header.Get("Idempotent-Replayed") != "" || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("Idempotent-Replayed: %q then %q", first.Header.Get("Idempotent-Replayed"), again.Header.Get("Idempotent-Replayed"))
	}
	other := r.post("/api/v1/jobs", `{"tickers":["TCS.NS"],"capital":100000}`, "Idempotency-Key", "monday").want(http.StatusUnprocessableEntity)
	if other.text("code") != "idempotency_key_reused" {
		t.Errorf("%s", other.Body)
	}
	if id := first.text("job_id"); id[14] != '8' {
		t.Errorf("id %s is not of version 8", id)
	}
	if last := r.lastSeq(); last != 1 {
		t.Errorf("last sequence %d, want 1", last)
	}
	r.post("/api/v1/jobs", `{"tickers":["TCS.NS"]}`, "Idempotency-Key", strings.Repeat("k", 256)).want(http.StatusBadRequest)
	r.post("/api/v1/jobs", `{"tickers":["TCS.NS"]}`, "Idempotency-Key", "a b").want(http.StatusBadRequest)
}

// TestLostSubmission: outcomes of a job that is not on the tape would stand in
// the way of the same job's, so it is refused, for good and in so many words.
func TestLostSubmission(t *testing.T) {
	r := newRig(t)
	r.publish(r.failed(api.KeyedJobID("monday"), "TCS.NS", events.FailureInternal))
	lost := r.post("/api/v1/jobs", `{"tickers":["TCS.NS"]}`, "Idempotency-Key", "monday").want(http.StatusConflict)
	if lost.text("code") != "job_id_taken" {
		t.Errorf("%s", lost.Body)
	}
	r.post("/api/v1/jobs", `{"tickers":["TCS.NS"]}`, "Idempotency-Key", "tuesday").want(http.StatusAccepted)
}

func TestCancel(t *testing.T) {
	r := newRig(t)
	id := r.submit(`{"tickers":["TCS.NS","INFY.NS"]}`)
	before := r.post("/api/v1/jobs/"+id+"/cancel", `{"reason":"wrong list"}`).want(http.StatusAccepted)
	if before.text("status") != "cancelled" {
		t.Errorf("cancelled before it was recorded: %s", before.Body)
	}
	r.post("/api/v1/jobs/"+id+"/cancel", "").want(http.StatusConflict)
	r.record()
	if job := r.get("/api/v1/jobs/" + id).want(http.StatusOK).json(); job["status"] != "cancelled" || job["cancelled"] != 2.0 {
		t.Errorf("%v", job)
	}
	r.post("/api/v1/jobs/"+id+"/cancel", "").want(http.StatusConflict)
	r.post("/api/v1/jobs/0197a000-0000-7000-8000-000000000000/cancel", "").want(http.StatusNotFound)

	running := r.submit(`{"tickers":["TCS.NS","INFY.NS"]}`)
	r.publish(&events.JobStarted{JobID: running, Total: 2}, r.analyzed(running, "TCS.NS", 0.5, events.Buy))
	r.record()
	seq := r.post("/api/v1/jobs/"+running+"/cancel", "").want(http.StatusAccepted).json()["cancel_seq"]
	again := r.post("/api/v1/jobs/"+running+"/cancel", "").want(http.StatusAccepted).json()["cancel_seq"]
	if seq != again || seq != float64(r.lastSeq()) {
		t.Errorf("cancel at %v, then at %v, last %d", seq, again, r.lastSeq())
	}
	r.post("/api/v1/jobs/"+running+"/cancel", `{"reason":"a\u0000b"}`).want(http.StatusUnprocessableEntity)
}

func TestRetry(t *testing.T) {
	r := newRig(t)
	id := r.submit(`{"tickers":["B.NS","TCS.NS","A.NS"],"capital":5000,"strategy":"momentum_breakout","options":{"bars":300}}`)
	r.post("/api/v1/jobs/"+id+"/retry", "").want(http.StatusConflict)
	r.publish(r.failed(id, "A.NS", events.FailureUnknownTicker), r.failed(id, "B.NS", events.FailureTimeout), r.analyzed(id, "TCS.NS", 0.5, events.Buy))
	r.record()
	answer := r.post("/api/v1/jobs/"+id+"/retry", "", "Idempotency-Key", "again").want(http.StatusAccepted)
	replay := r.post("/api/v1/jobs/"+id+"/retry", `{}`, "Idempotency-Key", "again").want(http.StatusAccepted)
	if replay.Header.Get("Idempotent-Replayed") != "true" || string(replay.Body) != string(answer.Body) {
		t.Errorf("replay: %s", replay.Body)
	}
	q, parent := r.queued(answer.text("job_id")), r.queued(id)
	if diff := cmp.Diff([]string{"B.NS", "A.NS"}, q.Tickers); diff != "" {
		t.Errorf("tickers (-want +got):\n%s", diff)
	}
	if q.ParentJobID != id || q.Origin != events.OriginRetry || q.StrategyHash != parent.StrategyHash || q.Capital != 5000 || q.Options != parent.Options {
		t.Errorf("queued: %+v", q)
	}
	done := r.submit(`{"tickers":["TCS.NS"]}`)
	r.publish(r.analyzed(done, "TCS.NS", 0.5, events.Buy))
	r.record()
	r.post("/api/v1/jobs/"+done+"/retry", "").want(http.StatusConflict)
	r.post("/api/v1/jobs/0197a000-0000-7000-8000-000000000000/retry", "").want(http.StatusNotFound)
}

// TestCapitalIsAboveZero: what is refused is said as it is.
func TestCapitalIsAboveZero(t *testing.T) {
	r := newRig(t)
	for _, capital := range []string{"0", "-3", "1e13", `"5"`, "true"} {
		text := string(r.post("/api/v1/jobs", `{"tickers":["A"],"capital":`+capital+`}`).want(http.StatusUnprocessableEntity).Body)
		if !strings.Contains(text, "must be a number above 0, at most 1000000000000") || !strings.Contains(text, "body.capital") {
			t.Errorf("%s: %s", capital, text)
		}
	}
}
