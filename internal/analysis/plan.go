package analysis

import (
	"fmt"
	"math"
	"strconv"

	"github.com/tapedeck/tapedeck/internal/strategy"
)

// levelsInput is what a plan's levels follow from.
type levelsInput struct {
	close, atr    float64 // atr is 0 when there is none
	tick          float64 // 0: prices are not rounded
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
		in.tick = 0 // a price below a few ticks: show what there is, unrounded
		plan, _ = levels(SideNone, in)
	}
	return plan, reason
}

// levels sets entry, stop and target of a side, and says what is impossible
// about them, or "".
func levels(side string, in levelsInput) (Plan, string) {
	plan := Plan{Side: side, Adjustments: []string{}}
	direction := 1.0
	if side == SideSell {
		direction = -1
	}
	plan.Entry = toTick(in.close, in.tick, math.Round)
	if math.Abs(plan.Entry-in.close) > 1e-6*in.close {
		plan.adjusted("entry %s rounded to %s", price(in.close), price(plan.Entry))
	}
	distance := plan.stopPercent(in)
	stop := plan.Entry * (1 - direction*distance/100)
	target := plan.Entry * (1 + direction*in.risk.TargetPercent/100)

	// Stop toward the entry and target away from it: the loss is never above
	// what the strategy allows, nor the reward per risk below it.
	near, far := math.Ceil, math.Ceil
	if side == SideSell {
		near, far = math.Floor, math.Floor
	}
	plan.Stop, plan.Target = toTick(stop, in.tick, near), toTick(target, in.tick, far)
	if math.Abs(plan.Stop-stop) > 1e-6*in.close || math.Abs(plan.Target-target) > 1e-6*in.close {
		plan.adjusted("stop and target rounded to ticks of %s", price(in.tick))
	}
	if plan.Stop == plan.Entry {
		plan.Stop = toTick(plan.Entry-direction*in.tick, in.tick, math.Round)
		plan.adjusted("stop moved to the next tick, %s", price(plan.Stop))
	}
	if problem := plan.impossible(direction); problem != "" {
		return plan, problem
	}
	plan.RiskReward = plan.riskReward()
	if side != SideNone && plan.RiskReward < in.minRiskReward {
		plan.reach(in, direction, far)
		if problem := plan.impossible(direction); problem != "" {
			return plan, problem
		}
	}
	return plan, ""
}

// stopPercent returns the stop's distance in percent of the entry.
func (p *Plan) stopPercent(in levelsInput) float64 {
	stop := in.risk.Stop
	if stop.Method != strategy.StopATR {
		return stop.Percent
	}
	if in.atr == 0 {
		p.adjusted("stop of %s: there is no ATR", percent(stop.Percent))
		return stop.Percent
	}
	distance := 100 * stop.ATRMultiple * in.atr / in.close
	switch {
	case distance < stop.FloorPercent:
		p.adjusted("stop of %s by ATR widened to the floor of %s", percent(distance), percent(stop.FloorPercent))
		return stop.FloorPercent
	case distance > stop.CapPercent:
		p.adjusted("stop of %s by ATR narrowed to the cap of %s", percent(distance), percent(stop.CapPercent))
		return stop.CapPercent
	}
	return distance
}

// reach moves the target out to the least risk:reward.
func (p *Plan) reach(in levelsInput, direction float64, far func(float64) float64) {
	before, ratio := p.Target, p.RiskReward
	p.Target = toTick(p.Entry+direction*in.minRiskReward*math.Abs(p.Entry-p.Stop), in.tick, far)
	p.RiskReward = p.riskReward()
	if math.Abs(p.Target-before) > 1e-9*in.close {
		p.adjusted("target moved from %s to %s: risk:reward %.2f was below %v", price(before), price(p.Target), ratio, in.minRiskReward)
	}
}

// impossible says why the levels are no plan, or "".
func (p *Plan) impossible(direction float64) string {
	if math.Min(p.Stop, p.Target) <= 0 {
		return "it needs a price of 0 or below"
	}
	if direction*(p.Entry-p.Stop) <= 0 || direction*(p.Target-p.Entry) <= 0 {
		return "the price is too low for stop and target on both sides of it"
	}
	return ""
}

func (p *Plan) riskReward() float64 {
	return math.Abs(p.Target-p.Entry) / math.Abs(p.Entry-p.Stop)
}

// size sets the whole shares that neither lose more than the risk allows, nor
// exceed the position limit or the capital, and the amounts that follow.
func (p *Plan) size(params Params) {
	risk := math.Abs(p.Entry - p.Stop)
	mayLose := params.Capital * params.RiskPercent / 100
	mayTake := math.Min(params.Capital*params.PositionLimitPercent/100, params.Capital)
	shares := math.Floor(math.Min(math.Min(mayLose/risk, mayTake/p.Entry), maxSize))
	// The quotient may have been rounded up to a whole number.
	for shares > 0 && (shares*risk > mayLose || shares*p.Entry > mayTake) {
		shares--
	}
	p.Size = int64(shares)
	p.RiskAmount, p.Value = shares*risk, shares*p.Entry
}

func (p *Plan) adjusted(format string, args ...any) {
	p.Adjustments = append(p.Adjustments, fmt.Sprintf(format, args...))
}

// toTick returns the multiple of tick that round picks for x, x itself when
// tick is 0. What is within a millionth of a tick is on it. The result is the
// float64 nearest to the decimal, so that 0.05 x 3 reads 0.15.
func toTick(x, tick float64, round func(float64) float64) float64 {
	if tick == 0 {
		return x
	}
	n := x / tick
	if nearest := math.Round(n); math.Abs(n-nearest) < 1e-6 {
		n = nearest
	} else {
		n = round(n)
	}
	if per := math.Round(1 / tick); math.Abs(per*tick-1) < 1e-9 {
		return n / per
	}
	return n * tick
}

// price writes a price with as few digits as are exact to a part in 10^9.
func price(x float64) string { return strconv.FormatFloat(x, 'g', 10, 64) }

// percent writes a percentage for a sentence.
func percent(x float64) string { return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64) + " %" }
