package recorder_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
)

func TestJobIsRecordedAndAnnounced(t *testing.T) {
	g := newRig(t)
	r := g.start("one")
	g.publish(queued("j1", "TCS.NS", "NOSUCH.NS"), &events.JobStarted{JobID: "j1", Total: 2},
		analyzed("j1", "TCS.NS"), failed("j1", "NOSUCH.NS", events.FailureUnknownTicker))
	p := g.awaitJob("j1", "announced", announced)
	want := store.Progress{JobID: "j1", Status: events.StatusCompleted, Total: 2, Analyzed: 1, Failed: 1, LastSeq: 5, AnnouncedSeq: 5}
	p.StartedAt, p.CompletedAt = want.StartedAt, want.CompletedAt
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	announcement, err := g.tape.JobEvent(t.Context(), "j1", "completed")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&events.JobCompleted{JobID: "j1", Status: events.StatusCompleted, Total: 2, Analyzed: 1, Failed: 1}, announcement.Data); diff != "" {
		t.Error(diff)
	}
	await(t, "the status of the last commit, which a reader may see first", func() bool {
		s := r.Status()
		return s.Role == recorder.RoleLeading && s.Position.Seq == 5 && s.Lag == 0 && s.Err == nil
	})
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	standing, err := g.reader.Standing(t.Context())
	if err != nil || standing.Owner != "" {
		t.Errorf("after an orderly stop the lease is %+v, %v", standing, err)
	}
}
