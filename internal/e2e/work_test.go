package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// TestWorkDeleted deletes the work queue by hand in the middle of a job, with
// the operator's rights: the recorder's process makes it again and dispatches
// what has no outcome.
func TestWorkDeleted(t *testing.T) {
	long(t)
	t.Parallel()
	r := onSQLite(t)
	r.migrate()
	recorder := r.recorder("recorder", r.owner, "--reconcile-every", "1s")
	r.api()
	r.analyzer("analyzer-1", slow...)
	r.analyzer("analyzer-2", slow...)
	tickers := synthetic("WORK", 3000)
	id := r.submit(client.Submission{Tickers: tickers}).JobID
	r.recorded(id, killedEvery)
	lost := r.workItems()
	if err := r.nats.JetStream(stream.RoleProvisioner).DeleteStream(t.Context(), stream.Work); err != nil {
		t.Fatal(err)
	}
	if lost == 0 {
		t.Fatal("nothing was left to analyse; the job is too small")
	}
	deleted := time.Now()
	r.completed(id, time.Minute)
	t.Logf("%d tickers were lost with the queue; the job was completed %v later", lost, time.Since(deleted).Round(time.Millisecond))
	for _, want := range []string{"the work queue is gone, making it again", "reconciled"} {
		if !strings.Contains(recorder.Logs(), want) {
			t.Errorf("the recorder does not say %q", want)
		}
	}
	r.oneOutcomeEach(id, tickers)
	r.verified()
}
