package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
)

const (
	submitters = 3
	// backlog is how many items may wait in the work queue before no more jobs
	// are submitted: enough that every fault meets some.
	backlog = 1500
	// longJob is from how many tickers on a job is always followed: in the middle
	// of it something may break.
	longJob = 20
	// followers is how many jobs are followed at a time.
	followers = 40
	// answerTime is the longest that most wait for one answer; then they ask
	// again, not knowing. patientTime is that of one in four: longer than the api
	// waits for the tape.
	answerTime  = 3 * time.Second
	patientTime = 15 * time.Second
)

// An accepted is a job that was answered with success.
type accepted struct {
	id, key string
	tickers []string
	seq     uint64 // of JobQueued, as answered
}

// A ledger holds what was accepted.
type ledger struct {
	mu   sync.Mutex // guards jobs and byID
	jobs []*accepted
	byID map[string]*accepted
}

func (l *ledger) add(job *accepted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID[job.id] == nil {
		l.jobs = append(l.jobs, job)
		l.byID[job.id] = job
	}
}

// some returns one job of the newest or of all; nil while there is none.
func (l *ledger) some(rng *rand.Rand, newest int) *accepted {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobs) == 0 {
		return nil
	}
	return l.jobs[len(l.jobs)-1-rng.IntN(min(newest, len(l.jobs)))]
}

// A load submits jobs, cancels some, and asks about them.
type load struct {
	t      *testing.T
	client *client.Client
	ledger *ledger
	watch  *watch
	seed   uint64
	full   atomic.Bool // the work queue has enough

	attempts, unknown, refused, repeated, conflicts, cancels, reads atomic.Int64
}

// submitter submits one job after the other until ctx ends. A job whose answer
// is not known is asked for until it is, within the time of the test.
func (l *load) submitter(ctx context.Context, number int) {
	rng := rand.New(rand.NewPCG(l.seed, uint64(100+number)))
	for n := 0; ctx.Err() == nil; n++ {
		if !l.full.Load() {
			l.one(rng, fmt.Sprintf("chaos-%d-%d-%d", l.seed, number, n))
		}
		pause(ctx, rng, 600*time.Millisecond)
	}
}

func (l *load) one(rng *rand.Rand, key string) {
	s := client.Submission{Tickers: names(rng), Capital: 50_000}
	job, ok := l.submit(rng, s, key)
	if !ok {
		return
	}
	l.ledger.add(job)
	if rng.IntN(3) == 0 || len(job.tickers) >= longJob {
		l.watch.follow(job)
	}
	switch rng.IntN(12) {
	case 0: // once more
		l.repeated.Add(1)
		if again, ok := l.submit(rng, s, key); ok && (again.id != job.id || again.seq != job.seq) {
			l.t.Errorf("key %s was answered with job %s at %d, and then with %s at %d", key, job.id, job.seq, again.id, again.seq)
		}
	case 1: // the key of another request
		l.conflicts.Add(1)
		s.Capital++
		err := l.insist(rng, func(ctx context.Context) error {
			_, err := l.client.Submit(ctx, s, key)
			return err
		})
		if status(err) != http.StatusUnprocessableEntity {
			l.t.Errorf("another request with key %s is answered with %v", key, err)
		}
	case 2:
		l.cancels.Add(1)
		err := l.insist(rng, func(ctx context.Context) error {
			_, err := l.client.Cancel(ctx, job.id)
			return err
		})
		if code := status(err); err != nil && code != http.StatusConflict { // it has ended
			l.t.Errorf("cancelling job %s: %v", job.id, err)
		}
	}
}

func (l *load) submit(rng *rand.Rand, s client.Submission, key string) (*accepted, bool) {
	job := &accepted{key: key, tickers: s.Tickers}
	err := l.insist(rng, func(ctx context.Context) error {
		answer, err := l.client.Submit(ctx, s, key)
		job.id, job.seq = answer.JobID, answer.Seq
		return err
	})
	if err != nil {
		l.t.Errorf("submitting %s: %v", key, err)
	}
	return job, err == nil
}

// insist calls until there is an answer that decides. Not to be available, or
// too busy, is a promise to try again; anything else is returned.
func (l *load) insist(rng *rand.Rand, call func(context.Context) error) error {
	for l.t.Context().Err() == nil {
		within := answerTime
		if rng.IntN(4) == 0 {
			within = patientTime
		}
		ctx, cancel := context.WithTimeout(l.t.Context(), 200*time.Millisecond+time.Duration(rng.Int64N(int64(within))))
		err := call(ctx)
		cancel()
		l.attempts.Add(1)
		switch code := status(err); {
		case code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests:
			l.refused.Add(1)
		case err == nil || code != 0:
			return err
		default:
			l.unknown.Add(1)
		}
		pause(l.t.Context(), rng, 500*time.Millisecond)
	}
	return l.t.Context().Err()
}

// reader asks for jobs that were accepted: none may be unknown, and none may
// go backwards.
func (l *load) reader(ctx context.Context) {
	rng := rand.New(rand.NewPCG(l.seed, 200))
	last := map[string]client.Job{}
	for ctx.Err() == nil {
		pause(ctx, rng, 100*time.Millisecond)
		one := l.ledger.some(rng, 50)
		if one == nil {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, answerTime)
		job, err := l.client.Job(asking, one.id)
		cancel()
		if code := status(err); code != 0 && code != http.StatusServiceUnavailable && code != http.StatusTooManyRequests {
			l.t.Errorf("job %s was accepted, and reading it: %v", one.id, err)
		}
		if err != nil {
			continue
		}
		l.reads.Add(1)
		before := last[one.id]
		last[one.id] = job
		switch {
		case job.Analyzed+job.Failed+job.Cancelled+job.Pending != job.Total:
			l.t.Errorf("%+v does not add up", job)
		case before.JobID == "":
		case job.AsOfSeq < before.AsOfSeq, job.Pending > before.Pending, job.Analyzed < before.Analyzed,
			job.Failed < before.Failed, before.Status.Ended() && job.Status != before.Status:
			l.t.Errorf("%+v, after %+v", job, before)
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

// names are the tickers of one job: few in most.
func names(rng *rand.Rand) []string {
	n := 1 + rng.IntN(4)
	switch {
	case rng.IntN(50) == 0:
		n = 60 + rng.IntN(140)
	case rng.IntN(5) == 0:
		n = 5 + rng.IntN(25)
	}
	list := make([]string, n)
	first := rng.IntN(100_000)
	for i := range list {
		list[i] = fmt.Sprintf("C%06d.NS", first+i)
	}
	return list
}

// pause waits for a part of most, or until ctx ends.
func pause(ctx context.Context, rng *rand.Rand, most time.Duration) {
	select {
	case <-time.After(time.Duration(rng.Int64N(int64(most)))):
	case <-ctx.Done():
	}
}
