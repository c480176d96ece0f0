package recorder

import (
	"errors"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Why a recorder stops loudly: the tape is not the one that the database was
// recorded from. Going on would skip events for ever, or mix two histories.
var (
	// ErrOtherTape says that the stream was made anew since the checkpoint.
	ErrOtherTape = errors.New("this is not the tape that the database was recorded from")
	// ErrShorterTape says that the tape ends before the checkpoint: its tail was lost.
	ErrShorterTape = errors.New("the tape is shorter than what was recorded of it")
	// ErrAnchor says that the tape lost its tail and was filled again.
	ErrAnchor = errors.New("the tape holds another event where the database was recorded up to")
	// ErrTapeStart says that events after the checkpoint are not on the tape any more.
	ErrTapeStart = errors.New("the tape lost events that were not recorded")
	// ErrEvent says that one event cannot be recorded: a bug of the fold.
	ErrEvent = errors.New("an event breaks the rules of the tables")
)

const (
	wayPast = "restore the tape or the database from a backup that fits the other; " +
		"`tapedeck recover --accept-loss` goes on with what is there, saves the old tables and says what was given up"
	wayToTape = "run `tapedeck provision`"
)

// checkTape compares the tape with a checkpoint: its identity, that nothing
// after the checkpoint is lost, and that it still holds, at the checkpoint,
// the message that was recorded there.
func checkTape(pos store.Position, tape Checked) error {
	state := tape.State
	switch {
	case pos.Stream != "" && (pos.Stream != state.Stream || !pos.Created.Equal(state.Created)):
		return fmt.Errorf("%w: the checkpoint is on %s created %s, here is %s created %s; %s", ErrOtherTape,
			pos.Stream, stamp(pos.Created), state.Stream, stamp(state.Created), wayPast)
	case state.Last < pos.Seq:
		return fmt.Errorf("%w: it ends at %d, recorded is up to %d; %s", ErrShorterTape, state.Last, pos.Seq, wayPast)
	case state.First > pos.Seq+1:
		return fmt.Errorf("%w: it begins at %d, recorded is up to %d; %s", ErrTapeStart, state.First, pos.Seq, wayPast)
	case pos.Anchor == "":
		return nil
	case tape.Held && !stream.SameAnchor(tape.Anchor, pos.Anchor), !tape.Held && state.First <= pos.Seq:
		return fmt.Errorf("%w: at sequence %d; %s", ErrAnchor, pos.Seq, wayPast)
	}
	return nil
}

// stopText completes an error of the tail that no retry mends.
func lostTape(err error) error {
	if errors.Is(err, stream.ErrNoStream) {
		return fmt.Errorf("%w: %w; %s", ErrOtherTape, err, wayPast)
	}
	return fmt.Errorf("%w; %s", err, wayPast)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
