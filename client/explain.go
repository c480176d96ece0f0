package client

import (
	"context"
	"net/url"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// An Explanation is a result with everything that it follows from.
type Explanation struct {
	JobID         string             `json:"job_id"`
	Ticker        string             `json:"ticker"`
	TradingDay    string             `json:"trading_day"`
	Verdict       events.Verdict     `json:"verdict"`
	Score         float64            `json:"score"`
	Synthetic     bool               `json:"synthetic"`
	Coverage      float64            `json:"coverage"`
	Regime        string             `json:"regime"`
	Warnings      []string           `json:"warnings"`
	Plan          events.Plan        `json:"plan"`
	Numbers       events.Numbers     `json:"numbers"`
	Lineage       events.Lineage     `json:"lineage"`
	Strategy      string             `json:"strategy"`
	StrategyTitle string             `json:"strategy_title"`
	StrategyHash  string             `json:"strategy_hash"`
	Origin        events.Origin      `json:"origin"`
	Attempts      int                `json:"attempts"`
	StartedAt     *time.Time         `json:"started_at"`
	CompletedAt   *time.Time         `json:"completed_at"`
	RecordedAt    *time.Time         `json:"recorded_at"`
	Seq           uint64             `json:"seq"`
	Indicators    []events.Indicator `json:"indicators"`
	Arithmetic    Arithmetic         `json:"arithmetic"`
	Decision      Decision           `json:"decision"`
	Sizing        *Sizing            `json:"sizing"` // nil where the plan is no order
	Links         map[string]string  `json:"links"`
	AsOfSeq       uint64             `json:"as_of_seq"`
}

// Arithmetic is the score as a sum of contributions.
type Arithmetic struct {
	VotesSum    float64    `json:"votes_sum"`    // sum of vote x weight x strategy weight
	TotalWeight float64    `json:"total_weight"` // sum of weight x strategy weight
	Sum         float64    `json:"sum"`          // of the contributions
	Score       float64    `json:"score"`
	Categories  []Category `json:"categories"`
}

// A Category is the share of one group of indicators in the score.
type Category struct {
	Category     string  `json:"category"`
	Contribution float64 `json:"contribution"`
	Buying       int     `json:"buying"`
	Selling      int     `json:"selling"`
	Indicators   int     `json:"indicators"`
}

// A Decision is how the score became the verdict.
type Decision struct {
	Verdict    events.Verdict `json:"verdict"`
	ByScore    events.Verdict `json:"by_score"`  // what the thresholds alone say
	HeldBack   bool           `json:"held_back"` // by the quorum
	Thresholds Thresholds     `json:"thresholds"`
	Quorum     Quorum         `json:"quorum"`
	Coverage   float64        `json:"coverage"`
	Conviction float64        `json:"conviction"` // share of the strategy's whole weight that votes
	Agreeing   int            `json:"agreeing"`
	Missing    []string       `json:"missing"` // weighted indicators without enough bars
	Regime     string         `json:"regime"`
}

// Thresholds are the scores at and beyond which a verdict is given.
type Thresholds struct {
	StrongBuy  float64 `json:"strong_buy"`
	Buy        float64 `json:"buy"`
	Sell       float64 `json:"sell"`
	StrongSell float64 `json:"strong_sell"`
}

// A Quorum is what a Strong verdict needs, and of conviction each but Hold.
type Quorum struct {
	Coverage   float64 `json:"coverage"`
	Agreeing   int     `json:"agreeing"`
	Conviction float64 `json:"conviction"`
}

// Sizing is how many shares capital, risk and position limit allow.
type Sizing struct {
	Capital              float64 `json:"capital"`
	RiskPercent          float64 `json:"risk_percent"`
	MayLose              float64 `json:"may_lose"`
	RiskPerShare         float64 `json:"risk_per_share"`
	SharesByRisk         int64   `json:"shares_by_risk"`
	PositionLimitPercent float64 `json:"position_limit_percent"`
	MayTake              float64 `json:"may_take"`
	SharesByPosition     int64   `json:"shares_by_position"`
	MinRiskReward        float64 `json:"min_risk_reward"`
	BoundBy              string  `json:"bound_by"` // risk or position
}

// Explain returns how a ticker's result came about: the newest, or what query
// names by strategy, job, day or class.
func (c *Client) Explain(ctx context.Context, ticker string, query url.Values) (Explanation, error) {
	return get[Explanation](ctx, c, "/api/v1/tickers/"+url.PathEscape(ticker)+"/explain", query)
}
