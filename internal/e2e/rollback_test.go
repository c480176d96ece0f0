package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
)

// previous is the revision that TestRollback goes back to.
var previous = flag.String("previous", "", "a revision, such as HEAD^, to whose api and recorder TestRollback goes back; none leaves it out")

// besideTime is how long jobs run on each set of programs.
const besideTime = 2 * time.Second

// TestRollback migrates with today's program, runs, goes back to an older
// revision's apis and recorders one at a time without touching the schema,
// runs, and goes forward again. Beside that somebody submits, reads, and
// follows all events without a pause: no request fails, every job completes,
// no event of a job is missed, and verify is silent.
func TestRollback(t *testing.T) {
	if *previous == "" {
		t.Skip("builds another revision's programs: left out without -previous HEAD^")
	}
	old := buildPrevious(t, *previous)
	r := onPostgres(t)
	r.migrate()
	b := &rolling{roles: r}
	b.balance()
	b.recorders = [2]*processes.Program{b.startRecorder(0, binaries), nil}
	r.leader()
	b.recorders[1] = b.startRecorder(1, binaries)
	for i := range b.apis {
		b.apis[i] = b.startAPI(i, binaries)
	}
	r.analyzer("analyzer-1", slow...)
	r.analyzer("analyzer-2", slow...)
	r.ready()

	ctx, stop := context.WithCancel(t.Context())
	users := make([]user, 3)
	var work sync.WaitGroup
	for i := range users {
		users[i] = user{client: r.client, prefix: fmt.Sprintf("U%dX", i)}
		work.Go(func() { users[i].run(ctx) })
	}
	for _, programs := range []string{old, binaries} {
		b.wait(besideTime)
		for i := range b.apis {
			b.replaceAPI(i, programs)
		}
		b.replaceRecorders(programs)
		b.wait(besideTime)
	}
	stop()
	work.Wait()
	for _, u := range users {
		t.Logf("%d requests, %d jobs, %d outcomes seen", u.requests, len(u.jobs), u.seen)
		if u.wrong != nil {
			t.Error(u.wrong)
		}
		if len(u.jobs) == 0 {
			t.Error("nothing was submitted beside the change")
		}
		for i, id := range u.jobs {
			r.completed(id, time.Minute)
			r.oneOutcomeEach(id, u.tickers(i))
		}
	}
	r.verified()
}

// buildPrevious builds api and recorder of a revision, and skips out loud
// where the history does not reach that far.
func buildPrevious(t *testing.T, revision string) (dir string) {
	t.Helper()
	source, dir := t.TempDir(), t.TempDir()
	archive := filepath.Join(source, "source.tar")
	git := exec.Command("git", "archive", "--output", archive, revision)
	git.Dir = filepath.Join("..", "..")
	if out, err := git.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: %s cannot be had here (no git, or a shallow clone): %v\n%s", revision, err, out)
	}
	if out, err := exec.Command("tar", "-xf", archive, "-C", source).CombinedOutput(); err != nil {
		t.Fatalf("unpacking %s: %v\n%s", revision, err, out)
	}
	began := time.Now()
	if err := processes.Build(source, dir); err != nil {
		t.Fatal(err)
	}
	t.Logf("built %s in %v", revision, time.Since(began).Round(time.Second))
	return dir
}

// rolling is a pipeline with two apis behind a balancer and two recorders, of
// which each can be replaced by another revision's.
type rolling struct {
	*roles
	apis      [2]*processes.Program
	addresses [2]string
	recorders [2]*processes.Program
	starts    int

	mu   sync.Mutex // guards the fields below
	in   [2]bool    // which apis the balancer sends to
	next int
	busy [2]sync.WaitGroup // requests under way but event streams, which a stop ends
}

// balance starts the balancer, which is the address of the api from then on.
func (b *rolling) balance() {
	var proxies [2]*httputil.ReverseProxy
	for i := range proxies {
		b.addresses[i] = processes.FreeAddress(b.t)
		to := &url.URL{Scheme: "http", Host: b.addresses[i]}
		// SetURL also names the api's own address as the host, the one that it answers to.
		proxies[i] = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		i, done, err := b.choose(strings.HasSuffix(request.URL.Path, "/events"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer done()
		proxies[i].ServeHTTP(w, request)
	}))
	b.t.Cleanup(server.Close)
	b.listen(strings.TrimPrefix(server.URL, "http://"))
}

func (b *rolling) choose(stream bool) (i int, done func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	for k := range b.in {
		i := (b.next + k) % len(b.in)
		if !b.in[i] {
			continue
		}
		if stream {
			return i, func() {}, nil
		}
		b.busy[i].Add(1)
		return i, b.busy[i].Done, nil
	}
	return 0, nil, errors.New("no api is ready")
}

func (b *rolling) setIn(i int, in bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.in[i] = in
}

func (b *rolling) startAPI(i int, programs string) *processes.Program {
	b.starts++
	p := start(b.t, fmt.Sprintf("api-%d-start-%d", i+1, b.starts), filepath.Join(programs, "api"), b.env("api", b.reader), "--http", b.addresses[i])
	one := deck{t: b.t, base: "http://" + b.addresses[i]}
	one.ready()
	b.setIn(i, true)
	return p
}

// replaceAPI takes an api out of the balancer, lets its requests end, stops it
// and puts another revision's in its place.
func (b *rolling) replaceAPI(i int, programs string) {
	b.setIn(i, false)
	b.busy[i].Wait()
	b.apis[i].Stop()
	b.apis[i] = b.startAPI(i, programs)
}

func (b *rolling) startRecorder(i int, programs string) *processes.Program {
	b.starts++
	p := start(b.t, fmt.Sprintf("recorder-%d-start-%d", i+1, b.starts), filepath.Join(programs, "recorder"), b.env("recorder", b.owner))
	processes.Until(b.t, readyTime, "the recorder to start", func() error {
		if !strings.Contains(p.Logs(), "recorder started") {
			return errors.New("it does not say so")
		}
		return nil
	})
	return p
}

// replaceRecorders replaces the standby, then the one that leads, so that the
// other revision's takes over, then waits until it has recorded something.
func (b *rolling) replaceRecorders(programs string) {
	before := b.leader()
	b.recorders[1].Stop()
	b.recorders[1] = b.startRecorder(1, programs)
	b.recorders[0].Stop()
	_, at, err := b.standing()
	if err != nil {
		b.t.Fatal(err)
	}
	processes.Until(b.t, takeOver, "the other revision's recorder to record", func() error {
		owner, seq, err := b.standing()
		switch {
		case err != nil:
			return err
		case owner == before || owner == "":
			return fmt.Errorf("the lease is %q's", owner)
		case seq <= at:
			return errors.New("nothing more is recorded")
		}
		return nil
	})
	anchored, err := b.anchor()
	b.t.Logf("recorded under another revision's lease: anchor %s, %v", anchored, err)
	b.recorders[0] = b.startRecorder(0, programs)
	b.recorders[0], b.recorders[1] = b.recorders[1], b.recorders[0] // the first leads
}

func (b *rolling) anchor() (string, error) {
	reading, err := dsn.OpenReader(b.owner, dsn.Options{})
	if err != nil {
		return "", err
	}
	defer reading.Close()
	at, err := reading.Position(b.t.Context())
	return at.Anchor, err
}

func (b *rolling) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-b.t.Context().Done():
	}
}

// A user submits one job after the other, polls it, follows its events and
// reads what it found, and never tries a request again but as the documented
// event stream does.
type user struct {
	client   *client.Client
	prefix   string
	jobs     []string
	requests int
	seen     int // outcomes
	wrong    error
}

func (u *user) tickers(i int) []string { return synthetic(fmt.Sprint(u.prefix, i), 60) }

func (u *user) run(ctx context.Context) {
	for ctx.Err() == nil && u.wrong == nil {
		if err := u.job(context.WithoutCancel(ctx)); err != nil { // the last job is followed to its end
			u.wrong = fmt.Errorf("after %d requests, in job %d: %w", u.requests, len(u.jobs), err)
		}
	}
}

func (u *user) job(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tickers := u.tickers(len(u.jobs))
	accepted, err := u.client.Submit(ctx, client.Submission{Tickers: tickers}, "")
	if err != nil {
		return fmt.Errorf("submitting: %w", err)
	}
	u.jobs = append(u.jobs, accepted.JobID)
	u.requests++
	type followed struct {
		outcomes map[string]int
		err      error
	}
	events := make(chan followed, 1)
	go func() {
		f := followed{outcomes: map[string]int{}}
		f.err = u.client.Follow(ctx, accepted.JobID, func(e client.Event) bool {
			if e.Name == "ticker" {
				f.outcomes[e.ID]++
			}
			return true
		})
		events <- f
	}()
	p := poller{client: u.client, id: accepted.JobID}
	for !p.last.Status.Ended() {
		if !p.read(ctx) {
			return fmt.Errorf("polling %s: %w", p.id, errors.Join(p.wrong, ctx.Err()))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollPause):
		}
	}
	u.requests += p.reads
	results, err := u.client.Results(ctx, accepted.JobID, url.Values{"limit": {"1000"}})
	if err != nil || len(results.Items) != len(tickers) {
		return fmt.Errorf("%d results of %d, %w", len(results.Items), len(tickers), err)
	}
	u.requests++
	f := <-events
	if f.err != nil {
		return fmt.Errorf("following: %w", f.err)
	}
	if len(f.outcomes) != len(tickers) {
		return fmt.Errorf("%d outcomes of %d were told to who followed %s", len(f.outcomes), len(tickers), accepted.JobID)
	}
	u.seen += len(f.outcomes)
	return nil
}
