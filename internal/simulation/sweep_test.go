package simulation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A sweep breaks one call of a run, and nothing else. A nil one breaks nothing.
type sweep struct {
	at    int // the call that is broken, from 1; 0: none
	how   breakage
	calls []string // the class of each call so far
}

// A breakage is one way for a call to go wrong. whole: it is the whole call of
// a port, so that the product's code has the error; else it is the first
// request of it, and the client of the streams tries again.
type breakage struct {
	name    string
	fate    fate
	whole   bool
	classes string
}

// breakages are what is tried with each call of their classes. A pull request
// and an ack have no error of their own: they are lost, or what they bring is.
var breakages = []breakage{
	{"fails before it happens", refused, true, "database stream open tail"},
	{"happens and fails", failedAfter, true, "database stream open tail pull"},
	{"hangs and never happens", lost, true, "database stream open tail pull ack"},
	{"happens and hangs", answerLost, true, "database stream open tail"},
	{"hangs and happens when nobody waits", late, true, "database stream open"},
	{"a request of it fails before it happens", refused, false, "stream"},
	{"a request of it happens and fails", failedAfter, false, "stream"},
	{"a request of it hangs and never happens", lost, false, "stream"},
	{"a request of it happens and hangs", answerLost, false, "stream"},
	{"a request of it hangs and happens when nobody waits", late, false, "stream"},
	{"a request of it happens twice", twice, false, "stream"},
}

// next counts a call and says how it goes wrong; nil: it does not.
func (s *sweep) next(class string) *breakage {
	if s == nil {
		return nil
	}
	s.calls = append(s.calls, class)
	if len(s.calls) == s.at {
		return &s.how
	}
	return nil
}

// ofStore is the fate of a call of the database.
func (b *breakage) ofStore() fate {
	if b.fate == refused {
		return serialized
	}
	return b.fate
}

// before: what is read stays where it is. False of nil.
func (b *breakage) before() bool { return b != nil && (b.fate == refused || b.fate == lost) }

// wait is how long a reader waits for what does not come.
func (b *breakage) wait() time.Duration {
	if b.fate == refused || b.fate == failedAfter {
		return time.Millisecond
	}
	return attemptTimeout
}

// A scenario is a small job's life, from a world that is whole.
type scenario struct {
	name string
	live func(w *world)
}

var scenarios = []scenario{
	{"submit, repeat, cancel, retry", (*world).smallJob},
	{"no dispatcher, no queue, a deadline", (*world).neglectedJobs},
}

// newSweep makes a world in which only the breakage of a call goes wrong.
func newSweep(sc scenario, s *sweep) (*world, error) {
	w := &world{seed: 1, rnd: random{1}, now: began, sweep: s, healed: true}
	var err error
	if w.database, err = newDatabase(w); err != nil {
		return nil, err
	}
	w.check = newChecker(w)
	w.tape = newTape(w)
	w.work = newWork(w)
	w.users = newUsers(w)
	w.foreign = &foreigner{w: w}
	w.recorders = []*process{newRecorder(w, "recorder-0").process, newRecorder(w, "recorder-1").process}
	w.analyzers = []*process{newAnalyzer(w, "analyzer-0").process}
	w.processes = slices.Concat(w.users.apis, w.recorders, w.analyzers)
	for i, p := range slices.Concat(w.users.apis, w.recorders[:1]) {
		w.after(time.Duration(i)*time.Millisecond, p.begin)
	}
	w.users.open++ // what the scenario still has to say
	sc.live(w)
	return w, nil
}

// smallJob: one job of three tickers, one of which has no bars and one needs a
// second attempt; its request repeated, and its key used for another; a job
// that is cancelled; a retry of what failed.
func (w *world) smallJob() {
	tries := map[string]int{}
	w.answers = func(item stream.Item) error {
		tries[item.JobID+item.Ticker]++
		switch {
		case item.Ticker == "T1.NS" && item.JobID == api.KeyedJobID("first"):
			return &market.Error{Code: market.CodeNoData, Ticker: item.Ticker, Err: errors.New("simulated")}
		case item.Ticker == "T2.NS" && tries[item.JobID+item.Ticker] == 1:
			return &market.Error{Code: market.CodeUnavailable, Ticker: item.Ticker, Err: errors.New("simulated")}
		}
		return nil
	}
	w.after(3*time.Millisecond, w.recorders[1].begin)
	w.after(4*time.Millisecond, w.analyzers[0].begin)
	u := w.users
	first, second := u.keyed("first", 3), u.keyed("second", 3)
	repeated, other := *first, *first
	otherJob := *first.job
	otherJob.Capital, otherJob.RequestSHA256 = 777, shaOf(1, "other")
	other.job = &otherJob
	again := u.keyed("again", 1)
	again.job.ParentJobID, again.job.Origin, again.job.Tickers = first.job.JobID, events.OriginRetry, []string{"T1.NS"}
	u.script(
		u.submission(first),
		u.submission(second),
		u.cancellation(second),
		u.submission(&repeated),
		u.submission(&other),
		func(then func()) { u.whenEnded(first, then) },
		u.submission(again),
	)
}

// neglectedJobs: the work queue is gone and no dispatcher there when two jobs
// come, so that the reconciler makes the one and dispatches the other, whose
// fellow fails by its deadline. No recorder stands by: most of the calls of
// half a minute would be its.
func (w *world) neglectedJobs() {
	w.answers = func(stream.Item) error { return nil }
	w.work.gone = true
	w.after(33*time.Second, w.analyzers[0].begin)
	u := w.users
	kept, expired := u.keyed("kept", 3), u.keyed("expired", 3)
	expired.job.Deadline = began.Add(20 * time.Second)
	u.script(u.submission(kept), u.submission(expired))
}

// keyed makes a job under an idempotency key.
func (u *users) keyed(key string, tickers int) *submission {
	s := &submission{key: key, job: &events.JobQueued{
		JobID: api.KeyedJobID(key), Kind: events.KindAnalysis, Origin: events.OriginAPI, Capital: 100000,
		StrategyName: "sim", StrategyHash: "hash", Strategy: []byte(`{"name":"sim"}`),
		Options:  events.Options{RiskPercent: 1, PositionLimitPercent: 10, MinRiskReward: 2, Bars: 250},
		Deadline: began.Add(72 * time.Hour), RequestSHA256: shaOf(len(u.jobs), key),
	}}
	for i := range tickers {
		s.job.Tickers = append(s.job.Tickers, fmt.Sprintf("T%d.NS", i))
	}
	u.jobs = append(u.jobs, s)
	return s
}

// script takes steps one after another; each calls what it is given when it is done.
func (u *users) script(steps ...func(then func())) {
	if len(steps) == 0 {
		u.open--
		return
	}
	u.w.after(10*time.Millisecond, func() { steps[0](func() { u.script(steps[1:]...) }) })
}

// insist asks an api until it is answered.
func (u *users) insist(do func(api.Intake) error, then func()) {
	again := func() { u.w.after(time.Second, func() { u.insist(do, then) }) }
	u.request(func(intake api.Intake) {
		if err := do(intake); err != nil {
			u.w.note("user", "refused", 0, err.Error())
			u.w.after(0, again)
			return
		}
		u.w.after(0, then)
	}, again)
}

func (u *users) submission(s *submission) func(then func()) {
	return func(then func()) {
		u.insist(func(intake api.Intake) error {
			a, err := intake.Submit(context.Background(), s.job, true)
			var told *api.Problem
			switch {
			case err == nil:
				u.w.check.accepted(s, a)
				s.accepted = true
			case errors.As(err, &told) && told.Status == http.StatusUnprocessableEntity:
				u.w.check.conflict(s)
				return nil
			case errors.As(err, &told) && told.Status == http.StatusConflict:
				u.w.check.taken(s)
				return nil
			}
			return err
		}, then)
	}
}

func (u *users) cancellation(s *submission) func(then func()) {
	return func(then func()) {
		u.insist(func(intake api.Intake) error {
			seq, err := intake.Cancel(context.Background(), s.job.JobID, "enough")
			if err == nil {
				u.w.check.cancelled(s.job.JobID, seq)
			}
			return err
		}, then)
	}
}

func (u *users) whenEnded(s *submission, then func()) {
	if u.ended(s) {
		then()
		return
	}
	u.w.after(100*time.Millisecond, func() { u.whenEnded(s, then) })
}

// swept plays one run and checks how its jobs ended.
func swept(sc scenario, s *sweep, out *bytes.Buffer) error {
	w, err := newSweep(sc, s)
	if err != nil {
		return err
	}
	if out != nil {
		w.trace.out = out
	}
	if err := w.play(); err != nil {
		return err
	}
	if len(s.calls) < s.at {
		return fmt.Errorf("only %d calls were made, none of them broke", len(s.calls))
	}
	return w.endedRight()
}

// endedRight: nothing that one broken call may change is how jobs ended; only
// a cancel may have come too late, and a deadline earlier than an answer.
func (w *world) endedRight() error {
	for _, s := range w.users.jobs {
		view, _, err := w.database.read.Job(context.Background(), s.job.JobID)
		if err != nil {
			return fmt.Errorf("job %s: %w", s.key, err)
		}
		p, want := view.Progress, store.Progress{Analyzed: len(s.job.Tickers), Status: events.StatusCompleted}
		switch s.key {
		case "second":
			if p.CancelSeq == 0 && p.Status == events.StatusCancelled || !p.Status.Ended() {
				return fmt.Errorf("job %s ended as %+v", s.key, p)
			}
			continue
		case "first":
			want.Analyzed, want.Failed = 2, 1
		case "expired":
			want.Analyzed, want.Failed, want.Status = 0, 3, events.StatusFailed
		}
		if p.Status != want.Status || p.Analyzed != want.Analyzed || p.Failed != want.Failed || p.Duplicates != 0 {
			return fmt.Errorf("job %s ended as %+v", s.key, p)
		}
	}
	return nil
}

// TestSweep breaks every call of small jobs once, in every way that it can go
// wrong, one in a run. What a run's calls are is learned from one in which
// nothing breaks.
func TestSweep(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // as in TestSeeds
	used := processor()
	for _, sc := range scenarios {
		calm := &sweep{}
		if err := swept(sc, calm, nil); err != nil {
			t.Fatalf("%s, with nothing broken: %v", sc.name, err)
		}
		count, failed := sweepAll(t, sc, calm.calls)
		classes := map[string]int{}
		for _, class := range calm.calls {
			classes[class]++
		}
		t.Logf("%s: %d calls %v, %d runs with one of them broken, %d failed", sc.name, len(calm.calls), classes, count, failed)
	}
	t.Logf("%s of a processor", (processor() - used).Round(time.Millisecond))
}

// sweepAll plays the runs side by side: they share nothing.
func sweepAll(t *testing.T, sc scenario, calls []string) (count, failed int) {
	var mu sync.Mutex // guards failed
	var workers sync.WaitGroup
	next := make(chan sweep)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for s := range next {
				err := swept(sc, &s, nil)
				mu.Lock()
				if err != nil {
					if failed++; failed <= mostFailures {
						t.Errorf("%s, call %d (%s) %s: %v\n%s", sc.name, s.at, calls[s.at-1], s.how.name, err, around(sc, s))
					}
				}
				mu.Unlock()
			}
		})
	}
	for at, class := range calls {
		for _, how := range breakages {
			if strings.Contains(how.classes, class) {
				count++
				next <- sweep{at: at + 1, how: how}
			}
		}
	}
	close(next)
	workers.Wait()
	return count, failed
}

// around is the trace of a run from shortly before its fault.
func around(sc scenario, s sweep) string {
	var out bytes.Buffer
	s.calls = nil
	_ = swept(sc, &s, &out)
	lines := strings.Split(out.String(), "\n")
	return strings.Join(lines[:min(len(lines), 400)], "\n")
}
