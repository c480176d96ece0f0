package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tapedeck/tapedeck/internal/reconciler"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

var silent = slog.New(slog.DiscardHandler)

// A recording is a recorder process: the product's recorder.Core and its
// calls, and while it leads the product's reconciler.
type recording struct {
	*process
	core    *recorder.Core
	ports   recorder.Ports
	writer  store.Recording
	wakes   int // the number of the Wake that counts
	tail    *tail
	rounds  *coroutine // of the reconciler; nil while another leads
	endTerm context.CancelFunc
	skipped bool // its tail left a message out
}

func newRecorder(w *world, name string) *recording {
	r := &recording{process: &process{w: w, name: name}}
	r.start, r.ended = r.begins, r.ends
	return r
}

func (r *recording) begins() {
	w := r.w
	r.writer = w.database.rows.OpenWriter()
	owner := fmt.Sprintf("%s-%d", r.name, r.life)
	r.core = recorder.NewCore(owner, w.rnd.next())
	r.ports = recorder.Ports{
		Owner: owner, Store: writer{r.writer, r.process}, Reading: reader{r.writer.Reading(), r.process},
		Tape: tapeOf{client{r.process, recorder.Patience(recorder.CheckTape{})}},
	}
	r.tail, r.rounds, r.skipped = nil, nil, false
	r.after(0, func() { r.step(recorder.Tick{}) })
}

func (r *recording) ends() {
	if r.tail != nil {
		r.tail.closed = true
	}
	if r.endTerm != nil {
		r.endTerm()
		r.endTerm = nil
	}
	r.rounds = nil
}

// tapeOf is the tape as recorder.Ports wants it; tails are the driver's.
type tapeOf struct{ client }

func (tapeOf) Tail(context.Context, uint64) (recorder.Tail, error) {
	return nil, errors.New("not used")
}

// step gives the core an input and carries out what it says. The core's clock
// is monotonic, as the product's is, so nobody can set it.
func (r *recording) step(in recorder.Input) {
	r.w.note(r.name, kindOf(in), r.core.Position().Seq, "")
	for _, out := range r.core.Step(r.w.now, in) {
		if finish, ok := out.(recorder.Finish); ok {
			r.finished(finish.Err)
			return
		}
		r.perform(out)
	}
	r.lead(r.core.Leading(r.w.now))
}

func (r *recording) finished(err error) {
	r.w.note(r.name, "finishes", r.core.Position().Seq, fmt.Sprint(err))
	skipped := r.tail != nil && r.tail.skipped || r.skipped
	if skipped && (errors.Is(err, stream.ErrGap) || errors.Is(err, recorder.ErrAnchor)) { // loudly, and rightly so: its supervisor starts it again
		r.end()
		r.w.after(time.Second, r.begin)
		return
	}
	r.stays = true
	r.end()
	if !r.w.tape.damaged {
		r.w.broken("%s stopped, and nothing is wrong with the tape: %v", r.name, err)
	}
}

func (r *recording) perform(out recorder.Output) {
	r.w.note(r.name, kindOf(out), r.core.Position().Seq, "")
	switch out := out.(type) {
	case recorder.Wake:
		r.wakes++
		n := r.wakes
		r.after(out.At.Sub(r.w.now), func() {
			if n == r.wakes {
				r.step(recorder.Tick{})
			}
		})
	case recorder.CloseTail:
		if r.tail != nil {
			r.tail.closed = true
			if r.tail.wake != nil {
				r.after(0, r.tail.wake)
			}
			r.tail = nil
		}
	case recorder.Open:
		r.open(out)
	case recorder.ReadTape:
		r.read(out, r.tail)
	default:
		r.spawn(func(*coroutine) { r.answer(r.ports.Call(context.Background(), out)) })
	}
}

// answer gives the core an input as the loop's next step.
func (r *recording) answer(in recorder.Input) { r.after(0, func() { r.step(in) }) }

func (r *recording) open(out recorder.Open) {
	l := &tail{t: r.w.tape, last: out.From - 1}
	r.tail = l
	r.spawn(func(c *coroutine) {
		f := r.w.fateOfRead()
		if b := r.w.sweep.next("open"); b != nil {
			f = b.fate
		}
		created, err := call(c, f, attemptTimeout, errUnavailable, func() (time.Time, error) { return r.w.tape.created, nil })
		l.created = created
		r.answer(recorder.Opened{Era: out.Era, Err: err})
	})
}

// read waits for messages of the tail. They come in batches of any size, after
// any delay.
func (r *recording) read(out recorder.ReadTape, l *tail) {
	r.spawn(func(c *coroutine) {
		most := out.Max
		if r.w.rnd.chance(0.3) {
			most = r.w.rnd.between(1, out.Max)
		}
		broken := r.w.sweep.next("tail")
		if broken.before() {
			c.sleep(broken.wait())
			r.answer(recorder.Arrived{Era: out.Era, Err: errUnavailable})
			return
		}
		for {
			if l.closed {
				r.answer(recorder.Arrived{Era: out.Era, Err: context.Canceled})
				return
			}
			if !r.w.healed && r.w.rnd.chance(r.w.rates.readLost/4) {
				r.answer(recorder.Arrived{Era: out.Era, Err: errUnavailable})
				return
			}
			batch, err := l.next(most)
			r.skipped = r.skipped || l.skipped
			if err != nil || len(batch) > 0 {
				c.sleep(r.w.latency())
				if broken != nil {
					c.sleep(broken.wait())
					batch, err = nil, errUnavailable
				}
				r.answer(recorder.Arrived{Era: out.Era, Messages: batch, Err: err})
				return
			}
			l.wake = c.waker()
			wake, life := l.wake, r.life
			r.w.tape.follow = append(r.w.tape.follow, func() {
				if r.life == life {
					r.after(0, wake)
				}
			})
			c.park()
		}
	})
}

// lead starts and ends the reconciler with the lease.
func (r *recording) lead(leading bool) {
	switch {
	case leading && r.rounds == nil:
		ctx, cancel := context.WithCancel(context.Background())
		r.endTerm = cancel
		r.w.note(r.name, "leads", 0, "")
		rec := reconciler.New(reconciler.Config{
			Log: silent, Backlog: reader{r.writer.Reading(), r.process}, Tape: client{r.process, publishPatience},
			Work: client{r.process, publishPatience}, Now: r.wall,
			Wait: func(_ context.Context, d time.Duration) error { r.w.cur.sleep(d); return nil },
		})
		r.rounds = r.spawn(func(c *coroutine) {
			for {
				round := rec.Round(ctx)
				r.w.note(r.name, "reconciles", uint64(round.Dispatched), fmt.Sprint(round.Jobs, round.Expired, round.Behind, round.Err))
				c.sleep(round.Pause(reconciler.DefaultInterval))
			}
		})
	case !leading && r.rounds != nil:
		r.w.note(r.name, "leads no more", 0, "")
		r.endTerm()
		r.endTerm = nil
		r.rounds.stop()
		r.rounds = nil
	}
}

func kindOf(message any) string {
	switch m := message.(type) {
	case recorder.Tick:
		return "tick"
	case recorder.Acquired:
		return outcome("acquired", m.Err)
	case recorder.Renewed:
		return outcome("renewed", m.Err)
	case recorder.Released:
		return outcome("released", m.Err)
	case recorder.Loaded:
		return outcome("loaded", m.Err)
	case recorder.Committed:
		return outcome("committed", m.Err)
	case recorder.Scanned:
		return outcome("scanned", m.Err)
	case recorder.Announced:
		return outcome("announced", m.Err)
	case recorder.Checked:
		return outcome("checked", m.Err)
	case recorder.Opened:
		return outcome("opened", m.Err)
	case recorder.Arrived:
		return outcome("arrived", m.Err)
	case recorder.Wake:
		return ">wake"
	case recorder.Acquire:
		return ">acquire"
	case recorder.Renew:
		return ">renew"
	case recorder.Release:
		return ">release"
	case recorder.Load:
		return ">load"
	case recorder.Commit:
		return ">commit"
	case recorder.Scan:
		return ">scan"
	case recorder.Announce:
		return ">announce"
	case recorder.CheckTape:
		return ">check tape"
	case recorder.Open:
		return ">open"
	case recorder.ReadTape:
		return ">read tape"
	case recorder.CloseTail:
		return ">close tail"
	}
	return "?"
}

func outcome(what string, err error) string {
	switch {
	case err == nil:
		return what
	case errors.Is(err, store.ErrFenced):
		return what + " fenced"
	case errors.Is(err, store.ErrLeaseHeld):
		return what + " held"
	case errors.Is(err, stream.ErrExists):
		return what + " exists"
	case errors.Is(err, stream.ErrGap):
		return what + " gap"
	}
	return what + " failed"
}
