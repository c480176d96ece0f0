package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/query"
)

// Writer implements store.Recording on one connection. It looks at the link
// before each call, like readers, and goes over to a new generation.
type Writer struct {
	path        string
	fixed       bool   // path is the file itself: a shadow
	synchronous string // NORMAL, or OFF for a shadow, which is synced as a whole
	reading     *Reader
	loader      *query.Reader

	mu      sync.Mutex // guards the rest: a shadow uses the live writer when it is swapped in
	file    string     // that conn leads to
	db      *sql.DB    // of conn alone
	conn    *sql.Conn  // nil before the first call and after one that broke it
	checked bool       // the tables of conn are ones for this program
	inserts *inserts   // prepared on conn; nil before the first commit
	shadow  *Writer    // the last one that Shadow made; nil before
	closed  bool
}

var _ store.Recording = (*Writer)(nil)

// OpenWriter prepares recording in the database at path, which Migrate makes.
func OpenWriter(path string) *Writer {
	w := newWriter(path)
	w.reading = OpenReader(path)
	return w
}

func newWriter(path string) *Writer {
	w := &Writer{path: path, synchronous: "NORMAL"}
	w.loader = query.New(ownSnapshots{w}, now)
	return w
}

// Reading implements store.Recording.
func (w *Writer) Reading() store.Reading { return w.reading }

// Close implements store.Recording.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	err := errors.Join(w.closeShadow(), w.disconnect())
	if w.reading != nil {
		err = errors.Join(err, w.reading.Close())
	}
	if err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}

// connect sees to a connection to the current generation. mu is held.
func (w *Writer) connect(ctx context.Context, mode string) error {
	if w.closed {
		return errClosed
	}
	file := w.path
	if !w.fixed {
		var err error
		if file, err = current(w.path); err != nil {
			return err
		}
	}
	if w.conn != nil && w.file == file {
		return nil
	}
	if err := w.disconnect(); err != nil {
		return err
	}
	db, err := openToWrite(file, mode, w.synchronous)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close() // it never opened
		return err
	}
	w.file, w.db, w.conn = file, db, conn
	return nil
}

func (w *Writer) disconnect() error {
	if w.conn == nil {
		return nil
	}
	err := errors.Join(w.inserts.close(), w.conn.Close(), w.db.Close())
	w.conn, w.db, w.inserts, w.checked = nil, nil, nil, false
	return err
}

// ready sees to a connection to tables for this program. mu is held.
func (w *Writer) ready(ctx context.Context) error {
	if err := w.connect(ctx, "rw"); err != nil {
		return missing(err, w.path)
	}
	if w.checked {
		return nil
	}
	if err := check(ctx, w.conn); err != nil {
		return err
	}
	w.checked = true
	return nil
}

// call runs f with a connection, under mu.
func (w *Writer) call(ctx context.Context, doing string, f func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.ready(ctx)
	if err == nil {
		err = f()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, cause(ctx, err))
	}
	return nil
}

// inTransaction runs f in a transaction that no other writer can interrupt. A
// transaction that was begun is ended whatever the context says, so that the
// connection stays usable.
func (w *Writer) inTransaction(ctx context.Context, f func() error) error {
	if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = ctx.Err()
	}
	last := context.WithoutCancel(ctx)
	if err == nil {
		_, err = w.conn.ExecContext(last, "COMMIT")
	}
	if err != nil {
		if _, e := w.conn.ExecContext(last, "ROLLBACK"); e != nil && w.conn.PingContext(last) != nil {
			return errors.Join(err, w.disconnect())
		}
	}
	return err
}

const acquireSQL = `UPDATE checkpoint SET owner = ?1, epoch = epoch + 1, lease_until = ` + now + ` + ?2,
	projection_version = CASE seq WHEN 0 THEN ?3 ELSE projection_version END
	WHERE id = 1 AND (owner = '' OR owner = ?1 OR lease_until <= ` + now + ` OR lease_until > ` + now + ` + ?4)
	RETURNING epoch, stream, stream_created, seq, anchor`

// Acquire implements store.Writer.
func (w *Writer) Acquire(ctx context.Context, owner string, ttl time.Duration) (lease store.Lease, err error) {
	err = w.call(ctx, "acquiring the lease", func() error {
		at := store.Position{}
		var created, epoch int64
		err := w.conn.QueryRowContext(ctx, acquireSQL, owner, ttl.Milliseconds(), store.ProjectionVersion, max(ttl, store.LongestLease).Milliseconds()).
			Scan(&epoch, &at.Stream, &created, &at.Seq, &at.Anchor)
		if errors.Is(err, sql.ErrNoRows) {
			return store.ErrLeaseHeld
		}
		at.Created = store.CreatedTime(created)
		lease = store.Lease{Owner: owner, Epoch: epoch, TTL: ttl, Position: at}
		return err
	})
	if err != nil {
		return store.Lease{}, err
	}
	return lease, nil
}

// Renew implements store.Writer.
func (w *Writer) Renew(ctx context.Context, lease store.Lease) error {
	return w.call(ctx, "renewing the lease", func() error {
		return w.fencedExec(ctx, `UPDATE checkpoint SET lease_until = `+now+` + ?
			WHERE id = 1 AND owner = ? AND epoch = ?`, lease.TTL.Milliseconds(), lease.Owner, lease.Epoch)
	})
}

// Release implements store.Writer. ErrFenced if the lease is not the caller's any more.
func (w *Writer) Release(ctx context.Context, lease store.Lease) error {
	return w.call(ctx, "releasing the lease", func() error {
		return w.fencedExec(ctx, `UPDATE checkpoint SET lease_until = 0, owner = ''
			WHERE id = 1 AND owner = ? AND epoch = ?`, lease.Owner, lease.Epoch)
	})
}

// fencedExec changes the checkpoint, or finds that it is not the caller's.
func (w *Writer) fencedExec(ctx context.Context, text string, args ...any) error {
	result, err := w.conn.ExecContext(ctx, text, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n != 1 {
		return store.ErrFenced
	}
	return err
}

// Load implements store.Writer.
func (w *Writer) Load(ctx context.Context, jobIDs []string) ([]store.State, error) {
	return w.loader.Load(ctx, jobIDs)
}

// ownSnapshots reads on the writer's own connection.
type ownSnapshots struct{ w *Writer }

// Read implements query.Snapshotter.
func (s ownSnapshots) Read(ctx context.Context, f func(query.Tx) error) error {
	return s.w.call(ctx, "reading the recorder's tables", func() error {
		tx, err := s.w.conn.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // it changed nothing
		return f(snapshot{tx})
	})
}
