package api_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/events/eventstest"
	"github.com/tapedeck/tapedeck/internal/api"
)

// noon is the clock of these tests.
func noon() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

func atNoon(c *api.Config) { c.Clock = noon }

func (r *rig) backtest(body string, headers ...string) string {
	r.t.Helper()
	return r.post("/api/v1/backtests", body, headers...).want(http.StatusAccepted).text("job_id")
}

// backtested is an outcome of a ticker of a job.
func (r *rig) backtested(jobID, ticker string, returnPercent float64) *events.TickerBacktested {
	q := r.queued(jobID)
	b := eventstest.Backtested(jobID, ticker, returnPercent)
	b.StrategyName, b.StrategyHash = q.StrategyName, q.StrategyHash
	rate := 100.0
	b.Report.Metrics.Trading = events.Trading{Trades: 1, Wins: 1, Won: 500, WinRatePercent: &rate}
	b.Report.Trades = []events.Trade{{Side: "long", SignalDay: "2025-12-31", EntryDay: "2026-01-02", ExitDay: "2026-01-05", Verdict: events.StrongBuy,
		Score: 0.7, EntryPrice: 100, ExitPrice: 105.5, Stop: 95, Target: 110, Size: 91, Reason: "end_of_window", BarsHeld: 1, PnL: 500.50000000004, R: 1.1}}
	return b
}

func TestBacktestDefaults(t *testing.T) {
	r := newRig(t, atNoon)
	answer := r.post("/api/v1/backtests", `{"tickers":["TCS.NS","INFY.NS"]}`).want(http.StatusAccepted)
	id := answer.text("job_id")
	if at := answer.Header.Get("Location"); at != "/api/v1/jobs/"+id {
		t.Errorf("Location %q", at)
	}
	if links := answer.json()["links"].(map[string]any); links["results"] != "/api/v1/backtests/"+id {
		t.Errorf("links %v", links)
	}
	q := r.queued(id)
	want := &events.Backtest{From: "2023-11-24", To: "2026-11-24", CostPercent: 0.1, SlippagePercent: 0.05}
	if diff := cmp.Diff(want, q.Backtest); diff != "" || q.Kind != events.KindBacktest || q.Options.Bars != 400 || q.Capital != 100_000 || q.StrategyName != "balanced" {
		t.Errorf("job %+v\n%s", q, diff)
	}
	all := r.backtest(`{"universe":"nifty50","capital":5000,"strategy":"mean_reversion","options":{"bars":300},"from":"2020-01-02","to":"2020-12-31","cost_percent":0,"slippage_percent":1.5}`)
	q = r.queued(all)
	want = &events.Backtest{From: "2020-01-02", To: "2020-12-31", CostPercent: 0, SlippagePercent: 1.5}
	if diff := cmp.Diff(want, q.Backtest); diff != "" || len(q.Tickers) != 50 || q.Options.Bars != 300 || q.StrategyName != "mean_reversion" {
		t.Errorf("job %+v\n%s", q, diff)
	}
	if q := r.queued(r.backtest(`{"tickers":["A"],"to":"2024-02-29"}`)); q.Backtest.From != "2021-03-01" {
		t.Errorf("three years before 2024-02-29 is %s", q.Backtest.From)
	}
}

func TestBacktestRefusals(t *testing.T) {
	r := newRig(t, atNoon)
	for name, c := range map[string]struct {
		body      string
		locations []string
	}{
		"nothing":          {`{}`, []string{"body.tickers"}},
		"unknown field":    {`{"tickers":["A"],"form":"2024-01-01"}`, []string{"body.form"}},
		"no dates":         {`{"tickers":["A"],"from":"01/02/2024","to":20240101}`, []string{"body.from", "body.to"}},
		"no such day":      {`{"tickers":["A"],"from":"2024-02-30"}`, []string{"body.from"}},
		"backwards":        {`{"tickers":["A"],"from":"2024-03-01","to":"2024-02-01"}`, []string{"body.from"}},
		"ahead":            {`{"tickers":["A"],"to":"2026-11-26"}`, []string{"body.to"}},
		"beyond":           {`{"tickers":["A"],"from":"2000-01-01"}`, []string{"body.from"}},
		"before all":       {`{"tickers":["A"],"from":"1969-12-31"}`, []string{"body.from"}},
		"costs":            {`{"tickers":["A"],"cost_percent":10.1,"slippage_percent":-1}`, []string{"body.cost_percent", "body.slippage_percent"}},
		"texts as numbers": {`{"tickers":["A"],"cost_percent":"0.1"}`, []string{"body.cost_percent"}},
		"too many bars":    {`{"tickers":["A"],"options":{"bars":4990}}`, []string{"body.from"}},
		"everything":       {`{"tickers":["a b"],"capital":0,"from":"x"}`, []string{"body.capital", "body.from", "body.tickers[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			answer := r.post("/api/v1/backtests", c.body).want(http.StatusUnprocessableEntity)
			var locations []string
			for _, e := range answer.json()["errors"].([]any) {
				locations = append(locations, e.(map[string]any)["location"].(string))
			}
			if diff := cmp.Diff(c.locations, locations); diff != "" {
				t.Errorf("locations (-want +got):\n%s\n%s", diff, answer.Body)
			}
		})
	}
	// 4,600 sessions before the 400 that a signal sees: 920 weeks before today.
	oldest := noon().AddDate(0, 0, -920*7)
	r.backtest(fmt.Sprintf(`{"tickers":["A"],"from":"%s"}`, oldest.Format(time.DateOnly)))
	r.post("/api/v1/backtests", fmt.Sprintf(`{"tickers":["A"],"from":"%s"}`, oldest.AddDate(0, 0, -1).Format(time.DateOnly))).want(http.StatusUnprocessableEntity)
	r.post("/api/v1/backtests", `{"tickers":["A"],"cost_percent":10,"to":"2026-11-25"}`).want(http.StatusAccepted)
	r.post("/api/v1/jobs", `{"tickers":["A"],"from":"2024-01-01"}`).want(http.StatusUnprocessableEntity)
}

// TestBacktestKeys: a key stands for one request, whichever route it came on.
func TestBacktestKeys(t *testing.T) {
	r := newRig(t)
	body := `{"tickers":["TCS.NS"]}`
	first := r.backtest(body, "Idempotency-Key", "k")
	again := r.post("/api/v1/backtests", body, "Idempotency-Key", "k").want(http.StatusAccepted)
	if again.text("job_id") != first || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%v %s", again.Header, again.Body)
	}
	r.post("/api/v1/backtests", `{"tickers":["TCS.NS"],"to":"2024-01-01"}`, "Idempotency-Key", "k").want(http.StatusUnprocessableEntity)
	r.post("/api/v1/jobs", body, "Idempotency-Key", "k").want(http.StatusUnprocessableEntity)
}

func TestBacktestReads(t *testing.T) {
	r := newRig(t, atNoon)
	id := r.backtest(`{"tickers":["TCS.NS","M&M.NS","BRK.B","AAPL"]}`)
	path := "/api/v1/backtests/" + id
	if early := r.get(path).want(http.StatusOK).json(); early["equal_weight"] != nil || len(early["items"].([]any)) != 0 || early["status"] != "queued" {
		t.Errorf("before it is recorded: %v", early)
	}
	f := r.failed(id, "AAPL", events.FailureShortHistory)
	f.Kind = events.KindBacktest
	r.publish(r.backtested(id, "TCS.NS", 10), r.backtested(id, "M&M.NS", -4), r.backtested(id, "BRK.B", 10), f)
	r.record()
	job := r.get("/api/v1/jobs/" + id).want(http.StatusOK).json()
	if job["kind"] != "backtest" || job["analyzed"] != 3.0 || job["failed"] != 1.0 || job["backtest"].(map[string]any)["to"] != "2026-11-24" {
		t.Errorf("job %v", job)
	}
	whole := r.get(path).want(http.StatusOK)
	sum := whole.json()["equal_weight"].(map[string]any)
	growth := sum["growth"].(map[string]any)["return_percent"].(float64)
	if sum["tickers"] != 3.0 || sum["profitable"] != 2.0 || growth < 5.33 || growth > 5.34 || sum["hold"].(map[string]any)["return_percent"].(float64) < 0.99 || len(sum["equity"].([]any)) != 2 {
		t.Errorf("sum %v", sum)
	}
	if tickers := tickersOf(whole); !cmp.Equal(tickers, []string{"BRK.B", "TCS.NS", "M&M.NS"}) {
		t.Errorf("tickers %v", tickers)
	}
	r.get(path, "If-None-Match", whole.Header.Get("ETag")).want(http.StatusNotModified)
	page := r.get(path + "?limit=2").want(http.StatusOK)
	next := r.get(path + "?limit=2&cursor=" + page.text("next_cursor")).want(http.StatusOK)
	if tickers := tickersOf(next); !cmp.Equal(tickers, []string{"M&M.NS"}) || next.json()["equal_weight"] != nil || next.json()["next_cursor"] != nil {
		t.Errorf("second page %s", next.Body)
	}
	one := r.get(path + "/tickers/TCS.NS").want(http.StatusOK).json()
	if one["ticker"] != "TCS.NS" || len(one["trades"].([]any)) != 1 || one["equity"].([]any)[1].(map[string]any)["day"] != "2026-01-05" {
		t.Errorf("one %v", one)
	}
	if other := r.get(path + "/tickers/TCS").want(http.StatusOK).text("ticker"); other != "TCS.NS" {
		t.Errorf("TCS is %s", other)
	}
	r.get(path + "/tickers/M%26M.NS").want(http.StatusOK)
	missing := r.get(path + "/tickers/AAPL").want(http.StatusNotFound)
	if !strings.Contains(missing.text("detail"), "/details") {
		t.Errorf("missing: %s", missing.Body)
	}
	r.get(path + "/tickers/a%20b").want(http.StatusBadRequest)
	r.get(path + "?page=2").want(http.StatusBadRequest)
	r.get("/api/v1/backtests/0199b2a4-7c11-7d2e-9a53-0d6f5f1f2b10").want(http.StatusNotFound)
	if screen := r.get("/api/v1/results?class=synthetic").want(http.StatusOK); len(screen.json()["items"].([]any)) != 0 {
		t.Errorf("the screen shows %s", screen.Body)
	}
	if page := string(r.get("/").want(http.StatusOK).Body); !strings.Contains(page, id) {
		t.Error("the page does not list the job")
	}
	if progress := string(r.get("/api/all-stocks/progress").want(http.StatusOK).Body); strings.Contains(progress, id) {
		t.Errorf("the predecessor's progress shows a backtest: %s", progress)
	}
}

func tickersOf(p reply) (list []string) {
	for _, item := range p.json()["items"].([]any) {
		list = append(list, item.(map[string]any)["ticker"].(string))
	}
	return list
}

func TestBacktestCSV(t *testing.T) {
	r := newRig(t)
	id := r.backtest(`{"tickers":["TCS.NS","M&M.NS"]}`)
	r.publish(r.backtested(id, "TCS.NS", 10), r.backtested(id, "M&M.NS", -4))
	r.record()
	path := "/api/v1/backtests/" + id
	table := func(path string, headers ...string) [][]string {
		answer := r.get(path, headers...).want(http.StatusOK)
		if kind := answer.Header.Get("Content-Type"); kind != "text/csv; charset=utf-8" || !strings.HasPrefix(answer.Header.Get("Content-Disposition"), "attachment") {
			t.Fatalf("%v", answer.Header)
		}
		rows, err := csv.NewReader(strings.NewReader(string(answer.Body))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	metrics := table(path + "?format=csv")
	if len(metrics) != 3 || metrics[0][0] != "ticker" || metrics[1][0] != "TCS.NS" || metrics[1][8] != "10" || metrics[1][9] != "" || metrics[2][8] != "-4" || len(metrics[0]) != len(metrics[1]) {
		t.Errorf("metrics %q", metrics)
	}
	trades := table(path+"/tickers/M%26M.NS", "Accept", "text/csv")
	if len(trades) != 2 || trades[1][0] != "M&M.NS" || trades[1][19] != "500.5" || len(trades[0]) != len(trades[1]) {
		t.Errorf("trades %q", trades)
	}
	equity := table(path + "/tickers/TCS.NS?format=csv&part=equity")
	if diff := cmp.Diff([][]string{{"ticker", "day", "equity", "hold"}, {"TCS.NS", "2026-01-02", "1", "1"}, {"TCS.NS", "2026-01-05", "1.1", "1.01"}}, equity); diff != "" {
		t.Error(diff)
	}
	for accept, csv := range map[string]bool{"": false, "*/*": false, "application/json": false, "text/csv, */*;q=0.1": true, "application/json, text/csv;q=0.5": false} {
		kind := r.get(path, "Accept", accept).want(http.StatusOK).Header.Get("Content-Type")
		if strings.HasPrefix(kind, "text/csv") != csv {
			t.Errorf("Accept %q is answered with %s", accept, kind)
		}
	}
	r.get(path + "?format=xml").want(http.StatusBadRequest)
	r.get(path + "/tickers/TCS.NS?part=equity").want(http.StatusBadRequest)
}

// TestOtherKind: each kind's results are found from the other kind's address.
func TestOtherKind(t *testing.T) {
	r := newRig(t)
	backtest, analysis := r.backtest(`{"tickers":["A"]}`), r.submit(`{"tickers":["A"]}`)
	for _, recorded := range []bool{false, true} {
		if recorded {
			r.record()
		}
		answer := r.get("/api/v1/jobs/" + backtest + "/results").want(http.StatusConflict)
		if answer.text("code") != "job_is_backtest" || !strings.Contains(answer.text("detail"), "/api/v1/backtests/"+backtest) {
			t.Errorf("%s", answer.Body)
		}
		answer = r.get("/api/v1/backtests/" + analysis).want(http.StatusConflict)
		if answer.text("code") != "job_is_analysis" || !strings.Contains(answer.text("detail"), "/api/v1/jobs/"+analysis+"/results") {
			t.Errorf("%s", answer.Body)
		}
		r.get("/api/v1/jobs/" + backtest + "/results/A").want(http.StatusConflict)
		if text := string(r.get("/api/v1/backtests/" + backtest + "?format=csv").want(http.StatusOK).Body); strings.Count(text, "\n") != 1 {
			t.Errorf("a table without rows: %q", text)
		}
		r.get("/api/v1/jobs/" + analysis + "/results").want(http.StatusOK)
	}
}

// TestBacktestRetry retries the failed tickers over the same window, whatever
// day it is by then; a cancel works as for any job.
func TestBacktestRetry(t *testing.T) {
	r := newRig(t, atNoon)
	id := r.backtest(`{"tickers":["A","B"],"from":"2024-01-01","cost_percent":0.2,"options":{"bars":300}}`)
	f := r.failed(id, "B", events.FailureTimeout)
	f.Kind = events.KindBacktest
	r.publish(r.backtested(id, "A", 1), f)
	r.record()
	again := r.post("/api/v1/jobs/"+id+"/retry", "").want(http.StatusAccepted).text("job_id")
	before, q := r.queued(id), r.queued(again)
	if q.Kind != events.KindBacktest || q.Origin != events.OriginRetry || q.ParentJobID != id || !cmp.Equal(q.Tickers, []string{"B"}) || q.Options != before.Options {
		t.Errorf("retry %+v", q)
	}
	if diff := cmp.Diff(before.Backtest, q.Backtest); diff != "" {
		t.Error(diff)
	}
	r.post("/api/v1/jobs/"+again+"/cancel", "").want(http.StatusAccepted)
	r.record()
	if job := r.get("/api/v1/jobs/" + again).want(http.StatusOK).json(); job["status"] != "cancelled" {
		t.Errorf("job %v", job)
	}
}
