package client

import (
	"encoding/json"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// A Submission is the body of POST /api/v1/jobs. Zero fields take the server's defaults.
type Submission struct {
	Tickers  []string        `json:"tickers,omitempty"`
	Universe string          `json:"universe,omitempty"`
	Capital  float64         `json:"capital,omitempty"`
	Strategy json.RawMessage `json:"strategy,omitempty"` // a name or a whole document
	Options  *Options        `json:"options,omitempty"`
	Deadline *time.Time      `json:"deadline,omitempty"`
}

// Options are the numbers of a submission that are not its strategy's.
type Options struct {
	RiskPercent          float64 `json:"risk_percent,omitempty"`
	PositionLimitPercent float64 `json:"position_limit_percent,omitempty"`
	MinRiskReward        float64 `json:"min_risk_reward,omitempty"`
	Bars                 int     `json:"bars,omitempty"`
}

// Accepted answers a submission.
type Accepted struct {
	JobID       string        `json:"job_id"`
	Status      events.Status `json:"status"`
	Total       int           `json:"total"`
	Seq         uint64        `json:"seq"`
	ParentJobID string        `json:"parent_job_id,omitempty"`
	Universe    string        `json:"universe,omitempty"` // with the date of its list
	Warning     string        `json:"warning,omitempty"`  // the list is older than it should be, and why
}

// A Job is a job as far as it has come.
type Job struct {
	JobID           string           `json:"job_id"`
	Kind            events.Kind      `json:"kind"`
	Status          events.Status    `json:"status"`
	Total           int              `json:"total"`
	Analyzed        int              `json:"analyzed"`
	Failed          int              `json:"failed"`
	Cancelled       int              `json:"cancelled"`
	Pending         int              `json:"pending"`
	ProgressPercent float64          `json:"progress_percent"`
	CreatedAt       *time.Time       `json:"created_at"`
	StartedAt       *time.Time       `json:"started_at"`
	CompletedAt     *time.Time       `json:"completed_at"`
	ParentJobID     string           `json:"parent_job_id,omitempty"`
	Universe        string           `json:"universe,omitempty"`
	Capital         float64          `json:"capital"`
	Strategy        string           `json:"strategy"`
	Backtest        *events.Backtest `json:"backtest,omitempty"` // of a backtest; not in lists
	Deadline        *time.Time       `json:"deadline"`
	AsOfSeq         uint64           `json:"as_of_seq"`
}

// A Detail is the outcome of one ticker of a job.
type Detail struct {
	Ticker       string             `json:"ticker"`
	Position     int                `json:"position"`
	Status       string             `json:"status"`
	Code         events.FailureCode `json:"code,omitempty"`
	ErrorMessage string             `json:"error_message,omitempty"`
	Attempts     int                `json:"attempts"`
	StartedAt    *time.Time         `json:"started_at"`
	CompletedAt  *time.Time         `json:"completed_at"`
	Seq          uint64             `json:"seq"`
}

// A Result is what one analysis found.
type Result struct {
	JobID      string         `json:"job_id"`
	Ticker     string         `json:"ticker"`
	TradingDay string         `json:"trading_day"`
	Verdict    events.Verdict `json:"verdict"`
	Score      float64        `json:"score"`
	Synthetic  bool           `json:"synthetic"`
	Coverage   float64        `json:"coverage"`
	Regime     string         `json:"regime"`
	Warnings   []string       `json:"warnings"`
	Plan       events.Plan    `json:"plan"`
	Numbers    events.Numbers `json:"numbers"`
	Lineage    events.Lineage `json:"lineage"`
	Strategy   string         `json:"strategy"`
	RecordedAt *time.Time     `json:"recorded_at"`
	Seq        uint64         `json:"seq"`
}

// A OneResult is a result by itself; its indicators only if they were asked for.
type OneResult struct {
	Result
	Indicators []events.Indicator `json:"indicators"`
	AsOfSeq    uint64             `json:"as_of_seq"`
}

// A Page is one page of a list.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
	AsOfSeq    uint64 `json:"as_of_seq"`
}
