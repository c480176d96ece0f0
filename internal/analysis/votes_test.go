package analysis_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market"
)

// at is a given figure by its parameters and what it is.
func at(kernel string, parameters [3]float64, values ...float64) analysis.Given {
	g := analysis.Given{Kernel: kernel, Parameters: parameters}
	copy(g.Values[:], values)
	return g
}

type params = [3]float64

// voteRows are the table of votes in docs/ANALYSIS.md, by hand: a row for each
// branch and for each bound, on bars that close at 100.
var voteRows = []struct {
	name              string
	given             []analysis.Given
	vote              int
	weight, certainty float64
}{
	{"rsi", []analysis.Given{at("rsi", params{14}, 0)}, 1, 1, 1},
	{"rsi", []analysis.Given{at("rsi", params{14}, 15)}, 1, 0.5, 0.5},
	{"rsi", []analysis.Given{at("rsi", params{14}, 30)}, 0, 0, 0},
	{"rsi", []analysis.Given{at("rsi", params{14}, 40)}, 0, 0, 0.5},
	{"rsi", []analysis.Given{at("rsi", params{14}, 50)}, 0, 0, 1},
	{"rsi", []analysis.Given{at("rsi", params{14}, 70)}, 0, 0, 0},
	{"rsi", []analysis.Given{at("rsi", params{14}, 85)}, -1, 0.5, 0.5},
	{"stochastic", []analysis.Given{at("stochastic", params{14, 3, 3}, 5, 90)}, 1, 0.75, 0.75},
	{"stochastic", []analysis.Given{at("stochastic", params{14, 3, 3}, 20, 90)}, 0, 0, 0},
	{"stochastic", []analysis.Given{at("stochastic", params{14, 3, 3}, 90, 5)}, -1, 0.5, 0.5},
	{"stochastic", []analysis.Given{at("stochastic", params{14, 3, 3}, 65, 5)}, 0, 0, 0.5},
	{"cci", []analysis.Given{at("cci", params{20}, -150)}, 1, 0.5, 0.5},
	{"cci", []analysis.Given{at("cci", params{20}, -200)}, 1, 1, 1},
	{"cci", []analysis.Given{at("cci", params{20}, -100)}, 0, 0, 0},
	{"cci", []analysis.Given{at("cci", params{20}, 50)}, 0, 0, 0.5},
	{"cci", []analysis.Given{at("cci", params{20}, 125)}, -1, 0.25, 0.25},
	{"cci", []analysis.Given{at("cci", params{20}, 350)}, -1, 1, 1},
	{"williams", []analysis.Given{at("williams", params{14}, -95)}, 1, 0.75, 0.75},
	{"williams", []analysis.Given{at("williams", params{14}, -80)}, 0, 0, 0},
	{"williams", []analysis.Given{at("williams", params{14}, -50)}, 0, 0, 1},
	{"williams", []analysis.Given{at("williams", params{14}, -15)}, -1, 0.25, 0.25},
	{"macd", []analysis.Given{at("macd", params{12, 26, 9}, 0, 0, 0.5)}, 1, 0.25, 0.5},
	{"macd", []analysis.Given{at("macd", params{12, 26, 9}, 0, 0, -1)}, -1, 0.5, 1},
	{"macd", []analysis.Given{at("macd", params{12, 26, 9}, 0, 0, 0)}, 0, 0, 0},
	{"adx", []analysis.Given{at("adx", params{14}, 25, 30, 10)}, 1, 0.5, 0.5},
	{"adx", []analysis.Given{at("adx", params{14}, 60, 10, 30)}, -1, 1, 0.8},
	{"adx", []analysis.Given{at("adx", params{14}, 25, 20, 20)}, 0, 0, 0.3},
	{"psar", []analysis.Given{at("psar", params{0.02, 0.2}, 98.5)}, 1, 0.6, 0.75},
	{"psar", []analysis.Given{at("psar", params{0.02, 0.2}, 101)}, -1, 0.4, 0.5},
	{"psar", []analysis.Given{at("psar", params{0.02, 0.2}, 100)}, 0, 0, 0},
	{"ema", []analysis.Given{at("ema", params{50}, 208), at("ema", params{200}, 200)}, 1, 0.4, 0.8},
	{"ema", []analysis.Given{at("ema", params{50}, 97.5), at("ema", params{200}, 100)}, -1, 0.25, 0.5},
	{"ema", []analysis.Given{at("ema", params{50}, 100), at("ema", params{200}, 100)}, 0, 0, 0},
	{"supertrend", []analysis.Given{at("supertrend", params{10, 3}, 94, 1), at("atr", params{10}, 4)}, 1, 0.5, 0.5},
	{"supertrend", []analysis.Given{at("supertrend", params{10, 3}, 109, -1), at("atr", params{10}, 4)}, -1, 0.75, 0.75},
	{"supertrend", []analysis.Given{at("supertrend", params{10, 3}, 100, 1), at("atr", params{10}, 2)}, 0, 0, 0},
	{"bollinger", []analysis.Given{at("bollinger", params{20, 2}, 110, 106, 102)}, 1, 0.25, 0.5},
	{"bollinger", []analysis.Given{at("bollinger", params{20, 2}, 98, 94, 90)}, -1, 0.25, 0.5},
	{"bollinger", []analysis.Given{at("bollinger", params{20, 2}, 108, 100, 92)}, 0, 0, 1},
	{"bollinger", []analysis.Given{at("bollinger", params{20, 2}, 108, 102, 96)}, 0, 0, 2.0 / 3},
	{"bollinger", []analysis.Given{at("bollinger", params{20, 2}, 108, 104, 100)}, 0, 0, 0},
	{"atr", []analysis.Given{at("atr", params{14}, 0.5)}, 0, 0, 0.5},
	{"atr", []analysis.Given{at("atr", params{14}, 1)}, 0, 0, 1},
	{"atr", []analysis.Given{at("atr", params{14}, 4)}, 0, 0, 1},
	{"atr", []analysis.Given{at("atr", params{14}, 4.4)}, 0, 0, 0.9},
	{"atr", []analysis.Given{at("atr", params{14}, 5)}, 0, 0, 0.75},
	{"atr", []analysis.Given{at("atr", params{14}, 9)}, 0, 0, 0.5},
	{"cmf", []analysis.Given{at("cmf", params{20}, 0)}, 0, 0, 0.6},
	{"cmf", []analysis.Given{at("cmf", params{20}, 0.05)}, 1, 0.2, 0.55},
	{"cmf", []analysis.Given{at("cmf", params{20}, -0.1)}, -1, 0.4, 0.5},
	{"cmf", []analysis.Given{at("cmf", params{20}, 0.175)}, 1, 0.7, 0.625},
	{"cmf", []analysis.Given{at("cmf", params{20}, -0.25)}, -1, 1, 0.75},
	{"cmf", []analysis.Given{at("cmf", params{20}, 0.3)}, 1, 1, 0.95},
	{"cmf", []analysis.Given{at("cmf", params{20}, 0.6)}, 1, 1, 1},
}

// closing returns bars with these closes and a volume of 100 each.
func closing(closes ...float64) []market.Bar {
	bars := make([]market.Bar, len(closes))
	for i, x := range closes {
		bars[i] = market.Bar{Date: firstDay.AddDate(0, 0, i), Open: x, High: x + 1, Low: x - 1, Close: x, Volume: 100}
	}
	return bars
}

func checkVoice(t *testing.T, what string, one analysis.Indicator, vote int, weight, certainty float64) {
	t.Helper()
	if one.Vote != vote || math.Abs(one.Weight-weight) > 1e-12 || math.Abs(one.Certainty-certainty) > 1e-12 {
		t.Errorf("%s: vote %d, weight %v, certainty %v; by hand %d, %v, %v", what, one.Vote, one.Weight, one.Certainty, vote, weight, certainty)
	}
}

func TestVotes(t *testing.T) {
	bars := closing(slices.Repeat([]float64{99, 100}, 125)...)
	named := map[string]bool{"obv": true} // TestVotesOfTheOBV
	for _, c := range voteRows {
		named[c.name] = true
		checkVoice(t, fmt.Sprint(c.name, c.given), analysis.VoiceOf(c.name, bars, builtin(t, "balanced"), c.given...), c.vote, c.weight, c.certainty)
	}
	if len(named) != 13 {
		t.Errorf("rows for %v", named)
	}
}

// TestVotesOfTheOBV: ten changes of a volume of 100 each.
func TestVotesOfTheOBV(t *testing.T) {
	for name, c := range map[string]struct {
		closes            []float64
		vote              int
		weight, certainty float64
	}{
		"every day up":          {[]float64{90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100}, 1, 1, 1},
		"eight up, two down":    {[]float64{90, 91, 92, 93, 94, 95, 94, 95, 96, 95, 100}, 1, 0.6, 0.8},
		"every day down":        {[]float64{110, 109, 108, 107, 106, 105, 104, 103, 102, 101, 100}, -1, 1, 1},
		"nine down, yet higher": {[]float64{90, 109, 108, 107, 106, 105, 104, 103, 102, 101, 100}, 0, 0, 0.3 + 0.4*0.8},
		"as many up as down":    {[]float64{90, 91, 90, 91, 90, 91, 90, 91, 90, 101, 100}, 0, 0, 0.5},
		"back where it was":     {[]float64{100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 100}, 0, 0, 0.5},
	} {
		bars := closing(append([]float64{7}, c.closes...)...) // one more before, which does not count
		checkVoice(t, name, analysis.VoiceOf("obv", bars, builtin(t, "balanced")), c.vote, c.weight, c.certainty)
	}
	bars := closing(90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100)
	for i := range bars {
		bars[i].Volume = 0
	}
	checkVoice(t, "no volume", analysis.VoiceOf("obv", bars, builtin(t, "balanced")), 0, 0, 0.5)
}

func TestRegime(t *testing.T) {
	for adx, want := range map[float64]string{
		0: analysis.RegimeChoppy, math.Nextafter(20, 0): analysis.RegimeChoppy, 20: analysis.RegimeWeakTrend,
		math.Nextafter(25, 0): analysis.RegimeWeakTrend, 25: analysis.RegimeTrending, 60: analysis.RegimeTrending,
	} {
		if got := analysis.RegimeAt(adx); got != want {
			t.Errorf("ADX %v: %s, want %s", adx, got, want)
		}
	}
}

// TestDecide: the bounds of the thresholds and of the quorum, each on its value
// and just short of it.
func TestDecide(t *testing.T) {
	doc := builtin(t, "balanced") // 0.6, 0.2, -0.2, -0.6; quorum 0.7, 5 and 0.05
	less := func(x float64) float64 { return math.Nextafter(x, 0) }
	for _, c := range []struct {
		score, coverage, conviction float64
		buying, selling             int
		want                        analysis.Verdict
		warnings                    []string
	}{
		{0.6, 0.7, 0.05, 5, 0, analysis.StrongBuy, []string{}},
		{less(0.6), 0.7, 0.05, 5, 0, analysis.Buy, []string{}},
		{0.6, less(0.7), 0.05, 5, 9, analysis.Buy, []string{"Buy, not Strong Buy: coverage 70 % is below the quorum of 70 %"}},
		{0.6, 0.7, 0.05, 4, 9, analysis.Buy, []string{"Buy, not Strong Buy: 4 indicators agree, the quorum is 5"}},
		{0.2, 0.1, 0.05, 4, 9, analysis.Buy, []string{"Buy rests on 4 indicators only"}},
		{less(0.2), 1, 0.05, 4, 1, analysis.Hold, []string{}},
		{less(-0.2), 1, 0.05, 1, 4, analysis.Hold, []string{}},
		{-0.2, 1, 0.05, 9, 5, analysis.Sell, []string{}},
		{less(-0.6), 1, 0.05, 9, 4, analysis.Sell, []string{"Sell rests on 4 indicators only"}},
		{-0.6, 0.7, 0.05, 0, 5, analysis.StrongSell, []string{}},
		{-0.6, 0.7, 0.05, 9, 4, analysis.Sell, []string{"Sell, not Strong Sell: 4 indicators agree, the quorum is 5"}},
		{0.9, 1, 0.05, 0, 0, analysis.Hold, []string{"no indicator votes"}},
		{0.6, 0.7, less(0.05), 5, 0, analysis.Hold, []string{"Hold, not Strong Buy: only 4.99 % of the strategy's weight votes, the quorum is 5 %"}},
		{0.2, 1, 0.024, 5, 0, analysis.Hold, []string{"Hold, not Buy: only 2.4 % of the strategy's weight votes, the quorum is 5 %"}},
		{-0.2, 1, 0.00005, 0, 1, analysis.Hold, []string{"Hold, not Sell: less than 0.01 % of the strategy's weight votes, the quorum is 5 %"}},
		{-0.9, 0.1, 0.0499, 0, 1, analysis.Hold, []string{"Hold, not Strong Sell: only 4.99 % of the strategy's weight votes, the quorum is 5 %"}},
		{0.1, 1, 0.001, 5, 5, analysis.Hold, []string{}},
	} {
		got, warnings := analysis.DecideOn(c.score, c.coverage, c.conviction, c.buying, c.selling, doc)
		if diff := cmp.Diff(c.warnings, warnings); got != c.want || diff != "" {
			t.Errorf("%+v: %s %s", c, got, diff)
		}
	}
}

// TestWarnings: a row for each warning, on its bound and just beyond it. What a
// row leaves out speaks for the verdict.
func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		verdict                    analysis.Verdict
		trend, momentum            float64
		rsi                        float64
		macd                       int
		close, sma20, sma50, trade float64
		regime                     string
		want                       string
	}{
		{"Hold", 0.5, -0.5, 50, 0, 100, 100, 100, 1, "choppy", "trend (+0.50) and momentum (-0.50) contradict each other"},
		{"Hold", -0.7, 0.5, 50, 0, 100, 100, 100, 1, "choppy", "trend (-0.70) and momentum (+0.50) contradict each other"},
		{"Hold", 0.49, -0.9, 50, 0, 100, 100, 100, 1, "choppy", ""},
		{"Hold", 0.9, -0.49, 50, 0, 100, 100, 100, 1, "choppy", ""},
		{"Hold", 0.9, 0.9, 90, 1, 90, 80, 100, 1, "choppy", ""}, // nothing contradicts a Hold
		{"Hold", 0, 0, 50, 0, 100, 100, 100, 0, "choppy", "nothing was traded on the last day"},
		{"Buy", 0, 0, 70, 1, 100, 100, 100, 1, "weak_trend", ""},
		{"Buy", 0, 0, 70.1, 0, 100, 100, 100, 1, "trending", "Buy against an overbought RSI of 70.1"},
		{"Buy", 0, 0, 50, -1, 100, 100, 100, 1, "trending", "Buy against the MACD, which is below its signal"},
		{"Buy", 0, 0, 50, 1, 99.9, 100, 100, 1, "trending", "Buy below the average of 50 days"},
		{"Buy", 0, 0, 50, 1, 100 - 1e-11, 100 - 1e-11, 100, 1, "trending", ""}, // float noise
		{"Sell", 0, 0, 50, -1, 100 + 1e-11, 100 + 1e-11, 100, 1, "trending", ""},
		{"Strong Buy", 0, 0, 20, 1, 100, 99.9, 100, 1, "trending", "Strong Buy while the average of 20 days is below that of 50"},
		{"Buy", 0, 0, 20, 1, 100, 100.1, 100, 1, "unknown", ""},
		{"Buy", 0, 0, 50, 1, 101, 100, 100, 1, "choppy", "Buy in a choppy market: ADX 12.5"},
		{"Sell", 0, 0, 30, -1, 100, 100, 100, 1, "weak_trend", ""},
		{"Sell", 0, 0, 29.9, 0, 100, 100, 100, 1, "trending", "Sell against an oversold RSI of 29.9"},
		{"Sell", 0, 0, 50, 1, 100, 100, 100, 1, "trending", "Sell against the MACD, which is above its signal"},
		{"Sell", 0, 0, 50, -1, 100.1, 100, 100, 1, "trending", "Sell above the average of 50 days"},
		{"Strong Sell", 0, 0, 80, -1, 100, 100.1, 100, 1, "trending", "Strong Sell while the average of 20 days is above that of 50"},
		{"Sell", 0, 0, 80, -1, 100, 99.9, 100, 1, "unknown", ""},
		{"Sell", 0, 0, 50, -1, 99, 100, 100, 1, "choppy", "Sell in a choppy market: ADX 12.5"},
	} {
		rsi := 0
		switch {
		case c.rsi < 30:
			rsi = 1
		case c.rsi > 70:
			rsi = -1
		}
		r := analysis.Report{Verdict: c.verdict, Regime: c.regime, Indicators: []analysis.Indicator{
			{Name: "rsi", Available: true, Vote: rsi, Values: map[string]float64{"rsi": c.rsi}}, {Name: "macd", Available: true, Vote: c.macd},
			{Name: "adx", Available: true, Values: map[string]float64{"adx": 12.5}},
		}}
		r.Numbers.Close, r.Numbers.SMA20, r.Numbers.SMA50, r.Numbers.Volume = &c.close, &c.sma20, &c.sma50, &c.trade
		want := []string{}
		if c.want != "" {
			want = append(want, c.want)
		}
		if diff := cmp.Diff(want, analysis.Contradictions(r, map[string]float64{"trend": c.trend, "momentum": c.momentum})); diff != "" {
			t.Errorf("%+v: %s", c, diff)
		}
	}
}

// TestExtremesOf52Weeks: known only when the series reaches a whole year back;
// the day a year ago is not of the year any more.
func TestExtremesOf52Weeks(t *testing.T) {
	series := func(first time.Time) market.Series {
		s := market.Series{Ticker: "ABC.NS"}
		for day := first; !day.After(time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)); day = day.AddDate(0, 0, 1) {
			s.Bars = append(s.Bars, market.Bar{Date: day, Open: 100, High: 101, Low: 99, Close: 100, Volume: 1})
		}
		return s
	}
	young := analyze(t, series(time.Date(2025, 3, 11, 0, 0, 0, 0, time.UTC)), builtin(t, "balanced"), usual).Numbers
	if young.High52w != nil || young.Low52w != nil {
		t.Error("extremes of a series that is a day too young")
	}
	s := series(time.Date(2025, 3, 9, 0, 0, 0, 0, time.UTC))
	for i, high := range []float64{110, 109, 108} { // the 9th, the 10th a year ago, and the first day that counts
		s.Bars[i].High, s.Bars[i].Low = high, 200-high
	}
	old := analyze(t, s, builtin(t, "balanced"), usual).Numbers
	if old.High52w == nil || *old.High52w != 108 || *old.Low52w != 92 {
		t.Errorf("extremes %v %v", *old.High52w, *old.Low52w)
	}
	s.Bars = s.Bars[1:]
	if n := analyze(t, s, builtin(t, "balanced"), usual).Numbers; n.High52w == nil || *n.High52w != 108 {
		t.Errorf("of exactly a year: %v", n.High52w)
	}
}
