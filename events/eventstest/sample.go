package eventstest

import (
	"encoding/json"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// The day of every sample: samples are the same in every run.
const day = "2026-01-05"

func at(hour int) time.Time { return time.Date(2026, time.January, 5, hour, 0, 0, 0, time.UTC) }

// Job is a plausible JobQueued for these tickers.
func Job(jobID string, tickers ...string) *events.JobQueued {
	return &events.JobQueued{
		JobID: jobID, Kind: events.KindAnalysis, Origin: events.OriginAPI, Tickers: tickers, Capital: 100000,
		StrategyName: "sample", StrategyHash: "sample", Strategy: json.RawMessage(`{"name":"sample"}`),
		Options:  events.Options{RiskPercent: 1, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 400},
		Deadline: at(12).AddDate(0, 0, 3), RequestSHA256: "sample",
	}
}

// Analyzed is a plausible TickerAnalyzed with this verdict and score; its
// other figures are made up and always the same.
func Analyzed(jobID, ticker string, verdict events.Verdict, score float64) *events.TickerAnalyzed {
	closed := 100.0
	return &events.TickerAnalyzed{
		JobID: jobID, Ticker: ticker, Kind: events.KindAnalysis, StrategyName: "sample", StrategyHash: "sample",
		Attempts: 1, StartedAt: at(12), CompletedAt: at(12), Analyzer: "eventstest",
		Report: events.Report{
			TradingDay: day, Verdict: verdict, Score: score, Coverage: 1, Regime: "trending",
			Warnings: []string{}, Indicators: []events.Indicator{},
			Plan: events.Plan{
				Side: "buy", Entry: 100, Stop: 95, Target: 110, RiskReward: 2, Size: 200,
				RiskAmount: 1000, Value: 20000, Adjustments: []string{},
			},
			Numbers: events.Numbers{Close: &closed},
			Lineage: events.Lineage{
				Provider: "synthetic", Synthetic: true, Adjustment: "none", Currency: "INR",
				Bars: 400, FirstBar: "2024-06-03", LastBar: day, Warnings: []string{},
			},
		},
	}
}

// Backtested is a plausible TickerBacktested with this return of the
// strategy, in percent; its other figures are made up and always the same.
func Backtested(jobID, ticker string, returnPercent float64) *events.TickerBacktested {
	growth := 1 + returnPercent/100
	return &events.TickerBacktested{
		JobID: jobID, Ticker: ticker, Kind: events.KindBacktest, StrategyName: "sample", StrategyHash: "sample",
		Attempts: 1, StartedAt: at(12), CompletedAt: at(12), Analyzer: "eventstest",
		Report: events.BacktestReport{
			FirstDay: "2026-01-02", LastDay: day, Trades: []events.Trade{}, Warnings: []string{},
			Metrics: events.BacktestMetrics{
				Capital: 100000, FinalEquity: 100000 * growth, Days: events.Days{Sessions: 2, Analyzed: 2, Verdicts: events.Verdicts{Hold: 2}},
				Growth: events.Growth{ReturnPercent: returnPercent}, Hold: events.Growth{ReturnPercent: 1},
			},
			Curve: events.Curve{First: "2026-01-02", Steps: []int{3}, Equity: []float64{1, growth}, Hold: []float64{1, 1.01}},
			Lineage: events.Lineage{
				Provider: "synthetic", Synthetic: true, Adjustment: "none", Currency: "INR",
				Bars: 401, FirstBar: "2024-06-03", LastBar: day, Warnings: []string{},
			},
		},
	}
}

// Failed is a plausible TickerFailed with this code.
func Failed(jobID, ticker string, code events.FailureCode) *events.TickerFailed {
	return &events.TickerFailed{
		JobID: jobID, Ticker: ticker, Kind: events.KindAnalysis, Code: code, Message: "a sample",
		Attempts: 1, StartedAt: at(12), CompletedAt: at(12), Analyzer: "eventstest",
	}
}
