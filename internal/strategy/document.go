// Package strategy says what a strategy is: a document of data (weights,
// periods, levels, thresholds, risk rules), never code. It parses, completes
// and checks documents, and holds the five that are built in. It is pure.
package strategy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Version is the version of the document format that this package reads.
const Version = 1

// A Document is a whole strategy. Parse fills what is left out with defaults,
// so that nothing downstream has to; the zero value is not valid.
type Document struct {
	// Name identifies the strategy: a-z, 0-9 and _, a letter first, at most
	// MaxName characters. Required.
	Name string `json:"name"`
	// Version is the version of the document's format, 1.
	Version int `json:"version"`
	// Title is the name for people, at most MaxTitle characters; default Name.
	Title string `json:"title"`
	// Description says what the strategy looks for, at most MaxDescription characters.
	Description string `json:"description"`
	// MinBars is the smallest number of bars that may be analysed, 2..5000; default 50.
	MinBars    int        `json:"min_bars"`
	Indicators Indicators `json:"indicators"`
	Categories Categories `json:"categories"`
	Thresholds Thresholds `json:"thresholds"`
	Quorum     Quorum     `json:"quorum"`
	Risk       Risk       `json:"risk"`
	Trade      Trade      `json:"trade"`
}

// Indicators hold the weight (0..10, default 1, of supertrend 0; 0 leaves the
// indicator out of the score), periods and levels of each of the thirteen.
type Indicators struct {
	MACD       MACD       `json:"macd"`
	ADX        ADX        `json:"adx"`
	EMA        EMA        `json:"ema"`
	PSAR       PSAR       `json:"psar"`
	Supertrend Supertrend `json:"supertrend"`
	RSI        Oscillator `json:"rsi"`
	Stochastic Stochastic `json:"stochastic"`
	CCI        Oscillator `json:"cci"`
	Williams   Oscillator `json:"williams"`
	Bollinger  Bollinger  `json:"bollinger"`
	ATR        ATR        `json:"atr"`
	OBV        OBV        `json:"obv"`
	CMF        CMF        `json:"cmf"`
}

// MACD is the moving average convergence/divergence; default 12, 26, 9 bars.
type MACD struct {
	Weight float64 `json:"weight"`
	Fast   int     `json:"fast"`
	Slow   int     `json:"slow"`
	Signal int     `json:"signal"`
}

// ADX is the directional movement; default 14 bars.
type ADX struct {
	Weight float64 `json:"weight"`
	Period int     `json:"period"`
}

// EMA is the crossover of two exponential averages; default 50 and 200 bars.
type EMA struct {
	Weight float64 `json:"weight"`
	Fast   int     `json:"fast"`
	Slow   int     `json:"slow"`
}

// PSAR is the parabolic stop and reverse; default step 0.02, limit 0.2.
type PSAR struct {
	Weight float64 `json:"weight"`
	Step   float64 `json:"step"`
	Limit  float64 `json:"limit"`
}

// Supertrend is the band of ATRs that trails the price; default 10 bars, 3 ATRs,
// and weight 0: a strategy opts in.
type Supertrend struct {
	Weight     float64 `json:"weight"`
	Period     int     `json:"period"`
	Multiplier float64 `json:"multiplier"`
}

// Oscillator is an indicator that votes to buy below one level and to sell
// above another: RSI (14 bars, 30, 70), CCI (20, -100, 100), Williams %R (14, -80, -20).
type Oscillator struct {
	Weight     float64 `json:"weight"`
	Period     int     `json:"period"`
	Oversold   float64 `json:"oversold"`
	Overbought float64 `json:"overbought"`
}

// Stochastic is the slow stochastic; default 14, 3, 3 bars, 20, 80.
type Stochastic struct {
	Weight     float64 `json:"weight"`
	Period     int     `json:"period"`
	Smooth     int     `json:"smooth"`
	Signal     int     `json:"signal"`
	Oversold   float64 `json:"oversold"`
	Overbought float64 `json:"overbought"`
}

// Bollinger is the Bollinger bands; default 20 bars, 2 deviations.
type Bollinger struct {
	Weight     float64 `json:"weight"`
	Period     int     `json:"period"`
	Deviations float64 `json:"deviations"`
}

// ATR is the average true range; default 14 bars. It never votes; it counts in
// the coverage and sets stops of method "atr".
type ATR struct {
	Weight float64 `json:"weight"`
	Period int     `json:"period"`
}

// OBV compares the on-balance volume and the close with those Lookback bars
// ago; default 10. (Over a single bar both always agree, by definition.)
type OBV struct {
	Weight   float64 `json:"weight"`
	Lookback int     `json:"lookback"`
}

// CMF is the Chaikin money flow; default 20 bars.
type CMF struct {
	Weight float64 `json:"weight"`
	Period int     `json:"period"`
}

// Categories hold the weights (0..10, default 1) of the four groups: trend
// (macd, adx, ema, psar, supertrend), momentum (rsi, stochastic, cci, williams), volatility
// (bollinger, atr), volume (obv, cmf).
type Categories struct {
	Trend      float64 `json:"trend"`
	Momentum   float64 `json:"momentum"`
	Volatility float64 `json:"volatility"`
	Volume     float64 `json:"volume"`
}

// Thresholds are the scores at and beyond which a verdict is given: 0.01..1 to
// buy, -1..-0.01 to sell; default 0.6, 0.2, -0.2, -0.6. Between lies Hold.
type Thresholds struct {
	StrongBuy  float64 `json:"strong_buy"`
	Buy        float64 `json:"buy"`
	Sell       float64 `json:"sell"`
	StrongSell float64 `json:"strong_sell"`
}

// Of returns what a score is worth: 2 for Strong Buy, 1 for Buy, 0 for Hold, -1
// for Sell, -2 for Strong Sell.
func (t Thresholds) Of(score float64) int {
	switch {
	case score >= t.StrongBuy:
		return 2
	case score >= t.Buy:
		return 1
	case score <= t.StrongSell:
		return -2
	case score <= t.Sell:
		return -1
	}
	return 0
}

// A Quorum guards the verdicts. Where Coverage or Agreeing is missed, the two
// Strong ones become Buy and Sell; where Conviction is, all but Hold become Hold.
type Quorum struct {
	// Coverage is the least share, 0..1, of the strategy's weight whose indicators
	// had enough bars; default 0.7.
	Coverage float64 `json:"coverage"`
	// Agreeing is the least number of indicators, 0..12 (all that can vote), that
	// vote for the verdict's side; default 5.
	Agreeing int `json:"agreeing"`
	// Conviction is the least share, 0..1, of the strategy's whole weight that votes:
	// the sum of weight x strategy weight of the indicators that vote, for either
	// side, over the sum of the strategy weights of all thirteen (a strategy weight
	// is the indicator's weight x its category's). The score divides by what votes
	// alone, so it does not tell how much that is; default 0.05, 0 asks for none.
	Conviction float64 `json:"conviction"`
}

// The methods of a stop.
const (
	StopFixed = "fixed" // Percent of the entry
	StopATR   = "atr"   // ATRMultiple times the ATR, kept within FloorPercent..CapPercent of the entry
	// StopStructure is BufferATR ATRs below the lowest low of the last Lookback
	// bars, the signal's among them (above the highest high for a Sell), kept
	// within FloorPercent..CapPercent of the entry.
	StopStructure = "structure"
)

// Stop says where a plan's stop is set. Percentages are of the entry, 0.1..50.
type Stop struct {
	// Method is StopFixed (default), StopATR or StopStructure.
	Method string `json:"method"`
	// Percent is the distance of a fixed stop, and of one by ATR while there is no ATR; default 2.
	Percent float64 `json:"percent"`
	// ATRMultiple, 0.1..10, is how many ATRs the stop is away; default 1.5.
	ATRMultiple float64 `json:"atr_multiple"`
	// Lookback, 2..250, is how many bars the structure spans; default 10.
	Lookback int `json:"lookback"`
	// BufferATR, 0..5, is how many ATRs the stop lies beyond the structure; default 0.25.
	BufferATR float64 `json:"buffer_atr"`
	// FloorPercent and CapPercent are the nearest and the farthest stop by ATR or
	// structure; default 1 and 10.
	FloorPercent float64 `json:"floor_percent"`
	CapPercent   float64 `json:"cap_percent"`
}

// Risk holds the rules of the plan. RiskPercent, PositionLimitPercent and
// MinRiskReward are what a job uses that does not say otherwise.
type Risk struct {
	Stop Stop `json:"stop"`
	// TargetPercent is the distance of the target from the entry, 0.1..95; default 4.
	TargetPercent float64 `json:"target_percent"`
	// MinRiskReward, 0..10, is the least reward per unit of risk; a nearer target
	// is moved out to it; 0 asks for none; default 1.5.
	MinRiskReward float64 `json:"min_risk_reward"`
	// RiskPercent is what a trade may lose of the capital, 0.01..100; default 2.
	RiskPercent float64 `json:"risk_percent"`
	// PositionLimitPercent is what a position may take of the capital, 0.1..100; default 20.
	PositionLimitPercent float64 `json:"position_limit_percent"`
}

// The sides that a backtest trades.
const (
	SidesLong = "long" // buys only; a Sell verdict closes
	SidesBoth = "both" // buys and short sales
)

// What ends a trade besides its stop, its target and MaxBars.
const (
	ExitOpposite = "opposite" // a verdict of the other side: out at the next open
	ExitLevels   = "levels"   // nothing
)

// Trade holds the rules by which a backtest trades the verdicts. A live
// analysis does not look at them.
type Trade struct {
	// MaxBars, 0..500, is how many bars a position is held at most; 0 sets no
	// limit; default 20.
	MaxBars int `json:"max_bars"`
	// CooldownBars, 0..100, is how many bars after a losing trade no position is
	// opened; default 2.
	CooldownBars int `json:"cooldown_bars"`
	// Sides is SidesLong (default) or SidesBoth.
	Sides string `json:"sides"`
	// Exit is ExitOpposite (default) or ExitLevels.
	Exit string `json:"exit"`
}

// Canonical returns the one JSON text of d: every field, in the order of the
// struct, without white space. Parse of it gives d again if d is valid.
func (d Document) Canonical() []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(d); err != nil {
		// Only NaN and infinities cannot be encoded; Parse and Validate refuse them.
		panic("strategy: canonical text of an invalid document: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// Hash returns the SHA-256 of Canonical in hexadecimal. Documents that differ
// only in spelling or in written-out defaults have the same hash.
func (d Document) Hash() string {
	sum := sha256.Sum256(d.Canonical())
	return hex.EncodeToString(sum[:])
}

// defaults returns a document with every default, without a name.
func defaults() Document {
	return Document{
		Version: Version,
		MinBars: 50,
		Indicators: Indicators{
			MACD:       MACD{Weight: 1, Fast: 12, Slow: 26, Signal: 9},
			ADX:        ADX{Weight: 1, Period: 14},
			EMA:        EMA{Weight: 1, Fast: 50, Slow: 200},
			PSAR:       PSAR{Weight: 1, Step: 0.02, Limit: 0.2},
			Supertrend: Supertrend{Period: 10, Multiplier: 3},
			RSI:        Oscillator{Weight: 1, Period: 14, Oversold: 30, Overbought: 70},
			Stochastic: Stochastic{Weight: 1, Period: 14, Smooth: 3, Signal: 3, Oversold: 20, Overbought: 80},
			CCI:        Oscillator{Weight: 1, Period: 20, Oversold: -100, Overbought: 100},
			Williams:   Oscillator{Weight: 1, Period: 14, Oversold: -80, Overbought: -20},
			Bollinger:  Bollinger{Weight: 1, Period: 20, Deviations: 2},
			ATR:        ATR{Weight: 1, Period: 14},
			OBV:        OBV{Weight: 1, Lookback: 10},
			CMF:        CMF{Weight: 1, Period: 20},
		},
		Categories: Categories{Trend: 1, Momentum: 1, Volatility: 1, Volume: 1},
		Thresholds: Thresholds{StrongBuy: 0.6, Buy: 0.2, Sell: -0.2, StrongSell: -0.6},
		Quorum:     Quorum{Coverage: 0.7, Agreeing: 5, Conviction: 0.05},
		Risk: Risk{
			Stop:          Stop{Method: StopFixed, Percent: 2, ATRMultiple: 1.5, Lookback: 10, BufferATR: 0.25, FloorPercent: 1, CapPercent: 10},
			TargetPercent: 4, MinRiskReward: 1.5, RiskPercent: 2, PositionLimitPercent: 20,
		},
		Trade: Trade{MaxBars: 20, CooldownBars: 2, Sides: SidesLong, Exit: ExitOpposite},
	}
}
