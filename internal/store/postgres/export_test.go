package postgres

import "context"

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
	_, err = conn.Conn.Exec(ctx, sql)
	return err
}
