package sqlite

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	code "modernc.org/sqlite/lib"

	"github.com/tapedeck/tapedeck/internal/store"
)

// primary is the primary result code of SQLite in an error; 0 if there is none.
func primary(err error) int {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// explain gives the errors of SQLite on which callers decide their sentinels,
// and a wait for somebody else's lock a text that says so.
func explain(err error) error {
	switch primary(err) {
	case code.SQLITE_CONSTRAINT:
		return fmt.Errorf("%w: %w", store.ErrConstraint, err)
	case code.SQLITE_BUSY:
		return fmt.Errorf("another program kept the database locked for %v (an open sqlite3 session, a copy?): %w", BusyTimeout, err)
	case code.SQLITE_NOTADB, code.SQLITE_CORRUPT:
		return fmt.Errorf("the file is damaged or no database: restore a copy, or move it away and run 'tapedeck rebuild': %w", err)
	}
	return err
}

// cause is the context's end if that is why a call failed.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return explain(err)
}

// missing says store.ErrNoDatabase where the link is there but the file is not.
func missing(err error, path string) error {
	if primary(err) == code.SQLITE_CANTOPEN {
		return fmt.Errorf("%w at %s: start the recorder, or run 'tapedeck migrate': %w", store.ErrNoDatabase, path, err)
	}
	return err
}
