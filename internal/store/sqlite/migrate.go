package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	code "modernc.org/sqlite/lib"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/schema"
)

const createMigrations = `CREATE TABLE IF NOT EXISTS migrations (
    number      INTEGER NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    min_program INTEGER NOT NULL, -- the oldest program that can use the tables after it
    applied_at  INTEGER NOT NULL
) STRICT`

// querier is *sql.DB, *sql.Conn or *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// migrated lists the migrations that were carried out; none without the table.
func migrated(ctx context.Context, db querier) ([]store.Migrated, error) {
	rows, err := db.QueryContext(ctx, `SELECT number, name, min_program FROM migrations ORDER BY number`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var done []store.Migrated
	for rows.Next() {
		var m store.Migrated
		if err := rows.Scan(&m.Number, &m.Name, &m.MinProgram); err != nil {
			return nil, err
		}
		done = append(done, m)
	}
	return done, rows.Err()
}

// check reports whether the tables are ones for this program.
func check(ctx context.Context, db querier) error {
	done, err := carriedOut(ctx, db)
	if err != nil {
		return cause(ctx, err)
	}
	steps, err := schema.Migrations(schema.SQLite)
	if err != nil {
		return err
	}
	return store.CheckSchema(done, steps)
}

// carriedOut is migrated, where no file or no table is no migration.
func carriedOut(ctx context.Context, db querier) ([]store.Migrated, error) {
	rows, err := db.QueryContext(ctx, `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'`)
	if primary(err) == code.SQLITE_CANTOPEN {
		return nil, nil // the link is there, the file not yet
	}
	if err != nil {
		return nil, err
	}
	found := rows.Next()
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || !found {
		return nil, err
	}
	return migrated(ctx, db)
}

// Migrate implements store.Recording. All steps are one transaction, which
// keeps other migrators out.
func (w *Writer) Migrate(ctx context.Context, say func(line string)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.migrate(ctx, say); err != nil {
		return fmt.Errorf("migrating the database: %w", cause(ctx, err))
	}
	return nil
}

func (w *Writer) migrate(ctx context.Context, say func(line string)) error {
	if _, err := os.Lstat(w.path); errors.Is(err, fs.ErrNotExist) && !w.fixed {
		if err := create(w.path); err != nil {
			return err
		}
	}
	if err := w.connect(ctx, "rwc"); err != nil {
		return err
	}
	steps, err := schema.Migrations(schema.SQLite)
	if err != nil {
		return err
	}
	done, err := carriedOut(ctx, w.conn)
	if err != nil {
		return err
	}
	if len(done) > 0 && len(done) >= len(steps) {
		return store.CheckSchema(done, steps)
	}
	var said []string
	err = w.inTransaction(ctx, func() error {
		return store.Migrate(ctx, migrator{w.conn}, steps, func(line string) { said = append(said, line) })
	})
	if err != nil {
		return err
	}
	for _, line := range said {
		say(line)
	}
	return nil
}

// migrator implements store.Migrator inside a transaction.
type migrator struct{ conn *sql.Conn }

// Migrated implements store.Migrator.
func (m migrator) Migrated(ctx context.Context) ([]store.Migrated, error) {
	return carriedOut(ctx, m.conn)
}

// Apply implements store.Migrator.
func (m migrator) Apply(ctx context.Context, step schema.Migration) error {
	for _, text := range []string{createMigrations, step.SQL} {
		if _, err := m.conn.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	_, err := m.conn.ExecContext(ctx, `INSERT INTO migrations (number, name, min_program, applied_at)
		VALUES (?, ?, ?, `+now+`)`, step.Number, step.Name, step.MinProgram)
	return err
}
