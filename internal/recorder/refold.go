package recorder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Why a tape cannot be folded again.
var (
	// ErrMissing says that the tape lost its start: what it held cannot be folded again.
	ErrMissing = errors.New("the tape does not begin with its first event")
	// ErrRebuilding says that the recorder carries a rebuild out already.
	ErrRebuilding = errors.New("a rebuild is under way already: wait until the recorder logs that it is done")
	// ErrStandby says that only the recorder that holds the lease can do this.
	ErrStandby = errors.New("this recorder does not hold the lease")
)

// FoldProgress tells how far a tape has been folded again.
type FoldProgress struct {
	Seq  uint64  `json:"seq"`  // folded up to here
	Last uint64  `json:"last"` // of how many
	Rate float64 `json:"rate"` // events per second since the start
}

// A refold folds a tape from its start into tables that nobody else writes:
// batcher and projection are those of live recording, in a plain loop.
type refold struct {
	tape   Tape
	tail   Tail // nil before the first event
	writer store.Writer
	lease  store.Lease
	batch  *batcher
	tell   func(FoldProgress) // may be nil
	began  time.Time
	first  uint64
}

// newRefold begins at the tape's first event. Whether a tape that lost its
// start may be folded is the caller's to decide. The writer's tables are empty.
func newRefold(ctx context.Context, tape Tape, state stream.TapeState, writer store.Writer, tell func(FoldProgress)) (*refold, error) {
	lease, err := writer.Acquire(ctx, "refold", leaseTTL)
	if err != nil {
		return nil, fmt.Errorf("taking the new tables: %w", err)
	}
	if lease.Position.Seq != 0 {
		return nil, fmt.Errorf("taking the new tables: they are not empty, they stand at %d", lease.Position.Seq)
	}
	f := &refold{tape: tape, writer: writer, lease: lease, tell: tell, began: time.Now(), first: max(state.First, 1)}
	f.batch = newBatcher(lease.Position, f.first)
	f.batch.stream, f.batch.created = state.Stream, state.Created
	return f, nil
}

func (f *refold) close() {
	if f.tail != nil {
		f.tail.Stop()
	}
}

// to folds on up to exactly seq, which the tape holds.
func (f *refold) to(ctx context.Context, seq uint64) error {
	for f.lease.Position.Seq < seq {
		if err := f.read(ctx, seq); err != nil {
			return err
		}
		if err := f.record(ctx); err != nil {
			return err
		}
		if f.tell != nil {
			at := f.lease.Position.Seq
			f.tell(FoldProgress{Seq: at, Last: max(seq, at), Rate: float64(at-f.first+1) / max(time.Since(f.began).Seconds(), 1e-3)})
		}
	}
	return nil
}

// read fills the batcher, never beyond seq.
func (f *refold) read(ctx context.Context, seq uint64) error {
	for f.batch.next <= seq && f.batch.room() > 0 {
		if f.tail == nil {
			tail, err := f.tape.Tail(ctx, f.batch.next)
			if err != nil {
				return fmt.Errorf("opening the tape: %w", err)
			}
			f.tail = tail
		}
		messages, err := f.tail.Next(ctx, min(f.batch.room(), int(min(seq-f.batch.next+1, maxBatch))))
		if err != nil {
			return fmt.Errorf("reading the tape: %w", err)
		}
		if err := f.batch.add(messages); err != nil {
			return fmt.Errorf("reading the tape: %w", err)
		}
	}
	return nil
}

// record folds and commits what was read.
func (f *refold) record(ctx context.Context) error {
	for f.batch.waiting() > 0 {
		batch, missing := f.batch.cut()
		if len(missing) > 0 {
			states, err := f.writer.Load(ctx, missing)
			if err != nil {
				return fmt.Errorf("loading jobs: %w", err)
			}
			f.batch.proj.Learn(missing, states)
			continue
		}
		next, changes := f.batch.fold(batch)
		err := f.writer.Commit(ctx, f.lease, next, changes)
		if errors.Is(err, store.ErrConstraint) {
			if culprit := f.batch.refused(); culprit != nil {
				return fmt.Errorf("%w: sequence %d (%s): %w", ErrEvent, culprit.Message.Seq, culprit.Message.Subject, err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("recording a batch: %w", err)
		}
		f.batch.committed()
		f.lease.Position = next
	}
	return nil
}

// mark moves the anchor of the tables without an event.
func (f *refold) mark(ctx context.Context, anchor string) error {
	next := f.lease.Position
	next.Anchor = anchor
	if err := f.writer.Commit(ctx, f.lease, next, store.Changes{}); err != nil {
		return fmt.Errorf("marking the new tables: %w", err)
	}
	f.lease.Position = next
	return nil
}
