package simulation_test

import (
	"context"
	"errors"
	"time"

	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
)

// A database is the in-memory store behind a network that fails, with a clock
// of its own.
type database struct {
	w    *world
	skew time.Duration
	rows *memory.Store
	read store.Reading

	holder string    // of the lease as the database last heard of it; empty: nobody
	until  time.Time // and when it runs out, by the database's clock
}

// now is the database's clock.
func (db *database) now() time.Time { return db.w.now.Add(db.skew) }

// leased: a call of a process gave it the lease, or lengthened its own.
func (db *database) leased(owner string, ttl time.Duration) {
	db.holder, db.until = owner, db.now().Add(ttl)
}

// taken: a process took the lease. Nobody else may hold it, but one whose clock
// was set back meanwhile: its end is further away than any lease lasts. (I4)
func (db *database) taken(owner string, ttl time.Duration) {
	if left := db.until.Sub(db.now()); db.holder != "" && db.holder != owner && left > time.Millisecond && left < max(ttl, store.LongestLease) {
		db.w.broken("I4: %s takes the lease that %s holds for another %s", owner, db.holder, left)
	}
	db.leased(owner, ttl)
}

// migrated is a database with empty tables, copied for each run.
func newDatabase(w *world) (*database, error) {
	db := &database{w: w}
	db.rows = memory.New(db.now)
	if err := db.rows.OpenWriter().Migrate(context.Background(), func(string) {}); err != nil {
		return nil, err
	}
	db.read = db.rows.OpenReader()
	return db, nil
}

var (
	errConnection = errors.New("the connection to the database was lost (simulated)")
	errSerialized = errors.New("could not serialize access (simulated)")
)

// A writer is a process's connection to the database.
type writer struct {
	store.Writer
	p *process
}

func ask[T any](p *process, do func() (T, error)) (T, error) {
	w := p.w
	f := w.fateOfStore()
	if b := w.sweep.next("database"); b != nil {
		f = b.ofStore()
	}
	if f == serialized {
		w.stats.faults[f]++
		w.note(p.name, "fault", uint64(f), faultNames[f])
		w.cur.sleep(w.latency())
		var zero T
		return zero, errSerialized
	}
	return call(w.cur, f, recorder.Patience(recorder.Commit{}), errConnection, do)
}

func askOnly(p *process, do func() error) error {
	_, err := ask(p, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (c writer) Acquire(ctx context.Context, owner string, ttl time.Duration) (store.Lease, error) {
	return ask(c.p, func() (store.Lease, error) {
		lease, err := c.Writer.Acquire(ctx, owner, ttl)
		if err == nil {
			c.p.w.database.taken(owner, ttl)
		}
		return lease, err
	})
}

func (c writer) Renew(ctx context.Context, lease store.Lease) error {
	return askOnly(c.p, func() error {
		err := c.Writer.Renew(ctx, lease)
		if err == nil {
			c.p.w.database.leased(lease.Owner, lease.TTL)
		}
		return err
	})
}

func (c writer) Release(ctx context.Context, lease store.Lease) error {
	return askOnly(c.p, func() error {
		err := c.Writer.Release(ctx, lease)
		if err == nil {
			c.p.w.database.holder = ""
		}
		return err
	})
}

func (c writer) Load(ctx context.Context, jobIDs []string) ([]store.State, error) {
	return ask(c.p, func() ([]store.State, error) { return c.Writer.Load(ctx, jobIDs) })
}

func (c writer) Commit(ctx context.Context, lease store.Lease, next store.Position, changes store.Changes) error {
	return askOnly(c.p, func() error {
		w := c.p.w
		err := c.Writer.Commit(ctx, lease, next, changes)
		switch {
		case err == nil:
			w.stats.commits++
			w.database.leased(lease.Owner, lease.TTL)
			w.note(c.p.name, "commits", next.Seq, next.Anchor)
			w.check.committed(next, changes)
		case errors.Is(err, store.ErrFenced):
			w.stats.fenced++
			w.note(c.p.name, "fenced", next.Seq, "")
		default:
			w.broken("a commit of %s up to %d was refused: %v", c.p.name, next.Seq, err)
		}
		return err
	})
}

// A reader is a process's reads of the database.
type reader struct {
	store.Reading
	p *process
}

func (c reader) Unfinished(ctx context.Context, limit int) (store.Page[store.JobView], error) {
	return ask(c.p, func() (store.Page[store.JobView], error) { return c.Reading.Unfinished(ctx, limit) })
}

func (c reader) Outstanding(ctx context.Context, jobID string) ([]string, uint64, error) {
	type answer struct {
		tickers []string
		asOf    uint64
	}
	a, err := ask(c.p, func() (answer, error) {
		tickers, asOf, err := c.Reading.Outstanding(ctx, jobID)
		return answer{tickers, asOf}, err
	})
	return a.tickers, a.asOf, err
}

func (c reader) Unannounced(ctx context.Context, limit int) ([]store.JobView, error) {
	return ask(c.p, func() ([]store.JobView, error) { return c.Reading.Unannounced(ctx, limit) })
}
