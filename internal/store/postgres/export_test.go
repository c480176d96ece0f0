package postgres

import (
	"context"
	"time"
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

// Age makes the Reader's idle connections look idle for a while, and counts them.
func (r *Reader) Age(ctx context.Context) int {
	idle := r.pool.conns.AcquireAllIdle(ctx)
	for _, conn := range idle {
		conn.Conn().PgConn().CustomData()[lastUsed] = time.Now().Add(-2 * pingAfter)
		conn.Release()
	}
	return len(idle)
}
