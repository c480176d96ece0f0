// Package indicator holds the kernels of technical indicators: slices in,
// slices out, by the definitions of TA-Lib (C), against whose values they are
// tested to 1e-9 relative.
//
// All kernels share these rules. Index i of a result belongs to bar i and
// depends on no later bar. A result is NaN during warm-up, so input that is too
// short gives nothing but NaN, and so does a period below the kernel's smallest.
// Columns of unequal length are read up to the shortest, which is also the
// result's length. A NaN or infinite input ends a run: the bars after it are
// computed as if the series began there, so it spoils its own bar and one
// warm-up, never the rest. Kernels are pure, hold no state, are safe for
// concurrent use, and allocate their results and, as said at each, at most a few
// working slices.
//
// A windowed kernel (SMA, BollingerBands, Stochastic, WilliamsR, CCI, CMF, MFI)
// depends on its window alone: over the last bars of a window it gives, by every
// bit, the last value that it gives over all of them. A recursive one (EMA, MACD,
// RSI, ATR, ADX, SAR, Supertrend, OBV, AD) depends on where the series begins.
//
// TradingView agrees with every windowed kernel from its first value. Where it
// seeds a recursion differently, the docstring says from which bar both agree to
// 1e-6 relative on daily bars whose price moves a few percent a day.
package indicator

import "math"

// nans returns n NaNs: a result in which nothing is known yet.
func nans(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// finite reports whether x is neither NaN nor infinite: x-x is then 0.
func finite(x float64) bool { return x-x == 0 }

// A run is the half-open range [from, to) of bars that are finite in every column.
type run struct{ from, to int }

// nextRun returns the first run of the columns at or after from, up to n; an
// empty one at n when there is none left.
func nextRun(from, n int, columns ...[]float64) run {
	good := func(i int) bool {
		for _, column := range columns {
			if !finite(column[i]) {
				return false
			}
		}
		return true
	}
	for from < n && !good(from) {
		from++
	}
	to := from
	for to < n && good(to) {
		to++
	}
	return run{from, to}
}

// eachWindow calls visit(from, i) for every bar i at which a window of period
// bars [from, i] is finite in all columns.
func eachWindow(n, period int, columns [][]float64, visit func(from, i int)) {
	if period > n {
		return
	}
	for r := nextRun(0, n, columns...); r.from < r.to; r = nextRun(r.to, n, columns...) {
		for i := r.from + period - 1; i < r.to; i++ {
			visit(i-period+1, i)
		}
	}
}

// shortest returns the length of the shortest column.
func shortest(first []float64, others ...[]float64) int {
	n := len(first)
	for _, column := range others {
		n = min(n, len(column))
	}
	return n
}

// mean returns the arithmetic mean of window, summed oldest first.
func mean(window []float64) float64 {
	sum := 0.0
	for _, x := range window {
		sum += x
	}
	return sum / float64(len(window))
}

// highest returns the greatest value of window.
func highest(window []float64) float64 {
	top := window[0]
	for _, x := range window[1:] {
		top = max(top, x)
	}
	return top
}

// lowest returns the least value of window.
func lowest(window []float64) float64 {
	bottom := window[0]
	for _, x := range window[1:] {
		bottom = min(bottom, x)
	}
	return bottom
}

// within returns x, or the end of the range that it lies beyond.
func within(x, bottom, top float64) float64 { return min(max(x, bottom), top) }
