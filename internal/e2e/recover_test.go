package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
)

// TestRecover removes the tape's directory. The pipeline refuses to go on by
// itself; after `recover --accept-loss` the old results are there, new jobs
// work, and verify and rebuild say why they cannot.
func TestRecover(t *testing.T) {
	long(t)
	t.Parallel()
	d := startUp(t, "synthetic")
	old := synthetic("OLD", 100)
	lost := d.completed(d.submit(client.Submission{Tickers: old}).JobID, time.Minute)
	d.verified()
	d.up.Stop()
	before, err := position(t, "sqlite:"+filepath.Join(d.dir, "tapedeck.db"))
	if err != nil {
		t.Fatal(err)
	}

	if err := os.RemoveAll(filepath.Join(d.dir, "nats")); err != nil {
		t.Fatal(err)
	}
	d.up.Start()
	d.up.Wait(readyTime, 1)
	if !strings.Contains(d.up.Logs(), "recover") {
		t.Errorf("up does not say what to do:\n%s", d.up.Logs())
	}
	command(t, 2, nil, "tapedeck", append([]string{"recover"}, d.operator...)...)
	t.Log(d.operate("recover", "--accept-loss"))

	d.up.Start()
	d.ready()
	if results := d.results(lost.JobID); len(results) != len(old) {
		t.Errorf("%d of %d old results are left", len(results), len(old))
	}
	fresh := synthetic("FRESH", 60)
	job := d.completed(d.submit(client.Submission{Tickers: fresh}).JobID, time.Minute)
	if job.AsOfSeq <= before {
		t.Errorf("sequence %d is used again; the lost tape had %d", job.AsOfSeq, before)
	}
	d.oneOutcomeEach(job.JobID, fresh)
	for _, verb := range []string{"verify", "rebuild"} {
		_, errOut := command(t, 1, nil, "tapedeck", append([]string{verb}, d.operator...)...)
		t.Logf("%s: %s", verb, errOut)
		if !strings.Contains(errOut, "begins at") && !strings.Contains(errOut, "first event is") {
			t.Errorf("%s does not say what is missing: %s", verb, errOut)
		}
	}
	if n := len(d.results(lost.JobID)); n != len(old) {
		t.Errorf("%d old results after verify and rebuild were refused", n)
	}
}
