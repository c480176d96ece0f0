package storetest

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// backtest adds a backtest's row. It answers for no day.
func (g *generator) backtest(c *store.Changes, j *runningJob, d store.Detail) {
	report := g.backtestReport(j)
	packed, err := store.PackBacktest(&report)
	if err != nil {
		panic(err) // finite numbers always encode
	}
	c.Backtests = append(c.Backtests, store.BacktestRow{Packed: packed, Backtest: store.Backtest{
		JobID: d.JobID, Ticker: d.Ticker, Seq: d.Seq, RecordedAt: g.at(), Origin: j.Origin,
		StrategyName: j.StrategyName, StrategyHash: j.StrategyHash, FirstDay: report.FirstDay, LastDay: report.LastDay,
		Metrics: report.Metrics, TradesLeftOut: report.TradesLeftOut, Warnings: report.Warnings, Lineage: report.Lineage,
		Attempts: d.Attempts, StartedAt: d.StartedAt, CompletedAt: d.CompletedAt,
	}})
}

func (g *generator) backtestReport(j *runningJob) events.BacktestReport {
	sessions := 2 + g.rand.IntN(30)
	// Few values, so that lists have rows of one return.
	r := events.BacktestReport{
		FirstDay: "2023-11-27", LastDay: "2026-11-24", TradesLeftOut: g.rand.IntN(2), Warnings: []string{},
		Metrics: events.BacktestMetrics{
			Capital: j.Capital, FinalEquity: j.Capital * (1 + g.rand.Float64()), ExposurePercent: 100 * g.rand.Float64(),
			Days:   events.Days{Sessions: sessions, Analyzed: sessions, Verdicts: events.Verdicts{Hold: sessions}},
			Growth: events.Growth{ReturnPercent: float64(g.rand.IntN(5)-2) / 3, MaxDrawdownPercent: 10 * g.rand.Float64()},
			Hold:   events.Growth{ReturnPercent: g.rand.NormFloat64(), DrawdownFrom: "2024-01-02", DrawdownTo: "2024-02-01"},
		},
		Trades: []events.Trade{},
		Curve:  events.Curve{First: "2023-11-27", Steps: []int{}},
		Lineage: events.Lineage{Provider: "csv", Adjustment: "split", Currency: "INR", Bars: 400 + sessions, FirstBar: "2022-04-01",
			LastBar: "2026-11-24", Warnings: []string{}, Notes: []string{}},
	}
	for i := range sessions {
		if i > 0 {
			r.Curve.Steps = append(r.Curve.Steps, 1+g.rand.IntN(4))
		}
		r.Curve.Equity = append(r.Curve.Equity, math.Round(1e6*g.rand.Float64())/1e6)
		r.Curve.Hold = append(r.Curve.Hold, math.Round(1e6*g.rand.Float64())/1e6)
	}
	if g.rand.IntN(3) > 0 {
		some := g.rand.NormFloat64()
		t := &r.Metrics.Trading
		t.Trades, t.Wins, t.WinRatePercent, t.Expectancy = 1, 1, &some, &some
		r.Metrics.Growth.Sharpe, r.Metrics.Growth.CAGRPercent = &some, &some
		r.Trades = append(r.Trades, events.Trade{Side: "long", SignalDay: "2024-01-01", EntryDay: "2024-01-02", ExitDay: "2024-01-05",
			Verdict: events.Buy, Score: 0.3, EntryPrice: 100, ExitPrice: 100 + some, Size: 3, Reason: "max_bars", PnL: 3 * some})
		r.Warnings, r.Lineage.Notes = []string{"a warning — π"}, []string{"split 2:1 taken out"}
	}
	return r
}

func byReturn(a, b store.Backtest) int {
	return cmp.Or(cmp.Compare(b.Metrics.Growth.ReturnPercent, a.Metrics.Growth.ReturnPercent), strings.Compare(a.Ticker, b.Ticker))
}

// backtestsOf are a job's backtests, as lists show them.
func backtestsOf(changes store.Changes, jobID string) []store.Backtest {
	kept := []store.Backtest{}
	for _, b := range changes.Backtests {
		if b.JobID == jobID {
			kept = append(kept, b.Backtest)
		}
	}
	slices.SortFunc(kept, byReturn)
	return kept
}

// testBacktests reads the backtests of each job: lists, one with everything,
// and the curves. Jobs of the other kind have none.
func testBacktests(t *testing.T, db opened) {
	steps := Tape(31, 12, 10)
	s := db.recording()
	s.record(steps, 7)
	changes, last := Batch(steps)
	if len(changes.Backtests) < 10 {
		t.Fatalf("the tape has only %d backtests", len(changes.Backtests))
	}
	r := db.reader()
	for _, job := range changes.Jobs {
		want := backtestsOf(changes, job.ID)
		wantPages(t, "backtests of "+job.ID, want, func(after store.Cursor, limit int) (store.Page[store.Backtest], error) {
			return r.Backtests(t.Context(), store.BacktestsQuery{JobID: job.ID, After: after, Limit: limit})
		})
		var curves []string
		asOf, err := r.Curves(t.Context(), job.ID, func(c store.BacktestCurve) error {
			curves = append(curves, c.Ticker)
			whole, at, err := r.Backtest(t.Context(), job.ID, c.Ticker)
			wantEqual(t, "curve of "+c.Ticker, c, store.BacktestCurve{Ticker: whole.Ticker, Metrics: whole.Metrics, Curve: whole.Curve})
			wantEqual(t, "as of", at, last.Seq)
			return err
		})
		must(t, err)
		wantEqual(t, "as of", asOf, last.Seq)
		wantEqual(t, "number of curves", len(curves), len(want))
		if !slices.IsSorted(curves) {
			t.Fatalf("curves in the order %v", curves)
		}
	}
	for _, row := range changes.Backtests {
		whole, _, err := r.Backtest(t.Context(), row.JobID, row.Ticker)
		must(t, err)
		wantEqual(t, "backtest of "+row.Ticker, whole.Backtest, row.Backtest)
		var trades []events.Trade
		must(t, store.Unpack(row.Packed.Trades, &trades))
		wantEqual(t, "trades of "+row.Ticker, whole.Trades, trades)
		_, err = r.Indicators(t.Context(), row.Seq)
		wantError(t, "indicators of a backtest", err, store.ErrNotFound)
	}
	testNoBacktests(t, r, changes)
}

func testNoBacktests(t *testing.T, r store.Reading, changes store.Changes) {
	_, err := r.Backtests(t.Context(), store.BacktestsQuery{JobID: "no-such-job", Limit: 1})
	wantError(t, "backtests of no job", err, store.ErrNotFound)
	_, err = r.Backtests(t.Context(), store.BacktestsQuery{JobID: changes.Jobs[0].ID, Limit: 0})
	wantError(t, "a page of none", err, store.ErrQuery)
	_, err = r.Backtests(t.Context(), store.BacktestsQuery{JobID: changes.Jobs[0].ID, Limit: 1, After: "x"})
	wantError(t, "a wrong cursor", err, store.ErrCursor)
	_, _, err = r.Backtest(t.Context(), changes.Backtests[0].JobID, "NONE.NS")
	wantError(t, "no such backtest", err, store.ErrNotFound)
	enough := errors.New("enough")
	calls := 0
	_, err = r.Curves(t.Context(), changes.Backtests[0].JobID, func(store.BacktestCurve) error { calls++; return enough })
	wantError(t, "curves that are stopped", err, enough)
	wantEqual(t, "calls after the stop", calls, 1)
}
