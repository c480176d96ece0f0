package storetest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
)

// shadowed is a database with a tape, and a shadow that holds the first n steps of it.
func shadowed(t *testing.T, db opened, steps []Step, n int) (live *session, shadow store.Shadow, filler *session) {
	t.Helper()
	live = db.recording()
	live.record(steps, 20)
	shadow, err := live.Shadow(t.Context())
	must(t, err)
	filler = db.session(live.Recording, shadow, "filler")
	wantEqual(t, "the shadow's first position", filler.lease.Position, store.Position{})
	filler.record(steps[:n], 7)
	return live, shadow, filler
}

func testShadowSwap(t *testing.T, db opened) {
	steps := Tape(24, 4, 7)
	half := len(steps) / 2
	live, shadow, filler := shadowed(t, db, steps[:half], half)
	r := db.reader()
	before := hash(t, r)
	// The rows of the live tables are not those of the tape any more: the swap must mend that.
	must(t, db.Exec(`UPDATE details SET attempts = attempts + 7`))
	states, err := shadow.Load(t.Context(), []string{steps[0].Changes.Jobs[0].ID})
	must(t, err)
	wantEqual(t, "states loaded from the shadow", len(states), 1)
	standby := db.writer()
	_, err = standby.Acquire(t.Context(), "second", longLease)
	wantError(t, "taking the lease before a swap", err, store.ErrLeaseHeld)
	must(t, shadow.Swap(t.Context(), live.lease))
	wantEqual(t, "the dump after the swap", hash(t, r), before)
	wantEqual(t, "the dump of a new reader", hash(t, db.reader()), before)
	standing, err := r.Standing(t.Context())
	must(t, err)
	wantEqual(t, "the owner after the swap", standing.Owner, "first")
	wantEqual(t, "the epoch after the swap", standing.Epoch, live.lease.Epoch)
	must(t, live.Renew(t.Context(), live.lease))
	live.record(steps[half:], 5)
	wantError(t, "a commit under the shadow's lease", live.Commit(t.Context(), filler.lease, At(9999), store.Changes{}), store.ErrFenced)
	must(t, shadow.Discard(t.Context()))
	must(t, shadow.Discard(t.Context()))
	changes, _ := Batch(steps)
	wantRows(t, r, changes)
	_, err = standby.Acquire(t.Context(), "second", longLease)
	wantError(t, "taking the lease after a swap", err, store.ErrLeaseHeld)
	must(t, live.Release(t.Context(), live.lease))
	lease, err := standby.Acquire(t.Context(), "second", longLease)
	must(t, err)
	wantEqual(t, "the position of who stood by", lease.Position, steps[len(steps)-1].Position)
	standing, err = r.Standing(t.Context())
	must(t, err)
	wantEqual(t, "the owner after the take-over", standing.Owner, "second")
}

func testShadowFenced(t *testing.T, db opened) {
	steps := Tape(25, 3, 6)
	live, shadow, filler := shadowed(t, db, steps, len(steps)-1)
	wantUntouched(t, db, func() {
		wantError(t, "swapping a shadow that is behind", shadow.Swap(t.Context(), live.lease), store.ErrFenced)
	})
	filler.record(steps[len(steps)-1:], 1)
	must(t, db.Exec(`UPDATE checkpoint SET epoch = epoch + 1, owner = 'thief'`))
	wantUntouched(t, db, func() {
		wantError(t, "swapping under a lost lease", shadow.Swap(t.Context(), live.lease), store.ErrFenced)
	})
	must(t, shadow.Discard(t.Context()))
}

func testShadowDiscard(t *testing.T, db opened) {
	steps := Tape(26, 3, 6)
	live, shadow, _ := shadowed(t, db, steps[:20], 10)
	wantUntouched(t, db, func() { must(t, shadow.Discard(t.Context())) })
	live.record(steps[20:], 5)
	next, err := live.Shadow(t.Context())
	must(t, err)
	must(t, next.Discard(t.Context()))
}

// testShadowLeftBehind makes a shadow where an earlier process left one.
func testShadowLeftBehind(t *testing.T, db opened) {
	steps := Tape(27, 3, 6)
	live, _, _ := shadowed(t, db, steps, 10) // never discarded
	next, err := live.Shadow(t.Context())
	must(t, err)
	filler := db.session(live.Recording, next, "filler")
	wantEqual(t, "the new shadow's position", filler.lease.Position, store.Position{})
	filler.record(steps, 30)
	wantUntouched(t, db, func() { must(t, next.Swap(t.Context(), live.lease)) })
	must(t, next.Discard(t.Context()))
}

// testSwapUnderReaders swaps again and again while readers read: no read
// fails, no answer is older than one before it.
func testSwapUnderReaders(t *testing.T, db opened) {
	steps := Tape(28, 4, 10)
	live := db.recording()
	live.record(steps[:30], 10)
	job := steps[0].Changes.Jobs[0]
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		r := db.reader()
		wg.Go(func() {
			var seen uint64
			for ctx.Err() == nil && wholeBatch(t, r, job, &seen) {
			}
		})
	}
	for n := 30; n < len(steps) && !t.Failed(); n += 5 {
		shadow, err := live.Shadow(t.Context())
		must(t, err)
		filler := db.session(live.Recording, shadow, "filler")
		filler.record(steps[:n], n)
		must(t, shadow.Swap(t.Context(), live.lease))
		must(t, shadow.Discard(t.Context()))
		live.record(steps[n:min(n+5, len(steps))], 5)
	}
	stop()
	wg.Wait()
	changes, _ := Batch(steps)
	wantRows(t, db.reader(), changes)
}

func testAcceptLoss(t *testing.T, db opened) {
	steps := Tape(29, 3, 6)
	s := db.recording()
	s.record(steps[:15], 15)
	stale := s.lease
	stale.Epoch--
	fresh := store.Position{Stream: "TAPE", Created: StreamCreated().Add(1), Seq: 3, Anchor: "new"}
	r := db.reader()
	wantUntouched(t, db, func() {
		_, err := s.AcceptLoss(t.Context(), stale, fresh, "the disk was lost")
		wantError(t, "accepting a loss without the lease", err, store.ErrFenced)
	})
	before := lines(t, r)
	saved, err := s.AcceptLoss(t.Context(), s.lease, fresh, "the disk was lost: 'quote'")
	must(t, err)
	if saved == "" || strings.TrimSpace(saved) != saved {
		t.Fatalf("saved as %q", saved)
	}
	at, err := r.Position(t.Context())
	must(t, err)
	wantEqual(t, "position", at, fresh)
	after := lines(t, r)
	wantEqual(t, "rows", after[1:], before[1:])
	wantError(t, "a commit from the old position", s.Commit(t.Context(), s.lease, At(99), store.Changes{}), store.ErrFenced)
	s.lease.Position = fresh
	next := fresh
	next.Seq++
	must(t, s.Commit(t.Context(), s.lease, next, store.Changes{}))
	s.lease.Position = next
	again, err := s.AcceptLoss(t.Context(), s.lease, fresh, "again")
	must(t, err)
	if again == saved {
		t.Fatalf("both losses were saved as %q", saved)
	}
	wantRecovered(t, db)
	// A rebuild folds the new tape; what was given up of the old one is still known.
	s.lease.Position = fresh
	shadow, err := s.Shadow(t.Context())
	must(t, err)
	filler := db.session(s.Recording, shadow, "filler")
	must(t, shadow.Commit(t.Context(), filler.lease, fresh, store.Changes{}))
	must(t, shadow.Swap(t.Context(), s.lease))
	must(t, shadow.Discard(t.Context()))
	wantRecovered(t, db)
}

// wantRecovered wants the first loss of testAcceptLoss in table recoveries.
func wantRecovered(t *testing.T, db opened) {
	t.Helper()
	// A reason cannot be NULL: the error says that the row is there.
	if err := db.Exec(`UPDATE recoveries SET reason = NULL WHERE old_seq = 15 AND old_anchor <> '' AND
		new_seq = 3 AND new_anchor = 'new' AND reason LIKE 'the disk was lost: _quote_'`); err == nil {
		t.Fatal("what was given up does not stand in recoveries")
	}
}
