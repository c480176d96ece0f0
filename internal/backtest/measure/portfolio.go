package measure

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"
	"time"
)

// curveDigits is how fine a curve is, 1e-6 of the capital: finer than any chart
// and any figure that is shown, and 8 characters a session instead of 18.
const curveDigits = 1e6

// A Curve is the value of a capital at the close of each session, in units of
// the capital at the start and rounded to 1e-6 of it: 1.05 is 5 % above. It is
// small on purpose, about 20 bytes of JSON a session before compression (15 KB
// for three years), so that each ticker's outcome can carry it whole and a
// portfolio's drawdown and Sharpe ratio can be worked out at read.
type Curve struct {
	First  time.Time `json:"first"`  // the first session
	Steps  []int     `json:"steps"`  // calendar days from the session before, for each session after the first
	Equity []float64 `json:"equity"` // of the strategy, one for each session
	Hold   []float64 `json:"hold"`   // of buying and holding, one for each session
}

// CurveOf returns the curve of values, in money, at the closes of days; start is
// what there was before.
func CurveOf(start float64, days []time.Time, equity, hold []float64) Curve {
	c := Curve{Steps: []int{}, Equity: make([]float64, len(days)), Hold: make([]float64, len(days))}
	for i, day := range days {
		if i == 0 {
			c.First = day
		} else {
			c.Steps = append(c.Steps, int(math.Round(day.Sub(days[i-1]).Hours()/24)))
		}
		c.Equity[i] = math.Round(equity[i]/start*curveDigits) / curveDigits
		c.Hold[i] = math.Round(hold[i]/start*curveDigits) / curveDigits
	}
	return c
}

// Days returns the curve's sessions, one for each value.
func (c Curve) Days() []time.Time {
	days := make([]time.Time, 0, len(c.Equity))
	for _, day := range c.numbered() {
		days = append(days, dayOf(day))
	}
	return days
}

const secondsPerDay = 24 * 60 * 60

// numbered yields the index and the day of each session, in days since 1970:
// a portfolio walks over millions of them.
func (c Curve) numbered() iter.Seq2[int, int64] {
	return func(yield func(int, int64) bool) {
		day := c.First.Unix() / secondsPerDay
		for i := range c.Equity {
			if i > 0 && i <= len(c.Steps) {
				day += int64(c.Steps[i-1])
			}
			if !yield(i, day) {
				return
			}
		}
	}
}

func dayOf(number int64) time.Time { return time.Unix(number*secondsPerDay, 0).UTC() }

// A Member is one ticker's part in a portfolio: what its recorded outcome holds.
type Member struct {
	Ticker  string
	Metrics Metrics
	Curve   Curve
}

// A Pooled is the equal-weight sum of many backtests: each ticker traded its own
// capital, none knew of the others, and the results are added up as if every
// ticker had been given an equal part. It is not a portfolio that was traded:
// nothing is moved between the tickers, and cash that one does not use lies
// idle. Amounts in Trading are in percent of a ticker's own starting capital,
// because tickers may differ in currency.
type Pooled struct {
	Tickers    int       `json:"tickers"`
	Profitable int       `json:"profitable"` // tickers that ended above their capital
	Untradable int       `json:"untradable"` // tickers that could not trade at all, see Metrics.Untradable; each counts as a return of 0
	From       time.Time `json:"from"`       // first session of any
	To         time.Time `json:"to"`         // last session of any
	Sessions   int       `json:"sessions"`   // days on which any had a session
	// ExposurePercent is the mean of the tickers' exposures: the share of the
	// ticker-sessions that were in the market.
	ExposurePercent float64 `json:"exposure_percent"`
	Days            Days    `json:"days"` // sums over the tickers
	Trading         Trading `json:"trading"`
	Growth          Growth  `json:"growth"` // of the mean of the curves
	Hold            Growth  `json:"hold"`   // of the mean of the buy-and-hold curves
	Curve           Curve   `json:"curve"`  // the means themselves
}

// Portfolio returns the equal-weight sum of members. Before its first session a
// member stands at its capital, after its last one at its last value; between,
// on a day without a session of its own, at the value of the session before.
// The order of members does not matter. No member gives the zero Pooled.
func Portfolio(members []Member) Pooled {
	if len(members) == 0 {
		return Pooled{Curve: Curve{Steps: []int{}, Equity: []float64{}, Hold: []float64{}}}
	}
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(a, b Member) int { return cmp.Compare(a.Ticker, b.Ticker) })
	out := Pooled{Tickers: len(members)}
	var trades pool
	inMarket := 0.0
	for _, m := range members {
		if m.Metrics.FinalEquity > m.Metrics.Capital {
			out.Profitable++
		}
		if m.Metrics.Untradable() {
			out.Untradable++
		}
		trades.add(m.Metrics.Trading, m.Metrics.Capital)
		out.Days.add(m.Metrics.Days)
		inMarket += m.Metrics.ExposurePercent
	}
	out.ExposurePercent = inMarket / float64(len(members))
	out.Trading = trades.figures()

	days, equity, hold := mean(members)
	out.Sessions = len(days)
	if len(days) > 0 {
		out.From, out.To = days[0], days[len(days)-1]
	}
	out.Growth, out.Hold = GrowthOf(1, days, equity), GrowthOf(1, days, hold)
	out.Curve = CurveOf(1, days, equity, hold)
	return out
}

// mean returns the means of the members' curves on every day on which one has a session.
func mean(members []Member) (days []time.Time, equity, hold []float64) {
	at := map[int64]int{} // a day's place in the list
	for _, m := range members {
		for _, day := range m.Curve.numbered() {
			at[day] = 0
		}
	}
	for place, day := range slices.Sorted(maps.Keys(at)) {
		at[day] = place
		days = append(days, dayOf(day))
	}
	equity, hold = make([]float64, len(days)), make([]float64, len(days))
	for _, m := range members {
		next, e, h := 0, 1.0, 1.0
		until := func(end int) { // the values stand until the next session
			for ; next < end; next++ {
				equity[next] += e
				hold[next] += h
			}
		}
		for i, day := range m.Curve.numbered() {
			until(at[day])
			e, h = m.Curve.Equity[i], m.Curve.Hold[i]
		}
		until(len(days))
	}
	for k := range days {
		equity[k] /= float64(len(members))
		hold[k] /= float64(len(members))
	}
	return days, equity, hold
}

// add puts another's sessions in.
func (d *Days) add(o Days) {
	d.Sessions += o.Sessions
	d.NoSignal += o.NoSignal
	d.Analyzed += o.Analyzed
	d.Partial += o.Partial
	d.InMarket += o.InMarket
	d.Verdicts.StrongBuy += o.Verdicts.StrongBuy
	d.Verdicts.Buy += o.Verdicts.Buy
	d.Verdicts.Hold += o.Verdicts.Hold
	d.Verdicts.Sell += o.Verdicts.Sell
	d.Verdicts.StrongSell += o.Verdicts.StrongSell
	d.Skipped.NoPlan += o.Skipped.NoPlan
	d.Skipped.Size += o.Skipped.Size
	d.Skipped.Cooldown += o.Skipped.Cooldown
	d.Skipped.GapBeyondStop += o.Skipped.GapBeyondStop
	d.Skipped.GapBeyondTarget += o.Skipped.GapBeyondTarget
	d.Skipped.Ruined += o.Skipped.Ruined
	d.Skipped.EndOfWindow += o.Skipped.EndOfWindow
}
