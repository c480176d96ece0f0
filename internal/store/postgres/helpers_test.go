package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

const (
	leaseTime = time.Hour        // does not expire within a test
	patience  = 30 * time.Second // for what takes milliseconds
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// recording opens a Writer on migrated tables.
func recording(t testing.TB, options postgres.Options) *postgres.Writer {
	t.Helper()
	w, err := postgres.OpenRecording(options)
	must(t, err)
	t.Cleanup(func() { w.Close() })
	must(t, w.Migrate(t.Context(), func(string) {}))
	return w
}

func reading(t testing.TB, options postgres.Options) *postgres.Reader {
	t.Helper()
	r, err := postgres.OpenReading(options)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func acquire(t testing.TB, w store.Writer, owner string) store.Lease {
	t.Helper()
	lease, err := w.Acquire(t.Context(), owner, leaseTime)
	must(t, err)
	return lease
}

// commit commits steps as one batch.
func commit(t testing.TB, w store.Writer, lease store.Lease, steps []storetest.Step) store.Lease {
	t.Helper()
	changes, next := storetest.Batch(steps)
	must(t, w.Commit(t.Context(), lease, next, changes))
	lease.Position = next
	return lease
}

// behind is a session of an administrator on the live tables.
func behind(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	exec(t, conn, "SET search_path = tapedeck")
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func query[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) (value T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// hash is the sum of all rows.
func hash(t testing.TB, d store.Dumper) string {
	t.Helper()
	sum, _, _, err := store.HashDump(t.Context(), d)
	must(t, err)
	return sum
}

// eventually asks until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

// waiters counts the store's sessions that wait for a lock. conn is in no
// transaction, where it would see the same all the time.
func waiters(t testing.TB, conn *pgx.Conn) int {
	t.Helper()
	return query[int](t, conn, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'tapedeck' AND wait_event_type = 'Lock'`)
}

// waiting is true while one of them waits.
func waiting(t testing.TB, conn *pgx.Conn) func() bool {
	return func() bool { return waiters(t, conn) > 0 }
}

func database(t testing.TB) (string, postgres.Options) {
	t.Helper()
	url := postgrestest.Database(t)
	return url, postgres.Options{URL: url}
}
