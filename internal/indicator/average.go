package indicator

import "math"

// SMA is the simple moving average: the mean of the last period values, summed
// afresh for every bar, so that it depends on nothing before its window (a
// running sum drags along the rounding of every earlier bar). First value at
// index period-1; period >= 1. Source: TA_SMA. TradingView: equal.
func SMA(in []float64, period int) []float64 {
	out := nans(len(in))
	if period < 1 {
		return out
	}
	eachWindow(len(in), period, [][]float64{in}, func(from, i int) { out[i] = mean(in[from : i+1]) })
	return out
}

// EMA is the exponential moving average: e += (x - e) * 2/(period+1), seeded at
// index period-1, its first value, with the mean of the values so far;
// period >= 1. Source: TA_EMA. TradingView: ta.ema seeds with the first value;
// both agree from about bar 7*period on.
func EMA(in []float64, period int) []float64 {
	out := nans(len(in))
	if period < 1 {
		return out
	}
	for r := nextRun(0, len(in), in); r.from < r.to; r = nextRun(r.to, len(in), in) {
		emaRun(in[r.from:r.to], out[r.from:r.to], period, period-1)
	}
	return out
}

// emaRun writes the EMA of in, all finite, to out from index first >= period-1
// on, seeded there with the mean of the period values that end at first.
func emaRun(in, out []float64, period, first int) {
	if first >= len(in) {
		return
	}
	k := 2 / float64(period+1)
	e := mean(in[first-period+1 : first+1])
	out[first] = e
	for i := first + 1; i < len(in); i++ {
		e += (in[i] - e) * k
		out[i] = e
	}
}

// MACD is the moving average convergence/divergence: line = EMA(fast) -
// EMA(slow), signal = EMA(signal) of line, histogram = line - signal, all three
// from index slow+signal-2 on; 1 <= fast < slow, signal >= 1. As TA-Lib seeds
// it, the fast EMA begins together with the slow one, with the mean of the fast
// values that end at index slow-1. Source: TA_MACD. TradingView: seeds both with
// the first value; agrees from about bar 7*(slow+signal) on. One working slice.
func MACD(in []float64, fast, slow, signal int) (line, signalLine, histogram []float64) {
	n := len(in)
	line, signalLine, histogram = nans(n), nans(n), nans(n)
	if fast < 1 || slow <= fast || slow > n || signal < 1 || signal > n {
		return line, signalLine, histogram
	}
	slowEMA := nans(n)
	for r := nextRun(0, n, in); r.from < r.to; r = nextRun(r.to, n, in) {
		emaRun(in[r.from:r.to], line[r.from:r.to], fast, slow-1)
		emaRun(in[r.from:r.to], slowEMA[r.from:r.to], slow, slow-1)
		start := min(r.from+slow-1, r.to)
		for i := start; i < r.to; i++ {
			line[i] -= slowEMA[i]
		}
		emaRun(line[start:r.to], signalLine[start:r.to], signal, signal-1)
		for i := start; i < r.to; i++ {
			if math.IsNaN(signalLine[i]) {
				line[i] = math.NaN() // TA-Lib aligns all three to the signal
			} else {
				histogram[i] = line[i] - signalLine[i]
			}
		}
	}
	return line, signalLine, histogram
}

// BollingerBands are SMA(period) and deviations population standard deviations
// above and below it, from index period-1 on; period >= 1. Source: TA_BBANDS
// with an SMA, the deviation computed about the mean and not from the sum of
// squares. TradingView: equal.
func BollingerBands(in []float64, period int, deviations float64) (upper, middle, lower []float64) {
	upper, lower = nans(len(in)), nans(len(in))
	middle = SMA(in, period)
	for i, m := range middle {
		if math.IsNaN(m) {
			continue
		}
		sum := 0.0
		for _, x := range in[i-period+1 : i+1] {
			sum += (x - m) * (x - m)
		}
		width := deviations * math.Sqrt(sum/float64(period))
		upper[i], lower[i] = m+width, m-width
	}
	return upper, middle, lower
}
