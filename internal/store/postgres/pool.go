package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A pool is pgx's pool of connections with two differences: a connection
// that is broken or does not answer gives its place up at once, and close ends
// the reads in progress.
//
// pgx takes up to 15 seconds to clean up after a connection whose call was cut
// off, and keeps its place in the pool for as long: when the network swallows
// packets, a few such connections keep every read out, also once it is back.
// So this pool asks idle connections itself whether they live, and takes those
// that are lost out of pgx's hands.
type pool struct {
	conns *pgxpool.Pool

	// closing is done once close was called, and end makes it so: it ends the
	// reads in progress, whose own contexts know nothing of the pool.
	closing context.Context
	end     context.CancelFunc
}

// errPoolClosed says that a Reader was used after its Close.
var errPoolClosed = errors.New("the database was closed by this program")

// lastUsed is the key under which a connection keeps when it was given back.
const lastUsed = "tapedeck.lastUsed"

// newPool does not connect. Its connections are those of config.
func newPool(config *pgxpool.Config) (*pool, error) {
	config.MaxConnLifetime = maxAge
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false } // get does
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		// pgx connects in the background, behind no context of a read.
		ctx, cancel := context.WithTimeout(ctx, ReadTimeout)
		defer cancel()
		return checkSchema(ctx, conn)
	}
	conns, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("making a pool of connections: %w", err)
	}
	p := &pool{conns: conns}
	p.closing, p.end = context.WithCancel(context.Background())
	return p, nil
}

// bound is the context of one read: it ends after limit and when the pool is closed.
func (p *pool) bound(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	stop := context.AfterFunc(p.closing, cancel)
	return ctx, func() { stop(); cancel() }
}

// get returns a living connection for one read; put gives it back. It waits
// until there is one or the context, which is one of bound, ends.
func (p *pool) get(ctx context.Context) (*pgxpool.Conn, error) {
	for {
		conn, err := p.conns.Acquire(ctx)
		if err != nil {
			return nil, p.explain(ctx, err)
		}
		if alive(ctx, conn.Conn()) {
			return conn, nil
		}
		shut(conn.Hijack())
	}
}

// explain says what kept a read from getting a connection.
func (p *pool) explain(ctx context.Context, err error) error {
	var refused *pgconn.ConnectError
	switch {
	case p.closing.Err() != nil:
		return errPoolClosed
	case errors.As(err, &refused):
		return connecting(err)
	case ctx.Err() != nil:
		return fmt.Errorf("waiting for one of %d connections to PostgreSQL: %w", p.conns.Config().MaxConns, err)
	}
	return err
}

// alive asks a connection that has been idle for a while whether it lives, and
// does not wait for the answer of a dead one: behind a broken network that
// would take as long as TCP likes.
func alive(ctx context.Context, conn *pgx.Conn) bool {
	used, ok := conn.PgConn().CustomData()[lastUsed].(time.Time)
	if !ok || time.Since(used) < pingAfter {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return conn.Ping(ctx) == nil
}

// fresh reports whether a connection was opened for the read that uses it.
func fresh(conn *pgx.Conn) bool { return conn.PgConn().CustomData()[lastUsed] == nil }

// put gives a connection back. One that cannot serve another read is closed.
func (p *pool) put(conn *pgxpool.Conn) {
	if !usable(conn.Conn()) {
		shut(conn.Hijack())
		return
	}
	conn.Conn().PgConn().CustomData()[lastUsed] = time.Now()
	conn.Release()
}

// drop closes all idle connections, and those in use when they are given back.
func (p *pool) drop() { p.conns.Reset() }

// close ends the reads in progress, refuses further ones, and returns when all
// connections are closed.
func (p *pool) close() {
	p.end()
	p.conns.Close()
}
