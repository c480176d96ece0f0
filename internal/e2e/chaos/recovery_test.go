package chaos_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// What users may rely on, with the waits as they are shipped.
const (
	// drainTime is within what a program that is asked to end has ended.
	drainTime = 10 * time.Second
	// handedBack is within what another process has done what a drained analyzer
	// had in hand: well below stream.AckWait, for which a killed one's work waits.
	handedBack = 15 * time.Second
	// firstCommit is within what a recorder that was restarted records again.
	firstCommit = 5 * time.Second
	// runAgain is within what a killed analyzer's tickers have their outcomes.
	runAgain = stream.AckWait + 5*time.Second
)

// TestRecovery measures how long things take to go on, in the middle of a job:
// the drain of each role, the first commit after a recorder's restart, and, with
// -shipped, the tickers that a killed analyzer had in hand.
func TestRecovery(t *testing.T) {
	if !*wantedRecover {
		t.Skip("SKIPPED: times to recover are measured with -recovery")
	}
	d := newDeck(t, setup{nodes: 1, shipped: true})
	first, second := d.member("analyzer-1"), d.member("analyzer-2")
	d.drained(second) // what the first hands back waits until it comes again

	id := d.middle(t, "DRAIN", 2500)
	took := d.drained(first)
	again := time.Now()
	first.start()
	d.done(t, id, handedBack+took)
	if over := time.Since(again); over > handedBack {
		t.Errorf("what the analyzer handed back had its outcomes after %v, not within %v", over, handedBack)
	}
	t.Logf("analyzer: drained in %v, the rest of the job was done %v after its start", took, time.Since(again).Round(10*time.Millisecond))

	id = d.middle(t, "RECORD", 4000)
	d.drained(d.member("recorder-2"))
	took = d.drained(d.member("recorder-1"))
	at := d.position(t)
	d.member("recorder-1").start()
	began := time.Now()
	processes.Until(t, firstCommit, "the first commit of a recorder that was restarted", func() error {
		if now := d.position(t); now <= at {
			return fmt.Errorf("it stands at %d", now)
		}
		return nil
	})
	t.Logf("recorder: drained in %v, first commit %v after its start", took, time.Since(began).Round(10*time.Millisecond))
	d.done(t, id, handedBack)

	id = d.middle(t, "API", 1500)
	api := d.member("api")
	t.Logf("api: drained in %v", d.drained(api))
	api.start()
	d.ready()
	d.done(t, id, handedBack)

	if *wantedShipped {
		second.start()
		id = d.middle(t, "KILL", 2500)
		first.down = true
		first.Kill()
		killed := time.Now()
		d.done(t, id, runAgain)
		t.Logf("killed analyzer: the last ticker had its outcome %v after the kill", time.Since(killed).Round(10*time.Millisecond))
	}
	d.verified()
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

// position is the sequence up to which the database is recorded.
func (d *deck) position(t *testing.T) uint64 {
	t.Helper()
	reading, err := dsn.OpenReader(d.owner, dsn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	at, err := reading.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at.Seq
}
