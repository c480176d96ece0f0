package chaos_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

var (
	wantedFaults  = flag.Int("faults", 10, "how many faults")
	wantedTime    = flag.Duration("for", 0, "as many faults as come in this time, whatever -faults says")
	wantedSeed    = flag.Uint64("seed", 0, "of the faults and of the load; 0: another one each time")
	wantedNodes   = flag.Int("nodes", 1, "nats-servers: 1, or a cluster of 3")
	wantedKinds   = flag.String("only", "", "a regular expression of the kinds of faults, as they are reported; all of them by default")
	wantedRecover = flag.Bool("recovery", false, "measure how long recoveries take")
	wantedShipped = flag.Bool("shipped", false, "waits as they are shipped; without it, those that only cost time are shorter")
)

// manyFaults is from how many on some of them may last longer than the leases.
const manyFaults = 50

// TestChaos breaks a running pipeline at random, and holds its promises afterwards.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left out under -short")
	}
	t.Parallel()
	seed := *wantedSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	t.Logf("repeat its faults with -seed %d -nodes %d", seed, *wantedNodes)
	v := &verdict{t: t, seed: seed}
	defer v.print()
	began := time.Now()
	d := newDeck(t, setup{nodes: *wantedNodes, shipped: *wantedShipped})
	t.Logf("ready after %v", time.Since(began).Round(10*time.Millisecond))

	nc, js := d.admin()
	watching, unwatch := context.WithCancel(t.Context())
	w := newWatch(watching, t, d.client)
	defer func() { unwatch(); w.group.Wait() }()
	l := &load{t: t, client: d.client, watch: w, seed: seed, ledger: &ledger{byID: map[string]*accepted{}}}
	w.group.Go(w.everything)
	w.group.Go(func() { w.subscribe(d.natsURL("subscriber"), d.nats[0].Password(streamtest.Admin), seed) })
	l.first()

	loading, unload := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for i := range submitters {
		workers.Go(func() { l.submitter(loading, i) })
	}
	workers.Go(func() { l.reader(loading) })
	f := &foreign{js: js, ledger: l.ledger, published: map[string]int{}}
	workers.Go(func() { f.run(loading, seed) })

	v.ledger = l.ledger
	s := &storm{
		t: t, deck: d, rng: rand.New(rand.NewPCG(seed, 1)), struck: map[string]int{},
		faults: wanted(t, faultsOf(d, js)), long: *wantedFaults >= manyFaults || *wantedTime > 0,
	}
	v.storm = s
	began = time.Now()
	s.rage(*wantedFaults, *wantedTime, l.backlog(js))
	unload()
	raged, stopped := time.Since(began), time.Now()
	waitFor(t, d, &workers)

	j := &judge{deck: d, ledger: l.ledger, watch: w, wrongs: map[string]int{}}
	v.judge = j
	jobs := j.ended()
	settled := time.Since(stopped)
	r := j.tape(nc)
	v.outcomes = r.outcomes
	j.followersDone(r, j.lastTold(r, jobs))
	tickers := j.tables(r, jobs)
	sum, seq := d.verified()
	v.whole = true
	poison := j.poisoned(r)
	t.Logf("%d faults in %v, all jobs ended %v after the last, on %d processors, %s:%s",
		s.total, raged.Round(time.Second), settled.Round(10*time.Millisecond), runtime.NumCPU(), runtime.Version(), s.report())
	t.Logf("%d jobs, %d tickers, %d outcomes of ours; foreign: %v; %d events set aside", len(jobs), tickers, r.outcomes, f.published, poison)
	t.Logf("%d requests, %d without an answer, %d told to come again; %d repeated, %d with the key of another, %d cancelled, %d read",
		l.attempts.Load(), l.unknown.Load(), l.refused.Load(), l.repeated.Load(), l.conflicts.Load(), l.cancels.Load(), l.reads.Load())
	w.mu.Lock()
	t.Logf("%d jobs followed, %d resyncs of the stream of all; the subscriber left %d times and got %d of %d events twice",
		len(w.jobs), len(w.resyncs), w.rejoins, w.again, r.last)
	w.mu.Unlock()
	t.Logf("%d connections cut in a request or before its answer; started again by the supervisor: %v", d.cuts(), d.revived)
	t.Logf("verify: sequence %d, sha256 %s", seq, sum)
}

// wanted are the faults of the kinds that -only names.
func wanted(t *testing.T, all []fault) []fault {
	t.Helper()
	pattern, err := regexp.Compile(*wantedKinds)
	if err != nil {
		t.Fatalf("-only %s: %v", *wantedKinds, err)
	}
	list := slices.DeleteFunc(all, func(f fault) bool { return !pattern.MatchString(f.kind) })
	if len(list) == 0 {
		t.Fatalf("-only %s: no kind of fault has such a name with -nodes %d", *wantedKinds, *wantedNodes)
	}
	return list
}

// first submits a job and waits until the followers of everything have heard of
// it: from here on they have a place on the tape to resume from.
func (l *load) first() {
	l.t.Helper()
	l.one(rand.New(rand.NewPCG(l.seed, 99)), "first")
	processes.Until(l.t, readyTime, "the first event to be told", func() error {
		l.watch.mu.Lock()
		defer l.watch.mu.Unlock()
		if l.watch.last == 0 || len(l.watch.subs) == 0 {
			return errNothing
		}
		return nil
	})
}

// backlog returns a look at the work queue that stops the submitters while it
// has enough.
func (l *load) backlog(js jetstream.JetStream) func() {
	last := time.Now()
	var asking sync.Mutex
	return func() {
		if time.Since(last) < 500*time.Millisecond || !asking.TryLock() {
			return
		}
		last = time.Now()
		go func() {
			defer asking.Unlock()
			ctx, cancel := context.WithTimeout(l.t.Context(), answerTime)
			defer cancel()
			if work, err := js.Stream(ctx, stream.Work); err == nil {
				l.full.Store(work.CachedInfo().State.Msgs > backlog)
			}
		}()
	}
}

// waitFor waits until every client has its answer and every program that the
// storm ended runs again: one that is still down at the end of the test would
// look as if it had ended by itself.
func waitFor(t *testing.T, d *deck, workers *sync.WaitGroup) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	processes.Until(t, settleTime, "the last answers, and every program to run", func() error {
		whole := d.supervise()
		select {
		case <-done:
			if whole {
				return nil
			}
		default:
		}
		return errNothing
	})
}
