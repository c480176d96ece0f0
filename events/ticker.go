package events

import "time"

// A Verdict is what a strategy says of a ticker.
type Verdict string

// The verdicts, from the highest score to the lowest.
const (
	StrongBuy  Verdict = "Strong Buy"
	Buy        Verdict = "Buy"
	Hold       Verdict = "Hold"
	Sell       Verdict = "Sell"
	StrongSell Verdict = "Strong Sell"
)

// TickerAnalyzed is the outcome of a ticker that could be analysed.
type TickerAnalyzed struct {
	JobID        string    `json:"job_id"`
	Ticker       string    `json:"ticker"`
	Kind         Kind      `json:"kind"`
	StrategyName string    `json:"strategy_name"`
	StrategyHash string    `json:"strategy_hash"`
	Attempts     int       `json:"attempts"`     // deliveries of the work item, from 1
	StartedAt    time.Time `json:"started_at"`   // the analyzer's clock
	CompletedAt  time.Time `json:"completed_at"` // the analyzer's clock
	Analyzer     string    `json:"analyzer"`     // name of the process
	Report       Report    `json:"report"`
}

// TickerFailed is the outcome of a ticker that could not be analysed.
type TickerFailed struct {
	JobID       string      `json:"job_id"`
	Ticker      string      `json:"ticker"`
	Kind        Kind        `json:"kind"`
	Code        FailureCode `json:"code"`
	Message     string      `json:"message"`  // what was wrong and where, for people
	Attempts    int         `json:"attempts"` // deliveries of the work item; 0 when none was made
	StartedAt   time.Time   `json:"started_at"`
	CompletedAt time.Time   `json:"completed_at"`
	Analyzer    string      `json:"analyzer"` // name of the process that gave up
}

// A Report is what an analysis found. Numbers that the series was too short
// for are null. Days are dates of the exchange, "2006-01-02".
type Report struct {
	TradingDay string      `json:"trading_day"` // date of the last complete bar
	Verdict    Verdict     `json:"verdict"`
	Score      float64     `json:"score"`    // -1 (sell) .. +1 (buy)
	Coverage   float64     `json:"coverage"` // share of the strategy's weight that had enough bars, 0..1
	Regime     string      `json:"regime"`   // trending, weak_trend, choppy, or unknown with too few bars or a price that goes neither up nor down
	Warnings   []string    `json:"warnings"`
	Plan       Plan        `json:"plan"`
	Numbers    Numbers     `json:"numbers"`
	Indicators []Indicator `json:"indicators"`
	Lineage    Lineage     `json:"lineage"`
}

// A Plan is the trade that the verdict suggests. For Hold, Side is "none",
// Size 0 and the levels are to watch, not an order.
type Plan struct {
	Side        string   `json:"side"` // buy, sell or none
	Entry       float64  `json:"entry"`
	Stop        float64  `json:"stop"`
	Target      float64  `json:"target"`
	RiskReward  float64  `json:"risk_reward"` // |target-entry| / |entry-stop|
	Size        int64    `json:"size"`        // whole shares
	RiskAmount  float64  `json:"risk_amount"` // lost if the stop is hit
	Value       float64  `json:"value"`       // size x entry
	Adjustments []string `json:"adjustments"` // each change that was made to the first levels
}

// Numbers are the figures of the last bar by which screens filter and sort.
type Numbers struct {
	Close         *float64 `json:"close"`
	PreviousClose *float64 `json:"previous_close"`
	ChangePercent *float64 `json:"change_percent"`
	Volume        *float64 `json:"volume"`
	VolumeRatio20 *float64 `json:"volume_ratio20"` // volume / mean volume of the 20 bars before
	RSI14         *float64 `json:"rsi14"`
	MACD          *float64 `json:"macd"`
	MACDSignal    *float64 `json:"macd_signal"`
	MACDHist      *float64 `json:"macd_hist"`
	ADX14         *float64 `json:"adx14"`
	ATR14         *float64 `json:"atr14"`
	ATRPercent    *float64 `json:"atr_percent"`
	SMA20         *float64 `json:"sma20"`
	SMA50         *float64 `json:"sma50"`
	SMA200        *float64 `json:"sma200"`
	EMA20         *float64 `json:"ema20"`
	EMA50         *float64 `json:"ema50"`
	EMA200        *float64 `json:"ema200"`
	BBUpper       *float64 `json:"bb_upper"`
	BBLower       *float64 `json:"bb_lower"`
	StochK        *float64 `json:"stoch_k"`
	CCI20         *float64 `json:"cci20"`
	MFI14         *float64 `json:"mfi14"`
	High52w       *float64 `json:"high_52w"`
	Low52w        *float64 `json:"low_52w"`
}

// An Indicator is one voice in the score.
type Indicator struct {
	Name           string             `json:"name"`
	Category       string             `json:"category"`            // trend, momentum, volatility or volume
	Available      bool               `json:"available"`           // there were enough bars
	NeedBars       int                `json:"need_bars,omitempty"` // bars until its first value; 0: an older program did not say
	Values         map[string]float64 `json:"values"`              // its figures at the last bar, by name
	Vote           int                `json:"vote"`                // -1, 0 or +1
	Certainty      float64            `json:"certainty"`           // 0..1, for display, never scored
	Weight         float64            `json:"weight"`              // 0..1, from the indicator, scored
	StrategyWeight float64            `json:"strategy_weight"`
	Contribution   float64            `json:"contribution"` // to the score
	Note           string             `json:"note,omitempty"`
}

// Lineage says which data a report was made from.
type Lineage struct {
	Provider   string   `json:"provider"`
	Synthetic  bool     `json:"synthetic"`
	Adjustment string   `json:"adjustment"`
	Currency   string   `json:"currency"`
	Bars       int      `json:"bars"`
	FirstBar   string   `json:"first_bar"`
	LastBar    string   `json:"last_bar"`
	Warnings   []string `json:"warnings"`
	Notes      []string `json:"notes,omitempty"` // what was done to get the bars, in order: splits taken out, providers asked first
}

// EventType implements Data.
func (*TickerAnalyzed) EventType() Type { return TypeTickerAnalyzed }

// EventType implements Data.
func (*TickerFailed) EventType() Type { return TypeTickerFailed }

// NATSSubject implements Data.
func (e *TickerAnalyzed) NATSSubject() string { return TickerSubject(e.JobID, e.Ticker, "analyzed") }

// NATSSubject implements Data.
func (e *TickerFailed) NATSSubject() string { return TickerSubject(e.JobID, e.Ticker, "failed") }

// Job implements Data.
func (e *TickerAnalyzed) Job() string { return e.JobID }

// Job implements Data.
func (e *TickerFailed) Job() string { return e.JobID }
