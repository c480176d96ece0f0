package indicator

import "math"

// trueRange returns max(high-low, |high-previous close|, |low-previous close|) of bar i >= 1.
func trueRange(high, low, closing []float64, i int) float64 {
	previous := closing[i-1]
	return max(high[i]-low[i], math.Abs(high[i]-previous), math.Abs(low[i]-previous))
}

// ATR is Wilder's average true range: the mean of the first period true ranges
// (the first bar has none), then (previous*(period-1) + range) / period. First
// value at index period; period >= 1. Source: TA_ATR. TradingView: counts
// high-low of the first bar too; both agree from about bar 14*period on.
func ATR(high, low, closing []float64, period int) []float64 {
	n := shortest(high, low, closing)
	out := nans(n)
	if period < 1 {
		return out
	}
	p := float64(period)
	for r := nextRun(0, n, high, low, closing); r.from < r.to; r = nextRun(r.to, n, high, low, closing) {
		atr := 0.0
		for i := r.from + 1; i < r.to; i++ {
			tr := trueRange(high, low, closing, i)
			switch at := i - r.from; {
			case at < period:
				atr += tr
				continue
			case at == period:
				atr = (atr + tr) / p
			default:
				atr = (atr*(p-1) + tr) / p
			}
			out[i] = atr
		}
	}
	return out
}

// ADX is Wilder's directional movement: the indicators plusDI and minusDI,
// 100 * smoothed movement / smoothed true range, from index period on, and adx,
// the smoothed 100*|plus-minus|/(plus+minus), from index 2*period-1 on;
// period >= 2. The smoothed sums begin with period-1 bars and go on as
// sum - sum/period + value; adx begins with the mean of period values. Sources:
// TA_PLUS_DI, TA_MINUS_DI, TA_ADX. TradingView: seeds with the mean of period
// bars; both agree from about bar 20*period on.
func ADX(high, low, closing []float64, period int) (adx, plusDI, minusDI []float64) {
	n := shortest(high, low, closing)
	adx, plusDI, minusDI = nans(n), nans(n), nans(n)
	if period < 2 || period > n {
		return adx, plusDI, minusDI
	}
	for r := nextRun(0, n, high, low, closing); r.from < r.to; r = nextRun(r.to, n, high, low, closing) {
		d := directional{period: float64(period)}
		for i := r.from + 1; i < r.to; i++ {
			at := i - r.from
			d.move(high, low, closing, i, at >= period)
			if at < period {
				continue
			}
			plusDI[i], minusDI[i] = d.indices()
			d.average(plusDI[i], minusDI[i], at-period, period)
			if at >= 2*period-1 {
				adx[i] = d.adx
			}
		}
	}
	return adx, plusDI, minusDI
}

// directional is the state of the ADX recursion.
type directional struct {
	period          float64
	plus, minus, tr float64 // smoothed sums of the movements and the true range
	adx             float64 // until it is known: the sum of the values so far
}

// move takes in bar i; smooth says that the first period-1 bars are past.
func (d *directional) move(high, low, closing []float64, i int, smooth bool) {
	if smooth {
		d.plus -= d.plus / d.period
		d.minus -= d.minus / d.period
		d.tr -= d.tr / d.period
	}
	up, down := high[i]-high[i-1], low[i-1]-low[i]
	switch {
	case down > 0 && up < down:
		d.minus += down
	case up > 0 && up > down:
		d.plus += up
	}
	d.tr += trueRange(high, low, closing, i)
}

// indices returns plusDI and minusDI, both 0 while the price has no range.
func (d *directional) indices() (plus, minus float64) {
	if d.tr == 0 {
		return 0, 0
	}
	return 100 * (d.plus / d.tr), 100 * (d.minus / d.tr)
}

// average takes in the nth pair of indices (from 0). A pair of zeros says
// nothing: it adds nothing to the first mean and later leaves adx as it is.
func (d *directional) average(plus, minus float64, nth, period int) {
	dx, known := 0.0, plus+minus != 0
	if known {
		dx = 100 * (math.Abs(minus-plus) / (plus + minus))
	}
	switch {
	case nth < period-1:
		d.adx += dx
	case nth == period-1:
		d.adx = (d.adx + dx) / d.period
	case known:
		d.adx = (d.adx*(d.period-1) + dx) / d.period
	}
}

// SAR is Wilder's parabolic stop and reverse: below the bars in a rise, above
// them in a fall. It moves toward the extreme of the trend by an acceleration
// that begins at step and grows by step with each new extreme up to limit, never
// past the last two bars' extremes, and changes sides when it is touched. The
// first trend is a fall if the second bar's low fell by more than its high rose.
// First value at index 1; 0 < step <= limit. Source: TA_SAR. TradingView: there is
// no bar from which both agree: it takes the first trend from the closes, tests
// for a touch before it keeps the value out of the last two bars, and changes
// sides on a crossing only, so it turns earlier now and then and differs until
// both turn again; on 9 of 100 daily bars of 123 large companies.
func SAR(high, low []float64, step, limit float64) []float64 {
	n := shortest(high, low)
	out := nans(n)
	if !(step > 0) || !(limit >= step) {
		return out
	}
	for r := nextRun(0, n, high, low); r.from < r.to; r = nextRun(r.to, n, high, low) {
		if r.to-r.from >= 2 {
			sarRun(high[r.from:r.to], low[r.from:r.to], out[r.from:r.to], step, limit)
		}
	}
	return out
}

// sarRun writes the SAR of at least two finite bars. A fall is a rise of the
// mirrored bars (high and low negated and exchanged), so one branch serves both;
// negation is exact, so the values are those of TA-Lib's two branches.
func sarRun(high, low, out []float64, step, limit float64) {
	up, down := high[1]-high[0], low[0]-low[1]
	sign := 1.0
	if down > 0 && up < down {
		sign = -1
	}
	// far and near of bar i: the extreme in the trend's direction and the one on
	// the SAR's side, in the mirrored sense.
	far := func(i int) float64 {
		if sign > 0 {
			return high[i]
		}
		return -low[i]
	}
	near := func(i int) float64 {
		if sign > 0 {
			return low[i]
		}
		return -high[i]
	}
	sar, extreme, speed := near(0), far(1), step
	before := 1 // TA-Lib takes bar 1 as its own predecessor at the start
	for i := 1; i < len(out); i++ {
		if near(i) <= sar {
			sign, sar = -sign, -extreme
			sar = min(sar, near(before), near(i))
			speed, extreme = step, far(i)
			out[i] = sign * sar
		} else {
			out[i] = sign * sar
			if far(i) > extreme {
				extreme, speed = far(i), min(speed+step, limit)
			}
		}
		sar = min(sar+speed*(extreme-sar), near(before), near(i))
		before = i
	}
}
