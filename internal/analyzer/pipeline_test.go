package analyzer_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analyzer"
	"github.com/tapedeck/tapedeck/internal/dispatcher"
	"github.com/tapedeck/tapedeck/internal/leaktest"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/pubsub"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for what must happen: far above what it
// takes on a busy machine.
const patience = 60 * time.Second

// A deck is a tape, a work queue, and what a test runs on them.
type deck struct {
	t      *testing.T
	server *streamtest.Embedded
	skew   *atomic.Int64 // nanoseconds by which the analyzer's clock is ahead
}

func (d deck) clock() time.Time { return time.Now().Add(time.Duration(d.skew.Load())) }

// start runs a dispatcher and an analyzer on provider until the returned
// function is called, or the test ends.
func (d deck) start(provider market.Provider, attemptTime time.Duration) (stop func()) {
	d.t.Helper()
	log := slog.New(slog.DiscardHandler)
	nc := d.server.Conn(stream.RoleAnalyzer)
	tape, work := d.server.Tape(stream.RoleAnalyzer), d.server.Work(stream.RoleAnalyzer)
	items, err := pubsub.NewSubscriber(pubsub.SubscriberConfig{Conn: nc, Topics: pubsub.LaneTopics, Slots: 8, Logger: log, Grace: 100 * time.Millisecond,
		Backoff: func(uint64) time.Duration { return 20 * time.Millisecond }})
	if err != nil {
		d.t.Fatal(err)
	}
	analyze := analyzer.New(analyzer.Config{
		Log: log, Tape: tape, Work: work, Items: items, Provider: provider, Name: "analyzer-test",
		AttemptTime: attemptTime, Clock: d.clock,
	})
	dispatch := dispatcher.New(log, tape, work, "tapedeck/dispatcher-test")
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{dispatch.Run, analyze.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				d.t.Errorf("stopped: %v", err)
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	d.t.Cleanup(stop)
	return stop
}

// submit publishes a job as the api does.
func (d deck) submit(job events.JobQueued) {
	d.t.Helper()
	doc, _ := strategy.Builtin(strategy.Default)
	if job.Strategy != nil {
		var err error
		if doc, err = strategy.Parse(job.Strategy); err != nil {
			d.t.Fatal(err)
		}
	}
	job.Kind, job.Capital, job.StrategyName, job.StrategyHash, job.Strategy = orKind(job.Kind), 100_000, doc.Name, doc.Hash(), doc.Canonical()
	job.Options = events.Options{RiskPercent: 2, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 300}
	job.Origin, job.RequestSHA256 = events.OriginAPI, "0"
	if job.Deadline.IsZero() {
		job.Deadline = time.Now().Add(time.Hour)
	}
	if _, err := d.server.Tape(stream.RoleAPI).Publish(d.t.Context(), events.New("test", time.Now(), &job)); err != nil {
		d.t.Fatal(err)
	}
}

func orKind(kind events.Kind) events.Kind {
	if kind == "" {
		return events.KindAnalysis
	}
	return kind
}

// outcomes waits for n outcomes of a job and returns them by ticker.
func (d deck) outcomes(job string, n int) map[string]events.Data {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	tail, err := d.server.Tape(stream.RoleRecorder).Tail(ctx, 1)
	if err != nil {
		d.t.Fatal(err)
	}
	defer tail.Stop()
	found := map[string]events.Data{}
	for len(found) < n {
		batch, err := tail.Next(ctx, 100)
		if err != nil {
			d.t.Fatalf("%d of %d outcomes: %v", len(found), n, err)
		}
		for _, msg := range batch {
			recorded, err := msg.Decode()
			if err != nil {
				d.t.Fatal(err)
			}
			switch data := recorded.Data.(type) {
			case *events.TickerAnalyzed:
				d.add(found, data.JobID == job, data.Ticker, data)
			case *events.TickerBacktested:
				d.add(found, data.JobID == job, data.Ticker, data)
			case *events.TickerFailed:
				d.add(found, data.JobID == job, data.Ticker, data)
			}
		}
	}
	return found
}

func (d deck) add(found map[string]events.Data, ours bool, ticker string, data events.Data) {
	if !ours {
		return
	}
	if found[ticker] != nil {
		d.t.Errorf("%s has two outcomes", ticker)
	}
	found[ticker] = data
}

func newDeck(t *testing.T) deck { return deck{t, streamtest.Server(t), new(atomic.Int64)} }

// bars are invented up to today, as windows of backtests are counted from today.
func bars(t *testing.T) market.Provider {
	t.Helper()
	provider, err := synthetic.New(synthetic.Config{LastDay: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

func fault(ticker string, do markettest.Behaviour) markettest.Fault {
	return markettest.Fault{Ticker: ticker, Do: do}
}

// shortSeries delivers too few bars of one ticker.
type shortSeries struct{ market.Provider }

func (p shortSeries) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if ticker == "YOUNG" {
		bars = 10
	}
	return p.Provider.Daily(ctx, ticker, bars)
}

// An ended is how a ticker ends: "" is no failure.
type ended struct {
	code     events.FailureCode
	attempts int
}

// TestFailureCodes sends a ticker into each failure that an analyzer can meet,
// in a job of each kind, and looks at what stands on the tape. Only what hangs
// gets little time: a busy machine would let the others run out of it too.
func TestFailureCodes(t *testing.T) {
	for name, job := range map[string]events.JobQueued{
		"analysis": {}, "backtest": {Kind: events.KindBacktest, Backtest: window()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // what fails waits before it is tried again
			failureCodes(t, job)
		})
		t.Run(name+" that hangs", func(t *testing.T) {
			t.Parallel()
			d := newDeck(t)
			d.start(markettest.Faulty(bars(t), fault("HANGS", markettest.Hang())), 200*time.Millisecond)
			d.end(job, map[string]ended{"HANGS": {events.FailureTimeout, analyzer.MaxAttempts}})
		})
	}
}

func failureCodes(t *testing.T, job events.JobQueued) {
	d := newDeck(t)
	provider := markettest.Faulty(shortSeries{bars(t)},
		fault("UNKNOWN", markettest.Fail(market.CodeUnknownTicker)),
		fault("EMPTY", markettest.Fail(market.CodeNoData)),
		fault("BAD", markettest.Fail(market.CodeBadData)),
		fault("INVALID", markettest.Fail(market.CodeInvalid)),
		fault("ODD", markettest.Fail("a code of tomorrow")),
		fault("DOWN", markettest.Fail(market.CodeUnavailable)),
		fault("LIMITED", markettest.Fail(market.CodeRateLimited)),
		fault("PANICS", markettest.Panic("boom\x00")),
		markettest.Fault{Ticker: "FLAKY", Last: 2, Do: markettest.Fail(market.CodeUnavailable)},
	)
	d.start(provider, 0)
	d.end(job, map[string]ended{
		"UNKNOWN": {events.FailureUnknownTicker, 1},
		"EMPTY":   {events.FailureNoData, 1},
		"BAD":     {events.FailureBadData, 1},
		"INVALID": {events.FailureInvalidParameters, 1},
		"ODD":     {events.FailureInternal, 1},
		"YOUNG":   {events.FailureShortHistory, 1},
		"PANICS":  {events.FailurePanic, 1},
		"DOWN":    {events.FailureProviderUnavailable, analyzer.MaxAttempts},
		"LIMITED": {events.FailureRateLimited, analyzer.MaxAttempts},
		"FLAKY":   {"", 3},
		"GOOD":    {"", 1},
	})
	if calls := provider.Calls("PANICS"); calls != 1 {
		t.Errorf("the panicking ticker was tried %d times", calls)
	}
}

// end submits a job over tickers and holds that each ends as wanted.
func (d deck) end(job events.JobQueued, want map[string]ended) {
	d.t.Helper()
	job.JobID = "failures"
	for ticker := range want {
		job.Tickers = append(job.Tickers, ticker)
	}
	d.submit(job)
	got := d.outcomes(job.JobID, len(want))
	for ticker, w := range want {
		var is ended
		switch data := got[ticker].(type) {
		case *events.TickerFailed:
			is = ended{data.Code, data.Attempts}
			if data.Message == "" {
				d.t.Errorf("%s failed without a message", ticker)
			}
		case *events.TickerAnalyzed:
			is.attempts = data.Attempts
		case *events.TickerBacktested:
			is.attempts = data.Attempts
		}
		if is != w {
			d.t.Errorf("%s: code %q after %d attempts, want %q after %d", ticker, is.code, is.attempts, w.code, w.attempts)
		}
	}
}

// TestAnotherKind sends a job of a kind that this analyzer does not know.
func TestAnotherKind(t *testing.T) {
	d := newDeck(t)
	d.start(bars(t), 0)
	d.submit(events.JobQueued{JobID: "another", Kind: "forecast", Tickers: []string{"A"}})
	failed, ok := d.outcomes("another", 1)["A"].(*events.TickerFailed)
	if !ok || failed.Code != events.FailureInvalidParameters {
		t.Errorf("got %+v", failed)
	}
}

// TestCancel cancels a job whose first tickers are in hand: those that were not
// yet are never analysed, and the work queue is empty of them.
func TestCancel(t *testing.T) {
	d := newDeck(t)
	gate := make(chan struct{})
	provider := markettest.Faulty(bars(t), markettest.Fault{Do: markettest.Until(gate)})
	stop := d.start(provider, 0)
	job := events.JobQueued{JobID: "cancelled"}
	for i := range 100 {
		job.Tickers = append(job.Tickers, fmt.Sprintf("T%d", i))
	}
	d.submit(job)
	waitFor(t, "items in hand", func() bool { return provider.Calls("T0") > 0 })
	cancel := events.New("test", time.Now(), &events.JobCancelled{JobID: job.JobID})
	if _, err := d.server.Tape(stream.RoleAPI).Publish(t.Context(), cancel); err != nil {
		t.Fatal(err)
	}
	d.skew.Store(int64(analyzer.CancelCheck)) // the next look asks the tape
	close(gate)
	work := d.server.Work(stream.RoleAnalyzer)
	waitFor(t, "an empty queue", func() bool {
		left, err := work.Outstanding(t.Context(), job.JobID)
		if err != nil {
			t.Fatal(err)
		}
		return len(left) == 0
	})
	stop()
	if calls := provider.Calls("T99"); calls > 0 {
		t.Error("the last ticker was analysed after the cancel")
	}
}

// TestCancelLost cancels a job and loses the cancel with the tape, as a damaged
// disk may: the job, submitted again, is analysed, though the analyzer has known
// it as cancelled.
func TestCancelLost(t *testing.T) {
	d := newDeck(t)
	work := d.server.Work(stream.RoleAnalyzer)
	job := events.JobQueued{JobID: "uncancelled", Tickers: []string{"A"}}
	cancel := events.New("test", time.Now(), &events.JobCancelled{JobID: job.JobID})
	if _, err := d.server.Tape(stream.RoleAPI).Publish(t.Context(), cancel); err != nil {
		t.Fatal(err)
	}
	item := stream.Item{JobID: job.JobID, Ticker: "A", Lane: stream.LaneSmall, Kind: events.KindAnalysis, Deadline: time.Now().Add(time.Hour),
		Capital: 100_000, Options: events.Options{RiskPercent: 2, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 300}}
	d.start(bars(t), 0)
	if err := work.Dispatch(t.Context(), []stream.Item{item}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "an empty queue", func() bool {
		left, err := work.Outstanding(t.Context(), job.JobID)
		if err != nil {
			t.Fatal(err)
		}
		return len(left) == 0
	})
	d.loseTape()
	d.submit(job)
	d.skew.Store(int64(analyzer.CancelCheck))
	if err := work.Dispatch(t.Context(), []stream.Item{item}); err != nil {
		t.Fatal(err)
	}
	outcome := d.outcomes(job.JobID, 1)["A"]
	if _, ok := outcome.(*events.TickerAnalyzed); !ok {
		t.Errorf("got %+v", outcome)
	}
}

// loseTape makes the tape anew, and it is empty.
func (d deck) loseTape() {
	d.t.Helper()
	js := d.server.JetStream(streamtest.Admin)
	old, err := js.Stream(d.t.Context(), stream.Tape)
	if err == nil {
		err = js.DeleteStream(d.t.Context(), stream.Tape)
	}
	if err == nil {
		_, err = js.CreateStream(d.t.Context(), old.CachedInfo().Config)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestAttemptsExhausted gives an item back again and again, as analyzers do
// that die with it in hand, until the next analyzer gives it up.
func TestAttemptsExhausted(t *testing.T) {
	d := newDeck(t)
	job := events.JobQueued{JobID: "deadly", Tickers: []string{"A"}}
	d.submit(job)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	work := d.server.Work(stream.RoleAnalyzer)
	item := stream.Item{JobID: "deadly", Ticker: "A", Lane: stream.LaneSmall, Kind: events.KindAnalysis, Deadline: time.Now().Add(time.Hour)}
	if err := work.Dispatch(ctx, []stream.Item{item}); err != nil {
		t.Fatal(err)
	}
	lane, err := work.Lane(ctx, stream.LaneSmall)
	if err != nil {
		t.Fatal(err)
	}
	for range analyzer.MaxDeliveries {
		msg, err := lane.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := msg.Nak(); err != nil {
			t.Fatal(err)
		}
	}
	d.start(bars(t), 0)
	failed, ok := d.outcomes("deadly", 1)["A"].(*events.TickerFailed)
	if !ok || failed.Code != events.FailureAttemptsExhausted {
		t.Errorf("got %+v", failed)
	}
}

// TestPastDeadline works an item whose job should have ended.
func TestPastDeadline(t *testing.T) {
	d := newDeck(t)
	kinds := []events.Kind{events.KindAnalysis, events.KindBacktest}
	for _, kind := range kinds {
		id := "late-" + string(kind)
		job := events.JobQueued{JobID: id, Kind: kind, Tickers: []string{"A"}, Deadline: time.Now().Add(-time.Minute)}
		d.submit(job)
		item := stream.Item{JobID: id, Ticker: "A", Lane: stream.LaneSmall, Kind: kind, Deadline: job.Deadline}
		if err := d.server.Work(stream.RoleAnalyzer).Dispatch(t.Context(), []stream.Item{item}); err != nil {
			t.Fatal(err)
		}
	}
	d.start(bars(t), 0)
	for _, kind := range kinds {
		failed, ok := d.outcomes("late-"+string(kind), 1)["A"].(*events.TickerFailed)
		if !ok || failed.Code != events.FailureDeadline || failed.Kind != kind {
			t.Errorf("got %+v", failed)
		}
	}
}

// TestTwoAnalyzers shares a job between two, stops one in the middle, and
// finds one outcome for each ticker.
func TestTwoAnalyzers(t *testing.T) {
	d := newDeck(t)
	stop := d.start(bars(t), 0)
	d.start(bars(t), 0)
	job := events.JobQueued{JobID: "shared"}
	for i := range 600 {
		job.Tickers = append(job.Tickers, fmt.Sprintf("T%d", i))
	}
	d.submit(job)
	d.outcomes(job.JobID, 100)
	stop()
	d.outcomes(job.JobID, len(job.Tickers))
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks at real state; the deadline decides
	}
}
