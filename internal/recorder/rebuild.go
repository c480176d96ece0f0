package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

const (
	// nearEnough is how close the new tables are to the live ones when live
	// recording pauses: one batch, folded in milliseconds.
	nearEnough = maxBatch

	// maxChases bounds how often the rebuild runs after live recording before
	// it pauses it all the same.
	maxChases = 50

	// swapTimeout is how long live recording pauses at most: what is at least
	// left of the lease when it does, less half a second to resume in.
	swapTimeout = pauseTTL - renewEvery - 500*time.Millisecond

	// takeoverWait is how long the command line waits for the lease of a
	// recorder that was killed just now.
	takeoverWait = pauseTTL + 2*time.Second
)

// RebuildRequest says how to rebuild.
type RebuildRequest struct {
	// AcceptMissing rebuilds from a tape that lost its start: rows of the
	// events that are gone are gone too.
	AcceptMissing bool `json:"accept_missing"`
}

// RebuildResult says what a rebuild did.
type RebuildResult struct {
	Seq     uint64        `json:"seq"`    // the new tables stand here
	Events  uint64        `json:"events"` // folded
	Elapsed time.Duration `json:"elapsed_ns"`
}

// live is what a rebuild needs of the tables that serve meanwhile.
type live interface {
	position() store.Position
	// pause stops all recording and returns the lease, good for swapTimeout.
	pause(ctx context.Context) (store.Lease, error)
	// resume ends the pause; it is called after each pause, once.
	resume(swapped bool)
}

// Rebuild folds the tape from its start into new tables while recording and
// reading go on, then puts them in the place of the old ones. Readers never go
// back: recording pauses, the new tables are brought to exactly the live
// sequence, and then they are swapped. If ctx ends before, nothing has changed.
// ErrStandby, ErrRebuilding, ErrMissing, or why the tape or the database failed.
func (r *Recorder) Rebuild(ctx context.Context, req RebuildRequest, tell func(FoldProgress)) (RebuildResult, error) {
	if r.Status().Role != RoleLeading {
		return RebuildResult{}, fmt.Errorf("rebuilding: %w", ErrStandby)
	}
	if !r.rebuilding.TryLock() {
		return RebuildResult{}, fmt.Errorf("rebuilding: %w", ErrRebuilding)
	}
	defer r.rebuilding.Unlock()
	return rebuilder{r.log, r.cfg.Store, r.cfg.Tape, r.cfg.Reading, pausable{r}, tell}.run(ctx, req)
}

// pausable is a running recorder as the rebuild sees it.
type pausable struct{ r *Recorder }

func (p pausable) position() store.Position { return p.r.Status().Position }

func (p pausable) pause(ctx context.Context) (store.Lease, error) {
	req := request{pause: true, lease: make(chan store.Lease, 1)}
	select {
	case p.r.requests <- req:
	case <-p.r.stopped:
		return store.Lease{}, ErrStandby
	case <-ctx.Done():
		return store.Lease{}, ctx.Err()
	}
	select {
	case lease := <-req.lease:
		return lease, nil
	case <-p.r.stopped:
		return store.Lease{}, ErrStandby
	case <-ctx.Done():
		p.resume(false)
		return store.Lease{}, ctx.Err()
	}
}

func (p pausable) resume(swapped bool) {
	select {
	case p.r.requests <- request{swapped: swapped}:
	case <-p.r.stopped:
	}
}

// A rebuilder carries a rebuild out, beside a running recorder or alone.
type rebuilder struct {
	log    *slog.Logger
	tables store.Rebuilder
	tape   Tape
	rows   store.Remainder // may be nil: a refusal counts no jobs then
	live   live
	tell   func(FoldProgress) // may be nil
}

func (b rebuilder) run(ctx context.Context, req RebuildRequest) (RebuildResult, error) {
	result, err := b.rebuild(ctx, req)
	if err != nil {
		return RebuildResult{}, fmt.Errorf("rebuilding: %w", err)
	}
	b.log.Info("rebuild done", "seq", result.Seq, "elapsed", result.Elapsed)
	return result, nil
}

func (b rebuilder) rebuild(ctx context.Context, req RebuildRequest) (RebuildResult, error) {
	began := time.Now()
	state, err := tapeOf(ctx, b.tape, b.live.position())
	if err != nil {
		return RebuildResult{}, err
	}
	if state.First > 1 && !req.AcceptMissing {
		return RebuildResult{}, missing(ctx, b.rows, b.live.position().Seq, state.First)
	}
	if err := holdsSome(state, b.live.position()); err != nil {
		return RebuildResult{}, err
	}
	shadow, err := b.tables.Shadow(ctx)
	if err != nil {
		return RebuildResult{}, err
	}
	defer discard(ctx, b.log, shadow)
	b.log.Info("rebuild started", "seq", b.live.position().Seq)
	fold, err := newRefold(ctx, b.tape, state, shadow, b.tell)
	if err != nil {
		return RebuildResult{}, err
	}
	defer fold.close()
	if err := b.chase(ctx, fold); err != nil {
		return RebuildResult{}, err
	}
	if err := b.swap(ctx, fold, shadow); err != nil {
		return RebuildResult{}, err
	}
	at := fold.lease.Position.Seq
	return RebuildResult{Seq: at, Events: at - min(at, fold.first-1), Elapsed: time.Since(began)}, nil
}

// tapeOf looks whether the tape is the one that the tables were recorded from,
// with all that it held at its end then. It may have lost its start.
func tapeOf(ctx context.Context, tape Tape, pos store.Position) (stream.TapeState, error) {
	check := lookAtTape(ctx, tape, CheckTape{Seq: pos.Seq})
	if check.Err != nil {
		return stream.TapeState{}, check.Err
	}
	return check.State, checkTape(pos, check)
}

// holdsSome is ErrMissing if nothing that was recorded is on the tape any more.
func holdsSome(state stream.TapeState, pos store.Position) error {
	if state.First > pos.Seq && pos.Seq > 0 {
		return fmt.Errorf("%w: its first event is %d, nothing is recorded beyond %d, so there is nothing to fold yet", ErrMissing, state.First, pos.Seq)
	}
	return nil
}

// chase folds until the new tables are near the live ones.
func (b rebuilder) chase(ctx context.Context, fold *refold) error {
	for range maxChases {
		target := b.live.position().Seq
		if target <= fold.lease.Position.Seq+nearEnough {
			return nil
		}
		if err := fold.to(ctx, target); err != nil {
			return err
		}
	}
	return nil
}

// swap pauses live recording for the last steps. Once Swap was called, only
// the database knows which tables serve, so recording starts afresh.
func (b rebuilder) swap(ctx context.Context, fold *refold, shadow store.Shadow) error {
	lease, err := b.live.pause(ctx)
	if err != nil {
		return fmt.Errorf("pausing: %w", err)
	}
	swapped := false
	defer func() { b.live.resume(swapped) }()
	ctx, cancel := context.WithTimeout(ctx, swapTimeout)
	defer cancel()
	if err := fold.to(ctx, lease.Position.Seq); err != nil {
		return err
	}
	// An older program left an anchor without a time: the swap compares texts.
	if kept := lease.Position.Anchor; kept != fold.lease.Position.Anchor && stream.SameAnchor(kept, fold.lease.Position.Anchor) {
		if err := fold.mark(ctx, kept); err != nil {
			return err
		}
	}
	swapped = true
	if err := shadow.Swap(ctx, lease); err != nil {
		return fmt.Errorf("swapping the tables: %w", err)
	}
	return nil
}

// discard removes a shadow also when ctx has ended; after Swap it is nothing.
func discard(ctx context.Context, log *slog.Logger, shadow store.Shadow) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTimeout)
	defer cancel()
	if err := shadow.Discard(ctx); err != nil {
		log.Warn("a shadow stays until the next rebuild removes it", "err", err)
	}
}

// Offline is what the commands need that work while no recorder runs.
type Offline struct {
	Log   *slog.Logger
	Store Store
	Tape  Tape
	Owner string // of the lease, see Config.Owner
	// Rows are those of Store; nil: a refusal does not count what is lost.
	Rows store.Remainder
}

// Rebuild is Recorder.Rebuild while no recorder runs; store.ErrLeaseHeld if one does.
func Rebuild(ctx context.Context, off Offline, req RebuildRequest, tell func(FoldProgress)) (RebuildResult, error) {
	held, err := takeLease(ctx, off)
	if err != nil {
		return RebuildResult{}, fmt.Errorf("rebuilding: %w", err)
	}
	defer held.release()
	return rebuilder{off.Log, off.Store, off.Tape, off.Rows, held, tell}.run(held.ctx, req)
}

// A heldLease keeps the lease for a command. It is the live side of a rebuild
// while nothing records.
type heldLease struct {
	ctx    context.Context // ends when the lease is lost
	cancel context.CancelCauseFunc
	log    *slog.Logger
	writer store.Writer
	mu     sync.Mutex // held during each call of writer, and from pause to resume
	lease  store.Lease
	kept   chan struct{} // closed when the keeper has ended
}

// takeLease takes the lease, waiting out one whose holder was killed.
func takeLease(ctx context.Context, off Offline) (*heldLease, error) {
	deadline := time.Now().Add(takeoverWait)
	lease, err := off.Store.Acquire(ctx, off.Owner, leaseTTL)
	for errors.Is(err, store.ErrLeaseHeld) && time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(standbyEvery):
		}
		lease, err = off.Store.Acquire(ctx, off.Owner, leaseTTL)
	}
	if err != nil {
		return nil, fmt.Errorf("taking the lease: %w", err)
	}
	h := &heldLease{log: off.Log, writer: off.Store, lease: lease, kept: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	go h.keep()
	return h, nil
}

func (h *heldLease) keep() {
	defer close(h.kept)
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
			if err := h.renew(); err != nil {
				h.cancel(fmt.Errorf("keeping the lease: %w", err))
				return
			}
		}
	}
}

func (h *heldLease) renew() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.writer.Renew(h.ctx, h.lease)
}

func (h *heldLease) position() store.Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lease.Position
}

func (h *heldLease) pause(ctx context.Context) (store.Lease, error) {
	h.mu.Lock()
	longer := h.lease
	longer.TTL = pauseTTL
	if err := h.writer.Renew(ctx, longer); err != nil {
		h.mu.Unlock()
		return store.Lease{}, err
	}
	return h.lease, nil
}

func (h *heldLease) resume(bool) { h.mu.Unlock() }

// release gives the lease up, whichever tables serve now.
func (h *heldLease) release() {
	h.cancel(nil)
	<-h.kept
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), databaseTimeout)
	defer cancel()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.writer.Release(ctx, h.lease); err != nil {
		h.log.Warn("the lease stays taken until it expires", "err", err)
	}
}
