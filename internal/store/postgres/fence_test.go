package postgres_test

import (
	"errors"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// TestFencedInTheMiddle holds a commit at the fence while another takes the
// lease: the statements behind the fence are with the server by then, and none
// of them may happen.
func TestFencedInTheMiddle(t *testing.T) {
	url, options := database(t)
	steps := storetest.Tape(1, 3, 5)
	w := recording(t, options)
	lease := commit(t, w, acquire(t, w, "first"), steps[:10])
	before := hash(t, w.Reading())

	thief := behind(t, url)
	exec(t, thief, `BEGIN`)
	exec(t, thief, `UPDATE checkpoint SET owner = 'thief', epoch = epoch + 1`)
	changes, next := storetest.Batch(steps[10:])
	result := make(chan error, 1)
	go func() { result <- w.Commit(t.Context(), lease, next, changes) }()
	eventually(t, "the commit waits at the fence", waiting(t, behind(t, url)))
	exec(t, thief, `COMMIT`)

	if err := <-result; !errors.Is(err, store.ErrFenced) {
		t.Errorf("the commit: %v, want ErrFenced", err)
	}
	if after := hash(t, w.Reading()); after != before {
		t.Error("a fenced commit changed rows")
	}
}

// TestTakerWaitsForCommit holds a commit behind the fence, which it has
// passed: nobody can take the lease between it and its end.
func TestTakerWaitsForCommit(t *testing.T) {
	url, options := database(t)
	steps := storetest.Tape(2, 3, 5)
	w := recording(t, options)
	// The first commit prepares the statements: later ones do not stop before the fence for that.
	lease := commit(t, w, acquire(t, w, "first"), steps[:10])
	blocker := behind(t, url)
	exec(t, blocker, `BEGIN`)
	exec(t, blocker, `LOCK TABLE details IN SHARE MODE`)
	exec(t, behind(t, url), `UPDATE checkpoint SET lease_until = 0`)

	changes, next := storetest.Batch(steps[10:])
	committed := make(chan error, 1)
	go func() { committed <- w.Commit(t.Context(), lease, next, changes) }()
	watch := behind(t, url)
	eventually(t, "the commit waits behind the fence", waiting(t, watch))
	second := recording(t, options)
	taken := make(chan error, 1)
	go func() {
		_, err := second.Acquire(t.Context(), "second", leaseTime)
		taken <- err
	}()
	eventually(t, "the taker waits for the commit", func() bool { return waiters(t, watch) == 2 })
	exec(t, blocker, `COMMIT`)

	must(t, <-committed)
	if err := <-taken; !errors.Is(err, store.ErrLeaseHeld) {
		t.Errorf("taking a lease that the commit had lengthened: %v, want ErrLeaseHeld", err)
	}
}

// TestCommitIsDurable: a server that does not wait for its disk is told to.
func TestCommitIsDurable(t *testing.T) {
	url, options := database(t)
	conn := behind(t, url)
	exec(t, conn, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`)
	w := recording(t, options)
	acquire(t, w, "first")
	if got := w.Setting(t.Context(), "synchronous_commit"); got != "on" {
		t.Errorf("synchronous_commit is %q", got)
	}
}
