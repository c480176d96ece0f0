package recorder

import (
	"context"
	"errors"
	"fmt"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

var (
	// ErrNothingLost says that tape and database fit each other.
	ErrNothingLost = errors.New("the tape holds what the database was recorded from; there is nothing to recover from")
	// ErrNoBeginning says that the tape is gone or empty and that the caller
	// cannot make one that begins behind the checkpoint.
	ErrNoBeginning = errors.New("the tape is gone or empty and must be made anew behind the checkpoint")
)

// unfinished is the anchor of a recovery under way. No message has it, so a
// recorder that starts after a crash in the middle stops loudly, and
// AcceptLoss can be called again.
const unfinished = "recovery-unfinished"

// RecoverConfig is what a recovery needs. No recorder may run.
type RecoverConfig struct {
	Offline
	Recovery store.Recovery // of the same database as Offline.Store
	// Begin makes the stream TAPE, which is missing or empty, such that its
	// first message gets the sequence first. It needs the provisioner's role;
	// without it (nil) a lost tape is ErrNoBeginning.
	Begin func(ctx context.Context, first uint64) error
}

// A Loss says what a recovery gave up and how it went on.
type Loss struct {
	Saved   string         `json:"saved"` // where the tables from before are
	Old     store.Position `json:"old"`   // where the database stood
	New     store.Position `json:"new"`   // where it goes on
	Rebuilt bool           `json:"rebuilt"`
	Reason  string         `json:"reason"`
}

// AcceptLoss is the way past a tape that is not the one that the database was
// recorded from. It saves the tables, records what was given up, and brings
// database and tape together by the first of these rules that fits:
//
//  1. The tape holds the checkpoint's message: a restored copy of the same
//     tape. The checkpoint takes the stream's new identity; nothing is lost.
//
//  2. The tape is gone or empty. It is made anew with its first sequence
//     behind the checkpoint, so that no sequence is ever used twice, and rule 3 fits.
//
//  3. The tape begins behind the checkpoint: its start was lost. The rows stay
//     and recording goes on with the tape's first event; events between are
//     given up. Such a tape cannot be rebuilt from without --accept-missing,
//     nor verified.
//
//  4. The tape begins at or before the checkpoint with another history: its
//     tail was lost, and perhaps filled again. Its sequences collide with
//     recorded ones, so the old rows cannot stay: the tables are rebuilt from
//     the tape, as the truth is what it holds. Rows of events that the tape
//     lost are in the saved tables only.
//
//  5. The tape fits, but lost events behind the checkpoint: recording goes on
//     behind the hole. No later rebuild or verification gets past it.
//
// After rules 2, 3 and 5 jobs go on whose JobQueued is not on the tape any more.
// They still end: the reconciler dispatches what has no outcome; an analyzer
// that cannot read the strategy fails the ticker with internal, and what is
// left fails at the job's deadline. Their outcomes stand on the new tape and
// are folded into the old rows.
//
// It can be called again after a crash in the middle.
func AcceptLoss(ctx context.Context, cfg RecoverConfig, tell func(FoldProgress)) (Loss, error) {
	held, err := takeLease(ctx, cfg.Offline)
	if err != nil {
		return Loss{}, fmt.Errorf("recovering: %w", err)
	}
	defer held.release()
	loss, err := recovery{cfg, held, tell}.run(held.ctx)
	if err != nil {
		return Loss{}, fmt.Errorf("recovering: %w", err)
	}
	cfg.Log.Warn("recovered with loss", "seq", loss.New.Seq, "reason", loss.Reason, "saved", loss.Saved)
	return loss, nil
}

// A recovery is one call of AcceptLoss, under the lease.
type recovery struct {
	RecoverConfig
	held *heldLease
	tell func(FoldProgress)
}

func (r recovery) run(ctx context.Context) (Loss, error) {
	old := r.held.position()
	look, err := r.lookOrBegin(ctx, old)
	if err != nil {
		return Loss{}, err
	}
	lost := checkTape(old, look)
	state := look.State
	next := store.Position{Stream: state.Stream, Created: state.Created}
	switch {
	case lost == nil:
		if next.Seq, err = r.hole(ctx, old.Seq, state.Last); err != nil {
			return Loss{}, err
		}
		return r.keepRows(ctx, next, fmt.Sprintf("events %d to %d are lost from the middle of the tape", old.Seq+1, next.Seq))
	case look.Held && stream.SameAnchor(look.Anchor, old.Anchor):
		next.Seq, next.Anchor = old.Seq, old.Anchor
		return r.keepRows(ctx, next, fmt.Sprintf("the same events on another stream (%v)", lost))
	case state.First == old.Seq+1:
		next.Seq = old.Seq
		return r.keepRows(ctx, next, fmt.Sprintf("the tape was made anew behind %d (%v)", old.Seq, lost))
	case state.First > old.Seq:
		next.Seq = state.First - 1
		return r.keepRows(ctx, next, fmt.Sprintf("events %d to %d are lost (%v)", old.Seq+1, next.Seq, lost))
	}
	return r.replaceRows(ctx, state, fmt.Sprintf("rebuilt from a tape with another history (%v)", lost))
}

// hole returns the last of the sequences behind the checkpoint that the tape
// lost; ErrNothingLost if it holds the next one, or ends.
func (r recovery) hole(ctx context.Context, checkpoint, last uint64) (uint64, error) {
	for seq := checkpoint + 1; seq <= last; seq++ {
		_, err := r.Tape.At(ctx, seq)
		switch {
		case errors.Is(err, stream.ErrNotFound):
			continue
		case err != nil:
			return 0, err
		case seq == checkpoint+1:
			return 0, ErrNothingLost
		}
		return seq - 1, nil
	}
	return 0, ErrNothingLost
}

// lookOrBegin looks at the tape, and makes it first if it is gone or empty.
func (r recovery) lookOrBegin(ctx context.Context, old store.Position) (Checked, error) {
	look := lookAtTape(ctx, r.Tape, CheckTape{Seq: old.Seq})
	gone := errors.Is(look.Err, stream.ErrNoStream)
	if look.Err != nil && !gone {
		return Checked{}, look.Err
	}
	if !gone && (look.State.Messages > 0 || look.State.First > old.Seq) {
		return look, nil
	}
	if r.Begin == nil {
		return Checked{}, fmt.Errorf("%w: its first sequence must be %d; run `tapedeck recover --accept-loss` as the provisioner", ErrNoBeginning, old.Seq+1)
	}
	if err := r.Begin(ctx, old.Seq+1); err != nil {
		return Checked{}, fmt.Errorf("making the tape anew: %w", err)
	}
	look = lookAtTape(ctx, r.Tape, CheckTape{Seq: old.Seq})
	if look.Err == nil && look.State.First <= old.Seq {
		return Checked{}, fmt.Errorf("%w: it begins at %d", ErrNoBeginning, look.State.First)
	}
	return look, look.Err
}

// keepRows leaves the rows as they are and goes on behind next.
func (r recovery) keepRows(ctx context.Context, next store.Position, reason string) (Loss, error) {
	lease, err := r.held.pause(ctx)
	if err != nil {
		return Loss{}, err
	}
	defer r.held.resume(false)
	saved, err := r.Recovery.AcceptLoss(ctx, lease, next, reason)
	if err != nil {
		return Loss{}, err
	}
	r.held.lease.Position = next
	return Loss{Saved: saved, Old: lease.Position, New: next, Reason: reason}, nil
}

// replaceRows replaces the rows by a fold of the tape as it is now. Between
// AcceptLoss and the last commit both sets of tables carry the anchor unfinished.
func (r recovery) replaceRows(ctx context.Context, state stream.TapeState, reason string) (Loss, error) {
	shadow, err := r.Store.Shadow(ctx)
	if err != nil {
		return Loss{}, err
	}
	defer discard(ctx, r.Log, shadow)
	fold, err := newRefold(ctx, r.Tape, state, shadow, r.tell)
	if err != nil {
		return Loss{}, err
	}
	defer fold.close()
	if err := fold.to(ctx, state.Last); err != nil {
		return Loss{}, err
	}
	next := fold.lease.Position
	if err := fold.mark(ctx, unfinished); err != nil {
		return Loss{}, err
	}
	loss, err := r.keepRows(ctx, fold.lease.Position, reason)
	if err != nil {
		return Loss{}, err
	}
	lease, err := r.held.pause(ctx)
	if err != nil {
		return Loss{}, err
	}
	defer r.held.resume(true)
	if err := shadow.Swap(ctx, lease); err != nil {
		return Loss{}, fmt.Errorf("swapping the tables: %w", err)
	}
	if err := r.held.writer.Commit(ctx, lease, next, store.Changes{}); err != nil {
		return Loss{}, fmt.Errorf("anchoring the new tables: %w", err)
	}
	r.held.lease.Position = next
	loss.New, loss.Rebuilt = next, true
	return loss, nil
}
