package e2e_test

import (
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
)

// takeOver only ends a wait in vain for a standby. How soon it goes on is held
// in virtual time (recorder.TestCoreTakesOverInTime) and measured on a machine
// that keeps up (chaos.TestRecovery).
const takeOver = time.Minute

// started is what a recorder says first: its name.
var started = regexp.MustCompile(`recorder started".* owner=(\S+)`)

// TestStandby runs two recorders on one database: one commits, the other
// stands by and goes on when the first is killed.
func TestStandby(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		testStandby(t, onPostgres(t))
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		testStandby(t, onSQLite(t))
	})
}

func testStandby(t *testing.T, r *roles) {
	long(t)
	r.migrate()
	recorders := map[string]*processes.Program{} // by the name in which each asks for the lease
	for _, name := range []string{"recorder-1", "recorder-2"} {
		p := r.recorder(name, r.owner)
		processes.Until(t, readyTime, name+" to start", func() error {
			said := started.FindStringSubmatch(p.Logs())
			if said == nil {
				return errors.New("it does not say so")
			}
			recorders[said[1]] = p
			return nil
		})
	}
	r.api()
	r.analyzer("analyzer", slow...)
	tickers := synthetic("STBY", 1500)
	id := r.submit(client.Submission{Tickers: tickers}).JobID
	r.recorded(id, killedEvery)
	leader := r.leader() // not always the first: a machine that stands still for 3 s costs the lease

	recorders[leader].Kill()
	killed := time.Now()
	// What the killed one had sent may still be committed: only what is
	// recorded under another lease shows that the standby goes on.
	var at uint64
	processes.Until(t, takeOver, "the standby to go on", func() error {
		owner, seq, err := r.standing()
		switch {
		case err != nil:
			return err
		case owner == leader:
			at = seq
			return errors.New("the killed recorder still has the lease")
		case seq <= at:
			return errors.New("nothing more is recorded")
		}
		return nil
	})
	t.Logf("took over %v after the kill", time.Since(killed).Round(10*time.Millisecond))
	recorders[leader].Start() // it stands by now
	r.completed(id, time.Minute)
	r.oneOutcomeEach(id, tickers)
	r.verified()
}

// leader waits until a recorder has the lease, and returns its name.
func (r *roles) leader() (owner string) {
	r.t.Helper()
	processes.Until(r.t, readyTime, "a recorder to take the lease", func() (err error) {
		if owner, _, err = r.standing(); err == nil && owner == "" {
			err = errors.New("nobody has it")
		}
		return err
	})
	return owner
}

// standing is who has the recorder's lease, dead or alive, and the sequence up
// to which the database is recorded at least.
func (r *roles) standing() (owner string, seq uint64, err error) {
	r.t.Helper()
	reading, err := dsn.OpenReader(r.owner, dsn.Options{})
	if err != nil {
		return "", 0, err
	}
	defer reading.Close()
	standing, err := reading.Standing(r.t.Context())
	if err != nil {
		return "", 0, err
	}
	at, err := reading.Position(r.t.Context())
	return standing.Owner, at.Seq, err
}
