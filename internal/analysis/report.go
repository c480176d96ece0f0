package analysis

import (
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

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

// The regimes, by the strategy's ADX.
const (
	RegimeTrending  = "trending"   // 25 and above
	RegimeWeakTrend = "weak_trend" // 20 to 25
	RegimeChoppy    = "choppy"     // below 20
	RegimeUnknown   = "unknown"    // too few bars for the ADX, or a price that goes neither up nor down
)

// A Report is what an analysis found. No float in it is NaN or infinite, and no
// slice or map is nil.
type Report struct {
	Ticker     string      `json:"ticker"`
	TradingDay time.Time   `json:"trading_day"` // date of the last bar, midnight UTC
	Verdict    Verdict     `json:"verdict"`
	Score      float64     `json:"score"`      // -1 (sell) .. +1 (buy), not rounded
	Coverage   float64     `json:"coverage"`   // share of the strategy's weight whose indicators had enough bars, 0..1
	Conviction float64     `json:"conviction"` // share of the strategy's whole weight that votes, 0..1; see strategy.Quorum
	Regime     string      `json:"regime"`     // a Regime constant
	Warnings   []string    `json:"warnings"`   // contradictions, a missed quorum, gaps in coverage, an impossible plan
	Plan       Plan        `json:"plan"`
	Numbers    Numbers     `json:"numbers"`
	Indicators []Indicator `json:"indicators"` // always all thirteen, in a fixed order
	Lineage    Lineage     `json:"lineage"`
}

// An Indicator is one voice in the score.
type Indicator struct {
	Name      string             `json:"name"`
	Category  string             `json:"category"`  // trend, momentum, volatility or volume
	Available bool               `json:"available"` // there were at least NeedBars bars
	NeedBars  int                `json:"need_bars"` // bars until its first value
	Values    map[string]float64 `json:"values"`    // its figures at the last bar, by name; empty if not available
	Vote      int                `json:"vote"`      // -1 sell, 0 neutral, +1 buy
	// Weight is how strong the signal is, 0..1, and what is scored. It goes to 0
	// where the vote becomes neutral, so a neutral voice neither pulls nor dilutes.
	Weight float64 `json:"weight"`
	// Certainty is how clear the reading is, 0..1, also of a neutral one. It is
	// displayed, never scored.
	Certainty      float64 `json:"certainty"`
	StrategyWeight float64 `json:"strategy_weight"` // the indicator's weight x its category's
	Contribution   float64 `json:"contribution"`    // to the score; all of them add up to it, but for their rounding
	Note           string  `json:"note"`            // the reading in words, or why there is none
}

// The sides of a plan.
const (
	SideBuy  = "buy"
	SideSell = "sell"
	SideNone = "none"
)

// A Plan is the trade that the verdict suggests. Each price is a multiple of the
// exchange's tick at that price. For buy Stop < Entry < Target, for sell Target < Entry < Stop.
// For none, which Hold and an order that cannot be placed get, Size is 0 and the
// levels, Stop < Entry < Target, are to watch, not an order.
type Plan struct {
	Side        string   `json:"side"`  // SideBuy, SideSell or SideNone
	Entry       float64  `json:"entry"` // the last close
	Stop        float64  `json:"stop"`
	Target      float64  `json:"target"`
	RiskReward  float64  `json:"risk_reward"` // |Target-Entry| / |Entry-Stop| of the levels as they stand here
	Size        int64    `json:"size"`        // whole shares
	RiskAmount  float64  `json:"risk_amount"` // lost if the stop is hit: Size x |Entry-Stop|
	Value       float64  `json:"value"`       // Size x Entry
	Adjustments []string `json:"adjustments"` // each change that was made to the strategy's first levels
}

// Numbers are the figures of the last bar by which screens filter and sort,
// with these periods whatever the strategy's are; nil when there are too few
// bars. Definitions are those of package indicator.
type Numbers struct {
	Close         *float64 `json:"close"`
	PreviousClose *float64 `json:"previous_close"`
	ChangePercent *float64 `json:"change_percent"`
	Volume        *float64 `json:"volume"`
	VolumeRatio20 *float64 `json:"volume_ratio20"` // volume / mean volume of the 20 bars before; nil if that is 0
	RSI14         *float64 `json:"rsi14"`
	MACD          *float64 `json:"macd"` // 12, 26, 9
	MACDSignal    *float64 `json:"macd_signal"`
	MACDHist      *float64 `json:"macd_hist"`
	ADX14         *float64 `json:"adx14"`
	ATR14         *float64 `json:"atr14"`
	ATRPercent    *float64 `json:"atr_percent"` // ATR14 in percent of the close
	SMA20         *float64 `json:"sma20"`
	SMA50         *float64 `json:"sma50"`
	SMA200        *float64 `json:"sma200"`
	EMA20         *float64 `json:"ema20"`
	EMA50         *float64 `json:"ema50"`
	EMA200        *float64 `json:"ema200"`
	BBUpper       *float64 `json:"bb_upper"` // 20, 2
	BBLower       *float64 `json:"bb_lower"`
	StochK        *float64 `json:"stoch_k"` // 14, 3, 3
	CCI20         *float64 `json:"cci20"`
	MFI14         *float64 `json:"mfi14"`
	High52w       *float64 `json:"high_52w"` // of the year up to the last bar; nil if the series is younger
	Low52w        *float64 `json:"low_52w"`
}

// Lineage says which data a report was made from.
type Lineage struct {
	Provider   string            `json:"provider"`
	Synthetic  bool              `json:"synthetic"` // generated, not observed: shown wherever the report is
	Adjustment market.Adjustment `json:"adjustment"`
	Currency   string            `json:"currency"` // ISO 4217: the provider's, else the exchange's, else empty
	Bars       int               `json:"bars"`
	FirstBar   time.Time         `json:"first_bar"`
	LastBar    time.Time         `json:"last_bar"`
	Warnings   []string          `json:"warnings"` // the provider's
	Notes      []string          `json:"notes"`    // what was done to get the bars, in order
}

// LineageOf describes a series of at least one bar; the lineage shares no
// memory with it.
func LineageOf(series market.Series) Lineage {
	l := Lineage{
		Provider:   series.Provider,
		Synthetic:  series.Synthetic,
		Adjustment: series.Adjustment,
		Currency:   series.Currency,
		Bars:       len(series.Bars),
		FirstBar:   series.Bars[0].Date,
		LastBar:    series.Bars[len(series.Bars)-1].Date,
		Warnings:   append([]string{}, series.Warnings...),
		Notes:      append([]string{}, series.Notes...),
	}
	if l.Currency == "" {
		l.Currency = ticker.ExchangeOf(series.Ticker).Currency
	}
	return l
}
