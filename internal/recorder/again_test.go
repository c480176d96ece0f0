package recorder_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A drawnTape is a recorder.Tape of messages that nobody adds to.
type drawnTape []stream.Message

// State implements recorder.Tape.
func (d drawnTape) State(context.Context) (stream.TapeState, error) {
	return stream.TapeState{Stream: "TAPE", Created: t0, First: 1, Last: uint64(len(d))}, nil
}

// At implements recorder.Tape.
func (d drawnTape) At(_ context.Context, seq uint64) (stream.Message, error) {
	if seq < 1 || seq > uint64(len(d)) {
		return stream.Message{}, stream.ErrNotFound
	}
	return d[seq-1], nil
}

// Tail implements recorder.Tape.
func (d drawnTape) Tail(_ context.Context, from uint64) (recorder.Tail, error) {
	return &drawnTail{left: d[from-1:]}, nil
}

// Publish implements recorder.Tape.
func (d drawnTape) Publish(context.Context, events.Event) (uint64, error) {
	return 0, errors.New("nothing is added to a drawn tape")
}

// A drawnTail is a reading of a drawnTape, a few messages at a time.
type drawnTail struct{ left []stream.Message }

// Next implements recorder.Tail.
func (d *drawnTail) Next(ctx context.Context, limit int) ([]stream.Message, error) {
	if len(d.left) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	n := min(limit, 7, len(d.left))
	messages := d.left[:n]
	d.left = d.left[n:]
	return messages, nil
}

// Stop implements recorder.Tail.
func (d *drawnTail) Stop() {}

// TestAgainIsTheSame: verify finds nothing in tables that were recorded in any
// cuts, and exactly what is wrong in those of another tape; rebuild makes the
// same dump of them, under the same lease rules.
func TestAgainIsTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tape := anyTape(rt, t)
		s := memory.New(time.Now)
		w := s.OpenWriter()
		migrate(t, w)
		record(rt, w, tape, func(uint64) {})
		if found := verified(rt, tape, w.Reading()); found.Count != 0 {
			rt.Fatalf("verify finds %v", found.Differences)
		}
		before, rows, at, err := store.HashDump(context.Background(), w.Reading())
		if err != nil {
			rt.Fatal(err)
		}
		off := recorder.Offline{Log: quiet(), Store: w, Tape: drawnTape(tape), Owner: "me"}
		rebuilt, err := recorder.Rebuild(context.Background(), off, recorder.RebuildRequest{}, nil)
		if err != nil || rebuilt.Seq != at.Seq {
			rt.Fatalf("rebuilding: %+v, %v", rebuilt, err)
		}
		if after, n, to, err := store.HashDump(context.Background(), w.Reading()); after != before || n != rows || to != at || err != nil {
			rt.Fatalf("%d rows at %+v were rebuilt as %d rows at %+v: %v", rows, at, n, to, err)
		}
		if other, changed := spoiledStart(tape); changed && verified(rt, other, w.Reading()).Count == 0 {
			rt.Fatal("verify finds nothing in the tables of another tape")
		}
	})
}

func verified(rt *rapid.T, tape []stream.Message, live store.Reading) recorder.VerifyResult {
	scratch, err := memory.NewScratch(time.Now)
	if err != nil {
		rt.Fatal(err)
	}
	result, err := recorder.Verify(context.Background(), recorder.VerifyConfig{Tape: drawnTape(tape), Live: live, Where: live, Scratch: scratch}, nil)
	if err != nil {
		rt.Fatalf("verifying: %v", err)
	}
	return result
}

// spoiledStart is the tape with another body in its first event. The last
// one stays: the anchor would tell.
func spoiledStart(tape []stream.Message) (other []stream.Message, changed bool) {
	other = slices.Clone(tape)
	other[0].Data = []byte("spoiled")
	return other, len(tape) > 1
}
