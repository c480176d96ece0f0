package simulation_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

var (
	seeds = flag.Int("seeds", 2000, "how many seeds to play")
	first = flag.Uint64("first", 1, "the first of them")
	only  = flag.Uint64("seed", 0, "play this one and print its trace")
)

// patience is how long a healed world may take to bring every job to its end:
// the reconciler's half minute, the longest backoff of a work item, its AckWait.
const patience = 20 * time.Minute

// newWorld makes a world of a seed. calm has no faults.
func newWorld(seed uint64, calm bool, out io.Writer) (*world, error) {
	w := &world{seed: seed, rnd: random{seed}, now: began}
	w.trace.out = out
	var err error
	if w.database, err = newDatabase(w); err != nil {
		return nil, err
	}
	w.check = newChecker(w)
	w.tape = newTape(w)
	w.work = newWork(w)
	w.users = newUsers(w)
	w.foreign = &foreigner{w: w}
	for i := range 2 {
		w.recorders = append(w.recorders, newRecorder(w, fmt.Sprintf("recorder-%d", i)).process)
	}
	for i := range w.rnd.between(1, 3) {
		w.analyzers = append(w.analyzers, newAnalyzer(w, fmt.Sprintf("analyzer-%d", i)).process)
	}
	w.processes = slices.Concat(w.users.apis, w.recorders, w.analyzers)
	for _, p := range w.processes {
		w.after(w.rnd.span(0, time.Second), p.begin)
	}
	trouble := w.rnd.span(20*time.Second, 2*time.Minute)
	if !calm {
		w.rates = drawRates(&w.rnd)
		w.after(w.rnd.span(0, time.Second), w.disturb)
	}
	w.hopeless = !calm && w.rnd.chance(0.1)
	w.deserted = !calm && w.rnd.chance(0.04)
	if !calm && w.rnd.chance(0.15) {
		w.after(w.rnd.span(0, trouble), w.damage)
	}
	w.users.plan(trouble)
	w.after(trouble, w.heal)
	return w, nil
}

// play runs a world to its end and checks that. A panic of the product is a
// broken invariant as well.
func (w *world) play() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	w.run(func() bool { return w.healed })
	healed := w.now
	var look func()
	ended := false
	look = func() {
		if ended = w.ended(); !ended {
			w.after(time.Second, look)
		}
	}
	w.after(time.Second, look)
	w.run(func() bool { return ended || w.now.Sub(healed) > patience })
	if !w.deserted {
		w.stats.healing = []healing{{w.now.Sub(healed), w.seed}}
	}
	if w.violation == nil && !ended {
		w.broken("I1: not everything has come to an end %s after the healing: %s", patience, w.unfinished())
	}
	if w.violation == nil {
		w.check.end()
	}
	for _, p := range w.processes {
		for len(p.running) > 0 {
			p.running[0].stop()
		}
	}
	return w.violation
}

// ended reports whether all is done: every job on the tape has ended and was
// announced, and nothing waits anywhere.
func (w *world) ended() bool { return w.unfinished() == "" }

func (w *world) unfinished() string {
	switch {
	case w.users.open > 0:
		return fmt.Sprintf("%d users wait for an answer", w.users.open)
	case w.stopped() == 2:
		return "" // loudly: the tape is damaged
	case w.check.gone():
		return fmt.Sprintf("a recorder goes on, and %d is not on the tape any more", w.check.at.Seq)
	case w.check.at.Seq != w.tape.end():
		return fmt.Sprintf("recorded is up to %d, the tape ends at %d", w.check.at.Seq, w.tape.end())
	case !w.deserted && !w.work.idle():
		return fmt.Sprintf("%d work items are left", len(w.work.items))
	case !w.deserted && !w.tape.dispatch.idle():
		return "a JobQueued waits for a dispatcher"
	}
	for _, job := range w.check.known {
		if p := w.check.progress[job.JobID]; !p.Status.Ended() || p.AnnouncedSeq == 0 {
			return fmt.Sprintf("job %s is %+v", job.JobID, p)
		}
	}
	return ""
}

// stopped is how many recorders stopped for good.
func (w *world) stopped() (n int) {
	for _, p := range w.recorders {
		if p.stays {
			n++
		}
	}
	return n
}

func TestOneJobWithoutFaults(t *testing.T) {
	w, err := newWorld(1, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.play(); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.users.jobs {
		view, _, err := w.database.read.Job(context.Background(), s.job.JobID)
		if err != nil || view.Progress.Status != events.StatusCompleted && view.Progress.Status != events.StatusCancelled {
			t.Errorf("job %s: %+v, %v", s.job.JobID, view.Progress, err)
		}
	}
	t.Logf("%d steps, hash %016x", w.steps, w.trace.hash)
}

func TestSeeds(t *testing.T) {
	if *only > 0 {
		w, err := newWorld(*only, false, os.Stdout)
		if err == nil {
			err = w.play()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("seed %d: %d steps, %d faults, hash %016x", *only, w.steps, w.stats.injected(), w.trace.hash)
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // there is much garbage, and little else
	start, used := time.Now(), processor()
	total := playAll(t, *first, *seeds)
	elapsed, used := time.Since(start), processor()-used
	t.Logf("%d seeds in %s (%.0f per second of a processor), %d faults, %.1f virtual hours, %d steps",
		*seeds, elapsed.Round(time.Millisecond), float64(*seeds)/used.Seconds(), total.injected(), total.virtual.Hours(), total.steps)
	t.Log(total.healed())
	total.healing = nil
	t.Logf("%+v", total)
}

// playAll plays seeds side by side, one on each processor: they share nothing.
func playAll(t *testing.T, first uint64, count int) (total stats) {
	var mu sync.Mutex // guards total and failed
	var workers sync.WaitGroup
	next := make(chan uint64)
	failed := 0
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range next {
				w, err := newWorld(seed, false, nil)
				if err == nil {
					err = w.play()
				}
				mu.Lock()
				if err != nil {
					failed++
					t.Errorf("seed %d: %v\nplay it again: go test ./internal/simulation -run TestSeeds -seed %d", seed, err, seed)
				} else {
					total.add(w)
				}
				mu.Unlock()
			}
		})
	}
	for seed := first; seed < first+uint64(count); seed++ {
		mu.Lock()
		enough := failed >= mostFailures
		mu.Unlock()
		if enough {
			break
		}
		next <- seed
	}
	close(next)
	workers.Wait()
	return total
}

// processor is the time that this process has had of processors.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// mostFailures is how many failing seeds are shown.
const mostFailures = 5
