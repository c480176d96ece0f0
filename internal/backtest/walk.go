package backtest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/number"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// A walk is one backtest under way. At most one of ordered and open is set.
type walk struct {
	series market.Series // what cut leaves
	doc    strategy.Document
	p      Params
	odd    []string // about its bars
	first  int      // the window's first bar
	ask    oracle   // for the signal of a bar

	balance float64   // the capital and the PnL of all closed trades
	ordered *order    // to be filled at the next open
	open    *position // held over the close
	leave   string    // why to leave open at the next open, or ""
	quiet   int       // the first bar on which an entry may be, after a losing trade
	volumes bool      // a bar before the one at hand has a volume

	trades []measure.Trade
	equity []float64 // at each close of the window
	days   measure.Days
}

// An oracle gives the report on the evening of a series' bar, sized for a capital.
type oracle func(series market.Series, at int, capital float64) (analysis.Report, error)

// An order is an entry for the next open.
type order struct {
	side  float64 // +1 long, -1 short
	day   time.Time
	from  analysis.Report
	risks float64 // a share's risk as planned, above 0
}

// A position is an order that was filled.
type position struct {
	order
	at    int     // the bar of the entry
	price float64 // the bar's price, without slippage
	fill  float64 // with it
	size  float64 // whole shares
	costs float64 // of the entry
}

// run walks over the window's sessions.
func (w *walk) run() error {
	w.trades = []measure.Trade{}
	end := len(w.series.Bars) - 1
	w.volumes = slices.ContainsFunc(w.series.Bars[:w.first], func(b market.Bar) bool { return b.Volume > 0 })
	for at := w.first; at <= end; at++ {
		w.days.Sessions++
		w.session(at)
		w.volumes = w.volumes || w.series.Bars[at].Volume > 0
		if err := w.signal(at, at == end); err != nil {
			return fmt.Errorf("analysing %s: %w", w.series.Bars[at].Date.Format(time.DateOnly), err)
		}
		w.close(at, at == end)
	}
	if w.ordered != nil { // nothing was traded on the last bar
		w.ordered = nil
		w.days.Skipped.EndOfWindow++
	}
	return nil
}

// untraded reports whether there was no trade on a bar: no volume, in a series
// that has volumes (an index never has), and every price is the last close, which
// is how providers fill such a day. Only bars up to it are looked at.
func (w *walk) untraded(at int) bool {
	bar := w.series.Bars[at]
	if at == 0 || bar.Volume > 0 || !w.volumes {
		return false
	}
	last := w.series.Bars[at-1].Close
	for _, price := range [...]float64{bar.Open, bar.High, bar.Low, bar.Close} {
		if math.Abs(price-last) > market.OHLCTolerance*last {
			return false
		}
	}
	return true
}

// session fills what was ordered at the open of a bar and watches the levels
// during it. On a bar without a trade nothing is filled, and orders stand.
func (w *walk) session(at int) {
	bar := w.series.Bars[at]
	if w.untraded(at) {
		if w.open != nil {
			w.days.InMarket++
		}
		return
	}
	if w.open != nil && w.leave != "" {
		out := exit{price: bar.Open, reason: w.leave} // as ordered, whatever level it opens beyond
		if level, beyond := leaves(bar, w.open.side, w.open.from.Plan, true); beyond && level.atOpen {
			out.gap = level.gap
		}
		w.exit(at, out)
	}
	if w.ordered != nil {
		w.enter(at)
	}
	if w.open == nil {
		return
	}
	out, ended := leaves(bar, w.open.side, w.open.from.Plan, at > w.open.at)
	if !ended || !out.atOpen {
		w.days.InMarket++
	}
	if ended {
		w.exit(at, out)
	}
}

// enter fills the order at the open of a bar, or counts why not.
func (w *walk) enter(at int) {
	o, open := w.ordered, w.series.Bars[at].Open
	w.ordered = nil
	fill := open * (1 + o.side*w.p.SlippagePercent/100)
	size := affordable(o.from.Plan.Size, fill*(1+w.p.CostPercent/100), w.balance)
	switch skipped := &w.days.Skipped; {
	case o.side*(open-o.from.Plan.Stop) <= 0:
		skipped.GapBeyondStop++
	case o.side*(fill-o.from.Plan.Target) >= 0:
		skipped.GapBeyondTarget++
	case size == 0:
		skipped.Size++
	default:
		w.open = &position{order: *o, at: at, price: open, fill: fill, size: size, costs: size * fill * w.p.CostPercent / 100}
	}
}

// exit ends the open position on a bar.
func (w *walk) exit(at int, out exit) {
	o := w.open
	fill := out.price * (1 - o.side*w.p.SlippagePercent/100)
	costs := o.costs + o.size*fill*w.p.CostPercent/100
	t := measure.Trade{
		Side: measure.Long, SignalDay: o.day, EntryDay: w.series.Bars[o.at].Date, ExitDay: w.series.Bars[at].Date,
		Verdict: string(o.from.Verdict), Score: o.from.Score,
		EntryPrice: o.fill, ExitPrice: fill, Stop: o.from.Plan.Stop, Target: o.from.Plan.Target, Size: int64(o.size),
		Reason: out.reason, Gap: out.gap, BarsHeld: at - o.at,
		Risk:     o.size * o.risks,
		Gross:    number.PositiveZero(o.side * o.size * (fill - o.fill)),
		Costs:    costs,
		Slippage: o.size * (math.Abs(o.fill-o.price) + math.Abs(fill-out.price)),
	}
	if o.side < 0 {
		t.Side = measure.Short
	}
	t.PnL = number.PositiveZero(t.Gross - t.Costs)
	t.ReturnPercent = 100 * t.PnL / (o.size * o.fill)
	t.R = t.PnL / t.Risk
	w.trades = append(w.trades, t)
	w.balance += t.PnL
	w.open, w.leave = nil, ""
	if t.PnL < 0 {
		w.quiet = at + 1 + w.doc.Trade.CooldownBars
	}
}

// close values what there is at the close of a bar, and ends the position where
// the window ends or nothing is left of the capital.
func (w *walk) close(at int, last bool) {
	price := w.series.Bars[at].Close
	value := w.balance
	if o := w.open; o != nil {
		value += o.side*o.size*(price-o.fill) - o.costs
		switch {
		case last:
			w.exit(at, exit{price: price, reason: measure.ReasonEndOfWindow})
			value = w.balance
		case value <= 0:
			w.exit(at, exit{price: price, reason: measure.ReasonRuin})
			value = w.balance
		}
	}
	w.equity = append(w.equity, value)
}

// signal asks the strategy at the close of a bar, when its answer can matter,
// and orders what follows.
func (w *walk) signal(at int, last bool) error {
	if at+1 < w.doc.MinBars {
		w.days.NoSignal++
		return nil
	}
	expired := w.open != nil && w.doc.Trade.MaxBars > 0 && at-w.open.at+1 >= w.doc.Trade.MaxBars
	leaving := w.leave != "" // since before a bar without a trade
	if expired && !leaving {
		w.leave = measure.ReasonMaxBars
	}
	if w.open != nil && w.doc.Trade.Exit == strategy.ExitLevels {
		return nil
	}
	report, err := w.ask(w.series, at, w.capital())
	if err != nil {
		return err
	}
	w.count(report)
	side := sideOf(report.Verdict)
	switch {
	case side == 0:
	case w.ordered != nil: // it stands, as above
	case w.open != nil:
		if side != w.open.side && !leaving {
			w.leave = measure.ReasonOpposite
		}
	case side < 0 && w.doc.Trade.Sides != strategy.SidesBoth:
	default:
		w.order(at, side, report, last)
	}
	return nil
}

// live is the oracle that analyses as a live analysis on that evening would:
// the newest bars up to it, and none after.
func live(doc strategy.Document, p Params) oracle {
	return func(series market.Series, at int, capital float64) (analysis.Report, error) {
		seen, params := series, p.Params
		seen.Bars = series.Bars[max(0, at+1-p.Bars) : at+1]
		params.Capital = capital
		return analysis.Analyze(seen, doc, params)
	}
}

// capital returns what a position is sized on: what there is while there is no
// position. When nothing is left, nothing is bought, but the verdicts go on.
func (w *walk) capital() float64 {
	if w.balance <= 0 {
		return w.p.Capital
	}
	return min(w.balance, analysis.MaxCapital)
}

// order places an entry for the next open, or counts why not.
func (w *walk) order(at int, side float64, report analysis.Report, last bool) {
	switch skipped := &w.days.Skipped; {
	case w.balance <= 0:
		skipped.Ruined++
	case report.Plan.Side == analysis.SideNone:
		skipped.NoPlan++
	case report.Plan.Size == 0:
		skipped.Size++
	case at+1 < w.quiet:
		skipped.Cooldown++
	case last:
		skipped.EndOfWindow++
	default:
		w.ordered = &order{side: side, day: report.TradingDay, from: report, risks: number.Apart(report.Plan.Entry, report.Plan.Stop)}
	}
}

// count tallies a signal.
func (w *walk) count(report analysis.Report) {
	w.days.Analyzed++
	if report.Coverage < 1 {
		w.days.Partial++
	}
	switch v := &w.days.Verdicts; report.Verdict {
	case analysis.StrongBuy:
		v.StrongBuy++
	case analysis.Buy:
		v.Buy++
	case analysis.Sell:
		v.Sell++
	case analysis.StrongSell:
		v.StrongSell++
	default:
		v.Hold++
	}
}
