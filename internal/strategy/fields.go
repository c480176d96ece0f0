package strategy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A field binds a path of the document to its place in a Document and to its
// rule. Exactly one of text, number and whole is set.
type field struct {
	path     string
	text     *string
	number   *float64
	whole    *int
	min, max float64             // bounds of number and whole; max is the length of text
	words    []string            // what text must be one of; nil: anything
	rule     func(string) string // what else is wrong with text, or ""
}

// The words that a text field must be one of, its default first.
var (
	stopMethods = []string{StopFixed, StopATR, StopStructure}
	tradeSides  = []string{SidesLong, SidesBoth}
	tradeExits  = []string{ExitOpposite, ExitLevels}
)

// A visitor is called with one field after the other.
type visitor func(field)

func (v visitor) number(path string, at *float64, min, max float64) {
	v(field{path: path, number: at, min: min, max: max})
}

func (v visitor) whole(path string, at *int, min, max float64) {
	v(field{path: path, whole: at, min: min, max: max})
}

func (v visitor) choice(path string, at *string, words []string) {
	v(field{path: path, text: at, max: maxShown, words: words})
}

// each visits every field of the format: the one table that Parse, Validate and
// the reference work from.
func (d *Document) each(v visitor) {
	v(field{path: "name", text: &d.Name, max: MaxName, rule: checkName})
	v.whole("version", &d.Version, Version, Version)
	v(field{path: "title", text: &d.Title, max: MaxTitle})
	v(field{path: "description", text: &d.Description, max: MaxDescription})
	v.whole("min_bars", &d.MinBars, 2, 5000)
	d.Indicators.each(v)
	v.number("categories.trend", &d.Categories.Trend, 0, 10)
	v.number("categories.momentum", &d.Categories.Momentum, 0, 10)
	v.number("categories.volatility", &d.Categories.Volatility, 0, 10)
	v.number("categories.volume", &d.Categories.Volume, 0, 10)
	v.number("thresholds.strong_buy", &d.Thresholds.StrongBuy, leastThreshold, 1)
	v.number("thresholds.buy", &d.Thresholds.Buy, leastThreshold, 1)
	v.number("thresholds.sell", &d.Thresholds.Sell, -1, -leastThreshold)
	v.number("thresholds.strong_sell", &d.Thresholds.StrongSell, -1, -leastThreshold)
	v.number("quorum.coverage", &d.Quorum.Coverage, 0, 1)
	v.whole("quorum.agreeing", &d.Quorum.Agreeing, 0, votingIndicators)
	v.number("quorum.conviction", &d.Quorum.Conviction, 0, 1)
	d.Risk.each(v)
	v.whole("trade.max_bars", &d.Trade.MaxBars, 0, 500)
	v.whole("trade.cooldown_bars", &d.Trade.CooldownBars, 0, 100)
	v.choice("trade.sides", &d.Trade.Sides, tradeSides)
	v.choice("trade.exit", &d.Trade.Exit, tradeExits)
}

func (r *Risk) each(v visitor) {
	v.choice("risk.stop.method", &r.Stop.Method, stopMethods)
	v.number("risk.stop.percent", &r.Stop.Percent, 0.1, 50)
	v.number("risk.stop.atr_multiple", &r.Stop.ATRMultiple, 0.1, 10)
	v.whole("risk.stop.lookback", &r.Stop.Lookback, 2, 250)
	v.number("risk.stop.buffer_atr", &r.Stop.BufferATR, 0, 5)
	v.number("risk.stop.floor_percent", &r.Stop.FloorPercent, 0.1, 50)
	v.number("risk.stop.cap_percent", &r.Stop.CapPercent, 0.1, 50)
	v.number("risk.target_percent", &r.TargetPercent, 0.1, 95)
	v.number("risk.min_risk_reward", &r.MinRiskReward, 0, 10)
	v.number("risk.risk_percent", &r.RiskPercent, 0.01, 100)
	v.number("risk.position_limit_percent", &r.PositionLimitPercent, 0.1, 100)
}

func (in *Indicators) each(v visitor) {
	v.number("indicators.macd.weight", &in.MACD.Weight, 0, 10)
	v.whole("indicators.macd.fast", &in.MACD.Fast, 1, 500)
	v.whole("indicators.macd.slow", &in.MACD.Slow, 2, 500)
	v.whole("indicators.macd.signal", &in.MACD.Signal, 1, 500)
	v.number("indicators.adx.weight", &in.ADX.Weight, 0, 10)
	v.whole("indicators.adx.period", &in.ADX.Period, 2, 500)
	v.number("indicators.ema.weight", &in.EMA.Weight, 0, 10)
	v.whole("indicators.ema.fast", &in.EMA.Fast, 1, 500)
	v.whole("indicators.ema.slow", &in.EMA.Slow, 2, 500)
	v.number("indicators.psar.weight", &in.PSAR.Weight, 0, 10)
	v.number("indicators.psar.step", &in.PSAR.Step, 0.001, 1)
	v.number("indicators.psar.limit", &in.PSAR.Limit, 0.001, 1)
	v.number("indicators.supertrend.weight", &in.Supertrend.Weight, 0, 10)
	v.whole("indicators.supertrend.period", &in.Supertrend.Period, 2, 500)
	v.number("indicators.supertrend.multiplier", &in.Supertrend.Multiplier, 0.1, 20)
	v.number("indicators.rsi.weight", &in.RSI.Weight, 0, 10)
	v.whole("indicators.rsi.period", &in.RSI.Period, 2, 500)
	v.number("indicators.rsi.oversold", &in.RSI.Oversold, 1, 99)
	v.number("indicators.rsi.overbought", &in.RSI.Overbought, 1, 99)
	v.number("indicators.stochastic.weight", &in.Stochastic.Weight, 0, 10)
	v.whole("indicators.stochastic.period", &in.Stochastic.Period, 2, 500)
	v.whole("indicators.stochastic.smooth", &in.Stochastic.Smooth, 1, 100)
	v.whole("indicators.stochastic.signal", &in.Stochastic.Signal, 1, 100)
	v.number("indicators.stochastic.oversold", &in.Stochastic.Oversold, 1, 99)
	v.number("indicators.stochastic.overbought", &in.Stochastic.Overbought, 1, 99)
	v.number("indicators.cci.weight", &in.CCI.Weight, 0, 10)
	v.whole("indicators.cci.period", &in.CCI.Period, 2, 500)
	v.number("indicators.cci.oversold", &in.CCI.Oversold, -1000, -1)
	v.number("indicators.cci.overbought", &in.CCI.Overbought, 1, 1000)
	v.number("indicators.williams.weight", &in.Williams.Weight, 0, 10)
	v.whole("indicators.williams.period", &in.Williams.Period, 2, 500)
	v.number("indicators.williams.oversold", &in.Williams.Oversold, -99, -1)
	v.number("indicators.williams.overbought", &in.Williams.Overbought, -99, -1)
	v.number("indicators.bollinger.weight", &in.Bollinger.Weight, 0, 10)
	v.whole("indicators.bollinger.period", &in.Bollinger.Period, 2, 500)
	v.number("indicators.bollinger.deviations", &in.Bollinger.Deviations, 0.1, 10)
	v.number("indicators.atr.weight", &in.ATR.Weight, 0, 10)
	v.whole("indicators.atr.period", &in.ATR.Period, 2, 500)
	v.number("indicators.obv.weight", &in.OBV.Weight, 0, 10)
	v.whole("indicators.obv.lookback", &in.OBV.Lookback, 1, 500)
	v.number("indicators.cmf.weight", &in.CMF.Weight, 0, 10)
	v.whole("indicators.cmf.period", &in.CMF.Period, 2, 500)
}

// check returns what is wrong with the field's value, or "".
func (f field) check() string {
	switch {
	case f.text != nil:
		return f.checkText(*f.text)
	case f.whole != nil:
		return checkRange(float64(*f.whole), f.min, f.max)
	}
	return checkRange(*f.number, f.min, f.max)
}

func checkRange(x, low, high float64) string {
	if x >= low && x <= high {
		return ""
	}
	if low == high {
		return fmt.Sprintf("must be %v, is %v", low, x)
	}
	return fmt.Sprintf("must be from %v to %v, is %v", low, high, x)
}

func (f field) checkText(text string) string {
	if n, most := utf8.RuneCountInString(text), int(f.max); n > most {
		return fmt.Sprintf("must have at most %d characters, has %d", most, n)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return "must not hold control characters"
	}
	if !utf8.ValidString(text) {
		return "must be valid UTF-8"
	}
	if f.words != nil && !slices.Contains(f.words, text) {
		return fmt.Sprintf("must be %s, is %q", oneOf(f.words), text)
	}
	if f.rule != nil {
		return f.rule(text)
	}
	return ""
}

// oneOf writes words as a choice: "a", "b" or "c".
func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = strconv.Quote(word)
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func checkName(name string) string {
	if name == "" {
		return "is required"
	}
	if !namePattern.MatchString(name) {
		return "must be of a-z, 0-9 and _, a letter first"
	}
	return ""
}

// relations returns the problems between fields that are each in their range.
func (d Document) relations() []Problem {
	in, th := d.Indicators, d.Thresholds
	var found []Problem
	need := func(ok bool, path, message string) {
		if !ok {
			found = append(found, Problem{Field: path, Message: message})
		}
	}
	need(in.MACD.Fast < in.MACD.Slow, "indicators.macd.fast", "must be below slow")
	need(in.EMA.Fast < in.EMA.Slow, "indicators.ema.fast", "must be below slow")
	need(in.PSAR.Step <= in.PSAR.Limit, "indicators.psar.step", "must not be above limit")
	need(in.RSI.Oversold < in.RSI.Overbought, "indicators.rsi.oversold", "must be below overbought")
	need(in.Stochastic.Oversold < in.Stochastic.Overbought, "indicators.stochastic.oversold", "must be below overbought")
	need(in.Williams.Oversold < in.Williams.Overbought, "indicators.williams.oversold", "must be below overbought")
	need(th.Buy <= th.StrongBuy, "thresholds.buy", "must not be above strong_buy")
	need(th.StrongSell <= th.Sell, "thresholds.strong_sell", "must not be above sell")
	need(d.Risk.Stop.FloorPercent <= d.Risk.Stop.CapPercent, "risk.stop.floor_percent", "must not be above cap_percent")
	need(d.votingWeight() > 0, "indicators", "must leave at least one indicator that votes (any but atr) with a weight and a category's weight above 0")
	return found
}

// votingWeight returns the weight of all indicators that can vote.
func (d Document) votingWeight() float64 {
	in, c := d.Indicators, d.Categories
	return c.Trend*(in.MACD.Weight+in.ADX.Weight+in.EMA.Weight+in.PSAR.Weight+in.Supertrend.Weight) +
		c.Momentum*(in.RSI.Weight+in.Stochastic.Weight+in.CCI.Weight+in.Williams.Weight) +
		c.Volatility*in.Bollinger.Weight + c.Volume*(in.OBV.Weight+in.CMF.Weight)
}
