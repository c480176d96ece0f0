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
	case Open:
		d.openTail(out)
	case ReadTape:
		d.readTail(out)
	case Commit:
		d.commit = &out
		d.call(out)
	default:
		d.call(out)
	}
}

func (d *driver) call(out Output) {
	d.calls.Add(1)
	go func() {
		defer d.calls.Done()
		ctx, cancel := context.WithTimeout(d.work, Patience(out))
		defer cancel()
		d.answers <- answer{in: d.ports.Call(ctx, out)}
	}()
}

// Patience is how long the call that an output asks for may take.
func Patience(out Output) time.Duration {
	switch out.(type) {
	case CheckTape, Open, Announce:
		return tapeTimeout
	}
	return databaseTimeout
}

// Ports are what the calls of a Core go to.
type Ports struct {
	Owner   string // in whose name the lease is taken
	Store   store.Writer
	Reading interface {
		Unannounced(ctx context.Context, limit int) ([]store.JobView, error)
	}
	Tape Tape
}

// Call carries out an output that is one call of the database or the tape, and
// returns its answer. It is every output but Wake, Open, ReadTape, CloseTail,
// Paused and Finish; for those it is nil.
func (p Ports) Call(ctx context.Context, out Output) Input {
	switch out := out.(type) {
	case Acquire:
		lease, err := p.Store.Acquire(ctx, p.Owner, leaseTTL)
		return Acquired{Lease: lease, Err: err}
	case Renew:
		return Renewed{Err: p.Store.Renew(ctx, out.Lease)}
	case Release:
		return Released{Err: p.Store.Release(ctx, out.Lease)}
	case Load:
		states, err := p.Store.Load(ctx, out.JobIDs)
		return Loaded{States: states, Err: err}
	case Commit:
		return Committed{Err: p.Store.Commit(ctx, out.Lease, out.Next, out.Changes)}
	case Scan:
		return p.scan(ctx, out)
	case CheckTape:
		return lookAtTape(ctx, p.Tape, out)
	case Announce:
		_, err := p.Tape.Publish(ctx, out.Event)
		return Announced{Err: err}
	}
	return nil
}

func (p Ports) scan(ctx context.Context, out Scan) Input {
	jobs, err := p.Reading.Unannounced(ctx, out.Limit)
	ended := make([]store.Progress, len(jobs))
	for i := range jobs {
		ended[i] = jobs[i].Progress
	}
	return Scanned{Ended: ended, Err: err}
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
