package analyzer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/backtest"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// backtestOf trades a job's strategy over the bars of one ticker. It takes as
// long as hundreds of analyses, so only as many run at a time as there are
// processors: what waits for its turn does not slow down the analyses beside it.
func (a *Analyzer) backtestOf(ctx context.Context, item stream.Item, p Plan) (events.BacktestReport, error) {
	params, err := backtestParams(item, p.Window)
	if err != nil {
		return events.BacktestReport{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, a.attemptTime)
	defer cancel()
	series, err := a.reach(bounded, item.Ticker, params.From, params.Bars)
	if err != nil {
		return events.BacktestReport{}, fmt.Errorf("getting bars: %w", err)
	}
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
	case <-ctx.Done():
		return events.BacktestReport{}, ctx.Err()
	}
	result, err := backtest.Run(series, p.Document, params)
	if err != nil {
		return events.BacktestReport{}, err
	}
	return wireBacktest(result, series.Notes), nil
}

func backtestParams(item stream.Item, window *events.Backtest) (backtest.Params, error) {
	if window == nil {
		return backtest.Params{}, fmt.Errorf("%w: the job says no window to test in", analysis.ErrParameters)
	}
	from, errFrom := time.Parse(dayLayout, window.From)
	to, errTo := time.Parse(dayLayout, window.To)
	if errFrom != nil || errTo != nil {
		return backtest.Params{}, fmt.Errorf("%w: from %q to %q are not dates", analysis.ErrParameters, window.From, window.To)
	}
	return backtest.Params{
		Params: analysisParams(item), From: from, To: to, Bars: item.Options.Bars,
		CostPercent: window.CostPercent, SlippagePercent: window.SlippagePercent,
	}, nil
}

// reach gets the bars from a day on, and as many before it as the first
// signal sees. Providers count from the newest bar back, so it asks for as
// many as there are weekdays, and again for more where a market trades on
// weekends too. What the first signal does not see the backtest leaves out.
func (a *Analyzer) reach(ctx context.Context, ticker string, from time.Time, warmUp int) (market.Series, error) {
	asked := min(weekdays(from, a.now())+warmUp+spareSessions, MaxBacktestBars)
	for {
		series, err := a.provider.Daily(ctx, ticker, asked)
		if err != nil {
			return series, err
		}
		before, _ := slices.BinarySearchFunc(series.Bars, from, func(b market.Bar, day time.Time) int { return b.Date.Compare(day) })
		if before >= warmUp-1 || len(series.Bars) < asked || asked == MaxBacktestBars {
			return series, nil
		}
		asked = min(2*asked, MaxBacktestBars)
	}
}

// weekdays counts the Mondays to Fridays from a day on until now, at least 0.
func weekdays(from, now time.Time) int {
	days := int(now.Sub(from).Hours()/24) + 1
	if days <= 0 {
		return 0
	}
	count := days / 7 * 5
	for day := range days % 7 {
		if weekday := from.AddDate(0, 0, day).Weekday(); weekday != time.Saturday && weekday != time.Sunday {
			count++
		}
	}
	return count
}

// wireBacktest is the one place where a backtest's result becomes the event's.
func wireBacktest(r backtest.Result, notes []string) events.BacktestReport {
	listed := r.Trades[:min(len(r.Trades), events.MaxTrades)]
	report := events.BacktestReport{
		FirstDay: day(r.Curve.First), LastDay: day(r.Lineage.LastBar),
		Metrics:       wireMetrics(r.Metrics),
		Trades:        make([]events.Trade, len(listed)),
		TradesLeftOut: len(r.Trades) - len(listed),
		Curve:         events.Curve{First: day(r.Curve.First), Steps: r.Curve.Steps, Equity: r.Curve.Equity, Hold: r.Curve.Hold},
		Warnings:      clean(r.Warnings),
		Lineage:       wireLineage(r.Lineage, notes),
	}
	if report.TradesLeftOut > 0 {
		report.Warnings = append(report.Warnings, fmt.Sprintf("only the first %d of %d trades are listed; the figures are those of all", len(listed), len(r.Trades)))
	}
	for i, t := range listed {
		report.Trades[i] = events.Trade{
			Side: t.Side, SignalDay: day(t.SignalDay), EntryDay: day(t.EntryDay), ExitDay: day(t.ExitDay),
			Verdict: events.Verdict(t.Verdict), Score: t.Score, EntryPrice: t.EntryPrice, ExitPrice: t.ExitPrice,
			Stop: t.Stop, Target: t.Target, Size: t.Size, Reason: t.Reason, Gap: t.Gap, BarsHeld: t.BarsHeld,
			Risk: t.Risk, Gross: t.Gross, Costs: t.Costs, Slippage: t.Slippage, PnL: t.PnL, ReturnPercent: t.ReturnPercent, R: t.R,
		}
	}
	return report
}

func wireMetrics(m measure.Metrics) events.BacktestMetrics {
	return events.BacktestMetrics{
		Capital: m.Capital, FinalEquity: m.FinalEquity, ExposurePercent: m.ExposurePercent,
		Days: events.Days{
			Sessions: m.Days.Sessions, NoSignal: m.Days.NoSignal, Analyzed: m.Days.Analyzed, Partial: m.Days.Partial,
			InMarket: m.Days.InMarket, Verdicts: events.Verdicts(m.Days.Verdicts), Skipped: events.Skipped(m.Days.Skipped),
		},
		Trading: events.Trading(m.Trading), Growth: wireGrowth(m.Growth), Hold: wireGrowth(m.Hold),
	}
}

func wireGrowth(g measure.Growth) events.Growth {
	growth := events.Growth{
		ReturnPercent: g.ReturnPercent, CAGRPercent: g.CAGRPercent, Sharpe: g.Sharpe, MaxDrawdownPercent: g.MaxDrawdownPercent,
	}
	if !g.DrawdownFrom.IsZero() {
		growth.DrawdownFrom, growth.DrawdownTo = day(g.DrawdownFrom), day(g.DrawdownTo)
	}
	return growth
}
