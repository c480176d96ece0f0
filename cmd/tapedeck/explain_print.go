package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
)

// explain prints how a result came about, from the verdict down to the data.
func (s *sheet) explain(e client.Explanation) {
	s.headline(e)
	s.decision(e)
	s.indicators(e)
	s.arithmetic(e)
	s.plan(e)
	s.data(e.Lineage)
	s.line("\n%s", s.paint(dim, fmt.Sprintf("job %s, recorded %s (seq %d)", e.JobID, clock(e.RecordedAt), e.Seq)))
}

func (s *sheet) headline(e client.Explanation) {
	close := "close " + quoted(e.Ticker, e.Numbers.Close)
	if change := e.Numbers.ChangePercent; change != nil {
		close += fmt.Sprintf(" (%+.2f %%)", *change)
	}
	s.line("%s  %s  %s  %s", s.paint(bold, e.Ticker), s.paint(colorOf(e.Verdict), string(e.Verdict)), signed(e.Score), close)
	title := e.Strategy
	if e.StrategyTitle != "" && e.StrategyTitle != e.Strategy {
		title += " (" + e.StrategyTitle + ")"
	}
	s.line("%s", s.paint(dim, fmt.Sprintf("trading day %s, strategy %s", e.TradingDay, oneLine(title, 100))))
	if e.Synthetic {
		s.line("%s", s.paint(yellow, "SYNTHETIC DATA: the bars are invented, the verdict means nothing."))
	}
	for _, warning := range slices.Concat(e.Warnings, e.Lineage.Warnings) {
		for i, part := range wrap(warning, s.width-2) {
			mark := "! "
			if i > 0 {
				mark = "  "
			}
			s.line("%s", s.paint(yellow, mark+part))
		}
	}
}

// decision shows where the score stands among the thresholds.
func (s *sheet) decision(e client.Explanation) {
	d := e.Decision
	s.title("Decision")
	s.line("%s", s.scale(e.Score, d.Thresholds))
	said := fmt.Sprintf("%s: by the thresholds %s", signed(e.Score), d.ByScore)
	if d.HeldBack {
		said += fmt.Sprintf(", which the quorum held back to %s", d.Verdict)
	}
	s.item("score", said)
	t := d.Thresholds
	s.item("thresholds", fmt.Sprintf("Strong Sell ≤ %+g, Sell ≤ %+g, Hold between, Buy ≥ %+g, Strong Buy ≥ %+g", t.StrongSell, t.Sell, t.Buy, t.StrongBuy))
	s.item("quorum", fmt.Sprintf("a Strong verdict needs a coverage of %s (it is %s) and %d agreeing indicators (it has %d)",
		percentage(d.Quorum.Coverage), percentage(d.Coverage), d.Quorum.Agreeing, d.Agreeing))
	covered := percentage(d.Coverage) + " of the strategy's weight had enough bars"
	if len(d.Missing) > 0 {
		covered += "; too few for " + strings.Join(d.Missing, ", ")
	}
	s.item("coverage", covered)
	s.item("conviction", fmt.Sprintf("%s of the strategy's weight votes; any verdict but Hold needs %s", percentage(d.Conviction), percentage(d.Quorum.Conviction)))
	s.item("regime", strings.ReplaceAll(d.Regime, "_", " "))
}

// scaleWidth is an odd number of places, so that 0 has one.
const scaleWidth = 61

// scale draws -1..+1 with the thresholds as bars and the score as a dot.
func (s *sheet) scale(score float64, t client.Thresholds) string {
	cells := slices.Repeat([]string{"─"}, scaleWidth)
	place := func(x float64) int { return int(math.Round((max(-1, min(1, x)) + 1) / 2 * (scaleWidth - 1))) }
	for _, x := range []float64{t.StrongSell, t.Sell, t.Buy, t.StrongBuy} {
		cells[place(x)] = "┼"
	}
	cells[place(score)] = s.paint(colorOfSign(score), "●")
	return "  -1 " + strings.Join(cells, "") + " +1"
}

// indicators prints each voice: its numbers in columns, what it says below them.
func (s *sheet) indicators(e client.Explanation) {
	s.title("Indicators")
	s.line("%s", s.paint(dim, "                VOTE  CERTAINTY  WEIGHT × STRATEGY = CONTRIBUTION     NEEDS BARS"))
	most := 0.0
	for _, one := range e.Indicators {
		most = max(most, math.Abs(one.Contribution))
	}
	category := ""
	for _, one := range e.Indicators {
		if one.Category != category {
			category = one.Category
			s.line("  %s", s.paint(dim, category))
		}
		s.indicator(one, most, e.Lineage.Bars)
	}
}

func (s *sheet) indicator(one events.Indicator, most float64, bars int) {
	vote := map[int]string{1: "buy", -1: "sell"}[one.Vote]
	if vote == "" {
		vote = "-"
	}
	certainty := percentage(one.Certainty)
	if !one.Available {
		vote, certainty = "none", "-"
	}
	need := "-"
	if one.NeedBars > 0 {
		need = strconv.Itoa(one.NeedBars)
	}
	needed := fmt.Sprintf("%5s", need)
	if one.NeedBars > bars {
		needed = s.paint(yellow, needed)
	}
	row := fmt.Sprintf("    %s  %s  %9s  %6.3f   %8.3g   %s %s  %s", padded(one.Name, 10), s.paint(colorOfSign(float64(one.Vote)), padded(vote, 4)),
		certainty, one.Weight, one.StrategyWeight, s.paint(colorOfSign(one.Contribution), fmt.Sprintf("%+.4f", one.Contribution+0)),
		s.bar(one.Contribution, most), needed)
	s.line("%s", row)
	for _, part := range wrap(reading(one), s.width-8) {
		s.line("        %s", s.paint(dim, part))
	}
}

// barHalf is how long the bar of the largest contribution is.
const barHalf = 5

// bar draws a contribution to the left or to the right of a line.
func (s *sheet) bar(x, most float64) string {
	n := 0
	if most > 0 {
		n = int(math.Ceil(barHalf * math.Abs(x) / most))
	}
	blocks, rest := strings.Repeat("█", n), strings.Repeat(" ", barHalf-n)
	empty := strings.Repeat(" ", barHalf)
	if x < 0 {
		return rest + s.paint(red, blocks) + "│" + empty
	}
	return empty + "│" + s.paint(green, blocks) + rest
}

// reading is an indicator's figures and what it says of them.
func reading(one events.Indicator) string {
	var figures []string
	for _, name := range slices.Sorted(maps.Keys(one.Values)) {
		figures = append(figures, name+" "+figure(one.Values[name]))
	}
	said := strings.Join(figures, ", ")
	if one.Note != "" {
		if said != "" {
			said += ": "
		}
		said += one.Note
	}
	return said
}

// arithmetic shows that the contributions add up to the score.
func (s *sheet) arithmetic(e client.Explanation) {
	sum := e.Arithmetic
	s.title("Score")
	for _, one := range sum.Categories {
		s.line("  %s%s   %d of %d buy, %d sell", padded(one.Category, labelWidth), s.paint(colorOfSign(one.Contribution), fmt.Sprintf("%+.6f", one.Contribution+0)),
			one.Buying, one.Indicators, one.Selling)
	}
	s.rule(labelWidth + 9)
	s.line("  %s%s", padded("sum", labelWidth), s.paint(bold, fmt.Sprintf("%+.6f", sum.Sum+0)))
	if sum.TotalWeight > 0 {
		s.item("", fmt.Sprintf("= %.4f ÷ %.4f: sum of vote × weight × strategy, by that of weight × strategy", sum.VotesSum, sum.TotalWeight))
	} else {
		s.item("", "no indicator votes with any weight")
	}
}

// plan shows the levels, how they were adjusted, and what bounds the size.
func (s *sheet) plan(e client.Explanation) {
	p, money := e.Plan, e.Lineage.Currency
	digits := planDecimals(e)
	price := func(x float64) string { return fmt.Sprintf("%.*f", digits, x) }
	what := fmt.Sprintf("Plan: %s %d at %s %s", p.Side, p.Size, price(p.Entry), money)
	if p.Side == "none" {
		what = "Levels to watch, not an order"
	}
	s.title(what)
	away := func(x float64) string {
		return fmt.Sprintf("%12s  %+.2f %%  (%+.*f)", price(x), 100*(x-p.Entry)/p.Entry, digits, x-p.Entry)
	}
	entry := fmt.Sprintf("%12s  the last close", price(p.Entry))
	if close := e.Numbers.Close; close != nil && price(*close) != price(p.Entry) {
		entry += ", on its tick"
	}
	levels := [][2]string{{"target", away(p.Target)}, {"entry", entry}, {"stop", away(p.Stop)}}
	if p.Stop > p.Entry {
		slices.Reverse(levels)
	}
	for _, level := range levels {
		s.line("  %s%s", s.paint(dim, padded(level[0], labelWidth)), level[1])
	}
	ratio := fmt.Sprintf("%.2f = %s ÷ %s", p.RiskReward, price(math.Abs(p.Target-p.Entry)), price(math.Abs(p.Entry-p.Stop)))
	if e.Sizing != nil && e.Sizing.MinRiskReward > 0 {
		ratio += fmt.Sprintf("; at least %g is asked for", e.Sizing.MinRiskReward)
	}
	s.item("reward:risk", ratio)
	for i, adjustment := range p.Adjustments {
		label := ""
		if i == 0 {
			label = "adjusted"
		}
		s.item(label, adjustment)
	}
	if len(p.Adjustments) == 0 {
		s.item("adjusted", "nothing: the strategy's own levels")
	}
	s.size(e)
}

// planDecimals is how many decimals a plan's levels need, which may have ticks of their own.
func planDecimals(e client.Explanation) int {
	n := 0
	for _, level := range []float64{e.Plan.Entry, e.Plan.Stop, e.Plan.Target} {
		n = max(n, decimals(e.Ticker, level))
	}
	return n
}

func (s *sheet) size(e client.Explanation) {
	p, z := e.Plan, e.Sizing
	if z == nil {
		return
	}
	s.item("by risk", fmt.Sprintf("%g %% of %s may be lost: %s ÷ %.*f a share = %d shares", z.RiskPercent, price(z.Capital), price(z.MayLose), planDecimals(e), z.RiskPerShare, z.SharesByRisk))
	s.item("by position", fmt.Sprintf("%g %% of %s may be taken: %s ÷ %s a share = %d shares", z.PositionLimitPercent, price(z.Capital), price(z.MayTake), priceAt(e.Ticker, p.Entry), z.SharesByPosition))
	s.item("size", fmt.Sprintf("%d shares, bound by the %s: worth %s, and %s is lost at the stop", p.Size, bounds(z.BoundBy), price(p.Value), price(p.RiskAmount)))
}

func bounds(by string) string {
	if by == "position" {
		return "position limit"
	}
	return by
}

// data shows where the bars come from and what was done to them.
func (s *sheet) data(l events.Lineage) {
	s.title("Data")
	kind := ""
	if l.Synthetic {
		kind = ", SYNTHETIC: invented, not observed"
	}
	s.item("provider", l.Provider+kind)
	s.item("bars", fmt.Sprintf("%d daily bars, %s to %s", l.Bars, l.FirstBar, l.LastBar))
	adjusted := map[string]string{"none": "none: prices as they were", "splits": "splits are taken out", "splits_dividends": "splits and dividends are taken out",
		"unknown": "not stated by the source (market.json can say it)"}[l.Adjustment]
	if adjusted == "" {
		adjusted = l.Adjustment
	}
	s.item("adjustment", adjusted)
	if l.Currency != "" {
		s.item("currency", l.Currency)
	}
	for _, note := range l.Notes {
		s.item("note", note)
	}
}

func signed(x float64) string { return fmt.Sprintf("%+.4f", x+0) }

// percentage is a share in percent, without decimals that say nothing.
func percentage(share float64) string {
	return strconv.FormatFloat(math.Round(share*1000)/10, 'f', -1, 64) + " %"
}

// figure is an indicator's number, with as many digits as tell something.
func figure(x float64) string {
	switch size := math.Abs(x); {
	case size >= 1e6:
		return fmt.Sprintf("%.0f", x)
	case size >= 100:
		return fmt.Sprintf("%.2f", x)
	case size >= 1 || size == 0:
		return fmt.Sprintf("%.3f", x)
	}
	return fmt.Sprintf("%.4g", x)
}
