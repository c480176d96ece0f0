package dispatcher_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/dispatcher"
	"github.com/tapedeck/tapedeck/internal/stream"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func job(tickers int) *events.JobQueued {
	queued := &events.JobQueued{JobID: "j", Kind: events.KindAnalysis, Deadline: noon.Add(time.Hour)}
	for i := range tickers {
		queued.Tickers = append(queued.Tickers, fmt.Sprintf("T%d", i))
	}
	return queued
}

// play runs a core against answers, one for each output until Finish, and
// returns the outputs as words.
func play(t *testing.T, begin dispatcher.Begin, answers ...dispatcher.Input) []string {
	t.Helper()
	var core dispatcher.Core
	var words []string
	in := dispatcher.Input(begin)
	for i := 0; ; i++ {
		switch out := core.Step(noon, in).(type) {
		case dispatcher.Look:
			words = append(words, "look")
		case dispatcher.Start:
			words = append(words, fmt.Sprintf("start %d", out.Event.Total))
		case dispatcher.Send:
			first, last := out.Items[0], out.Items[len(out.Items)-1]
			words = append(words, fmt.Sprintf("send %s..%s lane %s", first.Ticker, last.Ticker, first.Lane.Name()))
		case dispatcher.Purge:
			words = append(words, "purge")
		case dispatcher.Finish:
			return append(words, fmt.Sprintf("finish %v %v", out.Err, out.Retry))
		}
		if i == len(answers) {
			t.Fatalf("no answer left after %v", words)
		}
		in = answers[i]
	}
}

func TestCore(t *testing.T) {
	lost := errors.New("lost")
	running, ended, done := dispatcher.Looked{}, dispatcher.Looked{Ended: true}, dispatcher.Done{}
	tests := []struct {
		name    string
		begin   dispatcher.Begin
		answers []dispatcher.Input
		want    []string
	}{
		{"small job", dispatcher.Begin{Job: job(3), Try: 1},
			[]dispatcher.Input{running, done, done, running},
			[]string{"look", "start 3", "send T0..T2 lane s", "look", "finish <nil> 0s"}},
		{"chunks", dispatcher.Begin{Job: job(2001), Try: 1},
			[]dispatcher.Input{running, done, done, running, done, running, done, running},
			[]string{"look", "start 2001", "send T0..T999 lane l", "look", "send T1000..T1999 lane l", "look", "send T2000..T2000 lane l", "look", "finish <nil> 0s"}},
		{"ended before", dispatcher.Begin{Job: job(3), Try: 2},
			[]dispatcher.Input{ended},
			[]string{"look", "finish <nil> 0s"}},
		{"cancelled between chunks", dispatcher.Begin{Job: job(2000), Try: 1},
			[]dispatcher.Input{running, done, done, ended, done},
			[]string{"look", "start 2000", "send T0..T999 lane l", "look", "purge", "finish <nil> 0s"}},
		{"cancelled after the last chunk", dispatcher.Begin{Job: job(1), Try: 1},
			[]dispatcher.Input{running, done, done, ended, done},
			[]string{"look", "start 1", "send T0..T0 lane s", "look", "purge", "finish <nil> 0s"}},
		{"past its deadline", dispatcher.Begin{Job: &events.JobQueued{JobID: "j", Deadline: noon.Add(-1)}, Try: 1},
			nil, []string{"finish <nil> 0s"}},
		{"send fails", dispatcher.Begin{Job: job(1), Try: 3},
			[]dispatcher.Input{running, done, dispatcher.Done{Err: lost}},
			[]string{"look", "start 1", "send T0..T0 lane s", "finish lost 1s"}},
		{"look fails", dispatcher.Begin{Job: job(1), Try: 100},
			[]dispatcher.Input{dispatcher.Looked{Err: lost}},
			[]string{"look", "finish lost 15s"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, play(t, test.begin, test.answers...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEnded(t *testing.T) {
	away := errors.New("no answer")
	for _, test := range []struct {
		name    string
		answers []error
		ended   bool
		err     error
	}{
		{"neither", []error{stream.ErrNotFound, stream.ErrNotFound}, false, nil},
		{"one", []error{stream.ErrNotFound, nil}, true, nil},
		{"one, and no answer", []error{away, nil}, true, nil},
		{"no answer", []error{stream.ErrNotFound, away}, false, away},
		{"no event under the subject", []error{events.ErrMalformed, stream.ErrNotFound}, false, nil},
	} {
		ended, err := dispatcher.Ended(test.answers)
		if ended != test.ended || !errors.Is(err, test.err) {
			t.Errorf("%s: %v, %v", test.name, ended, err)
		}
	}
}
