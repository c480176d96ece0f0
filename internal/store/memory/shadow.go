package memory

import (
	"context"
	"fmt"

	"github.com/tapedeck/tapedeck/internal/store"
)

// A shadow is a Writer on a space of its own.
type shadow struct {
	*Writer
}

// Shadow implements store.Rebuilder.
func (w *Writer) Shadow(ctx context.Context) (store.Shadow, error) {
	made := &space{}
	err := w.call(ctx, "making a shadow", func(*space) error {
		if w.s.made != nil {
			w.s.made.gone = true
		}
		w.s.made = made
		return nil
	})
	if err != nil {
		return nil, err
	}
	s := shadow{&Writer{s: w.s, shadow: made, reading: w.reading}}
	if err := s.Migrate(ctx, func(string) {}); err != nil {
		return nil, fmt.Errorf("making a shadow: %w", err)
	}
	return s, nil
}

// Swap implements store.Shadow.
func (s shadow) Swap(ctx context.Context, live store.Lease) error {
	return s.call(ctx, "swapping the shadow in", func(p *space) error {
		old := s.s.live
		if !old.heldBy(live) || !same(old.at, live.Position) {
			return store.ErrFenced
		}
		if !same(old.at, p.at) {
			return fmt.Errorf("%w: the shadow stands at %d of %s, the tables at %d of %s", store.ErrFenced, p.at.Seq, p.at.Stream, old.at.Seq, old.at.Stream)
		}
		now := *p
		now.owner, now.epoch, now.until, now.recoveries = old.owner, old.epoch, old.until, old.recoveries
		s.s.live = &now
		p.gone = true
		return nil
	})
}

// Discard implements store.Shadow.
func (s shadow) Discard(context.Context) error {
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.shadow.gone = true
	return nil
}

// Close closes the shadow alone: the reading side is the live Writer's.
func (s shadow) Close() error { return s.Discard(context.Background()) }

// AcceptLoss implements store.Recovery.
func (w *Writer) AcceptLoss(ctx context.Context, lease store.Lease, position store.Position, reason string) (saved string, err error) {
	err = w.call(ctx, "accepting a loss", func(p *space) error {
		if !p.heldBy(lease) || !same(p.at, lease.Position) {
			return store.ErrFenced
		}
		saved = fmt.Sprintf("saved-%d", len(w.s.saved)+1)
		w.s.saved[saved] = p.copied()
		p.recoveries = append(p.recoveries, recovery{reason: reason, saved: saved, old: p.at, new: position})
		p.move(position, w.s.now().UnixMilli()+lease.TTL.Milliseconds())
		return nil
	})
	if err != nil {
		return "", err
	}
	return saved, nil
}
