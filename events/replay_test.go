package events_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/events/eventstest"
)

// replayed gives the sequences that a replay gives.
func replayed(t *testing.T, tape *eventstest.Tape, config events.ReplayConfig) ([]uint64, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
	defer cancel()
	var seqs []uint64
	err := events.Replay(ctx, tape.NC, config, func(r events.Recorded) error {
		seqs = append(seqs, r.Seq)
		return nil
	})
	return seqs, err
}

func TestReplay(t *testing.T) {
	tape := eventstest.New(t)
	tape.Publish(eventstest.Job("a", "A.NS"), eventstest.Job("b.1", "A.NS", "BRK.B"), // 1, 2
		eventstest.Analyzed("b.1", "A.NS", events.Buy, 0.3), eventstest.Failed("a", "A.NS", events.FailureNoData)) // 3, 4
	var middle time.Time
	if err := events.Replay(t.Context(), tape.NC, events.ReplayConfig{FromSeq: 4}, func(r events.Recorded) error {
		middle = r.At.Add(time.Millisecond)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(middle.Add(time.Millisecond))) // the tape's clock must pass it
	tape.Publish(&events.JobCompleted{JobID: "a", Status: events.StatusFailed, Total: 1, Failed: 1},
		eventstest.Analyzed("b.1", "BRK.B", events.Sell, -0.3)) // 5, 6
	for name, c := range map[string]struct {
		config events.ReplayConfig
		want   []uint64
		err    error
	}{
		"all":                     {events.ReplayConfig{}, []uint64{1, 2, 3, 4, 5, 6}, nil},
		"from a sequence":         {events.ReplayConfig{FromSeq: 3}, []uint64{3, 4, 5, 6}, nil},
		"a range":                 {events.ReplayConfig{FromSeq: 2, ToSeq: 4}, []uint64{2, 3, 4}, nil},
		"the last":                {events.ReplayConfig{FromSeq: 6}, []uint64{6}, nil},
		"behind the last":         {events.ReplayConfig{FromSeq: 7}, nil, nil},
		"to the future":           {events.ReplayConfig{FromSeq: 5, ToSeq: 100}, []uint64{5, 6}, nil},
		"from a time":             {events.ReplayConfig{FromTime: middle}, []uint64{5, 6}, nil},
		"from a time before all":  {events.ReplayConfig{FromTime: middle.AddDate(-1, 0, 0)}, []uint64{1, 2, 3, 4, 5, 6}, nil},
		"from a time to come":     {events.ReplayConfig{FromTime: time.Now().AddDate(1, 0, 0)}, nil, nil},
		"a job":                   {events.ReplayConfig{JobID: "b.1"}, []uint64{2, 3, 6}, nil},
		"a job from a sequence":   {events.ReplayConfig{JobID: "b.1", FromSeq: 3}, []uint64{3, 6}, nil},
		"a job to a sequence":     {events.ReplayConfig{JobID: "a", ToSeq: 4}, []uint64{1, 4}, nil},
		"a job from a time":       {events.ReplayConfig{JobID: "a", FromTime: middle}, []uint64{5}, nil},
		"a job that never was":    {events.ReplayConfig{JobID: "b"}, nil, events.ErrNoJob},
		"a wildcard is no job":    {events.ReplayConfig{JobID: "*"}, nil, events.ErrNoJob},
		"nothing of a job so far": {events.ReplayConfig{JobID: "b.1", ToSeq: 1}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := replayed(t, tape, c.config)
			if diff := cmp.Diff(c.want, got); diff != "" || !errors.Is(err, c.err) {
				t.Errorf("%v, want %v\n%s", err, c.err, diff)
			}
		})
	}
	if _, err := replayed(t, tape, events.ReplayConfig{FromSeq: 1, FromTime: middle}); err == nil {
		t.Error("both FromSeq and FromTime: no error")
	}
}

func TestReplayEndsAtTheEndOfItsStart(t *testing.T) {
	tape := eventstest.New(t)
	if got, err := replayed(t, tape, events.ReplayConfig{}); err != nil || got != nil {
		t.Errorf("an empty tape: %v, %v", got, err)
	}
	data := tickers(20)
	tape.Publish(data[:5]...)
	var seqs []uint64
	err := events.Replay(t.Context(), tape.NC, events.ReplayConfig{}, func(r events.Recorded) error {
		seqs = append(seqs, r.Seq)
		tape.Publish(data[5+len(seqs)]) // one that comes while it runs
		return nil
	})
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5}, seqs); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestReplayStopsWhenToldTo(t *testing.T) {
	tape := eventstest.New(t)
	tape.Publish(tickers(5)...)
	enough := errors.New("enough")
	calls := 0
	err := events.Replay(t.Context(), tape.NC, events.ReplayConfig{}, func(events.Recorded) error {
		if calls++; calls == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls = 0
	err = events.Replay(ctx, tape.NC, events.ReplayConfig{}, func(events.Recorded) error {
		if calls++; calls == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || calls != 3 {
		t.Errorf("cancelled: %d calls, %v", calls, err)
	}
}

// More events than one request holds, and a server that restarts and
// connections that break meanwhile: each comes once and in order.
func TestReplaySurvivesRestart(t *testing.T) {
	const n = 1200
	for name, config := range map[string]events.ReplayConfig{"all": {}, "a job": {JobID: "job"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tape := eventstest.New(t)
			data := []events.Data{eventstest.Job("job")}
			for i := range n - 1 {
				data = append(data, eventstest.Failed("job", fmt.Sprintf("T%d", i), events.FailureNoData))
			}
			tape.Publish(data...)
			var next uint64 = 1
			err := events.Replay(t.Context(), tape.NC, config, func(r events.Recorded) error {
				if r.Seq != next {
					return fmt.Errorf("sequence %d, want %d", r.Seq, next)
				}
				switch next++; r.Seq {
				case 1, 520:
					return tape.NC.ForceReconnect()
				case 100, 700:
					tape.Restart()
				}
				return nil
			})
			if err != nil || next != n+1 {
				t.Errorf("stopped before %d: %v", next, err)
			}
		})
	}
}

func TestReplayOfMalformed(t *testing.T) {
	tape := eventstest.New(t)
	tape.Publish(tickers(1)...)
	bad := nats.NewMsg("tape.job.x.queued")
	publish(t, tape, bad)
	tape.Publish(tickers(2)[1])
	if got, err := replayed(t, tape, events.ReplayConfig{}); !errors.Is(err, events.ErrMalformed) || len(got) != 1 {
		t.Errorf("without OnMalformed: %v, %v", got, err)
	}
	var seqs []uint64
	got, err := replayed(t, tape, events.ReplayConfig{OnMalformed: func(m events.Malformed) error {
		seqs = append(seqs, m.Seq)
		return nil
	}})
	if err != nil || cmp.Diff([]uint64{1, 3}, got) != "" || cmp.Diff([]uint64{2}, seqs) != "" {
		t.Errorf("with OnMalformed: %v, %v, %v", got, seqs, err)
	}
}

// A tape that lost its beginning or its middle is never passed off as whole.
func TestReplayNoticesGaps(t *testing.T) {
	for name, c := range map[string]struct {
		lose   []uint64
		config events.ReplayConfig
		want   error
	}{
		"the beginning":               {[]uint64{1, 2}, events.ReplayConfig{}, events.ErrGap},
		"before the first asked for":  {[]uint64{1, 2}, events.ReplayConfig{FromSeq: 3}, nil},
		"the beginning, by time":      {[]uint64{1, 2}, events.ReplayConfig{FromTime: clock(0).AddDate(-1, 0, 0)}, events.ErrGap},
		"the middle":                  {[]uint64{3}, events.ReplayConfig{}, events.ErrGap},
		"the middle, by time":         {[]uint64{3}, events.ReplayConfig{FromTime: clock(0).AddDate(-1, 0, 0)}, events.ErrGap},
		"the first asked for":         {[]uint64{3}, events.ReplayConfig{FromSeq: 3}, events.ErrGap},
		"the end":                     {[]uint64{5}, events.ReplayConfig{}, events.ErrGap},
		"the job's part asked for":    {[]uint64{1, 2}, events.ReplayConfig{JobID: "later", FromSeq: 2}, events.ErrGap},
		"the job's beginning":         {[]uint64{1}, events.ReplayConfig{JobID: "job"}, events.ErrGap},
		"the beginning, but the jobs": {[]uint64{1}, events.ReplayConfig{JobID: "later"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tape := eventstest.New(t)
			js, err := jetstream.New(tape.NC)
			if err != nil {
				t.Fatal(err)
			}
			// A tape that cannot lose anything is replaced by one that can. The
			// server tidies an account's folder away behind the deletion of its
			// last stream, under the feet of the next: there is another stream.
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER"}); err != nil {
				t.Fatal(err)
			}
			if err := js.DeleteStream(t.Context(), events.StreamName); err != nil {
				t.Fatal(err)
			}
			stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: events.StreamName, Subjects: []string{"tape.>"}})
			if err != nil {
				t.Fatal(err)
			}
			tape.Publish(eventstest.Job("job", "A"), eventstest.Job("later", "A"),
				eventstest.Failed("job", "A", events.FailureNoData), eventstest.Failed("later", "A", events.FailureNoData),
				eventstest.Failed("later", "B", events.FailureNoData))
			for _, seq := range c.lose {
				if err := stream.DeleteMsg(t.Context(), seq); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := replayed(t, tape, c.config); !errors.Is(err, c.want) {
				t.Errorf("gave %v, %v; want %v", got, err, c.want)
			}
		})
	}
}
