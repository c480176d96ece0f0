// Package measure says what came of a backtest: its trades, its metrics and the
// course of its equity, and the formulas that make one of the other. It knows
// nothing of strategies and prices, so that whoever shows a backtest (the API,
// a command) can pool recorded ones without analysing. It is pure, and nothing
// in it is ever NaN or infinite: what cannot be said is nil.
package measure

import "time"

// The sides of a trade.
const (
	Long  = "long"  // bought, then sold
	Short = "short" // sold, then bought back
)

// Why a trade ended.
const (
	ReasonStop        = "stop"          // the stop was reached, or opened beyond
	ReasonTarget      = "target"        // the target was reached, or opened beyond
	ReasonOpposite    = "opposite"      // the verdict turned to the other side the day before
	ReasonMaxBars     = "max_bars"      // held for the strategy's MaxBars
	ReasonRuin        = "ruin"          // a short's loss had eaten the capital at the close
	ReasonEndOfWindow = "end_of_window" // still open at the last close of the window
)

// A Trade is one position from its entry to its exit. Prices are as filled,
// slippage included; amounts are in the currency of the ticker.
type Trade struct {
	Side       string    `json:"side"`        // Long or Short
	SignalDay  time.Time `json:"signal_day"`  // the session whose verdict asked for it
	EntryDay   time.Time `json:"entry_day"`   // the session after it on which anything was traded
	ExitDay    time.Time `json:"exit_day"`    // EntryDay or later
	Verdict    string    `json:"verdict"`     // on SignalDay
	Score      float64   `json:"score"`       // on SignalDay, -1..1
	EntryPrice float64   `json:"entry_price"` // the open of EntryDay with slippage
	ExitPrice  float64   `json:"exit_price"`  // with slippage
	Stop       float64   `json:"stop"`        // as planned on SignalDay
	Target     float64   `json:"target"`      // as planned on SignalDay
	Size       int64     `json:"size"`        // whole shares, at least 1
	Reason     string    `json:"reason"`      // why it ended, a Reason constant
	Gap        bool      `json:"gap"`         // it ended at an open beyond its stop or target
	BarsHeld   int       `json:"bars_held"`   // closes between entry and exit; 0 if both are on one day
	Risk       float64   `json:"risk"`        // what the plan risked: Size x |planned entry - Stop|, above 0
	Gross      float64   `json:"gross"`       // before Costs, after slippage
	Costs      float64   `json:"costs"`       // commission and taxes of both sides, >= 0
	Slippage   float64   `json:"slippage"`    // what slippage took in both fills, >= 0; already in Gross
	PnL        float64   `json:"pnl"`         // Gross - Costs
	// ReturnPercent is PnL in percent of what was put in, Size x EntryPrice.
	ReturnPercent float64 `json:"return_percent"`
	// R is PnL / Risk, the R-multiple (Van Tharp, Trade Your Way to Financial
	// Freedom, 2nd ed., ch. 7), of the risk that was planned.
	R float64 `json:"r"`
}

// Value returns what the trade moved: Size x (EntryPrice + ExitPrice).
func (t Trade) Value() float64 { return float64(t.Size) * (t.EntryPrice + t.ExitPrice) }

// Verdicts counts sessions by the verdict on them.
type Verdicts struct {
	StrongBuy  int `json:"strong_buy"`
	Buy        int `json:"buy"`
	Hold       int `json:"hold"`
	Sell       int `json:"sell"`
	StrongSell int `json:"strong_sell"`
}

// Skipped counts the sessions whose verdict asked for a trade, on a side that
// the strategy trades and while there was no position, and that had none.
type Skipped struct {
	NoPlan          int `json:"no_plan"`           // no order with stop and target exists at that price
	Size            int `json:"size"`              // the capital allows no whole share
	Cooldown        int `json:"cooldown"`          // too soon after a losing trade
	GapBeyondStop   int `json:"gap_beyond_stop"`   // the next open was at or beyond the stop
	GapBeyondTarget int `json:"gap_beyond_target"` // the next fill would have been at or beyond the target
	Ruined          int `json:"ruined"`            // the capital was lost
	EndOfWindow     int `json:"end_of_window"`     // there was no next session with a trade in the window
}

// Sum returns how many there were.
func (s Skipped) Sum() int {
	return s.NoPlan + s.Size + s.Cooldown + s.GapBeyondStop + s.GapBeyondTarget + s.Ruined + s.EndOfWindow
}

// Days says what became of the sessions of a window.
type Days struct {
	Sessions int `json:"sessions"`  // bars within the window
	NoSignal int `json:"no_signal"` // of them, with too few bars up to them for the strategy
	// Analyzed are those with a signal that was asked for: all others, but those
	// in a position that a strategy with exit "levels" holds whatever the verdict.
	Analyzed int      `json:"analyzed"`
	Partial  int      `json:"partial"`   // of Analyzed, with a coverage below 1
	InMarket int      `json:"in_market"` // with a position after the open
	Verdicts Verdicts `json:"verdicts"`  // of Analyzed
	Skipped  Skipped  `json:"skipped"`   // trades that were asked for and not made
}

// Trading are the figures of a number of trades. Amounts are in the currency of
// the ticker; in a portfolio, in percent of each ticker's own starting capital.
type Trading struct {
	Trades int `json:"trades"`
	Wins   int `json:"wins"`   // with a PnL above 0
	Losses int `json:"losses"` // with a PnL below 0
	Shorts int `json:"shorts"` // of Trades

	Won      float64 `json:"won"`      // sum of the PnL of the wins, >= 0
	Lost     float64 `json:"lost"`     // sum of the PnL of the losses, as a positive amount
	Costs    float64 `json:"costs"`    // commission and taxes paid
	Slippage float64 `json:"slippage"` // lost to slippage
	Traded   float64 `json:"traded"`   // turnover: sum of the values of all entries and exits

	WinRatePercent *float64 `json:"win_rate_percent"` // Wins / Trades; nil without trades
	ProfitFactor   *float64 `json:"profit_factor"`    // Won / Lost; nil without a loss
	Expectancy     *float64 `json:"expectancy"`       // mean PnL of a trade; nil without trades
	AverageWin     *float64 `json:"average_win"`      // nil without a win
	AverageLoss    *float64 `json:"average_loss"`     // below 0; nil without a loss
	// ExpectancyPercent, ExpectancyR and AverageBarsHeld are the means of
	// ReturnPercent, R and BarsHeld; nil without trades.
	ExpectancyPercent *float64 `json:"expectancy_percent"`
	ExpectancyR       *float64 `json:"expectancy_r"`
	AverageBarsHeld   *float64 `json:"average_bars_held"`
}

// Growth says what became of a capital, by its value at each session's close.
type Growth struct {
	ReturnPercent float64 `json:"return_percent"` // final value over capital, less 1
	// CAGRPercent is the yearly return that compounds to ReturnPercent; nil when
	// the window is shorter than a year (see CAGR).
	CAGRPercent *float64 `json:"cagr_percent"`
	Sharpe      *float64 `json:"sharpe"` // see Sharpe; nil when the value never changed
	// MaxDrawdownPercent is the deepest fall from an earlier high, close to close,
	// 0..100 (above 100 only when a short lost more than there was).
	MaxDrawdownPercent float64 `json:"max_drawdown_percent"`
	// DrawdownFrom and DrawdownTo are the sessions of that high and of the low
	// after it; both the zero time when the value never fell.
	DrawdownFrom time.Time `json:"drawdown_from"`
	DrawdownTo   time.Time `json:"drawdown_to"`
}

// Metrics are the figures of one ticker's backtest, with its own capital.
type Metrics struct {
	Capital         float64 `json:"capital"`          // at the start
	FinalEquity     float64 `json:"final_equity"`     // Capital + the PnL of every trade
	ExposurePercent float64 `json:"exposure_percent"` // share of the sessions in a position: Days.InMarket / Days.Sessions
	Days            Days    `json:"days"`
	Trading         Trading `json:"trading"`
	Growth          Growth  `json:"growth"`
	// Hold is what the same capital had become if it had bought, in full and at
	// the same costs and slippage, at the first open of the window and sold at
	// its last close.
	Hold Growth `json:"hold"`
}

// Untradable reports whether verdicts asked for trades and none could be made:
// not one share was within the capital's limits, or no order was possible at the
// price. The ticker's return of 0 is then no result of the strategy.
func (m Metrics) Untradable() bool {
	return m.Trading.Trades == 0 && m.Days.Skipped.Size+m.Days.Skipped.NoPlan > 0
}
