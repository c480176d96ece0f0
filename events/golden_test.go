package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
)

var update = flag.Bool("update", false, "write golden files that are missing (an existing one is never changed)")

const goldenDir = "testdata/v1"

// A golden is one message of v1 as it stands on the wire.
type golden struct {
	Subject string            `json:"subject"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

func ptr(v float64) *float64 { return &v }

func clock(second int) time.Time {
	return time.Date(2026, time.January, 5, 10, 30, second, 123456789, time.UTC)
}

const (
	jobID  = "0199b2a4-7c11-7d2e-9a53-0d6f5f1f2b10"
	parent = "0199b2a4-0000-7d2e-9a53-0d6f5f1f2b10"
	hash   = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

// values are the events of the golden files, each of which sets every field
// that its type had by then. The files are the contract; a field that is added
// to v1 goes into a new file, with a number behind the type's name.
func values() map[string]events.Data {
	second := report()
	second.Indicators[0].NeedBars = 15
	second.Lineage.Notes = []string{"split 2:1 of 2025-03-04 taken out, by the exchange's list"}
	return map[string]events.Data{
		"ticker_analyzed_2": &events.TickerAnalyzed{
			JobID: jobID, Ticker: "M&M.NS", Kind: events.KindAnalysis, StrategyName: "balanced", StrategyHash: hash,
			Attempts: 2, StartedAt: clock(1), CompletedAt: clock(2), Analyzer: "analyzer-1", Report: second,
		},
		"job_queued": &events.JobQueued{
			JobID: jobID, Kind: events.KindAnalysis, Origin: events.OriginRetry, ParentJobID: parent,
			Tickers: []string{"M&M.NS", "BAJAJ-AUTO.NS", "^NSEI", "BRK.B"}, Universe: "nifty50", Capital: 100000.5,
			StrategyName: "balanced", StrategyHash: hash, Strategy: json.RawMessage(`{"name":"balanced","note":"a < b & c > d"}`),
			Options:  events.Options{RiskPercent: 1, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 400},
			Deadline: clock(0).Add(72 * time.Hour), RequestSHA256: hash,
		},
		"job_queued_2": &events.JobQueued{
			JobID: jobID, Kind: events.KindBacktest, Origin: events.OriginAPI, Tickers: []string{"TCS.NS"}, Capital: 100000,
			StrategyName: "balanced", StrategyHash: hash, Strategy: json.RawMessage(`{"name":"balanced"}`),
			Options:  events.Options{RiskPercent: 1, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 400},
			Backtest: &events.Backtest{From: "2023-01-02", To: "2026-01-02", CostPercent: 0.1, SlippagePercent: 0.05},
			Deadline: clock(0).Add(72 * time.Hour), RequestSHA256: hash,
		},
		"ticker_backtested": &events.TickerBacktested{
			JobID: jobID, Ticker: "M&M.NS", Kind: events.KindBacktest, StrategyName: "balanced", StrategyHash: hash,
			Attempts: 1, StartedAt: clock(1), CompletedAt: clock(2), Analyzer: "analyzer-1", Report: backtestReport(),
		},
		"job_started":   &events.JobStarted{JobID: jobID, Total: 4},
		"job_cancelled": &events.JobCancelled{JobID: jobID, Reason: "no longer needed", RequestedBy: "ops"},
		"job_completed": &events.JobCompleted{JobID: jobID, Status: events.StatusCancelled, Total: 4, Analyzed: 1, Failed: 1, Cancelled: 2},
		"ticker_analyzed": &events.TickerAnalyzed{
			JobID: jobID, Ticker: "M&M.NS", Kind: events.KindAnalysis, StrategyName: "balanced", StrategyHash: hash,
			Attempts: 2, StartedAt: clock(1), CompletedAt: clock(2), Analyzer: "analyzer-1", Report: report(),
		},
		"ticker_failed": &events.TickerFailed{
			JobID: jobID, Ticker: "BRK.B", Kind: events.KindAnalysis, Code: events.FailureUnknownTicker,
			Message: "csv: no file BRK.B.csv", Attempts: 1, StartedAt: clock(1), CompletedAt: clock(2), Analyzer: "analyzer-1",
		},
	}
}

func report() events.Report {
	return events.Report{
		TradingDay: "2026-01-02", Verdict: events.StrongBuy, Score: 0.625, Coverage: 0.9, Regime: "trending",
		Warnings: []string{"adx14 needs 28 bars"},
		Plan: events.Plan{
			Side: "buy", Entry: 2801.5, Stop: 2740.25, Target: 2950, RiskReward: 2.4, Size: 7,
			RiskAmount: 428.75, Value: 19610.5, Adjustments: []string{"size cut to the position limit"},
		},
		Numbers: events.Numbers{
			Close: ptr(2801.5), PreviousClose: ptr(2790), ChangePercent: ptr(0.41), Volume: ptr(1.5e6), VolumeRatio20: ptr(1.1),
			RSI14: ptr(61.2), MACD: ptr(12.5), MACDSignal: ptr(10.1), MACDHist: ptr(2.4), ADX14: nil, ATR14: ptr(40.8),
			ATRPercent: ptr(1.46), SMA20: ptr(2750), SMA50: ptr(2700), SMA200: nil, EMA20: ptr(2760), EMA50: ptr(2710), EMA200: nil,
			BBUpper: ptr(2850), BBLower: ptr(2650), StochK: ptr(80), CCI20: ptr(110), MFI14: ptr(58), High52w: ptr(3000), Low52w: ptr(2100),
		},
		Indicators: []events.Indicator{{
			Name: "rsi", Category: "momentum", Available: true, Values: map[string]float64{"rsi": 61.2}, Vote: 1,
			Certainty: 0.4, Weight: 0.8, StrategyWeight: 1.5, Contribution: 0.12, Note: "above 60",
		}},
		Lineage: events.Lineage{
			Provider: "csv", Synthetic: false, Adjustment: "split", Currency: "INR", Bars: 400,
			FirstBar: "2024-05-20", LastBar: "2026-01-02", Warnings: []string{"row 17 has no volume"},
		},
	}
}

func backtestReport() events.BacktestReport {
	return events.BacktestReport{
		FirstDay: "2026-01-01", LastDay: "2026-01-02",
		Metrics: events.BacktestMetrics{
			Capital: 100000, FinalEquity: 100150.5, ExposurePercent: 50,
			Days: events.Days{
				Sessions: 2, NoSignal: 0, Analyzed: 2, Partial: 1, InMarket: 1, Verdicts: events.Verdicts{StrongBuy: 1, Hold: 1},
				Skipped: events.Skipped{Size: 1},
			},
			Trading: events.Trading{
				Trades: 1, Wins: 1, Won: 150.5, Costs: 12.25, Slippage: 4.5, Traded: 39000, WinRatePercent: ptr(100), ProfitFactor: nil,
				Expectancy: ptr(150.5), AverageWin: ptr(150.5), ExpectancyPercent: ptr(0.77), ExpectancyR: ptr(1.5), AverageBarsHeld: ptr(1),
			},
			Growth: events.Growth{ReturnPercent: 0.1505, Sharpe: ptr(1.2)},
			Hold:   events.Growth{ReturnPercent: -1, CAGRPercent: ptr(-0.8), MaxDrawdownPercent: 2, DrawdownFrom: "2026-01-01", DrawdownTo: "2026-01-02"},
		},
		Trades: []events.Trade{{
			Side: "long", SignalDay: "2025-12-31", EntryDay: "2026-01-01", ExitDay: "2026-01-02", Verdict: events.StrongBuy, Score: 0.7,
			EntryPrice: 2801.5, ExitPrice: 2850, Stop: 2740.25, Target: 2850, Size: 7, Reason: "target", Gap: true, BarsHeld: 1, Risk: 100.33,
			Gross: 162.75, Costs: 12.25, Slippage: 4.5, PnL: 150.5, ReturnPercent: 0.77, R: 1.5,
		}},
		TradesLeftOut: 3,
		Curve:         events.Curve{First: "2026-01-01", Steps: []int{1}, Equity: []float64{1.0001, 1.001505}, Hold: []float64{1, 0.99}},
		Warnings:      []string{"the window begins on 2020-01-01, but the bars on 2026-01-01"},
		Lineage: events.Lineage{
			Provider: "csv", Synthetic: false, Adjustment: "split", Currency: "INR", Bars: 402,
			FirstBar: "2024-05-20", LastBar: "2026-01-02", Warnings: []string{"row 17 has no volume"}, Notes: []string{"cached"},
		},
	}
}

func TestEveryTypeHasAGolden(t *testing.T) {
	all := values()
	for name, data := range all {
		path := filepath.Join(goldenDir, name+".json")
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && *update {
			writeGolden(t, path, data)
		} else if err != nil {
			t.Errorf("golden %s: %v (-update writes it)", name, err)
		}
	}
	for _, kind := range events.Types() {
		name := strings.TrimPrefix(string(kind), "tapedeck.v1.")
		data, ok := all[name]
		if !ok || data.EventType() != kind {
			t.Errorf("no value for %s", kind)
		}
	}
}

func writeGolden(t *testing.T, path string, data events.Data) {
	t.Helper()
	msg, err := events.Encode(events.New("tapedeck/test", clock(3), data))
	if err != nil {
		t.Fatal(err)
	}
	g := golden{Subject: msg.Subject, Headers: map[string]string{}, Body: msg.Data}
	for name := range msg.Header {
		g.Headers[name] = msg.Header.Get(name)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := errors.Join(encoder.Encode(g), os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func readGolden(t testing.TB, path string) (subject string, header nats.Header, body []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	header = nats.Header{}
	for name, value := range g.Headers {
		header.Set(name, value)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, g.Body); err != nil {
		t.Fatal(err)
	}
	return g.Subject, header, compact.Bytes()
}

// What was written once must mean the same for ever, and be written the same.
func TestGoldensKeepTheirMeaning(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	if err != nil || len(paths) < len(events.Types()) {
		t.Fatalf("%d golden files, %v", len(paths), err)
	}
	all := values()
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			subject, header, body := readGolden(t, path)
			got, err := events.Decode(subject, header, body)
			if err != nil {
				t.Fatal(err)
			}
			want := events.New("tapedeck/test", clock(3), all[strings.TrimSuffix(filepath.Base(path), ".json")])
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			msg, err := events.Encode(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(body), string(msg.Data)); diff != "" {
				t.Errorf("body encoded again (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(header, msg.Header); diff != "" {
				t.Errorf("headers encoded again (-want +got):\n%s", diff)
			}
			if msg.Subject != subject {
				t.Errorf("subject %s, want %s", msg.Subject, subject)
			}
		})
	}
}
