package analysis

import (
	"fmt"
	"math"
	"strconv"

	"github.com/tapedeck/tapedeck/internal/number"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// levelsInput is what a plan's levels follow from.
type levelsInput struct {
	close, atr    float64                     // atr is 0 when there is none
	low, high     float64                     // the extremes of the last spanned bars
	spanned       int                         // the stop's Lookback, or all bars if there are fewer
	tickAt        func(price float64) float64 // the price step there; 0: not rounded
	risk          strategy.Risk
	minRiskReward float64
}

// draft returns the plan of a side without its size. Where no order with the
// invariants of Plan exists, it returns levels to watch and says why.
func draft(side string, in levelsInput) (Plan, string) {
	reason := ""
	if side != SideNone {
		plan, problem := levels(side, in)
		if problem == "" {
			return plan, ""
		}
		reason = fmt.Sprintf("no order to %s: %s", side, problem)
	}
	plan, problem := levels(SideNone, in)
	if problem != "" {
		tick := in.tickAt(in.close)
		in.tickAt = unrounded // a price of a few ticks: show what there is
		if plan, _ = levels(SideNone, in); tick > 0 {
			plan.adjusted("levels not on the ticks of %s, between which there is no room for them", price(tick))
		}
	}
	return plan, reason
}

// unrounded is the tickAt of prices without a step.
func unrounded(float64) float64 { return 0 }

// levels sets entry, stop and target of a side, and says what is impossible
// about them, or "".
func levels(side string, in levelsInput) (Plan, string) {
	plan := Plan{Side: side, Adjustments: []string{}}
	direction := 1.0
	if side == SideSell {
		direction = -1
	}
	plan.Entry = in.snap(in.close, math.Round)
	if plan.Entry <= 0 {
		return plan, belowZero
	}
	if in.differ(plan.Entry, in.close) {
		plan.adjusted("entry %s rounded to %s", price(in.close), price(plan.Entry))
	}
	// The stop is rounded toward the entry and the target away from it: the loss
	// is never above what the strategy allows, nor the reward per risk below it.
	up, down := math.Ceil, math.Floor
	if side == SideSell {
		up, down = down, up
	}
	distance := plan.stopPercent(in, direction)
	plan.Stop = plan.rounded("stop", plan.Entry*(1-direction*distance/100), in, up)
	plan.Target = plan.rounded("target", plan.Entry*(1+direction*in.risk.TargetPercent/100), in, up)
	if plan.Stop == plan.Entry {
		plan.Stop = in.snap(plan.Entry-direction*in.tickAt(plan.Entry), down)
		plan.adjusted("stop moved to the next tick, %s", price(plan.Stop))
	}
	if problem := plan.impossible(direction); problem != "" {
		return plan, problem
	}
	plan.RiskReward = plan.riskReward()
	if side != SideNone && plan.RiskReward < in.minRiskReward {
		plan.reach(in, direction, up)
		if problem := plan.impossible(direction); problem != "" {
			return plan, problem
		}
	}
	return plan, ""
}

// rounded returns level on the tick of its own price.
func (p *Plan) rounded(name string, level float64, in levelsInput, round func(float64) float64) float64 {
	at := in.snap(level, round)
	if in.differ(at, level) {
		p.adjusted("%s %s rounded to %s, ticks of %s", name, price(level), price(at), price(in.tickAt(level)))
	}
	return at
}

// stopPercent returns the stop's distance in percent of the entry.
func (p *Plan) stopPercent(in levelsInput, direction float64) float64 {
	stop := in.risk.Stop
	switch stop.Method {
	case strategy.StopATR:
		if in.atr == 0 {
			p.adjusted("stop of %s: there is no ATR", percent(stop.Percent))
			return stop.Percent
		}
		return p.within(100*stop.ATRMultiple*in.atr/in.close, "ATR", stop)
	case strategy.StopStructure:
		return p.within(p.structure(in, direction), "structure", stop)
	}
	return stop.Percent
}

// structure returns the distance, in percent of the entry, of the tick beyond
// the lowest low, or beyond the highest high for a sale. It may be negative: the
// entry is a rounded close.
func (p *Plan) structure(in levelsInput, direction float64) float64 {
	stop := in.risk.Stop
	if in.spanned < stop.Lookback {
		p.adjusted("structure of %d bars, there are no %d", in.spanned, stop.Lookback)
	}
	if in.atr == 0 && stop.BufferATR > 0 {
		p.adjusted("stop at the structure itself: there is no ATR")
	}
	level, beyond := in.low-stop.BufferATR*in.atr, math.Floor
	if direction < 0 {
		level, beyond = in.high+stop.BufferATR*in.atr, math.Ceil
	}
	return 100 * direction * (p.Entry - in.snap(level, beyond)) / p.Entry
}

// within keeps a stop's distance in percent between the strategy's floor and cap.
func (p *Plan) within(distance float64, method string, stop strategy.Stop) float64 {
	switch {
	case distance < stop.FloorPercent:
		p.adjusted("stop of %s by %s widened to the floor of %s", percent(distance), method, percent(stop.FloorPercent))
		return stop.FloorPercent
	case distance > stop.CapPercent:
		p.adjusted("stop of %s by %s narrowed to the cap of %s", percent(distance), method, percent(stop.CapPercent))
		return stop.CapPercent
	}
	return distance
}

// reach moves the target out to the least risk:reward.
func (p *Plan) reach(in levelsInput, direction float64, away func(float64) float64) {
	before, ratio := p.Target, p.RiskReward
	p.Target = in.snap(p.Entry+direction*in.minRiskReward*math.Abs(p.Entry-p.Stop), away)
	p.RiskReward = p.riskReward()
	if in.differ(p.Target, before) {
		p.adjusted("target moved from %s to %s: risk:reward %.2f was below %v", price(before), price(p.Target), ratio, in.minRiskReward)
	}
}

// belowZero is why there is no plan so near to a price of nothing.
const belowZero = "it needs a price of 0 or below"

// impossible says why the levels are no plan, or "".
func (p *Plan) impossible(direction float64) string {
	if math.Min(p.Stop, p.Target) <= 0 {
		return belowZero
	}
	if direction*(p.Entry-p.Stop) <= 0 || direction*(p.Target-p.Entry) <= 0 {
		return "the price is too low for stop and target on both sides of it"
	}
	return ""
}

func (p *Plan) riskReward() float64 {
	return number.Apart(p.Target, p.Entry) / number.Apart(p.Entry, p.Stop)
}

// size sets the whole shares that neither lose more than the risk allows, nor
// exceed the position limit or the capital, and the amounts that follow.
func (p *Plan) size(params Params) {
	risk := number.Apart(p.Entry, p.Stop)
	mayLose := params.Capital * params.RiskPercent / 100
	mayTake := math.Min(params.Capital*params.PositionLimitPercent/100, params.Capital)
	shares := math.Min(number.Fits(mayLose, risk, maxSize), number.Fits(mayTake, p.Entry, maxSize))
	p.Size = int64(shares)
	p.RiskAmount, p.Value = shares*risk, shares*p.Entry
}

func (p *Plan) adjusted(format string, args ...any) {
	p.Adjustments = append(p.Adjustments, fmt.Sprintf(format, args...))
}

// snap returns the price that round picks for x among the multiples of the tick
// there, x itself where there is none. What is within a millionth of a tick is on
// it. A rounding across the border of a price band ends on the border, which is
// a multiple of the ticks on both sides.
func (in levelsInput) snap(x float64, round func(float64) float64) float64 {
	tick := in.tickAt(x)
	if tick == 0 {
		return x
	}
	n := x / tick
	if nearest := math.Round(n); math.Abs(n-nearest) < onTick {
		n = nearest
	} else {
		n = round(n)
	}
	// Dividing by a whole number gives the float64 nearest to the decimal, so
	// that 0.05 x 3 reads 0.15.
	if per := math.Round(1 / tick); math.Abs(per*tick-1) < 1e-9 {
		return n / per
	}
	return n * tick
}

// differ reports whether two prices are apart by more than the noise of a
// provider. For prices at which that noise is as large as a tick it is taken as
// less, so that every change of a level is listed.
func (in levelsInput) differ(a, b float64) bool {
	noise := singleNoise * math.Max(math.Abs(a), math.Abs(b))
	if tick := in.tickAt(a); tick > 0 {
		noise = math.Min(noise, tick*tickNoise)
	}
	return math.Abs(a-b) > noise
}

// price writes a price with as few digits as are exact to a part in 10^9.
func price(x float64) string { return strconv.FormatFloat(x, 'g', 10, 64) }

// percent writes a percentage for a sentence.
func percent(x float64) string { return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64) + " %" }
