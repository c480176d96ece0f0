package standalone_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A breakage is one way for a call to go wrong.
type breakage int

// The breakages.
const (
	whole      breakage = iota
	fails               // before it happens
	failsAfter          // it happened
	hangs               // it never happens, and no answer comes
	hangsAfter          // it happens, and no answer comes
	breakages
)

func (b breakage) String() string {
	return [...]string{"is not broken", "fails before it happens", "happens and fails", "hangs and never happens", "happens and hangs"}[b]
}

// shortHang is when the call of a hang ends in most runs. Its error is that of
// a deadline that passed; the deadlines themselves are met in some runs only.
const shortHang = 200 * time.Millisecond

// longHang is when a call ends that hangs and whose caller gives no deadline: the
// client of the streams gives up then, that of PostgreSQL before.
const longHang = 30 * time.Second

// A breaker breaks one call of a run, and counts them all. Safe for concurrent use.
type breaker struct {
	site string // the port and method of the call that is broken; empty: none is
	n    int    // which of its calls, from 1
	how  breakage
	long bool // a hang lasts until the caller's deadline
	help bool // the reconciler makes rounds; else nobody repairs what another lost

	mu    sync.Mutex // guards the fields below
	calls map[string]int
	broke bool
}

func (b *breaker) String() string {
	if b.long {
		return fmt.Sprintf("call %d of %s %s, until the caller's own deadline", b.n, b.site, b.how)
	}
	return fmt.Sprintf("call %d of %s %s", b.n, b.site, b.how)
}

func (b *breaker) next(site string) breakage {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[site]++
	if site != b.site || b.calls[site] != b.n {
		return whole
	}
	b.broke = true
	return b.how
}

// through makes a call of a port. broken is what the port says of a call that
// nobody knows the outcome of.
func through[T any](ctx context.Context, b *breaker, site string, broken error, do func() (T, error)) (T, error) {
	var zero T
	how := b.next(site)
	if how != fails && how != hangs {
		value, err := do()
		if how == whole || err != nil {
			return value, err
		}
	}
	if how == fails || how == failsAfter {
		return zero, fmt.Errorf("%w (broken by the test)", broken)
	}
	end := shortHang
	if b.long {
		end = longHang
	}
	select {
	case <-ctx.Done():
		return zero, fmt.Errorf("%w: %w", broken, ctx.Err())
	case <-time.After(end):
		return zero, fmt.Errorf("%w: %w", broken, context.DeadlineExceeded)
	}
}

func throughOnly(ctx context.Context, b *breaker, site string, broken error, do func() error) error {
	_, err := through(ctx, b, site, broken, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

var errDatabase = errors.New("the connection to the database was lost")

// A tapePort is the tape as one of the programs uses it.
type tapePort struct {
	*stream.TapeClient
	b   *breaker
	who string
}

func (p tapePort) Publish(ctx context.Context, event events.Event) (uint64, error) {
	return through(ctx, p.b, p.who+".Publish", stream.ErrUnavailable, func() (uint64, error) { return p.TapeClient.Publish(ctx, event) })
}

func (p tapePort) PublishBatch(ctx context.Context, batch []events.Event) error {
	return throughOnly(ctx, p.b, p.who+".PublishBatch", stream.ErrUnavailable, func() error { return p.TapeClient.PublishBatch(ctx, batch) })
}

func (p tapePort) Taken(ctx context.Context, outcomes []events.Data) ([]bool, error) {
	return through(ctx, p.b, p.who+".Taken", stream.ErrUnavailable, func() ([]bool, error) { return p.TapeClient.Taken(ctx, outcomes) })
}

func (p tapePort) JobEvent(ctx context.Context, jobID, what string) (events.Recorded, error) {
	return through(ctx, p.b, p.who+".JobEvent", stream.ErrUnavailable, func() (events.Recorded, error) { return p.TapeClient.JobEvent(ctx, jobID, what) })
}

func (p tapePort) State(ctx context.Context) (stream.TapeState, error) {
	return through(ctx, p.b, p.who+".State", stream.ErrUnavailable, func() (stream.TapeState, error) { return p.TapeClient.State(ctx) })
}

func (p tapePort) At(ctx context.Context, seq uint64) (stream.Message, error) {
	return through(ctx, p.b, p.who+".At", stream.ErrUnavailable, func() (stream.Message, error) { return p.TapeClient.At(ctx, seq) })
}

func (p tapePort) Tail(ctx context.Context, from uint64) (recorder.Tail, error) {
	tail, err := through(ctx, p.b, p.who+".Tail", stream.ErrUnavailable, func() (*stream.Tail, error) { return p.TapeClient.Tail(ctx, from) })
	if err != nil {
		return nil, err
	}
	return tailPort{tail, p.b, p.who}, nil
}

type tailPort struct {
	*stream.Tail
	b   *breaker
	who string
}

func (p tailPort) Next(ctx context.Context, limit int) ([]stream.Message, error) {
	return through(ctx, p.b, p.who+".Next", stream.ErrUnavailable, func() ([]stream.Message, error) { return p.Tail.Next(ctx, limit) })
}

// A workPort is the work queue as one of the programs uses it.
type workPort struct {
	*stream.WorkClient
	b   *breaker
	who string
}

func (p workPort) Dispatch(ctx context.Context, items []stream.Item) error {
	return throughOnly(ctx, p.b, p.who+".Dispatch", stream.ErrUnavailable, func() error { return p.WorkClient.Dispatch(ctx, items) })
}

func (p workPort) DispatchMissing(ctx context.Context, items []stream.Item) (int, error) {
	return through(ctx, p.b, p.who+".DispatchMissing", stream.ErrUnavailable, func() (int, error) { return p.WorkClient.DispatchMissing(ctx, items) })
}

func (p workPort) Purge(ctx context.Context, jobID string) error {
	return throughOnly(ctx, p.b, p.who+".Purge", stream.ErrUnavailable, func() error { return p.WorkClient.Purge(ctx, jobID) })
}

func (p workPort) DispatchQueue(ctx context.Context) (jetstream.Consumer, error) {
	return through(ctx, p.b, p.who+".DispatchQueue", stream.ErrUnavailable, func() (jetstream.Consumer, error) { return p.WorkClient.DispatchQueue(ctx) })
}

func (p workPort) Ensure(ctx context.Context) error {
	return throughOnly(ctx, p.b, p.who+".Ensure", stream.ErrUnavailable, func() error { return p.WorkClient.Ensure(ctx) })
}

func (p workPort) Outstanding(ctx context.Context, jobID string) (map[string]bool, error) {
	return through(ctx, p.b, p.who+".Outstanding", stream.ErrUnavailable, func() (map[string]bool, error) { return p.WorkClient.Outstanding(ctx, jobID) })
}

// A storePort is the database as the recorder writes it.
type storePort struct {
	recorder.Store
	b *breaker
}

func (p storePort) Acquire(ctx context.Context, owner string, ttl time.Duration) (store.Lease, error) {
	return through(ctx, p.b, "store.Acquire", errDatabase, func() (store.Lease, error) { return p.Store.Acquire(ctx, owner, ttl) })
}

func (p storePort) Renew(ctx context.Context, lease store.Lease) error {
	return throughOnly(ctx, p.b, "store.Renew", errDatabase, func() error { return p.Store.Renew(ctx, lease) })
}

func (p storePort) Release(ctx context.Context, lease store.Lease) error {
	return throughOnly(ctx, p.b, "store.Release", errDatabase, func() error { return p.Store.Release(ctx, lease) })
}

func (p storePort) Load(ctx context.Context, jobIDs []string) ([]store.State, error) {
	return through(ctx, p.b, "store.Load", errDatabase, func() ([]store.State, error) { return p.Store.Load(ctx, jobIDs) })
}

func (p storePort) Commit(ctx context.Context, lease store.Lease, next store.Position, changes store.Changes) error {
	return throughOnly(ctx, p.b, "store.Commit", errDatabase, func() error { return p.Store.Commit(ctx, lease, next, changes) })
}

// A readPort is the database as the recorder and the reconciler read it.
type readPort struct {
	store.Reading
	b *breaker
}

func (p readPort) Unfinished(ctx context.Context, limit int) (store.Page[store.JobView], error) {
	return through(ctx, p.b, "store.Unfinished", errDatabase, func() (store.Page[store.JobView], error) { return p.Reading.Unfinished(ctx, limit) })
}

func (p readPort) Unannounced(ctx context.Context, limit int) ([]store.JobView, error) {
	return through(ctx, p.b, "store.Unannounced", errDatabase, func() ([]store.JobView, error) { return p.Reading.Unannounced(ctx, limit) })
}

func (p readPort) Outstanding(ctx context.Context, jobID string) ([]string, uint64, error) {
	type answer struct {
		tickers []string
		asOf    uint64
	}
	a, err := through(ctx, p.b, "store.Outstanding", errDatabase, func() (answer, error) {
		tickers, asOf, err := p.Reading.Outstanding(ctx, jobID)
		return answer{tickers, asOf}, err
	})
	return a.tickers, a.asOf, err
}
