package e2e_test

import (
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// TestUndurableTape: a recorder does not start on a server that is known to sync
// late, unless that is accepted, and doctor names it.
func TestUndurableTape(t *testing.T) {
	t.Parallel()
	monitor := processes.FreeAddress(t)
	r := onSQLiteWith(t, streamtest.WithConf(func(conf string) string {
		return "http: \"" + monitor + "\"\n" + strings.Replace(conf, "sync_interval: always", `sync_interval: "2m"`, 1)
	}))
	asked := []string{"--nats-monitor", "http://" + monitor}
	_, errOut := command(t, 1, r.env(stream.RoleRecorder, r.owner), "recorder", asked...)
	for _, want := range []string{"sync_interval 2m0s", "sync_interval: always", "--accept-loss-on-power-failure"} {
		if !strings.Contains(errOut, want) {
			t.Errorf("the recorder does not say %q: %s", want, errOut)
		}
	}
	r.recorder("recorder", r.owner, append(asked, "--accept-loss-on-power-failure")...)
	r.analyzer("analyzer")
	processes.Until(t, readyTime, "the tables", func() error { _, err := position(t, r.owner); return err })
	r.api()
	r.completed(r.submit(client.Submission{Tickers: synthetic("LOOSE", 20)}).JobID, time.Minute)
	out, _ := command(t, 1, r.operatorEnv, "tapedeck", append([]string{"doctor", "--database-url", r.owner}, asked...)...)
	if !strings.Contains(out, "a power failure takes what the tape acknowledged (sync_interval 2m0s)") {
		t.Errorf("doctor says\n%s", out)
	}
}

// TestSchemaOfNewerProgram: no program uses tables that exclude it; each says
// what to do. The api lives, takes jobs, and answers reads with 503.
func TestSchemaOfNewerProgram(t *testing.T) {
	t.Parallel()
	r := onSQLite(t)
	r.migrate()
	file := strings.TrimPrefix(r.owner, "sqlite:")
	exclude(t, file)
	_, errOut := command(t, 1, r.env(stream.RoleRecorder, r.owner), "recorder")
	for _, verb := range []string{"migrate", "verify", "doctor"} {
		args := []string{verb, "--database-url", r.owner}
		if verb == "verify" {
			args = append(args, "--offline")
		}
		env := r.operatorEnv
		if verb == "migrate" {
			env = nil
		}
		out, text := command(t, 1, env, "tapedeck", args...)
		errOut += "\n" + verb + ": " + out + text
	}
	if n := strings.Count(errOut, "upgrade tapedeck"); n < 4 {
		t.Errorf("%d of 4 say to upgrade:\n%s", n, errOut)
	}
	start(t, "api", "api", r.env(stream.RoleAPI, r.reader), "--http", r.address)
	var accepted client.Accepted
	processes.Until(t, readyTime, "the api to take a job", func() (err error) {
		accepted, err = r.client.Submit(t.Context(), client.Submission{Tickers: []string{"TCS.NS"}}, "one")
		return err
	})
	var problem *client.Problem
	if _, err := r.client.Job(t.Context(), accepted.JobID); !errors.As(err, &problem) || problem.Status != http.StatusServiceUnavailable || problem.RetryAfter == "" {
		t.Errorf("reading from tables that exclude the program: %v", err)
	}
	response, err := http.Get(r.base + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz says %s", response.Status)
	}
}

// exclude makes the last migration of a database one that this program is too old for.
func exclude(t *testing.T, path string) {
	t.Helper()
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE migrations SET min_program = 1000 WHERE number = (SELECT max(number) FROM migrations)`); err != nil {
		t.Fatal(err)
	}
}
