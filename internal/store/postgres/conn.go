package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tapedeck/tapedeck/internal/store"
)

// dial opens a connection.
func dial(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, connecting(err)
	}
	return conn, nil
}

// connecting says what kept us from connecting.
func connecting(err error) error {
	if sqlState(err) == invalidCatalogName {
		return fmt.Errorf("%w: create it as an administrator: %w", store.ErrNoDatabase, err)
	}
	return fmt.Errorf("connecting to PostgreSQL: %w", err)
}

// dialLong opens a connection for what works on whole tables: its statements
// take as long as they take, up to the context. Locks it does not wait for
// any longer than others do.
func dialLong(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := dial(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `SET statement_timeout = 0`); err != nil {
		shut(conn)
		return nil, err
	}
	return conn, nil
}

// shut closes a connection: a word to the server, if it takes it at once.
func shut(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	conn.Close(ctx) // nothing follows from a failure to say good-bye
}

// usable reports whether a connection can serve another call.
func usable(conn *pgx.Conn) bool {
	return !conn.IsClosed() && !conn.PgConn().IsBusy() && conn.PgConn().TxStatus() == 'I'
}

// The SQLSTATEs on which this package decides.
const (
	divisionByZero     = "22012" // what a failed compare-and-set does to its batch
	integrityClass     = "23"
	connectionClass    = "08"
	resourcesClass     = "53"    // too many connections, no memory, no disk
	interventionClass  = "57"    // is shutting down, is starting, was cancelled
	invalidCatalogName = "3D000" // no such database
	undefinedTable     = "42P01"
	notPermitted       = "42501"
	lockNotAvailable   = "55P03"
)

// sqlState returns the server's code of an error, or an empty text.
func sqlState(err error) string {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}

// translate gives an error of a commit the sentinel on which the recorder decides.
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

// unavailable gives an error of a read store.ErrUnavailable if the server was
// not there to answer; broken says that the read has lost its connection.
func unavailable(err error, broken bool) error {
	if err == nil || errors.Is(err, store.ErrNoDatabase) || errors.Is(err, store.ErrSchema) {
		return err
	}
	if state := sqlState(err); len(state) == 5 { // the server itself says why
		class := state[:2]
		broken = class == connectionClass || class == resourcesClass || class == interventionClass
	}
	if !broken {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// quoted is a name of a schema, table or role as part of a statement.
func quoted(names ...string) string { return pgx.Identifier(names).Sanitize() }
