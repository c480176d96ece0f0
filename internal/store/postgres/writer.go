package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Writer implements store.Writer, store.Rebuilder and store.Recovery. It has
// one connection of its own, opened by the first call and again by the call
// after one that lost it. One goroutine calls it at a time.
type Writer struct {
	options Options
	config  *pgx.ConnConfig
	log     *slog.Logger

	// conn is nil before the first call and after a failed one. Owned by the
	// goroutine that calls the methods.
	conn *pgx.Conn
}

// NewWriter returns the Writer of the tables that options.URL leads to. It
// does not connect; its calls return store.ErrSchema until Migrate has run.
func NewWriter(options Options) (*Writer, error) { return newWriter(options, Schema) }

func newWriter(options Options, schema string) (*Writer, error) {
	config, err := options.connConfig(schema, map[string]string{
		"statement_timeout": milliseconds(WriteTimeout),
		"lock_timeout":      milliseconds(LockTimeout),
	})
	if err != nil {
		return nil, err
	}
	return &Writer{options: options, config: config, log: options.logger()}, nil
}

// Close closes the connection. The lease stays: Release it before.
func (w *Writer) Close() error {
	if w.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	err := w.conn.Close(ctx)
	w.conn = nil
	return err
}

// call runs one call of the port on the connection, bounded in time, and
// drops the connection if anything is left on it.
func (w *Writer) call(ctx context.Context, doing string, f func(context.Context, *pgx.Conn) error) error {
	return w.callWithin(ctx, WriteTimeout, doing, f)
}

func (w *Writer) callWithin(ctx context.Context, limit time.Duration, doing string, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := w.connection(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	err = f(ctx, conn)
	if !usable(conn) {
		w.conn = nil
		conn.Close(ctx) // broken already, or about to be: nothing to learn from it
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// connection returns the open connection, or opens one.
func (w *Writer) connection(ctx context.Context) (*pgx.Conn, error) {
	if w.conn != nil && !w.conn.IsClosed() {
		return w.conn, nil
	}
	conn, err := pgx.ConnectConfig(ctx, w.config)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	if err := prepareWriting(ctx, conn); err != nil {
		conn.Close(ctx)
		return nil, err
	}
	w.conn = conn
	return conn, nil
}

// prepareWriting sees to it that commits are durable when they return, also
// where the server's configuration gave that up, and that the tables fit.
func prepareWriting(ctx context.Context, conn *pgx.Conn) error {
	const durable = `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`
	if _, err := conn.Exec(ctx, durable); err != nil {
		return fmt.Errorf("setting synchronous_commit: %w", err)
	}
	return checkSchema(ctx, conn)
}

// usable reports whether a connection can serve another call.
func usable(conn *pgx.Conn) bool {
	return !conn.IsClosed() && !conn.PgConn().IsBusy() && conn.PgConn().TxStatus() == 'I'
}

// The SQLSTATEs on which this package decides.
const (
	divisionByZero        = "22012" // what a failed compare-and-set does to its batch
	lockNotAvailable      = "55P03"
	undefinedTable        = "42P01"
	invalidSchemaName     = "3F000"
	insufficientPrivilege = "42501"
	integrityClass        = "23"
)

// sqlState returns the server's code of an error, or an empty text.
func sqlState(err error) string {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}

// translate gives an error of a write the sentinel on which the recorder decides.
func translate(err error) error {
	state := sqlState(err)
	switch {
	case state == divisionByZero:
		return store.ErrFenced
	case len(state) == 5 && state[:2] == integrityClass:
		return fmt.Errorf("%w: %w", store.ErrConstraint, err)
	}
	return err
}
