package backtest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/backtest"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// TestNoTradeOnABar: nothing is filled on a bar on which nothing was traded, and
// what was ordered stands for the next one.
func TestNoTradeOnABar(t *testing.T) {
	ghost := ohlc{100, 100, 100, 100}
	buy := func(days ...int) map[int]analysis.Verdict {
		m := map[int]analysis.Verdict{}
		for _, at := range days {
			m[at] = analysis.Buy
		}
		return m
	}
	type verdicts = map[int]analysis.Verdict
	for name, c := range map[string]struct {
		bars     []ohlc
		silent   []int // without volume
		rules    strategy.Trade
		verdicts verdicts
		want     []string
		ended    int // signals that the window's end cut off
	}{
		"the entry waits": {[]ohlc{still, still, ghost, ghost, {101, 102, 100, 101}, still}, []int{2, 3}, strategy.Trade{Exit: strategy.ExitLevels, Sides: strategy.SidesLong},
			buy(1), []string{"long 1>4-5 101>100 end_of_window -10"}, 0},
		"an order that stands is no reason for a second, nor is a verdict against it": {[]ohlc{still, still, ghost, ghost, {101, 102, 100, 101}, still}, []int{2, 3},
			strategy.Trade{Exit: strategy.ExitLevels, Sides: strategy.SidesBoth}, verdicts{1: analysis.Buy, 2: analysis.Buy, 3: analysis.Sell},
			[]string{"long 1>4-5 101>100 end_of_window -10"}, 0},
		"the way out waits": {[]ohlc{still, still, still, ghost, {98, 99, 97, 98}, still}, []int{3}, strategy.Trade{Exit: strategy.ExitOpposite, Sides: strategy.SidesLong},
			verdicts{1: analysis.Buy, 2: analysis.Sell, 3: analysis.Buy}, []string{"long 1>2-4 100>98 opposite -20"}, 0},
		"its reason is the first": {[]ohlc{still, still, still, ghost, {98, 99, 97, 98}, still}, []int{3},
			strategy.Trade{Exit: strategy.ExitOpposite, Sides: strategy.SidesLong, MaxBars: 2},
			verdicts{1: analysis.Buy, 2: analysis.Sell}, []string{"long 1>2-4 100>98 opposite -20"}, 0},
		"the window ends first": {[]ohlc{still, still, ghost}, []int{2}, strategy.Trade{Exit: strategy.ExitLevels, Sides: strategy.SidesLong}, buy(1), []string{}, 1},
		"a volume says that there was a trade": {[]ohlc{still, still, ghost, still}, nil, strategy.Trade{Exit: strategy.ExitLevels, Sides: strategy.SidesLong},
			buy(1), []string{"long 1>2-3 100>100 end_of_window +0"}, 0},
		"so does a price": {[]ohlc{still, still, {100, 101, 100, 100}, still}, []int{2}, strategy.Trade{Exit: strategy.ExitLevels, Sides: strategy.SidesLong},
			buy(1), []string{"long 1>2-3 100>100 end_of_window +0"}, 0},
		"without any volumes they say nothing": {[]ohlc{still, still, ghost, still}, []int{0, 1, 2, 3}, strategy.Trade{Exit: strategy.ExitLevels, Sides: strategy.SidesLong},
			buy(1), []string{"long 1>2-3 100>100 end_of_window +0"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, d, p := scripted(t, c.bars, c.rules)
			for _, at := range c.silent {
				s.Bars[at].Volume = 0
			}
			r, err := backtest.RunScripted(s, d, p, func(at int, _ float64) analysis.Report { return say(at, c.verdicts[at]) })
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, x := range r.Trades {
				got = append(got, told(x))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if skipped := r.Metrics.Days.Skipped; skipped != (measure.Skipped{EndOfWindow: c.ended}) {
				t.Errorf("%+v", skipped)
			}
			checkResult(t, s, d, p, r)
		})
	}
}
