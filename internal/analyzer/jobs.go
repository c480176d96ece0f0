package analyzer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// errJobLost says that the tape no longer has the JobQueued of a work item.
var errJobLost = errors.New("the tape does not have this job's JobQueued event")

// A Plan is what analyzers need of a job beyond its work items.
type Plan struct {
	Document strategy.Document
	Window   *events.Backtest // of a backtest
}

// JobEvents reads events of a job, with the errors of package stream.
type JobEvents interface {
	JobEvent(ctx context.Context, jobID, what string) (events.Recorded, error)
}

// jobs remembers the Plan of each job, read once, and whether it was cancelled, asked at most once per
// CancelCheck. What a cancelled job has left in the work queue is purged.
type jobs struct {
	tape JobEvents
	work Work
	now  func() time.Time
	lock func() sync.Locker

	mu      sync.Mutex // guards entries and order
	entries map[string]*entry
	order   []string // oldest first
}

type entry struct {
	mu        sync.Locker // guards the rest; held while the tape is asked
	plan      *Plan
	cancelled bool
	checked   time.Time
}

func newJobs(cfg HandlerConfig) *jobs {
	return &jobs{tape: cfg.Tape, work: cfg.Work, now: cfg.Now, lock: cfg.Lock, entries: map[string]*entry{}}
}

// look returns the job's plan, or cancelled. errJobLost and errors of the
// strategy document are final, others may pass.
func (j *jobs) look(ctx context.Context, id string) (p Plan, cancelled bool, err error) {
	e := j.entry(id)
	e.mu.Lock()
	defer e.mu.Unlock()
	if j.now().Sub(e.checked) >= CancelCheck {
		if e.cancelled, err = j.isCancelled(ctx, id); err != nil {
			return Plan{}, false, err
		}
		e.checked = j.now()
	}
	if e.cancelled {
		return Plan{}, true, nil
	}
	if e.plan == nil {
		if e.plan, err = j.read(ctx, id); err != nil {
			return Plan{}, false, err
		}
	}
	return *e.plan, false, nil
}

// isCancelled asks the tape, and purges what a cancelled job has left. A cancel is
// asked for again as well: one that a damaged tape lost must not keep the job's
// tickers from ever having an outcome.
func (j *jobs) isCancelled(ctx context.Context, id string) (bool, error) {
	switch _, err := j.tape.JobEvent(ctx, id, "cancelled"); {
	case errors.Is(err, stream.ErrNotFound):
		return false, nil
	case errors.Is(err, events.ErrMalformed): // the recorder set it aside: nothing is cancelled by it
		return false, nil
	case err != nil:
		return false, fmt.Errorf("looking for a cancel of job %s: %w", id, err)
	}
	if err := j.work.Purge(ctx, id); err != nil {
		return false, fmt.Errorf("purging cancelled job %s: %w", id, err)
	}
	return true, nil
}

func (j *jobs) read(ctx context.Context, id string) (*Plan, error) {
	recorded, err := j.tape.JobEvent(ctx, id, "queued")
	if errors.Is(err, stream.ErrNotFound) || errors.Is(err, events.ErrMalformed) {
		return nil, fmt.Errorf("%w: %w", errJobLost, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading job %s: %w", id, err)
	}
	queued, err := asQueued(recorded)
	if err != nil {
		return nil, err
	}
	doc, err := strategy.Parse(queued.Strategy)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStrategy, err)
	}
	return &Plan{Document: doc, Window: queued.Backtest}, nil
}

func (j *jobs) entry(id string) *entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e, ok := j.entries[id]; ok {
		return e
	}
	if len(j.order) >= CachedJobs {
		delete(j.entries, j.order[0])
		j.order = append([]string(nil), j.order[1:]...)
	}
	e := &entry{mu: j.lock()}
	j.entries[id] = e
	j.order = append(j.order, id)
	return e
}
