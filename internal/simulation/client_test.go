package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// The waits of the product's client of the streams.
const (
	attemptTimeout  = 5 * time.Second
	publishPatience = 30 * time.Second
	firstWait       = 10 * time.Millisecond
	lastWait        = time.Second
)

// latency is how long a message is under way.
func (w *world) latency() time.Duration {
	if w.rnd.chance(w.rates.slow) {
		return w.rnd.span(50*time.Millisecond, 2*time.Second)
	}
	return w.rnd.span(100*time.Microsecond, 5*time.Millisecond)
}

// call sends a request from the coroutine under way to a server, which does
// it when it arrives, and waits for the answer, for at most timeout: the fate
// says what goes wrong. missing is the error of an answer that does not come.
func call[T any](c *coroutine, f fate, timeout time.Duration, missing error, do func() (T, error)) (T, error) {
	w := c.p.w
	w.stats.calls++
	if f != fine {
		w.stats.faults[f]++
		w.note(c.p.name, "fault", uint64(f), faultNames[f])
	}
	var value T
	var err error
	done, wake := false, c.waker()
	meet(w, f, timeout, missing, do, func(d time.Duration, v T, e error) {
		c.p.after(d, func() {
			if !done {
				done, value, err = true, v, e
				wake()
			}
		})
	})
	c.park()
	return value, err
}

// meet lets a request meet its fate. answer sends an answer that takes d.
func meet[T any](w *world, f fate, timeout time.Duration, missing error, do func() (T, error), answer func(d time.Duration, value T, err error)) {
	var zero T
	switch f {
	case lost:
		answer(timeout, zero, missing)
	case refused:
		w.after(w.latency(), func() { answer(w.latency(), zero, missing) })
	case full:
		w.after(w.latency(), func() { answer(w.latency(), zero, stream.ErrFull) })
	case late:
		w.after(timeout+w.rnd.span(0, 10*time.Second), func() { _, _ = do() })
		answer(timeout, zero, missing)
	case answerLost:
		w.after(w.latency(), func() { _, _ = do() })
		answer(timeout, zero, missing)
	case failedAfter:
		w.after(w.latency(), func() {
			_, _ = do()
			answer(w.latency(), zero, missing)
		})
	case twice:
		w.after(w.rnd.span(0, 10*time.Second), func() { _, _ = do() })
		fallthrough
	default:
		w.after(w.latency(), func() {
			value, err := do()
			answer(w.latency(), value, err)
		})
	}
}

// A client is the product's clients of TAPE and WORK as a process uses them:
// undecided answers are tried again within its patience.
type client struct {
	p        *process
	patience time.Duration
}

var errUnavailable = fmt.Errorf("%w (simulated)", stream.ErrUnavailable)

func try[T any](cl client, draw func() fate, do func() (T, error)) (T, error) {
	c := cl.p.w.cur
	w := cl.p.w
	if b := w.sweep.next("stream"); b != nil {
		if b.whole {
			return call(c, b.fate, cl.patience, errUnavailable, do)
		}
		drawn := draw
		draw = func() fate { draw = drawn; return b.fate }
	}
	until := w.now.Add(cl.patience)
	wait := firstWait
	for {
		value, err := call(c, draw(), min(attemptTimeout, max(until.Sub(w.now), time.Millisecond)), errUnavailable, do)
		if !errors.Is(err, stream.ErrUnavailable) {
			return value, err
		}
		if !w.now.Before(until) {
			return value, err
		}
		c.sleep(wait/2 + w.rnd.span(0, wait/2+1))
		wait = min(2*wait, lastWait)
	}
}

func tryOnly(cl client, draw func() fate, do func() error) error {
	_, err := try(cl, draw, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (cl client) Publish(_ context.Context, ev events.Event) (uint64, error) {
	msg, err := stream.Guarded(ev)
	if err != nil {
		return 0, err
	}
	return try(cl, cl.p.w.fateOfPublish, func() (uint64, error) { return cl.p.w.tape.publish(msg) })
}

func (cl client) PublishBatch(_ context.Context, evs []events.Event) error {
	msgs, err := stream.GuardedBatch(evs)
	if err != nil || len(msgs) == 0 {
		return err
	}
	return tryOnly(cl, cl.p.w.fateOfPublish, func() error { return cl.p.w.tape.publishBatch(msgs) })
}

func (cl client) Taken(_ context.Context, outcomes []events.Data) ([]bool, error) {
	return try(cl, cl.p.w.fateOfRead, func() ([]bool, error) {
		taken := make([]bool, len(outcomes))
		for i, data := range outcomes {
			taken[i] = cl.p.w.tape.guards[filterOf(data.NATSSubject())] > 0
		}
		return taken, nil
	})
}

func (cl client) JobEvent(_ context.Context, jobID, what string) (events.Recorded, error) {
	msg, err := try(cl, cl.p.w.fateOfRead, func() (stream.Message, error) {
		return cl.p.w.tape.lastOf(events.JobSubject(jobID, what))
	})
	if err != nil {
		return events.Recorded{}, err
	}
	return msg.Decode()
}

func (cl client) At(_ context.Context, seq uint64) (stream.Message, error) {
	return try(cl, cl.p.w.fateOfRead, func() (stream.Message, error) { return cl.p.w.tape.at(seq) })
}

func (cl client) State(context.Context) (stream.TapeState, error) {
	return try(cl, cl.p.w.fateOfRead, func() (stream.TapeState, error) { return cl.p.w.tape.state(), nil })
}

func (cl client) Dispatch(_ context.Context, items []stream.Item) error {
	msgs := make([]*nats.Msg, len(items))
	for i, item := range items {
		var err error
		if msgs[i], err = item.Message(); err != nil {
			return err
		}
	}
	if len(msgs) == 0 {
		return nil
	}
	return tryOnly(cl, cl.p.w.fateOfPublish, func() error { return cl.p.w.work.publishBatch(msgs) })
}

func (cl client) DispatchMissing(ctx context.Context, items []stream.Item) (int, error) {
	return stream.DispatchMissing(ctx, cl, items)
}

func (cl client) Outstanding(_ context.Context, jobID string) (map[string]bool, error) {
	return try(cl, cl.p.w.fateOfRead, func() (map[string]bool, error) { return cl.p.w.work.outstanding(jobID) })
}

func (cl client) Purge(_ context.Context, jobID string) error {
	return tryOnly(cl, cl.p.w.fateOfRead, func() error { return cl.p.w.work.purge(jobID) })
}

func (cl client) Ensure(context.Context) error {
	return tryOnly(cl, cl.p.w.fateOfRead, func() error {
		cl.p.w.work.gone = false
		return nil
	})
}
