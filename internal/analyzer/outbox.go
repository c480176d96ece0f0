package analyzer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// outbox drives a Commit: handlers call store and wait; run carries the
// outputs out, one publish at a time.
type outbox struct {
	tape   Tape
	log    *slog.Logger
	offers chan request
	done   chan struct{} // closed when run has returned

	mu      sync.Mutex // guards waiters
	waiters map[int]chan struct{}
	nextID  int
}

type request struct {
	id    int
	event events.Event
	size  int
}

func newOutbox(tape Tape, log *slog.Logger) *outbox {
	return &outbox{
		tape:    tape,
		log:     log,
		offers:  make(chan request),
		done:    make(chan struct{}),
		waiters: map[int]chan struct{}{},
	}
}

// store returns nil once an outcome of the event's ticker stands on the tape,
// this one or an earlier one.
func (o *outbox) store(ctx context.Context, event events.Event) error {
	msg, err := events.Encode(event)
	if err != nil {
		return err
	}
	stored := make(chan struct{})
	o.mu.Lock()
	o.nextID++
	id := o.nextID
	o.waiters[id] = stored
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		delete(o.waiters, id)
		o.mu.Unlock()
	}()
	select {
	case o.offers <- request{id, event, msg.Size()}:
	case <-o.done:
		return fmt.Errorf("storing the outcome: %w", context.Canceled)
	case <-ctx.Done():
		return fmt.Errorf("storing the outcome: %w", ctx.Err())
	}
	select {
	case <-stored:
		return nil
	case <-o.done:
		return fmt.Errorf("storing the outcome: %w", context.Canceled)
	case <-ctx.Done():
		return fmt.Errorf("storing the outcome: %w", ctx.Err())
	}
}

// run drives the group commit until ctx ends; what is in flight then may or
// may not be stored, and its work is delivered again.
func (o *outbox) run(ctx context.Context) {
	defer close(o.done)
	core := NewCommit()
	answers := make(chan CommitInput, 1) // one call is in flight at a time
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var in CommitInput
		select {
		case r := <-o.offers:
			in = Offered{ID: r.id, Event: r.event, Size: r.size}
		case in = <-answers:
		case <-timer.C:
			in = Tick{}
		case <-ctx.Done():
			return
		}
		for _, out := range core.Step(time.Now(), in) {
			switch out := out.(type) {
			case Publish:
				go func() { answers <- o.publish(ctx, out.Events) }()
			case AskTaken:
				go func() { answers <- o.askTaken(ctx, out.Events) }()
			case Resolve:
				o.resolve(out.IDs)
			case Wake:
				timer.Reset(time.Until(out.At))
			}
		}
	}
}

func (o *outbox) publish(ctx context.Context, batch []events.Event) CommitInput {
	ctx, cancel := context.WithTimeout(ctx, CommitTime)
	defer cancel()
	var err error
	if len(batch) == 1 {
		_, err = o.tape.Publish(ctx, batch[0])
	} else {
		err = o.tape.PublishBatch(ctx, batch)
	}
	if unknown(err) && ctx.Err() != context.Canceled {
		o.log.Warn("outcomes not stored, sending them again", "outcomes", len(batch), "err", err)
	}
	return Published{err}
}

func (o *outbox) askTaken(ctx context.Context, batch []events.Event) CommitInput {
	ctx, cancel := context.WithTimeout(ctx, CommitTime)
	defer cancel()
	outcomes := make([]events.Data, len(batch))
	for i, event := range batch {
		outcomes[i] = event.Data
	}
	taken, err := o.tape.Taken(ctx, outcomes)
	if err != nil && ctx.Err() != context.Canceled {
		o.log.Warn("taken outcomes not known, asking again", "outcomes", len(batch), "err", err)
	}
	return TakenAnswer{taken, err}
}

func (o *outbox) resolve(ids []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		if waiter, ok := o.waiters[id]; ok {
			close(waiter)
			delete(o.waiters, id)
		}
	}
}
