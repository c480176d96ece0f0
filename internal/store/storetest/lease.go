package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
)

func testFirstLease(t *testing.T, db opened) {
	w := db.migrated()
	lease, err := w.Acquire(t.Context(), "first", longLease)
	must(t, err)
	wantEqual(t, "the first lease", lease, store.Lease{Owner: "first", Epoch: 1, TTL: longLease})
	standing, err := w.Reading().Standing(t.Context())
	must(t, err)
	if standing.Owner != "first" || standing.Epoch != 1 || standing.SchemaVersion < 1 ||
		standing.Projection != store.ProjectionVersion ||
		standing.LeaseLeft <= 0 || standing.LeaseLeft > longLease {
		t.Fatalf("standing: %+v", standing)
	}
	again, err := w.Acquire(t.Context(), "first", longLease)
	must(t, err)
	if again.Epoch != 2 {
		t.Fatalf("the owner's second lease has epoch %d, not 2", again.Epoch)
	}
	wantError(t, "a commit under the first epoch", w.Commit(t.Context(), lease, At(1), store.Changes{}), store.ErrFenced)
	wantError(t, "a renewal of the first epoch", w.Renew(t.Context(), lease), store.ErrFenced)
	must(t, w.Renew(t.Context(), again))
}

func testHeldLease(t *testing.T, db opened) {
	first := db.recording()
	second := db.writer()
	_, err := second.Acquire(t.Context(), "second", longLease)
	wantError(t, "taking a held lease", err, store.ErrLeaseHeld)
	must(t, first.Renew(t.Context(), first.lease))
}

func testExpiredLease(t *testing.T, db opened) {
	const ttl = 50 * time.Millisecond
	w := db.migrated()
	first, err := w.Acquire(t.Context(), "first", ttl)
	must(t, err)
	second := db.writer()
	var taken store.Lease
	eventually(t, "the lease expires", func(ctx context.Context) bool {
		taken, err = second.Acquire(ctx, "second", longLease)
		if err != nil && !errors.Is(err, store.ErrLeaseHeld) {
			t.Fatal(err)
		}
		return err == nil
	})
	if taken.Epoch != first.Epoch+1 {
		t.Fatalf("epoch %d after %d", taken.Epoch, first.Epoch)
	}
	wantError(t, "a commit after the lease was taken", w.Commit(t.Context(), first, At(1), store.Changes{}), store.ErrFenced)
	wantError(t, "renewing a lost lease", w.Renew(t.Context(), first), store.ErrFenced)
	wantError(t, "releasing a lost lease", w.Release(t.Context(), first), store.ErrFenced)
	must(t, second.Renew(t.Context(), taken))
}

// testOtherLease: a recorder of another version may hold the lease for longer
// than the one that asks; only one that no version holds for so long was taken
// by a clock that has been set back since.
func testOtherLease(t *testing.T, db opened) {
	w := db.migrated()
	lease, err := w.Acquire(t.Context(), "first", store.LongestLease)
	must(t, err)
	second := db.writer()
	_, err = second.Acquire(t.Context(), "second", time.Second)
	wantError(t, "taking a lease that is longer than one's own", err, store.ErrLeaseHeld)
	lease.TTL = store.LongestLease + time.Hour
	must(t, w.Renew(t.Context(), lease))
	taken, err := second.Acquire(t.Context(), "second", time.Second)
	must(t, err)
	if taken.Epoch != 2 {
		t.Fatalf("epoch %d, not 2", taken.Epoch)
	}
}

func testReleasedLease(t *testing.T, db opened) {
	first := db.recording()
	must(t, first.Release(t.Context(), first.lease))
	wantError(t, "a commit after the release", first.Commit(t.Context(), first.lease, At(1), store.Changes{}), store.ErrFenced)
	standing, err := first.Reading().Standing(t.Context())
	must(t, err)
	wantEqual(t, "standing", standing.Owner, "")
	wantEqual(t, "standing", standing.LeaseLeft, 0)
	second := db.writer()
	lease, err := second.Acquire(t.Context(), "second", longLease)
	must(t, err)
	if lease.Epoch != 2 {
		t.Fatalf("epoch %d, not 2", lease.Epoch)
	}
}

func testRenewedLease(t *testing.T, db opened) {
	w := db.migrated()
	lease, err := w.Acquire(t.Context(), "first", time.Minute)
	must(t, err)
	left := func() time.Duration {
		standing, err := w.Reading().Standing(t.Context())
		must(t, err)
		return standing.LeaseLeft
	}
	lease.TTL = longLease
	must(t, w.Renew(t.Context(), lease))
	if got := left(); got < longLease/2 {
		t.Fatalf("%v left after a renewal for %v", got, longLease)
	}
	lease.TTL = 2 * longLease
	must(t, w.Commit(t.Context(), lease, At(1), store.Changes{}))
	if got := left(); got < longLease {
		t.Fatalf("%v left after a commit for %v", got, 2*longLease)
	}
}

func testExpiredButUntaken(t *testing.T, db opened) {
	w := db.migrated()
	lease, err := w.Acquire(t.Context(), "first", time.Millisecond)
	must(t, err)
	eventually(t, "the lease expires", func(ctx context.Context) bool {
		standing, err := w.Reading().Standing(ctx)
		must(t, err)
		return standing.LeaseLeft <= 0
	})
	// Nobody took it: what fences is the epoch, so that a slow disk costs no work.
	must(t, w.Commit(t.Context(), lease, At(1), store.Changes{}))
}
