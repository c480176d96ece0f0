package events

import (
	"context"
	"fmt"
)

// Handlers are the functions that Subscribe calls, one for each type. They are
// called one at a time, in the order of delivery. An event whose handler is
// nil is acknowledged and passed by.
//
// nil acknowledges the event: it does not come again. An error brings it again
// later, after a wait that grows with each attempt (see Attempt); a handler
// that wants to give up returns nil. An event may come twice, also after nil
// (the acknowledgement can be lost): remember Recorded.ID or Recorded.Seq if
// that matters. A panic is not caught: it ends the program, and the event
// comes again after the start.
//
// The context ends the configured grace after the one given to Subscribe, so
// that a stop lets the handler in work finish.
type Handlers struct {
	JobQueued        func(context.Context, Recorded, *JobQueued) error
	JobStarted       func(context.Context, Recorded, *JobStarted) error
	JobCancelled     func(context.Context, Recorded, *JobCancelled) error
	JobCompleted     func(context.Context, Recorded, *JobCompleted) error
	TickerAnalyzed   func(context.Context, Recorded, *TickerAnalyzed) error
	TickerBacktested func(context.Context, Recorded, *TickerBacktested) error
	TickerFailed     func(context.Context, Recorded, *TickerFailed) error
	// Unknown gets what a newer tapedeck wrote. Leave it nil to pass it by.
	Unknown func(context.Context, Recorded, *Unknown) error
}

func (h Handlers) empty() bool {
	return h.JobQueued == nil && h.JobStarted == nil && h.JobCancelled == nil && h.JobCompleted == nil &&
		h.TickerAnalyzed == nil && h.TickerBacktested == nil && h.TickerFailed == nil && h.Unknown == nil
}

func (h Handlers) handle(ctx context.Context, recorded Recorded) error {
	switch data := recorded.Data.(type) {
	case *JobQueued:
		return call(ctx, h.JobQueued, recorded, data)
	case *JobStarted:
		return call(ctx, h.JobStarted, recorded, data)
	case *JobCancelled:
		return call(ctx, h.JobCancelled, recorded, data)
	case *JobCompleted:
		return call(ctx, h.JobCompleted, recorded, data)
	case *TickerAnalyzed:
		return call(ctx, h.TickerAnalyzed, recorded, data)
	case *TickerBacktested:
		return call(ctx, h.TickerBacktested, recorded, data)
	case *TickerFailed:
		return call(ctx, h.TickerFailed, recorded, data)
	case *Unknown:
		return call(ctx, h.Unknown, recorded, data)
	}
	return fmt.Errorf("handling sequence %d: no handler can take a %T", recorded.Seq, recorded.Data)
}

func call[D Data](ctx context.Context, fn func(context.Context, Recorded, D) error, recorded Recorded, data D) error {
	if fn == nil {
		return nil
	}
	return fn(ctx, recorded, data)
}

type attemptKey struct{}

// Attempt is how often the event in hand has been delivered to this
// subscriber, from 1. It is 0 for a context that is not a handler's.
func Attempt(ctx context.Context) int {
	attempt, _ := ctx.Value(attemptKey{}).(int)
	return attempt
}
