package backtest_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/backtest"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// ohlc is a bar by hand: open, high, low, close.
type ohlc [4]float64

// still is a bar that touches nothing.
var still = ohlc{100, 101, 99, 100}

// scripted returns a series of hand-made bars, and a strategy that trades it by
// rules alone: the verdicts come from the test.
func scripted(t testing.TB, list []ohlc, rules strategy.Trade) (market.Series, strategy.Document, backtest.Params) {
	s := market.Series{Ticker: "HAND.L", Provider: "handmade", Synthetic: true}
	for i, b := range list {
		s.Bars = append(s.Bars, market.Bar{Date: day(i), Open: b[0], High: b[1], Low: b[2], Close: b[3], Volume: 1})
	}
	d := builtin(t, "balanced")
	d.MinBars, d.Trade = 2, rules
	p := whole(s, 1)
	p.Capital = 10_000
	return s, d, p
}

// say returns a report with a plan of ten shares: to buy at 100 with a stop at
// 95 and a target at 110, to sell with 105 and 90.
func say(at int, v analysis.Verdict) analysis.Report {
	r := analysis.Report{TradingDay: day(at), Verdict: v, Score: 0.5, Coverage: 1}
	switch v {
	case analysis.Buy, analysis.StrongBuy:
		r.Plan = analysis.Plan{Side: analysis.SideBuy, Entry: 100, Stop: 95, Target: 110, Size: 10}
	case analysis.Sell, analysis.StrongSell:
		r.Plan = analysis.Plan{Side: analysis.SideSell, Entry: 100, Stop: 105, Target: 90, Size: 10}
	default:
		r.Plan = analysis.Plan{Side: analysis.SideNone, Entry: 100, Stop: 95, Target: 110}
	}
	return r
}

// told writes a trade as the table of TestFills does: side, days of signal,
// entry and exit, prices, reason, PnL.
func told(x measure.Trade) string {
	gap := ""
	if x.Gap {
		gap = " gap"
	}
	n := func(d interface{ Unix() int64 }) int64 { return (d.Unix() - firstDay.Unix()) / 86400 }
	return fmt.Sprintf("%s %d>%d-%d %g>%g %s%s %+g", x.Side, n(x.SignalDay), n(x.EntryDay), n(x.ExitDay), x.EntryPrice, x.ExitPrice, x.Reason, gap, x.PnL)
}

// TestFills: one hand-made example for each rule of filling. Bar 0 is warm-up;
// the window begins with bar 1, on whose evening the first signal may be.
func TestFills(t *testing.T) {
	usual := strategy.Trade{MaxBars: 0, CooldownBars: 0, Sides: strategy.SidesBoth, Exit: strategy.ExitOpposite}
	with := func(change func(*strategy.Trade)) strategy.Trade {
		rules := usual
		change(&rules)
		return rules
	}
	buy, sell := analysis.Buy, analysis.Sell
	for _, c := range []struct {
		name    string
		rules   strategy.Trade
		bars    []ohlc // after the two of the beginning
		signals map[int]analysis.Verdict
		want    []string
		skipped measure.Skipped
	}{
		{name: "entry at the next open, not at the close", rules: usual, bars: []ohlc{{101, 102, 100, 102}, {102, 103, 101, 103}}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-3 101>103 end_of_window +20"}},
		{name: "stop during a bar", rules: usual, bars: []ohlc{still, {99, 100, 94, 96}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-3 100>95 stop -50"}},
		{name: "target during a bar", rules: usual, bars: []ohlc{still, {104, 111, 103, 105}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-3 100>110 target +100"}},
		{name: "the stop itself is enough", rules: usual, bars: []ohlc{still, {99, 100, 95, 96}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-3 100>95 stop -50"}},
		{name: "the target itself is enough", rules: usual, bars: []ohlc{still, {104, 110, 103, 105}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-3 100>110 target +100"}},
		{name: "gap through the stop: the open, which is worse", rules: usual, bars: []ohlc{still, {92, 96, 91, 95}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-3 100>92 stop gap -80"}},
		{name: "gap through the stop and back up to the target", rules: usual, bars: []ohlc{still, {92, 120, 91, 115}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-3 100>92 stop gap -80"}},
		{name: "gap through the target: the open, which is better", rules: usual, bars: []ohlc{still, {113, 114, 90, 112}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-3 100>113 target gap +130"}},
		{name: "both touched: the stop", rules: usual, bars: []ohlc{still, {101, 111, 94, 110}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-3 100>95 stop -50"}},
		{name: "stop on the bar of the entry", rules: usual, bars: []ohlc{{99, 100, 94, 100}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-2 99>95 stop -40"}},
		{name: "target on the bar of the entry", rules: usual, bars: []ohlc{{99, 110, 98, 100}, still}, signals: map[int]analysis.Verdict{1: buy},
			want: []string{"long 1>2-2 99>110 target +110"}},
		{name: "opened beyond the target: no entry", rules: usual, bars: []ohlc{{110, 112, 100, 105}, still}, signals: map[int]analysis.Verdict{1: buy},
			skipped: measure.Skipped{GapBeyondTarget: 1}},
		{name: "opened beyond the stop: no entry", rules: usual, bars: []ohlc{{95, 101, 94, 100}, still}, signals: map[int]analysis.Verdict{1: buy},
			skipped: measure.Skipped{GapBeyondStop: 1}},
		{name: "max bars: out at the open after as many closes", rules: with(func(r *strategy.Trade) { r.MaxBars = 2 }), bars: []ohlc{still, still, {103, 104, 102, 104}, still},
			signals: map[int]analysis.Verdict{1: buy}, want: []string{"long 1>2-4 100>103 max_bars +30"}},
		{name: "opposite verdict: out at the next open; the same verdict does not enter", rules: usual, bars: []ohlc{still, still, {98, 99, 97, 98}, still},
			signals: map[int]analysis.Verdict{1: buy, 2: buy, 3: sell}, want: []string{"long 1>2-4 100>98 opposite -20"}},
		{name: "opposite verdict on the evening of the entry", rules: usual, bars: []ohlc{still, {98, 99, 97, 98}, still},
			signals: map[int]analysis.Verdict{1: buy, 2: sell}, want: []string{"long 1>2-3 100>98 opposite -20"}},
		{name: "opposite verdict turns into a trade only when it holds", rules: usual, bars: []ohlc{still, still, still, still, {100, 101, 98, 99}},
			signals: map[int]analysis.Verdict{1: buy, 3: sell, 4: sell, 5: sell}, want: []string{"long 1>2-4 100>100 opposite +0", "short 4>5-6 100>99 end_of_window +10"}},
		{name: "Hold does not end a position", rules: usual, bars: []ohlc{still, still, still}, signals: map[int]analysis.Verdict{1: buy, 2: analysis.Hold},
			want: []string{"long 1>2-4 100>100 end_of_window +0"}},
		{name: "levels only: the opposite verdict is not asked for", rules: with(func(r *strategy.Trade) { r.Exit = strategy.ExitLevels }), bars: []ohlc{still, still, still},
			signals: map[int]analysis.Verdict{1: buy, 2: sell, 3: sell}, want: []string{"long 1>2-4 100>100 end_of_window +0"}},
		{name: "long only: Sell ends, and does not sell short", rules: with(func(r *strategy.Trade) { r.Sides = strategy.SidesLong }), bars: []ohlc{still, still, still, still},
			signals: map[int]analysis.Verdict{1: buy, 2: sell, 3: sell, 4: sell}, want: []string{"long 1>2-3 100>100 opposite +0"}},
		{name: "cooldown after a loss", rules: with(func(r *strategy.Trade) { r.CooldownBars = 2 }), bars: []ohlc{{99, 100, 94, 100}, still, still, still, still},
			signals: map[int]analysis.Verdict{1: buy, 2: buy, 3: buy, 4: buy}, want: []string{"long 1>2-2 99>95 stop -40", "long 4>5-6 100>100 end_of_window +0"}, skipped: measure.Skipped{Cooldown: 2}},
		{name: "no cooldown after a win, nor before the loss", rules: with(func(r *strategy.Trade) { r.CooldownBars = 9 }), bars: []ohlc{{99, 110, 98, 100}, {100, 101, 94, 100}, still, still},
			signals: map[int]analysis.Verdict{1: buy, 2: buy, 3: buy}, want: []string{"long 1>2-2 99>110 target +110", "long 2>3-3 100>95 stop -50"}, skipped: measure.Skipped{Cooldown: 1}},
		{name: "cooldown of none: in again on the next bar", rules: usual, bars: []ohlc{{99, 100, 94, 100}, still}, signals: map[int]analysis.Verdict{1: buy, 2: buy},
			want: []string{"long 1>2-2 99>95 stop -40", "long 2>3-3 100>100 end_of_window +0"}},
		{name: "end of the window", rules: usual, bars: []ohlc{still, {100, 104, 99, 103}}, signals: map[int]analysis.Verdict{1: buy, 3: buy},
			want: []string{"long 1>2-3 100>103 end_of_window +30"}},
		{name: "the last evening's signal has no next session", rules: usual, bars: []ohlc{still}, signals: map[int]analysis.Verdict{2: buy}, skipped: measure.Skipped{EndOfWindow: 1}},
		{name: "short: stop above", rules: usual, bars: []ohlc{still, {101, 106, 100, 104}, still}, signals: map[int]analysis.Verdict{1: sell},
			want: []string{"short 1>2-3 100>105 stop -50"}},
		{name: "short: target below", rules: usual, bars: []ohlc{still, {97, 98, 89, 92}, still}, signals: map[int]analysis.Verdict{1: sell},
			want: []string{"short 1>2-3 100>90 target +100"}},
		{name: "short: gap through the stop", rules: usual, bars: []ohlc{still, {108, 109, 88, 104}, still}, signals: map[int]analysis.Verdict{1: sell},
			want: []string{"short 1>2-3 100>108 stop gap -80"}},
		{name: "short: gap through the target", rules: usual, bars: []ohlc{still, {87, 109, 86, 104}, still}, signals: map[int]analysis.Verdict{1: sell},
			want: []string{"short 1>2-3 100>87 target gap +130"}},
		{name: "short: both touched, the stop", rules: usual, bars: []ohlc{still, {101, 106, 89, 104}, still}, signals: map[int]analysis.Verdict{1: sell},
			want: []string{"short 1>2-3 100>105 stop -50"}},
		{name: "short: opened beyond the levels", rules: usual, bars: []ohlc{{105, 106, 104, 105}, {90, 91, 89, 90}, still}, signals: map[int]analysis.Verdict{1: sell, 2: sell},
			skipped: measure.Skipped{GapBeyondStop: 1, GapBeyondTarget: 1}},
		{name: "short: Buy ends", rules: usual, bars: []ohlc{still, {101, 102, 100, 101}, still}, signals: map[int]analysis.Verdict{1: sell, 2: analysis.StrongBuy},
			want: []string{"short 1>2-3 100>101 opposite -10"}},
	} {
		s, d, p := scripted(t, append([]ohlc{still, still}, c.bars...), c.rules)
		r, err := backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report {
			if v, ok := c.signals[at]; ok {
				return say(at, v)
			}
			return say(at, analysis.Hold)
		})
		if err != nil {
			t.Fatal(err)
		}
		checkResult(t, s, d, p, r)
		var got []string
		for _, x := range r.Trades {
			got = append(got, told(x))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if diff := cmp.Diff(c.skipped, r.Metrics.Days.Skipped); diff != "" {
			t.Errorf("%s, skipped: %s", c.name, diff)
		}
	}
}

// TestCostsAndSlippage: both are taken on both sides, slippage against the
// trade, costs of the value as filled. By hand: 10 shares, open 100, fill 101
// (1 %); the target of 110 is filled at 108.9; costs 2 % of 1010 and of 1089.
func TestCostsAndSlippage(t *testing.T) {
	s, d, p := scripted(t, []ohlc{still, still, still, {104, 111, 103, 105}}, strategy.Trade{Sides: strategy.SidesBoth, Exit: strategy.ExitLevels})
	p.SlippagePercent, p.CostPercent = 1, 2
	for verdict, want := range map[analysis.Verdict][6]float64{
		analysis.Buy: {101, 108.9, 79, 41.98, 21, 37.02},
		// Sold at 99; bar 3 stops at 105, bought back at 106.05; costs 2 % of 990 and of 1060.5.
		analysis.Sell: {99, 106.05, -70.5, 41.01, 20.5, -111.51},
	} {
		r, err := backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report { return say(at, map[int]analysis.Verdict{1: verdict}[at]) })
		if err != nil || len(r.Trades) != 1 {
			t.Fatalf("%v: %+v", err, r.Trades)
		}
		x := r.Trades[0]
		for i, got := range [...]float64{x.EntryPrice, x.ExitPrice, x.Gross, x.Costs, x.Slippage, x.PnL} {
			if math.Abs(got-want[i]) > 1e-9 {
				t.Errorf("%s: figure %d is %v, by hand %v", verdict, i, got, want[i])
			}
		}
		if x.Risk != 50 || math.Abs(x.R-want[5]/50) > 1e-9 || math.Abs(x.ReturnPercent-want[5]/want[0]*10) > 1e-9 {
			t.Errorf("%s: %+v", verdict, x)
		}
	}
}

// TestSlippageIntoTheTarget: a fill at the target is no trade, even where the
// open is not.
func TestSlippageIntoTheTarget(t *testing.T) {
	s, d, p := scripted(t, []ohlc{still, still, {109, 109.5, 108, 109}}, strategy.Trade{Sides: strategy.SidesLong, Exit: strategy.ExitLevels})
	p.SlippagePercent = 1
	r, err := backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report { return say(at, analysis.Buy) })
	if err != nil || len(r.Trades) != 0 || r.Metrics.Days.Skipped.GapBeyondTarget != 1 {
		t.Errorf("%v %+v", err, r.Trades)
	}
}

// TestSizing: a position is sized on what there is, not on what there was, and
// never on more.
func TestSizing(t *testing.T) {
	rules := strategy.Trade{Sides: strategy.SidesLong, Exit: strategy.ExitLevels}
	s, d, p := scripted(t, []ohlc{still, still, {100, 110, 99, 100}, {100, 101, 94, 96}, {120, 120, 120, 120}}, rules)
	p.CostPercent = 1
	var capitals []float64
	r, err := backtest.RunScripted(s, d, p, func(at int, capital float64) analysis.Report {
		capitals = append(capitals, capital)
		report := say(at, analysis.Buy)
		report.Plan.Size = 1_000_000
		return report
	})
	if err != nil {
		t.Fatal(err)
	}
	// 99 shares at 101 with costs: 9999 of 10000. Sold at 110: 990 less 1 % of 9900 and of 10890.
	// Then 106 at 101 of 10782.1, stopped at 95.
	want := []string{"long 1>2-2 100>110 target +782.1", "long 2>3-3 100>95 stop -736.7"}
	for i, x := range r.Trades {
		if i >= len(want) || told(x) != want[i] {
			t.Errorf("trade %d: %s", i, told(x))
		}
	}
	if diff := cmp.Diff([]int64{99, 106}, []int64{r.Trades[0].Size, r.Trades[1].Size}); diff != "" {
		t.Error(diff)
	}
	if len(capitals) != 4 || capitals[0] != 10_000 || math.Abs(capitals[1]-10_782.1) > 1e-9 || math.Abs(capitals[2]-10_045.4) > 1e-9 {
		t.Errorf("sized on %v", capitals)
	}
}

// TestNoShare: a plan without an order or without a share is counted, not traded.
func TestNoShare(t *testing.T) {
	s, d, p := scripted(t, []ohlc{still, still, still, still, {75, 75, 75, 75}}, strategy.Trade{Sides: strategy.SidesLong, Exit: strategy.ExitLevels})
	p.Capital = 99
	r, err := backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report {
		report := say(at, analysis.Buy)
		switch at {
		case 1:
			report.Plan.Size = 0
		case 2:
			report.Plan.Side = analysis.SideNone
		case 3: // a share costs 75 at the next open, but its stop is at 95
		}
		return report
	})
	want := measure.Skipped{Size: 1, NoPlan: 1, GapBeyondStop: 1, EndOfWindow: 1}
	if err != nil || len(r.Trades) != 0 || r.Metrics.Days.Skipped != want {
		t.Errorf("%v %+v %+v", err, r.Metrics.Days.Skipped, r.Trades)
	}
	if r.Metrics.Days.Skipped.Sum() != 4 || !r.Metrics.Untradable() {
		t.Errorf("%d, untradable %v", r.Metrics.Days.Skipped.Sum(), r.Metrics.Untradable())
	}
	wantWarnings := []string{
		"1 of 4 signals were not traded: no whole share within the position limit or the risk",
		"1 of 4 signals were not traded: no order with stop and target is possible at the price",
		"1 of 4 signals were not traded: the next open was at or beyond the stop",
	}
	if diff := cmp.Diff(wantWarnings, r.Warnings); diff != "" {
		t.Error(diff)
	}
}

// TestTooDear: a share that costs more than a position may take is never traded,
// which is said, and is no return of the strategy.
func TestTooDear(t *testing.T) {
	s, d := invented(t, "ABC.NS", 300), builtin(t, "balanced")
	p := whole(s, 100)
	p.Capital = s.Bars[100].Close // of which a position may take a fifth
	r := run(t, s, d, p)
	if m := r.Metrics; m.Trading.Trades != 0 || m.Days.Skipped.Size == 0 || !m.Untradable() {
		t.Fatalf("%+v", m)
	}
	want := fmt.Sprintf("%d of %[1]d signals were not traded: no whole share", r.Metrics.Days.Skipped.Size)
	if !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.HasPrefix(w, want) }) {
		t.Errorf("%q is not in %q", want, r.Warnings)
	}
	p.Capital *= 100
	if rich := run(t, s, d, p); rich.Metrics.Untradable() || rich.Metrics.Trading.Trades == 0 {
		t.Errorf("%+v", rich.Metrics)
	}
	sum := measure.Portfolio([]measure.Member{{Ticker: "A", Metrics: r.Metrics, Curve: r.Curve}, {Ticker: "B", Metrics: run(t, s, d, p).Metrics, Curve: r.Curve}})
	if sum.Untradable != 1 || sum.Tickers != 2 {
		t.Errorf("%d untradable of %d", sum.Untradable, sum.Tickers)
	}
}

// TestRuin: a short that gaps beyond all there is ends at that close, and
// nothing is traded after; the figures stay numbers.
func TestRuin(t *testing.T) {
	s, d, p := scripted(t, []ohlc{still, still, {100, 104, 99, 100}, {104, 104.5, 100, 104}, {250, 250, 250, 250}, still, still}, strategy.Trade{Sides: strategy.SidesBoth, Exit: strategy.ExitLevels})
	r, err := backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report {
		report := say(at, analysis.Sell)
		report.Plan.Size = 100
		return report
	})
	if err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, d, p, r)
	if len(r.Trades) != 1 || told(r.Trades[0]) != "short 1>2-4 100>250 stop gap -15000" || r.Metrics.Days.Skipped.Ruined != 3 || r.Metrics.FinalEquity != -5000 {
		t.Errorf("%+v %+v", r.Trades, r.Metrics)
	}
	// Without a level in the way the close is what ends it.
	r, err = backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report {
		report := say(at, analysis.Sell)
		report.Plan.Size, report.Plan.Stop = 100, 300
		return report
	})
	if err != nil || len(r.Trades) != 1 || told(r.Trades[0]) != "short 1>2-4 100>250 ruin -15000" {
		t.Errorf("%v %+v", err, r.Trades)
	}
}

// TestExposure: a session counts when there was a position after its open.
func TestExposure(t *testing.T) {
	rules := strategy.Trade{MaxBars: 2, Sides: strategy.SidesLong, Exit: strategy.ExitLevels}
	for name, c := range map[string]struct {
		bars []ohlc
		want int
	}{
		// In on bar 2, out at the open of bar 4; in on bar 5.
		"stopped on the bar of the entry": {[]ohlc{still, still, still, still, still, {100, 101, 94, 95}, still}, 3},
		"stopped on the bar after":        {[]ohlc{still, still, still, still, still, still, {100, 101, 94, 95}}, 4},
		"stopped at the open after":       {[]ohlc{still, still, still, still, still, still, {93, 101, 92, 95}}, 3},
	} {
		s, d, p := scripted(t, c.bars, rules)
		r, err := backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report {
			return say(at, map[int]analysis.Verdict{1: analysis.Buy, 4: analysis.Buy}[at])
		})
		if err != nil || len(r.Trades) != 2 || r.Metrics.Days.InMarket != c.want || r.Metrics.ExposurePercent != 100*float64(c.want)/6 {
			t.Errorf("%s: %v %+v %+v", name, err, r.Metrics, r.Trades)
		}
	}
}

// TestEquityByHand: the value of each close, the position at its price.
func TestEquityByHand(t *testing.T) {
	s, d, p := scripted(t, []ohlc{still, still, {100, 105, 96, 104}, {103, 104, 97, 98}, {99, 107, 98, 106}}, strategy.Trade{Sides: strategy.SidesLong, Exit: strategy.ExitLevels})
	p.CostPercent = 1
	r, err := backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report { return say(at, analysis.Buy) })
	if err != nil {
		t.Fatal(err)
	}
	// 10 shares at 100 cost 10; at the end 10 x 106 cost 10.60.
	want := measure.Curve{First: day(1), Steps: []int{1, 1, 1}, Equity: []float64{1, 1.003, 0.997, 1.00394},
		// Bought at 100 with 1 %: 0.990099 of a share for 100; sold at 106 less 1 %.
		Hold: []float64{0.990099, 1.029703, 0.970297, 1.03901}}
	if diff := cmp.Diff(want, r.Curve); diff != "" {
		t.Error(diff)
	}
	if r.Metrics.Growth.DrawdownFrom != day(2) || r.Metrics.Growth.DrawdownTo != day(3) || math.Abs(r.Metrics.Growth.MaxDrawdownPercent-100*(1-9970.0/10030)) > 1e-9 {
		t.Errorf("%+v", r.Metrics.Growth)
	}
}

// TestScriptedProperties: whatever the verdicts, on wild bars. It draws until
// each kind of ending has come up.
func TestScriptedProperties(t *testing.T) {
	wanted := []string{"long stop", "long stop gap", "long target", "long target gap", "short stop", "short stop gap", "short target", "long max_bars", "short opposite"}
	seen := map[string]int{}
	for range 20 {
		rapid.Check(t, func(t *rapid.T) { checkScript(t, seen) })
		if !slices.ContainsFunc(wanted, func(kind string) bool { return seen[kind] == 0 }) {
			return
		}
	}
	t.Errorf("not all of %q are among the drawn: %v", wanted, seen)
}

// checkScript draws bars and verdicts, trades them and checks the result.
func checkScript(t *rapid.T, seen map[string]int) {
	verdicts := []analysis.Verdict{analysis.Hold, analysis.Hold, analysis.Buy, analysis.StrongBuy, analysis.Sell, analysis.StrongSell}
	s, d := drawSeries(t, 20, 60), drawStrategy(t)
	d.MinBars = 2
	p := drawParams(t, s)
	p.From, p.To = s.Bars[1].Date, s.Bars[len(s.Bars)-1].Date
	r, err := backtest.RunScripted(s, d, p, func(at int, capital float64) analysis.Report {
		closing, distance := s.Bars[at].Close, rapid.Float64Range(0.005, 0.1).Draw(t, "distance")
		report := say(at, rapid.SampledFrom(verdicts).Draw(t, "verdict"))
		side := 1.0
		if report.Plan.Side == analysis.SideSell {
			side = -1
		}
		report.Plan.Entry, report.Plan.Stop, report.Plan.Target = closing, closing*(1-side*distance), closing*(1+side*2*distance)
		if report.Plan.Side != analysis.SideNone {
			report.Plan.Size = int64(capital * rapid.Float64Range(0, 1.2).Draw(t, "share") / closing)
		}
		return report
	})
	if err != nil {
		t.Fatal(err)
	}
	checkResult(t, s, d, p, r)
	for _, x := range r.Trades {
		kind := x.Side + " " + x.Reason
		if x.Gap {
			kind += " gap"
		}
		seen[kind]++
	}
}

// TestLeavingBeyondALevel: what was ordered to be left goes for that reason, at
// the open, and is marked where that lies beyond the stop or the target.
func TestLeavingBeyondALevel(t *testing.T) {
	for open, gap := range map[float64]bool{90: true, 95: false, 100: false, 115: true} {
		s, d, p := scripted(t, []ohlc{still, still, still, {open, open + 0.5, open - 0.5, open}}, strategy.Trade{Sides: strategy.SidesLong, Exit: strategy.ExitOpposite})
		r, err := backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report {
			return say(at, map[int]analysis.Verdict{1: analysis.Buy, 2: analysis.Sell}[at])
		})
		if err != nil || len(r.Trades) != 1 {
			t.Fatalf("%v: %+v", err, r.Trades)
		}
		if x := r.Trades[0]; x.Reason != measure.ReasonOpposite || x.ExitPrice != open || x.Gap != gap {
			t.Errorf("open %v: %+v", open, x)
		}
	}
}
