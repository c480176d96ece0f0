package e2e_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// slow lets an analyzer take its tickers one after the other, so that a job
// has a middle in which processes can be killed.
var slow = []string{"--concurrency", "1"}

// killedEvery is how many outcomes are recorded between two kills.
const killedEvery = 300

// afterKills bounds the rest of a job after the last kill: what a killed
// analyzer held comes again after 30 s.
const afterKills = 90 * time.Second

// TestKillEachRole kills each process of the roles in the middle of one job
// and starts it again: the job completes, each ticker has one outcome, and the
// tables are what the tape says.
func TestKillEachRole(t *testing.T) {
	long(t)
	t.Parallel()
	r := onPostgres(t)
	r.migrate()
	recorder := r.recorder("recorder", r.owner)
	api := r.api()
	first := r.analyzer("analyzer-1", slow...)
	second := r.analyzer("analyzer-2", "--concurrency", "4") // what it holds when it is killed must come again

	tickers := synthetic("KILL", 4000)
	id := r.submit(client.Submission{Tickers: tickers}).JobID
	kills := []struct {
		what         string
		kill, revive func()
	}{
		{"analyzer-1", first.Kill, first.Start},
		{"analyzer-2", second.Kill, second.Start},
		{"nats-server", r.nats.Kill, r.nats.Start},
		{"api", api.Kill, api.Start},
		{"PostgreSQL", r.postgres.Kill, func() { r.postgres.Restart(t) }},
		{"recorder", recorder.Kill, recorder.Start}, // for 3 s nobody has the lease
	}
	for i, k := range kills {
		r.recorded(id, (i+1)*killedEvery)
		queued := r.workItems()
		before := time.Now()
		k.kill()
		k.revive()
		t.Logf("%s killed with %d tickers in the work queue, started again within %v", k.what, queued, time.Since(before).Round(time.Millisecond))
		if queued == 0 {
			t.Fatal("nothing was left to analyse; the job is too small")
		}
	}
	r.dispatchAgain(id, 200)
	r.completed(id, afterKills)
	r.noWork()
	seen := r.oneOutcomeEach(id, tickers)
	t.Logf("outcomes of each analyzer: %v", seen.by)
	r.verified()
}

// TestKillEverything kills all processes at once in the middle of a job, and
// starts the roles in another order than they came.
func TestKillEverything(t *testing.T) {
	long(t)
	t.Parallel()
	r := onPostgres(t)
	r.migrate()
	programs := []*processes.Program{r.recorder("recorder", r.owner), r.api(), r.analyzer("analyzer-1", slow...), r.analyzer("analyzer-2", slow...)}
	tickers := synthetic("EVRY", 2000)
	id := r.submit(client.Submission{Tickers: tickers}).JobID
	r.recorded(id, killedEvery)
	r.nats.Kill()
	r.postgres.Kill()
	for _, p := range programs {
		p.Kill()
	}
	r.nats.Start()
	r.postgres.Restart(t)
	for _, p := range slices.Backward(programs) {
		p.Start()
	}
	r.ready()
	if r.workItems() == 0 {
		t.Fatal("nothing was left to analyse; the job is too small")
	}
	r.completed(id, afterKills)
	r.oneOutcomeEach(id, tickers)
	r.verified()
}

// noWork waits until the work queue is empty.
func (r *roles) noWork() {
	r.t.Helper()
	processes.Until(r.t, readyTime, "the work queue to be empty", func() error {
		if n := r.workItems(); n > 0 {
			return fmt.Errorf("%d items", n)
		}
		return nil
	})
}

// dispatchAgain queues tickers of a job that have their outcomes: what a late
// redelivery or a mistaken dispatch would do.
func (r *roles) dispatchAgain(id string, n int) {
	r.t.Helper()
	queued := r.queued(id)
	details := slices.Collect(maps.Values(r.details(id, "analyzed")))
	if len(details) < n {
		r.t.Fatalf("only %d tickers have outcomes", len(details))
	}
	slices.SortFunc(details, func(a, b client.Detail) int { return cmp.Compare(a.Seq, b.Seq) })
	items := make([]stream.Item, n) // the oldest: their work is acknowledged for certain
	for i := range items {
		items[i] = stream.Item{
			JobID: id, Ticker: details[i].Ticker, Lane: stream.LaneFor(len(queued.Tickers)), Kind: queued.Kind,
			StrategyHash: queued.StrategyHash, Capital: queued.Capital, Options: queued.Options, Deadline: queued.Deadline,
		}
	}
	if err := stream.NewWork(r.nats.JetStream(streamtest.Admin), nil).Dispatch(r.t.Context(), items); err != nil {
		r.t.Fatalf("dispatching again: %v", err)
	}
}

// queued is a job's first event.
func (r *roles) queued(id string) *events.JobQueued {
	r.t.Helper()
	var queued *events.JobQueued
	err := events.Replay(r.t.Context(), r.tape(), events.ReplayConfig{JobID: id}, func(recorded events.Recorded) error {
		if job, ok := recorded.Data.(*events.JobQueued); ok {
			queued = job
		}
		return nil
	})
	if err != nil || queued == nil {
		r.t.Fatalf("reading JobQueued: %v", err)
	}
	return queued
}

// workItems counts what is in the work queue.
func (r *roles) workItems() uint64 {
	r.t.Helper()
	work, err := r.nats.JetStream(streamtest.Admin).Stream(r.t.Context(), stream.Work)
	if err != nil {
		r.t.Fatal(err)
	}
	return work.CachedInfo().State.Msgs
}

// TestKillUp kills the one process that is everything in the middle of a job,
// twice, and starts it again.
func TestKillUp(t *testing.T) {
	long(t)
	t.Parallel()
	d := startUp(t, "synthetic", slow...)
	tickers := synthetic("UP", 3000)
	id := d.submit(client.Submission{Tickers: tickers}).JobID
	for i := range 2 {
		d.recorded(id, (i+1)*killedEvery)
		d.up.Kill()
		d.up.Start()
		d.ready()
	}
	d.completed(id, afterKills)
	d.oneOutcomeEach(id, tickers)
	d.verified()
}
