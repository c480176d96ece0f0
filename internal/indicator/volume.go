package indicator

// OBV is the on-balance volume: it begins with the first bar's volume and adds
// the volume of a rising close, takes away that of a falling one. First value at
// index 0; after a gap it begins anew. Source: TA_OBV. TradingView: begins with
// 0, so it differs by a constant for ever; changes are equal.
func OBV(closing, volume []float64) []float64 {
	n := shortest(closing, volume)
	out := nans(n)
	for r := nextRun(0, n, closing, volume); r.from < r.to; r = nextRun(r.to, n, closing, volume) {
		total := volume[r.from]
		out[r.from] = total
		for i := r.from + 1; i < r.to; i++ {
			switch {
			case closing[i] > closing[i-1]:
				total += volume[i]
			case closing[i] < closing[i-1]:
				total -= volume[i]
			}
			out[i] = total
		}
	}
	return out
}

// noise is the part of a price up to which the range of a bar is rounding, not
// trading.
const noise = 1e-9

// moneyFlowVolume returns volume * ((close-low)-(high-close))/(high-low), the
// share of a bar's volume that bought less what sold; 0 for a bar without range,
// or with one that is only the noise of its prices. A close outside the bar counts as
// at its end.
func moneyFlowVolume(high, low, closing, volume float64) float64 {
	if high-low <= noise*high {
		return 0
	}
	closing = within(closing, low, high)
	return ((closing - low) - (high - closing)) / (high - low) * volume
}

// AD is Chaikin's accumulation/distribution line: the running total of the money
// flow volume ((close-low)-(high-close))/(high-low) * volume. First value at
// index 0; after a gap it begins anew. Source: TA_AD. TradingView: equal when it
// begins at the same bar, else apart by a constant.
func AD(high, low, closing, volume []float64) []float64 {
	n := shortest(high, low, closing, volume)
	out := nans(n)
	for r := nextRun(0, n, high, low, closing, volume); r.from < r.to; r = nextRun(r.to, n, high, low, closing, volume) {
		total := 0.0
		for i := r.from; i < r.to; i++ {
			total += moneyFlowVolume(high[i], low[i], closing[i], volume[i])
			out[i] = total
		}
	}
	return out
}

// CMF is the Chaikin money flow, the sum of the money flow volume (see AD) over
// the sum of the volume of period bars, -1..1; 0 when nothing was traded. First
// value at index period-1; period >= 1. Source: Marc Chaikin's definition, as
// StockCharts has it (TA-Lib has none). TradingView: equal.
func CMF(high, low, closing, volume []float64, period int) []float64 {
	n := shortest(high, low, closing, volume)
	out := nans(n)
	if period < 1 {
		return out
	}
	eachWindow(n, period, [][]float64{high, low, closing, volume}, func(from, i int) {
		flow, total := 0.0, 0.0
		for j := from; j <= i; j++ {
			flow += moneyFlowVolume(high[j], low[j], closing[j], volume[j])
			total += volume[j]
		}
		out[i] = 0
		if total > 0 {
			out[i] = flow / total
		}
	})
	return out
}

// MFI is the money flow index: 100 * rising flow / all flow over period bars,
// where a bar's flow is its typical price (high+low+close)/3 times its volume
// and rises or falls as the typical price does; 0 when the flow is below 1.
// First value at index period; period >= 1. Source: TA_MFI. TradingView: equal,
// but for a flow below 1. One working slice.
func MFI(high, low, closing, volume []float64, period int) []float64 {
	n := shortest(high, low, closing, volume)
	out := nans(n)
	if period < 1 || period >= n {
		return out
	}
	typical := typicalPrice(high[:n], low[:n], closing[:n])
	eachWindow(n, period+1, [][]float64{typical, volume}, func(from, i int) {
		rising, falling := 0.0, 0.0
		for j := from + 1; j <= i; j++ {
			switch flow := typical[j] * volume[j]; {
			case typical[j] > typical[j-1]:
				rising += flow
			case typical[j] < typical[j-1]:
				falling += flow
			}
		}
		out[i] = 0
		if rising+falling >= 1 {
			out[i] = 100 * (rising / (rising + falling))
		}
	})
	return out
}
