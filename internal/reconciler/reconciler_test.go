package reconciler_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/reconciler"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

const patience = 60 * time.Second

// A rig is a tape, a work queue, a database, a recorder and a reconciler, the
// last two with the permissions of their role.
type rig struct {
	t      *testing.T
	js     jetstream.JetStream
	tape   *stream.TapeClient
	work   *stream.WorkClient
	reader store.Reading
	rec    *reconciler.Reconciler
}

func newRig(t *testing.T, interval time.Duration, clock func() time.Time) *rig {
	t.Helper()
	server := streamtest.Server(t)
	w := sqlite.OpenWriter(filepath.Join(t.TempDir(), "db"))
	t.Cleanup(func() { _ = w.Close() })
	if err := w.Migrate(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	tape := server.Tape(stream.RoleRecorder)
	r := recorder.New(recorder.Config{Log: log, Store: w, Reading: w.Reading(), Tape: recorder.OnStream(tape), Owner: "one"})
	rec := reconciler.New(reconciler.Config{Log: log, Backlog: w.Reading(), Tape: tape, Work: server.Work(stream.RoleRecorder), Interval: interval, Now: clock})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- r.Run(ctx) }()
	go func() { done <- r.WhileLeading(ctx, rec.Run) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return &rig{t, server.JetStream(streamtest.Admin), server.Tape(streamtest.Admin), server.Work(streamtest.Admin), w.Reading(), rec}
}

func (g *rig) queue(id string, deadline time.Time, names ...string) {
	g.t.Helper()
	g.publish(&events.JobQueued{
		JobID: id, Kind: events.KindAnalysis, Origin: events.OriginAPI, Tickers: names, Capital: 1000,
		StrategyName: "balanced", StrategyHash: "h", Strategy: []byte(`{}`), Deadline: deadline,
	})
}

// queueUnguarded queues a job as programs did before the guard of a JobQueued
// was everything of its job.
func (g *rig) queueUnguarded(job *events.JobQueued) {
	g.t.Helper()
	msg, err := events.Encode(events.New("test", time.Now(), job))
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := g.js.PublishMsg(g.t.Context(), msg); err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) publish(data events.Data) {
	g.t.Helper()
	if _, err := g.tape.Publish(g.t.Context(), events.New("test", time.Now(), data)); err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) await(what string, holds func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatal("waited in vain: " + what)
		}
	}
}

func (g *rig) progress(id string) store.Progress {
	view, _, err := g.reader.Job(g.t.Context(), id)
	if err != nil {
		return store.Progress{}
	}
	return view.Progress
}

func (g *rig) inWork(id string) int {
	out, err := g.work.Outstanding(g.t.Context(), id)
	if err != nil {
		return -1
	}
	return len(out)
}

// TestWorkDeletedInMidJob: the queue is gone with everything in it; the job is
// dispatched again, without what has an outcome, and completes.
func TestWorkDeletedInMidJob(t *testing.T) {
	g := newRig(t, 100*time.Millisecond, nil)
	g.queue("j", time.Now().Add(time.Hour), "A.NS", "B.NS", "C.NS", "D.NS")
	g.await("the reconciler dispatches what no dispatcher did", func() bool { return g.inWork("j") == 4 })
	g.publish(&events.TickerFailed{JobID: "j", Ticker: "B.NS", Kind: events.KindAnalysis, Code: events.FailureNoData})
	if err := g.js.DeleteStream(t.Context(), stream.Work); err != nil {
		t.Fatal(err)
	}
	g.await("WORK is back with the rest", func() bool { return g.inWork("j") == 3 })
	lane, err := g.work.Lane(t.Context(), stream.LaneSmall)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := lane.Fetch(3, jetstream.FetchMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	for msg := range batch.Messages() {
		item, err := stream.DecodeItem(msg.Data())
		if err != nil {
			t.Fatal(err)
		}
		g.publish(&events.TickerFailed{JobID: item.JobID, Ticker: item.Ticker, Kind: item.Kind, Code: events.FailureNoData})
		if err := msg.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	g.await("the job ends", func() bool { return g.progress("j").AnnouncedSeq > 0 })
	if p := g.progress("j"); p.Failed != 4 || p.Duplicates != 0 {
		t.Errorf("progress %+v", p)
	}
	g.await("nothing is left to do", func() bool { return g.inWork("j") == 0 })
}

// TestDeadline: what has no outcome by then fails, also while it waits in
// WORK; an outcome that came first stays.
func TestDeadline(t *testing.T) {
	g := newRig(t, 100*time.Millisecond, func() time.Time { return time.Now().Add(time.Hour) })
	names := make([]string, 1100) // more than two chunks
	for i := range names {
		names[i] = "T" + string(rune('A'+i/50)) + string(rune('A'+i%50/25)) + string(rune('A'+i%25)) + ".NS"
	}
	g.queue("j", time.Now().Add(time.Minute), names...)
	g.await("the job ends", func() bool { return g.progress("j").AnnouncedSeq > 0 })
	p := g.progress("j")
	if p.Status != events.StatusFailed || p.Failed != 1100 || p.Duplicates != 0 {
		t.Errorf("progress %+v", p)
	}
	page, err := g.reader.Details(t.Context(), store.DetailsQuery{JobID: "j", Code: events.FailureDeadline, Limit: 10})
	if err != nil || len(page.Items) != 10 || page.Items[0].Attempts != 0 || page.Items[0].Message == "" {
		t.Errorf("details %+v, %v", page.Items, err)
	}
}

// TestOutcomesThatExistAreLeftAlone: a refused batch of deadlines is sent
// again without them.
func TestOutcomesThatExistAreLeftAlone(t *testing.T) {
	g := newRig(t, time.Hour, nil)
	data := func(ticker string, code events.FailureCode) *events.TickerFailed {
		return &events.TickerFailed{JobID: "j", Ticker: ticker, Kind: events.KindAnalysis, Code: code}
	}
	g.publish(data("B.NS", events.FailureNoData)) // without a job: poison, and yet its place is taken
	late := reconciler.New(reconciler.Config{
		Log: slog.New(slog.DiscardHandler), Backlog: g.reader, Tape: g.tape, Work: g.work,
		Now: func() time.Time { return time.Now().Add(2 * time.Hour) },
	})
	g.queueUnguarded(&events.JobQueued{
		JobID: "j", Kind: events.KindAnalysis, Origin: events.OriginAPI, Tickers: []string{"A.NS", "B.NS", "C.NS"}, Capital: 1000,
		StrategyName: "balanced", StrategyHash: "h", Strategy: []byte(`{}`), Deadline: time.Now().Add(time.Hour),
	})
	g.await("the job is recorded", func() bool { return g.progress("j").Total == 3 })
	round := late.Round(t.Context())
	if round.Err != nil || round.Expired != 2 {
		t.Errorf("round %+v", round)
	}
	g.await("the two failed", func() bool { return g.progress("j").Failed == 2 })
}

func TestNudge(t *testing.T) {
	g := newRig(t, time.Hour, func() time.Time { return time.Now().Add(time.Minute) }) // jobs are old enough at once
	g.queue("a", time.Now().Add(time.Hour), "A.NS")
	g.await("the job is recorded", func() bool { return g.progress("a").Total == 1 })
	g.await("a nudge starts a round", func() bool {
		g.rec.Nudge()
		return g.inWork("a") == 1
	})
}
