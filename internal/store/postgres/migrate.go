package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/schema"
)

// Migrate implements store.Recording. A second migrator waits for LockTimeout
// and then fails. Reading is granted anew each time, also when no step was to
// be done: the role may be younger than the tables.
func (w *Writer) Migrate(ctx context.Context, say func(line string)) error {
	ctx, cancel := context.WithTimeout(ctx, longTimeout)
	defer cancel()
	conn, err := dialLong(ctx, w.config)
	if err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	defer shut(conn) // which frees the lock
	if err := w.migrate(ctx, conn, say); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	return nil
}

func (w *Writer) migrate(ctx context.Context, conn *pgx.Conn, say func(line string)) error {
	_, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(migrationLock))
	if sqlState(err) == lockNotAvailable {
		return fmt.Errorf("another process migrates it: try again when that has ended: %w", err)
	}
	if err != nil {
		return err
	}
	if err := makeSchema(ctx, conn, w.schema); err != nil {
		return err
	}
	steps, err := schema.Migrations(schema.Postgres)
	if err != nil {
		return err
	}
	if err := store.Migrate(ctx, migrator{conn, w.schema}, steps, say); err != nil {
		return err
	}
	return grant(ctx, conn, w.schema, w.options.readerRole())
}

// makeSchema makes the schema unless it is there: a user who may not make one
// can be given one that an administrator made.
func makeSchema(ctx context.Context, conn *pgx.Conn, name string) error {
	there, err := exists(ctx, conn, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`, name)
	if err != nil || there {
		return err
	}
	_, err = conn.Exec(ctx, `CREATE SCHEMA `+quoted(name))
	if sqlState(err) == notPermitted {
		return fmt.Errorf("making the schema %s: the recorder's user needs GRANT CREATE ON DATABASE: %w", name, err)
	}
	return err
}

func exists(ctx context.Context, conn *pgx.Conn, sql string, args ...any) (there bool, err error) {
	err = conn.QueryRow(ctx, sql, args...).Scan(&there)
	return there, err
}

// grant lets the role read the tables of a schema, if there is such a role.
func grant(ctx context.Context, conn *pgx.Conn, schema, role string) error {
	there, err := exists(ctx, conn, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, role)
	if err != nil || !there {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue(`GRANT USAGE ON SCHEMA ` + quoted(schema) + ` TO ` + quoted(role))
	batch.Queue(`GRANT SELECT ON ALL TABLES IN SCHEMA ` + quoted(schema) + ` TO ` + quoted(role))
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("granting reads to %s: %w", role, err)
	}
	return nil
}

// migrator implements store.Migrator. Its connection's search_path is the schema.
type migrator struct {
	conn   *pgx.Conn
	schema string
}

// Migrated implements store.Migrator.
func (m migrator) Migrated(ctx context.Context) ([]store.Migrated, error) {
	return migrated(ctx, m.conn)
}

// Apply implements store.Migrator.
func (m migrator) Apply(ctx context.Context, step schema.Migration) error {
	tx, err := m.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) // does nothing after the commit
	// The file is a constant of this program, of many statements without arguments.
	text := migrationsTable + step.SQL
	if _, err := m.conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO migrations VALUES ($1, $2, $3, `+now+`)`,
		step.Number, step.Name, step.MinProgram); err != nil {
		return err
	}
	if step.Number == 1 {
		if _, err := tx.Exec(ctx, `UPDATE checkpoint SET projection_version = $1`, store.ProjectionVersion); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

const migrationsTable = `
CREATE TABLE IF NOT EXISTS migrations (
    number      BIGINT NOT NULL PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL,
    min_program BIGINT NOT NULL, -- the oldest program that can run on the tables
    applied_at  BIGINT NOT NULL  -- milliseconds, by the database's clock
);
`

// migrated lists the steps that were carried out in the connection's schema;
// none if there are no tables.
func migrated(ctx context.Context, conn *pgx.Conn) ([]store.Migrated, error) {
	found, err := conn.Query(ctx, `SELECT number, name, min_program FROM migrations ORDER BY number`)
	if err != nil {
		return nil, noTable(err)
	}
	done, err := pgx.CollectRows(found, pgx.RowToStructByPos[store.Migrated])
	return done, noTable(err)
}

// noTable is nil if the error says only that the table does not exist.
func noTable(err error) error {
	if sqlState(err) == undefinedTable {
		return nil
	}
	return err
}

// checkSchema asks whether this program may use the tables.
func checkSchema(ctx context.Context, conn *pgx.Conn) error {
	steps, err := schema.Migrations(schema.Postgres)
	if err != nil {
		return err
	}
	done, err := migrated(ctx, conn)
	if err != nil && sqlState(err) != notPermitted {
		return fmt.Errorf("reading migrations: %w", err)
	}
	if len(done) > 0 {
		return store.CheckSchema(done, steps)
	}
	// To a user who may not look into the schema it is not there.
	closed, err := exists(ctx, conn, `SELECT EXISTS (SELECT FROM pg_namespace
		WHERE nspname = current_setting('search_path') AND NOT has_schema_privilege(oid, 'USAGE'))`)
	if err == nil && closed {
		return fmt.Errorf("%w: its tables may not be read by the user %s: GRANT %s TO that user, then run 'tapedeck migrate'",
			store.ErrSchema, conn.Config().User, DefaultReaderRole)
	}
	return store.CheckSchema(nil, steps)
}
