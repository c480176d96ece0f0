package analysis

import (
	"fmt"
	"math"

	"github.com/tapedeck/tapedeck/internal/indicator"
	"github.com/tapedeck/tapedeck/internal/number"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// A reading is what an indicator says at the last bar.
type reading struct {
	values            map[string]float64
	vote              int
	weight, certainty float64
	note              string
}

// A voice is one of the thirteen indicators under a strategy.
type voice struct {
	name, category string
	weight         float64 // the strategy's, indicator x category
	need           int     // bars until its first value
	read           func(*columns, *strategy.Indicators) reading
}

// voices lists them all, in the order of every report.
func voices(doc *strategy.Document) [13]voice {
	in, cat := doc.Indicators, doc.Categories
	s := in.Stochastic
	return [...]voice{
		{"rsi", "momentum", in.RSI.Weight * cat.Momentum, in.RSI.Period + 1, readRSI},
		{"stochastic", "momentum", s.Weight * cat.Momentum, s.Period + s.Smooth + s.Signal - 2, readStochastic},
		{"cci", "momentum", in.CCI.Weight * cat.Momentum, in.CCI.Period, readCCI},
		{"williams", "momentum", in.Williams.Weight * cat.Momentum, in.Williams.Period, readWilliams},
		{"macd", "trend", in.MACD.Weight * cat.Trend, in.MACD.Slow + in.MACD.Signal - 1, readMACD},
		{"adx", "trend", in.ADX.Weight * cat.Trend, 2 * in.ADX.Period, readADX},
		{"psar", "trend", in.PSAR.Weight * cat.Trend, 2, readPSAR},
		{"ema", "trend", in.EMA.Weight * cat.Trend, in.EMA.Slow, readEMA},
		{"supertrend", "trend", in.Supertrend.Weight * cat.Trend, in.Supertrend.Period + 1, readSupertrend},
		{"bollinger", "volatility", in.Bollinger.Weight * cat.Volatility, in.Bollinger.Period, readBollinger},
		{"atr", "volatility", in.ATR.Weight * cat.Volatility, in.ATR.Period + 1, readATR},
		{"obv", "volume", in.OBV.Weight * cat.Volume, in.OBV.Lookback + 1, readOBV},
		{"cmf", "volume", in.CMF.Weight * cat.Volume, in.CMF.Period, readCMF},
	}
}

// listen asks every voice that has enough bars.
func listen(c *columns, doc strategy.Document) []Indicator {
	all := voices(&doc)
	list := make([]Indicator, 0, len(all))
	for _, v := range all {
		one := Indicator{Name: v.name, Category: v.category, NeedBars: v.need, StrategyWeight: v.weight}
		if c.bars() < v.need {
			one.Values = map[string]float64{}
			one.Note = fmt.Sprintf("needs %d bars, has %d", v.need, c.bars())
		} else {
			r := v.read(c, &doc.Indicators)
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

func readRSI(c *columns, in *strategy.Indicators) reading {
	o := &in.RSI
	x := c.rsi(o.Period)
	values := map[string]float64{"rsi": x}
	if c.stood(c.close, o.Period) {
		return still(values)
	}
	return band{0, o.Oversold, o.Overbought, 100}.judge("RSI", x, values)
}

func readStochastic(c *columns, in *strategy.Indicators) reading {
	s := &in.Stochastic
	k, d := c.stochastic(s.Period, s.Smooth, s.Signal)
	values := map[string]float64{"k": k, "d": d}
	for back := range s.Smooth {
		if !c.ranged(s.Period, back) {
			return still(values)
		}
	}
	return band{0, s.Oversold, s.Overbought, 100}.judge("%K", k, values)
}

// readCCI takes twice a level as the end of the range, which the CCI does not have.
func readCCI(c *columns, in *strategy.Indicators) reading {
	o := &in.CCI
	x := c.cci(o.Period)
	values := map[string]float64{"cci": x}
	if c.sameTypical(o.Period) {
		return still(values)
	}
	return band{2 * o.Oversold, o.Oversold, o.Overbought, 2 * o.Overbought}.judge("CCI", x, values)
}

func readWilliams(c *columns, in *strategy.Indicators) reading {
	o := &in.Williams
	x := c.williams(o.Period)
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
func readMACD(c *columns, in *strategy.Indicators) reading {
	m := &in.MACD
	line, signal, h := c.macd(m.Fast, m.Slow, m.Signal)
	share := math.Abs(h) / c.price()
	r := reading{values: map[string]float64{"macd": line, "signal": signal, "histogram": h}}
	r.vote, r.weight, r.certainty = sign(h, c.price()), share/0.02, share/0.01
	r.note = word(r.vote, "MACD is above its signal", "neutral: MACD is at its signal", "MACD is below its signal")
	return r
}

// readADX: weight ADX/50, certainty 60 % ADX/50 and 40 % the clearness of the side.
func readADX(c *columns, in *strategy.Indicators) reading {
	x, p, m := c.adx(in.ADX.Period)
	r := reading{values: map[string]float64{"adx": x, "plus_di": p, "minus_di": m}}
	if c.undirected(in.ADX.Period) {
		return still(r.values)
	}
	r.vote, r.weight, r.certainty = sign(p-m, p+m), x/50, 0.6*unit(x/50)
	if p+m > 0 {
		r.certainty += 0.4 * math.Abs(p-m) / (p + m)
	}
	r.note = word(r.vote, "+DI is above -DI", "neutral: +DI and -DI are equal", "-DI is above +DI")
	return r
}

// readPSAR: weight 1.2 x |close-SAR| / 3 % of the price, certainty / 2 %.
func readPSAR(c *columns, in *strategy.Indicators) reading {
	sar := c.sar(in.PSAR.Step, in.PSAR.Limit)
	share := math.Abs(c.price()-sar) / c.price()
	r := reading{values: map[string]float64{"psar": sar}}
	r.vote, r.weight, r.certainty = sign(c.price()-sar, c.price()), 1.2*share/0.03, share/0.02
	r.note = word(r.vote, "the close is above the SAR", "neutral: the close is at the SAR", "the close is below the SAR")
	return r
}

// readEMA: weight |fast-slow| / 10 % of slow, certainty / 5 %.
func readEMA(c *columns, in *strategy.Indicators) reading {
	fast, slow := c.ema(in.EMA.Fast), c.ema(in.EMA.Slow)
	share := math.Abs(fast-slow) / slow
	r := reading{values: map[string]float64{"fast": fast, "slow": slow}}
	r.vote, r.weight, r.certainty = sign(fast-slow, slow), share/0.1, share/0.05
	r.note = word(r.vote, "the fast average is above the slow one", "neutral: both averages are equal", "the fast average is below the slow one")
	return r
}

// readSupertrend: weight and certainty are the distance from the line over that
// of a fresh one, multiplier x ATR: full after a turn or a run, none at the line.
func readSupertrend(c *columns, in *strategy.Indicators) reading {
	s := &in.Supertrend
	line, trend := c.supertrend(s.Period, s.Multiplier)
	r := reading{values: map[string]float64{"supertrend": line, "trend": trend}}
	if c.undirected(s.Period) && c.stood(c.close, s.Period) { // the ATR goes to 0, the line stays where it is
		return still(r.values)
	}
	r.vote = sign(c.price()-line, c.price())
	if r.vote != 0 {
		r.weight = math.Abs(c.price()-line) / (s.Multiplier * c.atr(s.Period))
		r.certainty = r.weight
	}
	r.note = word(r.vote, "the close is above the Supertrend", "neutral: the close is at the Supertrend", "the close is below the Supertrend")
	return r
}

// readBollinger: outside the bands weight = distance / band width, certainty =
// distance / half width; inside it is neutral, certainly so at the middle.
func readBollinger(c *columns, in *strategy.Indicators) reading {
	upper, middle, lower := c.bollinger(in.Bollinger.Period, in.Bollinger.Deviations)
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
func readATR(c *columns, in *strategy.Indicators) reading {
	x := c.atr(in.ATR.Period)
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
func readOBV(c *columns, in *strategy.Indicators) reading {
	lookback := in.OBV.Lookback
	obv := indicator.OBV(c.close, c.volume)
	at := c.bars() - 1
	flow, move, traded := obv[at]-obv[at-lookback], c.close[at]-c.close[at-lookback], 0.0
	for _, v := range c.volume[at-lookback+1:] {
		traded += v
	}
	r := reading{values: map[string]float64{"obv": last(obv), "change": number.PositiveZero(flow)}}
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
func readCMF(c *columns, in *strategy.Indicators) reading {
	x := c.cmf(in.CMF.Period)
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
