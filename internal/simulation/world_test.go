package simulation_test

import (
	"fmt"
	"io"
	"time"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// mostSteps is far above the longest run.
const mostSteps = 500_000

// began is when every run begins, in virtual time.
var began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// A world is one run: the clock, what is due, and everything in it. The loop
// owns it all; nothing in it is safe for concurrent use, and nothing needs to be.
type world struct {
	seed  uint64
	rnd   random
	now   time.Time // the true time, which no process knows
	due   schedule
	count uint64 // events scheduled, for the order of those at one time
	steps int
	cur   *coroutine // under way; nil in the loop itself
	trace trace

	streamsBack, databaseBack time.Time // away until then
	rates                     rates
	healed                    bool
	hopeless                  bool // the provider never has some tickers
	deserted                  bool // no analyzer comes back: jobs end by their deadlines

	sweep   *sweep                  // breaks one call; nil in the runs of seeds
	answers func(stream.Item) error // of the provider, instead of chance; nil in the runs of seeds

	tape      *tape
	work      *work
	database  *database
	check     *checker
	users     *users
	foreign   *foreigner
	processes []*process
	recorders []*process
	analyzers []*process
	stats     stats
	violation error // the first; ends the run
}

// An event is something that happens at a time.
type event struct {
	at int64 // nanoseconds from the beginning
	n  uint64
	do func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.n < o.n }

// A schedule is a heap of events, the next one first.
type schedule []event

func (s *schedule) push(e event) {
	list := append(*s, e)
	i := len(list) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(&list[parent]) {
			break
		}
		list[i] = list[parent]
		i = parent
	}
	list[i] = e
	*s = list
}

func (s *schedule) pop() event {
	list := *s
	first, last := list[0], list[len(list)-1]
	list[len(list)-1] = event{}
	list = list[:len(list)-1]
	*s = list
	if len(list) == 0 {
		return first
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(list) {
			break
		}
		if child+1 < len(list) && list[child+1].before(&list[child]) {
			child++
		}
		if !list[child].before(&last) {
			break
		}
		list[i] = list[child]
		i = child
	}
	list[i] = last
	return first
}

// after has do called when d has passed.
func (w *world) after(d time.Duration, do func()) {
	w.count++
	w.due.push(event{int64(w.now.Sub(began) + max(d, 0)), w.count, do})
}

// run carries out what is due until stop says so, nothing is due any more, or
// an invariant is broken.
func (w *world) run(stop func() bool) {
	for len(w.due) > 0 && w.violation == nil && !stop() {
		e := w.due.pop()
		w.now = began.Add(time.Duration(e.at))
		w.steps++
		e.do()
		if w.steps > mostSteps {
			w.broken("it goes on and on: %d steps", w.steps)
		}
	}
}

// broken records that an invariant does not hold.
func (w *world) broken(format string, args ...any) {
	if w.violation == nil {
		w.violation = fmt.Errorf(format, args...)
		w.note("world", "BROKEN", 0, w.violation.Error())
	}
}

// note takes a step of the run into the trace.
func (w *world) note(who, what string, n uint64, text string) {
	w.trace.add(uint64(w.now.Sub(began)), who, what, n, text)
}

// A trace is the hash of all that happened, and its text if wanted.
type trace struct {
	hash uint64 // FNV-1a, 64 bits
	out  io.Writer
}

func (t *trace) add(at uint64, who, what string, n uint64, text string) {
	if t.hash == 0 {
		t.hash = 14695981039346656037
	}
	for _, number := range [2]uint64{at, n} {
		for range 8 {
			t.hash = (t.hash ^ number&0xff) * 1099511628211
			number >>= 8
		}
	}
	for _, word := range [3]string{who, what, text} {
		for i := range len(word) {
			t.hash = (t.hash ^ uint64(word[i])) * 1099511628211
		}
		t.hash = (t.hash ^ 0xff) * 1099511628211
	}
	if t.out != nil {
		_, _ = fmt.Fprintf(t.out, "%12.6f  %-10s %-22s %6d  %s\n", time.Duration(at).Seconds(), who, what, n, text)
	}
}
