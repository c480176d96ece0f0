package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// A pool keeps a few connections open for reads. It is this small because
// reads ask for no more: a bound, no connection handed out that may hang, and
// nothing running in the background.
type pool struct {
	config *pgx.ConnConfig
	check  func(context.Context, *pgx.Conn) error // of each new connection
	slots  chan struct{}                          // holds one element for each connection in use

	// closing is done once close was called, and end makes it so: it ends the
	// reads in progress, whose own contexts know nothing of the pool.
	closing context.Context
	end     context.CancelFunc

	mu     sync.Mutex // guards all below
	idle   []*member  // the last one was used last
	closed bool
}

// A member is a connection of a pool.
type member struct {
	*pgx.Conn
	opened time.Time
	used   time.Time
	fresh  bool // opened for the read that uses it
}

// errPoolClosed says that a Reader was used after its Close.
var errPoolClosed = errors.New("the database was closed by this program")

func newPool(config *pgx.ConnConfig, size int, check func(context.Context, *pgx.Conn) error) *pool {
	p := &pool{config: config, check: check, slots: make(chan struct{}, size)}
	p.closing, p.end = context.WithCancel(context.Background())
	return p
}

// bound is the context of one read: it ends after limit and when the pool is closed.
func (p *pool) bound(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	stop := context.AfterFunc(p.closing, cancel)
	return ctx, func() { stop(); cancel() }
}

// get returns a connection for one read; put gives it back. It waits until
// there is one or the context, which is one of bound, ends.
func (p *pool) get(ctx context.Context) (*member, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for one of %d connections to PostgreSQL: %w", cap(p.slots), ctx.Err())
	}
	conn, err := p.take(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return conn, nil
}

// take returns a living idle connection, or opens one.
func (p *pool) take(ctx context.Context) (*member, error) {
	for {
		conn, err := p.popIdle()
		if err != nil {
			return nil, err
		}
		if conn == nil {
			return p.open(ctx)
		}
		if alive(ctx, conn) {
			return conn, nil
		}
		shut(conn.Conn)
	}
}

// popIdle returns the idle connection that was used last, or nil.
func (p *pool) popIdle() (*member, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errPoolClosed
	}
	if len(p.idle) == 0 {
		return nil, nil
	}
	last := len(p.idle) - 1
	conn := p.idle[last]
	p.idle = p.idle[:last]
	conn.fresh = false
	return conn, nil
}

// alive asks a connection that has been idle for a while whether it lives, and
// does not wait for the answer of a dead one: behind a broken network that
// would take as long as TCP likes.
func alive(ctx context.Context, conn *member) bool {
	if conn.IsClosed() || time.Since(conn.opened) > maxAge {
		return false
	}
	if time.Since(conn.used) < pingAfter {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return conn.Ping(ctx) == nil
}

func (p *pool) open(ctx context.Context) (*member, error) {
	conn, err := dial(ctx, p.config)
	if err != nil {
		return nil, err
	}
	if err := p.check(ctx, conn); err != nil {
		shut(conn)
		return nil, err
	}
	return &member{Conn: conn, opened: time.Now(), fresh: true}, nil
}

// put gives a connection back. One that cannot serve another read is closed.
func (p *pool) put(conn *member) {
	defer func() { <-p.slots }()
	if !usable(conn.Conn) {
		shut(conn.Conn)
		return
	}
	conn.used = time.Now()
	p.mu.Lock()
	kept := !p.closed
	if kept {
		p.idle = append(p.idle, conn)
	}
	p.mu.Unlock()
	if !kept {
		shut(conn.Conn)
	}
}

// drop closes all idle connections.
func (p *pool) drop() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, conn := range idle {
		shut(conn.Conn)
	}
}

// close ends the reads in progress, refuses further ones, and returns when all
// connections are closed.
func (p *pool) close() {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	if !first {
		return
	}
	p.end()
	p.drop()
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
}
