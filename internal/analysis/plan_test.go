package analysis_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// forced returns a balanced strategy that buys, sells or holds whatever the
// votes are, with stop and target in percent.
func forced(t *testing.T, side string, stop, target float64) strategy.Document {
	t.Helper()
	d := builtin(t, "balanced")
	switch side {
	case analysis.SideBuy:
		d.Thresholds = strategy.Thresholds{StrongBuy: 1, Buy: -0.999, Sell: -1, StrongSell: -1}
	case analysis.SideSell:
		d.Thresholds = strategy.Thresholds{StrongBuy: 1, Buy: 1, Sell: 0.999, StrongSell: -1}
	default:
		d.Thresholds = strategy.Thresholds{StrongBuy: 1, Buy: 1, Sell: -1, StrongSell: -1}
	}
	d.Quorum = strategy.Quorum{}
	d.Risk.Stop.Percent, d.Risk.TargetPercent = stop, target
	return d
}

// closingAt is a wave whose last close is price.
func closingAt(ticker string, price float64) market.Series {
	s := wave(ticker, 100, 0.001)
	last := &s.Bars[99]
	last.Open, last.High, last.Low, last.Close = price, price*1.01, price*0.99, price
	return s
}

func TestPlan(t *testing.T) {
	for name, c := range map[string]struct {
		series market.Series
		doc    strategy.Document
		params analysis.Params
		want   analysis.Plan
	}{
		"buy": {closingAt("ABC.NS", 400), forced(t, "buy", 2, 4), usual,
			analysis.Plan{Side: "buy", Entry: 400, Stop: 392, Target: 416, RiskReward: 2, Size: 50, RiskAmount: 400, Value: 20000}},
		"sell": {closingAt("ABC.NS", 400), forced(t, "sell", 2, 4), usual,
			analysis.Plan{Side: "sell", Entry: 400, Stop: 408, Target: 384, RiskReward: 2, Size: 50, RiskAmount: 400, Value: 20000}},
		"hold": {closingAt("ABC.NS", 400), forced(t, "none", 2, 4), usual,
			analysis.Plan{Side: "none", Entry: 400, Stop: 392, Target: 416, RiskReward: 2}},
		"hold asks for no ratio": {closingAt("ABC.NS", 400), forced(t, "none", 4, 2), usual,
			analysis.Plan{Side: "none", Entry: 400, Stop: 384, Target: 408, RiskReward: 0.5}},
		"the risk binds": {closingAt("ABC.NS", 400), forced(t, "buy", 20, 40), usual,
			analysis.Plan{Side: "buy", Entry: 400, Stop: 320, Target: 560, RiskReward: 2, Size: 25, RiskAmount: 2000, Value: 10000}},
		"the capital binds": {closingAt("ABC.NS", 400), forced(t, "buy", 1, 2), analysis.Params{Capital: 1000, RiskPercent: 100, PositionLimitPercent: 100},
			analysis.Plan{Side: "buy", Entry: 400, Stop: 396, Target: 408, RiskReward: 2, Size: 2, RiskAmount: 8, Value: 800}},
		"too little capital": {closingAt("ABC.NS", 400), forced(t, "buy", 2, 4), analysis.Params{Capital: 1000, RiskPercent: 2, PositionLimitPercent: 20},
			analysis.Plan{Side: "buy", Entry: 400, Stop: 392, Target: 416, RiskReward: 2}},
		"the target is moved": {closingAt("ABC.NS", 400), forced(t, "buy", 4, 4), usual,
			analysis.Plan{Side: "buy", Entry: 400, Stop: 384, Target: 424, RiskReward: 1.5, Size: 50, RiskAmount: 800, Value: 20000,
				Adjustments: []string{"target moved from 416 to 424: risk:reward 1.00 was below 1.5"}}},
		"a short target is moved": {closingAt("ABC.NS", 400), forced(t, "sell", 4, 4), usual,
			analysis.Plan{Side: "sell", Entry: 400, Stop: 416, Target: 376, RiskReward: 1.5, Size: 50, RiskAmount: 800, Value: 20000,
				Adjustments: []string{"target moved from 384 to 376: risk:reward 1.00 was below 1.5"}}},
		"ticks of a paisa fivefold": {closingAt("ABC.NS", 123.45), forced(t, "buy", 2, 4), usual,
			analysis.Plan{Side: "buy", Entry: 123.45, Stop: 121, Target: 128.4, RiskReward: 4.95 / 2.45, Size: 162, RiskAmount: 396.9, Value: 19998.9,
				Adjustments: []string{"stop and target rounded to ticks of 0.05"}}},
		"ticks of a cent, short": {closingAt("ABC", 123.456), forced(t, "sell", 2, 4), usual,
			analysis.Plan{Side: "sell", Entry: 123.46, Stop: 125.92, Target: 118.52, RiskReward: 4.94 / 2.46, Size: 161, RiskAmount: 396.06, Value: 19877.06,
				Adjustments: []string{"entry 123.456 rounded to 123.46", "stop and target rounded to ticks of 0.01"}}},
		"an unknown exchange has no ticks": {closingAt("ABC.L", 123.456), forced(t, "buy", 10, 20), usual,
			analysis.Plan{Side: "buy", Entry: 123.456, Stop: 111.1104, Target: 148.1472, RiskReward: 2, Size: 162, RiskAmount: 1999.9872, Value: 19999.872}},
		"a stop nearer than a tick": {closingAt("ABC.NS", 1), forced(t, "buy", 2, 4), usual,
			analysis.Plan{Side: "buy", Entry: 1, Stop: 0.95, Target: 1.1, RiskReward: 2, Size: 20000, RiskAmount: 1000, Value: 20000,
				Adjustments: []string{"stop and target rounded to ticks of 0.05", "stop moved to the next tick, 0.95",
					"target moved from 1.05 to 1.1: risk:reward 1.00 was below 1.5"}}},
	} {
		r := analyze(t, c.series, c.doc, c.params)
		checkReport(t, r, c.params)
		if c.want.Adjustments == nil {
			c.want.Adjustments = []string{}
		}
		if diff := cmp.Diff(c.want, r.Plan, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if hint := strings.Contains(strings.Join(r.Warnings, "|"), "size 0"); hint != (name == "too little capital") {
			t.Errorf("%s: warnings %q", name, r.Warnings)
		}
	}
}

// TestImpossiblePlans: where no order keeps the invariants there is none.
func TestImpossiblePlans(t *testing.T) {
	wide := usual
	wide.MinRiskReward = 5
	for name, c := range map[string]struct {
		series market.Series
		doc    strategy.Document
		params analysis.Params
		reason string
	}{
		"one tick":         {closingAt("ABC.NS", 0.05), forced(t, "buy", 2, 4), usual, "no order to buy: it needs a price of 0"},
		"below a tick":     {closingAt("ABC.NS", 0.01), forced(t, "buy", 2, 4), usual, "no order to buy: it needs a price of 0"},
		"two ticks, short": {closingAt("ABC.NS", 0.10), forced(t, "sell", 2, 4), usual, "no order to sell: it needs a price of 0"},
		"below zero":       {closingAt("ABC.NS", 100), forced(t, "sell", 30, 40), wide, "no order to sell: it needs a price of 0"},
	} {
		r := analyze(t, c.series, c.doc, c.params)
		checkReport(t, r, c.params)
		if r.Plan.Side != analysis.SideNone || !strings.Contains(strings.Join(r.Warnings, "|"), c.reason) {
			t.Errorf("%s: %+v %q", name, r.Plan, r.Warnings)
		}
	}
}

// TestStopByATR: floor, cap, between, and without an ATR.
func TestStopByATR(t *testing.T) {
	s := closingAt("ABC.L", 400)
	doc := forced(t, "buy", 2, 40)
	doc.Risk.Stop = strategy.Stop{Method: strategy.StopATR, Percent: 7, ATRMultiple: 1.5, FloorPercent: 0.1, CapPercent: 50}
	r := analyze(t, s, doc, usual)
	free := 150 * *r.Numbers.ATR14 / 400
	if got := 100 * (r.Plan.Entry - r.Plan.Stop) / r.Plan.Entry; math.Abs(got-free) > 1e-9 || len(r.Plan.Adjustments) != 0 {
		t.Errorf("stop at %v %%, want %v; %q", got, free, r.Plan.Adjustments)
	}
	for _, c := range []struct {
		floor, cap, want float64
		text             string
	}{{free + 1, free + 2, free + 1, "widened to the floor"}, {free / 3, free / 2, free / 2, "narrowed to the cap"}} {
		doc.Risk.Stop.FloorPercent, doc.Risk.Stop.CapPercent = c.floor, c.cap
		r := analyze(t, s, doc, usual)
		if got := 100 * (r.Plan.Entry - r.Plan.Stop) / r.Plan.Entry; math.Abs(got-c.want) > 1e-9 || !strings.Contains(strings.Join(r.Plan.Adjustments, "|"), c.text) {
			t.Errorf("stop at %v %%, want %v; %q", got, c.want, r.Plan.Adjustments)
		}
	}
	doc.Indicators.ATR.Period = 500
	r = analyze(t, s, doc, usual)
	if got := 100 * (r.Plan.Entry - r.Plan.Stop) / r.Plan.Entry; math.Abs(got-7) > 1e-9 || !strings.Contains(strings.Join(r.Plan.Adjustments, "|"), "there is no ATR") {
		t.Errorf("without ATR: stop at %v %%; %q", got, r.Plan.Adjustments)
	}
}

// TestSizeIsNotRoundedUp: a capital one bit short of n shares buys n-1, also
// where the quotient of both is n.
func TestSizeIsNotRoundedUp(t *testing.T) {
	doc, traps := forced(t, "buy", 2, 4), 0
	for i := range 400 {
		price := 100.07 + float64(i)*0.31
		n := float64(1 + i%61)
		p := analysis.Params{Capital: math.Nextafter(n*price, 0), RiskPercent: 100, PositionLimitPercent: 100}
		if math.Floor(p.Capital/price) == n {
			traps++
		}
		r := analyze(t, closingAt("ABC.L", price), doc, p)
		checkReport(t, r, p)
		if float64(r.Plan.Size) != n-1 {
			t.Errorf("%d shares of %v from %v", r.Plan.Size, price, p.Capital)
		}
	}
	if traps == 0 {
		t.Error("no quotient was rounded up; the test shows nothing")
	}
}
