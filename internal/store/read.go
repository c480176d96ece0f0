package store

import (
	"context"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// A JobView is a job with its progress.
type JobView struct {
	Job
	Progress Progress
}

// A Cursor is a place in a list, opaque to clients. Empty is the beginning.
// Reader encodes and checks its own cursors (ErrCursor).
type Cursor string

// Page is one page of a list as of a sequence of the tape.
type Page[T any] struct {
	Items []T
	Next  Cursor // empty on the last page
	AsOf  uint64 // the checkpoint in the snapshot that the rows were read from
}

// JobsQuery asks for jobs, newest first (created_at, id).
type JobsQuery struct {
	Status events.Status // empty: any
	Active bool          // only queued and running; Status must be empty
	After  Cursor
	Limit  int // 1..MaxPage
}

// DetailsQuery asks for the details of a job in the order of its list, with
// the tickers that have none as pending (unless SinceSeq is set: then only
// rows with a greater sequence, in the order of sequences, for resuming).
type DetailsQuery struct {
	JobID    string
	Status   string // empty: any
	Code     events.FailureCode
	SinceSeq uint64
	BySeq    bool // order by (seq, position), only recorded rows; implied by SinceSeq > 0
	After    Cursor
	Limit    int
}

// ResultsQuery asks for the results of a job, best score first (score desc, ticker).
type ResultsQuery struct {
	JobID   string
	Verdict events.Verdict // empty: any
	After   Cursor
	Limit   int
}

// ScreenQuery asks for each ticker's newest day under one strategy, best
// score first. Days older than the newest day of its class and strategy by
// more than MaxAgeDays calendar days are left out.
type ScreenQuery struct {
	StrategyHash string // empty: every strategy that has days
	Class        string // ClassReal or ClassSynthetic
	Verdict      events.Verdict
	MaxAgeDays   int
	After        Cursor
	Limit        int
}

// HistoryQuery asks for the results of a ticker, newest first (seq desc).
// Daily: only the answers of days, newest trading day first.
type HistoryQuery struct {
	Ticker       string
	JobID        string // empty: any; a job has at most one
	TradingDay   string // empty: any
	StrategyName string // empty: any
	Class        string // empty: any
	Daily        bool
	After        Cursor
	Limit        int
}

// Reader serves reads. Every method takes its rows and the checkpoint from
// one snapshot and is safe for concurrent use. No read waits for a writer.
type Reader interface {
	// Position is the checkpoint.
	Position(ctx context.Context) (Position, error)
	// Job returns one job with its tickers and strategy; ErrNotFound.
	Job(ctx context.Context, id string) (view JobView, asOf uint64, err error)
	// Jobs lists jobs without tickers and strategies.
	Jobs(ctx context.Context, q JobsQuery) (Page[JobView], error)
	// Details lists a job's details; ErrNotFound if there is no such job.
	Details(ctx context.Context, q DetailsQuery) (Page[Detail], error)
	// Results lists a job's results; ErrNotFound if there is no such job.
	Results(ctx context.Context, q ResultsQuery) (Page[Result], error)
	// Screen lists the newest day of each ticker.
	Screen(ctx context.Context, q ScreenQuery) (Page[Result], error)
	// History lists the results of a ticker; an unknown one has none.
	History(ctx context.Context, q HistoryQuery) (Page[Result], error)
	// Indicators returns the indicators of the result with a sequence; ErrNotFound.
	Indicators(ctx context.Context, seq uint64) ([]events.Indicator, error)
}

// Backlog is what the reconciler looks for, and doctor shows.
type Backlog interface {
	// Unfinished lists the jobs that have not ended, oldest first, at most limit.
	Unfinished(ctx context.Context, limit int) (Page[JobView], error)
	// Outstanding lists the tickers of a job that have no detail, in list order.
	Outstanding(ctx context.Context, jobID string) (tickers []string, asOf uint64, err error)
	// Unannounced lists jobs that have ended without a JobCompleted, oldest first, at most limit.
	Unannounced(ctx context.Context, limit int) ([]JobView, error)
	// Poisoned lists poisoned events, newest first, and counts them all.
	Poisoned(ctx context.Context, limit int) (rows []Poison, count int, err error)
	// Standing tells who holds the lease, until when, and the schema's version.
	Standing(ctx context.Context) (Standing, error)
}

// MaxNamedJobs is how many jobs Remains names; it counts all.
const MaxNamedJobs = 5

// Remains is what a tape that begins late still holds of what is recorded.
type Remains struct {
	Jobs      int      // that are recorded
	Whole     int      // their every event is on the tape
	Cut       int      // their JobQueued is not, events after it are
	FirstID   string   // the first whole job; empty if none is
	CutIDs    []string // at most MaxNamedJobs, oldest first
	Days      int      // answers of a ticker's day that are recorded
	WholeDays int      // that are of whole jobs
}

// Gone is the number of jobs of which the tape holds nothing.
func (r Remains) Gone() int { return r.Jobs - r.Whole - r.Cut }

// Remainder tells what could be folded again from a tape that lost its start.
type Remainder interface {
	// Remains looks at the recorded jobs, for a tape whose first sequence is first.
	Remains(ctx context.Context, first uint64) (Remains, error)
}

// Standing is the part of the checkpoint that is not folded from the tape.
type Standing struct {
	Owner         string
	Epoch         int64
	LeaseLeft     time.Duration // by the database's clock; <= 0 is expired
	SchemaVersion int
	Projection    int // the ProjectionVersion of the fold that made the rows
}
