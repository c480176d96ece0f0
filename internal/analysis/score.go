package analysis

import (
	"fmt"
	"math"
	"strings"

	"github.com/tapedeck/tapedeck/internal/number"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// A tally is the count of the votes.
type tally struct {
	score, coverage float64
	conviction      float64            // what votes, as a share of the strategy's whole weight
	buying, selling int                // indicators that voted so with a weight in the score
	categories      map[string]float64 // the score of each category alone
	missing         []string           // weighted indicators without enough bars
}

// count fills each indicator's contribution and returns the tally:
// score = sum(vote x weight x strategy weight) / sum(weight x strategy weight),
// conviction = sum(weight x strategy weight) / sum(strategy weight) of all thirteen.
func count(indicators []Indicator) tally {
	t := tally{categories: map[string]float64{}}
	votes, total, covered, all := 0.0, 0.0, 0.0, 0.0
	parts := map[string]float64{}
	for _, one := range indicators {
		all += one.StrategyWeight
		switch {
		case one.Available:
			covered += one.StrategyWeight
		case one.StrategyWeight > 0:
			t.missing = append(t.missing, fmt.Sprintf("%s (%d)", one.Name, one.NeedBars))
		}
		pull := one.Weight * one.StrategyWeight
		total += pull
		votes += float64(one.Vote) * pull
		parts[one.Category] += pull
		t.categories[one.Category] += float64(one.Vote) * pull
		switch {
		case pull > 0 && one.Vote > 0:
			t.buying++
		case pull > 0 && one.Vote < 0:
			t.selling++
		}
	}
	t.coverage, t.conviction = unit(covered/all), unit(total/all)
	for category, pull := range parts {
		if pull > 0 {
			t.categories[category] /= pull
		}
	}
	if total == 0 {
		return t
	}
	for i := range indicators {
		one := &indicators[i]
		one.Contribution = number.PositiveZero(float64(one.Vote) * one.Weight * one.StrategyWeight / total)
	}
	// Once, and not as the sum of the contributions, each of which is rounded: of
	// votes that all go one way it is 1 to the last bit.
	t.score = number.PositiveZero(votes / total)
	return t
}

// decide returns the verdict on the unrounded score, and warnings where the
// quorum held it back or much of the weight is missing.
func decide(t tally, doc strategy.Document) (Verdict, []string) {
	warnings := []string{}
	if len(t.missing) > 0 {
		warnings = append(warnings, fmt.Sprintf("coverage %.0f %%: too few bars for %s", 100*t.coverage, strings.Join(t.missing, ", ")))
	}
	if t.buying+t.selling == 0 {
		return Hold, append(warnings, "no indicator votes")
	}
	verdict, agreeing := Hold, 0
	switch doc.Thresholds.Of(t.score) {
	case 2:
		verdict, agreeing = StrongBuy, t.buying
	case 1:
		verdict, agreeing = Buy, t.buying
	case -1:
		verdict, agreeing = Sell, t.selling
	case -2:
		verdict, agreeing = StrongSell, t.selling
	}
	quorum := doc.Quorum
	if verdict != Hold && t.conviction < quorum.Conviction {
		return Hold, append(warnings, fmt.Sprintf("%s, not %s: %s of the strategy's weight votes, the quorum is %s",
			Hold, verdict, only(t.conviction), percent(100*quorum.Conviction)))
	}
	weaker := map[Verdict]Verdict{StrongBuy: Buy, StrongSell: Sell}[verdict]
	switch {
	case weaker != "" && t.coverage < quorum.Coverage:
		warnings = append(warnings, fmt.Sprintf("%s, not %s: coverage %.0f %% is below the quorum of %.0f %%",
			weaker, verdict, 100*t.coverage, 100*quorum.Coverage))
		verdict = weaker
	case weaker != "" && agreeing < quorum.Agreeing:
		warnings = append(warnings, fmt.Sprintf("%s, not %s: %d indicators agree, the quorum is %d", weaker, verdict, agreeing, quorum.Agreeing))
		verdict = weaker
	case verdict != Hold && agreeing < quorum.Agreeing:
		warnings = append(warnings, fmt.Sprintf("%s rests on %d indicators only", verdict, agreeing))
	}
	return verdict, warnings
}

// only writes a share in percent that is too small, rounded down: never as much
// as it falls short of.
func only(share float64) string {
	if share < 0.0001 {
		return "less than 0.01 %"
	}
	return "only " + percent(math.Floor(10000*share)/100)
}

// sideOf returns the side of the trade that a verdict suggests.
func sideOf(v Verdict) string {
	switch v {
	case StrongBuy, Buy:
		return SideBuy
	case StrongSell, Sell:
		return SideSell
	}
	return SideNone
}

// find returns the indicator name; every report has them all.
func find(indicators []Indicator, name string) Indicator {
	for _, one := range indicators {
		if one.Name == name {
			return one
		}
	}
	return Indicator{}
}

// regime says whether there is a trend to follow; undirected says that the ADX
// is what it remembers of bars long past.
func regime(indicators []Indicator, undirected bool) string {
	adx := find(indicators, "adx")
	switch x := adx.Values["adx"]; {
	case !adx.Available || undirected:
		return RegimeUnknown
	case x >= 25:
		return RegimeTrending
	case x >= 20:
		return RegimeWeakTrend
	}
	return RegimeChoppy
}

// atr returns the strategy's ATR at the last bar, 0 when there are too few bars.
func atr(c *columns, doc strategy.Document) float64 {
	if c.bars() <= doc.Indicators.ATR.Period {
		return 0
	}
	return c.atr(doc.Indicators.ATR.Period)
}

// contradictions lists what speaks against the verdict, and what makes it weak.
func contradictions(r Report, t tally) []string {
	found := []string{}
	add := func(is bool, format string, args ...any) {
		if is {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	trend, momentum := t.categories["trend"], t.categories["momentum"]
	add(trend*momentum < 0 && min(max(trend, -trend), max(momentum, -momentum)) >= 0.5,
		"trend (%+.2f) and momentum (%+.2f) contradict each other", trend, momentum)
	if side := sideOf(r.Verdict); side != SideNone {
		against(add, side == SideBuy, r)
		add(r.Regime == RegimeChoppy, "%s in a choppy market: ADX %.1f", r.Verdict, find(r.Indicators, "adx").Values["adx"])
	}
	add(*r.Numbers.Volume == 0, "nothing was traded on the last day")
	return found
}

// against lists the readings that contradict a verdict's side.
func against(add func(bool, string, ...any), buy bool, r Report) {
	rsi, macd, n := find(r.Indicators, "rsi"), find(r.Indicators, "macd"), r.Numbers
	add(buy && rsi.Vote < 0, "%s against an overbought RSI of %.1f", r.Verdict, rsi.Values["rsi"])
	add(!buy && rsi.Vote > 0, "%s against an oversold RSI of %.1f", r.Verdict, rsi.Values["rsi"])
	add(buy && macd.Vote < 0, "%s against the MACD, which is below its signal", r.Verdict)
	add(!buy && macd.Vote > 0, "%s against the MACD, which is above its signal", r.Verdict)
	if n.SMA50 != nil {
		// By the measure of the votes: a close on its average is not below it by a bit.
		near, order := sign(*n.Close-*n.SMA50, *n.Close), sign(*n.SMA20-*n.SMA50, *n.Close)
		add(buy && near < 0, "%s below the average of 50 days", r.Verdict)
		add(!buy && near > 0, "%s above the average of 50 days", r.Verdict)
		add(buy && order < 0, "%s while the average of 20 days is below that of 50", r.Verdict)
		add(!buy && order > 0, "%s while the average of 20 days is above that of 50", r.Verdict)
	}
}
