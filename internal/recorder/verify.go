package recorder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// maxDifferences is how many differing rows a verification shows; it counts all.
const maxDifferences = 50

// A Positioner tells where tables stand on the tape, and what of them a tape
// that lost its start still holds; every store.Reading is one.
type Positioner interface {
	store.Remainder
	Position(ctx context.Context) (store.Position, error)
}

// VerifyConfig is what a verification needs.
type VerifyConfig struct {
	Tape    Tape
	Live    store.Dumper  // the tables to verify; recording may go on
	Where   Positioner    // tells where the same tables stand
	Scratch store.Scratch // made and removed by the caller
	VerifyRequest
}

// VerifyRequest says how to verify.
type VerifyRequest struct {
	// AcceptMissing compares what a tape that lost its start can tell, although
	// the tables hold jobs from before.
	AcceptMissing bool `json:"accept_missing"`
}

// VerifyResult says what a verification found.
type VerifyResult struct {
	Seq         uint64   `json:"seq"`         // the tables were compared as of this sequence
	First       uint64   `json:"first"`       // of the tape; above 1 events are gone, see Unverified
	Rows        int      `json:"rows"`        // of the live tables
	SHA256      string   `json:"sha256"`      // of the live tables' canonical dump
	Count       int      `json:"count"`       // rows that differ
	Differences []string `json:"differences"` // the first of them, in words
	// NotCompared are rows of the live tables that come from events which are
	// gone, or from jobs that began with such; JobsNotCompared are those jobs.
	NotCompared     int `json:"not_compared"`
	JobsNotCompared int `json:"jobs_not_compared"`
}

// Unverified says what could not be verified; empty if all was.
func (r VerifyResult) Unverified() string {
	if r.First <= 1 {
		return ""
	}
	text := fmt.Sprintf("the tape begins with event %d: whether the tables lack anything of events 1 to %d cannot be told any more", r.First, r.First-1)
	if r.NotCompared > 0 {
		text += fmt.Sprintf("; not compared are %d rows, of %d jobs that were accepted before it and of events that were set aside there",
			r.NotCompared, r.JobsNotCompared)
	}
	return text
}

// Verify folds the tape again and compares every row with the live tables, as
// they stand in one snapshot. Differences are a result, not an error. Of a tape
// that lost its start it compares the rows that the rest decides: if the tables
// are made of that rest alone (a rebuild accepted it), or AcceptMissing. Errors:
// ErrMissing if they are not, or nothing is left; those of a tape that is not
// the tables', or why reading failed.
func Verify(ctx context.Context, cfg VerifyConfig, tell func(FoldProgress)) (VerifyResult, error) {
	at, err := cfg.Where.Position(ctx)
	if err != nil {
		return VerifyResult{}, fmt.Errorf("verifying: %w", err)
	}
	state, err := comparableTape(ctx, cfg, at)
	if err != nil {
		return VerifyResult{}, fmt.Errorf("verifying: %w", err)
	}
	fold, err := newRefold(ctx, cfg.Tape, state, cfg.Scratch, tell)
	if err != nil {
		return VerifyResult{}, fmt.Errorf("verifying: %w", err)
	}
	defer fold.close()
	// Most of the way without a snapshot, which no database likes to keep for long.
	if err := fold.to(ctx, at.Seq); err != nil {
		return VerifyResult{}, fmt.Errorf("verifying: %w", err)
	}
	live := &snapshot{live: cfg.Live, fold: fold, sum: sha256.New()}
	result := VerifyResult{First: state.First, Differences: []string{}}
	part, unread := newPartial(state.First), error(nil)
	err = store.Compare(ctx, live, cfg.Scratch, func(d store.Difference) {
		excused, err := part.excuses(d)
		if unread = errors.Join(unread, err); excused {
			return
		}
		result.Count++
		if len(result.Differences) < maxDifferences {
			result.Differences = append(result.Differences, d.String())
		}
	})
	if err := errors.Join(err, unread); err != nil {
		return VerifyResult{}, fmt.Errorf("verifying: %w", err)
	}
	result.NotCompared, result.JobsNotCompared = part.rows, len(part.jobs)
	result.Seq, result.Rows, result.SHA256 = live.at, live.rows, hex.EncodeToString(live.sum.Sum(nil))
	return result, nil
}

// comparableTape looks whether the tape can tell of the tables.
func comparableTape(ctx context.Context, cfg VerifyConfig, at store.Position) (stream.TapeState, error) {
	state, err := tapeOf(ctx, cfg.Tape, at)
	if err != nil {
		return stream.TapeState{}, err
	}
	if state.First > 1 && !cfg.AcceptMissing {
		left, err := cfg.Where.Remains(ctx, state.First)
		if err != nil {
			return stream.TapeState{}, fmt.Errorf("looking for jobs that the tape does not hold: %w", err)
		}
		if left.Whole < left.Jobs {
			return stream.TapeState{}, missing(ctx, cfg.Where, at.Seq, state.First)
		}
	}
	return state, holdsSome(state, at)
}

// A snapshot dumps the live tables; when it knows from the head at which
// sequence they stand, it folds the scratch to there, before any row is compared.
type snapshot struct {
	live store.Dumper
	fold *refold
	sum  hash.Hash
	at   uint64
	rows int
}

// Dump implements store.Dumper.
func (s *snapshot) Dump(ctx context.Context, emit func(table, key string, row []byte) error) (store.Position, error) {
	return s.live.Dump(ctx, func(table, key string, row []byte) error {
		if table == store.HeadTable {
			if err := s.head(ctx, row); err != nil {
				return err
			}
		} else {
			s.rows++
		}
		if _, err := store.WriteDump(ctx, line{table, key, row}, s.sum); err != nil {
			return err
		}
		return emit(table, key, row)
	})
}

func (s *snapshot) head(ctx context.Context, row []byte) error {
	var head struct {
		Seq    uint64 `json:"seq"`
		Anchor string `json:"anchor"`
	}
	if err := json.Unmarshal(row, &head); err != nil {
		return fmt.Errorf("reading the head of the dump: %w", err)
	}
	s.at = head.Seq
	if head.Seq < s.fold.lease.Position.Seq {
		return fmt.Errorf("%w: the tables went back from %d to %d", stream.ErrGap, s.fold.lease.Position.Seq, head.Seq)
	}
	if err := s.fold.to(ctx, head.Seq); err != nil {
		return err
	}
	if anchor := s.fold.lease.Position.Anchor; !stream.SameAnchor(anchor, head.Anchor) {
		return fmt.Errorf("%w: at sequence %d; %s", ErrAnchor, head.Seq, wayPast)
	}
	return nil
}

// A line is a dump of one row: the one definition of its text is the store's.
type line struct {
	table, key string
	row        []byte
}

// Dump implements store.Dumper.
func (l line) Dump(_ context.Context, emit func(table, key string, row []byte) error) (store.Position, error) {
	return store.Position{}, emit(l.table, l.key, l.row)
}
