package e2e_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
)

// TestBacktest sends a backtest through the pipeline of an analysis: one
// outcome for each ticker, progress and stream as of any job, failures with
// their codes, rows that verify and rebuild make again; and no screen, history
// or day sees it.
func TestBacktest(t *testing.T) {
	market := t.TempDir()
	writeBars(t, market, "GOOD.NS", 600)
	writeBars(t, market, "OTHER.NS", 600)
	writeBars(t, market, "YOUNG.NS", 20)
	writeBars(t, market, "LATER.NS", 60) // ends before the window begins
	d := startUp(t, "csv:"+market)
	tickers := []string{"GOOD.NS", "OTHER.NS", "YOUNG.NS", "LATER.NS", "NOSUCH.NS"}
	accepted, err := d.client.SubmitBacktest(t.Context(), client.BacktestSubmission{
		Submission: client.Submission{Tickers: tickers}, From: "2025-01-01", To: "2025-12-31",
	}, "the-key")
	if err != nil {
		t.Fatal(err)
	}
	outcomes, last := 0, client.Job{}
	err = d.client.Follow(t.Context(), accepted.JobID, func(event client.Event) bool {
		switch event.Name {
		case "ticker":
			outcomes++
		case "end":
			if err := json.Unmarshal(event.Data, &last); err != nil {
				t.Errorf("%s: %v", event.Data, err)
			}
		}
		return true
	})
	if err != nil || outcomes != len(tickers) || last.Status != events.StatusCompleted || last.Analyzed != 2 || last.Failed != 3 || last.Kind != events.KindBacktest {
		t.Errorf("followed %d outcomes to %+v, %v", outcomes, last, err)
	}
	want := map[string]events.FailureCode{"YOUNG.NS": events.FailureShortHistory, "LATER.NS": events.FailureShortHistory, "NOSUCH.NS": events.FailureUnknownTicker}
	for ticker, detail := range d.details(accepted.JobID, "") {
		if detail.Code != want[ticker] {
			t.Errorf("%s ended with %q: %s", ticker, detail.Code, detail.ErrorMessage)
		}
	}
	seen := d.oneOutcomeEach(accepted.JobID, tickers)
	if len(seen.strongBuy) > 0 {
		t.Errorf("analyses among the outcomes: %v", seen.strongBuy)
	}
	again, err := d.client.SubmitBacktest(t.Context(), client.BacktestSubmission{
		Submission: client.Submission{Tickers: tickers}, From: "2025-01-01", To: "2025-12-31",
	}, "the-key")
	if err != nil || again.JobID != accepted.JobID {
		t.Errorf("sent again it is %+v, %v", again, err)
	}
	d.equalWeight(accepted.JobID)

	// An analysis of the same tickers is untouched by it.
	analysis := d.ended(d.submit(client.Submission{Tickers: tickers[:2]}).JobID, time.Minute)
	screen, err := d.client.Screen(t.Context(), map[string][]string{"max_age_days": {"3660"}})
	if err != nil || len(screen.Items) != 2 || screen.Items[0].JobID != analysis.JobID || screen.Items[1].JobID != analysis.JobID {
		t.Errorf("the screen shows %+v, %v", screen.Items, err)
	}
	history, err := d.client.History(t.Context(), "GOOD.NS", nil)
	if err != nil || len(history.Items) != 1 {
		t.Errorf("the history has %d results, %v", len(history.Items), err)
	}
	before, _ := d.verified()
	d.operate("rebuild")
	if after, _ := d.verified(); after != before {
		t.Errorf("the sum was %s and is %s", before, after)
	}
	out, _ := d.use(0, "results", accepted.JobID)
	if !strings.Contains(out, "GOOD.NS") || !strings.Contains(out, "= equal weight") {
		t.Errorf("results prints\n%s", out)
	}
}

// equalWeight holds that the sum is that of the tickers.
func (d *deck) equalWeight(id string) {
	d.t.Helper()
	page, err := d.client.Backtest(d.t.Context(), id, nil)
	if err != nil || page.EqualWeight == nil || len(page.Items) != 2 {
		d.t.Fatalf("%+v, %v", page, err)
	}
	sum, trades, growth := page.EqualWeight, 0, 0.0
	for _, b := range page.Items {
		trades += b.Metrics.Trading.Trades
		growth += b.Metrics.Growth.ReturnPercent / 2
		if b.Metrics.Days.Sessions < 250 || b.FirstDay != "2025-01-01" || b.LastDay != "2025-12-31" || b.Lineage.Provider == "" {
			d.t.Errorf("backtest %+v", b)
		}
	}
	if trades == 0 || sum.Trading.Trades != trades || math.Abs(sum.Growth.ReturnPercent-growth) > 1e-3 {
		d.t.Errorf("%d trades and %g %% are added up to %d and %g %%", trades, growth, sum.Trading.Trades, sum.Growth.ReturnPercent)
	}
}
