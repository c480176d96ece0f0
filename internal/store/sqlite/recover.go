package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/tapedeck/tapedeck/internal/store"
)

// AcceptLoss implements store.Recovery. The tables are saved as a file of
// their own beside the database, whose path it returns.
func (w *Writer) AcceptLoss(ctx context.Context, lease store.Lease, position store.Position, reason string) (saved string, err error) {
	err = w.call(ctx, "accepting a loss", func() error {
		at, _, err := checkpoint(ctx, w, &lease)
		if err != nil {
			return err
		}
		if at != lease.Position {
			return store.ErrFenced
		}
		if saved, err = w.save(ctx); err != nil {
			return err
		}
		return w.inTransaction(ctx, func() error {
			if err := w.advance(ctx, lease, position); err != nil {
				return err
			}
			_, err := w.conn.ExecContext(ctx, `INSERT INTO recoveries (number, recovered_at, reason, saved, old_stream,
				old_stream_created, old_seq, old_anchor, new_stream, new_stream_created, new_seq, new_anchor)
				SELECT COALESCE(MAX(number), 0) + 1, `+now+`, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM recoveries`,
				reason, saved, at.Stream, store.CreatedNanos(at.Created), int64(at.Seq), at.Anchor,
				position.Stream, store.CreatedNanos(position.Created), int64(position.Seq), position.Anchor)
			return err
		})
	})
	if err != nil {
		return "", err
	}
	return saved, nil
}

// save copies the database into a new file and makes it durable.
func (w *Writer) save(ctx context.Context) (file string, err error) {
	for n := 1; ; n++ {
		file = w.path + ".saved-" + strconv.Itoa(n)
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return "", fmt.Errorf("saving the tables: %w", err)
		}
	}
	if _, err := w.conn.ExecContext(ctx, `VACUUM INTO ?`, file); err != nil {
		return "", errors.Join(fmt.Errorf("saving the tables: %w", err), remove(file))
	}
	if err := syncFile(file); err != nil {
		return "", err
	}
	return file, syncDir(file)
}

// recoveryColumns are all columns of table recoveries.
const recoveryColumns = `number, recovered_at, reason, saved, old_stream, old_stream_created, old_seq, old_anchor,
	new_stream, new_stream_created, new_seq, new_anchor`

// readRecoveries reads what was given up before.
func readRecoveries(ctx context.Context, conn *sql.Conn) (list [][]any, err error) {
	rows, err := conn.QueryContext(ctx, `SELECT `+recoveryColumns+` FROM recoveries ORDER BY number`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		row := make([]any, 12)
		dest := make([]any, len(row))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// writeRecoveries writes them into new tables. A second try replaces the first.
func writeRecoveries(ctx context.Context, conn *sql.Conn, list [][]any) error {
	for _, row := range list {
		if _, err := conn.ExecContext(ctx, `INSERT OR REPLACE INTO recoveries (`+recoveryColumns+`)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, row...); err != nil {
			return err
		}
	}
	return nil
}
