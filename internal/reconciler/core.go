package reconciler

import (
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// source is who says what the reconciler publishes.
const source = "tapedeck/reconciler"

// An Input tells the Core what its last Output came to.
type Input interface{ input() }

// An Output is the one next thing to do. Its answer is the next Input.
type Output interface{ output() }

// The inputs.
type (
	// Begin starts a round.
	Begin struct{}
	// Ensured answers Ensure.
	Ensured struct{ Err error }
	// Listed answers List with the jobs that have not ended, oldest first.
	Listed struct {
		Jobs []store.JobView
		Err  error
	}
	// Looked answers Look. Outstanding are the tickers without a recorded
	// outcome, in list order, InWork those with a work item. Reached tells that
	// every outcome counts that was on the tape after InWork was read: else an
	// item that was just finished would look lost.
	Looked struct {
		Outstanding []string
		InWork      map[string]bool
		Reached     bool
		Err         error
	}
	// Done answers Dispatch and Fail: how many were new.
	Done struct {
		Count int
		Err   error
	}
)

// The outputs.
type (
	// Ensure makes WORK and its lanes where they are gone.
	Ensure struct{}
	// List reads the jobs that have not ended.
	List struct{ Limit int }
	// Look reads how a job stands: first its items in WORK, then the tape's
	// last sequence, then, when the checkpoint has reached that, its
	// outstanding tickers. The order makes Looked.Reached true.
	// Without InWork, WORK is not asked: a job past its deadline does not need it.
	Look struct {
		JobID  string
		InWork bool
	}
	// Dispatch queues items that are not in WORK.
	Dispatch struct{ Items []stream.Item }
	// Fail publishes outcomes of tickers that have none.
	Fail struct{ Events []events.Event }
	// Finish ends the round.
	Finish struct{ Round Round }
)

// A Round is what one round came to.
type Round struct {
	Jobs       int   // looked at
	Dispatched int   // work items queued
	Expired    int   // tickers failed by their deadline
	Behind     bool  // ended early: the recorder has not reached the tape's end
	Err        error // the first failure; what does not need what failed was done all the same
}

// Pause is the time until the next round, interval if nothing is amiss.
func (r Round) Pause(interval time.Duration) time.Duration {
	if r.Err != nil || r.Behind {
		return min(interval, retryInterval)
	}
	return interval
}

func (Begin) input()   {}
func (Ensured) input() {}
func (Listed) input()  {}
func (Looked) input()  {}
func (Done) input()    {}

func (Ensure) output()   {}
func (List) output()     {}
func (Look) output()     {}
func (Dispatch) output() {}
func (Fail) output()     {}
func (Finish) output()   {}

// Core decides what a round does next: one output after each input, until
// Finish. Then Begin starts the next round. It is pure.
type Core struct {
	round   Round
	jobs    []store.JobView // to be looked at; the first is under way
	items   []stream.Item   // of the job under way, to be dispatched
	expired []string        // of the job under way, past the deadline
	blocked bool            // WORK failed: only deadlines are attended to
}

// Step takes the answer in and returns what to do next.
func (c *Core) Step(now time.Time, in Input) Output {
	switch in := in.(type) {
	case Begin:
		*c = Core{}
		return Ensure{}
	case Ensured:
		if in.Err != nil {
			c.block(fmt.Errorf("restoring the work queue: %w", in.Err))
		}
		return List{Limit: maxJobs}
	case Listed:
		if in.Err != nil {
			return c.finish(fmt.Errorf("listing unfinished jobs: %w", in.Err))
		}
		for _, job := range in.Jobs {
			if age := now.Sub(job.CreatedAt); age < -grace || age >= grace { // a clock that is off is not an age
				c.jobs = append(c.jobs, job)
			}
		}
	case Looked:
		if err := in.Err; err != nil {
			err = fmt.Errorf("looking at job %s: %w", c.jobs[0].ID, err)
			if c.overdue(now) {
				return c.finish(err)
			}
			c.block(err)
			return c.next(now)
		}
		if !in.Reached {
			c.round.Behind = true
			return c.finish(nil)
		}
		c.looked(now, in)
	case Done:
		if err := in.Err; err != nil {
			err = fmt.Errorf("mending job %s: %w", c.jobs[0].ID, err)
			if len(c.expired) > 0 {
				return c.finish(err)
			}
			c.items = nil
			c.block(err)
			return c.next(now)
		}
		c.done(in.Count)
	}
	return c.next(now)
}

// looked decides what the job under way needs.
func (c *Core) looked(now time.Time, in Looked) {
	c.round.Jobs++
	job := &c.jobs[0]
	switch {
	case c.overdue(now):
		c.expired = in.Outstanding
	default:
		for _, ticker := range in.Outstanding {
			if !in.InWork[ticker] {
				c.items = append(c.items, itemOf(job, ticker))
			}
		}
	}
	if len(c.expired)+len(c.items) == 0 {
		c.jobs = c.jobs[1:]
	}
}

// done crosses off what was just published.
func (c *Core) done(count int) {
	if n := min(len(c.expired), chunk); n > 0 {
		c.expired = c.expired[n:]
		c.round.Expired += count
	} else {
		c.items = c.items[min(len(c.items), chunk):]
		c.round.Dispatched += count
	}
	if len(c.expired)+len(c.items) == 0 {
		c.jobs = c.jobs[1:]
	}
}

func (c *Core) next(now time.Time) Output {
	switch {
	case len(c.expired) > 0:
		return Fail{Events: c.failures(now)}
	case len(c.items) > 0:
		return Dispatch{Items: c.items[:min(len(c.items), chunk)]}
	}
	for c.blocked && len(c.jobs) > 0 && !c.overdue(now) {
		c.jobs = c.jobs[1:]
	}
	if len(c.jobs) > 0 {
		return Look{JobID: c.jobs[0].ID, InWork: !c.overdue(now)}
	}
	return c.finish(nil)
}

// overdue reports whether the job under way is past its deadline.
func (c *Core) overdue(now time.Time) bool { return !now.Before(c.jobs[0].Deadline) }

// block gives up dispatching for this round: a work queue that is full or gone
// must not keep the jobs behind from their deadlines.
func (c *Core) block(err error) {
	c.blocked = true
	if c.round.Err == nil {
		c.round.Err = err
	}
}

func (c *Core) failures(now time.Time) []events.Event {
	job := &c.jobs[0]
	tickers := c.expired[:min(len(c.expired), chunk)]
	list := make([]events.Event, len(tickers))
	for i, ticker := range tickers {
		list[i] = events.New(source, now, &events.TickerFailed{
			JobID: job.ID, Ticker: ticker, Kind: job.Kind, Code: events.FailureDeadline,
			Message:     "the job's deadline " + job.Deadline.UTC().Format(time.RFC3339Nano) + " passed before this ticker had an outcome",
			CompletedAt: now.UTC().Truncate(time.Millisecond), Analyzer: source,
		})
	}
	return list
}

func (c *Core) finish(err error) Output {
	if c.round.Err == nil {
		c.round.Err = err
	}
	return Finish{Round: c.round}
}

func itemOf(job *store.JobView, ticker string) stream.Item {
	return stream.Item{
		JobID: job.ID, Ticker: ticker, Lane: stream.LaneFor(job.Total), Kind: job.Kind,
		StrategyHash: job.StrategyHash, Capital: job.Capital, Options: job.Options, Deadline: job.Deadline,
	}
}
