package analysis

import (
	"math"

	"github.com/tapedeck/tapedeck/internal/indicator"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/number"
)

// columns are a series' bars as the kernels read them, and the figures of the
// last bar that were asked for so far: voices, numbers and plan share them, so
// that each is computed once. They belong to one call of Analyze.
type columns struct {
	high, low, close, volume []float64
	figures                  []figure
}

// A figure is what a kernel says at the last bar: up to three values, NaN when
// there are too few bars.
type figure struct {
	kernel     kernel
	parameters [3]float64
	values     [3]float64
}

// A kernel names the function of package indicator that a figure is of.
type kernel int

const (
	kernelSMA kernel = iota
	kernelEMA
	kernelRSI
	kernelMACD
	kernelADX
	kernelATR
	kernelSAR
	kernelSupertrend
	kernelBollinger
	kernelStochastic
	kernelCCI
	kernelWilliams
	kernelCMF
)

// usualFigures is how many figures a strategy with the usual periods asks for.
const usualFigures = 20

func columnsOf(bars []market.Bar) *columns {
	n := len(bars)
	all := make([]float64, 4*n)
	c := &columns{
		high: all[:n:n], low: all[n : 2*n : 2*n], close: all[2*n : 3*n : 3*n], volume: all[3*n:],
		figures: make([]figure, 0, usualFigures),
	}
	for i := range bars {
		b := &bars[i]
		c.high[i], c.low[i], c.close[i], c.volume[i] = b.High, b.Low, b.Close, b.Volume
	}
	return c
}

// bars returns how many there are.
func (c *columns) bars() int { return len(c.close) }

// price returns the last close.
func (c *columns) price() float64 { return c.close[len(c.close)-1] }

// tail returns the last bars of a column, all of them if there are no more: what
// a windowed kernel needs for its last value, which is the same by every bit.
func tail(column []float64, bars int) []float64 {
	return column[max(0, len(column)-bars):]
}

// once returns the figure of a kernel with its parameters, computed by compute
// the first time.
func (c *columns) once(k kernel, parameters [3]float64, compute func() [3]float64) [3]float64 {
	for i := range c.figures {
		if f := &c.figures[i]; f.kernel == k && f.parameters == parameters {
			return f.values
		}
	}
	values := compute()
	c.figures = append(c.figures, figure{k, parameters, values})
	return values
}

// periods are the parameters of a figure that are all bars.
func periods(bars ...int) (p [3]float64) {
	for i, n := range bars {
		p[i] = float64(n)
	}
	return p
}

func (c *columns) sma(period int) float64 {
	return c.once(kernelSMA, periods(period), func() [3]float64 {
		return [3]float64{last(indicator.SMA(tail(c.close, period), period))}
	})[0]
}

func (c *columns) ema(period int) float64 {
	return c.once(kernelEMA, periods(period), func() [3]float64 {
		return [3]float64{last(indicator.EMA(c.close, period))}
	})[0]
}

func (c *columns) rsi(period int) float64 {
	return c.once(kernelRSI, periods(period), func() [3]float64 {
		return [3]float64{last(indicator.RSI(c.close, period))}
	})[0]
}

func (c *columns) macd(fast, slow, signal int) (line, signalLine, histogram float64) {
	v := c.once(kernelMACD, periods(fast, slow, signal), func() [3]float64 {
		line, signalLine, histogram := indicator.MACD(c.close, fast, slow, signal)
		return [3]float64{last(line), last(signalLine), last(histogram)}
	})
	return v[0], v[1], v[2]
}

func (c *columns) adx(period int) (adx, plusDI, minusDI float64) {
	v := c.once(kernelADX, periods(period), func() [3]float64 {
		adx, plus, minus := indicator.ADX(c.high, c.low, c.close, period)
		return [3]float64{last(adx), last(plus), last(minus)}
	})
	return v[0], v[1], v[2]
}

func (c *columns) atr(period int) float64 {
	return c.once(kernelATR, periods(period), func() [3]float64 {
		return [3]float64{last(indicator.ATR(c.high, c.low, c.close, period))}
	})[0]
}

func (c *columns) sar(step, limit float64) float64 {
	return c.once(kernelSAR, [3]float64{step, limit}, func() [3]float64 {
		return [3]float64{last(indicator.SAR(c.high, c.low, step, limit))}
	})[0]
}

func (c *columns) supertrend(period int, multiplier float64) (line, trend float64) {
	v := c.once(kernelSupertrend, [3]float64{float64(period), multiplier}, func() [3]float64 {
		line, trend := indicator.Supertrend(c.high, c.low, c.close, period, multiplier)
		return [3]float64{last(line), last(trend)}
	})
	return v[0], v[1]
}

func (c *columns) bollinger(period int, deviations float64) (upper, middle, lower float64) {
	v := c.once(kernelBollinger, [3]float64{float64(period), deviations}, func() [3]float64 {
		upper, middle, lower := indicator.BollingerBands(tail(c.close, period), period, deviations)
		return [3]float64{last(upper), last(middle), last(lower)}
	})
	return v[0], v[1], v[2]
}

func (c *columns) stochastic(period, smooth, signal int) (k, d float64) {
	v := c.once(kernelStochastic, periods(period, smooth, signal), func() [3]float64 {
		n := period + smooth + signal - 2
		k, d := indicator.Stochastic(tail(c.high, n), tail(c.low, n), tail(c.close, n), period, smooth, signal)
		return [3]float64{last(k), last(d)}
	})
	return v[0], v[1]
}

func (c *columns) cci(period int) float64 {
	return c.once(kernelCCI, periods(period), func() [3]float64 {
		return [3]float64{last(indicator.CCI(tail(c.high, period), tail(c.low, period), tail(c.close, period), period))}
	})[0]
}

func (c *columns) williams(period int) float64 {
	return c.once(kernelWilliams, periods(period), func() [3]float64 {
		return [3]float64{last(indicator.WilliamsR(tail(c.high, period), tail(c.low, period), tail(c.close, period), period))}
	})[0]
}

func (c *columns) cmf(period int) float64 {
	return c.once(kernelCMF, periods(period), func() [3]float64 {
		return [3]float64{last(indicator.CMF(tail(c.high, period), tail(c.low, period), tail(c.close, period), tail(c.volume, period), period))}
	})[0]
}

// mfi compares each typical price with the one before, so it needs a bar more.
func (c *columns) mfi(period int) float64 {
	n := period + 1
	return last(indicator.MFI(tail(c.high, n), tail(c.low, n), tail(c.close, n), tail(c.volume, n), period))
}

// extremes returns the lowest low and the highest high of the last bars, of all
// if there are fewer, and how many that are.
func (c *columns) extremes(bars int) (low, high float64, spanned int) {
	lows, highs := tail(c.low, bars), tail(c.high, bars)
	low, high = lows[0], highs[0]
	for i := range lows {
		low, high = min(low, lows[i]), max(high, highs[i])
	}
	return low, high, len(lows)
}

// ranged reports whether the period bars that end back bars before the last
// one have a range: without one the position in it is not 0 or 100 but unknown.
func (c *columns) ranged(period, back int) bool {
	to := c.bars() - back
	top, bottom := c.high[to-period], c.low[to-period]
	for i := to - period; i < to; i++ {
		top, bottom = max(top, c.high[i]), min(bottom, c.low[i])
	}
	return top-bottom > negligible*top
}

// stood reports whether no value of a column changed by more than noise over the
// last changes bars. What an average remembers of a price that stands still is
// its last move, however long ago and small it was, and not what it does now.
func (c *columns) stood(column []float64, changes int) bool {
	noise := negligible * c.price()
	window := tail(column, changes+1)
	for i := 1; i < len(window); i++ {
		if math.Abs(window[i]-window[i-1]) > noise {
			return false
		}
	}
	return true
}

// undirected reports whether neither highs nor lows changed over the last bars:
// there is no directional movement then, whatever the ADX remembers.
func (c *columns) undirected(changes int) bool {
	return c.stood(c.high, changes) && c.stood(c.low, changes)
}

// sameTypical reports whether the typical price of the last bars is the same in all.
func (c *columns) sameTypical(bars int) bool {
	at := c.bars() - bars
	least, most := math.Inf(1), math.Inf(-1)
	for i := at; i < c.bars(); i++ {
		x := (c.high[i] + c.low[i] + c.close[i]) / 3
		least, most = min(least, x), max(most, x)
	}
	return most-least <= negligible*most
}

// last returns the last value of a kernel's result, never -0.
func last(values []float64) float64 {
	return number.PositiveZero(values[len(values)-1])
}

// unit clamps x to 0..1.
func unit(x float64) float64 { return math.Max(0, math.Min(1, x)) }
