package dispatcher

import (
	"errors"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Core is how one job is dispatched, as a state machine without goroutines,
// clock or I/O: Step takes what has happened and says what to do next. The
// order is: look whether the job has ended, say that it started, then send its
// work items chunk by chunk with a look for a cancel after each, and purge
// what was sent if one came.
//
// A Core serves one delivery of one JobQueued. Sending twice is harmless: each
// item is guarded, so what is outstanding already is not sent again.
type Core struct {
	job   *events.JobQueued
	try   int // deliveries of this JobQueued, from 1
	next  int // index of the first ticker that was not sent
	phase phase
}

type phase int

const (
	looking phase = iota
	starting
	sending
	purging
	finished
)

// An Input is what has happened: Begin, Looked, or Done.
type Input interface{ input() }

// Begin opens the dispatch of a job.
type Begin struct {
	Job *events.JobQueued
	Try int
}

// Looked answers Look.
type Looked struct {
	Ended bool // a JobCancelled or JobCompleted stands on the tape
	Err   error
}

// Done answers Start, Send and Purge. A guard that was taken is no error.
type Done struct{ Err error }

func (Begin) input()  {}
func (Looked) input() {}
func (Done) input()   {}

// An Output is what to do next: Look, Start, Send, Purge, or Finish.
type Output interface{ output() }

// Look asks whether the job has ended.
type Look struct{ JobID string }

// Start asks to publish JobStarted.
type Start struct{ Event *events.JobStarted }

// Send asks to put items into WORK, those that are not outstanding.
type Send struct{ Items []stream.Item }

// Purge asks to take the job's items out of WORK.
type Purge struct{ JobID string }

// Finish ends the dispatch: the JobQueued is acknowledged, or, with an error,
// delivered again after Retry.
type Finish struct {
	Err   error
	Retry time.Duration
}

func (Look) output()   {}
func (Start) output()  {}
func (Send) output()   {}
func (Purge) output()  {}
func (Finish) output() {}

// Step takes one input and returns the one thing to do next.
func (c *Core) Step(now time.Time, in Input) Output {
	switch in := in.(type) {
	case Begin:
		*c = Core{job: in.Job, try: in.Try}
		if now.After(in.Job.Deadline) { // the reconciler ends it with deadline failures
			return c.finish(nil)
		}
		return Look{in.Job.JobID}
	case Looked:
		return c.looked(in)
	case Done:
		return c.done(in)
	}
	return c.finish(nil)
}

func (c *Core) looked(in Looked) Output {
	switch {
	case in.Err != nil:
		return c.finish(in.Err)
	case in.Ended && c.next > 0:
		c.phase = purging
		return Purge{c.job.JobID}
	case in.Ended:
		return c.finish(nil)
	case c.phase == looking:
		c.phase = starting
		return Start{&events.JobStarted{JobID: c.job.JobID, Total: len(c.job.Tickers)}}
	case c.next == len(c.job.Tickers):
		return c.finish(nil)
	}
	return c.send()
}

func (c *Core) done(in Done) Output {
	if in.Err != nil {
		return c.finish(in.Err)
	}
	switch c.phase {
	case starting:
		c.phase = sending
		return c.send()
	case sending:
		c.next = min(c.next+ChunkItems, len(c.job.Tickers))
		return Look{c.job.JobID}
	}
	return c.finish(nil)
}

func (c *Core) send() Output {
	tickers := c.job.Tickers[c.next:min(c.next+ChunkItems, len(c.job.Tickers))]
	items := make([]stream.Item, len(tickers))
	for i, ticker := range tickers {
		items[i] = stream.Item{
			JobID:        c.job.JobID,
			Ticker:       ticker,
			Lane:         stream.LaneFor(len(c.job.Tickers)),
			Kind:         c.job.Kind,
			StrategyHash: c.job.StrategyHash,
			Capital:      c.job.Capital,
			Options:      c.job.Options,
			Deadline:     c.job.Deadline,
		}
	}
	return Send{items}
}

func (c *Core) finish(err error) Output {
	c.phase = finished
	if err == nil {
		return Finish{}
	}
	return Finish{Err: err, Retry: min(RetryBase<<min(c.try-1, 10), RetryMax)}
}

// Ends are the events of a job that Look asks for.
var Ends = [...]string{"cancelled", "completed"}

// Ended makes the answer to Look from those of the tape on each of Ends: one
// that stands there says that the job has ended, whatever became of the others.
// What is there and no event says nothing: the recorder set it aside.
func Ended(answers []error) (bool, error) {
	var failed error
	for _, err := range answers {
		switch {
		case err == nil:
			return true, nil
		case !errors.Is(err, stream.ErrNotFound) && !errors.Is(err, events.ErrMalformed):
			failed = err
		}
	}
	return false, failed
}
