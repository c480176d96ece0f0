package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/soak"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

var wantedOutage = flag.Duration("outage", 8*time.Second, "how long the database is away in TestDatabaseAway")

const (
	// caughtUp is within what the recorder's lag is below a second again after the
	// database is back, while jobs go on coming in.
	caughtUp = time.Minute
	// loadEvery is the pause between two jobs of loadTickers tickers: 100 per second.
	loadEvery, loadTickers = 200 * time.Millisecond, 20
	// outageMemory is by how much a process may hold more while the database is
	// away than before, in bytes: what the collector lets go up and down. What came
	// in meanwhile is on the tape, not in memory.
	outageMemory = 32 << 20
)

// TestDatabaseAway takes PostgreSQL away under load, for as long as -outage says:
// it is killed and started again, or every process of it is stopped and goes on.
// The api accepts every job meanwhile, api and recorder hold no more than before,
// the recorder's lag is below a second again within a minute, and every job that
// was accepted completes.
func TestDatabaseAway(t *testing.T) {
	long(t)
	t.Parallel()
	for name, take := range map[string]func(*roles) (back func()){
		"killed": func(r *roles) func() {
			r.postgres.Kill()
			return func() { r.postgres.Restart(r.t) }
		},
		"hangs": (*roles).hang,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseAway(t, take)
		})
	}
}

// hang stops every process of the database until it is to go on.
func (r *roles) hang() (goOn func()) {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.postgres.URL())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	postmaster, err := processes.Parent(int(conn.PgConn().PID()))
	if err != nil {
		r.t.Fatal(err)
	}
	all := []int{postmaster}
	send := func(signal syscall.Signal) {
		for _, pid := range all {
			syscall.Kill(pid, signal) //nolint:errcheck // a backend may have ended
		}
	}
	send(syscall.SIGSTOP) // from here on it has no new children
	children, err := processes.Children(postmaster)
	if err != nil {
		r.t.Fatal(err)
	}
	all = append(all, children...)
	send(syscall.SIGSTOP)
	goOn = sync.OnceFunc(func() { send(syscall.SIGCONT) })
	r.t.Cleanup(goOn)
	return goOn
}

func databaseAway(t *testing.T, take func(*roles) (back func())) {
	r := onPostgres(t)
	r.migrate()
	recorder := r.recorder("recorder", r.owner)
	api := r.api()
	r.analyzer("analyzer-1")
	warm := r.completed(r.submit(client.Submission{Tickers: synthetic("WARM", 500)}).JobID, time.Minute)

	l := &steady{deck: &r.deck}
	watched := map[string]*processes.Program{"api": api, "recorder": recorder}
	before := memories(t, watched)
	l.during(3*time.Second, nil)
	for name, now := range memories(t, watched) {
		before[name] = max(before[name], now)
	}

	giveBack := take(r)
	refused := r.readsRefused(warm.JobID)
	samples, most := &soak.Samples{Coarse: *wantedOutage < soak.Short}, map[string]int64{}
	accepted := len(l.jobs)
	l.during(*wantedOutage, func() {
		for name, now := range memories(t, watched) {
			samples.Add("memory of "+name, soak.Bytes, 16<<20, float64(now))
			most[name] = max(most[name], now)
		}
	})
	unread := refused()
	accepted = len(l.jobs) - accepted
	if least := int(*wantedOutage/loadEvery) / 2; accepted < least {
		t.Errorf("%d jobs were accepted without the database, not %d: the slowest answer took %v", accepted, least, l.slowest)
	}
	for name, now := range most {
		if now > before[name]+outageMemory {
			t.Errorf("%s held %d MiB without the database, %d MiB before", name, now>>20, before[name]>>20)
		}
	}
	if names := soak.Growing(samples.Judge()); names != nil {
		t.Errorf("while the database is away it grows: %v", names)
	}
	behind := r.tapeEnd()

	back := time.Now()
	giveBack()
	up := time.Since(back)
	took := r.caughtUp(l, back)
	for _, job := range l.jobs {
		r.completed(job.id, time.Minute)
	}
	r.oneOutcomeEach(l.jobs[len(l.jobs)/2].id, l.jobs[len(l.jobs)/2].tickers)
	_, seq := r.verified()
	t.Logf("away for %v: %d jobs accepted meanwhile, %d refused, slowest answer %v; %d reads were 503; most memory of api %d MiB (%d before), of the recorder %d MiB (%d before); "+
		"PostgreSQL was up %v after its start, the lag (tape at %d) below 1 s after %v; %d jobs completed, verified to %d",
		*wantedOutage, accepted, l.refused, l.slowest.Round(time.Millisecond), unread, most["api"]>>20, before["api"]>>20, most["recorder"]>>20, before["recorder"]>>20,
		up.Round(time.Millisecond), behind, took.Round(10*time.Millisecond), len(l.jobs), seq)
}

// readsRefused reads a job again and again while the database is away. stop ends
// that and returns how many reads were refused, each of which must have said
// when to come again.
func (r *roles) readsRefused(id string) (stop func() (refused int)) {
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan int)
	go func() {
		refused := 0
		for ctx.Err() == nil {
			_, err := r.client.Job(ctx, id)
			problem := new(client.Problem)
			switch {
			case ctx.Err() != nil || err == nil:
			case errors.As(err, &problem) && problem.Status == http.StatusServiceUnavailable && problem.RetryAfter != "":
				refused++
			default:
				r.t.Errorf("reading a job without the database: %v", err)
			}
			select {
			case <-time.After(loadEvery):
			case <-ctx.Done():
			}
		}
		ended <- refused
	}()
	return func() int { cancel(); return <-ended }
}

// steady submits jobs at a steady rate; each must be accepted.
type steady struct {
	deck    *deck
	jobs    []submitted
	refused int
	slowest time.Duration // answer
}

type submitted struct {
	id      string
	tickers []string
}

// during submits for a time, and looks after each job.
func (l *steady) during(length time.Duration, look func()) {
	l.deck.t.Helper()
	next := time.NewTicker(loadEvery)
	defer next.Stop()
	for began := time.Now(); time.Since(began) < length; <-next.C {
		l.one()
		if look != nil {
			look()
		}
	}
}

func (l *steady) one() {
	l.deck.t.Helper()
	tickers := synthetic(fmt.Sprintf("AWAY%d-", len(l.jobs)), loadTickers)
	asked := time.Now()
	accepted, err := l.deck.client.Submit(l.deck.t.Context(), client.Submission{Tickers: tickers}, "")
	l.slowest = max(l.slowest, time.Since(asked))
	if err != nil {
		l.refused++
		l.deck.t.Errorf("job %d is not accepted: %v", len(l.jobs), err)
		return
	}
	l.jobs = append(l.jobs, submitted{accepted.JobID, tickers})
}

// caughtUp goes on submitting until what is recorded is what was on the tape a
// second ago, and returns how long after a time that was.
func (r *roles) caughtUp(l *steady, back time.Time) time.Duration {
	r.t.Helper()
	reading, err := dsn.OpenReader(r.reader, dsn.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer reading.Close()
	type end struct {
		seq uint64
		at  time.Time
	}
	var ends []end // of the tape, oldest first
	for {
		now := end{r.tapeEnd(), time.Now()}
		ends = append(ends, now)
		position, err := reading.Position(r.t.Context())
		at := slices.IndexFunc(ends, func(e end) bool { return e.seq > position.Seq })
		if at < 0 {
			at = len(ends)
		}
		if err == nil && at > 0 && time.Since(ends[at-1].at) < time.Second {
			return time.Since(back)
		}
		if time.Since(back) > caughtUp {
			r.t.Fatalf("%v after the database is back the recorder stands at %d of %d (%v)", time.Since(back), position.Seq, now.seq, err)
		}
		l.during(loadEvery, nil)
	}
}

// tapeEnd is the last sequence of the tape.
func (r *roles) tapeEnd() uint64 {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), readyTime)
	defer cancel()
	tape, err := r.nats.JetStream(streamtest.Admin).Stream(ctx, stream.Tape)
	if err != nil {
		r.t.Fatal(err)
	}
	return tape.CachedInfo().State.LastSeq
}

func memories(t *testing.T, programs map[string]*processes.Program) map[string]int64 {
	t.Helper()
	list := map[string]int64{}
	for name, program := range programs {
		resident, err := processes.Resident(program.Pid())
		if err != nil {
			t.Fatal(err)
		}
		list[name] = resident
	}
	return list
}

const (
	// smallTape holds the outcomes of some 700 tickers.
	smallTape = 4 << 20
	// tapeJob is the size of the jobs that fill it, and overflow that of one that
	// does not fit whole.
	tapeJob, overflow = 50, 1500
)

// TestTapeFull fills a small tape. A job that it has no room for is refused
// whole; those that were accepted complete; and one whose outcomes do not fit
// waits, and completes when the limit is raised.
func TestTapeFull(t *testing.T) {
	long(t)
	t.Parallel()
	r := onSQLite(t)
	r.operate("provision", "--tape-max-bytes", fmt.Sprint(smallTape))
	r.migrate()
	r.recorder("recorder", r.owner)
	r.api()
	r.analyzer("analyzer-1")

	accepted := map[string]string{} // ids by key
	var refusal error
	for i := 0; refusal == nil; i++ {
		if i > 100 {
			t.Fatal("the tape is never full")
		}
		key := fmt.Sprintf("full-%d", i)
		answer, err := r.client.Submit(t.Context(), client.Submission{Tickers: synthetic(fmt.Sprintf("FULL%d-", i), tapeJob)}, key)
		if refusal = err; err == nil {
			accepted[key] = answer.JobID
			r.completed(answer.JobID, time.Minute)
		}
	}
	r.refusedWhole(refusal, accepted)
	again, err := r.client.Submit(t.Context(), client.Submission{Tickers: synthetic("FULL0-", tapeJob)}, "full-0")
	if err != nil || again.JobID != accepted["full-0"] {
		t.Errorf("a job that was accepted is answered with %+v, %v", again, err)
	}

	r.operate("provision", "--tape-max-bytes", fmt.Sprint(2*smallTape))
	var big client.Accepted
	tickers := synthetic("OVER", overflow)
	processes.Until(t, readyTime, "room for a job", func() error { // the api asks the tape each second
		big, err = r.client.Submit(t.Context(), client.Submission{Tickers: tickers}, "overflow")
		return err
	})
	accepted["overflow"] = big.JobID
	r.stuck()
	_, err = r.client.Submit(t.Context(), client.Submission{Tickers: []string{"TCS.NS"}}, "one-more")
	r.refusedWhole(err, accepted)
	job, err := r.job(big.JobID)
	if err != nil || job.Pending == 0 || job.Failed > 0 || job.Status.Ended() {
		t.Errorf("the job whose outcomes have no room reads %+v, %v", job, err)
	}
	r.operate("provision", "--tape-max-bytes", fmt.Sprint(16*smallTape))
	r.completed(big.JobID, afterKills)
	r.oneOutcomeEach(big.JobID, tickers)
	r.verified()
	t.Logf("%d jobs accepted before the first refusal; the large one had %d of %d pending when the tape was full", len(accepted)-1, job.Pending, job.Total)
}

// refusedWhole holds that a refusal is a 503 that says when to come again, and
// that the tape has the jobs that were accepted and no other.
func (r *roles) refusedWhole(refusal error, accepted map[string]string) {
	r.t.Helper()
	problem := new(client.Problem)
	if !errors.As(refusal, &problem) || problem.Status != http.StatusServiceUnavailable || problem.Code != "tape_full" || problem.RetryAfter == "" {
		r.t.Errorf("a job is refused with %v", refusal)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	nc := r.tape()
	defer nc.Close()
	queued := map[string]bool{}
	if err := events.Replay(ctx, nc, events.ReplayConfig{}, func(recorded events.Recorded) error {
		if job, ok := recorded.Data.(*events.JobQueued); ok {
			queued[job.JobID] = true
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	for key, id := range accepted {
		if !queued[id] {
			r.t.Errorf("job %s, accepted with key %s, is not on the tape", id, key)
		}
	}
	if len(queued) != len(accepted) {
		r.t.Errorf("%d jobs were accepted, the tape has %d", len(accepted), len(queued))
	}
}

// stuck waits until the tape takes nothing more.
func (r *roles) stuck() {
	r.t.Helper()
	last, since := r.tapeEnd(), time.Now()
	processes.Until(r.t, time.Minute, "the tape to be full", func() error {
		if end := r.tapeEnd(); end != last {
			last, since = end, time.Now()
		}
		if quiet := time.Since(since); quiet < 2*time.Second {
			return fmt.Errorf("it grew to %d %v ago", last, quiet)
		}
		return nil
	})
}
