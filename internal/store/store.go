// Package store is the ports to the database: what was recorded of the tape.
// Reader serves the api, Backlog the reconciler, Writer the recorder alone.
// There are two implementations, sqlite and postgres, under one suite, storetest.
//
// Times are the tape's timestamps in UTC, cut to milliseconds; zero times and
// empty texts stand for null. Everything but a checkpoint's lease is a fold of
// the tape (see package recorder).
package store

import (
	"context"
	"errors"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// Errors on which callers decide.
var (
	// ErrNotFound says that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrFenced says that the lease is not the writer's any more, or the
	// checkpoint has moved: nothing of the batch was recorded.
	ErrFenced = errors.New("fenced: another recorder holds the lease or has moved the checkpoint")
	// ErrLeaseHeld says that another recorder's lease has not expired.
	ErrLeaseHeld = errors.New("another recorder holds the lease")
	// ErrConstraint says that a batch broke a rule of the tables: a bug of ours.
	ErrConstraint = errors.New("a batch breaks a constraint of the tables")
	// ErrSchema says that the tables are not ones that this program can use.
	ErrSchema = errors.New("the database's schema does not fit this program")
	// ErrCursor says that a cursor is not one that this list gave out.
	ErrCursor = errors.New("not a cursor of this list: begin again without one")
	// ErrQuery says that a query asks for what no list can give, such as a
	// limit outside 1..MaxPage.
	ErrQuery = errors.New("not a query")
	// ErrUnavailable says that the database did not answer a read: it is away,
	// starting or overloaded. The same read may succeed later.
	ErrUnavailable = errors.New("the database does not answer")
	// ErrNoDatabase says that there is no database at the address, or none
	// with tables: nothing was recorded yet.
	ErrNoDatabase = errors.New("there is no database yet")
)

// A Job is what JobQueued said. It is written once.
type Job struct {
	ID            string
	Kind          events.Kind
	Origin        events.Origin
	ParentID      string
	Universe      string
	Tickers       []string // nil in lists
	Total         int
	Capital       float64
	StrategyName  string
	StrategyHash  string
	Strategy      []byte // canonical JSON; nil in lists
	Options       events.Options
	Backtest      *events.Backtest // of a backtest; nil in lists
	RequestSHA256 string
	Deadline      time.Time
	CreatedAt     time.Time // the tape's time of JobQueued
	Seq           uint64    // of JobQueued
}

// Progress is how far a job has come: one row per job, replaced as it goes.
// Analyzed + Failed + Cancelled <= Total; each equals the count of its details.
type Progress struct {
	JobID        string
	Status       events.Status
	Total        int
	Analyzed     int
	Failed       int
	Cancelled    int
	Late         int // outcomes after the cancel, ignored
	Duplicates   int // second outcomes of a ticker, ignored
	StartedAt    time.Time
	CompletedAt  time.Time
	LastSeq      uint64 // of the newest event that changed this job
	CancelSeq    uint64 // of JobCancelled; 0 if none counted
	AnnouncedSeq uint64 // of JobCompleted; 0 if not announced
}

// Pending is the number of tickers without an outcome.
func (p Progress) Pending() int { return p.Total - p.Analyzed - p.Failed - p.Cancelled }

// A Detail is the outcome of one ticker of a job: the key is (JobID, Ticker).
type Detail struct {
	JobID       string
	Ticker      string
	Position    int    // place in the job's list, from 0
	Status      string // DetailAnalyzed, DetailFailed, DetailCancelled; DetailPending only when read
	Code        events.FailureCode
	Message     string
	Attempts    int
	StartedAt   time.Time
	CompletedAt time.Time // the analyzer's own times, cut to milliseconds
	Seq         uint64
}

// The states of a detail.
const (
	DetailPending   = "pending"
	DetailAnalyzed  = "analyzed"
	DetailFailed    = "failed"
	DetailCancelled = "cancelled"
)

// A Result is what an analysis found, without the indicators: written once,
// the key is (JobID, Ticker), Seq is unique.
type Result struct {
	JobID        string
	Ticker       string
	Seq          uint64
	RecordedAt   time.Time // the tape's time of TickerAnalyzed
	Origin       events.Origin
	StrategyName string
	StrategyHash string
	TradingDay   string // 2006-01-02
	Verdict      events.Verdict
	Score        float64
	Coverage     float64
	Regime       string
	Warnings     []string
	Plan         events.Plan
	Numbers      events.Numbers
	Lineage      events.Lineage
	Attempts     int
	StartedAt    time.Time
	CompletedAt  time.Time
}

// Indicators are the bulky part of a result: zstd-compressed JSON of
// []events.Indicator. The same bytes stand in both databases.
type Indicators struct {
	Seq  uint64 // of the result
	Data []byte
}

// A Day is the day's answer: of one ticker, strategy, class and trading day
// the result with the highest sequence.
type Day struct {
	Ticker       string
	StrategyHash string
	Class        string // ClassReal or ClassSynthetic
	TradingDay   string
	ResultSeq    uint64
}

// The provider classes: synthetic data never answers for real.
const (
	ClassReal      = "real"
	ClassSynthetic = "synthetic"
)

// Poison is an event that could not be folded, set aside with the reason.
type Poison struct {
	Seq        uint64
	RecordedAt time.Time
	Subject    string
	EventID    string
	EventType  string
	Reason     string
	Body       []byte // the first PoisonBodyBytes bytes
}

// Position is a place on a tape: which stream, how far, and the fingerprint of
// the message there, by which a tape that lost and refilled its tail is known.
type Position struct {
	Stream  string    // name of the stream
	Created time.Time // when the stream was created
	Seq     uint64    // the last sequence that was folded; 0 at the start
	Anchor  string    // fingerprint of the message at Seq; empty at 0
}

// A Lease is the right to record, with where its holder stands. Epoch grows
// with every taking. Until is TTL from the database's own clock.
type Lease struct {
	Owner    string
	Epoch    int64
	TTL      time.Duration
	Position Position
}

// State is all that the fold needs to know of a job to go on with it.
type State struct {
	Job      Job // with Tickers
	Progress Progress
	Outcomes []string // tickers that have a detail, in no order
}

// Changes are the row changes of one batch. Jobs, Details, Results,
// Indicators, Backtests and Poison are new rows; Progress and Days replace by key. No key
// stands twice in one list. Days replace only an older ResultSeq.
type Changes struct {
	Jobs       []Job
	Progress   []Progress
	Details    []Detail
	Results    []Result
	Indicators []Indicators
	Backtests  []BacktestRow
	Days       []Day
	Poison     []Poison
}

// LongestLease is more than a recorder of any version holds the lease for at a
// time: that of another version is live though its lease is the longer one.
const LongestLease = 10 * time.Second

// Writer is the recorder's side. One goroutine calls it at a time.
// Implementations retry nothing; an error of Commit other than ErrFenced and
// ErrConstraint leaves open whether it happened: take the lease again (by the
// same owner) and look at the position.
type Writer interface {
	// Acquire takes the lease if it is free, expired by the database's clock,
	// or already the owner's, with a new epoch; also if it is further ahead than
	// both ttl and LongestLease, which no live one is: the clock was set back.
	// ErrLeaseHeld otherwise.
	Acquire(ctx context.Context, owner string, ttl time.Duration) (Lease, error)
	// Renew lengthens the lease. ErrFenced if it is not the caller's any more.
	Renew(ctx context.Context, lease Lease) error
	// Release gives the lease up so that another may take it at once.
	Release(ctx context.Context, lease Lease) error
	// Load returns the states of those of the jobs that exist, in no order.
	Load(ctx context.Context, jobIDs []string) ([]State, error)
	// Commit records changes and moves the checkpoint from lease.Position to
	// next in one transaction, durable when it returns, and lengthens the
	// lease. ErrFenced if epoch or position are not the database's: then
	// nothing changed.
	Commit(ctx context.Context, lease Lease, next Position, changes Changes) error
}

// A Shadow is a second set of tables, filled beside the live ones by the same
// code and then swapped in.
type Shadow interface {
	Writer
	// Swap puts the shadow in the place of the live tables. The caller holds
	// live; both positions must be equal (ErrFenced otherwise). Readers see
	// either all the old rows or all the new ones. The live Writer that made
	// the shadow writes to the new tables afterwards, under the same lease.
	Swap(ctx context.Context, live Lease) error
	// Discard removes the shadow. It is safe after Swap.
	Discard(ctx context.Context) error
}

// Rebuilder makes shadows. One at a time; an older one that was left behind is removed first.
type Rebuilder interface {
	Shadow(ctx context.Context) (Shadow, error)
}

// Recovery is the way past a damaged or lost tape.
type Recovery interface {
	// AcceptLoss saves the tables under a name that it returns, leaves the
	// rows as they are, records position as the new checkpoint (what was
	// given up stands in table recoveries with the reason), under the lease.
	AcceptLoss(ctx context.Context, lease Lease, position Position, reason string) (saved string, err error)
}
