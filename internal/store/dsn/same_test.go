package dsn_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// fill records steps in batches of a size into the database at an address.
func fill(t *testing.T, address string, steps []storetest.Step, size int) store.Recording {
	t.Helper()
	w, err := dsn.OpenWriter(address, dsn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := w.Migrate(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	lease, err := w.Acquire(t.Context(), "first", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(steps); at += size {
		changes, next := storetest.Batch(steps[at:min(at+size, len(steps))])
		if err := w.Commit(t.Context(), lease, next, changes); err != nil {
			t.Fatal(err)
		}
		lease.Position = next
	}
	return w
}

// TestSameDump records one tape in both databases, in batches of different
// sizes: the canonical dumps are equal, byte for byte.
func TestSameDump(t *testing.T) {
	pg := postgrestest.Database(t)
	steps := storetest.Tape(99, 12, 60)
	a := fill(t, "sqlite:"+filepath.Join(t.TempDir(), "t.db"), steps, 17)
	b := fill(t, pg, steps, 100)
	differences := 0
	err := store.Compare(t.Context(), a.Reading(), b.Reading(), func(d store.Difference) {
		if differences++; differences <= 5 {
			t.Errorf("sqlite and postgres differ: %s", d)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	sumA, rowsA, atA, err := store.HashDump(t.Context(), a.Reading())
	if err != nil {
		t.Fatal(err)
	}
	sumB, rowsB, atB, err := store.HashDump(t.Context(), b.Reading())
	if err != nil {
		t.Fatal(err)
	}
	if sumA != sumB || rowsA != rowsB || atA != atB || rowsA < len(steps) {
		t.Fatalf("sqlite: %s, %d rows, %+v; postgres: %s, %d rows, %+v", sumA, rowsA, atA, sumB, rowsB, atB)
	}
}
