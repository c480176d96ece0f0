package analyzer_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/analyzer"
	"github.com/tapedeck/tapedeck/internal/backtest"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// window ends before the newest bar and is short, so that tests are quick.
func window() *events.Backtest {
	to := time.Now().UTC().AddDate(0, 0, -20)
	return &events.Backtest{
		From: to.AddDate(0, -4, 0).Format(time.DateOnly), To: to.Format(time.DateOnly), CostPercent: 0.1, SlippagePercent: 0.05,
	}
}

func date(t *testing.T, text string) time.Time {
	t.Helper()
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return day
}

// counting notes how many bars are asked for.
type counting struct {
	market.Provider
	mu    sync.Mutex
	asked []int
	notes []string
}

func (p *counting) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	p.mu.Lock()
	p.asked = append(p.asked, bars)
	p.mu.Unlock()
	series, err := p.Provider.Daily(ctx, ticker, bars)
	series.Notes = p.notes
	return series, err
}

// TestBacktest compares what stands on the tape with package backtest, asked itself:
// of the bars of the window and those before it that the first signal sees.
func TestBacktest(t *testing.T) {
	d := newDeck(t)
	provider := &counting{Provider: bars(t), notes: []string{"a note\x00"}}
	d.start(provider, 0)
	w := window()
	job := events.JobQueued{JobID: "backtest", Kind: events.KindBacktest, Tickers: []string{"TCS.NS"}, Backtest: w}
	d.submit(job)
	got, ok := d.outcomes(job.JobID, 1)["TCS.NS"].(*events.TickerBacktested)
	if !ok {
		t.Fatalf("got %+v", d.outcomes(job.JobID, 1))
	}
	doc, _ := strategy.Builtin(strategy.Default)
	if got.StrategyName != doc.Name || got.StrategyHash != doc.Hash() || got.Attempts != 1 || got.Kind != events.KindBacktest {
		t.Errorf("outcome %+v", got)
	}
	series, err := provider.Provider.Daily(t.Context(), "TCS.NS", 1000) // more than were asked for
	if err != nil {
		t.Fatal(err)
	}
	params := backtest.Params{
		Params: analysis.Params{Capital: 100_000, RiskPercent: 2, PositionLimitPercent: 20, MinRiskReward: 1.5},
		From:   date(t, w.From), To: date(t, w.To), Bars: 300, CostPercent: 0.1, SlippagePercent: 0.05,
	}
	want, err := backtest.Run(series, doc, params)
	if err != nil {
		t.Fatal(err)
	}
	r := got.Report
	if len(r.Trades) != len(want.Trades) || r.Metrics.FinalEquity != want.Metrics.FinalEquity || !cmp.Equal(r.Metrics.Trading, events.Trading(want.Metrics.Trading)) {
		t.Errorf("%d trades to %v, package backtest says %d to %v", len(r.Trades), r.Metrics.FinalEquity, len(want.Trades), want.Metrics.FinalEquity)
	}
	if diff := cmp.Diff(want.Curve.Equity, r.Curve.Equity); diff != "" {
		t.Error(diff)
	}
	if r.FirstDay < w.From || r.LastDay > w.To || r.Curve.First != r.FirstDay || len(r.Curve.Equity) != r.Metrics.Days.Sessions || r.Metrics.Days.Sessions < 60 {
		t.Errorf("%d sessions from %s to %s", r.Metrics.Days.Sessions, r.FirstDay, r.LastDay)
	}
	if bars := r.Metrics.Days.Sessions + 299; r.Lineage.Bars != bars || !r.Lineage.Synthetic || r.Lineage.LastBar != r.LastDay {
		t.Errorf("lineage %+v, want %d bars", r.Lineage, bars)
	}
	if len(r.Lineage.Notes) != 1 || strings.Contains(r.Lineage.Notes[0], "\x00") || r.Warnings == nil {
		t.Errorf("notes %q, warnings %q", r.Lineage.Notes, r.Warnings)
	}
	if len(provider.asked) != 1 || provider.asked[0] < r.Lineage.Bars || provider.asked[0] > r.Lineage.Bars+40 {
		t.Errorf("asked for %d bars to see %d", provider.asked, r.Lineage.Bars)
	}
}

// everyDay trades on weekends too.
type everyDay struct{ last time.Time }

func (everyDay) Name() string                              { return "every day" }
func (everyDay) Tickers(context.Context) ([]string, error) { return nil, errors.New("no list") }
func (p everyDay) Daily(_ context.Context, ticker string, bars int) (market.Series, error) {
	series := market.Series{Ticker: ticker, Provider: "every day", Currency: "USD"}
	for i := range bars {
		price := 100 + 10*math.Sin(float64(i)/9)
		series.Bars = append(series.Bars, market.Bar{
			Date: p.last.AddDate(0, 0, i-bars+1), Open: price, High: price + 1, Low: price - 1, Close: price, Volume: 1000,
		})
	}
	return series, nil
}

// TestReach asks again where weekdays do not reach back far enough, says when
// nothing reaches, and gives the same whenever it is asked.
func TestReach(t *testing.T) {
	d := newDeck(t)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	provider := &counting{Provider: everyDay{today}}
	d.start(provider, 0)
	far := &events.Backtest{From: today.AddDate(-2, 0, 0).Format(time.DateOnly), To: today.AddDate(-2, 2, 0).Format(time.DateOnly)}
	d.submit(events.JobQueued{JobID: "weekends", Kind: events.KindBacktest, Tickers: []string{"BTC-USD"}, Backtest: far})
	got, ok := d.outcomes("weekends", 1)["BTC-USD"].(*events.TickerBacktested)
	if !ok || got.Report.FirstDay != far.From || got.Report.Lineage.Bars != got.Report.Metrics.Days.Sessions+299 || len(provider.asked) != 2 {
		t.Fatalf("%+v, asked for %d bars", got, provider.asked)
	}
	beyond := &events.Backtest{From: "2005-01-03", To: today.Format(time.DateOnly)}
	d.submit(events.JobQueued{JobID: "beyond", Kind: events.KindBacktest, Tickers: []string{"BTC-USD"}, Backtest: beyond})
	got, ok = d.outcomes("beyond", 1)["BTC-USD"].(*events.TickerBacktested)
	if !ok || got.Report.Lineage.Bars != analyzer.MaxBacktestBars || !strings.Contains(strings.Join(got.Report.Warnings, "\n"), "2005-01-03") {
		t.Fatalf("%+v", got)
	}
	if asked := provider.asked[len(provider.asked)-1]; asked != analyzer.MaxBacktestBars {
		t.Errorf("asked for %d bars", asked)
	}
}

// TestManyTrades: what an event has no room for is left out of its list, not of
// its figures, and said.
func TestManyTrades(t *testing.T) {
	if testing.Short() {
		t.Skip("4,600 days take the race detector long: left out under -short")
	}
	d := newDeck(t)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	d.start(everyDay{today}, 0)
	d.submit(events.JobQueued{
		JobID: "many", Kind: events.KindBacktest, Tickers: []string{"BTC-USD"},
		Backtest: &events.Backtest{From: today.AddDate(0, 0, -4600).Format(time.DateOnly), To: today.Format(time.DateOnly)},
		Strategy: []byte(`{"name":"restless","categories":{"trend":0,"volatility":0,"volume":0},
			"indicators":{"rsi":{"oversold":98,"overbought":99},"stochastic":{"weight":0},"cci":{"weight":0},"williams":{"weight":0}},"trade":{"max_bars":1,"cooldown_bars":0}}`),
	})
	got, ok := d.outcomes("many", 1)["BTC-USD"].(*events.TickerBacktested)
	if !ok {
		t.Fatalf("got %+v", d.outcomes("many", 1))
	}
	r := got.Report
	if r.Metrics.Trading.Trades <= events.MaxTrades || len(r.Trades) != events.MaxTrades || r.TradesLeftOut != r.Metrics.Trading.Trades-events.MaxTrades {
		t.Errorf("%d trades, %d listed, %d left out", r.Metrics.Trading.Trades, len(r.Trades), r.TradesLeftOut)
	}
	if !strings.Contains(strings.Join(r.Warnings, "\n"), "only the first 1200 of") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// TestBacktestNeedsAWindow: what a job does not say is not guessed.
func TestBacktestNeedsAWindow(t *testing.T) {
	d := newDeck(t)
	d.start(bars(t), 0)
	for id, w := range map[string]*events.Backtest{
		"none": nil, "no-dates": {From: "yesterday", To: "today"}, "backwards": {From: "2026-01-02", To: "2026-01-01"},
		"costs": {From: "2026-01-01", To: "2026-02-01", CostPercent: 99},
	} {
		d.submit(events.JobQueued{JobID: id, Kind: events.KindBacktest, Tickers: []string{"A"}, Backtest: w})
		failed, ok := d.outcomes(id, 1)["A"].(*events.TickerFailed)
		if !ok || failed.Code != events.FailureInvalidParameters || failed.Kind != events.KindBacktest {
			t.Errorf("%s: got %+v", id, failed)
		}
	}
}

// TestWait takes the provider's word, but not beyond the deadline.
func TestWait(t *testing.T) {
	paused := &market.Error{Code: market.CodeRateLimited, RetryAfter: 10 * time.Minute, Err: errors.New("paused")}
	for _, c := range []struct {
		err        error
		left, want time.Duration
	}{
		{paused, time.Hour, 10 * time.Minute},
		{errors.Join(errors.New("getting bars"), paused), time.Hour, 10 * time.Minute},
		{paused, time.Minute, time.Minute},
		{paused, -time.Minute, 0},
		{&market.Error{Code: market.CodeUnavailable, Err: errors.New("down")}, time.Hour, 0},
		{context.DeadlineExceeded, time.Hour, 0},
	} {
		if got := analyzer.Wait(c.err, c.left); got != c.want {
			t.Errorf("%v with %s left: %s, want %s", c.err, c.left, got, c.want)
		}
	}
}

// TestPauseKeepsAttempts: a provider that says how long it is paused is asked
// again when that is over, not five times within it.
func TestPauseKeepsAttempts(t *testing.T) {
	d := newDeck(t)
	provider := &pausing{Provider: bars(t), pause: time.Second}
	d.start(provider, 0)
	d.submit(events.JobQueued{JobID: "paused", Tickers: []string{"A"}})
	got, ok := d.outcomes("paused", 1)["A"].(*events.TickerAnalyzed)
	if !ok || got.Attempts != 2 || got.StartedAt.Before(provider.until) {
		t.Errorf("got %+v", got)
	}
}

// pausing pauses when it is asked for the first time, however late that is.
type pausing struct {
	market.Provider
	pause time.Duration
	begin sync.Once
	until time.Time // set by begin
}

func (p *pausing) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	p.begin.Do(func() { p.until = time.Now().Add(p.pause) })
	if left := time.Until(p.until); left > 0 {
		return market.Series{}, &market.Error{Code: market.CodeRateLimited, Ticker: ticker, RetryAfter: left, Err: errors.New("paused")}
	}
	return p.Provider.Daily(ctx, ticker, bars)
}
