package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// A roles deck is a nats-server, a database, and the programs of the roles,
// each a process of its own with the rights of its role.
type roles struct {
	deck
	nats     *streamtest.Proc
	postgres *postgrestest.Instance // nil on SQLite
	owner    string                 // address of the database for the recorder
	reader   string                 // and for the api
	address  string                 // of the api
}

// onPostgres starts a nats-server, provisioned by the command for that, and a
// PostgreSQL with the users of the roles. No role runs yet.
func onPostgres(t *testing.T) *roles {
	t.Helper()
	r := newRoles(t)
	r.postgres = postgrestest.Start(t, "", postgrestest.Options{})
	r.owner, r.reader = r.postgres.Users(t)
	return r
}

// onSQLite is the same with a SQLite file.
func onSQLite(t *testing.T) *roles {
	t.Helper()
	return onSQLiteWith(t)
}

// onSQLiteWith is onSQLite on a nats-server with options.
func onSQLiteWith(t *testing.T, opts ...streamtest.Option) *roles {
	t.Helper()
	r := newRoles(t, opts...)
	r.owner = "sqlite:" + filepath.Join(t.TempDir(), "deck.db")
	r.reader = r.owner
	return r
}

func newRoles(t *testing.T, opts ...streamtest.Option) *roles {
	t.Helper()
	r := &roles{nats: streamtest.Process(t, t.TempDir(), append(opts, streamtest.Bare())...), address: processes.FreeAddress(t)}
	r.t = t
	r.operatorEnv = r.env(stream.RoleProvisioner, "")
	r.tape = func() *nats.Conn { return r.nats.Conn(streamtest.Admin) }
	r.listen(r.address)
	r.operate("provision")
	return r
}

// env are the variables of a role's process.
func (r *roles) env(role stream.Role, database string) []string {
	env := []string{"TAPEDECK_NATS_URL=" + r.nats.URL(), "TAPEDECK_NATS_PASSWORD=" + r.nats.Password(role)}
	if database != "" {
		env = append(env, "TAPEDECK_DATABASE_URL="+database)
	}
	return env
}

func (r *roles) api() *processes.Program {
	r.t.Helper()
	p := start(r.t, "api", "api", r.env(stream.RoleAPI, r.reader), "--http", r.address)
	r.ready()
	return p
}

func (r *roles) analyzer(name string, args ...string) *processes.Program {
	r.t.Helper()
	return start(r.t, name, "analyzer", r.env(stream.RoleAnalyzer, ""), append([]string{"--market", "synthetic"}, args...)...)
}

func (r *roles) recorder(name, database string, args ...string) *processes.Program {
	r.t.Helper()
	return start(r.t, name, "recorder", r.env(stream.RoleRecorder, database), args...)
}

// migrate makes the tables before an api looks for them.
func (r *roles) migrate() {
	r.t.Helper()
	command(r.t, 0, nil, "tapedeck", "migrate", "--database-url", r.owner)
}

// TestRoles runs a job through the programs of the roles, and records the same
// tape a second time: both databases must give the same sum.
func TestRoles(t *testing.T) {
	r := onPostgres(t)
	r.migrate()
	r.recorder("recorder", r.owner)
	r.api()
	r.analyzer("analyzer-1")
	r.analyzer("analyzer-2")
	tickers := synthetic("ROLE", 400)
	job := r.completed(r.submit(client.Submission{Tickers: tickers}).JobID, time.Minute)
	r.oneOutcomeEach(job.JobID, tickers)

	out, errOut := r.use(0, "analyze", "TCS.NS", "INFY.NS", "AAPL", "--progress", "plain")
	for _, want := range []string{"TCS.NS", "INFY.NS", "AAPL", "synthetic"} {
		if !strings.Contains(out, want) {
			t.Errorf("analyze prints no %s:\n%s%s", want, out, errOut)
		}
	}

	r.use(0, "backtest", "TCS.NS", "INFY.NS", "--from", "2024-01-01", "--to", "2024-12-31", "--progress", "none")

	asked, seq := r.verified() // the recorder itself is asked
	second := "sqlite:" + filepath.Join(t.TempDir(), "second.db")
	r.recorder("recorder-sqlite", second)
	processes.Until(t, time.Minute, "the second recorder", func() error {
		if at, err := position(t, second); err != nil || at < seq {
			return fmt.Errorf("it has recorded to %d of %d, %v", at, seq, err)
		}
		return nil
	})
	onPostgres, atPostgres := r.verify("--offline", "--database-url", r.owner)
	onSQLite, atSQLite := r.verify("--offline", "--database-url", second)
	if atPostgres != seq || atSQLite != seq || onPostgres != asked || onSQLite != asked {
		t.Errorf("one tape, three sums:\n%d %s asked of the recorder\n%d %s on PostgreSQL\n%d %s on SQLite",
			seq, asked, atPostgres, onPostgres, atSQLite, onSQLite)
	}
	t.Logf("sequence %d, sha256 %s on PostgreSQL and on SQLite", seq, asked)
}

// position is the sequence up to which a database is recorded.
func position(t *testing.T, address string) (uint64, error) {
	t.Helper()
	reading, err := dsn.OpenReader(address, dsn.Options{})
	if err != nil {
		return 0, err
	}
	defer reading.Close()
	at, err := reading.Position(t.Context())
	return at.Seq, err
}
