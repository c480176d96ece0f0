package chaos_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// What users may rely on, with the waits as they are shipped.
const (
	// drainTime is within what a program that is asked to end has ended.
	drainTime = 10 * time.Second
	// handedBack is within what another process has done what a drained one had
	// in hand: what was not handed back comes after stream.AckWait at the earliest.
	handedBack = stream.AckWait - 5*time.Second
	// firstCommit is within what a recorder that was killed and started again
	// records: the rest of its predecessor's lease of 3 s and one wait of a
	// standby (recorder.TestCoreTakesOverInTime: 3.32 s), and its start.
	firstCommit = 5 * time.Second
	// takeOver is within what a standby records after the other was killed.
	takeOver = 10 * time.Second
	// runAgain is within what a killed analyzer's tickers have their outcomes.
	runAgain = stream.AckWait + 5*time.Second
)

// TestRecovery measures how long things take to go on in the middle of a job,
// with the waits as they are shipped: the drain of each role, the first commit
// after a recorder's kill and restart, a standby's takeover, and the tickers
// that a killed analyzer had in hand.
func TestRecovery(t *testing.T) {
	if !*wantedRecover {
		t.Skip("SKIPPED: times to recover are measured with -recovery")
	}
	t.Run("PostgreSQL", func(t *testing.T) { newDeck(t, setup{nodes: 1, shipped: true}).recoveries(t) })
	t.Run("SQLite", func(t *testing.T) { newDeck(t, setup{nodes: 1, shipped: true, sqlite: true}).recoveries(t) })
	t.Run("embedded", func(t *testing.T) { newUp(t).recoveriesOfAll(t) })
}

// newUp starts everything in one process, on a directory.
func newUp(t *testing.T) *deck {
	t.Helper()
	d := &deck{t: t, shipped: true, revived: map[string]int{}, data: t.TempDir()}
	keepLogs(t, d)
	d.owner = "sqlite:" + filepath.Join(d.data, "tapedeck.db")
	address := processes.FreeAddress(t)
	d.base = "http://" + address
	var err error
	if d.client, err = client.New(d.base); err != nil {
		t.Fatal(err)
	}
	up := processes.Start(t, "up", filepath.Join(binaries, "tapedeck"), nil, "up", "--market", "synthetic", "--data", d.data, "--http", address)
	d.members = append(d.members, &member{Program: up, name: "up", began: time.Now()})
	d.ready()
	return d
}

func (d *deck) recoveries(t *testing.T) {
	first, second := d.member("analyzer-1"), d.member("analyzer-2")
	d.drained(second) // what the first hands back waits until it comes again

	id := d.middle(t, "DRAIN", 2500)
	took := d.drained(first)
	again := time.Now()
	first.start()
	d.done(t, id, handedBack)
	t.Logf("analyzer: drained in %v, the rest of the job was done %v after its start", took, time.Since(again).Round(10*time.Millisecond))

	d.recordersRecover(t)

	id = d.middle(t, "API", 1500)
	api := d.member("api")
	t.Logf("api: drained in %v", d.drained(api))
	api.start()
	d.ready()
	d.done(t, id, handedBack)

	second.start()
	id = d.middle(t, "KILL", 2500)
	first.down = true
	first.Kill()
	killed := time.Now()
	d.done(t, id, runAgain)
	t.Logf("killed analyzer: the last ticker had its outcome %v after the kill", time.Since(killed).Round(10*time.Millisecond))
	d.verified()
}

func (d *deck) recordersRecover(t *testing.T) {
	one, two := d.member("recorder-1"), d.member("recorder-2")
	d.drained(two)
	id := d.middle(t, "RECORD", 4000)
	d.records(t, "recorder, drained and started again", firstCommit, func() {
		t.Logf("recorder: drained in %v", d.drained(one))
		one.start()
	})
	d.done(t, id, handedBack)
	id = d.middle(t, "KILLED", 4000)
	d.records(t, "recorder, killed and started again", firstCommit, func() {
		one.Kill()
		one.start()
	})
	d.done(t, id, handedBack)
	two.start()
	id = d.middle(t, "STANDBY", 4000)
	d.records(t, "standby", takeOver, func() {
		one.down = true
		one.Kill()
	})
	d.done(t, id, handedBack)
	one.start()
}

// recoveriesOfAll is recoveries where all roles are one process.
func (d *deck) recoveriesOfAll(t *testing.T) {
	up := d.member("up")
	id := d.middle(t, "KILL", 2500)
	killed := time.Now()
	d.records(t, "embedded, killed and started again", firstCommit, func() {
		up.Kill()
		up.start()
	})
	d.done(t, id, runAgain-time.Since(killed))
	t.Logf("embedded: the last ticker in hand had its outcome %v after the kill", time.Since(killed).Round(10*time.Millisecond))

	id = d.middle(t, "DRAIN", 2500)
	took := d.drained(up)
	again := time.Now()
	up.start()
	d.ready()
	d.done(t, id, handedBack)
	t.Logf("embedded: drained in %v, the rest of the job was done %v after its start", took, time.Since(again).Round(10*time.Millisecond))
	d.verified()
}

// records lets something happen to the one that records, and holds that within
// a time more is recorded under another lease. What is recorded until the first
// look may still be what the old one had sent.
func (d *deck) records(t *testing.T, what string, within time.Duration, happen func()) {
	t.Helper()
	before, _ := d.standing(t)
	began := time.Now()
	happen()
	_, at := d.standing(t)
	processes.Until(t, within-time.Since(began), what+": its first commit", func() error {
		epoch, now := d.standing(t)
		if epoch == before {
			at = now
			return fmt.Errorf("it stands at %d, under the lease of before", now)
		}
		if now <= at {
			return fmt.Errorf("it has the lease and stands at %d", now)
		}
		return nil
	})
	t.Logf("%s: first commit within %v", what, time.Since(began).Round(10*time.Millisecond))
}

func (d *deck) member(name string) *member {
	return d.members[slices.IndexFunc(d.members, func(m *member) bool { return m.name == name })]
}

// drained asks a program to end and returns how long it took.
func (d *deck) drained(m *member) time.Duration {
	d.t.Helper()
	began := time.Now()
	m.down = true
	m.Stop()
	took := time.Since(began).Round(10 * time.Millisecond)
	if took > drainTime {
		d.t.Errorf("%s ended %v after it was asked to, not within %v", m.name, took, drainTime)
	}
	return took
}

// middle submits a job and waits until a part of it is done.
func (d *deck) middle(t *testing.T, prefix string, n int) string {
	t.Helper()
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%05d.NS", prefix, i)
	}
	accepted, err := d.client.Submit(t.Context(), client.Submission{Tickers: list}, "")
	if err != nil {
		t.Fatal(err)
	}
	processes.Until(t, readyTime, "the middle of a job", func() error {
		job, err := d.client.Job(t.Context(), accepted.JobID)
		if err == nil && job.Pending > job.Total-100 {
			err = fmt.Errorf("%d of %d are pending", job.Pending, job.Total)
		}
		if err == nil && job.Pending == 0 {
			t.Fatalf("the job of %d tickers ended before its middle could be used; it is too small", n)
		}
		return err
	})
	return accepted.JobID
}

// done waits until a job has ended with every ticker analysed.
func (d *deck) done(t *testing.T, id string, within time.Duration) {
	t.Helper()
	processes.Until(t, within, "job "+id+" to end", func() error {
		job, err := d.client.Job(t.Context(), id)
		if err == nil && job.Analyzed != job.Total {
			err = fmt.Errorf("%s, %d of %d analyzed", job.Status, job.Analyzed, job.Total)
		}
		return err
	})
}

// standing is the number of the last lease, and the sequence up to which the
// database is recorded.
func (d *deck) standing(t *testing.T) (epoch int64, seq uint64) {
	t.Helper()
	reading, err := dsn.OpenReader(d.owner, dsn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	standing, err := reading.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at, err := reading.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return standing.Epoch, at.Seq
}
