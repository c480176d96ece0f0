package events

import "time"

// A Type names what happened and the version of its body: "tapedeck.v1.ticker_analyzed".
type Type string

// The types of v1.
const (
	TypeJobQueued        Type = "tapedeck.v1.job_queued"
	TypeJobStarted       Type = "tapedeck.v1.job_started"
	TypeJobCancelled     Type = "tapedeck.v1.job_cancelled"
	TypeJobCompleted     Type = "tapedeck.v1.job_completed"
	TypeTickerAnalyzed   Type = "tapedeck.v1.ticker_analyzed"
	TypeTickerFailed     Type = "tapedeck.v1.ticker_failed"
	TypeTickerBacktested Type = "tapedeck.v1.ticker_backtested"
)

// Types lists the types of v1, in the order of a job's life.
func Types() []Type {
	return []Type{TypeJobQueued, TypeJobStarted, TypeTickerAnalyzed, TypeTickerBacktested, TypeTickerFailed, TypeJobCancelled, TypeJobCompleted}
}

// Data is the body of an event: *JobQueued, *JobStarted, *JobCancelled,
// *JobCompleted, *TickerAnalyzed, *TickerBacktested, *TickerFailed or *Unknown.
type Data interface {
	// EventType is the body's type as it stands in ce-type.
	EventType() Type
	// NATSSubject is the subject on which the event is published.
	NATSSubject() string
	// Job is the id of the job that the event is about.
	Job() string
}

// An Event is what a publisher says. ID is unique per fact: two publishers of
// one fact (job, ticker, type) give it the same id, so it serves as
// Nats-Msg-Id. Source is who says it ("tapedeck/api"); Time is the
// publisher's clock and only informs: tables use the tape's own times.
type Event struct {
	ID     string
	Source string
	Time   time.Time
	Data   Data
}

// A Recorded event stands on the tape: Seq is its sequence (from 1), At the
// tape's timestamp of it in UTC, cut to milliseconds.
type Recorded struct {
	Event
	Seq uint64
	At  time.Time
}

// Unknown is the body of an event whose type this program does not know,
// written by a newer one. Readers skip it and keep going.
type Unknown struct {
	Type    Type
	Subject string // the NATS subject that it came on
	JobID   string // the job token of the subject, decoded; may be empty
	Raw     []byte // the body as it came
}

// EventType implements Data.
func (u *Unknown) EventType() Type { return u.Type }

// NATSSubject implements Data.
func (u *Unknown) NATSSubject() string { return u.Subject }

// Job implements Data.
func (u *Unknown) Job() string { return u.JobID }
