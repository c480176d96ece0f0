package recorder_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// recovery is what `tapedeck recover` has.
func (g *rig) recovery() recorder.RecoverConfig {
	w := g.open()
	return recorder.RecoverConfig{
		Offline:  recorder.Offline{Log: quiet(), Store: w, Tape: recorder.OnStream(g.server.Tape(streamtest.Admin)), Owner: "cli"},
		Recovery: w, Begin: g.recreateTape,
	}
}

// recorded starts with a tape of which all is recorded, and stops.
func recorded(t *testing.T) (*rig, uint64) {
	g := newRig(t)
	r := g.start("one")
	g.job("j1", 10)
	g.awaitJob("j1", "announced", announced)
	last := g.awaitTapeEnd()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	return g, last
}

// TestWrongTapes: a recorder never goes on with a tape that is not the one
// that it recorded; recover brings the two together, and then all is well.
func TestWrongTapes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts its server over and over")
	}
	for _, test := range []struct {
		name    string
		happens func(t *testing.T) *rig // a recorded rig whose tape then changes
		want    error
		rebuilt bool // recovery replaces the rows
		jobs    []string
	}{
		{"recreated empty", func(t *testing.T) *rig {
			g, _ := recorded(t)
			if err := g.recreateTape(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			return g
		}, recorder.ErrOtherTape, false, []string{"j1"}},
		{"deleted", func(t *testing.T) *rig {
			g, _ := recorded(t)
			if err := g.server.JetStream(streamtest.Admin).DeleteStream(t.Context(), stream.Tape); err != nil {
				t.Fatal(err)
			}
			return g
		}, recorder.ErrOtherTape, false, []string{"j1"}},
		{"recreated and filled", func(t *testing.T) *rig {
			g, _ := recorded(t)
			if err := g.recreateTape(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			g.job("other", 30)
			return g
		}, recorder.ErrOtherTape, true, []string{"other"}},
		{"tail lost", func(t *testing.T) *rig {
			g, _ := recorded(t)
			restore := g.saveTape()
			r := g.start("one")
			g.job("j2", 10)
			g.awaitJob("j2", "announced", announced)
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			restore()
			return g
		}, recorder.ErrShorterTape, true, []string{"j1"}},
		{"tail lost and refilled", func(t *testing.T) *rig {
			g, _ := recorded(t)
			restore := g.saveTape()
			r := g.start("one")
			g.job("j2", 10)
			g.awaitJob("j2", "announced", announced)
			g.awaitTapeEnd()
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			restore()
			g.job("other", 30)
			return g
		}, recorder.ErrAnchor, true, []string{"j1", "other"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := test.happens(t)
			before := g.sum()
			if err := g.start("one").ends(t); !errors.Is(err, test.want) {
				t.Fatalf("stopped with %v, want %v", err, test.want)
			} else if !strings.Contains(err.Error(), "recover --accept-loss") {
				t.Errorf("it does not say what to do: %v", err)
			}
			if g.sum() != before {
				t.Fatal("something was recorded")
			}
			loss, err := recorder.AcceptLoss(t.Context(), g.recovery(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if loss.Rebuilt != test.rebuilt || loss.Saved == "" {
				t.Errorf("loss %+v", loss)
			}
			if !test.rebuilt && loss.New.Seq != loss.Old.Seq {
				t.Errorf("sequences can collide: %+v", loss)
			}
			g.start("two")
			g.job("after", 10)
			for _, id := range append(test.jobs, "after") {
				g.awaitJob(id, "announced", announced)
			}
			if _, _, err := g.reader.Job(t.Context(), "j2"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("job j2 of the lost tail: %v", err)
			}
			if test.rebuilt {
				g.verifies()
			}
		})
	}
}

// TestTapeChangesWhileRecording: the running recorder notices too.
func TestTapeChangesWhileRecording(t *testing.T) {
	if testing.Short() {
		t.Skip("starts its server over and over")
	}
	for _, test := range []struct {
		name    string
		refill  int // tickers of a job that fills the tail again, 0: none
		recreat bool
	}{{"tail lost", 0, false}, {"tail lost and refilled", 30, false}, {"recreated", 0, true}} {
		t.Run(test.name, func(t *testing.T) {
			g := newRig(t)
			g.job("j1", 5)
			restore := g.saveTape()
			r := g.start("one")
			g.job("j2", 10)
			g.awaitJob("j2", "announced", announced)
			g.awaitTapeEnd()
			if test.recreat {
				if err := g.recreateTape(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			} else {
				restore()
			}
			if test.refill > 0 {
				g.job("other", test.refill)
			}
			err := r.ends(t)
			if !errors.Is(err, stream.ErrGap) && !errors.Is(err, recorder.ErrShorterTape) && !errors.Is(err, recorder.ErrAnchor) && !errors.Is(err, recorder.ErrOtherTape) {
				t.Errorf("stopped with %v", err)
			}
			if _, _, err := g.reader.Job(t.Context(), "other"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the refilled tail was recorded: %v", err)
			}
		})
	}
}

// TestNothingLost: a tape that fits is not touched.
func TestNothingLost(t *testing.T) {
	g, _ := recorded(t)
	if _, err := recorder.AcceptLoss(t.Context(), g.recovery(), nil); !errors.Is(err, recorder.ErrNothingLost) {
		t.Fatal(err)
	}
}

// TestServerRestarts: the recorder outlives its server.
func TestServerRestarts(t *testing.T) {
	g := newRig(t)
	r := g.start("one")
	g.job("j1", 10)
	g.awaitJob("j1", "announced", announced)
	g.server.Restart()
	g.job("j2", 10)
	g.awaitJob("j2", "announced", announced)
	g.verifies()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}
