package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/universe"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	anyID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyHash = regexp.MustCompile(`[0-9a-f]{64}`)
	anyTime = regexp.MustCompile(`"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d"`)
)

// golden compares an answer, indented, with a file; ids, times and hashes
// are replaced.
func (p reply) golden(name string) {
	p.t.Helper()
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(json.RawMessage(p.Body)); err != nil {
		p.t.Fatalf("%v in %s", err, p.Body)
	}
	got := anyTime.ReplaceAllString(anyID.ReplaceAllString(text.String(), "123e4567-e89b-12d3-a456-426614174000"), `"2025-11-23T15:30:45"`)
	got = anyHash.ReplaceAllString(got, strings.Repeat("0", 64))
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		p.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestPredecessor is the predecessor's documented example, end to end: submit,
// progress, history.
func TestPredecessor(t *testing.T) {
	r := newRig(t)
	accepted := r.post("/api/stocks/analyze-all-stocks", `{"symbols": ["TCS.NS"], "capital": 100000}`).want(http.StatusCreated)
	accepted.golden("predecessor_accepted.json")
	id := accepted.text("job_id")
	r.record()
	r.get("/api/all-stocks/progress").want(http.StatusOK).golden("predecessor_progress_queued.json")
	r.publish(&events.JobStarted{JobID: id, Total: 1})
	r.record()
	r.get("/api/stocks/all-stocks/progress").want(http.StatusOK).golden("predecessor_progress_processing.json")
	r.publish(r.analyzed(id, "TCS.NS", 0.5, events.Buy))
	r.record()
	r.get("/api/all-stocks/progress").want(http.StatusOK).golden("predecessor_progress_completed.json")
	r.get("/api/analysis-history/TCS").want(http.StatusOK).golden("predecessor_history.json")
	r.get("/api/analysis/history/tcs.ns").want(http.StatusOK).golden("predecessor_analysis_history.json")
	r.get("/api/analysis-history/NOSUCH").want(http.StatusOK).golden("predecessor_history_empty.json")
}

func TestPredecessorSymbols(t *testing.T) {
	listed := []string{"TCS.NS", "M&M.NS", "TCS.NS", "no ticker"}
	r := newRig(t, func(c *api.Config) {
		c.Lister = func(context.Context) ([]string, error) { return listed, nil }
	})
	for body, want := range map[string][]string{
		``:                               {"TCS.NS", "M&M.NS"},
		`{}`:                             {"TCS.NS", "M&M.NS"},
		`{"symbols":null}`:               {"TCS.NS", "M&M.NS"},
		`{"symbols":[]}`:                 {"TCS.NS", "M&M.NS"},
		`{"symbols":["tcs","NSE:INFY"]}`: {"TCS.NS", "INFY.NS"},
	} {
		answer := r.post("/api/stocks/analyze-all-stocks", body).want(http.StatusCreated)
		if diff := cmp.Diff(want, r.queued(answer.text("job_id")).Tickers); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	listed = nil
	r.post("/api/stocks/analyze-all-stocks", ``).want(http.StatusBadRequest)
	without := newRig(t)
	answer := without.post("/api/stocks/analyze-all-stocks", `{}`).want(http.StatusCreated)
	if q := without.queued(answer.text("job_id")); len(q.Tickers) != 50 || !strings.HasPrefix(q.Universe, "nifty50@") {
		t.Errorf("without a lister: %d tickers of %q", len(q.Tickers), q.Universe)
	}
	unlisted := newRig(t, func(c *api.Config) {
		c.Lister = func(context.Context) ([]string, error) { return nil, fmt.Errorf("asking: %w", universe.ErrCannotList) }
	})
	answer = unlisted.post("/api/stocks/analyze-all-stocks", `{}`).want(http.StatusCreated)
	if q := unlisted.queued(answer.text("job_id")); len(q.Tickers) != 50 {
		t.Errorf("of a market that cannot list: %d tickers", len(q.Tickers))
	}
	broken := newRig(t, func(c *api.Config) {
		c.Lister = func(context.Context) ([]string, error) { return nil, errors.New("secret") }
	})
	if answer := broken.post("/api/stocks/analyze-all-stocks", `{}`).want(http.StatusInternalServerError); strings.Contains(string(answer.Body), "secret") {
		t.Errorf("%s", answer.Body)
	}
}

// TestPredecessorSettings: what its page always sends is applied, not dropped.
func TestPredecessorSettings(t *testing.T) {
	r := newRig(t)
	answer := r.post("/api/stocks/analyze-all-stocks", `{"symbols":["TCS"],"capital":200000,"strategy_id":3,"force":true,
		"risk_percent":1,"position_size_limit":10,"risk_reward_ratio":2.5,"data_period":"2y","use_demo_data":false,
		"category_weights":{"trend":1,"momentum":1,"volatility":0.9,"volume":0.9},"enabled_indicators":{"rsi":false,"macd":true},"max_workers":5}`).want(http.StatusCreated)
	q := r.queued(answer.text("job_id"))
	if want := (events.Options{RiskPercent: 1, PositionLimitPercent: 10, MinRiskReward: 2.5, Bars: 504}); q.Options != want || q.Capital != 200000 {
		t.Errorf("options %+v, capital %g", q.Options, q.Capital)
	}
	var document struct {
		Name       string
		Indicators map[string]struct{ Weight float64 }
		Categories map[string]float64
	}
	if err := json.Unmarshal(q.Strategy, &document); err != nil {
		t.Fatal(err)
	}
	if document.Name != "mean_reversion_custom" || document.Indicators["rsi"].Weight != 0 || document.Categories["volume"] != 0.9 {
		t.Errorf("strategy: %s", q.Strategy)
	}
	for id, name := range map[string]string{"1": "balanced", "5": "weekly_4"} {
		answer := r.post("/api/stocks/analyze-all-stocks", `{"symbols":["TCS"],"strategy_id":`+id+`}`).want(http.StatusCreated)
		if got := r.queued(answer.text("job_id")).StrategyName; got != name {
			t.Errorf("strategy %s is %s", id, got)
		}
	}
}

func TestPredecessorErrors(t *testing.T) {
	r := newRig(t)
	r.post("/api/stocks/analyze-all-stocks", `{"symbols":["TCS","*",""],"strategy_id":6,"capital":-1}`).want(http.StatusBadRequest).golden("predecessor_error.json")
	r.post("/api/stocks/analyze-all-stocks", `{"symbols"`).want(http.StatusBadRequest)
	r.post("/api/stocks/analyze-all-stocks", `{"use_demo_data":true,"data_period":"7d"}`).want(http.StatusBadRequest)
	r.post("/api/stocks/analyze-all-stocks", `symbols=TCS`, "Content-Type", "application/x-www-form-urlencoded").want(http.StatusUnsupportedMediaType)
	for _, answer := range []reply{r.get("/api/no-such-route").want(404), r.post("/api/all-stocks/progress", "").want(405)} {
		if tree := answer.json(); tree["error"].(map[string]any)["code"] == "" {
			t.Errorf("%s", answer.Body)
		}
	}
	if last := r.lastSeq(); last != 0 {
		t.Errorf("%d events were published by refused requests", last)
	}
}
