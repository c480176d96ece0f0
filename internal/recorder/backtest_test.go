package recorder_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/events/eventstest"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
)

// backtestQueued makes a legal JobQueued of kind backtest.
func backtestQueued(id string, tickers ...string) *events.JobQueued {
	q := queued(id, tickers...)
	q.Kind, q.Backtest = events.KindBacktest, &events.Backtest{From: "2023-11-25", To: "2026-11-24", CostPercent: 0.1, SlippagePercent: 0.05}
	return q
}

// backtested makes a legal TickerBacktested with a trade.
func backtested(id, ticker string) *events.TickerBacktested {
	b := eventstest.Backtested(id, ticker, 12.5)
	b.StrategyName, b.StrategyHash = "balanced", "h"
	b.Report.Trades = []events.Trade{{Side: "long", SignalDay: "2025-12-31", EntryDay: "2026-01-02", ExitDay: "2026-01-05",
		Verdict: events.Buy, Score: 0.25, EntryPrice: 100, ExitPrice: 112.5, Stop: 95, Target: 112.5, Size: 10, Reason: "target", PnL: 125}}
	b.Report.Metrics.Trading = events.Trading{Trades: 1, Wins: 1, Won: 125}
	return b
}

func backtestFailed(id, ticker string, code events.FailureCode) *events.TickerFailed {
	f := failed(id, ticker, code)
	f.Kind = events.KindBacktest
	return f
}

// TestFoldOfBacktests: a backtest counts as analyzed, has a row of its own, and
// answers for no day.
func TestFoldOfBacktests(t *testing.T) {
	q, b := backtestQueued("j", "A.NS", "B.NS", "C.NS"), backtested("j", "B.NS")
	b.Report.Trades[0].Score = math.Copysign(0, -1)
	b.Report.Metrics.Growth.ReturnPercent = math.Copysign(0, -1)
	b.Report.Curve.Hold[1] = math.Copysign(0, -1)
	c := fold(t, tapeOf(t, q, b, backtestFailed("j", "C.NS", "short_history"), backtested("j", "B.NS"), &events.JobCancelled{JobID: "j"}, backtested("j", "A.NS"))...)
	if p := progressOf(t, c, "j"); len(c.Poison) > 0 || p.Analyzed != 1 || p.Failed != 1 || p.Cancelled != 1 || p.Duplicates != 1 || p.Late != 1 {
		t.Errorf("progress %+v, poison %v", p, c.Poison)
	}
	if len(c.Results) != 0 || len(c.Days) != 0 || len(c.Indicators) != 0 || len(c.Backtests) != 1 || c.Details[0].Status != store.DetailAnalyzed {
		t.Fatalf("changes %+v", c)
	}
	if diff := cmp.Diff(q.Backtest, c.Jobs[0].Backtest); diff != "" {
		t.Error(diff)
	}
	row := c.Backtests[0]
	if math.Signbit(row.Metrics.Growth.ReturnPercent) || row.Seq != 2 || !row.RecordedAt.Equal(at(2)) || row.Origin != events.OriginAPI ||
		row.Warnings == nil || row.Lineage.Notes == nil || row.FirstDay != "2026-01-02" || row.LastDay != "2026-01-05" {
		t.Errorf("row %+v", row.Backtest)
	}
	var trades []events.Trade
	var curve events.Curve
	if err := store.Unpack(row.Packed.Trades, &trades); err != nil || math.Signbit(trades[0].Score) || trades[0].PnL != 125 {
		t.Errorf("trades %+v: %v", trades, err)
	}
	if err := store.Unpack(row.Packed.Curve, &curve); err != nil || math.Signbit(curve.Hold[1]) || len(curve.Equity) != 2 {
		t.Errorf("curve %+v: %v", curve, err)
	}
}

func TestPoisonedBacktests(t *testing.T) {
	with := func(change func(*events.BacktestReport)) events.Data {
		data := backtested("j", "A.NS")
		change(&data.Report)
		return data
	}
	job := func(change func(*events.Backtest)) events.Data {
		data := backtestQueued("new", "A.NS")
		change(data.Backtest)
		return data
	}
	whole := func(change func(*events.TickerBacktested)) events.Data {
		data := backtested("j", "A.NS")
		change(data)
		return data
	}
	for _, test := range []struct {
		name   string
		data   events.Data
		reason string
		fails  bool // the ticker A.NS of job j
	}{
		{"not in the list", backtested("j", "Z.NS"), "does not hold", false},
		{"an analysis", analyzed("j", "A.NS"), "kind", true},
		{"an analysis that says it is a backtest", func() events.Data { a := analyzed("j", "A.NS"); a.Kind = events.KindBacktest; return a }(), "kind", true},
		{"kind", whole(func(d *events.TickerBacktested) { d.Kind = events.KindAnalysis }), "kind", true},
		{"strategy", whole(func(d *events.TickerBacktested) { d.StrategyHash = "other" }), "strategy", true},
		{"attempts", whole(func(d *events.TickerBacktested) { d.Attempts = -1 }), "attempts", true},
		{"first day", with(func(r *events.BacktestReport) { r.FirstDay = "2026-02-30" }), "window", true},
		{"last day", with(func(r *events.BacktestReport) { r.LastDay = "2026-01-01" }), "window", true},
		{"sessions", with(func(r *events.BacktestReport) { r.Metrics.Days.Sessions = 0 }), "sessions", true},
		{"lengths", with(func(r *events.BacktestReport) { r.Curve.Hold = r.Curve.Hold[:1] }), "curve", true},
		{"steps", with(func(r *events.BacktestReport) { r.Curve.Steps = nil }), "curve", true},
		{"step", with(func(r *events.BacktestReport) { r.Curve.Steps = []int{0} }), "steps[0]", true},
		{"curve's first", with(func(r *events.BacktestReport) { r.Curve.First = "yesterday" }), "curve.first", true},
		{"trades", with(func(r *events.BacktestReport) { r.Trades = make([]events.Trade, events.MaxTrades+1) }), "1201 elements", true},
		{"left out", with(func(r *events.BacktestReport) { r.TradesLeftOut = -1 }), "left_out", true},
		{"text of a trade", with(func(r *events.BacktestReport) { r.Trades[0].Reason = strings.Repeat("x", 4097) }), "trades[0]: reason", true},
		{"count of trades", with(func(r *events.BacktestReport) { r.Metrics.Trading.Trades = -1 }), "trades", true},
		{"bars", with(func(r *events.BacktestReport) { r.Lineage.Bars = -1 }), "bars", true},
		{"text of a warning", with(func(r *events.BacktestReport) { r.Warnings = []string{strings.Repeat("x", 4097)} }), "warnings: [0]", true},
		{"job's from", job(func(b *events.Backtest) { b.From = "today" }), "dates", false},
		{"job's to", job(func(b *events.Backtest) { b.To = "2020-01-01" }), "before it begins", false},
		{"job's texts", job(func(b *events.Backtest) { b.To = strings.Repeat("x", 4097) }), "4097 bytes", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := fold(t, tapeOf(t, backtestQueued("j", "A.NS", "B.NS"), test.data, backtested("j", "B.NS"))...)
			if len(c.Poison) != 1 || c.Poison[0].Seq != 2 || !strings.Contains(c.Poison[0].Reason, test.reason) {
				t.Fatalf("%d poisoned, %q, want %q", len(c.Poison), c.Poison[0].Reason, test.reason)
			}
			if p := progressOf(t, c, "j"); p.Analyzed != 1 || (p.Failed == 1) != test.fails || len(c.Backtests) != 1 || len(c.Jobs) != 1 {
				t.Errorf("progress %+v, %d backtests, %d jobs", p, len(c.Backtests), len(c.Jobs))
			}
		})
	}
}

// TestWindowOfAJob: a backtest without a window is a job all the same, as the
// program before took it; an analysis has none.
func TestWindowOfAJob(t *testing.T) {
	bare, extra := backtestQueued("bare", "A.NS"), queued("extra", "A.NS")
	bare.Backtest, extra.Backtest = nil, &events.Backtest{From: "x"}
	c := fold(t, tapeOf(t, bare, extra)...)
	if len(c.Poison) > 0 || len(c.Jobs) != 2 || c.Jobs[0].Backtest != nil || c.Jobs[1].Backtest != nil {
		t.Errorf("jobs %+v, poison %v", c.Jobs, c.Poison)
	}
}

// TestLargestBacktestIsLegal: twenty years of sessions and as many trades as
// are listed are one event, and are taken.
func TestLargestBacktestIsLegal(t *testing.T) {
	const sessions = 5040
	b := backtested("j", "A.NS")
	r := &b.Report
	r.Metrics.Days.Sessions, r.FirstDay, r.LastDay = sessions, "2006-01-02", "2026-01-02"
	r.Curve = events.Curve{First: "2006-01-02", Equity: make([]float64, sessions), Hold: make([]float64, sessions)}
	for i := range sessions {
		r.Curve.Equity[i], r.Curve.Hold[i] = 12.345678, 123.456789
		if i > 0 {
			r.Curve.Steps = append(r.Curve.Steps, 1)
		}
	}
	long := 12345.678901234567 // as long as floats get
	trade := events.Trade{Side: "short", SignalDay: "2025-12-31", EntryDay: "2026-01-02", ExitDay: "2026-01-05", Verdict: events.StrongSell,
		Score: -0.6543210987654321, EntryPrice: long, ExitPrice: long, Stop: long, Target: long, Size: 1e9, Reason: "end_of_window", Gap: true,
		BarsHeld: 500, Risk: long, Gross: -long, Costs: long, Slippage: long, PnL: -long, ReturnPercent: -long, R: -0.6543210987654321}
	r.Trades = nil
	for range events.MaxTrades {
		r.Trades = append(r.Trades, trade)
	}
	for range 20 {
		r.Warnings = append(r.Warnings, strings.Repeat("w", 500))
	}
	c := fold(t, tapeOf(t, backtestQueued("j", "A.NS"), b)...)
	if len(c.Poison) != 0 || len(c.Backtests) != 1 {
		t.Errorf("poison %+v", c.Poison)
	}
	t.Logf("the event has %d bytes of at most %d", len(message(t, 1, b).Data), events.MaxBodyBytes)
}

// TestBacktestsVerifyAndRebuild: the rows are part of what verify compares and
// rebuild makes again.
func TestBacktestsVerifyAndRebuild(t *testing.T) {
	g := newRig(t)
	r := g.start("one")
	g.publish(backtestQueued("b", "A.NS", "B.NS", "C.NS"), backtested("b", "A.NS"), backtestFailed("b", "B.NS", "short_history"), backtested("b", "C.NS"))
	g.awaitJob("b", "announced", announced)
	g.awaitTapeEnd()
	if _, err := g.tape.Publish(t.Context(), events.New("test", time.Now(), backtestFailed("b", "A.NS", "internal"))); err == nil {
		t.Error("a second outcome of another type was stored")
	}
	g.verifies()
	before := g.sum()
	g.tamper(`UPDATE backtests SET sharpe = 3 WHERE ticker = 'A.NS'`)
	g.tamper(`DELETE FROM backtests WHERE ticker = 'C.NS'`)
	result, err := g.verify()
	if said := strings.Join(result.Differences, "\n"); err != nil || result.Count != 2 || !strings.Contains(said, "backtests b/A.NS") || !strings.Contains(said, "backtests b/C.NS") {
		t.Errorf("found %d differences: %s, %v", result.Count, said, err)
	}
	if _, err := r.Rebuild(t.Context(), recorder.RebuildRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	if g.sum() != before {
		t.Error("the rebuilt tables are not those from before")
	}
	latest, err := g.reader.Screen(t.Context(), store.ScreenQuery{Class: store.ClassSynthetic, MaxAgeDays: 1000, Limit: 10})
	if err != nil || len(latest.Items) > 0 {
		t.Errorf("a screen shows backtests: %+v, %v", latest.Items, err)
	}
}
