package indicator

// RSI is Wilder's relative strength index, 100*up/(up+down) of the smoothed
// rises and falls of in: means of the first period changes, then
// (previous*(period-1) + change) / period. First value at index period;
// period >= 2. Without any change so far it is 0. Source: TA_RSI. TradingView:
// equal, but for a series that never moved (100 there).
func RSI(in []float64, period int) []float64 {
	out := nans(len(in))
	if period < 2 {
		return out
	}
	for r := nextRun(0, len(in), in); r.from < r.to; r = nextRun(r.to, len(in), in) {
		rsiRun(in[r.from:r.to], out[r.from:r.to], float64(period), period)
	}
	return out
}

func rsiRun(in, out []float64, p float64, period int) {
	up, down := 0.0, 0.0
	for i := 1; i < len(in); i++ {
		rise, fall := max(in[i]-in[i-1], 0), max(in[i-1]-in[i], 0)
		switch {
		case i < period:
			up, down = up+rise, down+fall
			continue
		case i == period:
			up, down = (up+rise)/p, (down+fall)/p
		default:
			up, down = (up*(p-1)+rise)/p, (down*(p-1)+fall)/p
		}
		out[i] = 0
		if up+down > 0 {
			out[i] = 100 * (up / (up + down))
		}
	}
}

// Stochastic is the slow stochastic: raw = 100*(close-LL)/(HH-LL) over period
// bars (0 when the range is empty; a close outside it, as adjusted prices have by
// their rounding, counts as at its end), k = SMA(smooth) of raw, d = SMA(signal) of
// k, both from index period+smooth+signal-3 on; all three >= 1. Source:
// TA_STOCH with SMAs. TradingView: equal (k is there from the start of its own
// warm-up, signal-1 bars earlier). One working slice.
func Stochastic(high, low, closing []float64, period, smooth, signal int) (k, d []float64) { //revive:disable-line:argument-limit TA-Lib's own parameters
	n := shortest(high, low, closing)
	if period < 1 || smooth < 1 || signal < 1 || max(smooth, signal) > n {
		return nans(n), nans(n)
	}
	raw := nans(n)
	eachWindow(n, period, [][]float64{high, low, closing}, func(from, i int) {
		raw[i] = 0
		top, bottom := highest(high[from:i+1]), lowest(low[from:i+1])
		if top > bottom {
			raw[i] = 100 * ((within(closing[i], bottom, top) - bottom) / (top - bottom))
		}
	})
	k = SMA(raw, smooth)
	d = SMA(k, signal)
	for i := range k {
		if !finite(d[i]) {
			k[i] = d[i]
		}
	}
	return k, d
}

// WilliamsR is Williams' %R, -100*(HH-close)/(HH-LL) over period bars, -100..0;
// 0 when the range is empty; a close outside it counts as at its end. First value at index period-1; period >= 1.
// Source: TA_WILLR. TradingView: equal, but for an empty range (none there).
func WilliamsR(high, low, closing []float64, period int) []float64 {
	n := shortest(high, low, closing)
	out := nans(n)
	if period < 1 {
		return out
	}
	eachWindow(n, period, [][]float64{high, low, closing}, func(from, i int) {
		out[i] = 0
		top, bottom := highest(high[from:i+1]), lowest(low[from:i+1])
		if top > bottom {
			out[i] = -100 * ((top - within(closing[i], bottom, top)) / (top - bottom))
		}
	})
	return out
}

// CCI is the commodity channel index of the typical price t = (high+low+close)/3:
// (t - mean) / (0.015 * mean absolute deviation) over period bars, 0 when t is
// at the mean or did not move. First value at index period-1; period >= 1.
// Source: TA_CCI. TradingView: equal, but for a price that did not move (none
// there). One working slice.
func CCI(high, low, closing []float64, period int) []float64 {
	typical := typicalPrice(high, low, closing)
	out := nans(len(typical))
	if period < 1 {
		return out
	}
	eachWindow(len(typical), period, [][]float64{typical}, func(from, i int) {
		window := typical[from : i+1]
		average := mean(window)
		sum := 0.0
		for _, t := range window {
			sum += max(t-average, average-t)
		}
		out[i] = 0
		if off := typical[i] - average; off != 0 && sum != 0 {
			out[i] = off / (0.015 * (sum / float64(period)))
		}
	})
	return out
}

// typicalPrice returns (high+low+close)/3 of each bar.
func typicalPrice(high, low, closing []float64) []float64 {
	out := make([]float64, shortest(high, low, closing))
	for i := range out {
		out[i] = (high[i] + low[i] + closing[i]) / 3
	}
	return out
}
