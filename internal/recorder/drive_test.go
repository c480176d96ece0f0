package recorder_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A drive records a tape with the product's core, batcher and fold: it carries
// the outputs out one at a time, in an order that is drawn, so that the cuts of
// the batches are. Commits are refused, or get lost before or after they
// happened, and the process dies, where these are drawn.
type drive struct {
	rt    *rapid.T
	tape  []stream.Message
	db    store.Recording
	after func(seq uint64) // called after each commit that happened
	core  *recorder.Core
	now   time.Time
	wake  time.Time
	open  []recorder.Output // not answered
	tails map[uint64]uint64 // by era: the next sequence
	at    uint64            // the database stands here
}

// driveLease outlives a test: only the same owner takes it again.
const driveLease = time.Hour

// record drives until the whole tape is recorded.
func record(rt *rapid.T, db store.Recording, tape []stream.Message, after func(seq uint64)) {
	d := &drive{rt: rt, tape: tape, db: db, after: after, now: t0, tails: map[uint64]uint64{}}
	d.start()
	for steps := 0; d.at < uint64(len(tape)); steps++ {
		if steps > 1000+50*len(tape) {
			rt.Fatalf("stands at %d of %d for ever: waiting are %v", d.at, len(tape), names_(d.open))
		}
		d.next()
	}
}

func (d *drive) start() {
	d.core, d.open = recorder.NewCore("me", 1), nil
	d.step(recorder.Tick{})
}

func (d *drive) step(in recorder.Input) {
	for _, out := range d.core.Step(d.now, in) {
		switch out := out.(type) {
		case recorder.Wake:
			d.wake = out.At
		case recorder.CloseTail:
		case recorder.Finish:
			d.rt.Fatalf("the recorder stopped: %v", out.Err)
		default:
			d.open = append(d.open, out)
		}
	}
}

// next answers one of the outputs, or lets time pass.
func (d *drive) next() {
	if oneIn(d.rt, 60, "killed") {
		d.start()
		return
	}
	var ready []int
	for i, out := range d.open {
		if read, ok := out.(recorder.ReadTape); !ok || d.tails[read.Era] <= uint64(len(d.tape)) {
			ready = append(ready, i)
		}
	}
	if len(ready) == 0 {
		d.now = d.wake
		d.step(recorder.Tick{})
		return
	}
	at := ready[0]
	if len(ready) > 1 {
		at = one(d.rt, "answered", ready...)
	}
	out := d.open[at]
	d.open = append(d.open[:at:at], d.open[at+1:]...)
	d.step(d.answer(out))
}

func (d *drive) answer(out recorder.Output) recorder.Input {
	ctx := context.Background()
	switch out := out.(type) {
	case recorder.Acquire:
		lease, err := d.db.Acquire(ctx, "me", driveLease)
		return recorder.Acquired{Lease: lease, Err: err}
	case recorder.Renew:
		return recorder.Renewed{Err: d.db.Renew(ctx, out.Lease)}
	case recorder.Release: // it stops, and says why
		return recorder.Released{Err: d.db.Release(ctx, out.Lease)}
	case recorder.Load:
		states, err := d.db.Load(ctx, out.JobIDs)
		return recorder.Loaded{States: states, Err: err}
	case recorder.Commit:
		return recorder.Committed{Err: d.commit(ctx, out)}
	case recorder.Scan:
		views, err := d.db.Reading().Unannounced(ctx, out.Limit)
		ended := make([]store.Progress, len(views))
		for i := range views {
			ended[i] = views[i].Progress
		}
		return recorder.Scanned{Ended: ended, Err: err}
	case recorder.Announce: // the tape is drawn already
		return recorder.Announced{Err: stream.ErrExists}
	}
	return d.answerOfTape(out)
}

func (d *drive) answerOfTape(out recorder.Output) recorder.Input {
	switch out := out.(type) {
	case recorder.CheckTape:
		in := recorder.Checked{Era: out.Era, State: stream.TapeState{Stream: "TAPE", Created: t0, First: 1, Last: uint64(len(d.tape))}}
		if out.Seq > 0 {
			in.Held, in.Anchor = true, d.tape[out.Seq-1].Anchor()
		}
		return in
	case recorder.Open:
		d.tails[out.Era] = out.From
		return recorder.Opened{Era: out.Era}
	case recorder.ReadTape:
		from := d.tails[out.Era]
		n := min(one(d.rt, "messages", 1, 1, 2, 4, 12, 40), out.Max, len(d.tape)-int(from)+1)
		d.tails[out.Era] += uint64(n)
		return recorder.Arrived{Era: out.Era, Messages: d.tape[from-1 : int(from)-1+n]}
	}
	d.rt.Fatalf("nobody answers %T", out)
	return nil
}

var errLost = errors.New("the answer was lost")

func (d *drive) commit(ctx context.Context, out recorder.Commit) error {
	if oneIn(d.rt, 16, "lost before it happened") {
		return errLost
	}
	if out.Next.Seq > out.Lease.Position.Seq+1 && oneIn(d.rt, 16, "refused") {
		return store.ErrConstraint // then it tries with half of the batch
	}
	err := d.db.Commit(ctx, out.Lease, out.Next, out.Changes)
	if err != nil {
		d.rt.Fatalf("committing up to %d: %v", out.Next.Seq, err)
	}
	d.at = out.Next.Seq
	d.after(d.at)
	if oneIn(d.rt, 16, "lost after it happened") {
		return errLost
	}
	return nil
}

// wantSame compares the tables with what a tape folds to in one go.
func wantSame(rt *rapid.T, tb testing.TB, what string, db store.Dumper, tape []stream.Message) {
	want := foldedInOne(tb, tape)
	n := 0
	err := store.Compare(context.Background(), want, db, func(d store.Difference) {
		if n++; n <= 5 {
			rt.Logf("%s: %v", what, d)
		}
	})
	if err != nil {
		rt.Fatalf("%s: comparing: %v", what, err)
	}
	if n > 0 {
		rt.Fatalf("%s: %d rows are not those of the fold of %d events in one go (the first)", what, n, len(tape))
	}
}
