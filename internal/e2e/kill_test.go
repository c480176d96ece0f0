package e2e_test

import (
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/client"
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
	r := onPostgres(t)
	r.migrate()
	recorder := r.recorder("recorder", r.owner)
	api := r.api()
	first := r.analyzer("analyzer-1", slow...)
	second := r.analyzer("analyzer-2", slow...)

	tickers := synthetic("KILL", 5000)
	id := r.submit(client.Submission{Tickers: tickers}).JobID
	kills := []struct {
		what         string
		kill, revive func()
	}{
		{"analyzer-1", first.kill, first.start},
		{"analyzer-2", second.kill, second.start},
		{"nats-server", r.nats.Kill, r.nats.Start},
		{"api", api.kill, api.start},
		{"PostgreSQL", r.postgres.Kill, func() { r.postgres.Restart(t) }},
		{"recorder", recorder.kill, recorder.start}, // last: for 6 s nobody has the lease
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
	r.completed(id, afterKills)
	seen := r.oneOutcomeEach(id, tickers)
	t.Logf("outcomes of each analyzer: %v", seen.by)
	r.verified()
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
	d := startUp(t, "synthetic", slow...)
	tickers := synthetic("UP", 3000)
	id := d.submit(client.Submission{Tickers: tickers}).JobID
	for i := range 2 {
		d.recorded(id, (i+1)*killedEvery)
		d.up.kill()
		d.up.start()
		d.ready()
	}
	d.completed(id, afterKills)
	d.oneOutcomeEach(id, tickers)
	d.verified()
}
