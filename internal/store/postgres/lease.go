package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/store"
)

// now is the database's clock in milliseconds. It is not now(), which stands
// still inside a transaction, also while that waits for a lock.
const now = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

const acquireSQL = `
UPDATE checkpoint SET owner = $1, epoch = epoch + 1, lease_until = ` + now + ` + $2
WHERE id = 1 AND (owner = '' OR owner = $1 OR lease_until <= ` + now + `)
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
		var created int64
		err := conn.QueryRow(ctx, acquireSQL, owner, ttl.Milliseconds()).
			Scan(&lease.Epoch, &lease.Position.Stream, &created, &lease.Position.Seq, &lease.Position.Anchor)
		lease.Position.Created = instant(created)
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

// Release implements store.Writer. A lease that is not the caller's any more
// needs no release: that is ErrFenced.
func (w *Writer) Release(ctx context.Context, lease store.Lease) error {
	return w.call(ctx, "releasing the lease", func(ctx context.Context, conn *pgx.Conn) error {
		return one(conn.Exec(ctx, releaseSQL, lease.Owner, lease.Epoch))
	})
}

// commandTag is what an update says of itself.
type commandTag interface{ RowsAffected() int64 }

// one makes an update of the checkpoint that found no row the fence that it is.
func one[T commandTag](tag T, err error) error {
	if err == nil && tag.RowsAffected() != 1 {
		return store.ErrFenced
	}
	return err
}

// instant is a time of the checkpoint: nanoseconds since 1970, 0 is none.
func instant(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// nanoseconds is the inverse of instant.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
