package recorder_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// scratch is an empty database for a verification.
type scratch struct {
	store.Recording
	store.Dumper
}

func (g *rig) verify() (recorder.VerifyResult, error) {
	g.t.Helper()
	return g.verifyAs(recorder.VerifyRequest{})
}

func (g *rig) verifyAs(req recorder.VerifyRequest) (recorder.VerifyResult, error) {
	g.t.Helper()
	w := openAt(g.t, filepath.Join(g.t.TempDir(), "scratch"))
	return recorder.Verify(g.t.Context(), recorder.VerifyConfig{
		Tape: recorder.OnStream(g.server.Tape(streamtest.Admin)), Live: g.reader, Where: g.reader, Scratch: scratch{w, w.Reading()}, VerifyRequest: req,
	}, nil)
}

// verifies fails the test if the tables are not the fold of the tape.
func (g *rig) verifies() recorder.VerifyResult {
	g.t.Helper()
	result, err := g.verify()
	if err != nil {
		g.t.Fatal(err)
	}
	if result.Count > 0 {
		g.t.Fatalf("the tables are not the fold of the tape: %d differences\n%s", result.Count, strings.Join(result.Differences, "\n"))
	}
	return result
}

// tamper changes the tables behind the recorder's back.
func (g *rig) tamper(statement string) {
	g.t.Helper()
	if g.postgres != "" {
		if err := postgrestest.Exec(g.postgres, "SET search_path TO tapedeck; "+statement); err != nil {
			g.t.Fatal(err)
		}
		return
	}
	db, err := sql.Open("sqlite", g.path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		g.t.Fatal(err)
	}
}

func TestVerifyNamesWhatDiffers(t *testing.T) {
	g := newRig(t)
	g.start("one")
	g.job("j1", 30)
	g.awaitJob("j1", "announced", announced)
	g.awaitTapeEnd()
	clean := g.verifies()
	if clean.SHA256 != g.sum() || clean.Seq != 32 || clean.Rows < 60 {
		t.Errorf("result %+v, the dump's sum is %s", clean, g.sum())
	}
	g.tamper(`UPDATE results SET score = 0.99 WHERE ticker = 'T3.NS'`)
	g.tamper(`UPDATE progress SET duplicates = 7`)
	result, err := g.verify()
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(result.Differences, "\n")
	if result.Count != 2 || !strings.Contains(said, "T3.NS") || !strings.Contains(said, `"duplicates":7`) || result.SHA256 == clean.SHA256 || result.SHA256 != g.sum() {
		t.Errorf("found %d differences: %s", result.Count, said)
	}
}

// TestVerifyAndRebuildWhileJobsRun: neither stops recording, readers never go
// back, and the rebuilt tables are the same.
func TestVerifyAndRebuildWhileJobsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("rebuilds twice under load")
	}
	g := newRig(t)
	r := g.start("one")
	g.job("first", 300)
	g.awaitJob("first", "announced", announced)
	stop := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		// As fast as they are recorded, not faster, and not for ever: on a busy
		// machine a rebuild would run behind them until the test's patience ends.
		for i := range 60 {
			select {
			case <-stop:
				return
			default:
				id := fmt.Sprintf("more%d", i)
				g.job(id, 40)
				g.awaitJob(id, "announced", announced)
			}
		}
	})
	work.Go(func() { // a reader that never goes back
		last := uint64(0)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, asOf, err := g.reader.Job(t.Context(), "first")
			if err != nil || asOf < last {
				t.Errorf("read as of %d after %d: %v", asOf, last, err)
				return
			}
			last = asOf
		}
	})
	for range 2 {
		await(t, "it leads, which after a rebuild it does again", leads(r))
		var told recorder.FoldProgress
		result, err := r.Rebuild(t.Context(), recorder.RebuildRequest{}, func(p recorder.FoldProgress) { told = p })
		if err != nil {
			t.Fatal(err)
		}
		if result.Seq < 300 || result.Events != result.Seq || told.Seq == 0 {
			t.Errorf("rebuilt %+v, told %+v", result, told)
		}
		g.verifies()
	}
	close(stop)
	work.Wait()
	g.awaitTapeEnd()
	g.verifies()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// TestRebuildMendsAndNeverAnnouncesAgain: a rebuild replaces what was
// tampered with, and publishes nothing.
func TestRebuildMendsAndNeverAnnouncesAgain(t *testing.T) {
	g := newRig(t)
	r := g.start("one")
	g.job("j1", 30)
	g.awaitJob("j1", "announced", announced)
	g.awaitTapeEnd()
	before := g.sum()
	g.tamper(`UPDATE results SET score = 0.99`)
	if g.sum() == before {
		t.Fatal("tampering changed nothing")
	}
	if _, err := r.Rebuild(t.Context(), recorder.RebuildRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	if g.sum() != before {
		t.Error("the rebuilt tables are not those from before")
	}
	if state, _ := g.tape.State(t.Context()); state.Last != 32 {
		t.Errorf("the tape grew to %d", state.Last)
	}
	g.job("j2", 5) // the recorder goes on, on the new tables
	g.awaitJob("j2", "announced", announced)
	g.verifies()
}

func TestOfflineRebuild(t *testing.T) {
	g := newRig(t)
	r := g.start("one")
	g.job("j1", 30)
	g.awaitJob("j1", "announced", announced)
	w := g.open()
	off := recorder.Offline{Log: quiet(), Store: w, Tape: recorder.OnStream(g.tape), Owner: "cli"}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	before := g.sum()
	g.tamper(`DELETE FROM days; DELETE FROM latest`)
	if _, err := recorder.Rebuild(t.Context(), off, recorder.RebuildRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	if g.sum() != before {
		t.Error("the rebuilt tables are not those from before")
	}
	if s, err := g.reader.Standing(t.Context()); err != nil || s.Owner != "" {
		t.Errorf("the lease is not free: %+v %v", s, err)
	}
}

func TestRebuildOfATapeWithoutItsStart(t *testing.T) {
	g := newRig(t)
	if err := g.recreateTape(t.Context(), 11); err != nil {
		t.Fatal(err)
	}
	loss, err := recorder.AcceptLoss(t.Context(), g.recovery(), nil)
	if err != nil || loss.New.Seq != 10 {
		t.Fatalf("%+v %v", loss, err)
	}
	r := g.start("one")
	g.job("j1", 10)
	g.awaitJob("j1", "announced", announced)
	g.awaitTapeEnd()
	before := g.sum()
	if _, err := r.Rebuild(t.Context(), recorder.RebuildRequest{}, nil); !errors.Is(err, recorder.ErrMissing) {
		t.Fatalf("rebuilt: %v", err)
	}
	// Nothing in the tables is from before, so verify can tell all but that.
	if result := g.verifies(); result.First != 11 || result.NotCompared > 0 || !strings.Contains(result.Unverified(), "begins with event 11") {
		t.Errorf("%+v: %s", result, result.Unverified())
	}
	if _, err := r.Rebuild(t.Context(), recorder.RebuildRequest{AcceptMissing: true}, nil); err != nil {
		t.Fatal(err)
	}
	if g.sum() != before {
		t.Error("the rebuilt tables are not those from before")
	}
}
