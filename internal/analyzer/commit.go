package analyzer

import (
	"errors"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Commit is the group commit of outcomes as a state machine, without
// goroutines, clock or I/O. Concurrent handlers offer outcomes; what gathers
// while one batch is on its way goes out together in the next, because a
// durable publish costs the same fsyncs for one outcome as for five hundred.
//
// One batch is in flight at a time, and no (job, ticker) stands twice in what
// is pending or in flight: an atomic batch checks its guards against the state
// before it, so both would be stored. A batch that meets a taken guard is
// refused whole: then it is cleaned of what is taken and sent again.
type Commit struct {
	pending  []offer
	flight   []offer
	waiting  map[outcome][]int // ids that wait for the outcome of an equal key
	held     map[outcome]bool  // keys that are pending or in flight
	refusals int
	failures int
	asking   bool // flight waits for Taken, not for a publish
	resendAt time.Time
}

type outcome struct{ job, ticker string }

type offer struct {
	id    int
	key   outcome
	event events.Event
	bytes int
}

// A CommitInput is what has happened: Offered, Published, TakenAnswer or Tick.
type CommitInput interface{ commitInput() }

// Offered is an outcome of Size encoded bytes that the handler ID waits for.
type Offered struct {
	ID    int
	Event events.Event
	Size  int
}

// Published answers Publish: nil, stream.ErrExists (refused whole, nothing
// stored), or another error (nobody knows).
type Published struct{ Err error }

// TakenAnswer answers AskTaken, in its order.
type TakenAnswer struct {
	Taken []bool
	Err   error
}

// Tick says that time has passed: at or after the time of a Wake.
type Tick struct{}

func (Offered) commitInput()     {}
func (Published) commitInput()   {}
func (TakenAnswer) commitInput() {}
func (Tick) commitInput()        {}

// A CommitOutput is what to do: Publish, AskTaken, Resolve or Wake.
type CommitOutput interface{ commitOutput() }

// Publish asks to store events in one atomic batch.
type Publish struct{ Events []events.Event }

// AskTaken asks which of the outcomes stand on the tape.
type AskTaken struct{ Events []events.Event }

// Resolve tells handlers that an outcome of their ticker stands on the tape.
type Resolve struct{ IDs []int }

// Wake asks for a Tick at a time.
type Wake struct{ At time.Time }

func (Publish) commitOutput()  {}
func (AskTaken) commitOutput() {}
func (Resolve) commitOutput()  {}
func (Wake) commitOutput()     {}

// NewCommit returns an idle group commit.
func NewCommit() *Commit {
	return &Commit{waiting: map[outcome][]int{}, held: map[outcome]bool{}}
}

// Step takes one input and returns what to do, in order.
func (c *Commit) Step(now time.Time, in CommitInput) []CommitOutput {
	switch in := in.(type) {
	case Offered:
		c.offer(in)
	case Published:
		return c.published(now, in.Err)
	case TakenAnswer:
		return c.answered(now, in)
	case Tick:
		return c.tick(now)
	}
	return c.fill()
}

func (c *Commit) offer(in Offered) {
	key := keyOf(in.Event.Data)
	if c.held[key] {
		c.waiting[key] = append(c.waiting[key], in.ID)
		return
	}
	c.held[key] = true
	c.pending = append(c.pending, offer{in.ID, key, in.Event, in.Size})
}

// fill starts the next batch if none is in flight.
func (c *Commit) fill() []CommitOutput {
	if len(c.flight) > 0 || len(c.pending) == 0 {
		return nil
	}
	n, size := 0, 0
	for n < len(c.pending) && n < BatchMessages && (n == 0 || size+c.pending[n].bytes <= BatchBytes) {
		size += c.pending[n].bytes
		n++
	}
	c.flight = append([]offer(nil), c.pending[:n]...)
	c.pending = append([]offer(nil), c.pending[n:]...)
	c.refusals, c.failures = 0, 0
	return []CommitOutput{c.publish()}
}

// publish sends what is in flight: whole, or one by one once cleaning a
// refused batch has not helped.
func (c *Commit) publish() CommitOutput {
	c.asking = false
	if c.refusals > MaxRefusals {
		return Publish{eventsOf(c.flight[:1])}
	}
	return Publish{eventsOf(c.flight)}
}

func (c *Commit) published(now time.Time, err error) []CommitOutput {
	sent := len(c.flight)
	if c.refusals > MaxRefusals {
		sent = 1
	}
	switch {
	case err == nil, sent == 1 && errors.Is(err, stream.ErrExists):
		c.failures = 0
		out := []CommitOutput{c.resolve(c.flight[:sent])}
		if c.flight = c.flight[sent:]; len(c.flight) > 0 {
			return append(out, c.publish())
		}
		return append(out, c.fill()...)
	case errors.Is(err, stream.ErrTooLarge) && sent > 1: // never by our count; the server has the last word
		c.refusals = MaxRefusals + 1
		return []CommitOutput{c.publish()}
	case errors.Is(err, stream.ErrExists):
		c.refusals++
		c.asking = true
		return []CommitOutput{AskTaken{eventsOf(c.flight)}}
	}
	return c.wait(now)
}

func (c *Commit) answered(now time.Time, in TakenAnswer) []CommitOutput {
	if in.Err != nil {
		return c.wait(now)
	}
	var done, rest []offer
	for i, o := range c.flight {
		if in.Taken[i] {
			done = append(done, o)
		} else {
			rest = append(rest, o)
		}
	}
	var out []CommitOutput
	if len(done) > 0 {
		out = append(out, c.resolve(done))
	}
	if c.flight = rest; len(rest) > 0 {
		return append(out, c.publish())
	}
	return append(out, c.fill()...)
}

// wait puts the step that failed off. What was sent may have been stored: then
// sending it again is refused and cleaned.
func (c *Commit) wait(now time.Time) []CommitOutput {
	c.resendAt = now.Add(min(CommitRetryBase<<min(c.failures, 10), CommitRetryMax))
	c.failures++
	return []CommitOutput{Wake{c.resendAt}}
}

func (c *Commit) tick(now time.Time) []CommitOutput {
	if c.resendAt.IsZero() || now.Before(c.resendAt) {
		return nil
	}
	c.resendAt = time.Time{}
	if c.asking {
		return []CommitOutput{AskTaken{eventsOf(c.flight)}}
	}
	return []CommitOutput{c.publish()}
}

func (c *Commit) resolve(offers []offer) CommitOutput {
	var ids []int
	for _, o := range offers {
		ids = append(append(ids, o.id), c.waiting[o.key]...)
		delete(c.waiting, o.key)
		delete(c.held, o.key)
	}
	return Resolve{ids}
}

func eventsOf(offers []offer) []events.Event {
	list := make([]events.Event, len(offers))
	for i, o := range offers {
		list[i] = o.event
	}
	return list
}

func keyOf(data events.Data) outcome {
	jobID, ticker, _, err := events.ParseSubject(data.NATSSubject())
	if err != nil { // it was encoded, so it has a subject: a bug, and its own job's alone
		return outcome{data.Job(), ""}
	}
	return outcome{jobID, ticker}
}
