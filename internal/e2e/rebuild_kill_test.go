package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// How often TestRebuildKilled kills on each database, and where it goes on.
var (
	rebuildKills = flag.Int("kills", 3, "how many rebuilds and verifications TestRebuildKilled kills on each database, in up to six ways")
	killedBefore = flag.Int("killed", 0, "how many it killed in runs before: these are the kills after them, in other ways and at other moments")
)

// goldenRatio spreads the moments of the kills evenly over a rebuild, however
// many there are.
var goldenRatio = (math.Sqrt(5) - 1) / 2

// betweenJobs keeps the tape from growing faster than a busy machine rebuilds.
const betweenJobs = 150 * time.Millisecond

// TestRebuildKilled kills rebuilds and verifications, those who asked for
// them, the recorder and PostgreSQL beneath them, at moments all over their
// course, while jobs run and readers read. No read fails but while PostgreSQL
// itself is away, none sees less than one before it or other results of a job
// that had ended; the next rebuild succeeds and leaves nothing behind; at the
// end verify is silent, and the tables made anew give the same sum.
func TestRebuildKilled(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		long(t)
		t.Parallel()
		testRebuildKilled(t, onSQLite(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		long(t)
		t.Parallel()
		testRebuildKilled(t, onPostgres(t))
	})
}

func testRebuildKilled(t *testing.T, r *roles) {
	r.migrate()
	k := &killing{roles: r, scratch: t.TempDir()}
	k.recorder = start(t, "recorder", "recorder", append(r.env("recorder", r.owner), "TMPDIR="+k.scratch))
	r.api()
	r.analyzer("analyzer", slow...)
	k.ended = r.completed(r.submit(client.Submission{Tickers: synthetic("OLD", 400)}).JobID, time.Minute).JobID

	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	readers.Go(func() { k.submitAndFollow(ctx) })
	readers.Go(func() { k.readResults(ctx) })
	k.rebuild()
	kinds := k.kinds()
	for i := *killedBefore; i < *killedBefore+*rebuildKills; i++ {
		kind := kinds[i%len(kinds)]
		_, fraction := math.Modf(float64(i) * goldenRatio) // from 0 on
		moment := time.Duration(fraction * float64(k.took))
		kind.kill(moment)
		t.Logf("%s killed after %v of %v: %s", kind.what, moment.Round(time.Millisecond), k.took.Round(time.Millisecond), k.leftBehind())
		k.rebuild()
		if left := k.leftBehind(); left != nothingLeft {
			t.Errorf("after a whole rebuild: %s", left)
		}
	}
	stop()
	readers.Wait()
	t.Logf("%d kills, %d jobs, %d reads of them, %d reads of results", *rebuildKills, len(k.jobs), k.reads, k.resultReads)
	if len(k.jobs) == 0 || k.resultReads == 0 {
		t.Error("nothing went on beside the kills")
	}
	for i, id := range k.jobs {
		r.completed(id, time.Minute)
		r.oneOutcomeEach(id, k.tickers(i))
	}
	before, at := r.verified()
	r.operate("rebuild")
	if after, seq := r.verified(); after != before || seq != at {
		t.Errorf("at %d the sum was %s; made anew, at %d it is %s", at, before, seq, after)
	}
	k.scratchIsRemoved()
	if !t.Failed() {
		k.loseTheStart()
	}
}

// scratchIsRemoved: the next verification removes what those left that were killed.
func (k *killing) scratchIsRemoved() {
	k.t.Helper()
	command(k.t, 0, append([]string{"TMPDIR=" + k.scratch}, k.operatorEnv...), "tapedeck", "verify", "--offline", "--database-url", k.owner)
	left, err := filepath.Glob(filepath.Join(k.scratch, "tapedeck-*"))
	if err != nil || len(left) > 0 {
		k.t.Errorf("%v is left of verifications, %v", left, err)
	}
}

// loseTheStart lets a limit take the oldest events from the tape: rebuild and
// verify say exactly what is left and change nothing, and recording goes on.
// Where that is accepted, verify compares what is left, and after a rebuild of
// it verify finds nothing again.
func (k *killing) loseTheStart() {
	t := k.t
	t.Helper()
	for i := range 3 {
		job := k.submit(client.Submission{Tickers: synthetic(fmt.Sprint("LATE", i), 60)}).JobID
		k.jobs = append(k.jobs, k.completed(job, time.Minute).JobID)
	}
	k.verified()     // by now the end of the last one is announced
	const kept = 150 // two jobs of 60 tickers, and a part of the one before
	js := k.nats.JetStream(streamtest.Admin)
	tape, err := js.Stream(t.Context(), stream.Tape)
	if err != nil {
		t.Fatal(err)
	}
	config := tape.CachedInfo().Config
	config.Discard, config.MaxMsgs = jetstream.DiscardOld, kept
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	first := tape.CachedInfo().State.LastSeq - kept + 1
	n := len(k.jobs)
	wants := []string{
		fmt.Sprintf("first event is %d, events 1 to %d are gone", first, first-1),
		fmt.Sprintf("of %d jobs recorded", n+1),
		fmt.Sprintf("2 can be rebuilt whole (%s and", k.jobs[n-2]),
		fmt.Sprintf("1 are cut (%s:", k.jobs[n-3]),
		fmt.Sprintf("%d are gone", n+1-3),
		"come from whole jobs", "nothing was changed",
	}
	results := k.results(k.ended)
	for _, verb := range []string{"rebuild", "verify"} {
		_, errOut := command(t, 1, k.operatorEnv, "tapedeck", verb)
		for _, want := range wants {
			if !strings.Contains(errOut, want) {
				t.Errorf("%s does not say %q: %s", verb, want, errOut)
			}
		}
		if verb == "rebuild" {
			t.Log(errOut)
		}
	}
	if !reflect.DeepEqual(k.results(k.ended), results) {
		t.Error("a refusal changed results")
	}
	unverified := fmt.Sprintf("the tape begins with event %d: whether the tables lack anything of events 1 to %d cannot be told any more", first, first-1)
	out := k.operate("verify", "--accept-missing")
	if !strings.Contains(out, "differences 0") || !strings.Contains(out, unverified) || !strings.Contains(out, fmt.Sprintf("of %d jobs that were accepted before it", n+1-2)) {
		t.Errorf("verify --accept-missing says: %s", out)
	}
	k.operate("provision")
	k.completed(k.submit(client.Submission{Tickers: synthetic("AFTER", 50)}).JobID, time.Minute)
	k.operate("rebuild", "--accept-missing")
	out = k.operate("verify")
	if !strings.Contains(out, "differences 0") || !strings.Contains(out, unverified) || strings.Contains(out, "not compared") {
		t.Errorf("after the rebuild, verify says: %s", out)
	}
}

// A killing is a pipeline whose rebuilds are killed, with what goes on beside.
type killing struct {
	*roles
	recorder *processes.Program
	scratch  string // where verifications have their own tables
	ended    string // a job that had ended before
	took     time.Duration
	away     atomic.Bool // PostgreSQL is, on purpose

	// Of the readers, until they have ended.
	jobs               []string
	reads, resultReads int
}

// A kind is one way to kill; kill returns with everything running again.
type kind struct {
	what string
	kill func(moment time.Duration)
}

func (k *killing) kinds() []kind {
	offline := []string{"--offline", "--database-url", k.owner}
	kinds := []kind{
		{"the recorder that rebuilds", func(moment time.Duration) {
			asked := k.command("rebuild")
			k.toMiddle(asked, moment)
			k.crashRecorder()
			asked.Crash()
			k.recorder.Start()
		}},
		{"a verification that works by itself", func(moment time.Duration) {
			working := k.command("verify", offline...)
			k.pass(moment)
			working.Crash()
		}},
		{"a rebuild that works by itself", func(moment time.Duration) {
			k.recorder.Stop()
			working := k.command("rebuild", offline...)
			k.pass(moment)
			working.Crash()
			k.expire()
			k.recorder.Start()
		}},
		{"who asked for the rebuild", func(moment time.Duration) {
			asked := k.command("rebuild")
			k.pass(moment)
			asked.Crash()
		}},
		{"the recorder that verifies", func(moment time.Duration) {
			asked := k.command("verify")
			k.pass(moment)
			k.crashRecorder()
			asked.Crash()
			k.recorder.Start()
		}},
	}
	if k.postgres != nil {
		kinds = slices.Insert(kinds, 2, kind{"PostgreSQL", func(moment time.Duration) {
			asked := k.command("rebuild")
			k.pass(moment)
			k.away.Store(true)
			k.postgres.Kill()
			k.postgres.Restart(k.t)
			k.ready()
			k.away.Store(false)
			asked.Crash()
		}})
	}
	return kinds
}

// command starts one of the operator's commands that may be killed.
func (k *killing) command(verb string, flags ...string) *processes.Program {
	k.t.Helper()
	env := append([]string{"TMPDIR=" + k.scratch}, k.operatorEnv...)
	return start(k.t, verb, "tapedeck", env, append([]string{verb}, flags...)...)
}

// pass lets the time pass until the moment of a kill.
func (k *killing) pass(moment time.Duration) {
	select {
	case <-time.After(moment):
	case <-k.t.Context().Done():
	}
}

// toMiddle lets the time pass until the new tables are there, and then what is
// left of the moment, if anything.
func (k *killing) toMiddle(rebuild *processes.Program, moment time.Duration) {
	k.t.Helper()
	began := time.Now()
	for k.leftBehind() == nothingLeft && rebuild.Running() {
		k.pass(time.Millisecond)
	}
	k.pass(moment - time.Since(began))
}

func (k *killing) crashRecorder() {
	k.recorder.Kill()
	k.expire()
}

// expire ends the lease of who was killed just now, which the next would wait
// out otherwise, for 6 s. The fence does not rest on it.
func (k *killing) expire() {
	k.t.Helper()
	if k.postgres != nil {
		if err := postgrestest.Exec(k.owner, `UPDATE tapedeck.checkpoint SET lease_until = 0`); err != nil {
			k.t.Fatalf("expiring the lease: %v", err)
		}
		return
	}
	file, err := filepath.EvalSymlinks(strings.TrimPrefix(k.owner, "sqlite:"))
	if err != nil {
		k.t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?mode=rw&_pragma=busy_timeout(5000)")
	if err != nil {
		k.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE checkpoint SET lease_until = 0`); err != nil {
		k.t.Fatalf("expiring the lease: %v", err)
	}
}

// rebuild carries one out to its end, as soon as the recorder takes it: the
// killed one's last commit may have lengthened its lease once more, and a
// rebuild that was asked for before may go on.
func (k *killing) rebuild() {
	k.t.Helper()
	var began time.Time
	processes.Until(k.t, readyTime, "a whole rebuild", func() error {
		began = time.Now()
		ctx, cancel := context.WithTimeout(k.t.Context(), processes.CommandTime)
		defer cancel()
		rebuild := exec.CommandContext(ctx, path("tapedeck"), append([]string{"rebuild"}, k.operator...)...)
		rebuild.Env = append(processes.Environment(), k.operatorEnv...)
		out, err := rebuild.CombinedOutput()
		if err == nil {
			return nil
		}
		for _, legal := range []string{"no recorder serves", "under way already", "ask again"} {
			if strings.Contains(string(out), legal) {
				return errors.New(string(out))
			}
		}
		k.t.Fatalf("rebuilding: %v: %s", err, out)
		return nil
	})
	k.took = time.Since(began)
}

const nothingLeft = "nothing is left behind"

// leftBehind says which tables there are beside the ones that serve.
func (k *killing) leftBehind() string {
	k.t.Helper()
	if k.postgres != nil {
		var left []string
		for _, schema := range []string{"tapedeck_shadow", "tapedeck_old"} {
			err := postgrestest.Exec(k.owner, `DO $$ BEGIN
				IF EXISTS (SELECT FROM pg_namespace WHERE nspname = '`+schema+`') THEN RAISE 'it is there'; END IF; END $$`)
			switch {
			case err == nil:
			case strings.Contains(err.Error(), "it is there"):
				left = append(left, schema)
			default:
				k.t.Fatal(err)
			}
		}
		return leftOf(left)
	}
	path := strings.TrimPrefix(k.owner, "sqlite:")
	current, err := os.Readlink(path)
	if err != nil {
		k.t.Fatal(err)
	}
	files, err := filepath.Glob(path + ".g*")
	if err != nil {
		k.t.Fatal(err)
	}
	var left []string
	for _, file := range files {
		if name := filepath.Base(file); !strings.HasPrefix(name, filepath.Base(current)) {
			left = append(left, name)
		}
	}
	return leftOf(left)
}

func leftOf(left []string) string {
	if len(left) == 0 {
		return nothingLeft
	}
	return strings.Join(left, ", ") + " left behind"
}

// submitAndFollow submits small jobs one after the other and polls each until
// it has ended.
func (k *killing) submitAndFollow(ctx context.Context) {
	for ctx.Err() == nil {
		// Not cut short by the end: a job that was accepted all the same would not be known here.
		accepted, err := k.client.Submit(k.t.Context(), client.Submission{Tickers: k.tickers(len(k.jobs))}, "")
		if err != nil {
			k.t.Errorf("submitting: %v", err)
			return
		}
		k.jobs = append(k.jobs, accepted.JobID)
		p := poller{client: k.client, id: accepted.JobID, excused: k.away.Load}
		for !p.last.Status.Ended() && p.read(ctx) {
			k.pass(pollPause)
		}
		k.reads += p.reads
		if p.wrong != nil {
			k.t.Errorf("after %d reads of job %s: %v", p.reads, p.id, p.wrong)
			return
		}
		k.pass(betweenJobs)
	}
}

// tickers are those of the i-th job.
func (k *killing) tickers(i int) []string { return synthetic(fmt.Sprintf("N%d", i), 60) }

// readResults reads the results of the job that had ended, which are the same
// each time.
func (k *killing) readResults(ctx context.Context) {
	query := url.Values{"limit": {"1000"}}
	var first []client.Result
	last := uint64(0)
	for ctx.Err() == nil {
		excused := k.away.Load()
		page, err := k.client.Results(ctx, k.ended, query)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !client.IsNotFound(err) && (excused || k.away.Load()):
			continue
		case err != nil:
			k.t.Errorf("reading results: %v", err)
			return
		case first == nil:
			first = page.Items
		case page.AsOfSeq < last || !reflect.DeepEqual(page.Items, first):
			k.t.Errorf("as of %d after %d, %d results after %d: not the same", page.AsOfSeq, last, len(page.Items), len(first))
			return
		}
		last = page.AsOfSeq
		k.resultReads++
		k.pass(pollPause)
	}
}
