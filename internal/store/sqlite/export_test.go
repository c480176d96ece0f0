package sqlite

import "context"

// Setting asks the Writer's own connection for a pragma.
func (w *Writer) Setting(ctx context.Context, pragma string) (value string) {
	if err := w.conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&value); err != nil {
		return err.Error()
	}
	return value
}

// LookFirst makes the next read of r find file at first, whatever the link says.
func LookFirst(r *Reader, file string) {
	r.snapshots.look = func(path string) (string, error) {
		r.snapshots.look = current
		return file, nil
	}
}
