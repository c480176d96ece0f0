package measure

import (
	"math"
	"time"

	"github.com/tapedeck/tapedeck/internal/number"
)

const (
	// sessionsPerYear annualises the Sharpe ratio: the usual count of an exchange's sessions.
	sessionsPerYear = 252
	// daysPerYear is the mean length of a year in CAGR.
	daysPerYear = 365.25
	// leastYear is the window, in days, below which a return is not annualised
	// (as the Global Investment Performance Standards ask): the sessions of a
	// calendar year span a few days less than 365.
	leastYear = 350
	// still is the deviation of daily returns below which a value has not moved:
	// float noise must not become a Sharpe ratio of billions.
	still = 1e-12
)

// GrowthOf returns what became of start, which was there before the open of
// days[0], by its values at the closes of days. There is one value for each
// day, and start is above 0.
func GrowthOf(start float64, days []time.Time, values []float64) Growth {
	if len(days) == 0 {
		return Growth{}
	}
	g := Growth{
		ReturnPercent: number.PositiveZero(100 * (values[len(values)-1]/start - 1)),
		CAGRPercent:   CAGR(values[len(values)-1]/start, days[0], days[len(days)-1]),
		Sharpe:        Sharpe(start, values),
	}
	high, highAt := start, 0
	for i, v := range values {
		if v > high {
			high, highAt = v, i
		}
		if fall := 100 * (1 - v/high); fall > g.MaxDrawdownPercent {
			g.MaxDrawdownPercent, g.DrawdownFrom, g.DrawdownTo = fall, days[highAt], days[i]
		}
	}
	return g
}

// CAGR returns the compound annual growth rate in percent,
// 100 x (factor^(1/years) - 1), years = days between from and to / 365.25,
// of a capital that became factor times what it was. It is -100 when nothing is
// left, and nil when the window is shorter than 350 days: less than a year is
// not annualised.
func CAGR(factor float64, from, to time.Time) *float64 {
	days := to.Sub(from).Hours() / 24
	switch {
	case days < leastYear:
		return nil
	case factor <= 0:
		return number.Known(-100)
	}
	return number.Known(100 * (math.Pow(factor, daysPerYear/days) - 1))
}

// Sharpe returns the Sharpe ratio (W. F. Sharpe, The Sharpe Ratio, Journal of
// Portfolio Management, 1994) of the daily returns of values, the first against
// start, without a risk-free rate, annualised: mean / standard deviation (of a
// sample, n-1) x sqrt(252). Sessions without a position count, as returns of 0.
// It is nil with fewer than two returns or when they do not differ. Returns end
// where the value is 0 or below.
func Sharpe(start float64, values []float64) *float64 {
	returns := make([]float64, 0, len(values))
	previous, total := start, 0.0
	for _, v := range values {
		if previous <= 0 {
			break
		}
		r := v/previous - 1
		returns = append(returns, r)
		total += r
		previous = v
	}
	n := float64(len(returns))
	if n < 2 {
		return nil
	}
	mean, squares := total/n, 0.0
	for _, r := range returns {
		squares += (r - mean) * (r - mean)
	}
	deviation := math.Sqrt(squares / (n - 1))
	if deviation < still {
		return nil
	}
	return number.Known(mean / deviation * math.Sqrt(sessionsPerYear))
}
