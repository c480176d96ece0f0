package analysis

import (
	"fmt"
	"math"

	"github.com/tapedeck/tapedeck/internal/indicator"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// A reading is what an indicator says at the last bar.
type reading struct {
	values            map[string]float64
	vote              int
	weight, certainty float64
	note              string
}

// A voice is one of the twelve indicators under a strategy.
type voice struct {
	name, category string
	weight         float64 // the strategy's, indicator x category
	need           int     // bars until its first value
	read           func(columns) reading
}

// voices lists the twelve, in the order of every report.
func voices(doc strategy.Document) [12]voice {
	in, cat := doc.Indicators, doc.Categories
	s := in.Stochastic
	return [...]voice{
		{"rsi", "momentum", in.RSI.Weight * cat.Momentum, in.RSI.Period + 1, func(c columns) reading { return readRSI(c, in.RSI) }},
		{"stochastic", "momentum", s.Weight * cat.Momentum, s.Period + s.Smooth + s.Signal - 2, func(c columns) reading { return readStochastic(c, s) }},
		{"cci", "momentum", in.CCI.Weight * cat.Momentum, in.CCI.Period, func(c columns) reading { return readCCI(c, in.CCI) }},
		{"williams", "momentum", in.Williams.Weight * cat.Momentum, in.Williams.Period, func(c columns) reading { return readWilliams(c, in.Williams) }},
		{"macd", "trend", in.MACD.Weight * cat.Trend, in.MACD.Slow + in.MACD.Signal - 1, func(c columns) reading { return readMACD(c, in.MACD) }},
		{"adx", "trend", in.ADX.Weight * cat.Trend, 2 * in.ADX.Period, func(c columns) reading { return readADX(c, in.ADX) }},
		{"psar", "trend", in.PSAR.Weight * cat.Trend, 2, func(c columns) reading { return readPSAR(c, in.PSAR) }},
		{"ema", "trend", in.EMA.Weight * cat.Trend, in.EMA.Slow, func(c columns) reading { return readEMA(c, in.EMA) }},
		{"bollinger", "volatility", in.Bollinger.Weight * cat.Volatility, in.Bollinger.Period, func(c columns) reading { return readBollinger(c, in.Bollinger) }},
		{"atr", "volatility", in.ATR.Weight * cat.Volatility, in.ATR.Period + 1, func(c columns) reading { return readATR(c, in.ATR) }},
		{"obv", "volume", in.OBV.Weight * cat.Volume, in.OBV.Lookback + 1, func(c columns) reading { return readOBV(c, in.OBV) }},
		{"cmf", "volume", in.CMF.Weight * cat.Volume, in.CMF.Period, func(c columns) reading { return readCMF(c, in.CMF) }},
	}
}

// listen asks every voice that has enough bars.
func listen(c columns, doc strategy.Document) []Indicator {
	all := voices(doc)
	list := make([]Indicator, 0, len(all))
	for _, v := range all {
		one := Indicator{Name: v.name, Category: v.category, NeedBars: v.need, StrategyWeight: v.weight, Values: map[string]float64{}}
		if c.bars() < v.need {
			one.Note = fmt.Sprintf("needs %d bars, has %d", v.need, c.bars())
		} else {
			r := v.read(c)
			one.Available, one.Values, one.Vote, one.Note = true, r.values, r.vote, r.note
			one.Certainty = unit(r.certainty)
			if r.vote != 0 {
				one.Weight = unit(r.weight)
			}
		}
		list = append(list, one)
	}
	return list
}

// A band is the range of an oscillator and its two levels.
type band struct{ lowest, oversold, overbought, highest float64 }

// judge votes against an extreme: to buy below oversold and to sell above
// overbought, the stronger the further it is on the way to the end of the range.
// Between the levels it is neutral, the more certainly the further from both.
func (b band) judge(name string, x float64, values map[string]float64) reading {
	r := reading{values: values}
	switch {
	case x < b.oversold:
		r.vote, r.weight = 1, (b.oversold-x)/(b.oversold-b.lowest)
		r.note = fmt.Sprintf("oversold: %s %.2f is below %v", name, x, b.oversold)
		r.certainty = r.weight
	case x > b.overbought:
		r.vote, r.weight = -1, (x-b.overbought)/(b.highest-b.overbought)
		r.note = fmt.Sprintf("overbought: %s %.2f is above %v", name, x, b.overbought)
		r.certainty = r.weight
	default:
		r.certainty = min(x-b.oversold, b.overbought-x) / ((b.overbought - b.oversold) / 2)
		r.note = fmt.Sprintf("neutral: %s %.2f is between %v and %v", name, x, b.oversold, b.overbought)
	}
	return r
}

// still is the reading of an indicator of a price that does not move.
func still(values map[string]float64) reading {
	return reading{values: values, note: "neutral: the price does not move"}
}

func readRSI(c columns, o strategy.Oscillator) reading {
	x := last(indicator.RSI(c.close, o.Period))
	values := map[string]float64{"rsi": x}
	if !c.moved() {
		return still(values)
	}
	return band{0, o.Oversold, o.Overbought, 100}.judge("RSI", x, values)
}

func readStochastic(c columns, s strategy.Stochastic) reading {
	k, d := indicator.Stochastic(c.high, c.low, c.close, s.Period, s.Smooth, s.Signal)
	values := map[string]float64{"k": last(k), "d": last(d)}
	for back := range s.Smooth {
		if !c.ranged(s.Period, back) {
			return still(values)
		}
	}
	return band{0, s.Oversold, s.Overbought, 100}.judge("%K", last(k), values)
}

// readCCI takes twice a level as the end of the range, which the CCI does not have.
func readCCI(c columns, o strategy.Oscillator) reading {
	x := last(indicator.CCI(c.high, c.low, c.close, o.Period))
	values := map[string]float64{"cci": x}
	if !c.ranged(o.Period, 0) {
		return still(values)
	}
	return band{2 * o.Oversold, o.Oversold, o.Overbought, 2 * o.Overbought}.judge("CCI", x, values)
}

func readWilliams(c columns, o strategy.Oscillator) reading {
	x := last(indicator.WilliamsR(c.high, c.low, c.close, o.Period))
	values := map[string]float64{"williams": x}
	if !c.ranged(o.Period, 0) {
		return still(values)
	}
	return band{-100, o.Oversold, o.Overbought, 0}.judge("%R", x, values)
}

// sign returns the side of x, 0 when |x| is negligible beside scale.
func sign(x, scale float64) int {
	switch {
	case math.Abs(x) <= negligible*scale:
		return 0
	case x > 0:
		return 1
	}
	return -1
}

// word picks the note of a vote.
func word(vote int, buy, neutral, sell string) string {
	return [...]string{sell, neutral, buy}[vote+1]
}

// readMACD: weight |histogram| / 2 % of the price, certainty / 1 %.
func readMACD(c columns, m strategy.MACD) reading {
	line, signal, histogram := indicator.MACD(c.close, m.Fast, m.Slow, m.Signal)
	h := last(histogram)
	share := math.Abs(h) / c.price()
	r := reading{values: map[string]float64{"macd": last(line), "signal": last(signal), "histogram": h}}
	r.vote, r.weight, r.certainty = sign(h, c.price()), share/0.02, share/0.01
	r.note = word(r.vote, "MACD is above its signal", "neutral: MACD is at its signal", "MACD is below its signal")
	return r
}

// readADX: weight ADX/50, certainty 60 % ADX/50 and 40 % the clearness of the side.
func readADX(c columns, a strategy.ADX) reading {
	adx, plus, minus := indicator.ADX(c.high, c.low, c.close, a.Period)
	x, p, m := last(adx), last(plus), last(minus)
	r := reading{values: map[string]float64{"adx": x, "plus_di": p, "minus_di": m}}
	r.vote, r.weight, r.certainty = sign(p-m, p+m), x/50, 0.6*unit(x/50)
	if p+m > 0 {
		r.certainty += 0.4 * math.Abs(p-m) / (p + m)
	}
	r.note = word(r.vote, "+DI is above -DI", "neutral: +DI and -DI are equal", "-DI is above +DI")
	return r
}

// readPSAR: weight 1.2 x |close-SAR| / 3 % of the price, certainty / 2 %.
func readPSAR(c columns, p strategy.PSAR) reading {
	sar := last(indicator.SAR(c.high, c.low, p.Step, p.Limit))
	share := math.Abs(c.price()-sar) / c.price()
	r := reading{values: map[string]float64{"psar": sar}}
	r.vote, r.weight, r.certainty = sign(c.price()-sar, c.price()), 1.2*share/0.03, share/0.02
	r.note = word(r.vote, "the close is above the SAR", "neutral: the close is at the SAR", "the close is below the SAR")
	return r
}

// readEMA: weight |fast-slow| / 10 % of slow, certainty / 5 %.
func readEMA(c columns, e strategy.EMA) reading {
	fast, slow := last(indicator.EMA(c.close, e.Fast)), last(indicator.EMA(c.close, e.Slow))
	share := math.Abs(fast-slow) / slow
	r := reading{values: map[string]float64{"fast": fast, "slow": slow}}
	r.vote, r.weight, r.certainty = sign(fast-slow, slow), share/0.1, share/0.05
	r.note = word(r.vote, "the fast average is above the slow one", "neutral: both averages are equal", "the fast average is below the slow one")
	return r
}

// readBollinger: outside the bands weight = distance / band width, certainty =
// distance / half width; inside it is neutral, certainly so at the middle.
func readBollinger(c columns, b strategy.Bollinger) reading {
	up, mid, low := indicator.BollingerBands(c.close, b.Period, b.Deviations)
	upper, middle, lower := last(up), last(mid), last(low)
	r := reading{values: map[string]float64{"upper": upper, "middle": middle, "lower": lower}}
	half, outside := (upper-lower)/2, 0.0
	if half <= negligible*middle {
		return still(r.values)
	}
	switch x := c.price(); {
	case x < lower:
		r.vote, outside, r.note = 1, lower-x, "the close is below the lower band"
	case x > upper:
		r.vote, outside, r.note = -1, x-upper, "the close is above the upper band"
	default:
		r.certainty, r.note = 1-math.Abs(x-middle)/half, "neutral: the close is between the bands"
		return r
	}
	r.weight, r.certainty = outside/(2*half), outside/half
	return r
}

// readATR never votes: volatility has no side. It is most certain from 1 % to 4 %.
func readATR(c columns, a strategy.ATR) reading {
	x := last(indicator.ATR(c.high, c.low, c.close, a.Period))
	share := 100 * x / c.price()
	r := reading{values: map[string]float64{"atr": x, "percent": share}}
	r.certainty = min(share, 1)
	if share > 4 {
		r.certainty = max(0.5, 1-(share-4)/4)
	}
	r.note = fmt.Sprintf("neutral: volatility has no side; %.2f %% of the price a day", share)
	return r
}

// readOBV compares the change of the OBV and of the close over the lookback:
// both up or both down is a vote whose weight is the net share of the volume.
func readOBV(c columns, o strategy.OBV) reading {
	obv := indicator.OBV(c.close, c.volume)
	at := c.bars() - 1
	flow, move, traded := obv[at]-obv[at-o.Lookback], c.close[at]-c.close[at-o.Lookback], 0.0
	for _, v := range c.volume[at-o.Lookback+1:] {
		traded += v
	}
	r := reading{values: map[string]float64{"obv": last(obv), "change": positiveZero(flow)}}
	share := 0.0
	if traded > 0 {
		share = math.Abs(flow) / traded
	}
	switch volume, price := sign(flow, traded), sign(move, c.price()); {
	case volume == 0 || price == 0:
		r.certainty, r.note = 0.5, "neutral: volume or price stands still"
	case volume != price:
		r.certainty, r.note = 0.3+0.4*share, "neutral: volume and price go apart"
	default:
		r.vote, r.weight, r.certainty = price, share, 0.5+0.5*share
		r.note = word(price, "volume confirms the rise", "", "volume confirms the fall")
	}
	return r
}

// readCMF: weight |CMF| / 0.25; certainty falls to 0.5 at 0.1 and rises from there.
func readCMF(c columns, f strategy.CMF) reading {
	x := last(indicator.CMF(c.high, c.low, c.close, c.volume, f.Period))
	size := math.Abs(x)
	r := reading{values: map[string]float64{"cmf": x}, vote: sign(x, 1), weight: size / 0.25}
	switch {
	case size > 0.25:
		r.certainty = 0.75 + min((size-0.25)/0.25, 0.25)
	case size > 0.1:
		r.certainty = 0.5 + (size-0.1)/0.15*0.25
	default:
		r.certainty = 0.6 - size
	}
	r.note = word(r.vote, "money flows in", "neutral: no money flow", "money flows out")
	return r
}
