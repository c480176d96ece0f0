package reconciler_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/reconciler"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

var now = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)

func view(id string, total int, age, left time.Duration) store.JobView {
	return store.JobView{Job: store.Job{
		ID: id, Kind: events.KindAnalysis, Total: total, Capital: 5, StrategyHash: "h",
		Options: events.Options{Bars: 400}, CreatedAt: now.Add(-age), Deadline: now.Add(left),
	}}
}

// play runs a round and says what was done, a word per output.
func play(jobs []store.JobView, look func(id string) reconciler.Looked, done func(reconciler.Output) reconciler.Done) (said []string, round reconciler.Round) {
	var core reconciler.Core
	var in reconciler.Input = reconciler.Begin{}
	for {
		switch out := core.Step(now, in).(type) {
		case reconciler.Ensure:
			said, in = append(said, "ensure"), reconciler.Ensured{}
		case reconciler.List:
			said, in = append(said, "list"), reconciler.Listed{Jobs: jobs}
		case reconciler.Look:
			said, in = append(said, "look "+out.JobID), look(out.JobID)
		case reconciler.Dispatch:
			said, in = append(said, fmt.Sprintf("dispatch %d of %s in %s", len(out.Items), out.Items[0].JobID, out.Items[0].Lane.Name())), done(out)
		case reconciler.Fail:
			said, in = append(said, fmt.Sprintf("fail %d of %s", len(out.Events), out.Events[0].Data.Job())), done(out)
		case reconciler.Finish:
			return said, out.Round
		}
	}
}

func all(out reconciler.Output) reconciler.Done {
	switch out := out.(type) {
	case reconciler.Dispatch:
		return reconciler.Done{Count: len(out.Items)}
	case reconciler.Fail:
		return reconciler.Done{Count: len(out.Events)}
	}
	return reconciler.Done{}
}

func tickers(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("T%d", i)
	}
	return list
}

func TestRound(t *testing.T) {
	jobs := []store.JobView{
		view("lost", 1200, time.Minute, time.Hour),
		view("well", 3, time.Minute, time.Hour),
		view("young", 3, time.Second, time.Hour),
		view("late", 3, time.Hour, 0),
		view("half", 3, time.Minute, time.Nanosecond),
		view("skewed", 3, -time.Hour, time.Hour), // the server's clock is ahead: it is not young for ever
	}
	looks := map[string]reconciler.Looked{
		"lost":   {Outstanding: tickers(1200), Reached: true},
		"well":   {Outstanding: []string{"A"}, InWork: map[string]bool{"A": true}, Reached: true},
		"late":   {Outstanding: []string{"A", "B"}, InWork: map[string]bool{"A": true}, Reached: true},
		"half":   {Outstanding: []string{"A", "B"}, InWork: map[string]bool{"A": true}, Reached: true},
		"skewed": {Reached: true},
	}
	said, round := play(jobs, func(id string) reconciler.Looked { return looks[id] }, all)
	want := []string{
		"ensure", "list",
		"look lost", "dispatch 500 of lost in l", "dispatch 500 of lost in l", "dispatch 200 of lost in l",
		"look well", "look late", "fail 2 of late", "look half", "dispatch 1 of half in s", "look skewed",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(reconciler.Round{Jobs: 5, Dispatched: 1201, Expired: 2}, round); diff != "" {
		t.Error(diff)
	}
}

// TestRoundWaitsForTheCheckpoint: nothing is dispatched by old knowledge.
func TestRoundWaitsForTheCheckpoint(t *testing.T) {
	said, round := play([]store.JobView{view("j", 1, time.Minute, time.Hour)},
		func(string) reconciler.Looked { return reconciler.Looked{Outstanding: []string{"A"}} }, all)
	if len(said) != 3 || !round.Behind {
		t.Errorf("did %v, %+v", said, round)
	}
}

func TestRoundEndsAtAnError(t *testing.T) {
	failure := errors.New("away")
	_, round := play([]store.JobView{view("j", 1, time.Minute, time.Hour)},
		func(string) reconciler.Looked { return reconciler.Looked{Outstanding: []string{"A"}, Reached: true} },
		func(reconciler.Output) reconciler.Done { return reconciler.Done{Err: failure} })
	if !errors.Is(round.Err, failure) {
		t.Errorf("round %+v", round)
	}
}

func TestItemsAndFailures(t *testing.T) {
	job := view("j", 40, time.Minute, time.Hour)
	play([]store.JobView{job}, func(string) reconciler.Looked {
		return reconciler.Looked{Outstanding: []string{"M&M.NS"}, Reached: true}
	}, func(out reconciler.Output) reconciler.Done {
		want := stream.Item{JobID: "j", Ticker: "M&M.NS", Lane: stream.LaneSmall, Kind: events.KindAnalysis,
			StrategyHash: "h", Capital: 5, Options: events.Options{Bars: 400}, Deadline: job.Deadline}
		if diff := cmp.Diff(want, out.(reconciler.Dispatch).Items[0]); diff != "" {
			t.Error(diff)
		}
		return reconciler.Done{Count: 1}
	})
	job.Deadline = now
	play([]store.JobView{job}, func(string) reconciler.Looked {
		return reconciler.Looked{Outstanding: []string{"A"}, Reached: true}
	}, func(out reconciler.Output) reconciler.Done {
		data := out.(reconciler.Fail).Events[0].Data.(*events.TickerFailed)
		if data.Code != events.FailureDeadline || data.Kind != events.KindAnalysis || data.Attempts != 0 || data.CompletedAt != now {
			t.Errorf("failure %+v", data)
		}
		return reconciler.Done{Count: 1}
	})
}
