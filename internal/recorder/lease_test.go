package recorder_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
)

// faulty is a store of which a test breaks calls.
type faulty struct {
	recorder.Store
	fenced  atomic.Int64                                                          // commits
	asks    atomic.Int64                                                          // for the lease
	refused atomic.Int64                                                          // of them
	commit  func(ctx context.Context, next store.Position, do func() error) error // around Commit; nil: none
	release error
}

func (f *faulty) Commit(ctx context.Context, lease store.Lease, next store.Position, changes store.Changes) error {
	do := func() error { return f.Store.Commit(ctx, lease, next, changes) }
	err := error(nil)
	if f.commit != nil {
		err = f.commit(ctx, next, do)
	} else {
		err = do()
	}
	if errors.Is(err, store.ErrFenced) {
		f.fenced.Add(1)
	}
	return err
}

func (f *faulty) Acquire(ctx context.Context, owner string, ttl time.Duration) (store.Lease, error) {
	f.asks.Add(1)
	lease, err := f.Store.Acquire(ctx, owner, ttl)
	if errors.Is(err, store.ErrLeaseHeld) {
		f.refused.Add(1)
	}
	return lease, err
}

func (f *faulty) Release(ctx context.Context, lease store.Lease) error {
	if f.release != nil {
		return f.release
	}
	return f.Store.Release(ctx, lease)
}

func leads(r *running) func() bool {
	return func() bool { return r.Status().Role == recorder.RoleLeading }
}

// TestStandbyTakesOver: the first recorder's end is learnt at the next ask, or
// when its lease is over. What is counted are asks, a quarter of a second apart or nearly
// (TestCoreRenewsAndStandsBy): how long they take says more of the machine.
func TestStandbyTakesOver(t *testing.T) {
	for _, test := range []struct {
		name    string
		release error // what the first recorder's Release meets
		asks    int64 // the most that begin from the stop on until one succeeds
	}{
		{"after a release", nil, 1},
		{"after a kill", errors.New("killed"), 17}, // three seconds of lease, at 3/16 s each
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newRig(t)
			one := g.start("one", func(c *recorder.Config) { c.Store = &faulty{Store: c.Store, release: test.release} })
			await(t, "one leads", leads(one))
			var standby *faulty
			two := g.start("two", func(c *recorder.Config) {
				standby = &faulty{Store: c.Store}
				c.Store = standby
			})
			g.job("j1", 20)
			g.awaitJob("j1", "announced", announced)
			await(t, "two asks in vain", func() bool { return standby.refused.Load() > 0 })
			if leads(two)() {
				t.Fatal("both lead")
			}
			if err := one.stop(); err != nil {
				t.Fatal(err)
			}
			before := standby.asks.Load() // one of them may be under way
			g.job("j2", 20)
			g.awaitJob("j2", "announced", announced)
			await(t, "two leads", leads(two))
			if asks := standby.asks.Load() - before; asks > test.asks {
				t.Errorf("took over at ask %d after the end, wanted at most %d", asks, test.asks)
			}
			g.verifies()
		})
	}
}

// TestFencedRecorderDropsItsBatch: another writer took the lease; nothing of
// the fenced batch is recorded, and nothing twice when the lease comes back.
func TestFencedRecorderDropsItsBatch(t *testing.T) {
	g := newRig(t)
	thief := g.open()
	var steal sync.Once // under the first commit, so that no renewal is fenced before it
	var f *faulty
	g.start("one", func(c *recorder.Config) {
		f = &faulty{Store: c.Store, commit: func(ctx context.Context, _ store.Position, do func() error) error {
			steal.Do(func() {
				if _, err := thief.Acquire(ctx, "one", time.Minute); err != nil {
					t.Error(err)
				}
			})
			return do()
		}}
		c.Store = f
	})
	g.job("j1", 50)
	g.awaitJob("j1", "announced", announced)
	if f.fenced.Load() == 0 {
		t.Error("it was never fenced")
	}
	g.verifies()
}

// TestUncertainCommit: an answer that is lost after the commit happened, or
// before, changes nothing.
func TestUncertainCommit(t *testing.T) {
	for _, happened := range []bool{true, false} {
		t.Run(map[bool]string{true: "happened", false: "did not"}[happened], func(t *testing.T) {
			g := newRig(t)
			calls := 0
			g.start("one", func(c *recorder.Config) {
				c.Store = &faulty{Store: c.Store, commit: func(_ context.Context, _ store.Position, do func() error) error {
					if calls++; calls%2 == 0 {
						return do()
					}
					if happened {
						_ = do()
					}
					return errors.New("connection reset")
				}}
			})
			g.job("j1", 30)
			g.awaitJob("j1", "announced", announced)
			g.verifies()
		})
	}
}

// TestConstraintStopsAtTheEvent: the batch is halved until the event stands
// alone; everything before it is recorded.
func TestConstraintStopsAtTheEvent(t *testing.T) {
	g := newRig(t)
	g.job("j1", 100)
	const bad = 42
	before := uint64(0)
	r := g.start("one", func(c *recorder.Config) {
		c.Store = &faulty{Store: c.Store, commit: func(_ context.Context, next store.Position, do func() error) error {
			if before < bad && next.Seq >= bad {
				return store.ErrConstraint
			}
			before = next.Seq
			return do()
		}}
	})
	err := r.ends(t)
	if !errors.Is(err, recorder.ErrEvent) || !errors.Is(err, store.ErrConstraint) {
		t.Fatalf("stopped with %v", err)
	}
	if pos, _ := g.reader.Position(t.Context()); pos.Seq != bad-1 {
		t.Errorf("recorded up to %d, want %d: %v", pos.Seq, bad-1, err)
	}
	if s, _ := g.reader.Standing(t.Context()); s.Owner != "" {
		t.Errorf("the lease is still %q's", s.Owner)
	}
}

func TestWhileLeading(t *testing.T) {
	g := newRig(t)
	one := g.start("one")
	terms, ended := make(chan struct{}, 10), make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- one.WhileLeading(ctx, func(ctx context.Context) error {
			terms <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return nil
		})
	}()
	<-terms
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	<-ended
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
