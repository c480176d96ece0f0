package backtest_test

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tapedeck/tapedeck/internal/backtest"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/referencedata"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// real prints the table of docs/BACKTEST.md; it takes half a minute. The costs
// are those of a job that does not say otherwise.
var (
	real         = flag.Bool("real", false, "backtest the built-in strategies over the whole of ../shared/market and print the table")
	realCost     = flag.Float64("cost", 0.1, "with -real: costs per side, in percent")
	realSlippage = flag.Float64("slippage", 0.05, "with -real: slippage per side, in percent")
)

// threeYears is the window of the table, the same for every ticker: it ends
// where the US bars end, and begins some 85 sessions into those of the NSE.
func threeYears() backtest.Params {
	to := time.Date(2026, 1, 6, 0, 0, 0, 0, time.UTC)
	return backtest.Params{Params: usual, From: to.AddDate(-3, 0, 1), To: to, Bars: 400, CostPercent: *realCost, SlippagePercent: *realSlippage}
}

// own puts in a document's own risk rules, as for a job that does not say otherwise.
func own(p backtest.Params, d strategy.Document) backtest.Params {
	p.RiskPercent, p.PositionLimitPercent, p.MinRiskReward = d.Risk.RiskPercent, d.Risk.PositionLimitPercent, d.Risk.MinRiskReward
	return p
}

// TestRealMarket: real bars, with their gaps and quiet days, keep the promises
// too: a year of a few tickers, whole with -real.
func TestRealMarket(t *testing.T) {
	series := referencedata.Bars(t)
	if *real {
		table(t, series)
		return
	}
	trades, step := 0, 13
	if testing.Short() {
		step = 41
	}
	for i := 0; i < len(series); i += step {
		for _, d := range strategy.Builtins() {
			s := series[i]
			p := own(threeYears(), d)
			p.From = p.To.AddDate(-1, 0, 1)
			r := run(t, s, d, p)
			checkResult(t, s, d, p, r)
			trades += len(r.Trades)
		}
	}
	if trades < 50 {
		t.Errorf("only %d trades", trades)
	}
}

// table backtests every series under every built-in strategy on all processors,
// checks each result, and prints the equal-weight sums.
func table(t *testing.T, series []market.Series) {
	var out strings.Builder
	fmt.Fprintf(&out, "| strategy | tickers (up) | trades | win %% | PF | expectancy %% / R | bars held | both levels on one bar %% | return %% | CAGR %% | Sharpe | max DD %% | exposure %% | costs+slippage %% | hold: return %% | CAGR %% | Sharpe | max DD %% | time |\n|%s\n",
		strings.Repeat("---|", 19))
	var all time.Duration
	for _, d := range strategy.Builtins() {
		members, both, took := overMarket(t, series, d)
		all += took
		p := measure.Portfolio(members)
		g, h, x := p.Growth, p.Hold, p.Trading
		fmt.Fprintf(&out, "| %s | %d (%d) | %d | %.1f | %.2f | %.2f / %.2f | %.1f | %.1f | %.1f | %.1f | %.2f | %.1f | %.0f | %.1f | %.1f | %.1f | %.2f | %.1f | %.1f s |\n",
			d.Name, p.Tickers, p.Profitable, x.Trades, *x.WinRatePercent, *x.ProfitFactor, *x.ExpectancyPercent, *x.ExpectancyR, *x.AverageBarsHeld, 100*float64(both)/float64(x.Trades),
			g.ReturnPercent, *g.CAGRPercent, *g.Sharpe, g.MaxDrawdownPercent, p.ExposurePercent, (x.Costs+x.Slippage)/float64(p.Tickers),
			h.ReturnPercent, *h.CAGRPercent, *h.Sharpe, h.MaxDrawdownPercent, took.Seconds())
		fmt.Fprintf(&out, "  %s: %s to %s, %d untradable, %+v\n", d.Name, p.From.Format(time.DateOnly), p.To.Format(time.DateOnly), p.Untradable, p.Days)
	}
	t.Logf("\n%s\n%d processors, %.1f s in all", out.String(), runtime.GOMAXPROCS(0), all.Seconds())
}

// overMarket backtests every series under d, and counts the trades that ended on
// a bar that reached both their levels.
func overMarket(t *testing.T, series []market.Series, d strategy.Document) (members []measure.Member, both int, took time.Duration) {
	start := time.Now()
	results := make([]backtest.Result, len(series))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range series {
		group.Go(func() (err error) {
			results[i], err = backtest.Run(s, d, own(threeYears(), d))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	took = time.Since(start)
	for i, r := range results {
		checkResult(t, series[i], d, own(threeYears(), d), r)
		members = append(members, measure.Member{Ticker: r.Ticker, Metrics: r.Metrics, Curve: r.Curve})
		at := bars(series[i])
		for _, x := range r.Trades {
			if b := at[x.ExitDay]; x.Reason == measure.ReasonStop && !x.Gap && b.Low <= x.Stop && b.High >= x.Target {
				both++
			}
		}
	}
	return members, both, took
}
