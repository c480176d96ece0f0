package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// A Backtest is what a backtest of one ticker found, without its curve and
// trades: written once, the key is (JobID, Ticker), Seq is unique.
type Backtest struct {
	JobID         string
	Ticker        string
	Seq           uint64
	RecordedAt    time.Time // the tape's time of TickerBacktested
	Origin        events.Origin
	StrategyName  string
	StrategyHash  string
	FirstDay      string // 2006-01-02
	LastDay       string
	Metrics       events.BacktestMetrics
	TradesLeftOut int
	Warnings      []string
	Lineage       events.Lineage
	Attempts      int
	StartedAt     time.Time
	CompletedAt   time.Time
}

// A BacktestRow is a Backtest as it is written, with the bulky parts packed:
// zstd of JSON, the same bytes in both databases.
type BacktestRow struct {
	Backtest
	Packed PackedBacktest
}

// A PackedBacktest is the packed parts of a backtest.
type PackedBacktest struct {
	Metrics []byte // of events.BacktestMetrics
	Curve   []byte // of events.Curve
	Trades  []byte // of []events.Trade
}

// PackBacktest packs a report's metrics, curve and trades. The same report
// gives the same bytes.
func PackBacktest(report *events.BacktestReport) (p PackedBacktest, err error) {
	trades := report.Trades
	if trades == nil {
		trades = []events.Trade{}
	}
	for _, part := range []struct {
		into *[]byte
		of   any
	}{{&p.Metrics, report.Metrics}, {&p.Curve, report.Curve}, {&p.Trades, trades}} {
		if *part.into, err = pack(part.of); err != nil {
			return p, fmt.Errorf("packing a backtest: %w", err)
		}
	}
	return p, nil
}

// Unpack reads a packed part of a backtest into value.
func Unpack(data []byte, value any) error {
	text, err := unpack(data)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, value); err != nil {
		return fmt.Errorf("decoding a packed column: %w", err)
	}
	return nil
}

// A BacktestWhole is a backtest with its curve and trades.
type BacktestWhole struct {
	Backtest
	Curve  events.Curve
	Trades []events.Trade
}

// A BacktestCurve is what the equal-weight sum of a job's backtests is made from.
type BacktestCurve struct {
	Ticker  string
	Metrics events.BacktestMetrics
	Curve   events.Curve
}

// BacktestsQuery asks for the backtests of a job, best return first
// (return desc, ticker).
type BacktestsQuery struct {
	JobID string
	After Cursor
	Limit int // 1..MaxPage
}

// BacktestReader serves the reads of backtests. As in Reader, each method
// reads one snapshot and is safe for concurrent use.
type BacktestReader interface {
	// Backtests lists a job's backtests; ErrNotFound if there is no such job.
	Backtests(ctx context.Context, q BacktestsQuery) (Page[Backtest], error)
	// Backtest returns one with everything; ErrNotFound.
	Backtest(ctx context.Context, jobID, ticker string) (whole BacktestWhole, asOf uint64, err error)
	// Curves gives the curve of each of a job's backtests to yield, in the
	// order of tickers. An error of yield ends it and is returned.
	Curves(ctx context.Context, jobID string, yield func(BacktestCurve) error) (asOf uint64, err error)
}

// BacktestsTable holds BacktestRow, in the order of BacktestValues.
func BacktestsTable() Table {
	return Table{"backtests", columns(`seq:int job_id ticker recorded_at:int origin strategy_name
		strategy_hash first_day last_day sessions:int capital:float final_equity:float
		exposure_percent:float trades:int win_rate_percent:float? profit_factor:float?
		expectancy:float? return_percent:float cagr_percent:float? sharpe:float?
		max_drawdown_percent:float hold_return_percent:float hold_cagr_percent:float?
		hold_sharpe:float? hold_max_drawdown_percent:float warnings attempts:int
		started_at:int? completed_at:int? provider synthetic:int adjustment currency bars:int
		first_bar last_bar data_warnings data_notes trades_left_out:int metrics:packed
		curve:packed trade_list:packed`), []string{"job_id", "ticker"}}
}

// BacktestValues appends the values of BacktestsTable's columns.
func BacktestValues(dst []any, b *BacktestRow) []any {
	m, l := &b.Metrics, &b.Lineage
	dst = append(dst, int64(b.Seq), b.JobID, b.Ticker, b.RecordedAt.UnixMilli(), string(b.Origin),
		b.StrategyName, b.StrategyHash, b.FirstDay, b.LastDay, int64(m.Days.Sessions),
		plain(m.Capital), plain(m.FinalEquity), plain(m.ExposurePercent), int64(m.Trading.Trades),
		maybe(m.Trading.WinRatePercent), maybe(m.Trading.ProfitFactor), maybe(m.Trading.Expectancy),
		plain(m.Growth.ReturnPercent), maybe(m.Growth.CAGRPercent), maybe(m.Growth.Sharpe),
		plain(m.Growth.MaxDrawdownPercent), plain(m.Hold.ReturnPercent), maybe(m.Hold.CAGRPercent),
		maybe(m.Hold.Sharpe), plain(m.Hold.MaxDrawdownPercent), list(b.Warnings), int64(b.Attempts),
		Millis(b.StartedAt), Millis(b.CompletedAt))
	return append(dst, l.Provider, flag(l.Synthetic), l.Adjustment, l.Currency, int64(l.Bars), l.FirstBar,
		l.LastBar, list(l.Warnings), list(l.Notes), int64(b.TradesLeftOut),
		notNil(b.Packed.Metrics), notNil(b.Packed.Curve), notNil(b.Packed.Trades))
}

// maybe is a number that may be absent.
func maybe(f *float64) any {
	if f == nil {
		return nil
	}
	return plain(*f)
}

func flag(set bool) int64 {
	if set {
		return 1
	}
	return 0
}
