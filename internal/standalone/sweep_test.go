package standalone_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analyzer"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/dispatcher"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
	"github.com/tapedeck/tapedeck/internal/reconciler"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/pubsub"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

var (
	sweepAll  = flag.Bool("sweep", false, "break every call of a small job once, not a sample of them; takes minutes")
	sweepOnly = flag.String("broken", "", "with -sweep: break only what reads so, such as 'call 2 of store.Commit happens and fails'")
)

// How much a sweep does.
const (
	sweepDecks  = 4  // side by side on each database: a run is mostly waiting
	sweepSample = 20 // runs on each database without -sweep
	sweepShort  = 8  // and with -short
	sweepTries  = 3  // of a run in which the call that was to break was not made
)

// TestSweep runs the product's own programs on a real server and a real
// database, and breaks one call of theirs in each run: before it happens, after
// it, and with an answer that never comes. Everything must come to its end by
// itself, each ticker with one outcome, and the tables must be the fold of the tape.
func TestSweep(t *testing.T) {
	for _, engine := range []string{dsn.SQLite, dsn.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			decks := make([]*sweepDeck, sweepDecks)
			for i := range decks {
				decks[i] = newSweepDeck(t, engine)
			}
			alone, helped := &breaker{calls: map[string]int{}}, &breaker{help: true, calls: map[string]int{}}
			for _, calm := range []*breaker{alone, helped} {
				if err := decks[0].run(t.Context(), calm); err != nil {
					t.Fatalf("with nothing broken: %v", err)
				}
			}
			sweep(t, decks, planSweep(t, alone.calls, helped.calls))
		})
	}
}

// planSweep is what is broken, of the calls that runs have in which nothing is:
// the reconciler's where it makes rounds, all others where it does not, as it
// would repair what they lose.
func planSweep(t *testing.T, alone, helped map[string]int) (plan []*breaker) {
	calls, total := map[string]int{}, 0
	for help, of := range map[bool]map[string]int{false: alone, true: helped} {
		for site, n := range of {
			if reconciles(site) == help {
				calls[site], total = n, total+n
			}
		}
	}
	sites := slices.Sorted(maps.Keys(calls))
	for _, site := range sites {
		for n := range calls[site] {
			for how := fails; how < breakages; how++ {
				plan = append(plan, &breaker{site: site, n: n + 1, how: how, help: reconciles(site), calls: map[string]int{}})
			}
		}
	}
	t.Logf("%d calls at %d places, %d ways to break one", total, len(sites), len(plan))
	if *sweepAll {
		for _, site := range sites {
			plan = append(plan, &breaker{site: site, n: 1, how: hangs, long: true, help: reconciles(site), calls: map[string]int{}})
		}
		return slices.DeleteFunc(plan, func(b *breaker) bool { return !strings.Contains(b.String(), *sweepOnly) })
	}
	most := sweepSample
	if testing.Short() {
		most = sweepShort
	}
	sample := make([]*breaker, most)
	for i := range sample {
		sample[i] = plan[i*len(plan)/most]
	}
	return sample
}

// reconciles reports whether a call is the reconciler's.
func reconciles(site string) bool {
	return strings.HasPrefix(site, "reconciler.") || site == "store.Unfinished" || site == "store.Outstanding"
}

// sweep plays the plan, on all decks side by side. A deck on which a run
// failed is not used again.
func sweep(t *testing.T, decks []*sweepDeck, plan []*breaker) {
	var next, played atomic.Int64
	var seen struct {
		sync.Mutex
		took   time.Duration
		b      *breaker // whose run took that long
		missed map[string]int
	}
	seen.missed = map[string]int{}
	var workers sync.WaitGroup
	began := time.Now()
	for _, d := range decks {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(len(plan)); i = next.Add(1) {
				b := plan[i-1]
				start := time.Now()
				for try := 0; try < sweepTries && !b.broke; try++ {
					clear(b.calls)
					if err := d.run(t.Context(), b); err != nil {
						t.Errorf("%s: %v", b, err)
						return
					}
					played.Add(1)
				}
				seen.Lock()
				if !b.broke {
					seen.missed[b.site]++
				}
				if took := time.Since(start); took > seen.took {
					seen.took, seen.b = took, b
				}
				seen.Unlock()
			}
		})
	}
	workers.Wait()
	missed := 0
	for _, n := range seen.missed {
		missed += n
	}
	t.Logf("%d breakages, %d runs, %d never came about %v, in %s; the longest took %s: %s",
		len(plan), played.Load(), missed, seen.missed, time.Since(began).Round(time.Millisecond), seen.took.Round(time.Millisecond), seen.b)
}

// A sweepDeck is a server and a database, for one run after another.
type sweepDeck struct {
	server   *streamtest.Embedded
	lanes    *nats.Conn
	writer   store.Recording
	reading  store.Reading
	tapes    map[stream.Role]*stream.TapeClient
	works    map[stream.Role]*stream.WorkClient
	provider market.Provider
}

func newSweepDeck(t *testing.T, engine string) *sweepDeck {
	t.Helper()
	address := "sqlite:" + filepath.Join(t.TempDir(), "db")
	if engine == dsn.Postgres {
		address = postgrestest.Database(t)
	}
	server := streamtest.Server(t)
	d := &sweepDeck{
		server: server, lanes: server.Conn(stream.RoleAnalyzer),
		tapes: map[stream.Role]*stream.TapeClient{}, works: map[stream.Role]*stream.WorkClient{},
	}
	for _, role := range []stream.Role{stream.RoleAPI, stream.RoleAnalyzer, stream.RoleRecorder} {
		d.tapes[role], d.works[role] = d.server.Tape(role), d.server.Work(role)
	}
	var err error
	if d.writer, err = dsn.OpenWriter(address, dsn.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.writer.Close() })
	if err := d.writer.Migrate(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	if d.reading, err = dsn.OpenReader(address, dsn.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.reading.Close() })
	if d.provider, err = synthetic.New(synthetic.Config{}); err != nil {
		t.Fatal(err)
	}
	return d
}

// run starts the programs, takes small jobs through them, stops the programs
// and looks at what they left.
func (d *sweepDeck) run(ctx context.Context, b *breaker) error {
	state, err := d.tapes[stream.RoleRecorder].State(ctx)
	if err != nil {
		return err
	}
	limit := patience
	if b.long {
		limit *= 3
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop, err := d.start(b)
	if err != nil {
		return err
	}
	u := sweepUser{d, b.help, api.Intake{Tape: tapePort{d.tapes[stream.RoleAPI], b, "api"}, Clock: time.Now, Log: slog.New(slog.DiscardHandler)}}
	err = u.live(ctx)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	if err := d.once(ctx, state.Last+1); err != nil {
		return err
	}
	return d.verify(ctx)
}

// start runs the programs as package standalone wires them, behind ports that
// break. The waits that the product is given are shorter.
func (d *sweepDeck) start(b *breaker) (stop func() error, err error) {
	log := slog.New(slog.DiscardHandler)
	items, err := pubsub.NewSubscriber(pubsub.SubscriberConfig{
		Conn: d.lanes, Topics: pubsub.LaneTopics, Slots: 8, Grace: 100 * time.Millisecond,
		Backoff: func(uint64) time.Duration { return 20 * time.Millisecond },
	})
	if err != nil {
		return nil, err
	}
	provider := markettest.Faulty(d.provider,
		markettest.Fault{Ticker: "NONE.NS", Do: markettest.Fail(market.CodeNoData)},
		markettest.Fault{Ticker: "LATER.NS", First: 1, Last: 1, Do: markettest.Fail(market.CodeUnavailable)})
	dispatch := dispatcher.New(log, tapePort{d.tapes[stream.RoleAnalyzer], b, "dispatcher"}, workPort{d.works[stream.RoleAnalyzer], b, "dispatcher"}, "tapedeck/sweep")
	analyze := analyzer.New(analyzer.Config{
		Log: log, Tape: tapePort{d.tapes[stream.RoleAnalyzer], b, "analyzer"}, Work: workPort{d.works[stream.RoleAnalyzer], b, "analyzer"},
		Items: items, Provider: provider, Name: "sweep",
	})
	reading := readPort{d.reading, b}
	record := recorder.New(recorder.Config{
		Log: log, Store: storePort{d.writer, b}, Reading: reading, Tape: tapePort{d.tapes[stream.RoleRecorder], b, "recorder"}, Owner: "sweep",
	})
	interval := time.Hour // but the round at the start of its term, when there is no job
	if b.help {
		interval = 300 * time.Millisecond
	}
	reconcile := reconciler.New(reconciler.Config{
		Log: log, Backlog: reading, Tape: tapePort{d.tapes[stream.RoleRecorder], b, "reconciler"}, Work: workPort{d.works[stream.RoleRecorder], b, "reconciler"},
		Interval: interval, Now: func() time.Time { return time.Now().Add(3 * time.Second) }, // no job is too young for it
	})
	lead := func(ctx context.Context) error { return record.WhileLeading(ctx, reconcile.Run) }
	ctx, cancel := context.WithCancel(context.Background())
	parts := []func(context.Context) error{dispatch.Run, analyze.Run, lead, record.Run}
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() { ended <- run(ctx) }()
	}
	return func() (err error) {
		cancel()
		for range parts {
			err = errors.Join(err, <-ended)
		}
		return err
	}, nil
}

// A sweepUser submits jobs, cancels one, and asks again what has no answer.
type sweepUser struct {
	d      *sweepDeck
	helped bool // somebody looks after deadlines
	intake api.Intake
}

// live is the small jobs' life: three tickers, one of which has no bars and one
// needs a second attempt; a job that is cancelled; one whose deadline has
// passed; a retry of what failed.
func (u sweepUser) live(ctx context.Context) error {
	run := uuid.NewString()
	later := time.Now().Add(time.Hour)
	first := sweepJob(run+"-first", later, "GOOD.NS", "LATER.NS", "NONE.NS")
	cancelled := sweepJob(run+"-cancelled", later, "A.NS", "B.NS", "C.NS")
	expired := sweepJob(run+"-expired", time.Now().Add(-time.Minute), "A.NS", "B.NS")
	jobs := []*events.JobQueued{first, cancelled}
	if u.helped {
		jobs = append(jobs, expired)
	}
	for _, job := range jobs {
		if err := u.submit(ctx, job); err != nil {
			return err
		}
	}
	if err := u.cancel(ctx, cancelled); err != nil {
		return err
	}
	if err := u.submit(ctx, first); err != nil { // once more: it is there
		return err
	}
	if err := u.ends(ctx, first, store.Progress{Status: events.StatusCompleted, Analyzed: 2, Failed: 1}); err != nil {
		return err
	}
	retry := sweepJob(run+"-retry", later, "NONE.NS")
	retry.ParentJobID, retry.Origin = first.JobID, events.OriginRetry
	if err := u.submit(ctx, retry); err != nil {
		return err
	}
	if err := u.ends(ctx, retry, store.Progress{Status: events.StatusFailed, Failed: 1}); err != nil {
		return err
	}
	if u.helped {
		if err := u.ends(ctx, expired, store.Progress{Status: events.StatusFailed, Failed: 2}); err != nil {
			return err
		}
	}
	return u.ends(ctx, cancelled, store.Progress{}) // as it may: the cancel comes before, in or after its outcomes
}

func sweepJob(key string, deadline time.Time, tickers ...string) *events.JobQueued {
	doc, _ := strategy.Builtin(strategy.Default)
	return &events.JobQueued{
		JobID: api.KeyedJobID(key), Kind: events.KindAnalysis, Origin: events.OriginAPI, Tickers: tickers, Capital: 100_000,
		StrategyName: doc.Name, StrategyHash: doc.Hash(), Strategy: doc.Canonical(),
		Options:  events.Options{RiskPercent: 2, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 300},
		Deadline: deadline, RequestSHA256: strings.Repeat("0", 64),
	}
}

func (u sweepUser) submit(ctx context.Context, job *events.JobQueued) error {
	var accepted api.Accepted
	err := u.insist(ctx, func() (err error) { accepted, err = u.intake.Submit(ctx, job, true); return err })
	return errors.Join(err, u.stands(ctx, accepted.Seq, job))
}

func (u sweepUser) cancel(ctx context.Context, job *events.JobQueued) error {
	var seq uint64
	err := u.insist(ctx, func() (err error) { seq, err = u.intake.Cancel(ctx, job.JobID, "enough"); return err })
	return errors.Join(err, u.stands(ctx, seq, &events.JobCancelled{JobID: job.JobID}))
}

// stands: what was accepted is on the tape, where the answer says.
func (u sweepUser) stands(ctx context.Context, seq uint64, data events.Data) error {
	msg, err := u.d.tapes[stream.RoleRecorder].At(ctx, seq)
	if err != nil {
		return fmt.Errorf("accepted with sequence %d, which is not on the tape: %w", seq, err)
	}
	if msg.Subject != data.NATSSubject() {
		return fmt.Errorf("accepted with sequence %d, which is %s", seq, msg.Subject)
	}
	return nil
}

// insist asks until it is answered.
func (u sweepUser) insist(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// ends waits until a job is recorded as ended and announced.
func (u sweepUser) ends(ctx context.Context, job *events.JobQueued, want store.Progress) error {
	var p store.Progress
	for every := time.NewTicker(10 * time.Millisecond); ; {
		view, _, err := u.d.reading.Job(ctx, job.JobID)
		if err == nil {
			p = view.Progress
		}
		if p.Status.Ended() && p.AnnouncedSeq > 0 {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the job of %v does not end: %+v, %w", job.Tickers, p, err)
		case <-every.C:
		}
	}
	if p.Duplicates > 0 || want.Status != "" && (p.Status != want.Status || p.Analyzed != want.Analyzed || p.Failed != want.Failed) {
		return fmt.Errorf("the job of %v ended as %+v", job.Tickers, p)
	}
	return nil
}

// once: nothing is on the tape twice, from a sequence on, and no ticker has two outcomes.
func (d *sweepDeck) once(ctx context.Context, from uint64) error {
	tape := d.tapes[stream.RoleRecorder]
	state, err := tape.State(ctx)
	if err != nil {
		return err
	}
	seen := map[string]uint64{}
	for seq := from; seq <= state.Last; seq++ {
		msg, err := tape.At(ctx, seq)
		if err != nil {
			return err
		}
		fact := msg.Subject
		if _, ticker, _, err := events.ParseSubject(fact); err != nil {
			return err
		} else if ticker != "" {
			fact = fact[:strings.LastIndexByte(fact, '.')] // whatever the outcome is
		}
		if before := seen[fact]; before > 0 {
			return fmt.Errorf("%s is on the tape at %d and at %d", fact, before, seq)
		}
		seen[fact] = seq
	}
	return nil
}

// verify is `tapedeck verify`: the tables are the fold of the tape.
func (d *sweepDeck) verify(ctx context.Context) error {
	scratch, remove, err := dsn.Scratch(ctx)
	if err != nil {
		return err
	}
	defer remove()
	result, err := recorder.Verify(ctx, recorder.VerifyConfig{
		Tape: recorder.OnStream(d.tapes[stream.RoleRecorder]), Live: d.reading, Where: d.reading, Scratch: scratch,
	}, func(recorder.FoldProgress) {})
	if err != nil {
		return err
	}
	if result.Count > 0 {
		return fmt.Errorf("%d rows differ from the tape: %v", result.Count, result.Differences)
	}
	return nil
}
