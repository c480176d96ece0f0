package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
)

// Unknown begins the tickers that no market should know.
const Unknown = "NOSUCH"

// Work is what was asked of a deck, and answered.
type Work struct {
	Accepted  int `json:"accepted"`  // jobs
	Jobs      int `json:"jobs"`      // that have ended
	Tickers   int `json:"tickers"`   // of those that have ended
	Failed    int `json:"failed"`    // tickers without a result, such as unknown ones
	Cancelled int `json:"cancelled"` // jobs whose cancel came in time
	Retried   int `json:"retried"`   // jobs whose failed tickers were submitted again
	Repeated  int `json:"repeated"`  // submissions that were sent twice with one key
	Refused   int `json:"refused"`   // answers that said to try again
}

// load is mixed jobs: from one ticker to five hundred, some cancelled, some
// with unknown tickers, some retried, some sent twice.
type load struct {
	cfg     Config
	run     uint64 // tells the keys of this soak from those of others
	started time.Time

	mu       sync.Mutex // guards what follows
	given    float64    // tickers that were submitted
	did      Work
	wrong    int
	sentence []string
}

func newLoad(cfg Config) *load {
	return &load{cfg: cfg, run: rand.Uint64(), started: time.Now(), sentence: []string{}}
}

func (l *load) count(change func(*Work)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.did)
}

func (l *load) done() Work {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.did
}

func (l *load) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong++; len(l.sentence) < keptWrongs {
		l.sentence = append(l.sentence, fmt.Sprintf(format, args...))
	}
}

func (l *load) wrongs() (int, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong, slices.Clone(l.sentence)
}

// work runs one job after the other until ctx ends; the last one to its end.
func (l *load) work(ctx context.Context, number int) {
	rng := rand.New(rand.NewPCG(l.cfg.Seed, uint64(number)))
	for n := 0; ; n++ {
		tickers, unknown := l.tickers(rng)
		if !l.wait(ctx, len(tickers)) {
			return
		}
		l.job(context.WithoutCancel(ctx), rng, order{
			tickers: tickers, unknown: unknown, key: fmt.Sprintf("soak-%x-%d-%d", l.run, number, n),
		})
	}
}

// wait waits for the turn of n tickers; false when ctx ends before.
func (l *load) wait(ctx context.Context, n int) bool {
	l.mu.Lock()
	turn := l.started.Add(time.Duration(l.given / l.cfg.Rate * float64(time.Second)))
	if now := time.Now(); turn.Before(now) { // the deck did not keep up: nothing is made up for
		l.given = now.Sub(l.started).Seconds() * l.cfg.Rate
	}
	l.given += float64(n)
	l.mu.Unlock()
	return pause(ctx, time.Until(turn))
}

// An order is a job to be.
type order struct {
	key     string
	tickers []string
	unknown int // of them
}

// tickers are those of one job: few in most.
func (l *load) tickers(rng *rand.Rand) (list []string, unknown int) {
	n := 1
	switch lot := rng.IntN(100); {
	case lot < 3:
		n = 500
	case lot < 15:
		n = 100
	case lot < 50:
		n = 20
	}
	first := rng.IntN(100_000)
	for i := range n {
		list = append(list, fmt.Sprintf("S%06d.NS", first+i))
	}
	if rng.IntN(8) == 0 {
		unknown = 1 + rng.IntN(min(n, 3))
		for i := range unknown {
			list[i] = fmt.Sprintf("%s%d.NS", Unknown, first+i)
		}
	}
	return list, unknown
}

// job submits an order, does to it what its lot says, and holds what is so of
// every job in the end.
func (l *load) job(ctx context.Context, rng *rand.Rand, o order) {
	send := func(ctx context.Context) (client.Accepted, error) {
		return l.cfg.Client.Submit(ctx, client.Submission{Tickers: o.tickers}, o.key)
	}
	accepted, err := insist(ctx, l, send)
	if err != nil {
		l.complain("submitting %d tickers with key %s: %v", len(o.tickers), o.key, err)
		return
	}
	l.count(func(w *Work) { w.Accepted++ })
	cancelled := false // or may have been
	switch rng.IntN(10) {
	case 0:
		again, err := insist(ctx, l, send)
		if err != nil || again.JobID != accepted.JobID || again.Seq != accepted.Seq {
			l.complain("key %s was answered with job %s at %d, and then with %s at %d (%v)", o.key, accepted.JobID, accepted.Seq, again.JobID, again.Seq, err)
		}
		l.count(func(w *Work) { w.Repeated++ })
	case 1:
		cancelled = l.cancel(ctx, accepted.JobID)
	}
	job, ok := l.ended(ctx, accepted.JobID, rng.IntN(2) == 0)
	if !ok {
		return
	}
	l.hold(job, o, cancelled)
	if job.Failed > 0 && rng.IntN(2) == 0 {
		l.retry(ctx, job, o)
	}
}

// cancel cancels a job, and reports whether that may be how it ends. A refusal
// says that it has ended before; only the first answer to come tells that this
// was not our doing: a request without an answer may have cancelled it.
func (l *load) cancel(ctx context.Context, id string) (may bool) {
	asked := 0
	_, err := insist(ctx, l, func(ctx context.Context) (client.Job, error) {
		asked++
		return l.cfg.Client.Cancel(ctx, id)
	})
	ended := status(err) == http.StatusConflict
	if err != nil && !ended {
		l.complain("cancelling job %s: %v", id, err)
	}
	return !ended || asked > 1
}

// retry submits the failed tickers again.
func (l *load) retry(ctx context.Context, parent client.Job, o order) {
	accepted, err := insist(ctx, l, func(ctx context.Context) (client.Accepted, error) {
		return l.cfg.Client.Retry(ctx, parent.JobID, o.key+"-retry")
	})
	if err != nil {
		l.complain("retrying job %s: %v", parent.JobID, err)
		return
	}
	l.count(func(w *Work) { w.Retried, w.Accepted = w.Retried+1, w.Accepted+1 })
	if job, ok := l.ended(ctx, accepted.JobID, false); ok {
		l.hold(job, order{tickers: make([]string, parent.Failed), unknown: parent.Failed}, false)
	}
}

// ended waits for the end of a job, by its events or by asking.
func (l *load) ended(ctx context.Context, id string, follow bool) (job client.Job, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, jobTime)
	defer cancel()
	if follow {
		if err := l.cfg.Client.Follow(ctx, id, func(client.Event) bool { return true }); err != nil {
			l.complain("following job %s to its end: %v", id, err)
			return job, false
		}
	}
	for {
		var err error
		job, err = insist(ctx, l, func(ctx context.Context) (client.Job, error) { return l.cfg.Client.Job(ctx, id) })
		switch {
		case err == nil && job.Status.Ended():
			return job, true
		case err != nil && ctx.Err() == nil:
			l.complain("reading job %s: %v", id, err)
			return job, false
		}
		if !pause(ctx, askEvery) {
			l.complain("job %s has not ended %v after it was accepted: %+v", id, jobTime, job)
			return job, false
		}
	}
}

// hold holds what is so of every job that has ended.
func (l *load) hold(job client.Job, o order, cancelled bool) {
	wrong := ""
	switch {
	case job.Total != len(o.tickers) || job.Pending != 0 || job.Analyzed+job.Failed+job.Cancelled != job.Total:
		wrong = fmt.Sprintf("it does not add up to %d tickers", len(o.tickers))
	case job.Status == events.StatusCancelled && !cancelled:
		wrong = "nobody has cancelled it"
	case job.Status != events.StatusCancelled && job.Cancelled > 0:
		wrong = "it has cancelled tickers and was not cancelled"
	case l.cfg.Refuses && job.Status != events.StatusCancelled && job.Failed != o.unknown,
		l.cfg.Refuses && job.Failed > o.unknown:
		wrong = fmt.Sprintf("%d of its tickers are unknown", o.unknown)
	}
	if wrong != "" {
		l.complain("job %s: %s: %+v", job.JobID, wrong, job)
	}
	l.count(func(w *Work) {
		w.Jobs++
		w.Tickers += job.Total
		w.Failed += job.Failed
		if job.Status == events.StatusCancelled {
			w.Cancelled++
		}
	})
}

// listen follows everything, as a page or a dashboard does.
func (l *load) listen(ctx context.Context) {
	err := l.cfg.Client.Follow(ctx, "", func(client.Event) bool { return true })
	if ctx.Err() == nil {
		l.complain("following everything: %v", err)
	}
}

// insist calls until there is an answer that decides. Not to be available, or
// too busy, is a promise to try again; so is no answer at all.
func insist[T any](ctx context.Context, l *load, call func(context.Context) (T, error)) (answer T, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for {
		answer, err = call(ctx)
		switch code := status(err); code {
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		case 0:
			if err == nil {
				return answer, nil
			}
		default:
			return answer, err
		}
		l.count(func(w *Work) { w.Refused++ })
		if !pause(ctx, askEvery) {
			return answer, err
		}
	}
}

// status is the HTTP status of a refusal; 0 of anything else.
func status(err error) int {
	var problem *client.Problem
	if errors.As(err, &problem) {
		return problem.Status
	}
	return 0
}

// pause waits; false when ctx ends before.
func pause(ctx context.Context, wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
