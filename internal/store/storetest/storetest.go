// Package storetest is the suite that every database behind package store
// passes: Test runs it over fresh databases of a Factory. Tape makes plausible
// changes for it and for the tests of others.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/store"
)

// A Database is one fresh, empty database of a test. What its functions open
// is closed by the suite; the rest goes with the test.
type Database struct {
	// Writer opens a recorder's side, each call another one, as if in another process.
	Writer func() (store.Recording, error)
	// Reader opens a reading side, each call another one.
	Reader func() (store.Reading, error)
	// Exec carries out a statement on the live tables behind the store's back.
	Exec func(sql string) error
}

// A Factory makes a database for one test.
type Factory func(t *testing.T) Database

// longLease does not expire within a test.
const longLease = time.Hour

// patience is how long a test waits for something that takes milliseconds.
const patience = 30 * time.Second

// Test runs the whole suite.
func Test(t *testing.T, factory Factory) {
	cases := []struct {
		name string
		test func(t *testing.T, db opened)
	}{
		{"MigrateOnce", testMigrateOnce},
		{"ReaderBeforeTables", testReaderBeforeTables},
		{"OlderProgram", testOlderProgram},
		{"NewerSchema", testNewerSchema},
		{"FirstLease", testFirstLease},
		{"HeldLease", testHeldLease},
		{"ExpiredLease", testExpiredLease},
		{"OtherLease", testOtherLease},
		{"ReleasedLease", testReleasedLease},
		{"RenewedLease", testRenewedLease},
		{"RoundTrip", testRoundTrip},
		{"Extremes", testExtremes},
		{"FencedBySequence", testFencedBySequence},
		{"FencedByEpoch", testFencedByEpoch},
		{"FencedByTape", testFencedByTape},
		{"ExpiredButUntaken", testExpiredButUntaken},
		{"RacingWriters", testRacingWriters},
		{"ProgressReplaces", testProgressReplaces},
		{"DaysKeepTheNewest", testDaysKeepTheNewest},
		{"Constraints", testConstraints},
		{"CancelledContext", testCancelledContext},
		{"Load", testLoad},
		{"Job", testJob},
		{"Jobs", testJobs},
		{"Details", testDetails},
		{"DetailsPending", testDetailsPending},
		{"Results", testResults},
		{"Backtests", testBacktests},
		{"Screen", testScreen},
		{"ScreenAge", testScreenAge},
		{"History", testHistory},
		{"Backlog", testBacklog},
		{"Poisoned", testPoisoned},
		{"Remains", testRemains},
		{"Queries", testQueries},
		{"Cursors", testCursors},
		{"ReadersSeeWholeBatches", testReadersSeeWholeBatches},
		{"DumpIgnoresCuts", testDumpIgnoresCuts},
		{"DumpCompare", testDumpCompare},
		{"ShadowSwap", testShadowSwap},
		{"ShadowFenced", testShadowFenced},
		{"ShadowDiscard", testShadowDiscard},
		{"ShadowLeftBehind", testShadowLeftBehind},
		{"SwapUnderReaders", testSwapUnderReaders},
		{"AcceptLoss", testAcceptLoss},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.test(t, opened{Database: factory(t), t: t})
		})
	}
}

// opened closes what it opens.
type opened struct {
	Database
	t *testing.T
}

func (db opened) writer() store.Recording {
	db.t.Helper()
	w, err := db.Writer()
	if err != nil {
		db.t.Fatalf("opening a writer: %v", err)
	}
	db.t.Cleanup(func() { mustClose(db.t, w) })
	return w
}

// migrated is a writer on tables that are there.
func (db opened) migrated() store.Recording {
	db.t.Helper()
	w := db.writer()
	must(db.t, w.Migrate(db.t.Context(), func(string) {}))
	return w
}

// recording is a writer that holds a long lease.
func (db opened) recording() *session {
	db.t.Helper()
	w := db.migrated()
	return db.session(w, w, "first")
}

func (db opened) session(w store.Recording, target store.Writer, owner string) *session {
	db.t.Helper()
	lease, err := target.Acquire(db.t.Context(), owner, longLease)
	must(db.t, err)
	return &session{Recording: w, target: target, t: db.t, lease: lease}
}

func (db opened) reader() store.Reading {
	db.t.Helper()
	r, err := db.Reader()
	if err != nil {
		db.t.Fatalf("opening a reader: %v", err)
	}
	db.t.Cleanup(func() { mustClose(db.t, r) })
	return r
}

// A session is a writer with its lease.
type session struct {
	store.Recording
	target store.Writer // the Recording itself or its shadow
	t      *testing.T
	lease  store.Lease
}

// record commits steps in batches of a size.
func (s *session) record(steps []Step, size int) {
	s.t.Helper()
	for len(steps) > 0 {
		n := min(size, len(steps))
		changes, next := Batch(steps[:n])
		if err := s.target.Commit(s.t.Context(), s.lease, next, changes); err != nil {
			s.t.Fatalf("committing up to %d: %v", next.Seq, err)
		}
		s.lease.Position = next
		steps = steps[n:]
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustClose(t *testing.T, c interface{ Close() error }) {
	if err := c.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

func wantEqual[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// hash is the sum of the dump.
func hash(t *testing.T, d store.Dumper) string {
	t.Helper()
	sum, _, _, err := store.HashDump(t.Context(), d)
	must(t, err)
	return sum
}

// eventually calls f until it is true.
func eventually(t *testing.T, what string, f func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !f(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}
