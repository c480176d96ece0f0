package backtest

import (
	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/number"
)

// An exit is where and why a position ends.
type exit struct {
	price  float64 // before slippage
	reason string  // a measure.Reason constant
	gap    bool    // at an open beyond the level
	atOpen bool
}

// leaves says whether a position on side (+1 long, -1 short) with the levels of
// plan ends during bar. Beyond a level at the open, which can only be on a bar
// after the entry's, it is filled at the open: worse than the stop, better than
// the target, as a stop and a limit order are. A bar that reaches both levels
// ends at the stop: which came first is not known, so the worse is taken.
func leaves(bar market.Bar, side float64, plan analysis.Plan, held bool) (exit, bool) {
	against, toward := bar.Low, bar.High
	if side < 0 {
		against, toward = bar.High, bar.Low
	}
	switch {
	case held && side*(bar.Open-plan.Stop) <= 0:
		return exit{price: bar.Open, reason: measure.ReasonStop, gap: bar.Open != plan.Stop, atOpen: true}, true
	case held && side*(bar.Open-plan.Target) >= 0:
		return exit{price: bar.Open, reason: measure.ReasonTarget, gap: bar.Open != plan.Target, atOpen: true}, true
	case side*(against-plan.Stop) <= 0:
		return exit{price: plan.Stop, reason: measure.ReasonStop}, true
	case side*(toward-plan.Target) >= 0:
		return exit{price: plan.Target, reason: measure.ReasonTarget}, true
	}
	return exit{}, false
}

// affordable returns the whole shares, at most size, that money pays for at each apiece.
func affordable(size int64, each, money float64) float64 {
	return number.Fits(money, each, float64(size))
}

// sideOf returns +1 for a verdict to buy, -1 for one to sell, 0 for Hold.
func sideOf(v analysis.Verdict) float64 {
	switch v {
	case analysis.StrongBuy, analysis.Buy:
		return 1
	case analysis.StrongSell, analysis.Sell:
		return -1
	}
	return 0
}
