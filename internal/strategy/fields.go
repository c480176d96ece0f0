package strategy

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A field binds a path of the JSON document to its place in a Document and to
// its rule. Exactly one of text, number and whole is set.
type field struct {
	path     string
	text     *string
	number   *float64
	whole    *int
	min, max float64 // bounds of number and whole; max is the length of text
	rule     func(string) string
}

func number(path string, at *float64, min, max float64) field {
	return field{path: path, number: at, min: min, max: max}
}

func whole(path string, at *int, min, max float64) field {
	return field{path: path, whole: at, min: min, max: max}
}

// choice is a text that must be one of words.
func choice(path string, at *string, words ...string) field {
	return field{path: path, text: at, max: maxShown, rule: func(word string) string {
		if slices.Contains(words, word) {
			return ""
		}
		return fmt.Sprintf("must be %s, is %q", oneOf(words), word)
	}}
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

// fields lists every field of the format: the one table that Parse and
// Validate work from.
func (d *Document) fields() []field {
	return append(append(d.headFields(), d.Indicators.fields()...), []field{
		number("categories.trend", &d.Categories.Trend, 0, 10),
		number("categories.momentum", &d.Categories.Momentum, 0, 10),
		number("categories.volatility", &d.Categories.Volatility, 0, 10),
		number("categories.volume", &d.Categories.Volume, 0, 10),
		number("thresholds.strong_buy", &d.Thresholds.StrongBuy, -1, 1),
		number("thresholds.buy", &d.Thresholds.Buy, -1, 1),
		number("thresholds.sell", &d.Thresholds.Sell, -1, 1),
		number("thresholds.strong_sell", &d.Thresholds.StrongSell, -1, 1),
		number("quorum.coverage", &d.Quorum.Coverage, 0, 1),
		whole("quorum.agreeing", &d.Quorum.Agreeing, 0, 12),
		choice("risk.stop.method", &d.Risk.Stop.Method, StopFixed, StopATR),
		number("risk.stop.percent", &d.Risk.Stop.Percent, 0.1, 50),
		number("risk.stop.atr_multiple", &d.Risk.Stop.ATRMultiple, 0.1, 10),
		number("risk.stop.floor_percent", &d.Risk.Stop.FloorPercent, 0.1, 50),
		number("risk.stop.cap_percent", &d.Risk.Stop.CapPercent, 0.1, 50),
		number("risk.target_percent", &d.Risk.TargetPercent, 0.1, 95),
		number("risk.min_risk_reward", &d.Risk.MinRiskReward, 0, 10),
		number("risk.risk_percent", &d.Risk.RiskPercent, 0.01, 100),
		number("risk.position_limit_percent", &d.Risk.PositionLimitPercent, 0.1, 100),
		whole("trade.max_bars", &d.Trade.MaxBars, 0, 500),
		whole("trade.cooldown_bars", &d.Trade.CooldownBars, 0, 100),
		choice("trade.sides", &d.Trade.Sides, SidesLong, SidesBoth),
		choice("trade.exit", &d.Trade.Exit, ExitOpposite, ExitLevels),
	}...)
}

func (d *Document) headFields() []field {
	return []field{
		{path: "name", text: &d.Name, max: MaxName, rule: checkName},
		whole("version", &d.Version, Version, Version),
		{path: "title", text: &d.Title, max: MaxTitle},
		{path: "description", text: &d.Description, max: MaxDescription},
		whole("min_bars", &d.MinBars, 2, 5000),
	}
}

func (in *Indicators) fields() []field {
	return []field{
		number("indicators.macd.weight", &in.MACD.Weight, 0, 10),
		whole("indicators.macd.fast", &in.MACD.Fast, 1, 500),
		whole("indicators.macd.slow", &in.MACD.Slow, 2, 500),
		whole("indicators.macd.signal", &in.MACD.Signal, 1, 500),
		number("indicators.adx.weight", &in.ADX.Weight, 0, 10),
		whole("indicators.adx.period", &in.ADX.Period, 2, 500),
		number("indicators.ema.weight", &in.EMA.Weight, 0, 10),
		whole("indicators.ema.fast", &in.EMA.Fast, 1, 500),
		whole("indicators.ema.slow", &in.EMA.Slow, 2, 500),
		number("indicators.psar.weight", &in.PSAR.Weight, 0, 10),
		number("indicators.psar.step", &in.PSAR.Step, 0.001, 1),
		number("indicators.psar.limit", &in.PSAR.Limit, 0.001, 1),
		number("indicators.rsi.weight", &in.RSI.Weight, 0, 10),
		whole("indicators.rsi.period", &in.RSI.Period, 2, 500),
		number("indicators.rsi.oversold", &in.RSI.Oversold, 1, 99),
		number("indicators.rsi.overbought", &in.RSI.Overbought, 1, 99),
		number("indicators.stochastic.weight", &in.Stochastic.Weight, 0, 10),
		whole("indicators.stochastic.period", &in.Stochastic.Period, 2, 500),
		whole("indicators.stochastic.smooth", &in.Stochastic.Smooth, 1, 100),
		whole("indicators.stochastic.signal", &in.Stochastic.Signal, 1, 100),
		number("indicators.stochastic.oversold", &in.Stochastic.Oversold, 1, 99),
		number("indicators.stochastic.overbought", &in.Stochastic.Overbought, 1, 99),
		number("indicators.cci.weight", &in.CCI.Weight, 0, 10),
		whole("indicators.cci.period", &in.CCI.Period, 2, 500),
		number("indicators.cci.oversold", &in.CCI.Oversold, -1000, -1),
		number("indicators.cci.overbought", &in.CCI.Overbought, 1, 1000),
		number("indicators.williams.weight", &in.Williams.Weight, 0, 10),
		whole("indicators.williams.period", &in.Williams.Period, 2, 500),
		number("indicators.williams.oversold", &in.Williams.Oversold, -99, -1),
		number("indicators.williams.overbought", &in.Williams.Overbought, -99, -1),
		number("indicators.bollinger.weight", &in.Bollinger.Weight, 0, 10),
		whole("indicators.bollinger.period", &in.Bollinger.Period, 2, 500),
		number("indicators.bollinger.deviations", &in.Bollinger.Deviations, 0.1, 10),
		number("indicators.atr.weight", &in.ATR.Weight, 0, 10),
		whole("indicators.atr.period", &in.ATR.Period, 2, 500),
		number("indicators.obv.weight", &in.OBV.Weight, 0, 10),
		whole("indicators.obv.lookback", &in.OBV.Lookback, 1, 500),
		number("indicators.cmf.weight", &in.CMF.Weight, 0, 10),
		whole("indicators.cmf.period", &in.CMF.Period, 2, 500),
	}
}

// check returns what is wrong with the field's value, or "".
func (f field) check() string {
	switch {
	case f.text != nil:
		return checkText(*f.text, int(f.max), f.rule)
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

func checkText(text string, longest int, rule func(string) string) string {
	if n := utf8.RuneCountInString(text); n > longest {
		return fmt.Sprintf("must have at most %d characters, has %d", longest, n)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return "must not hold control characters"
	}
	if !utf8.ValidString(text) {
		return "must be valid UTF-8"
	}
	if rule != nil {
		return rule(text)
	}
	return ""
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
	need(th.Sell < th.Buy, "thresholds.sell", "must be below buy")
	need(th.StrongSell <= th.Sell, "thresholds.strong_sell", "must not be above sell")
	need(d.Risk.Stop.FloorPercent <= d.Risk.Stop.CapPercent, "risk.stop.floor_percent", "must not be above cap_percent")
	need(d.votingWeight() > 0, "indicators", "must leave at least one indicator that votes (any but atr) with a weight and a category's weight above 0")
	return found
}

// votingWeight returns the weight of all indicators that can vote.
func (d Document) votingWeight() float64 {
	in, c := d.Indicators, d.Categories
	return c.Trend*(in.MACD.Weight+in.ADX.Weight+in.EMA.Weight+in.PSAR.Weight) +
		c.Momentum*(in.RSI.Weight+in.Stochastic.Weight+in.CCI.Weight+in.Williams.Weight) +
		c.Volatility*in.Bollinger.Weight + c.Volume*(in.OBV.Weight+in.CMF.Weight)
}

// positiveZero turns -0 into 0, so that equal documents have equal texts.
func positiveZero(x float64) float64 {
	if x == 0 {
		return math.Abs(x)
	}
	return x
}
