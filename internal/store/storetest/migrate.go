package storetest

import (
	"fmt"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
)

func testMigrateOnce(t *testing.T, db opened) {
	first, second := db.writer(), db.writer()
	var said []string
	say := func(line string) { said = append(said, line) }
	must(t, first.Migrate(t.Context(), say))
	if len(said) == 0 {
		t.Fatal("a migration said nothing")
	}
	n := len(said)
	must(t, first.Migrate(t.Context(), say))
	must(t, second.Migrate(t.Context(), say))
	wantEqual(t, "lines after migrating again", said[n:], []string{})
	standing, err := first.Reading().Standing(t.Context())
	must(t, err)
	wantEqual(t, "schema version", standing.SchemaVersion, n)
}

// testReaderBeforeTables opens a reader where there is nothing yet: it waits
// for the recorder without being opened again.
func testReaderBeforeTables(t *testing.T, db opened) {
	r, w := db.reader(), db.writer()
	_, err := r.Position(t.Context())
	wantError(t, "reading before there is a database", err, store.ErrNoDatabase)
	wantError(t, "a ping before there is a database", r.Ping(t.Context()), store.ErrNoDatabase)
	_, err = w.Acquire(t.Context(), "first", longLease)
	wantError(t, "recording before there is a database", err, store.ErrNoDatabase)
	_, err = r.Position(t.Context())
	wantError(t, "reading still before there is a database", err, store.ErrNoDatabase)
	must(t, w.Migrate(t.Context(), func(string) {}))
	at, err := r.Position(t.Context())
	must(t, err)
	wantEqual(t, "position", at, store.Position{})
	must(t, r.Ping(t.Context()))
	_, err = w.Acquire(t.Context(), "first", longLease)
	must(t, err)
}

// testNewerSchema meets tables of a newer program: usable, then not.
func testNewerSchema(t *testing.T, db opened) {
	w := db.migrated()
	standing, err := w.Reading().Standing(t.Context())
	must(t, err)
	next := standing.SchemaVersion + 1
	add := func(number, program int) {
		must(t, db.Exec(fmt.Sprintf(`INSERT INTO migrations (number, name, min_program, applied_at) VALUES (%d, 'later_%d', %d, 0)`,
			number, number, program)))
	}
	add(next, store.Program)
	must(t, db.reader().Ping(t.Context()))
	older := db.writer()
	must(t, older.Migrate(t.Context(), func(line string) { t.Errorf("an older program says %q", line) }))
	_, err = older.Acquire(t.Context(), "first", longLease)
	must(t, err)
	add(next+1, store.Program+1)
	wantError(t, "reading newer tables", db.reader().Ping(t.Context()), store.ErrSchema)
	refused := db.writer()
	wantError(t, "migrating newer tables", refused.Migrate(t.Context(), func(string) {}), store.ErrSchema)
	_, err = refused.Acquire(t.Context(), "first", longLease)
	wantError(t, "recording in newer tables", err, store.ErrSchema)
}
