package api

import (
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/store"
)

// This file is the boundary between backtests' rows, package measure, and JSON.

type backtestJSON struct {
	JobID         string                 `json:"job_id"`
	Ticker        string                 `json:"ticker"`
	FirstDay      string                 `json:"first_day"` // of the window's bars
	LastDay       string                 `json:"last_day"`
	Synthetic     bool                   `json:"synthetic"` // the bars were made up
	Metrics       events.BacktestMetrics `json:"metrics"`
	TradesLeftOut int                    `json:"trades_left_out"`
	Warnings      []string               `json:"warnings"`
	Lineage       events.Lineage         `json:"lineage"`
	Strategy      string                 `json:"strategy"`
	StrategyHash  string                 `json:"strategy_hash"`
	Origin        events.Origin          `json:"origin"`
	Attempts      int                    `json:"attempts"`
	StartedAt     stamp                  `json:"started_at"`
	CompletedAt   stamp                  `json:"completed_at"`
	RecordedAt    stamp                  `json:"recorded_at"`
	Seq           uint64                 `json:"seq"`
}

func toBacktest(b store.Backtest) backtestJSON {
	return backtestJSON{
		JobID: b.JobID, Ticker: b.Ticker, FirstDay: b.FirstDay, LastDay: b.LastDay, Synthetic: b.Lineage.Synthetic,
		Metrics: b.Metrics, TradesLeftOut: b.TradesLeftOut, Warnings: list(b.Warnings), Lineage: b.Lineage,
		Strategy: b.StrategyName, StrategyHash: b.StrategyHash, Origin: b.Origin, Attempts: b.Attempts,
		StartedAt: stamp(b.StartedAt), CompletedAt: stamp(b.CompletedAt), RecordedAt: stamp(b.RecordedAt), Seq: b.Seq,
	}
}

// wholeBacktestJSON is one ticker's backtest with everything.
type wholeBacktestJSON struct {
	backtestJSON
	Trades  []events.Trade `json:"trades"`
	Equity  []pointJSON    `json:"equity"`
	AsOfSeq uint64         `json:"as_of_seq"`
}

// pointJSON is a close of the window, in units of the capital: 1.05 is 5 % above.
type pointJSON struct {
	Day    string  `json:"day"`
	Equity float64 `json:"equity"`
	Hold   float64 `json:"hold"` // of buying and holding
}

func toPoints(c measure.Curve) []pointJSON {
	points := make([]pointJSON, 0, len(c.Equity))
	for i, day := range c.Days() {
		if i < len(c.Hold) {
			points = append(points, pointJSON{day.Format(time.DateOnly), c.Equity[i], c.Hold[i]})
		}
	}
	return points
}

// equalWeightJSON is the equal-weight sum of a job's backtests: each ticker had
// the capital for itself, none knew of the others. Amounts are in percent of a
// ticker's capital, since currencies may differ.
type equalWeightJSON struct {
	Tickers         int            `json:"tickers"`    // with a backtest so far
	Profitable      int            `json:"profitable"` // of them
	Untradable      int            `json:"untradable"` // of them, without a trade because no share or no order was possible
	FirstDay        string         `json:"first_day"`
	LastDay         string         `json:"last_day"`
	Sessions        int            `json:"sessions"` // days on which any had one
	ExposurePercent float64        `json:"exposure_percent"`
	Days            events.Days    `json:"days"`
	Trading         events.Trading `json:"trading"`
	Growth          events.Growth  `json:"growth"`
	Hold            events.Growth  `json:"hold"`
	Equity          []pointJSON    `json:"equity"`
}

func toEqualWeight(p measure.Pooled) *equalWeightJSON {
	return &equalWeightJSON{
		Tickers: p.Tickers, Profitable: p.Profitable, Untradable: p.Untradable, FirstDay: date(p.From), LastDay: date(p.To), Sessions: p.Sessions,
		ExposurePercent: p.ExposurePercent, Days: toDays(p.Days), Trading: events.Trading(p.Trading),
		Growth: toGrowth(p.Growth), Hold: toGrowth(p.Hold), Equity: toPoints(p.Curve),
	}
}

func toDays(d measure.Days) events.Days {
	return events.Days{
		Sessions: d.Sessions, NoSignal: d.NoSignal, Analyzed: d.Analyzed, Partial: d.Partial, InMarket: d.InMarket,
		Verdicts: events.Verdicts(d.Verdicts), Skipped: events.Skipped(d.Skipped),
	}
}

func toGrowth(g measure.Growth) events.Growth {
	return events.Growth{
		ReturnPercent: g.ReturnPercent, CAGRPercent: g.CAGRPercent, Sharpe: g.Sharpe,
		MaxDrawdownPercent: g.MaxDrawdownPercent, DrawdownFrom: date(g.DrawdownFrom), DrawdownTo: date(g.DrawdownTo),
	}
}

// toMember is what the sum takes of a recorded backtest.
func toMember(c store.BacktestCurve) measure.Member {
	m := c.Metrics
	return measure.Member{
		Ticker: c.Ticker, Curve: toCurve(c.Curve),
		Metrics: measure.Metrics{
			Capital: m.Capital, FinalEquity: m.FinalEquity, ExposurePercent: m.ExposurePercent,
			Days: measure.Days{
				Sessions: m.Days.Sessions, NoSignal: m.Days.NoSignal, Analyzed: m.Days.Analyzed, Partial: m.Days.Partial,
				InMarket: m.Days.InMarket, Verdicts: measure.Verdicts(m.Days.Verdicts), Skipped: measure.Skipped(m.Days.Skipped),
			},
			Trading: measure.Trading(m.Trading), Growth: fromGrowth(m.Growth), Hold: fromGrowth(m.Hold),
		},
	}
}

func toCurve(c events.Curve) measure.Curve {
	return measure.Curve{First: day(c.First), Steps: c.Steps, Equity: c.Equity, Hold: c.Hold}
}

func fromGrowth(g events.Growth) measure.Growth {
	return measure.Growth{
		ReturnPercent: g.ReturnPercent, CAGRPercent: g.CAGRPercent, Sharpe: g.Sharpe,
		MaxDrawdownPercent: g.MaxDrawdownPercent, DrawdownFrom: day(g.DrawdownFrom), DrawdownTo: day(g.DrawdownTo),
	}
}

// day is a recorded date; the zero time for none.
func day(text string) time.Time {
	at, _ := time.Parse(time.DateOnly, text) // the recorder took only dates
	return at
}

// date undoes day.
func date(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.DateOnly)
}
