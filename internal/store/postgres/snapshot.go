package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tapedeck/tapedeck/internal/store/query"
)

// beginSQL begins a snapshot. The lock comes before the first SELECT, which is
// what fixes the snapshot: so no swap of a rebuild falls between the two, or
// between two statements, where the second would find the new tables by their
// name and look at them with a snapshot from before they were filled. Readers
// wait for nobody but a swap, which takes milliseconds.
const beginSQL = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE checkpoint IN ACCESS SHARE MODE`

// unboundedSQL takes the limits off a dump, which reads all rows and, compared
// with another, may wait for that one between two tables.
const unboundedSQL = beginSQL + `; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`

// begin sends one of the two constants in one message; they have no arguments.
func begin(ctx context.Context, conn *pgx.Conn, sql string) error {
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("beginning a snapshot: %w", err)
	}
	return nil
}

// finish ends the snapshot. There is nothing to commit.
func finish(ctx context.Context, conn *pgx.Conn) error {
	if conn.IsClosed() {
		return nil
	}
	if _, err := conn.PgConn().Exec(ctx, `ROLLBACK`).ReadAll(); err != nil {
		return fmt.Errorf("ending a snapshot: %w", err)
	}
	return nil
}

// tx implements query.Tx.
type tx struct {
	bounded context.Context // of the whole read: the caller's, with our limit
	conn    *pgx.Conn
}

// Query implements query.Tx. The context that it is given is the caller's,
// from which bounded was made: it adds nothing.
func (t tx) Query(_ context.Context, sql string, args ...any) (query.Rows, error) {
	found, err := t.conn.Query(t.bounded, sql, args...)
	return rows{found}, err
}

// rows implements query.Rows.
type rows struct{ pgx.Rows }

// Close implements query.Rows.
func (r rows) Close() error {
	r.Rows.Close()
	return r.Rows.Err()
}

// pooled gives snapshots on the connections of a pool.
type pooled struct {
	pool  *pool
	begin string        // beginSQL or unboundedSQL
	limit time.Duration // of a whole read
}

// Read implements query.Snapshotter. A connection that turns out to be broken
// at the beginning (the server was restarted) is replaced once; once a read
// has begun, its errors are the caller's: store.ErrUnavailable if the same read
// may succeed later.
func (p pooled) Read(ctx context.Context, f func(query.Tx) error) error {
	ctx, cancel := p.pool.bound(ctx, p.limit)
	defer cancel()
	conn, err := p.started(ctx)
	if err != nil {
		return unavailable(err, true)
	}
	defer p.pool.put(conn)
	err = f(tx{ctx, conn.Conn()})
	if finishErr := finish(ctx, conn.Conn()); err == nil {
		err = finishErr
	}
	return unavailable(err, conn.Conn().IsClosed())
}

// started is a connection of the pool with a snapshot begun.
func (p pooled) started(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := p.pool.get(ctx)
	if err != nil {
		return nil, err
	}
	err = begin(ctx, conn.Conn(), p.begin)
	if err == nil {
		return conn, nil
	}
	broken := conn.Conn().IsClosed() && !fresh(conn.Conn())
	p.pool.put(conn)
	if !broken || ctx.Err() != nil {
		return nil, err
	}
	p.pool.drop() // the others are no younger
	if conn, err = p.pool.get(ctx); err != nil {
		return nil, err
	}
	if err := begin(ctx, conn.Conn(), p.begin); err != nil {
		p.pool.put(conn)
		return nil, err
	}
	return conn, nil
}

// owned gives snapshots on the connection of a Writer, to Load.
type owned struct{ writer *Writer }

// Read implements query.Snapshotter, for the goroutine that calls the Writer.
func (o owned) Read(ctx context.Context, f func(query.Tx) error) error {
	return o.writer.call(ctx, "loading jobs", func(ctx context.Context, conn *pgx.Conn) error {
		if err := begin(ctx, conn, beginSQL); err != nil {
			return err
		}
		err := f(tx{ctx, conn})
		if finishErr := finish(ctx, conn); err == nil {
			err = finishErr
		}
		return err
	})
}
