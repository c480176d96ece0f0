package indicator

import "math"

// Supertrend is the band of multiplier average true ranges around the middle of
// a bar, (high+low)/2, that trails the price: below it in a rise, which it
// follows up and never down, above it in a fall, and it changes sides when the
// close crosses it. It returns that line and the side of the trend, +1 rise and
// -1 fall (TradingView writes them -1 and 1). Both have their first value, a
// fall, at index period-1; period >= 1, multiplier > 0.
//
// Source: the reference of Pine's ta.supertrend, which TA-Lib does not have; so
// the average true range is Wilder's as ta.atr has it, not as ATR here: high-low
// of the first bar counts, and the mean of the first period ranges is its first
// value. TradingView: equal from the first value when both begin with the same
// bar, else from the first crossing after the averages have met (about bar
// 14*period), because a line that has not been crossed remembers where it began.
func Supertrend(high, low, closing []float64, period int, multiplier float64) (line, trend []float64) {
	n := shortest(high, low, closing)
	line, trend = nans(n), nans(n)
	if period < 1 || period > n || !(multiplier > 0) || math.IsInf(multiplier, 1) {
		return line, trend
	}
	for r := nextRun(0, n, high, low, closing); r.from < r.to; r = nextRun(r.to, n, high, low, closing) {
		s := bands{period: float64(period), multiplier: multiplier}
		for i := r.from; i < r.to; i++ {
			known := s.widen(high, low, closing, i, i-r.from)
			if !known {
				continue
			}
			previous := math.NaN()
			if i-r.from >= period {
				previous = closing[i-1]
			}
			s.trail((high[i]+low[i])/2, previous, closing[i])
			line[i], trend[i] = s.line, s.trend
		}
	}
	return line, trend
}

// bands is the state of the Supertrend recursion.
type bands struct {
	period, multiplier float64
	atr                float64 // until it is known: the sum of the ranges so far
	upper, lower       float64
	line, trend        float64
}

// widen takes in the true range of bar i, the nth of its run (from 0), and
// reports whether the average is known.
func (s *bands) widen(high, low, closing []float64, i, nth int) bool {
	tr := high[i] - low[i]
	if nth > 0 {
		tr = trueRange(high, low, closing, i)
	}
	last := int(s.period) - 1
	switch {
	case nth < last:
		s.atr += tr
		return false
	case nth == last:
		s.atr = (s.atr + tr) / s.period
	default:
		s.atr = (s.atr*(s.period-1) + tr) / s.period
	}
	return true
}

// trail moves both bands and the line to a bar with this middle and close;
// previous is the close before it, NaN at the first.
func (s *bands) trail(middle, previous, closing float64) {
	upper, lower := middle+s.multiplier*s.atr, middle-s.multiplier*s.atr
	if math.IsNaN(previous) {
		// Pine's lower band begins at 0 and rises from there.
		s.upper, s.lower, s.line, s.trend = upper, max(lower, 0), upper, -1
		return
	}
	onUpper := s.line == s.upper
	// A band moves toward the price only, until the price has passed it.
	if !(lower > s.lower || previous < s.lower) {
		lower = s.lower
	}
	if !(upper < s.upper || previous > s.upper) {
		upper = s.upper
	}
	s.upper, s.lower = upper, lower
	rising := closing >= lower
	if onUpper {
		rising = closing > upper
	}
	s.line, s.trend = upper, -1
	if rising {
		s.line, s.trend = lower, 1
	}
}
