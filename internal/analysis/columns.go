package analysis

import (
	"math"

	"github.com/tapedeck/tapedeck/internal/market"
)

// columns are a series' bars as the kernels read them.
type columns struct{ high, low, close, volume []float64 }

func columnsOf(bars []market.Bar) columns {
	n := len(bars)
	all := make([]float64, 4*n)
	c := columns{all[:n:n], all[n : 2*n : 2*n], all[2*n : 3*n : 3*n], all[3*n:]}
	for i, b := range bars {
		c.high[i], c.low[i], c.close[i], c.volume[i] = b.High, b.Low, b.Close, b.Volume
	}
	return c
}

// bars returns how many there are.
func (c columns) bars() int { return len(c.close) }

// price returns the last close.
func (c columns) price() float64 { return c.close[len(c.close)-1] }

// ranged reports whether the period bars that end back bars before the last
// one have a range: without one the position in it is not 0 or 100 but unknown.
func (c columns) ranged(period, back int) bool {
	to := c.bars() - back
	top, bottom := c.high[to-period], c.low[to-period]
	for i := to - period; i < to; i++ {
		top, bottom = max(top, c.high[i]), min(bottom, c.low[i])
	}
	return top-bottom > negligible*top
}

// moved reports whether the close ever changed.
func (c columns) moved() bool {
	for _, x := range c.close {
		if x != c.close[0] {
			return true
		}
	}
	return false
}

// last returns the last value of a kernel's result, never -0.
func last(values []float64) float64 {
	return positiveZero(values[len(values)-1])
}

// positiveZero turns -0 into 0, so that equal reports have equal texts.
func positiveZero(x float64) float64 {
	if x == 0 {
		return 0
	}
	return x
}

// unit clamps x to 0..1.
func unit(x float64) float64 { return math.Max(0, math.Min(1, x)) }
