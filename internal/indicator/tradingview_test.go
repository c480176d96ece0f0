package indicator_test

import (
	"math"
	"testing"

	"github.com/tapedeck/tapedeck/internal/indicator"
)

// tvEMA is ta.ema of TradingView, seeded with the first value.
func tvEMA(in []float64, period int) []float64 {
	out := make([]float64, len(in))
	for i, x := range in {
		out[i] = x
		if i > 0 {
			out[i] = out[i-1] + (x-out[i-1])*2/float64(period+1)
		}
	}
	return out
}

// tvRMA is ta.rma of TradingView from index first on, seeded with a mean.
func tvRMA(in []float64, period, first int) []float64 {
	out := make([]float64, len(in))
	sum := 0.0
	for i := first; i < len(in); i++ {
		switch at := i - first + 1; {
		case at <= period:
			sum += in[i]
			out[i] = sum / float64(at) // the mean at at == period; before it nobody looks
		default:
			out[i] = (out[i-1]*float64(period-1) + in[i]) / float64(period)
		}
	}
	return out
}

// tvADX is ta.dmi of TradingView.
func tvADX(b bars, period int) (adx, plus, minus []float64) {
	n := len(b.closing)
	up, down, tr, dx := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i := 1; i < n; i++ {
		u, d := b.high[i]-b.high[i-1], b.low[i-1]-b.low[i]
		if u > d && u > 0 {
			up[i] = u
		}
		if d > u && d > 0 {
			down[i] = d
		}
		tr[i] = math.Max(b.high[i], b.closing[i-1]) - math.Min(b.low[i], b.closing[i-1])
	}
	plus, minus, tr = tvRMA(up, period, 1), tvRMA(down, period, 1), tvRMA(tr, period, 1)
	for i := period; i < n; i++ {
		plus[i], minus[i] = 100*plus[i]/tr[i], 100*minus[i]/tr[i]
		dx[i] = 100 * math.Abs(plus[i]-minus[i]) / (plus[i] + minus[i])
	}
	return tvRMA(dx, period, period), plus, minus
}

// TestTradingView: where TradingView seeds a recursion differently, both agree
// to 1e-6 relative (MACD: of the price) from the bar that the docstrings state.
func TestTradingView(t *testing.T) {
	b := syntheticBars(180) // then the flat stretch follows, which hides differences
	for range 3 {
		more := syntheticBars(180)
		b.high, b.low, b.closing = append(b.high, more.high...), append(b.low, more.low...), append(b.closing, more.closing...)
	}
	agree := func(name string, from int, mine, theirs, scale []float64) {
		t.Helper()
		first := 0
		for i := range mine {
			if !(math.Abs(mine[i]-theirs[i]) <= 1e-6*math.Abs(scale[i])) {
				first = i + 1
			}
		}
		t.Logf("%-9s agrees from bar %d, stated %d", name, first, from)
		if first > from || from >= len(mine) {
			t.Errorf("%s agrees from bar %d on only, stated %d", name, first, from)
		}
	}
	agree("ema20", 7*20, indicator.EMA(b.closing, 20), tvEMA(b.closing, 20), b.closing)
	agree("ema50", 7*50, indicator.EMA(b.closing, 50), tvEMA(b.closing, 50), b.closing)
	fast, slow, line := tvEMA(b.closing, 12), tvEMA(b.closing, 26), make([]float64, len(b.closing))
	for i := range line {
		line[i] = fast[i] - slow[i]
	}
	macd, signal, _ := indicator.MACD(b.closing, 12, 26, 9)
	agree("macd", 7*35, macd, line, b.closing)
	agree("signal", 7*35, signal, tvEMA(line, 9), b.closing)
	tr := make([]float64, len(b.closing))
	for i := range tr {
		tr[i] = b.high[i] - b.low[i]
		if i > 0 {
			tr[i] = math.Max(b.high[i], b.closing[i-1]) - math.Min(b.low[i], b.closing[i-1])
		}
	}
	atr := indicator.ATR(b.high, b.low, b.closing, 14)
	agree("atr14", 14*14, atr, tvRMA(tr, 14, 0), atr)
	adx, plus, minus := indicator.ADX(b.high, b.low, b.closing, 14)
	tvAdx, tvPlus, tvMinus := tvADX(b, 14)
	agree("adx14", 20*14, adx, tvAdx, adx)
	agree("plus_di", 20*14, plus, tvPlus, plus)
	agree("minus_di", 20*14, minus, tvMinus, minus)
	rises, falls := make([]float64, len(tr)), make([]float64, len(tr))
	for i := 1; i < len(tr); i++ {
		rises[i], falls[i] = math.Max(b.closing[i]-b.closing[i-1], 0), math.Max(b.closing[i-1]-b.closing[i], 0)
	}
	up, down, rsi := tvRMA(rises, 14, 1), tvRMA(falls, 14, 1), make([]float64, len(tr))
	for i := range rsi {
		rsi[i] = 100 - 100/(1+up[i]/down[i])
	}
	mine := indicator.RSI(b.closing, 14)
	agree("rsi14", 14, mine, rsi, mine)
}
