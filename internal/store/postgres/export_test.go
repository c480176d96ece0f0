package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Setting asks the Writer's own connection for a setting of its session.
func (w *Writer) Setting(ctx context.Context, name string) (value string) {
	if err := w.conn.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&value); err != nil {
		return err.Error()
	}
	return value
}

// Exec carries out a statement on a connection of the Reader.
func (r *Reader) Exec(ctx context.Context, sql string) error {
	conn, err := r.pool.get(ctx)
	if err != nil {
		return err
	}
	defer r.pool.put(conn)
	_, err = conn.Exec(ctx, sql)
	return err
}

// Open opens n of the Reader's connections, or fails when ctx ends before it has
// as many: all are had at the same time, and then idle.
func (r *Reader) Open(ctx context.Context, n int) error {
	var conns []*pgxpool.Conn
	defer func() {
		for _, conn := range conns {
			r.pool.put(conn)
		}
	}()
	for range n {
		conn, err := r.pool.get(ctx)
		if err != nil {
			return err
		}
		conns = append(conns, conn)
	}
	return nil
}

// Age makes the Reader's idle connections look idle for a while, and counts them.
func (r *Reader) Age(ctx context.Context) int {
	idle := r.pool.conns.AcquireAllIdle(ctx)
	for _, conn := range idle {
		conn.Conn().PgConn().CustomData()[lastUsed] = time.Now().Add(-2 * pingAfter)
		conn.Release()
	}
	return len(idle)
}
