package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tapedeck/tapedeck/internal/store"
)

// A shadow is a Writer on the next generation's file.
type shadow struct {
	*Writer
	live *Writer
}

// Shadow implements store.Rebuilder. It removes every generation that the
// link does not lead to, so that what an earlier rebuild left behind goes.
func (w *Writer) Shadow(ctx context.Context) (store.Shadow, error) {
	var s *shadow
	err := w.call(ctx, "making a shadow", func() error {
		if err := w.closeShadow(); err != nil {
			return err
		}
		numbers, err := generations(w.path)
		if err != nil {
			return err
		}
		next := 1
		if len(numbers) > 0 {
			next = slices.Max(numbers) + 1
		}
		if err := w.removeOthers(numbers); err != nil {
			return err
		}
		file := newWriter(generation(w.path, next))
		file.fixed, file.synchronous = true, "OFF"
		s = &shadow{Writer: file, live: w}
		w.shadow = file
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.Migrate(ctx, func(string) {}); err != nil {
		return nil, errors.Join(fmt.Errorf("making a shadow: %w", err), s.Discard(ctx))
	}
	return s, nil
}

// closeShadow ends the shadow that w made last, if nobody swapped or discarded it.
func (w *Writer) closeShadow() error {
	if w.shadow == nil {
		return nil
	}
	err := w.shadow.Close()
	w.shadow = nil
	return err
}

// removeOthers deletes the generations but the one of w. Readers that still
// have one open go on: the system frees it after their last read.
func (w *Writer) removeOthers(numbers []int) error {
	for _, n := range numbers {
		if file := generation(w.path, n); file != w.file {
			if err := remove(file); err != nil {
				return err
			}
		}
	}
	return nil
}

// Swap implements store.Shadow. The live tables stay locked until the link is
// turned, so that nothing is recorded in them after the positions were compared.
func (s *shadow) Swap(ctx context.Context, live store.Lease) error {
	return s.live.call(ctx, "swapping the shadow in", func() error {
		old := s.live.file
		err := s.live.inTransaction(ctx, func() error { return s.swap(ctx, live) })
		if !errors.Is(err, errSwapped) {
			return err
		}
		if err := s.live.disconnect(); err != nil {
			return err
		}
		if old == s.live.path { // was a plain file, which the link has replaced
			for _, name := range companions()[1:] {
				if err := remove(old + name); err != nil {
					return err
				}
			}
			return nil
		}
		return remove(old)
	})
}

// errSwapped ends the transaction on the old tables without a commit: they are
// not the tables any more.
var errSwapped = errors.New("swapped")

func (s *shadow) swap(ctx context.Context, live store.Lease) error {
	if err := s.takeOver(ctx, live); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.settle(); err != nil {
		return err
	}
	if err := turn(s.live.path, s.path); err != nil {
		return err
	}
	return errSwapped
}

// takeOver gives the shadow the lease and the recoveries of the live tables,
// if these stand under the lease and at the shadow's position.
func (s *shadow) takeOver(ctx context.Context, live store.Lease) error {
	at, until, err := checkpoint(ctx, s.live, &live)
	if err != nil {
		return err
	}
	recoveries, err := readRecoveries(ctx, s.live.conn)
	if err != nil {
		return err
	}
	return s.call(ctx, "taking the lease over", func() error {
		here, _, err := checkpoint(ctx, s.Writer, nil)
		if err != nil {
			return err
		}
		if here != at {
			return fmt.Errorf("%w: the shadow stands at %d of %s, the tables at %d of %s", store.ErrFenced, here.Seq, here.Stream, at.Seq, at.Stream)
		}
		return s.inTransaction(ctx, func() error {
			if err := writeRecoveries(ctx, s.conn, recoveries); err != nil {
				return err
			}
			return s.fencedExec(ctx, `UPDATE checkpoint SET owner = ?, epoch = ?, lease_until = ? WHERE id = 1`,
				live.Owner, live.Epoch, until)
		})
	})
}

// checkpoint reads where w stands and until when its lease holds; ErrFenced if
// it is not under the lease, where one is given.
func checkpoint(ctx context.Context, w *Writer, lease *store.Lease) (at store.Position, until int64, err error) {
	var created, epoch int64
	var owner string
	err = w.conn.QueryRowContext(ctx, `SELECT stream, stream_created, seq, anchor, owner, epoch, lease_until FROM checkpoint WHERE id = 1`).
		Scan(&at.Stream, &created, &at.Seq, &at.Anchor, &owner, &epoch, &until)
	at.Created = store.CreatedTime(created)
	if err == nil && lease != nil && (owner != lease.Owner || epoch != lease.Epoch) {
		err = store.ErrFenced
	}
	return at, until, err
}

// settle makes one durable file of the shadow. Closing the only connection
// moves the WAL into the file and removes it.
func (s *shadow) settle() error {
	if err := s.disconnect(); err != nil {
		return err
	}
	s.closed = true
	if err := syncFile(s.path); err != nil {
		return err
	}
	return syncDir(s.path)
}

// Discard implements store.Shadow.
func (s *shadow) Discard(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if err := s.disconnect(); err != nil {
		return fmt.Errorf("discarding a shadow: %w", err)
	}
	if file, err := current(s.live.path); err != nil || file == s.path {
		return err // it was swapped in
	}
	return remove(s.path)
}
