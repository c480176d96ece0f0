package recorder

import (
	"fmt"
	"reflect"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// This file checks what backtests add to the events, by the rules of check.go.

// checkWindow takes a job of kind backtest without a window too: its tickers
// fail by it. What another kind says of one is dropped.
func checkWindow(data *events.JobQueued) string {
	if data.Kind != events.KindBacktest {
		data.Backtest = nil
	}
	b := data.Backtest
	if b == nil {
		return ""
	}
	switch {
	case !legalDay(b.From) || !legalDay(b.To):
		return fmt.Sprintf("backtest: from %.64q to %.64q are not dates", b.From, b.To)
	case b.To < b.From:
		return fmt.Sprintf("backtest: it ends on %s, before it begins on %s", b.To, b.From)
	}
	return ""
}

func checkBacktested(data *events.TickerBacktested, j *job) string {
	report := &data.Report
	trades, curve := report.Trades, report.Curve
	report.Trades, report.Curve = nil, events.Curve{} // longer than other lists: checked by limits of their own
	err := normalize(reflect.ValueOf(data).Elem())
	report.Trades, report.Curve = trades, curve
	if err == nil {
		err = normalizeTrades(report)
	}
	if err == nil {
		err = normalizeCurve(&report.Curve, report.Metrics.Days.Sessions)
	}
	switch {
	case err != nil:
		return err.Error()
	case data.Kind != events.KindBacktest:
		return fmt.Sprintf("kind: %.64q, the type is of kind %q", data.Kind, events.KindBacktest)
	case !legalDay(report.FirstDay) || !legalDay(report.LastDay) || report.LastDay < report.FirstDay:
		return fmt.Sprintf("report: from %.64q to %.64q is no window", report.FirstDay, report.LastDay)
	case report.Metrics.Trading.Trades < 0:
		return "report.metrics.trading.trades: below 0"
	case report.Lineage.Bars < 0:
		return "report.lineage.bars: below 0"
	}
	return checkDone(data.Kind, data.StrategyName, data.StrategyHash, data.Attempts, j)
}

func normalizeTrades(report *events.BacktestReport) error {
	if n := len(report.Trades); n > events.MaxTrades {
		return fmt.Errorf("report.trades: %d elements, at most %d are legal", n, events.MaxTrades)
	}
	if report.TradesLeftOut < 0 {
		return fmt.Errorf("report.trades_left_out: below 0")
	}
	if report.Trades == nil {
		report.Trades = []events.Trade{}
	}
	for i := range report.Trades {
		if err := normalize(reflect.ValueOf(&report.Trades[i]).Elem()); err != nil {
			return fmt.Errorf("report.trades[%d]: %w", i, err)
		}
	}
	return nil
}

// normalizeCurve wants a value for each session, and a step for each but the first.
func normalizeCurve(c *events.Curve, sessions int) error {
	if sessions < 1 || sessions > maxSessions {
		return fmt.Errorf("report.metrics.days.sessions: %d is not in 1..%d", sessions, maxSessions)
	}
	if len(c.Equity) != sessions || len(c.Hold) != sessions || len(c.Steps) != sessions-1 {
		return fmt.Errorf("report.curve: %d and %d values and %d steps for %d sessions", len(c.Equity), len(c.Hold), len(c.Steps), sessions)
	}
	if !legalDay(c.First) {
		return fmt.Errorf("report.curve.first: %.64q is not a date", c.First)
	}
	for i, step := range c.Steps {
		if step < 1 || step > maxStepDays {
			return fmt.Errorf("report.curve.steps[%d]: %d is not in 1..%d", i, step, maxStepDays)
		}
	}
	if c.Steps == nil {
		c.Steps = []int{}
	}
	for _, values := range [][]float64{c.Equity, c.Hold} {
		for i := range values {
			if err := normalizeFloat(reflect.ValueOf(&values[i]).Elem()); err != nil {
				return fmt.Errorf("report.curve[%d]: %w", i, err)
			}
		}
	}
	return nil
}

func legalDay(text string) bool {
	day, err := time.Parse(time.DateOnly, text)
	return err == nil && day.Year() >= firstLegalYear
}
