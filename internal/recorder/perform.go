package recorder

import (
	"context"
	"errors"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// perform carries an output out: calls in a goroutine each, whose answer
// comes back as an input. The core sees to it that calls of one kind do not overlap.
func (d *driver) perform(out Output) {
	switch out := out.(type) {
	case Wake:
		d.timer.Reset(max(out.At.Sub(d.cfg.Now()), 0))
	case CloseTail:
		d.closeTail()
	case Paused:
		d.waiting.lease <- out.Lease // has room
	case CheckTape:
		d.call(tapeTimeout, func(ctx context.Context) Input { return d.checkTape(ctx, out) })
	case Open:
		d.openTail(out)
	case ReadTape:
		d.readTail(out)
	case Announce:
		d.call(tapeTimeout, func(ctx context.Context) Input {
			_, err := d.cfg.Tape.Publish(ctx, out.Event)
			return Announced{Err: err}
		})
	default:
		d.performOnStore(out)
	}
}

func (d *driver) performOnStore(out Output) {
	w := d.cfg.Store
	var call func(ctx context.Context) Input
	switch out := out.(type) {
	case Acquire:
		call = func(ctx context.Context) Input {
			lease, err := w.Acquire(ctx, d.cfg.Owner, leaseTTL)
			return Acquired{Lease: lease, Err: err}
		}
	case Renew:
		call = func(ctx context.Context) Input { return Renewed{Err: w.Renew(ctx, out.Lease)} }
	case Release:
		call = func(ctx context.Context) Input { return Released{Err: w.Release(ctx, out.Lease)} }
	case Load:
		call = func(ctx context.Context) Input {
			states, err := w.Load(ctx, out.JobIDs)
			return Loaded{States: states, Err: err}
		}
	case Commit:
		d.commit = &out
		call = func(ctx context.Context) Input {
			return Committed{Err: w.Commit(ctx, out.Lease, out.Next, out.Changes)}
		}
	case Scan:
		call = func(ctx context.Context) Input { return d.scan(ctx, out) }
	}
	d.call(databaseTimeout, call)
}

func (d *driver) call(limit time.Duration, do func(ctx context.Context) Input) {
	d.calls.Add(1)
	go func() {
		defer d.calls.Done()
		ctx, cancel := context.WithTimeout(d.work, limit)
		defer cancel()
		d.answers <- answer{in: do(ctx)}
	}()
}

func (d *driver) scan(ctx context.Context, out Scan) Input {
	jobs, err := d.cfg.Reading.Unannounced(ctx, out.Limit)
	ended := make([]store.Progress, len(jobs))
	for i := range jobs {
		ended[i] = jobs[i].Progress
	}
	return Scanned{Ended: ended, Err: err}
}

func (d *driver) checkTape(ctx context.Context, out CheckTape) Input {
	return lookAtTape(ctx, d.cfg.Tape, out)
}

// lookAtTape answers a CheckTape.
func lookAtTape(ctx context.Context, tape Tape, out CheckTape) Checked {
	state, err := tape.State(ctx)
	if err != nil || out.Seq == 0 {
		return Checked{Era: out.Era, State: state, Err: err}
	}
	msg, err := tape.At(ctx, out.Seq)
	if errors.Is(err, stream.ErrNotFound) {
		return Checked{Era: out.Era, State: state}
	}
	if err != nil {
		return Checked{Era: out.Era, Err: err}
	}
	return Checked{Era: out.Era, State: state, Anchor: msg.Anchor(), Held: true}
}

func (d *driver) openTail(out Open) {
	f := &follower{busy: true}
	f.ctx, f.cancel = context.WithCancel(d.work)
	d.follow = f
	d.calls.Add(1)
	go func() {
		defer d.calls.Done()
		ctx, cancel := context.WithTimeout(f.ctx, tapeTimeout)
		defer cancel()
		tail, err := d.cfg.Tape.Tail(ctx, out.From)
		if err == nil {
			f.tail = tail
		}
		d.answers <- answer{in: Opened{Era: out.Era, Err: err}, follow: f}
	}()
}

func (d *driver) readTail(out ReadTape) {
	f := d.follow
	f.busy = true
	d.calls.Add(1)
	go func() {
		defer d.calls.Done()
		messages, err := f.tail.Next(f.ctx, out.Max)
		d.answers <- answer{in: Arrived{Era: out.Era, Messages: messages, Err: err}, follow: f}
	}()
}
