package memory_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Test(t, func(t *testing.T) storetest.Database {
		s := memory.New(time.Now)
		return storetest.Database{
			Writer: func() (store.Recording, error) { return s.OpenWriter(), nil },
			Reader: func() (store.Reading, error) { return s.OpenReader(), nil },
			Exec: func(text string) error {
				err := s.Exec(text)
				if errors.Is(err, memory.ErrNotModelled) && t.Name() == "TestStore/OlderProgram" {
					t.Skip("an older program's statements: there are no columns in memory that it would not know")
				}
				return err
			},
		}
	})
}

// clock is a clock that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// TestClock: leases go by the clock that was given, and by nothing else.
func TestClock(t *testing.T) {
	c := &clock{at: time.Unix(1000, 0)}
	s := memory.New(c.now)
	w := s.OpenWriter()
	must(t, w.Migrate(t.Context(), func(string) {}))
	first, err := w.Acquire(t.Context(), "first", time.Minute)
	must(t, err)
	c.at = c.at.Add(time.Minute - time.Millisecond)
	if _, err := w.Acquire(t.Context(), "second", time.Minute); !errors.Is(err, store.ErrLeaseHeld) {
		t.Fatalf("a lease that holds for a millisecond more was taken: %v", err)
	}
	c.at = c.at.Add(time.Millisecond)
	must(t, w.Commit(t.Context(), first, storetest.At(1), store.Changes{})) // expired, not taken
	if _, err := w.Acquire(t.Context(), "second", time.Minute); !errors.Is(err, store.ErrLeaseHeld) {
		t.Fatalf("the commit did not lengthen the lease: %v", err)
	}
	c.at = c.at.Add(-2 * time.Minute) // set back: no live lease of this length is that far ahead
	second, err := w.Acquire(t.Context(), "second", time.Minute)
	must(t, err)
	if second.Epoch != 2 || second.Position.Seq != 1 {
		t.Errorf("lease %+v", second)
	}
}

// TestClone: a copy has the same rows and lease, and goes its own way.
func TestClone(t *testing.T) {
	steps := storetest.Tape(3, 12, 8)
	s := memory.New(time.Now)
	w := s.OpenWriter()
	must(t, w.Migrate(t.Context(), func(string) {}))
	lease, err := w.Acquire(t.Context(), "first", time.Hour)
	must(t, err)
	half := len(steps) / 2
	changes, next := storetest.Batch(steps[:half])
	must(t, w.Commit(t.Context(), lease, next, changes))
	lease.Position = next
	before := dump(t, s)
	other := s.Clone()
	if dump(t, other) != before {
		t.Fatal("a clone is not equal")
	}
	changes, next = storetest.Batch(steps[half:])
	must(t, other.OpenWriter().Commit(t.Context(), lease, next, changes))
	if dump(t, s) != before || dump(t, other) == before {
		t.Fatal("a clone shares what changes")
	}
	must(t, w.Commit(t.Context(), lease, next, changes))
	if dump(t, s) != dump(t, other) {
		t.Fatal("the same commit gave other rows in a clone")
	}
}

// TestWriteWhileDumping: a dump is a snapshot that keeps nobody out, its own
// receiver among them (a verification writes to what it compares with).
func TestWriteWhileDumping(t *testing.T) {
	steps := storetest.Tape(4, 3, 6)
	s := memory.New(time.Now)
	w := s.OpenWriter()
	must(t, w.Migrate(t.Context(), func(string) {}))
	lease, err := w.Acquire(t.Context(), "first", time.Hour)
	must(t, err)
	changes, next := storetest.Batch(steps[:10])
	must(t, w.Commit(t.Context(), lease, next, changes))
	lease.Position = next
	want, got := dump(t, s), ""
	left := steps[10:]
	_, err = s.OpenReader().Dump(t.Context(), func(table, _ string, row []byte) error {
		got += table + " " + string(row) + "\n"
		if len(left) > 0 {
			must(t, w.Commit(t.Context(), lease, left[0].Position, left[0].Changes))
			lease.Position, left = left[0].Position, left[1:]
		}
		return nil
	})
	must(t, err)
	if got != want {
		t.Errorf("the dump is no snapshot:\n%s\nwant:\n%s", got, want)
	}
}

// TestRefused: what one of the real databases does not take is refused here.
func TestRefused(t *testing.T) {
	w := memory.New(time.Now).OpenWriter()
	must(t, w.Migrate(t.Context(), func(string) {}))
	lease, err := w.Acquire(t.Context(), "first", time.Hour)
	must(t, err)
	for _, reason := range []string{"a NUL \x00", "not UTF-8 \xff"} {
		poison := []store.Poison{{Seq: 1, RecordedAt: time.Unix(1, 0), Reason: reason}}
		if err := w.Commit(t.Context(), lease, storetest.At(1), store.Changes{Poison: poison}); !errors.Is(err, store.ErrConstraint) {
			t.Errorf("%q was taken: %v", reason, err)
		}
	}
}

func dump(t *testing.T, s *memory.Store) string {
	t.Helper()
	var text strings.Builder
	_, err := store.WriteDump(t.Context(), s.OpenReader(), &text)
	must(t, err)
	return text.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
