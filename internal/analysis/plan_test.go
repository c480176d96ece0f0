package analysis_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// forced returns a balanced strategy that buys, sells or holds whatever the
// bars are, with stop and target in percent.
func forced(t *testing.T, side string, stop, target float64) strategy.Document {
	t.Helper()
	d := builtin(t, "balanced")
	if side == "none" {
		d.Thresholds = strategy.Thresholds{StrongBuy: 1, Buy: 1, Sell: -1, StrongSell: -1}
	} else {
		force(&d, side)
	}
	d.Quorum = strategy.Quorum{}
	d.Risk.Stop.Percent, d.Risk.TargetPercent = stop, target
	return d
}

// closingAt is a wave whose last close is price.
func closingAt(name string, price float64) market.Series {
	s := wave(name, 100, 0.001)
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
		"ticks of a paisa": {closingAt("ABC.NS", 123.45), forced(t, "buy", 2, 4), usual,
			analysis.Plan{Side: "buy", Entry: 123.45, Stop: 120.99, Target: 128.39, RiskReward: 4.94 / 2.46, Size: 162, RiskAmount: 398.52, Value: 19998.9,
				Adjustments: []string{"stop 120.981 rounded to 120.99, ticks of 0.01", "target 128.388 rounded to 128.39, ticks of 0.01"}}},
		"each level on the tick of its own price": {closingAt("ABC.NS", 254), forced(t, "buy", 2, 300.0/254), usual,
			analysis.Plan{Side: "buy", Entry: 254, Stop: 248.92, Target: 261.65, RiskReward: 7.65 / 5.08, Size: 78, RiskAmount: 396.24, Value: 19812,
				Adjustments: []string{"target moved from 257 to 261.65: risk:reward 0.59 was below 1.5"}}},
		"across 1,000": {closingAt("ABC.NS", 995.05), forced(t, "sell", 1, 20), usual,
			analysis.Plan{Side: "sell", Entry: 995.05, Stop: 1005, Target: 796, RiskReward: 199.05 / 9.95, Size: 20, RiskAmount: 199, Value: 19901,
				Adjustments: []string{"stop 1005.0005 rounded to 1005, ticks of 0.1", "target 796.04 rounded to 796, ticks of 0.05"}}},
		"a provider's noise is no adjustment": {closingAt("ABC.NS", 400.000031), forced(t, "buy", 2, 4), usual,
			analysis.Plan{Side: "buy", Entry: 400, Stop: 392, Target: 416, RiskReward: 2, Size: 50, RiskAmount: 400, Value: 20000}},
		"ticks of a cent, short": {closingAt("ABC", 123.456), forced(t, "sell", 2, 4), usual,
			analysis.Plan{Side: "sell", Entry: 123.46, Stop: 125.92, Target: 118.52, RiskReward: 4.94 / 2.46, Size: 161, RiskAmount: 396.06, Value: 19877.06,
				Adjustments: []string{"entry 123.456 rounded to 123.46", "stop 125.9292 rounded to 125.92, ticks of 0.01", "target 118.5216 rounded to 118.52, ticks of 0.01"}}},
		"an unknown exchange has no ticks": {closingAt("ABC.L", 123.456), forced(t, "buy", 10, 20), usual,
			analysis.Plan{Side: "buy", Entry: 123.456, Stop: 111.1104, Target: 148.1472, RiskReward: 2, Size: 162, RiskAmount: 1999.9872, Value: 19999.872}},
		"a stop nearer than a tick": {closingAt("ABC.NS", 1), forced(t, "buy", 0.5, 1), usual,
			analysis.Plan{Side: "buy", Entry: 1, Stop: 0.99, Target: 1.02, RiskReward: 2, Size: 20000, RiskAmount: 200, Value: 20000,
				Adjustments: []string{"stop 0.995 rounded to 1, ticks of 0.01", "stop moved to the next tick, 0.99",
					"target moved from 1.01 to 1.02: risk:reward 1.00 was below 1.5"}}},
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
	structure := forced(t, "buy", 2, 4)
	structure.Risk.Stop.Method = strategy.StopStructure
	tiny := wave("ABC.NS", 100, 0)
	for i := range tiny.Bars {
		b := &tiny.Bars[i]
		b.Open, b.High, b.Low, b.Close = b.Open/1e5, b.High/1e5, b.Low/1e5, b.Close/1e5
	}
	for name, c := range map[string]struct {
		series market.Series
		doc    strategy.Document
		params analysis.Params
		reason string
	}{
		"one tick":         {closingAt("ABC.NS", 0.01), forced(t, "buy", 2, 4), usual, "no order to buy: it needs a price of 0"},
		"below a tick":     {closingAt("ABC.NS", 0.004), forced(t, "buy", 2, 4), usual, "no order to buy: it needs a price of 0"},
		"by structure":     {tiny, structure, usual, "no order to buy: it needs a price of 0"},
		"two ticks, short": {closingAt("ABC.NS", 0.02), forced(t, "sell", 2, 4), usual, "no order to sell: it needs a price of 0"},
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
	doc.Risk.Stop.Method, doc.Risk.Stop.Percent, doc.Risk.Stop.FloorPercent, doc.Risk.Stop.CapPercent = strategy.StopATR, 7, 0.1, 50
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

// TestStopByStructure: beyond the extreme of the last bars by a part of the ATR,
// on the tick beyond, within floor and cap, for both sides.
func TestStopByStructure(t *testing.T) {
	s := closingAt("ABC.NS", 400)
	for i := 89; i < 100; i++ {
		b := &s.Bars[i]
		b.Open, b.High, b.Low, b.Close = 400, 404, 396, 400
	}
	s.Bars[92].Low, s.Bars[95].High = 391.23, 410.01
	s.Bars[89].Low, s.Bars[89].High = 300, 500 // the eleventh from the end is not looked at
	for name, c := range map[string]struct {
		side        string
		buffer      float64 // in ATRs
		floor, cap  float64
		want        float64 // of the stop
		adjustments string
	}{
		"below the low":     {"buy", 0, 0.1, 50, 391.2, ""},
		"above the high":    {"sell", 0, 0.1, 50, 410.05, ""},
		"with a buffer":     {"buy", 0.5, 0.1, 50, math.NaN(), ""},
		"a sale's buffer":   {"sell", 0.5, 0.1, 50, math.NaN(), ""},
		"widened":           {"buy", 0, 3, 50, 388, "stop of 2.2 % by structure widened to the floor of 3 %"},
		"narrowed":          {"sell", 0, 0.1, 2, 408, "stop of 2.51 % by structure narrowed to the cap of 2 %"},
		"watched as a rise": {"none", 0, 0.1, 50, 391.2, ""},
	} {
		doc := forced(t, c.side, 2, 90)
		doc.Risk.Stop.Method, doc.Risk.Stop.BufferATR, doc.Risk.Stop.FloorPercent, doc.Risk.Stop.CapPercent = strategy.StopStructure, c.buffer, c.floor, c.cap
		r := analyze(t, s, doc, usual)
		checkReport(t, r, usual)
		if math.IsNaN(c.want) { // the tick beyond the structure and half an ATR
			if c.want = math.Floor(20*(391.23-0.5**r.Numbers.ATR14)) / 20; c.side == "sell" {
				c.want = math.Ceil(20*(410.01+0.5**r.Numbers.ATR14)) / 20
			}
		}
		text := strings.Join(slices.DeleteFunc(r.Plan.Adjustments, func(text string) bool { return strings.HasPrefix(text, "target") }), "; ")
		if math.Abs(r.Plan.Stop-c.want) > 1e-9 || text != c.adjustments {
			t.Errorf("%s: stop at %v, want %v; %q", name, r.Plan.Stop, c.want, text)
		}
	}
	doc := forced(t, "buy", 2, 90)
	doc.MinBars, doc.Risk.Stop.Method, doc.Risk.Stop.Lookback, doc.Risk.Stop.FloorPercent = 2, strategy.StopStructure, 20, 0.1
	s.Bars = s.Bars[90:]
	want := []string{"structure of 10 bars, there are no 20", "stop at the structure itself: there is no ATR"}
	if r := analyze(t, s, doc, usual); r.Plan.Stop != 391.2 || !cmp.Equal(want, r.Plan.Adjustments[:2]) {
		t.Errorf("few bars: stop at %v, %q", r.Plan.Stop, r.Plan.Adjustments)
	}
}

// TestTicks: whatever the price, also around the borders of the exchange's price
// bands, each level is a multiple of the tick at its own price, and rounding
// neither raises the loss that the strategy allows nor lowers the reward.
func TestTicks(t *testing.T) {
	borders := []float64{0.02, 1, 100, 250, 1000, 5000, 10000, 20000, 60000}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"ABC.NS", "ABC.BO", "ABC"}).Draw(t, "ticker")
		price := rapid.SampledFrom(borders).Draw(t, "border") * (1 + rapid.SampledFrom([]float64{1e-9, 1e-5, 0.001, 0.03, 0.5}).Draw(t, "near")*rapid.Float64Range(-1, 1).Draw(t, "off"))
		d := drawStrategy(t)
		d.Risk.Stop.Method = strategy.StopFixed
		r, err := analysis.Analyze(closingAt(name, price), d, usual)
		if err != nil {
			t.Fatal(err)
		}
		checkReport(t, r, usual)
		plan, exchange := r.Plan, ticker.ExchangeOf(name)
		if plan.Side == analysis.SideNone && slices.ContainsFunc(r.Warnings, func(text string) bool { return strings.HasPrefix(text, "no order") }) {
			return // the levels may be unrounded
		}
		for _, level := range []float64{plan.Entry, plan.Stop, plan.Target} {
			if n := level / exchange.TickAt(level); math.Abs(n-math.Round(n)) > 1e-6 {
				if plan.Side == analysis.SideNone && plan.Entry == price {
					continue // too near to nothing: shown unrounded
				}
				t.Fatalf("%s at %v: %v is %v ticks of %v; %+v", name, price, level, n, exchange.TickAt(level), plan)
			}
		}
		if risk, most := math.Abs(plan.Entry-plan.Stop), math.Max(plan.Entry*d.Risk.Stop.Percent/100, exchange.TickAt(math.Max(plan.Entry, plan.Stop))); risk > most*(1+1e-6) {
			t.Fatalf("%s at %v: the stop is %v away, at most %v; %+v", name, price, risk, most, plan)
		}
	})
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

// TestSizeWithoutNoise: 100.1 less 98.1 is 2, not a hair below or above, so that
// the size is what is worked out by hand, and what is lost at the stop too.
func TestSizeWithoutNoise(t *testing.T) {
	p := analysis.Params{Capital: 1_000_000, RiskPercent: 0.2, PositionLimitPercent: 100} // 2000 may be lost
	for _, c := range []struct{ entry, stop float64 }{{100.1, 2}, {8.3, 1.2048}, {5.7, 1.7543859}, {9.2, 5.434782}, {16.4, 0.6097561}} {
		series := closingAt("ABC", c.entry)
		plan := analyze(t, series, forced(t, "buy", c.stop, 20), p).Plan
		risk := math.Round(100*(plan.Entry-plan.Stop)) / 100
		if want := int64(math.Floor(2000/risk + 1e-9)); plan.Size != want || math.Abs(plan.RiskAmount-risk*float64(want)) > 1e-9 {
			t.Errorf("entry %v, stop %v: size %d, by hand %d; %v is lost", plan.Entry, plan.Stop, plan.Size, want, plan.RiskAmount)
		}
	}
}

// TestEveryChangeIsListed: of large prices too, where a part in 10^7 is more than
// a tick, and where there is no room for levels on ticks.
func TestEveryChangeIsListed(t *testing.T) {
	for _, c := range []struct {
		name         string
		price        float64
		want, absent string
	}{
		{"BRK-A", 700000.004, "entry 700000.004 rounded to 700000", ""},
		{"BRK-A", 700000, "", "entry"},
		{"ABC.NS", 3238.300049, "", "entry"}, // what a single-precision number makes of 3238.30
		{"ABC.NS", 0.01, "levels not on the ticks of 0.01", ""},
		{"ABC.NS", 400, "", "levels not on"},
	} {
		plan := analyze(t, closingAt(c.name, c.price), forced(t, "none", 2, 4), usual).Plan
		got := strings.Join(plan.Adjustments, "|")
		if !strings.Contains(got, c.want) || c.absent != "" && strings.Contains(got, c.absent) {
			t.Errorf("%s at %v: %q", c.name, c.price, plan.Adjustments)
		}
	}
}
