package indicator_test

import (
	"math"
	"slices"
)

// The formulas of this file are the kernels' definitions once more, written out
// instead of stepped: every average is the whole weighted sum, every window is
// looked at afresh. They are slow, share no code with the kernels, and the
// goldens are made by them.

func unknown(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// decayed is the average that gives the newest value the weight k, each older
// one (1-k) times that of the next, and the mean of the period values that end at
// seed what is left.
func decayed(in []float64, k float64, period, seed int) []float64 {
	out := unknown(len(in))
	for i := seed; i < len(in); i++ {
		sum := 0.0
		for j := seed; j > seed-period; j-- {
			sum += in[j]
		}
		out[i] = sum / float64(period) * math.Pow(1-k, float64(i-seed))
		for j := i; j > seed; j-- {
			out[i] += in[j] * k * math.Pow(1-k, float64(i-j))
		}
	}
	return out
}

func exponential(in []float64, period, seed int) []float64 {
	return decayed(in, 2/float64(period+1), period, seed)
}

// wilder begins with the mean of period values from index first on.
func wilder(in []float64, period, first int) []float64 {
	return decayed(in, 1/float64(period), period, first+period-1)
}

func windowed(n, period int, value func(from, to int) float64) []float64 {
	out := unknown(n)
	for i := period - 1; i < n; i++ {
		out[i] = value(i-period+1, i+1)
	}
	return out
}

func simple(in []float64, period int) []float64 {
	return windowed(len(in), period, func(from, to int) float64 {
		sum := 0.0
		for j := to - 1; j >= from; j-- {
			sum += in[j] / float64(period)
		}
		return sum
	})
}

func ranges(b bars) []float64 {
	tr := make([]float64, len(b.closing))
	for i := range tr {
		tr[i] = b.high[i] - b.low[i]
		if i > 0 {
			tr[i] = math.Max(b.high[i], b.closing[i-1]) - math.Min(b.low[i], b.closing[i-1])
		}
	}
	return tr
}

// movements returns Wilder's +DM and -DM.
func movements(b bars) (up, down []float64) {
	up, down = make([]float64, len(b.closing)), make([]float64, len(b.closing))
	for i := 1; i < len(up); i++ {
		rise, fall := b.high[i]-b.high[i-1], b.low[i-1]-b.low[i]
		if rise > 0 && rise > fall {
			up[i] = rise
		}
		if fall > 0 && fall > rise {
			down[i] = fall
		}
	}
	return up, down
}

// smoothedSum is TA-Lib's: the sum of period-1 values, of which one period-th is
// taken away at each step before the next value is added.
func smoothedSum(in []float64, period int) []float64 {
	out, keep := unknown(len(in)), 1-1/float64(period)
	for i := period; i < len(in); i++ {
		out[i] = 0
		for j := 1; j <= i; j++ {
			out[i] += in[j] * math.Pow(keep, float64(i-max(j, period-1)))
		}
	}
	return out
}

func directions(b bars, period int) (adx, plus, minus []float64) {
	up, down := movements(b)
	up, down, tr := smoothedSum(up, period), smoothedSum(down, period), smoothedSum(ranges(b), period)
	plus, minus, dx := unknown(len(tr)), unknown(len(tr)), make([]float64, len(tr))
	for i := period; i < len(tr); i++ {
		plus[i], minus[i] = 100*up[i]/tr[i], 100*down[i]/tr[i]
		dx[i] = 100 * math.Abs(up[i]-down[i]) / (up[i] + down[i])
	}
	return wilder(dx, period, period), plus, minus
}

func position(b bars, period int) []float64 {
	return windowed(len(b.closing), period, func(from, to int) float64 {
		top, bottom := slices.Max(b.high[from:to]), slices.Min(b.low[from:to])
		if top == bottom {
			return 0
		}
		return (b.closing[to-1] - bottom) / (top - bottom)
	})
}

// parabolic is Wilder's two cases, each written out; period-free.
func parabolic(b bars, step, limit float64) []float64 {
	out := unknown(len(b.high))
	rising := !(b.low[0]-b.low[1] > 0 && b.low[0]-b.low[1] > b.high[1]-b.high[0])
	sar, extreme, speed := b.high[0], b.low[1], step
	if rising {
		sar, extreme = b.low[0], b.high[1]
	}
	for i := 1; i < len(out); i++ {
		before := max(i-1, 1)
		switch {
		case rising && b.low[i] <= sar:
			rising, sar = false, slices.Max([]float64{extreme, b.high[before], b.high[i]})
			extreme, speed = b.low[i], step
			out[i] = sar
		case !rising && b.high[i] >= sar:
			rising, sar = true, slices.Min([]float64{extreme, b.low[before], b.low[i]})
			extreme, speed = b.high[i], step
			out[i] = sar
		default:
			out[i] = sar
			if rising && b.high[i] > extreme {
				extreme, speed = b.high[i], math.Min(speed+step, limit)
			}
			if !rising && b.low[i] < extreme {
				extreme, speed = b.low[i], math.Min(speed+step, limit)
			}
		}
		sar += speed * (extreme - sar)
		if rising {
			sar = slices.Min([]float64{sar, b.low[before], b.low[i]})
		} else {
			sar = slices.Max([]float64{sar, b.high[before], b.high[i]})
		}
	}
	return out
}

// trailing is ta.supertrend as TradingView's reference writes it out, but for
// the sign of the trend; atr is whatever average true range it is given.
func trailing(b bars, atr []float64, factor float64) (line, trend []float64) {
	n := len(b.closing)
	line, trend = unknown(n), unknown(n)
	zero := func(x float64) float64 {
		if math.IsNaN(x) {
			return 0
		}
		return x
	}
	upper, lower := unknown(n), unknown(n)
	for i := range n {
		previous, previousUpper, previousLower, previousLine, known := math.NaN(), 0.0, 0.0, math.NaN(), false
		if i > 0 {
			previous, previousUpper, previousLower = b.closing[i-1], zero(upper[i-1]), zero(lower[i-1])
			previousLine, known = line[i-1], !math.IsNaN(atr[i-1])
		}
		upper[i], lower[i] = (b.high[i]+b.low[i])/2+factor*atr[i], (b.high[i]+b.low[i])/2-factor*atr[i]
		if !(lower[i] > previousLower || previous < previousLower) {
			lower[i] = previousLower
		}
		if !(upper[i] < previousUpper || previous > previousUpper) {
			upper[i] = previousUpper
		}
		if math.IsNaN(atr[i]) {
			continue
		}
		up := false
		switch {
		case !known:
		case previousLine == previousUpper:
			up = b.closing[i] > upper[i]
		default:
			up = !(b.closing[i] < lower[i])
		}
		line[i], trend[i] = upper[i], -1
		if up {
			line[i], trend[i] = lower[i], 1
		}
	}
	return line, trend
}

// moneyFlow is 100 - 100/(1 + rising flow / falling flow).
func moneyFlow(b bars, period int) []float64 {
	typical := func(i int) float64 { return (b.high[i] + b.low[i] + b.closing[i]) / 3 }
	out := unknown(len(b.closing))
	for i := period; i < len(out); i++ {
		up, down := 0.0, 0.0
		for j := i; j > i-period; j-- {
			if typical(j) > typical(j-1) {
				up += typical(j) * b.volume[j]
			}
			if typical(j) < typical(j-1) {
				down += typical(j) * b.volume[j]
			}
		}
		switch {
		case up+down < 1:
			out[i] = 0
		case down == 0:
			out[i] = 100
		default:
			out[i] = 100 - 100/(1+up/down)
		}
	}
	return out
}

// naive computes every column of compute by the formulas above.
func naive(b bars) map[string][]float64 {
	n := len(b.closing)
	m := naiveWindows(b)
	m["psar"] = parabolic(b, 0.02, 0.2)
	for name, period := range map[string]int{"ema20": 20, "ema50": 50, "ema200": 200} {
		m[name] = exponential(b.closing, period, period-1)
	}
	fast, slow := exponential(b.closing, 12, 25), exponential(b.closing, 26, 25)
	line := make([]float64, n)
	for i := range line {
		line[i] = fast[i] - slow[i]
	}
	signal := append(unknown(25), exponential(line[25:], 9, 8)...)
	m["macd"], m["macd_signal"], m["macd_hist"] = unknown(n), signal, unknown(n)
	for i := 33; i < n; i++ {
		m["macd"][i], m["macd_hist"][i] = line[i], line[i]-signal[i]
	}
	rises, falls, obv, total := make([]float64, n), make([]float64, n), make([]float64, n), 0.0
	for i := range n {
		change := 0.0
		if i > 0 {
			change = b.closing[i] - b.closing[i-1]
		}
		rises[i], falls[i] = math.Max(change, 0), math.Max(-change, 0)
		switch {
		case i == 0 || change > 0:
			total += b.volume[i]
		case change < 0:
			total -= b.volume[i]
		}
		obv[i] = total
	}
	m["obv"] = obv
	m["rsi14"] = wilder(rises, 14, 1)
	for i, down := range wilder(falls, 14, 1) {
		m["rsi14"][i] = 100 - 100/(1+m["rsi14"][i]/down)
	}
	m["atr14"] = wilder(ranges(b), 14, 1)
	m["adx14"], m["plus_di14"], m["minus_di14"] = directions(b, 14)
	m["supertrend"], m["trend"] = trailing(b, wilder(ranges(b), 10, 0), 3)
	return m
}

// naiveWindows computes the columns that TradingView defines as TA-Lib does:
// those of windows, and the accumulation/distribution line.
func naiveWindows(b bars) map[string][]float64 {
	n := len(b.closing)
	m := map[string][]float64{"sma20": simple(b.closing, 20), "bb_middle": simple(b.closing, 20), "mfi14": moneyFlow(b, 14), "cci20": channel(b, 20)}
	flow, ad := make([]float64, n), make([]float64, n)
	for i := range n {
		if b.high[i] > b.low[i] {
			flow[i] = b.volume[i] * (2*b.closing[i] - b.high[i] - b.low[i]) / (b.high[i] - b.low[i])
		}
		for j := range i + 1 {
			ad[i] += flow[j]
		}
	}
	m["ad"] = ad
	m["cmf20"] = windowed(n, 20, func(from, to int) float64 {
		money, traded := 0.0, 0.0
		for j := from; j < to; j++ {
			money, traded = money+flow[j], traded+b.volume[j]
		}
		return money / math.Max(traded, 1e-300)
	})
	m["bb_upper"], m["bb_lower"] = unknown(n), unknown(n)
	for i := 19; i < n; i++ {
		square := 0.0
		for _, x := range b.closing[i-19 : i+1] {
			square += math.Pow(x-m["sma20"][i], 2) / 20
		}
		m["bb_upper"][i], m["bb_lower"][i] = m["sma20"][i]+2*math.Sqrt(square), m["sma20"][i]-2*math.Sqrt(square)
	}
	raw := position(b, 14)
	m["stoch_k"], m["stoch_d"], m["willr14"] = simple(raw, 3), simple(simple(raw, 3), 3), unknown(n)
	for i := range n {
		m["stoch_k"][i], m["stoch_d"][i] = 100*m["stoch_k"][i], 100*m["stoch_d"][i]
		if i < 17 {
			m["stoch_k"][i] = math.NaN()
		}
		if i >= 13 {
			m["willr14"][i] = 100*raw[i] - 100
			if slices.Max(b.high[i-13:i+1]) == slices.Min(b.low[i-13:i+1]) {
				m["willr14"][i] = 0
			}
		}
	}
	return m
}

// channel is the CCI.
func channel(b bars, period int) []float64 {
	typical := make([]float64, len(b.closing))
	for i := range typical {
		typical[i] = (b.high[i] + b.low[i] + b.closing[i]) / 3
	}
	average := simple(typical, period)
	return windowed(len(typical), period, func(from, to int) float64 {
		i, off := to-1, 0.0
		for _, x := range typical[from:to] {
			off += math.Abs(x-average[i]) / float64(period)
		}
		if off < 1e-12*average[i] {
			return 0
		}
		return (typical[i] - average[i]) / (0.015 * off)
	})
}
