package e2e_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/client"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
)

// takeOver is within what a standby must go on after the one that recorded
// was killed.
const takeOver = 10 * time.Second

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
	recorders := []*program{r.recorder("recorder-1", r.owner)}
	leader := r.leaseOf("")
	recorders = append(recorders, r.recorder("recorder-2", r.owner))
	until(t, readyTime, "the second recorder to start", func() error {
		if !strings.Contains(recorders[1].logs(), "recorder started") {
			return errors.New("it does not say so")
		}
		return nil
	})
	r.api()
	r.analyzer("analyzer", slow...)
	tickers := synthetic("STBY", 3000)
	id := r.submit(client.Submission{Tickers: tickers}).JobID
	r.recorded(id, killedEvery)
	if now := r.leaseOf(""); now != leader {
		t.Fatalf("the lease went from %s to %s while both lived", leader, now)
	}

	recorders[0].kill()
	killed := time.Now()
	at, err := position(t, r.owner)
	if err != nil {
		t.Fatal(err)
	}
	until(t, takeOver, "the standby to go on", func() error {
		if now, err := position(t, r.owner); err != nil || now <= at {
			return errors.Join(err, errors.New("nothing more is recorded"))
		}
		return nil
	})
	t.Logf("took over %v after the kill", time.Since(killed).Round(10*time.Millisecond))
	if r.leaseOf(leader) == leader {
		t.Error("something was recorded under the lease of a killed recorder")
	}
	recorders[0].start() // it stands by now
	r.completed(id, time.Minute)
	r.oneOutcomeEach(id, tickers)
	r.verified()
}

// leaseOf waits until someone other than the one named has the recorder's
// lease, and returns the owner.
func (r *roles) leaseOf(other string) (owner string) {
	r.t.Helper()
	until(r.t, readyTime, "a recorder to take the lease", func() error {
		reading, err := dsn.OpenReader(r.owner, dsn.Options{})
		if err != nil {
			return err
		}
		defer reading.Close()
		standing, err := reading.Standing(r.t.Context())
		if owner = standing.Owner; err == nil && (owner == "" || owner == other || standing.LeaseLeft <= 0) {
			err = errors.New("nobody has it")
		}
		return err
	})
	return owner
}
