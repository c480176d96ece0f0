package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

// TestSubscriberMissesNothing builds a subscriber in a module of its own, gives
// it the credentials that `tapedeck subscriber add` prints, and kills it in the
// middle of a job: it prints each Strong Buy of the job at least once.
func TestSubscriberMissesNothing(t *testing.T) {
	long(t)
	t.Parallel()
	binary := buildAlerts(t)
	d := startUp(t, "synthetic", append([]string{"--nats-listen", processes.FreeAddress(t)}, slow...)...)
	var sub struct{ URL, User, Password string }
	out := d.operate("subscriber", "add", "alerts", "--kind", "ticker_analyzed", "--json")
	if err := json.Unmarshal([]byte(out), &sub); err != nil {
		t.Fatalf("reading what subscriber add printed: %v\n%s", err, out)
	}
	env := []string{"ALERTS_URL=" + sub.URL, "ALERTS_USER=" + sub.User, "ALERTS_PASSWORD=" + sub.Password}
	alerts := start(t, "alerts", binary, env)

	id := d.submit(client.Submission{Tickers: synthetic("ALRT", 2000)}).JobID
	heard := func() map[string]int { return strongBuys(alerts.Logs(), id) }
	processes.Until(t, time.Minute, "the first alerts", func() error {
		if n := len(heard()); n < 3 {
			return fmt.Errorf("%d have come", n)
		}
		return nil
	})
	d.recorded(id, killedEvery)
	alerts.Kill()
	before := len(heard())
	if job, err := d.job(id); err != nil || job.Pending == 0 {
		t.Fatalf("the subscriber is killed with %d tickers pending, %v", job.Pending, err)
	}
	d.recorded(id, 3*killedEvery) // the job goes on without it
	alerts.Start()
	d.completed(id, time.Minute)

	want := map[string]bool{}
	for ticker, result := range d.results(id) {
		if result.Verdict == events.StrongBuy {
			want[ticker] = true
		}
	}
	got := map[string]bool{}
	processes.Until(t, time.Minute, "the alerts of all results", func() error {
		for ticker := range heard() {
			got[ticker] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("alerts (-want +got):\n%s", diff)
		}
		return nil
	})
	t.Logf("%d Strong Buys of %d tickers, %d of them before the kill; printed %d times", len(want), 2000, before, sum(heard()))
}

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// strongBuys counts the alerts of each ticker of a job.
func strongBuys(log, id string) map[string]int {
	heard := map[string]int{}
	for line := range strings.Lines(log) {
		var job, ticker string
		var seq uint64
		if n, _ := fmt.Sscanf(line, "STRONG BUY %s %s %d\n", &job, &ticker, &seq); n == 3 && job == id {
			heard[ticker]++
		}
	}
	return heard
}

// buildAlerts builds the subscriber in a module of its own beside nothing of
// ours, and returns its path.
func buildAlerts(t *testing.T) string {
	t.Helper()
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for from, to := range map[string]string{
		filepath.Join("testdata", "alerts", "main.go.txt"): "main.go",
		filepath.Join(checkout, "go.sum"):                  "go.sum",
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, to), text)
	}
	write(t, filepath.Join(dir, "go.mod"), []byte(`module example.com/alerts

go 1.26

require github.com/tapedeck/tapedeck v0.0.0

replace github.com/tapedeck/tapedeck => `+checkout+"\n"))
	build := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", "alerts", ".")
	build.Dir = dir
	build.Env = append(processes.Environment(), "GOWORK=off", "GOFLAGS="+withMod(os.Getenv("GOFLAGS")))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the subscriber: %v\n%s", err, out)
	}
	return filepath.Join(dir, "alerts")
}

// withMod lets the go command complete the subscriber's go.mod, whatever the
// flags of this build say.
func withMod(flags string) string {
	fields := []string{"-mod=mod"}
	for _, flag := range strings.Fields(flags) {
		if !strings.HasPrefix(flag, "-mod=") {
			fields = append(fields, flag)
		}
	}
	return strings.Join(fields, " ")
}
