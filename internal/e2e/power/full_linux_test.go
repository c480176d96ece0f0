package power_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

var full = flag.Bool("full", false, "fill the disks of a database alone and of an external server too")

// needFull leaves a test out that only a long run makes.
func needFull(t *testing.T) {
	t.Helper()
	if !*full {
		t.Skip("takes half a minute: run it with -full")
	}
	needDisks(t)
}

const (
	// smallDisk has room for what one test writes, and for what is kept free.
	smallDisk = 160 << 20
	// healTime is how long tapedeck may need to go on after there is room: two
	// looks at the disk, a restart of the server, and the clients' way back.
	healTime = 20 * time.Second
)

// TestDiskFull fills the disk under load: new jobs are refused cleanly, nothing
// acknowledged is lost, and it goes on by itself when there is room again.
func TestDiskFull(t *testing.T) {
	if *cuts == 0 && !*full {
		t.Skip("SKIPPED: disks are filled with -full, or beside -cuts N")
	}
	needDisks(t)
	t.Parallel()
	d := newDeck(t, build(t, "tapedeck"), smallDisk)
	l := newLedger()
	users := startLoad(d, l, *seed)
	processes.Until(t, readyTime, "outcomes", func() error { return atLeast(l.heard(), 20) })
	ballast := d.fill()
	processes.Until(t, healTime, "the api to see that the disk is full", func() error { return d.storing(http.StatusServiceUnavailable) })
	d.refuses()
	d.logs("critical write error")
	users.end()
	for _, lost := range d.missing(l) {
		t.Error(lost)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	processes.Until(t, healTime, "the api to be ready by itself", func() error { return d.storing(http.StatusOK) })
	before := len(l.jobs)
	d.submitAgain(l)
	after := startLoad(d, l, *seed+1)
	processes.Until(t, readyTime, "new jobs to end", func() error { return atLeast(len(l.jobsSoFar()), before+20) })
	after.end()
	d.submitAgain(l)
	d.allEnd(l, func() {})
	d.compare(l)
	d.oneOutcomeEach(l)
	d.noRefused()
	d.verify()
	t.Logf("%d jobs acknowledged before and while the disk was full, %d after; none lost", before, len(l.jobs)-before)
	d.up.Stop()
	if testing.Verbose() {
		t.Log(notable(d.up.Logs()))
	}
}

// TestDatabaseFull fills the disk of the database alone: jobs are accepted and
// analysed, the recorder waits, and records them when there is room.
func TestDatabaseFull(t *testing.T) {
	needFull(t)
	t.Parallel()
	d := &deck{t: t, path: build(t, "tapedeck"), disk: newDisk(t, smallDisk), data: t.TempDir()}
	address := "sqlite:" + filepath.Join(d.disk.dir, "results.db")
	d.start("--database-url", address)
	l := newLedger()
	users := startLoad(d, l, *seed)
	processes.Until(t, readyTime, "outcomes", func() error { return atLeast(l.heard(), 20) })
	ballast := d.fill()
	d.logs("database or disk is full")
	accepted := len(l.jobsSoFar())
	processes.Until(t, readyTime, "jobs to be accepted meanwhile", func() error { return atLeast(len(l.jobsSoFar()), accepted+20) })
	users.end()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	d.submitAgain(l)
	d.allEnd(l, func() {})
	d.compare(l)
	d.oneOutcomeEach(l)
	d.verify("--database-url", address)
	t.Logf("%d jobs acknowledged while the disk of the database was full, %d in all; none lost", len(l.jobs)-accepted, len(l.jobs))
	d.up.Stop()
}

// logs waits until the program has logged a text.
func (d *deck) logs(text string) {
	d.t.Helper()
	processes.Until(d.t, readyTime, "a line with "+text, func() error {
		if !strings.Contains(d.up.Logs(), text) {
			return errors.New("it is not in the log")
		}
		return nil
	})
}

// notable are the lines of a log about the disk and the server.
func notable(log string) string {
	var lines strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, "NATS server") || strings.Contains(line, "new jobs") || strings.Contains(line, "leading") || strings.Contains(line, "critical") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

func atLeast(n, wanted int) error {
	if n < wanted {
		return fmt.Errorf("%d of %d", n, wanted)
	}
	return nil
}

// fill writes a file until the disk has no byte left, and returns its path.
func (d *deck) fill() string {
	d.t.Helper()
	path := filepath.Join(d.disk.dir, "ballast")
	file, err := os.Create(path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 1<<20)
	for size := len(block); size > 0; {
		if _, err := file.Write(block[:size]); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
	if err := file.Sync(); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// refusedCapital tells the job that is refused from others.
const refusedCapital = 123_456

// refuses holds how a new job is refused.
func (d *deck) refuses() {
	d.t.Helper()
	body := fmt.Sprintf(`{"tickers":["FULL"],"capital":%d}`, refusedCapital)
	response, err := http.Post(d.base+"/api/v1/jobs", "application/json", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" ||
		response.Header.Get("Content-Type") != "application/problem+json" || !bytes.Contains(text, []byte(`"code":"disk_full"`)) {
		d.t.Errorf("a new job is answered %s %v: %s", response.Status, response.Header, text)
	}
}

// noRefused holds that the job of refuses is nowhere.
func (d *deck) noRefused() {
	d.t.Helper()
	all(d, d.client.Jobs, func(job client.Job) {
		if job.Capital == refusedCapital {
			d.t.Errorf("the job that was refused is there: %+v", job)
		}
	})
}

// storing holds that /readyz answers with a status, and if that is a failure,
// that the disk is why.
func (d *deck) storing(status int) error {
	response, err := http.Get(d.base + "/readyz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode != status, status != http.StatusOK && !bytes.Contains(text, []byte(`"name":"storing","status":"fail"`)):
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	return nil
}
