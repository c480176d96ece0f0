package api

import (
	"math"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// This file is the boundary between rows and JSON.

// A stamp is a time in UTC with milliseconds; a zero one is null.
type stamp time.Time

const stampFormat = "2006-01-02T15:04:05.000Z"

// MarshalJSON implements json.Marshaler.
func (t stamp) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, `"`+stampFormat+`"`), nil
}

type jobJSON struct {
	JobID           string           `json:"job_id"`
	Status          events.Status    `json:"status"`
	Total           int              `json:"total"`
	Analyzed        int              `json:"analyzed"`
	Failed          int              `json:"failed"`
	Cancelled       int              `json:"cancelled"`
	Pending         int              `json:"pending"`
	ProgressPercent float64          `json:"progress_percent"` // 100 only when nothing is pending
	CreatedAt       stamp            `json:"created_at"`
	StartedAt       stamp            `json:"started_at"`
	CompletedAt     stamp            `json:"completed_at"`
	Kind            events.Kind      `json:"kind"`
	Origin          events.Origin    `json:"origin"`
	ParentJobID     string           `json:"parent_job_id,omitempty"`
	Universe        string           `json:"universe,omitempty"`
	Capital         float64          `json:"capital"`
	Strategy        string           `json:"strategy"`
	StrategyHash    string           `json:"strategy_hash"`
	Options         events.Options   `json:"options"`
	Backtest        *events.Backtest `json:"backtest,omitempty"` // of a backtest; not in lists
	Deadline        stamp            `json:"deadline"`
	Late            int              `json:"late"`       // outcomes after the cancel, not counted
	Duplicates      int              `json:"duplicates"` // second outcomes, not counted
	Seq             uint64           `json:"seq"`        // of the submission on the tape
	LastSeq         uint64           `json:"last_seq"`   // of the newest event that changed the job
	AsOfSeq         uint64           `json:"as_of_seq"`  // how far the tape was recorded
}

func toJob(v store.JobView, asOf uint64) jobJSON {
	p := v.Progress
	return jobJSON{
		JobID: v.ID, Status: p.Status, Total: v.Total, Analyzed: p.Analyzed, Failed: p.Failed,
		Cancelled: p.Cancelled, Pending: p.Pending(), ProgressPercent: percent(v.Total-p.Pending(), v.Total),
		CreatedAt: stamp(v.CreatedAt), StartedAt: stamp(p.StartedAt), CompletedAt: stamp(p.CompletedAt),
		Kind: v.Kind, Origin: v.Origin, ParentJobID: v.ParentID, Universe: v.Universe, Capital: v.Capital,
		Strategy: v.StrategyName, StrategyHash: v.StrategyHash, Options: v.Options, Backtest: v.Backtest, Deadline: stamp(v.Deadline),
		Late: p.Late, Duplicates: p.Duplicates, Seq: v.Seq, LastSeq: p.LastSeq, AsOfSeq: asOf,
	}
}

// percent is done/total in percent, rounded down to one decimal.
func percent(done, total int) float64 {
	if total <= 0 {
		return 0
	}
	return math.Floor(float64(done)*1000/float64(total)) / 10
}

type detailJSON struct {
	JobID        string             `json:"job_id,omitempty"` // only in streams
	Ticker       string             `json:"ticker"`
	Position     int                `json:"position"` // in the job's list, from 0
	Status       string             `json:"status"`   // pending, analyzed, failed or cancelled
	Code         events.FailureCode `json:"code,omitempty"`
	ErrorMessage string             `json:"error_message,omitempty"`
	Attempts     int                `json:"attempts"`
	StartedAt    stamp              `json:"started_at"`
	CompletedAt  stamp              `json:"completed_at"`
	Seq          uint64             `json:"seq,omitempty"` // of the outcome; absent while pending
}

func toDetail(d store.Detail) detailJSON {
	return detailJSON{
		Ticker: d.Ticker, Position: d.Position, Status: d.Status, Code: d.Code, ErrorMessage: d.Message,
		Attempts: d.Attempts, StartedAt: stamp(d.StartedAt), CompletedAt: stamp(d.CompletedAt), Seq: d.Seq,
	}
}

type resultJSON struct {
	JobID        string         `json:"job_id"`
	Ticker       string         `json:"ticker"`
	TradingDay   string         `json:"trading_day"`
	Verdict      events.Verdict `json:"verdict"`
	Score        float64        `json:"score"`
	Synthetic    bool           `json:"synthetic"` // the bars were made up
	Coverage     float64        `json:"coverage"`
	Regime       string         `json:"regime"`
	Warnings     []string       `json:"warnings"`
	Plan         events.Plan    `json:"plan"`
	Numbers      events.Numbers `json:"numbers"`
	Lineage      events.Lineage `json:"lineage"`
	Strategy     string         `json:"strategy"`
	StrategyHash string         `json:"strategy_hash"`
	Origin       events.Origin  `json:"origin"`
	Attempts     int            `json:"attempts"`
	StartedAt    stamp          `json:"started_at"`
	CompletedAt  stamp          `json:"completed_at"`
	RecordedAt   stamp          `json:"recorded_at"` // the tape's time of the outcome
	Seq          uint64         `json:"seq"`
}

func toResult(r store.Result) resultJSON {
	return resultJSON{
		JobID: r.JobID, Ticker: r.Ticker, TradingDay: r.TradingDay, Verdict: r.Verdict, Score: r.Score,
		Synthetic: r.Lineage.Synthetic, Coverage: r.Coverage, Regime: r.Regime, Warnings: list(r.Warnings),
		Plan: r.Plan, Numbers: r.Numbers, Lineage: r.Lineage, Strategy: r.StrategyName, StrategyHash: r.StrategyHash,
		Origin: r.Origin, Attempts: r.Attempts, StartedAt: stamp(r.StartedAt), CompletedAt: stamp(r.CompletedAt),
		RecordedAt: stamp(r.RecordedAt), Seq: r.Seq,
	}
}

// list makes an empty list [] where null would be written.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// pageJSON is every list.
type pageJSON[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"` // null on the last page
	AsOfSeq    uint64  `json:"as_of_seq"`
}

func toPage[R, T any](p store.Page[R], convert func(R) T) pageJSON[T] {
	page := pageJSON[T]{Items: make([]T, 0, len(p.Items)), AsOfSeq: p.AsOf}
	for _, row := range p.Items {
		page.Items = append(page.Items, convert(row))
	}
	if p.Next != "" {
		next := string(p.Next)
		page.NextCursor = &next
	}
	return page
}

// acceptedJSON answers a submission.
type acceptedJSON struct {
	JobID       string            `json:"job_id"`
	Status      events.Status     `json:"status"` // queued
	Total       int               `json:"total"`
	Seq         uint64            `json:"seq"` // give it as min_seq to read what is recorded up to here
	ParentJobID string            `json:"parent_job_id,omitempty"`
	Universe    string            `json:"universe,omitempty"` // with the date of its list: nifty500@2026-11-25
	Warning     string            `json:"warning,omitempty"`  // the list is older than it should be, and why
	Deadline    stamp             `json:"deadline"`
	Links       map[string]string `json:"links"`
}

func toAccepted(a Accepted) acceptedJSON {
	self := jobPath(a.Job.JobID)
	results := self + "/results"
	if a.Job.Kind == events.KindBacktest {
		results = backtestPath(a.Job.JobID)
	}
	return acceptedJSON{
		JobID: a.Job.JobID, Status: events.StatusQueued, Total: len(a.Job.Tickers), Seq: a.Seq,
		ParentJobID: a.Job.ParentJobID, Universe: a.Job.Universe, Warning: a.warning, Deadline: stamp(a.Job.Deadline),
		Links: map[string]string{
			"self": self, "details": self + "/details", "results": results,
			"events": self + "/events", "cancel": self + "/cancel",
		},
	}
}

func jobPath(id string) string { return "/api/v1/jobs/" + id }
