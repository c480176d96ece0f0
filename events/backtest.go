package events

import "time"

// A Backtest is what a job of kind backtest asks besides what an analysis
// does. Days are dates of the exchange, "2006-01-02".
type Backtest struct {
	From            string  `json:"from"`             // first day of the window
	To              string  `json:"to"`               // last day of the window, not before From
	CostPercent     float64 `json:"cost_percent"`     // of the value of each fill, per side: commission and taxes
	SlippagePercent float64 `json:"slippage_percent"` // by which each fill is worse than its price, per side
}

// TickerBacktested is the outcome of a ticker over whose bars the strategy
// could be traded.
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
// job's whole capital for itself. Amounts are in the currency of the exchange;
// what has no value, such as the win rate of no trades, is null.
type BacktestReport struct {
	FirstDay      string          `json:"first_day"` // date of the first bar within the window
	LastDay       string          `json:"last_day"`  // date of its last bar
	Metrics       BacktestMetrics `json:"metrics"`
	Trades        []Trade         `json:"trades"`          // in the order of their entries; the first MaxTrades
	TradesLeftOut int             `json:"trades_left_out"` // those beyond MaxTrades: in the metrics, not in the list
	Curve         Curve           `json:"curve"`
	Warnings      []string        `json:"warnings"` // what to know about the figures, for people
	Lineage       Lineage         `json:"lineage"`  // of the bars of the window and those before it that signals saw
}

// MaxTrades is the most trades that a BacktestReport lists: with the curve of
// twenty years they stay within MaxBodyBytes. A strategy that is in and out
// within three sessions reaches it in fourteen years.
const MaxTrades = 1200

// BacktestMetrics are the figures of one ticker's backtest.
type BacktestMetrics struct {
	Capital         float64 `json:"capital"`          // at the start
	FinalEquity     float64 `json:"final_equity"`     // the capital and the profit of every trade
	ExposurePercent float64 `json:"exposure_percent"` // share of the sessions in a position
	Days            Days    `json:"days"`
	Trading         Trading `json:"trading"`
	Growth          Growth  `json:"growth"`
	Hold            Growth  `json:"hold"` // of buying in full at the first open and selling at the last close, at the same costs
}

// Days say what became of the sessions of a window.
type Days struct {
	Sessions int      `json:"sessions"`  // bars within the window
	NoSignal int      `json:"no_signal"` // with too few bars up to them for the strategy
	Analyzed int      `json:"analyzed"`  // whose verdict was asked for
	Partial  int      `json:"partial"`   // of those, with a coverage below 1
	InMarket int      `json:"in_market"` // with a position after the open
	Verdicts Verdicts `json:"verdicts"`
	Skipped  Skipped  `json:"skipped"`
}

// Verdicts count sessions by the verdict on them.
type Verdicts struct {
	StrongBuy  int `json:"strong_buy"`
	Buy        int `json:"buy"`
	Hold       int `json:"hold"`
	Sell       int `json:"sell"`
	StrongSell int `json:"strong_sell"`
}

// Skipped counts the verdicts that asked for a trade that was not made, by why.
type Skipped struct {
	NoPlan          int `json:"no_plan"`           // no order with stop and target exists at that price
	Size            int `json:"size"`              // the capital allows no whole share
	Cooldown        int `json:"cooldown"`          // too soon after a losing trade
	GapBeyondStop   int `json:"gap_beyond_stop"`   // the next open was at or beyond the stop
	GapBeyondTarget int `json:"gap_beyond_target"` // the next fill would have been at or beyond the target
	Ruined          int `json:"ruined"`            // the capital was lost
	EndOfWindow     int `json:"end_of_window"`     // there was no next session
}

// Trading are the figures of the trades. Means and ratios of nothing are null.
type Trading struct {
	Trades            int      `json:"trades"`
	Wins              int      `json:"wins"`     // with a profit above 0
	Losses            int      `json:"losses"`   // with a profit below 0
	Shorts            int      `json:"shorts"`   // of the trades
	Won               float64  `json:"won"`      // sum of the profits
	Lost              float64  `json:"lost"`     // sum of the losses, as a positive amount
	Costs             float64  `json:"costs"`    // paid
	Slippage          float64  `json:"slippage"` // lost to slippage, in won and lost already
	Traded            float64  `json:"traded"`   // sum of the values of all entries and exits
	WinRatePercent    *float64 `json:"win_rate_percent"`
	ProfitFactor      *float64 `json:"profit_factor"` // won / lost; null without a loss
	Expectancy        *float64 `json:"expectancy"`    // mean profit of a trade
	AverageWin        *float64 `json:"average_win"`
	AverageLoss       *float64 `json:"average_loss"`       // below 0
	ExpectancyPercent *float64 `json:"expectancy_percent"` // mean return of a trade
	ExpectancyR       *float64 `json:"expectancy_r"`       // mean profit in units of the planned risk
	AverageBarsHeld   *float64 `json:"average_bars_held"`
}

// Growth says what became of a capital, by its value at each close.
type Growth struct {
	ReturnPercent      float64  `json:"return_percent"`
	CAGRPercent        *float64 `json:"cagr_percent"`            // compound yearly return; null for a window below a year
	Sharpe             *float64 `json:"sharpe"`                  // annual, of daily returns, without a riskless rate; null if they do not differ
	MaxDrawdownPercent float64  `json:"max_drawdown_percent"`    // deepest fall from an earlier high
	DrawdownFrom       string   `json:"drawdown_from,omitempty"` // day of that high; absent if the value never fell
	DrawdownTo         string   `json:"drawdown_to,omitempty"`   // day of the low after it
}

// A Trade is one position from its entry to its exit. Prices are as filled,
// slippage included.
type Trade struct {
	Side          string  `json:"side"`       // long or short
	SignalDay     string  `json:"signal_day"` // the session whose verdict asked for it
	EntryDay      string  `json:"entry_day"`  // the session after it
	ExitDay       string  `json:"exit_day"`
	Verdict       Verdict `json:"verdict"`     // on SignalDay
	Score         float64 `json:"score"`       // on SignalDay
	EntryPrice    float64 `json:"entry_price"` // the open of EntryDay with slippage
	ExitPrice     float64 `json:"exit_price"`
	Stop          float64 `json:"stop"`      // as planned on SignalDay
	Target        float64 `json:"target"`    // as planned on SignalDay
	Size          int64   `json:"size"`      // whole shares
	Reason        string  `json:"reason"`    // stop, target, opposite, max_bars, ruin or end_of_window
	Gap           bool    `json:"gap"`       // it ended at an open beyond its stop or target
	BarsHeld      int     `json:"bars_held"` // closes between entry and exit
	Risk          float64 `json:"risk"`      // what the plan risked
	Gross         float64 `json:"gross"`     // before costs, after slippage
	Costs         float64 `json:"costs"`     // of both sides
	Slippage      float64 `json:"slippage"`  // of both fills, in Gross already
	PnL           float64 `json:"pnl"`       // Gross less Costs
	ReturnPercent float64 `json:"return_percent"`
	R             float64 `json:"r"` // PnL in units of Risk
}

// A Curve is the value of the account at the close of each session of the
// window, in units of the capital: 1.05 is 5 % above. Rounded to 1e-6.
type Curve struct {
	First  string    `json:"first"`  // the first session
	Steps  []int     `json:"steps"`  // calendar days from the session before, for each after the first
	Equity []float64 `json:"equity"` // of the strategy, one for each session
	Hold   []float64 `json:"hold"`   // of buying and holding, one for each session
}

// EventType implements Data.
func (*TickerBacktested) EventType() Type { return TypeTickerBacktested }

// NATSSubject implements Data.
func (e *TickerBacktested) NATSSubject() string {
	return TickerSubject(e.JobID, e.Ticker, "backtested")
}

// Job implements Data.
func (e *TickerBacktested) Job() string { return e.JobID }
