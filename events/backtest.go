package events

import "time"

// A Backtest is what a job of kind backtest asks besides what an analysis
// does. Days are dates of the exchange, "2006-01-02".
type Backtest struct {
	From            string  `json:"from"`             // first day of the window
	To              string  `json:"to"`               // last day of the window, not before From
	CostPercent     float64 `json:"cost_percent"`     // of the value of each fill, per side: commission, taxes, fees
	SlippagePercent float64 `json:"slippage_percent"` // by which each fill is worse than its price, per side
}

// TickerBacktested is the outcome of a ticker over whose bars the strategy
// could be played.
type TickerBacktested struct {
	JobID        string         `json:"job_id"`
	Ticker       string         `json:"ticker"`
	Kind         Kind           `json:"kind"`
	StrategyName string         `json:"strategy_name"`
	StrategyHash string         `json:"strategy_hash"`
	Attempts     int            `json:"attempts"`     // deliveries of the work item, from 1
	StartedAt    time.Time      `json:"started_at"`   // the analyzer's clock
	CompletedAt  time.Time      `json:"completed_at"` // the analyzer's clock
	Analyzer     string         `json:"analyzer"`     // name of the process
	Report       BacktestReport `json:"report"`
}

// A BacktestReport is what a backtest of one ticker found. Each ticker has the
// job's whole capital for itself. Amounts are in the currency of the exchange.
type BacktestReport struct {
	FirstDay      string          `json:"first_day"`    // date of the first bar of the window
	LastDay       string          `json:"last_day"`     // date of its last bar
	Bars          int             `json:"bars"`         // bars of the window
	WarmUpBars    int             `json:"warm_up_bars"` // bars before the window, which only the signals saw
	Capital       float64         `json:"capital"`      // at the beginning
	FinalEquity   float64         `json:"final_equity"` // at the close of the last bar, positions closed
	Metrics       BacktestMetrics `json:"metrics"`
	BuyAndHold    Benchmark       `json:"buy_and_hold"`
	Trades        []Trade         `json:"trades"`          // in the order of their exits; at most MaxTrades
	TradesLeftOut int             `json:"trades_left_out"` // those beyond MaxTrades: in the metrics, not in the list
	Curve         Curve           `json:"curve"`
	Warnings      []string        `json:"warnings"` // what to know about the result, for people
	Lineage       Lineage         `json:"lineage"`
}

// BacktestMetrics are the figures of a backtest. What has no value, such as
// the win rate of no trades, is null.
type BacktestMetrics struct {
	Trades             int      `json:"trades"`
	Wins               int      `json:"wins"`                 // trades with a profit above 0, after costs
	Losses             int      `json:"losses"`               // trades with a profit below 0, after costs
	WinRate            *float64 `json:"win_rate"`             // wins / trades, 0..1
	ProfitFactor       *float64 `json:"profit_factor"`        // sum of profits / sum of losses; null without a loss
	Expectancy         *float64 `json:"expectancy"`           // mean profit of a trade, after costs
	TotalReturnPercent float64  `json:"total_return_percent"` // of the capital
	CAGRPercent        *float64 `json:"cagr_percent"`         // compound annual growth; null for a window that is too short
	Sharpe             *float64 `json:"sharpe"`               // annual, of daily returns, without a riskless rate; null if they do not vary
	MaxDrawdownPercent float64  `json:"max_drawdown_percent"` // largest fall of the equity from a high, 0..100
	ExposurePercent    float64  `json:"exposure_percent"`     // share of the window's bars with an open position
	Costs              float64  `json:"costs"`                // paid in all
}

// A Benchmark is what buying at the window's first open and holding would have done.
type Benchmark struct {
	FinalEquity        float64  `json:"final_equity"`
	TotalReturnPercent float64  `json:"total_return_percent"`
	CAGRPercent        *float64 `json:"cagr_percent"`
	Sharpe             *float64 `json:"sharpe"`
	MaxDrawdownPercent float64  `json:"max_drawdown_percent"`
}

// A Trade is one position from its entry to its exit. Prices are those that
// were filled, slippage in them.
type Trade struct {
	Side          string  `json:"side"`       // buy (long) or sell (short)
	SignalDay     string  `json:"signal_day"` // the bar whose verdict it follows; the entry is the next one's open
	EntryDay      string  `json:"entry_day"`
	ExitDay       string  `json:"exit_day"`
	Entry         float64 `json:"entry"`
	Stop          float64 `json:"stop"`   // of the plan, as it stood at the entry
	Target        float64 `json:"target"` // of the plan, as it stood at the entry
	Exit          float64 `json:"exit"`
	ExitReason    string  `json:"exit_reason"` // stop, target, opposite, max_bars, end, ...
	Size          int64   `json:"size"`        // whole shares
	Bars          int     `json:"bars"`        // bars held, the entry's and the exit's counted
	Costs         float64 `json:"costs"`       // of both sides
	Profit        float64 `json:"profit"`      // after costs; below 0 is a loss
	ProfitPercent float64 `json:"profit_percent"`
}

// A Curve is the value of the account at each close of the window: three lists
// of one length. Values are rounded to ten significant digits.
type Curve struct {
	Days       []string  `json:"days"`
	Equity     []float64 `json:"equity"`
	BuyAndHold []float64 `json:"buy_and_hold"`
}

// MaxTrades is the most trades that a BacktestReport lists: at 330 bytes each
// they leave room for the curve of 5,000 bars within MaxBodyBytes. A strategy
// that holds for two bars reaches it in sixteen years.
const MaxTrades = 1500

// EventType implements Data.
func (*TickerBacktested) EventType() Type { return TypeTickerBacktested }

// NATSSubject implements Data.
func (e *TickerBacktested) NATSSubject() string {
	return TickerSubject(e.JobID, e.Ticker, "backtested")
}

// Job implements Data.
func (e *TickerBacktested) Job() string { return e.JobID }
