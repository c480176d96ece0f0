package events

import (
	"encoding/json"
	"time"
)

// A Kind says what a job does with each ticker.
type Kind string

// The kinds.
const (
	KindAnalysis Kind = "analysis"
	KindBacktest Kind = "backtest"
)

// An Origin says who submitted a job.
type Origin string

// The origins.
const (
	OriginAPI       Origin = "api"
	OriginWatchlist Origin = "watchlist"
	OriginSchedule  Origin = "schedule"
	OriginRetry     Origin = "retry"
	OriginImport    Origin = "import"
)

// A Status is the state of a job. A job is queued until its first sign of
// work, then running until its last outcome or its cancel.
type Status string

// The states; the last three are final.
const (
	StatusQueued    Status = "queued"
	StatusRunning   Status = "running"
	StatusCompleted Status = "completed" // every ticker has an outcome, at least one was analyzed
	StatusFailed    Status = "failed"    // every ticker has an outcome, none was analyzed
	StatusCancelled Status = "cancelled" // a JobCancelled came before the last outcome
)

// Ended reports whether the status is final.
func (s Status) Ended() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusCancelled
}

// Options are the numbers of a job that are not its strategy's, every default resolved.
type Options struct {
	RiskPercent          float64 `json:"risk_percent"`           // of capital that one position may lose at its stop, (0, 100]
	PositionLimitPercent float64 `json:"position_limit_percent"` // of capital that one position may hold, (0, 100]
	MinRiskReward        float64 `json:"min_risk_reward"`        // targets nearer than this multiple of the risk are moved, >= 0
	Bars                 int     `json:"bars"`                   // newest daily bars that the analysis sees
}

// JobQueued says that a job was accepted. It carries the whole job with every
// default resolved, so nothing downstream meets a null. It is the first event
// of its job, and the only one with its subject.
type JobQueued struct {
	JobID         string          `json:"job_id"` // UUID, v7 or (with an idempotency key) v8
	Kind          Kind            `json:"kind"`
	Origin        Origin          `json:"origin"`
	ParentJobID   string          `json:"parent_job_id,omitempty"` // the job that this one retries
	Tickers       []string        `json:"tickers"`                 // canonical, distinct, in the order asked for
	Universe      string          `json:"universe,omitempty"`      // the universe that the tickers came from, with its date: nifty50@2026-06-21
	Capital       float64         `json:"capital"`                 // in the currency of each ticker's exchange
	StrategyName  string          `json:"strategy_name"`
	StrategyHash  string          `json:"strategy_hash"` // hex SHA-256 of the canonical strategy document
	Strategy      json.RawMessage `json:"strategy"`      // the whole canonical document
	Options       Options         `json:"options"`
	Backtest      *Backtest       `json:"backtest,omitempty"` // of a job of kind backtest, and only of one
	Deadline      time.Time       `json:"deadline"`           // tickers without an outcome fail then
	RequestSHA256 string          `json:"request_sha256"`     // of the canonical request before defaults
}

// JobStarted says that the first work items of a job were dispatched.
type JobStarted struct {
	JobID string `json:"job_id"`
	Total int    `json:"total"` // tickers of the job
}

// JobCancelled says that somebody stopped a job. Outcomes after it do not count.
type JobCancelled struct {
	JobID       string `json:"job_id"`
	Reason      string `json:"reason,omitempty"`
	RequestedBy string `json:"requested_by,omitempty"`
}

// JobCompleted announces, once, that a job has ended and how. The end itself
// is the job's last outcome or its cancel; this event only tells of it.
type JobCompleted struct {
	JobID     string `json:"job_id"`
	Status    Status `json:"status"` // completed, failed or cancelled
	Total     int    `json:"total"`
	Analyzed  int    `json:"analyzed"`
	Failed    int    `json:"failed"`
	Cancelled int    `json:"cancelled"` // tickers that had no outcome when the job was cancelled
}

// EventType implements Data.
func (*JobQueued) EventType() Type { return TypeJobQueued }

// EventType implements Data.
func (*JobStarted) EventType() Type { return TypeJobStarted }

// EventType implements Data.
func (*JobCancelled) EventType() Type { return TypeJobCancelled }

// EventType implements Data.
func (*JobCompleted) EventType() Type { return TypeJobCompleted }

// NATSSubject implements Data.
func (e *JobQueued) NATSSubject() string { return JobSubject(e.JobID, "queued") }

// NATSSubject implements Data.
func (e *JobStarted) NATSSubject() string { return JobSubject(e.JobID, "started") }

// NATSSubject implements Data.
func (e *JobCancelled) NATSSubject() string { return JobSubject(e.JobID, "cancelled") }

// NATSSubject implements Data.
func (e *JobCompleted) NATSSubject() string { return JobSubject(e.JobID, "completed") }

// Job implements Data.
func (e *JobQueued) Job() string { return e.JobID }

// Job implements Data.
func (e *JobStarted) Job() string { return e.JobID }

// Job implements Data.
func (e *JobCancelled) Job() string { return e.JobID }

// Job implements Data.
func (e *JobCompleted) Job() string { return e.JobID }
