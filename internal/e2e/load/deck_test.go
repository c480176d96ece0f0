package load_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// readyTime is how long a pipeline may take to become ready.
const readyTime = 30 * time.Second

// A deck is a running pipeline and what was asked of it.
type deck struct {
	t        *testing.T
	client   *client.Client
	measured []measured
	tape     func() (*nats.Conn, error) // a connection that may read the whole tape
	ledger   *ledger
}

// A ledger holds the jobs that were accepted, with their numbers of tickers.
type ledger struct {
	mu   sync.Mutex // guards jobs
	jobs map[string]int
}

// of is the same deck in a test of a part.
func (d *deck) of(t *testing.T) *deck {
	part := *d
	part.t = t
	return &part
}

func newDeck(t *testing.T, address string) *deck {
	t.Helper()
	c, err := client.New("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	d := &deck{t: t, client: c, ledger: &ledger{jobs: map[string]int{}}}
	d.measure("clients (this test)", os.Getpid())
	return d
}

func (d *deck) measure(name string, pid int) {
	d.measured = append(d.measured, measured{name: name, pid: pid})
}

// embedded starts `tapedeck up` on SQLite.
func embedded(t *testing.T, bin string) *deck {
	t.Helper()
	dir, address := t.TempDir(), processes.FreeAddress(t)
	d := newDeck(t, address)
	up := processes.Start(t, "tapedeck", filepath.Join(bin, "tapedeck"), nil, "up", "--market", "synthetic", "--data", dir, "--http", address)
	d.measure("tapedeck up", up.Pid())
	d.tape = func() (*nats.Conn, error) {
		password, err := natsd.Password(dir, stream.RoleAPI)
		if err != nil {
			return nil, err
		}
		return stream.Connect(stream.ConnectConfig{InProcess: natsd.Dial(dir), Role: stream.RoleAPI, Password: password})
	}
	d.ready(address)
	return d
}

// roles starts a nats-server, PostgreSQL, and the programs of the roles with
// two analyzers.
func roles(t *testing.T, bin string) *deck {
	t.Helper()
	address := processes.FreeAddress(t)
	d := newDeck(t, address)
	server := streamtest.Process(t, t.TempDir())
	d.measure("nats-server", server.Pid())
	owner, reader, postmaster := users(t)
	d.measured = append(d.measured, measured{name: "PostgreSQL, all its processes", pid: postmaster, family: true})
	start := func(name, binary string, role stream.Role, database string, args ...string) {
		env := []string{"TAPEDECK_NATS_URL=" + server.URL(), "TAPEDECK_NATS_PASSWORD=" + server.Password(role)}
		if database != "" {
			env = append(env, "TAPEDECK_DATABASE_URL="+database)
		}
		d.measure(name, processes.Start(t, name, filepath.Join(bin, binary), env, args...).Pid())
	}
	start("recorder", "recorder", stream.RoleRecorder, owner)
	start("api", "api", stream.RoleAPI, reader, "--http", address)
	start("analyzer 1", "analyzer", stream.RoleAnalyzer, "", "--market", "synthetic")
	start("analyzer 2", "analyzer", stream.RoleAnalyzer, "", "--market", "synthetic")
	d.tape = func() (*nats.Conn, error) {
		return stream.Connect(stream.ConnectConfig{URL: server.URL(), Role: streamtest.Admin, Password: server.Password(streamtest.Admin)})
	}
	d.ready(address)
	return d
}

// users makes the users of the roles in a PostgreSQL of this test, and finds its
// first process.
func users(t *testing.T) (owner, reader string, postmaster int) {
	t.Helper()
	instance := postgrestest.Start(t, "", postgrestest.Options{})
	owner, reader = instance.Users(t)
	ctx, cancel := context.WithTimeout(t.Context(), readyTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, instance.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if postmaster, err = processes.Parent(int(conn.PgConn().PID())); err != nil {
		t.Fatal(err)
	}
	return owner, reader, postmaster
}

func (d *deck) ready(address string) {
	d.t.Helper()
	processes.Until(d.t, readyTime, "the api to be ready", func() error {
		response, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

// oneOutcomeEach holds that every job was announced as completed, and that the
// tape has one outcome for each ticker of every job.
func (d *deck) oneOutcomeEach() {
	d.t.Helper()
	nc, err := d.tape()
	if err != nil {
		d.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		d.t.Fatal(err)
	}
	tape := stream.NewTape(js, nil)
	for id := range d.ledger.jobs {
		processes.Until(d.t, readyTime, "the end of job "+id+" to be announced", func() error {
			_, err := tape.JobEvent(d.t.Context(), id, "completed")
			return err
		})
	}
	outcomes, seen := map[string]int{}, map[string]int{}
	err = events.Replay(d.t.Context(), nc, events.ReplayConfig{}, func(recorded events.Recorded) error {
		switch data := recorded.Data.(type) {
		case *events.TickerAnalyzed:
			outcomes[data.JobID]++
			seen[data.JobID+"/"+data.Ticker]++
		case *events.TickerFailed:
			d.t.Errorf("job %s: %s failed: %s %s", data.JobID, data.Ticker, data.Code, data.Message)
		case *events.JobCompleted:
			seen[data.JobID]++
		}
		return nil
	})
	if err != nil {
		d.t.Fatalf("reading the tape: %v", err)
	}
	for id, total := range d.ledger.jobs {
		if outcomes[id] != total || seen[id] != 1 {
			d.t.Errorf("the tape has %d outcomes for the %d tickers of job %s, and %d ends", outcomes[id], total, id, seen[id])
		}
	}
	for what, n := range seen {
		if n != 1 && strings.Contains(what, "/") {
			d.t.Errorf("%s has %d outcomes", what, n)
		}
	}
	d.t.Logf("%d jobs, %d outcomes on the tape", len(d.ledger.jobs), len(seen)-len(d.ledger.jobs))
}

// tickers names n tickers that the synthetic market makes bars for.
func tickers(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("LOAD%05d.NS", i)
	}
	return list
}
