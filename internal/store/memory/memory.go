package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/schema"
)

// A Store is one database. What OpenWriter and OpenReader return are
// connections to it, as if of several processes. It is empty until Migrate.
// Safe for concurrent use.
type Store struct {
	now   func() time.Time
	mu    sync.RWMutex // guards the rest, and all spaces
	live  *space
	made  *space // by the last Shadow; nil before
	saved map[string]*space
}

// New makes an empty database whose leases go by now.
func New(now func() time.Time) *Store {
	return &Store{now: now, live: &space{}, saved: map[string]*space{}}
}

// A space is one set of tables with its checkpoint.
type space struct {
	migrations []store.Migrated // none: no tables
	fits       error            // of the tables and this program; of so many migrations:
	looked     int
	tables     *tables
	at         store.Position
	projection int
	owner      string
	epoch      int64
	until      int64 // milliseconds
	recoveries []recovery
	gone       bool // a shadow that was swapped in, discarded or replaced
}

// A recovery is what AcceptLoss gave up.
type recovery struct {
	reason, saved string
	old, new      store.Position
}

var (
	errClosed = errors.New("the database is closed")
	errGone   = errors.New("the shadow is gone")
)

// steps are the migrations that the tables stand for: those of a real database.
func steps() ([]schema.Migration, error) { return schema.Migrations(schema.SQLite) }

// check reports whether this program may use the tables. mu is held to write.
func (p *space) check() error {
	if p.gone {
		return errGone
	}
	if n := len(p.migrations); n == 0 || p.looked != n {
		list, err := steps()
		if err != nil {
			return err
		}
		p.fits, p.looked = store.CheckSchema(p.migrations, list), n
	}
	return p.fits
}

// Migrated implements store.Migrator.
func (p *space) Migrated(context.Context) ([]store.Migrated, error) { return p.migrations, nil }

// Apply implements store.Migrator.
func (p *space) Apply(_ context.Context, step schema.Migration) error {
	if p.tables == nil {
		p.tables, p.projection = newTables(), 1
	}
	p.migrations = append(p.migrations, store.Migrated{Number: step.Number, Name: step.Name, MinProgram: step.MinProgram})
	return nil
}

// copied is an equal space that shares nothing that changes.
func (p *space) copied() *space {
	other := *p
	other.migrations = append([]store.Migrated(nil), p.migrations...)
	other.recoveries = append([]recovery(nil), p.recoveries...)
	if p.tables != nil {
		other.tables = p.tables.copied()
	}
	return &other
}

// Clone is a database of its own with the same rows, lease and clock, as a
// copy of the disk would be; without shadows. It costs in proportion to the rows.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	other := New(s.now)
	other.live = s.live.copied()
	for name, saved := range s.saved {
		other.saved[name] = saved // nobody changes it
	}
	return other
}

// A Writer implements store.Recording. Like those of the other databases it
// has one caller at a time, and each stands for one process.
type Writer struct {
	s       *Store
	shadow  *space // nil: whatever is live
	reading *Reader
	closed  bool // guarded by s.mu
}

var _ store.Recording = (*Writer)(nil)

// OpenWriter opens the recorder's side; each call another one.
func (s *Store) OpenWriter() *Writer { return &Writer{s: s, reading: s.OpenReader()} }

// NewScratch makes a database for a verification, ready to be written.
func NewScratch(now func() time.Time) (store.Scratch, error) {
	w := New(now).OpenWriter()
	if err := w.Migrate(context.Background(), func(string) {}); err != nil {
		return nil, fmt.Errorf("making a scratch database: %w", err)
	}
	return scratch{w, w.reading}, nil
}

type scratch struct {
	store.Writer
	store.Dumper
}

// Reading implements store.Recording.
func (w *Writer) Reading() store.Reading { return w.reading }

// Close implements store.Recording.
func (w *Writer) Close() error {
	w.s.mu.Lock()
	w.closed = true
	w.s.mu.Unlock()
	return w.reading.Close()
}

// Migrate implements store.Recording.
func (w *Writer) Migrate(ctx context.Context, say func(line string)) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.closed {
		return fmt.Errorf("migrating: %w", errClosed)
	}
	list, err := steps()
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return store.Migrate(ctx, w.space(), list, say)
}

func (w *Writer) space() *space {
	if w.shadow != nil {
		return w.shadow
	}
	return w.s.live
}

// call runs f on the tables, alone.
func (w *Writer) call(ctx context.Context, doing string, f func(p *space) error) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	err := ctx.Err()
	if err == nil && w.closed {
		err = errClosed
	}
	if err == nil {
		err = w.space().check()
	}
	if err == nil {
		err = f(w.space())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// Acquire implements store.Writer.
func (w *Writer) Acquire(ctx context.Context, owner string, ttl time.Duration) (lease store.Lease, err error) {
	err = w.call(ctx, "acquiring the lease", func(p *space) error {
		now := w.s.now().UnixMilli()
		if p.owner != "" && p.owner != owner && p.until > now && p.until <= now+max(ttl, store.LongestLease).Milliseconds() {
			return store.ErrLeaseHeld
		}
		p.owner, p.until = owner, now+ttl.Milliseconds()
		p.epoch++
		if p.at.Seq == 0 {
			p.projection = store.ProjectionVersion
		}
		lease = store.Lease{Owner: owner, Epoch: p.epoch, TTL: ttl, Position: p.at}
		return nil
	})
	return lease, err
}

// Renew implements store.Writer.
func (w *Writer) Renew(ctx context.Context, lease store.Lease) error {
	return w.call(ctx, "renewing the lease", func(p *space) error {
		if !p.heldBy(lease) {
			return store.ErrFenced
		}
		p.until = w.s.now().UnixMilli() + lease.TTL.Milliseconds()
		return nil
	})
}

// Release implements store.Writer. ErrFenced if the lease is not the caller's any more.
func (w *Writer) Release(ctx context.Context, lease store.Lease) error {
	return w.call(ctx, "releasing the lease", func(p *space) error {
		if !p.heldBy(lease) {
			return store.ErrFenced
		}
		p.owner, p.until = "", 0
		return nil
	})
}

// heldBy: a lease that ran out without being taken fences nobody.
func (p *space) heldBy(lease store.Lease) bool {
	return p.owner == lease.Owner && p.epoch == lease.Epoch
}

// Load implements store.Writer.
func (w *Writer) Load(ctx context.Context, jobIDs []string) (states []store.State, err error) {
	err = w.call(ctx, "loading jobs", func(p *space) error {
		for _, id := range jobIDs {
			j := p.tables.jobs[id]
			if j == nil || j.progress == nil {
				continue
			}
			outcomes := make([]string, len(j.order))
			for i, o := range j.order {
				outcomes[i] = o.detail.row.Ticker
			}
			states = append(states, store.State{Job: j.row, Progress: j.progress.row, Outcomes: outcomes})
		}
		return nil
	})
	return states, err
}

// Commit implements store.Writer.
func (w *Writer) Commit(ctx context.Context, lease store.Lease, next store.Position, changes store.Changes) error {
	return w.call(ctx, fmt.Sprintf("committing up to sequence %d", next.Seq), func(p *space) error {
		if !p.heldBy(lease) || !same(p.at, lease.Position) {
			return store.ErrFenced
		}
		if err := p.tables.apply(&changes); err != nil {
			return err
		}
		p.move(next, w.s.now().UnixMilli()+lease.TTL.Milliseconds())
		return nil
	})
}

func (p *space) move(next store.Position, until int64) {
	next.Created = store.CreatedTime(store.CreatedNanos(next.Created))
	p.at, p.until = next, until
}

func same(a, b store.Position) bool {
	return a.Stream == b.Stream && a.Seq == b.Seq && a.Anchor == b.Anchor &&
		store.CreatedNanos(a.Created) == store.CreatedNanos(b.Created)
}
