package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// recorded is a database with a tape in it, and the lease under which it was recorded.
func recorded(t *testing.T, path string, steps []storetest.Step) (*sqlite.Writer, store.Lease) {
	t.Helper()
	w := sqlite.OpenWriter(path)
	t.Cleanup(func() { _ = w.Close() }) // may have been closed by the test
	must(t, w.Migrate(t.Context(), func(string) {}))
	return w, record(t, w, "first", steps)
}

func record(t *testing.T, w store.Writer, owner string, steps []storetest.Step) store.Lease {
	t.Helper()
	lease, err := w.Acquire(t.Context(), owner, time.Hour)
	must(t, err)
	changes, next := storetest.Batch(steps)
	must(t, w.Commit(t.Context(), lease, next, changes))
	lease.Position = next
	return lease
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func wantFiles(t *testing.T, path string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, files(t, path)); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
}

// rebuild swaps a shadow with the same steps in.
func rebuild(t *testing.T, w *sqlite.Writer, lease store.Lease, steps []storetest.Step) {
	t.Helper()
	shadow, err := w.Shadow(t.Context())
	must(t, err)
	record(t, shadow, "filler", steps)
	must(t, shadow.Swap(t.Context(), lease))
	must(t, shadow.Discard(t.Context()))
}

func TestGenerations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	steps := storetest.Tape(1, 2, 5)
	w, lease := recorded(t, path, steps)
	wantFiles(t, path, "t.db", "t.db.g1", "t.db.g1-shm", "t.db.g1-wal")
	left, err := w.Shadow(t.Context())
	must(t, err)
	wantFiles(t, path, "t.db", "t.db.g1", "t.db.g1-shm", "t.db.g1-wal", "t.db.g2", "t.db.g2-shm", "t.db.g2-wal")
	must(t, os.WriteFile(path+".link", nil, 0o600)) // as if a swap had been cut short
	rebuild(t, w, lease, steps)
	must(t, w.Renew(t.Context(), lease))
	wantFiles(t, path, "t.db", "t.db.g3", "t.db.g3-shm", "t.db.g3-wal")
	must(t, left.Discard(t.Context()))
	must(t, w.Close())
	wantFiles(t, path, "t.db", "t.db.g3")
	if target, err := os.Readlink(path); err != nil || target != "t.db.g3" {
		t.Fatalf("the link leads to %q (%v): it must be relative, so that the directory can be moved", target, err)
	}
}

// TestPlainFile uses a restored copy that stands where the link should.
func TestPlainFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	steps := storetest.Tape(2, 2, 5)
	w, lease := recorded(t, path, steps)
	saved, err := w.AcceptLoss(t.Context(), lease, lease.Position, "to have a copy")
	must(t, err)
	must(t, w.Close())
	must(t, os.Remove(path))
	must(t, os.Rename(saved, path))
	r := sqlite.OpenReader(path)
	defer r.Close()
	before, _, at, err := store.HashDump(t.Context(), r)
	must(t, err)
	if at != lease.Position {
		t.Fatalf("the copy stands at %+v, not %+v", at, lease.Position)
	}
	again := sqlite.OpenWriter(path)
	defer again.Close()
	lease, err = again.Acquire(t.Context(), "first", time.Hour)
	must(t, err)
	rebuild(t, again, lease, steps)
	must(t, again.Renew(t.Context(), lease))
	after, _, _, err := store.HashDump(t.Context(), r)
	must(t, err)
	if before != after {
		t.Fatalf("the dump changed from %s to %s", before, after)
	}
	wantFiles(t, path, "t.db", "t.db.g2", "t.db.g2-shm", "t.db.g2-wal")
}

// TestForeignLock lets another program write for a while: the batch waits.
func TestForeignLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	steps := storetest.Tape(3, 3, 5)
	w, lease := recorded(t, path, steps[:5])
	file, err := filepath.EvalSymlinks(path)
	must(t, err)
	db, err := foreign(file)
	must(t, err)
	defer db.Close()
	lock := func() (release func()) {
		conn, err := db.Conn(t.Context())
		must(t, err)
		_, err = conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
		must(t, err)
		return func() {
			_, _ = conn.ExecContext(context.Background(), `ROLLBACK`)
			_ = conn.Close()
		}
	}
	changes, next := storetest.Batch(steps[5:])
	release := lock()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.Commit(short, lease, next, changes); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a commit that may wait 50 ms for a lock: %v", err)
	}
	if at, err := w.Reading().Position(t.Context()); err != nil || at != lease.Position {
		t.Fatalf("reading while another program writes: %+v, %v", at, err)
	}
	release()
	time.AfterFunc(time.Second, lock())
	must(t, w.Commit(t.Context(), lease, next, changes))
}

// TestDamaged says what to do about a file that is no database.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	must(t, os.WriteFile(path, []byte(strings.Repeat("not a database ", 100)), 0o600))
	r, w := sqlite.OpenReader(path), sqlite.OpenWriter(path)
	defer r.Close()
	defer w.Close()
	for _, err := range []error{r.Ping(t.Context()), w.Migrate(t.Context(), func(string) {})} {
		if err == nil || !strings.Contains(err.Error(), "tapedeck rebuild") {
			t.Errorf("got %v", err)
		}
	}
	must(t, os.Remove(path))
	must(t, os.Symlink("t.db.g7", path)) // a link to nowhere
	if err := r.Ping(t.Context()); !errors.Is(err, store.ErrNoDatabase) {
		t.Errorf("a link to nowhere: %v", err)
	}
	if _, err := w.Acquire(t.Context(), "first", time.Hour); !errors.Is(err, store.ErrNoDatabase) {
		t.Errorf("a link to nowhere: %v", err)
	}
	must(t, w.Migrate(t.Context(), func(string) {}))
	must(t, r.Ping(t.Context()))
}

// TestReopen closes without a word after commits, and opens again.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	steps := storetest.Tape(4, 3, 6)
	w, lease := recorded(t, path, steps)
	sum, rows, at, err := store.HashDump(t.Context(), w.Reading())
	must(t, err)
	must(t, w.Close())
	if err := w.Renew(t.Context(), lease); err == nil {
		t.Fatal("a closed writer renewed its lease")
	}
	if _, err := w.Reading().Position(t.Context()); err == nil {
		t.Fatal("a closed reader read")
	}
	again := sqlite.OpenWriter(path)
	defer again.Close()
	must(t, again.Renew(t.Context(), lease))
	sum2, rows2, at2, err := store.HashDump(t.Context(), again.Reading())
	must(t, err)
	if sum != sum2 || rows != rows2 || at != at2 {
		t.Fatalf("%s, %d rows, %+v became %s, %d rows, %+v", sum, rows, at, sum2, rows2, at2)
	}
}

// TestRemovedWhileOpening reads when a rebuild removes the file between the
// look at the link and the opening.
func TestRemovedWhileOpening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	steps := storetest.Tape(6, 2, 5)
	w, lease := recorded(t, path, steps)
	rebuild(t, w, lease, steps)
	r := sqlite.OpenReader(path)
	defer r.Close()
	for _, opened := range []bool{false, true} {
		sqlite.LookFirst(r, path+".g1")
		if at, err := r.Position(t.Context()); err != nil || at != lease.Position {
			t.Errorf("opened before: %v: %+v, %v", opened, at, err)
		}
	}
	must(t, os.Remove(path))
	if _, err := r.Position(t.Context()); !errors.Is(err, store.ErrNoDatabase) {
		t.Errorf("reading what was removed: %v", err)
	}
}
