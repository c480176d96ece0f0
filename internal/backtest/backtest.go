// Package backtest trades a strategy over the bars of one ticker, by the same
// analysis as a live one: on each session of a window the signal is exactly
// what analysis.Analyze says of the newest bars up to that session, and an order
// that follows from it is filled on the next one. It is pure: no clock, random
// or I/O, so the same input always gives the same trades.
//
// The order of things on a session: orders of the evening before are filled at
// the open (exit before entry; never both, because an entry is ordered only
// without a position); stop and target are watched during the session; at the
// close the position is valued and the verdict decides what to order.
// docs/BACKTEST.md states every rule.
package backtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// Params are a backtest's own numbers. All are required; defaults are resolved
// when the job is submitted.
type Params struct {
	// Params are those of a live analysis. Capital is what the ticker starts with;
	// later positions are sized on what it has become.
	analysis.Params
	// From and To are trading days, midnight UTC, both included: the window whose
	// verdicts are traded. Bars before From are history only, bars after To are
	// never looked at.
	From, To time.Time
	// Bars is how many of the newest bars each analysis sees, as in a live one,
	// from the strategy's MinBars to MaxBars.
	Bars int
	// CostPercent is what commission and taxes take of the value of each entry
	// and each exit, 0..MaxSidePercent.
	CostPercent float64
	// SlippagePercent is how much worse than the bar's price each entry and each
	// exit is filled, 0..MaxSidePercent.
	SlippagePercent float64
}

// Validate reports, wrapped in analysis.ErrParameters, every parameter out of its range.
func (p Params) Validate() error {
	var wrong []string
	need := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	need(midnight(p.From) && midnight(p.To), "from and to must be dates at midnight UTC, are %v and %v", p.From, p.To)
	need(!p.To.Before(p.From), "to must not be before from, are %s and %s", p.To.Format(time.DateOnly), p.From.Format(time.DateOnly))
	need(p.Bars >= 2 && p.Bars <= MaxBars, "bars must be from 2 to %d, is %d", MaxBars, p.Bars)
	need(p.CostPercent >= 0 && p.CostPercent <= MaxSidePercent, "cost percent must be from 0 to %d, is %v", MaxSidePercent, p.CostPercent)
	need(p.SlippagePercent >= 0 && p.SlippagePercent <= MaxSidePercent,
		"slippage percent must be from 0 to %d, is %v", MaxSidePercent, p.SlippagePercent)
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %s", analysis.ErrParameters, strings.Join(wrong, "; "))
	}
	return p.Params.Validate()
}

func midnight(t time.Time) bool { return !t.IsZero() && t.Equal(t.UTC().Truncate(24*time.Hour)) }

// A Result is one ticker's backtest. No float in it is NaN or infinite, and no
// slice is nil. Trades are in the order of their entries; there are fewer than
// sessions.
type Result struct {
	Ticker   string           `json:"ticker"`
	Trades   []measure.Trade  `json:"trades"`
	Metrics  measure.Metrics  `json:"metrics"`
	Curve    measure.Curve    `json:"curve"`
	Warnings []string         `json:"warnings"` // what is odd about the bars in use, sessions without a signal or with partial coverage, signals that could not be traded, a window beyond the data
	Lineage  analysis.Lineage `json:"lineage"`  // of the window's bars and of those before it that its first signal sees
}

// Run trades doc over series. It fails with analysis.ErrParameters,
// analysis.ErrBadData, or analysis.ErrShortHistory when the window holds no
// session that has doc.MinBars bars up to it. It changes nothing that it is
// given, and the result shares no memory with it.
func Run(series market.Series, doc strategy.Document, p Params) (Result, error) {
	return runWith(series, doc, p, live(doc, p))
}

// runWith is Run with the signals of ask.
func runWith(series market.Series, doc strategy.Document, p Params, ask oracle) (Result, error) {
	if err := check(doc, p); err != nil {
		return Result{}, err
	}
	series, odd, first, err := cut(series, p)
	if err != nil {
		return Result{}, err
	}
	if err := enough(len(series.Bars), first, doc.MinBars); err != nil {
		return Result{}, err
	}
	w := walk{series: series, doc: doc, p: p, odd: odd, first: first, ask: ask, balance: p.Capital}
	if err := w.run(); err != nil {
		return Result{}, err
	}
	return w.result(), nil
}

// check refuses what cannot be tested, whatever the bars.
func check(doc strategy.Document, p Params) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if err := doc.Validate(); err != nil {
		return fmt.Errorf("%w: %w", analysis.ErrParameters, err)
	}
	if p.Bars < doc.MinBars {
		return fmt.Errorf("%w: bars is %d, below the %d that strategy %s needs", analysis.ErrParameters, p.Bars, doc.MinBars, doc.Name)
	}
	return nil
}

// cut leaves the bars of the window, and as many before it as its first signal
// sees; odd is what is odd about them, and first the window's first. No other bar matters, neither for the trades
// nor for whether the bars are good and what is odd about them: so the result
// does not depend on when it was asked for.
func cut(series market.Series, p Params) (left market.Series, odd []string, first int, err error) {
	bars := series.Bars
	end := len(bars)
	for end > 0 && bars[end-1].Date.After(p.To) {
		end--
	}
	for first < end && bars[first].Date.Before(p.From) {
		first++
	}
	if first == end && len(bars) > 0 {
		return series, nil, 0, fmt.Errorf("%w: no session within the window: the bars are from %s to %s", analysis.ErrShortHistory,
			bars[0].Date.Format(time.DateOnly), bars[len(bars)-1].Date.Format(time.DateOnly))
	}
	oldest := max(0, first-(p.Bars-1))
	series.Bars = bars[oldest:end]
	odd, err = market.Validate(series.Ticker, series.Bars)
	if err != nil {
		return series, nil, 0, fmt.Errorf("%w: %w", analysis.ErrBadData, err)
	}
	warnings := slices.Clone(odd)
	for _, warning := range series.Warnings {
		if !market.IsOddity(warning) { // the provider's of all that it delivered
			warnings = append(warnings, warning)
		}
	}
	series.Warnings = warnings
	return series, odd, first - oldest, nil
}

// enough refuses a window, from the bar first on, without a session to analyse,
// or with more than a backtest may have.
func enough(bars, first, minBars int) error {
	switch sessions := bars - first; {
	case bars < minBars:
		return fmt.Errorf("%w: %d bars up to the end of the window, %d needed", analysis.ErrShortHistory, bars, minBars)
	case sessions > MaxSessions:
		return fmt.Errorf("%w: %d sessions in the window, at most %d; choose a later from", analysis.ErrParameters, sessions, MaxSessions)
	}
	return nil
}

func (w *walk) result() Result {
	m := measure.Metrics{
		Capital:         w.p.Capital,
		FinalEquity:     w.balance,
		ExposurePercent: 100 * float64(w.days.InMarket) / float64(w.days.Sessions),
		Days:            w.days,
		Trading:         measure.TradingOf(w.trades),
	}
	sessions, held := w.sessions(), w.hold()
	m.Growth = measure.GrowthOf(w.p.Capital, sessions, w.equity)
	m.Hold = measure.GrowthOf(w.p.Capital, sessions, held)
	return Result{
		Ticker:   w.series.Ticker,
		Trades:   w.trades,
		Metrics:  m,
		Curve:    measure.CurveOf(w.p.Capital, sessions, w.equity, held),
		Warnings: w.warnings(),
		Lineage:  analysis.LineageOf(w.series),
	}
}

// sessions returns the days of the window.
func (w *walk) sessions() []time.Time {
	var days []time.Time
	for _, bar := range w.series.Bars[w.first:] {
		days = append(days, bar.Date)
	}
	return days
}

// hold returns the value of buying and holding at each close of the window: in
// full, in parts of a share (a price above the capital must not make the
// benchmark 0), in at the first open and out at the last close, at the same
// costs and slippage.
func (w *walk) hold() []float64 {
	bars := w.series.Bars[w.first:]
	slip, cost := w.p.SlippagePercent/100, w.p.CostPercent/100
	shares := w.p.Capital / (bars[0].Open * (1 + slip) * (1 + cost))
	values := make([]float64, len(bars))
	for i, bar := range bars {
		values[i] = shares * bar.Close
	}
	values[len(bars)-1] *= (1 - slip) * (1 - cost)
	return values
}

// warnings says what a reader of the figures should know about their data, and
// which signals came to nothing for another reason than the strategy's cooldown or
// the window's end, which are in every backtest.
func (w *walk) warnings() []string {
	list := append([]string{}, w.odd...)
	add := func(is bool, format string, args ...any) {
		if is {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	bars, d := w.series.Bars, w.days
	add(d.NoSignal > 0, "%d of %d sessions have no signal: fewer than %d bars up to them", d.NoSignal, d.Sessions, w.doc.MinBars)
	add(d.Partial > 0, "%d of %d signals lack indicators that need more bars: the coverage is partial", d.Partial, d.Analyzed)
	skipped, asked := d.Skipped, d.Skipped.Sum()+len(w.trades)
	for _, one := range []struct {
		signals int
		why     string
	}{
		{skipped.Size, "no whole share within the position limit or the risk"},
		{skipped.NoPlan, "no order with stop and target is possible at the price"},
		{skipped.GapBeyondStop, "the next open was at or beyond the stop"},
		{skipped.GapBeyondTarget, "the next open was at or beyond the target"},
		{skipped.Ruined, "the capital was lost"},
	} {
		add(one.signals > 0, "%d of %d signals were not traded: %s", one.signals, asked, one.why)
	}
	add(bars[0].Date.After(w.p.From), "the window begins on %s, but the bars on %s",
		w.p.From.Format(time.DateOnly), bars[0].Date.Format(time.DateOnly))
	last := bars[len(bars)-1].Date
	add(w.p.To.Sub(last) > quietDays*24*time.Hour, "the window ends on %s, but the bars on %s",
		w.p.To.Format(time.DateOnly), last.Format(time.DateOnly))
	return list
}

// quietDays is how long exchanges are closed at a stretch at most, weekends and
// holidays together: a gap within it at the end of a window is no gap in the data.
const quietDays = 5
