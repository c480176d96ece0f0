package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tapedeck/tapedeck/internal/store"
)

// now is the database's clock in milliseconds. It is not now(), which stands
// still inside a transaction, also while that waits for a lock.
const now = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

const acquireSQL = `
UPDATE checkpoint SET owner = $1, epoch = epoch + 1, lease_until = ` + now + ` + $2
WHERE id = 1 AND (owner = '' OR owner = $1 OR lease_until <= ` + now + `
	OR lease_until > ` + now + ` + $3)
RETURNING epoch, stream, stream_created, seq, anchor`

const renewSQL = `
UPDATE checkpoint SET lease_until = ` + now + ` + $3
WHERE id = 1 AND owner = $1 AND epoch = $2`

const releaseSQL = `
UPDATE checkpoint SET owner = '', lease_until = 0
WHERE id = 1 AND owner = $1 AND epoch = $2`

// Acquire implements store.Writer.
func (w *Writer) Acquire(ctx context.Context, owner string, ttl time.Duration) (store.Lease, error) {
	lease := store.Lease{Owner: owner, TTL: ttl}
	err := w.call(ctx, "acquiring the lease", func(ctx context.Context, conn *pgx.Conn) error {
		at := &lease.Position
		var created int64
		err := conn.QueryRow(ctx, acquireSQL, owner, ttl.Milliseconds(), max(ttl, store.LongestLease).Milliseconds()).
			Scan(&lease.Epoch, &at.Stream, &created, &at.Seq, &at.Anchor)
		at.Created = store.CreatedTime(created)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrLeaseHeld
		}
		return err
	})
	if err != nil {
		return store.Lease{}, err
	}
	return lease, nil
}

// Renew implements store.Writer.
func (w *Writer) Renew(ctx context.Context, lease store.Lease) error {
	return w.call(ctx, "renewing the lease", func(ctx context.Context, conn *pgx.Conn) error {
		return one(conn.Exec(ctx, renewSQL, lease.Owner, lease.Epoch, lease.TTL.Milliseconds()))
	})
}

// Release implements store.Writer. ErrFenced says that the lease was another's
// already.
func (w *Writer) Release(ctx context.Context, lease store.Lease) error {
	return w.call(ctx, "releasing the lease", func(ctx context.Context, conn *pgx.Conn) error {
		return one(conn.Exec(ctx, releaseSQL, lease.Owner, lease.Epoch))
	})
}

// one makes an update of the checkpoint that found no row the fence that it is.
func one(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.RowsAffected() != 1 {
		return store.ErrFenced
	}
	return err
}
