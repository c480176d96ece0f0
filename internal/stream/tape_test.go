package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

var ctx = context.Background()

var epoch = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)

func queued(job string) events.Event {
	return events.New("test", epoch, &events.JobQueued{JobID: job, Kind: events.KindAnalysis, Tickers: []string{"A"}, Strategy: json.RawMessage("{}")})
}

func analyzed(job, ticker string) events.Event {
	return events.New("test", epoch, &events.TickerAnalyzed{JobID: job, Ticker: ticker, Kind: events.KindAnalysis})
}

func failed(job, ticker string) events.Event {
	return events.New("test", epoch, &events.TickerFailed{JobID: job, Ticker: ticker, Kind: events.KindAnalysis, Code: events.FailureNoData})
}

func outcomes(job string, from, to int) []events.Event {
	var evs []events.Event
	for i := from; i < to; i++ {
		evs = append(evs, analyzed(job, fmt.Sprintf("T%d.NS", i)))
	}
	return evs
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestNothingOfAJobComesBeforeIt: what stands there already would take the
// place of an outcome that counts, so the job is refused.
func TestNothingOfAJobComesBeforeIt(t *testing.T) {
	s := streamtest.Server(t)
	api, analyzer := s.Tape(stream.RoleAPI), s.Tape(stream.RoleAnalyzer)
	_, err := analyzer.Publish(ctx, failed("j", "BRK.B"))
	ok(t, err)
	_, err = analyzer.Publish(ctx, events.New("test", epoch, &events.JobStarted{JobID: "k"}))
	ok(t, err)
	for _, job := range []string{"j", "k"} {
		_, err = api.Publish(ctx, queued(job))
		wantErr(t, err, stream.ErrExists)
	}
	_, err = api.Publish(ctx, queued("jk"))
	ok(t, err)
}

func TestPublishIsGuarded(t *testing.T) {
	s := streamtest.Server(t)
	api, analyzer := s.Tape(stream.RoleAPI), s.Tape(stream.RoleAnalyzer)
	seq, err := api.Publish(ctx, queued("j"))
	ok(t, err)
	if seq != 1 {
		t.Errorf("sequence %d, want 1", seq)
	}
	other := queued("j")
	other.ID = "another-id" // the window of ids must not be what refuses it
	_, err = api.Publish(ctx, other)
	wantErr(t, err, stream.ErrExists)
	_, err = analyzer.Publish(ctx, analyzed("j", "BRK.B"))
	ok(t, err)
	_, err = analyzer.Publish(ctx, failed("j", "BRK.B"))
	wantErr(t, err, stream.ErrExists)
	_, err = analyzer.Publish(ctx, failed("j", "BRK"))
	ok(t, err)
	_, err = analyzer.Publish(ctx, analyzed("j", "BRK"))
	wantErr(t, err, stream.ErrExists)
	state, err := api.State(ctx)
	ok(t, err)
	if state.Messages != 3 || state.First != 1 || state.Last != 3 || state.MaxBytes != stream.DefaultTapeMaxBytes || state.Created.IsZero() {
		t.Errorf("state %+v", state)
	}
}

// TestPublishRace lets two publishers offer different outcomes of each ticker.
func TestPublishRace(t *testing.T) {
	const tickers = 200
	s := streamtest.Server(t)
	clients := []*stream.TapeClient{s.Tape(stream.RoleAnalyzer), s.Tape(stream.RoleAnalyzer)}
	var mu sync.Mutex
	stored := map[int]int{}
	var wg sync.WaitGroup
	for who, client := range clients {
		wg.Go(func() {
			for i := range tickers {
				ev := analyzed("j", fmt.Sprint("T", i))
				if who == 1 {
					ev = failed("j", fmt.Sprint("T", i))
				}
				_, err := client.Publish(ctx, ev)
				if err == nil {
					mu.Lock()
					stored[i]++
					mu.Unlock()
				} else if !errors.Is(err, stream.ErrExists) {
					t.Errorf("publishing: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for i := range tickers {
		if stored[i] != 1 {
			t.Errorf("ticker %d: %d outcomes stored, want 1", i, stored[i])
		}
	}
	state, err := clients[0].State(ctx)
	ok(t, err)
	if state.Messages != tickers {
		t.Errorf("%d messages on the tape, want %d", state.Messages, tickers)
	}
}

func TestPublishBatch(t *testing.T) {
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAnalyzer)
	ok(t, tape.PublishBatch(ctx, nil))
	ok(t, tape.PublishBatch(ctx, outcomes("j", 0, stream.MaxBatch)))
	wantErr(t, tape.PublishBatch(ctx, outcomes("k", 0, stream.MaxBatch+1)), stream.ErrTooLarge)
	// One taken guard refuses the whole.
	wantErr(t, tape.PublishBatch(ctx, append(outcomes("k", 0, 10), failed("j", "T5.NS"))), stream.ErrExists)
	wantErr(t, tape.PublishBatch(ctx, []events.Event{failed("j", "T5.NS")}), stream.ErrExists)
	if err := tape.PublishBatch(ctx, []events.Event{analyzed("k", "A"), failed("k", "A")}); err == nil {
		t.Error("two outcomes of one ticker in a batch were stored")
	}
	state, err := tape.State(ctx)
	ok(t, err)
	if state.Messages != stream.MaxBatch {
		t.Errorf("%d messages on the tape, want %d", state.Messages, stream.MaxBatch)
	}
	// Five messages of 900 KiB are above the limit of bytes, four are not.
	var big []events.Event
	for i := range 5 {
		ev := failed("big", fmt.Sprint("T", i))
		ev.Data.(*events.TickerFailed).Message = strings.Repeat("x", stream.MaxEventBytes-1000)
		big = append(big, ev)
	}
	wantErr(t, tape.PublishBatch(ctx, big), stream.ErrTooLarge)
	ok(t, tape.PublishBatch(ctx, big[:4]))
	big[4].Data.(*events.TickerFailed).Message += strings.Repeat("x", 1000)
	_, err = tape.Publish(ctx, big[4])
	wantErr(t, err, stream.ErrTooLarge)
}

// TestTaken asks for ten thousand outcomes, half of which exist, and large
// enough that the server cuts its answers.
func TestTaken(t *testing.T) {
	const total = 10000
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAnalyzer)
	evs := outcomes("j", 0, total)
	var half []events.Event
	for i, ev := range evs {
		if i%2 == 0 {
			half = append(half, ev)
		}
	}
	for i := 0; i < len(half); i += 500 {
		ok(t, tape.PublishBatch(ctx, half[i:i+500]))
	}
	ask := []events.Data{failed("other", "A").Data, failed("j", "T0.NS").Data} // another job; another kind of outcome
	want := []bool{false, true}
	for i, ev := range evs {
		ask, want = append(ask, ev.Data), append(want, i%2 == 0)
	}
	got, err := tape.Taken(ctx, ask)
	ok(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("taken differs (-want +got):\n%.2000s", diff)
	}
}

// TestTakenLarge has a hundred outcomes of 800 KiB: above the bytes that the
// server sends in one answer.
func TestTakenLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("80 MiB on a tape take the race detector long: left out under -short")
	}
	const total = 100
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAnalyzer)
	var ask []events.Data
	for i := range total {
		ev := failed("j", fmt.Sprint("T", i))
		ask = append(ask, ev.Data)
		full := *ev.Data.(*events.TickerFailed)
		full.Message = strings.Repeat("x", 800<<10)
		ev.Data = &full
		_, err := tape.Publish(ctx, ev)
		ok(t, err)
	}
	got, err := tape.Taken(ctx, ask)
	ok(t, err)
	for i, taken := range got {
		if !taken {
			t.Errorf("outcome %d is on the tape and not taken", i)
		}
	}
}

// TestTakenTwice has two outcomes of each ticker, stored past the guards: more
// than the server gives in one answer.
func TestTakenTwice(t *testing.T) {
	const total = 700
	s := streamtest.Server(t)
	js := s.JetStream(streamtest.Admin)
	var ask []events.Data
	for i := range total {
		ask = append(ask, analyzed("j", fmt.Sprint("T", i)).Data)
		for _, what := range []string{"analyzed", "failed"} {
			_, err := js.PublishAsync(events.TickerSubject("j", fmt.Sprint("T", i), what), nil, jetstream.WithStallWait(patience))
			ok(t, err)
		}
	}
	<-js.PublishAsyncComplete()
	got, err := s.Tape(stream.RoleAnalyzer).Taken(ctx, ask)
	ok(t, err)
	for i, taken := range got {
		if !taken {
			t.Errorf("outcome %d is on the tape and not taken", i)
		}
	}
}

func TestReadBack(t *testing.T) {
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAPI)
	_, err := tape.JobEvent(ctx, "j", "queued")
	wantErr(t, err, stream.ErrNotFound)
	_, err = tape.At(ctx, 1)
	wantErr(t, err, stream.ErrNotFound)
	_, err = tape.At(ctx, 0)
	wantErr(t, err, stream.ErrNotFound)
	ev := queued("j")
	_, err = tape.Publish(ctx, ev)
	ok(t, err)
	got, err := tape.JobEvent(ctx, "j", "queued")
	ok(t, err)
	if diff := cmp.Diff(ev, got.Event); diff != "" {
		t.Errorf("event differs (-want +got):\n%s", diff)
	}
	at, err := tape.At(ctx, 1)
	ok(t, err)
	if at.At != got.At || at.Seq != 1 || at.At.Location() != time.UTC || at.At != at.At.Truncate(time.Millisecond) {
		t.Errorf("message %d at %s, event at %s", at.Seq, at.At, got.At)
	}
	tail, err := tape.Tail(ctx, 1)
	ok(t, err)
	defer tail.Stop()
	tailed, err := tail.Next(ctx, 1)
	ok(t, err)
	if tailed[0].Anchor() != at.Anchor() || !strings.Contains(at.Anchor(), "@") || !tailed[0].At.Equal(at.At) {
		t.Errorf("tail and get disagree: %s, %s", tailed[0].Anchor(), at.Anchor())
	}
	changed := at
	changed.Data = append([]byte(" "), at.Data...)
	again := at
	again.At = at.At.Add(time.Millisecond)
	if stream.SameAnchor(again.Anchor(), at.Anchor()) {
		t.Error("a message that was stored again has the same anchor")
	}
	if old, _, _ := strings.Cut(at.Anchor(), "@"); !stream.SameAnchor(old, at.Anchor()) || len(old) != 32 {
		t.Error("an anchor of an older program does not fit")
	}
	if changed.Anchor() == at.Anchor() {
		t.Error("two bodies have one anchor")
	}
	changed.Data = nil
	_, err = changed.Decode()
	wantErr(t, err, events.ErrMalformed)
}

func TestFullTape(t *testing.T) {
	s := streamtest.Server(t, streamtest.WithLimits(stream.Limits{TapeMaxBytes: 64 << 10, WorkMaxBytes: 16 << 10}))
	tape := s.Tape(stream.RoleAnalyzer)
	var err error
	for i := 0; err == nil; i++ {
		if i > 1000 {
			t.Fatal("the tape is never full")
		}
		_, err = tape.Publish(ctx, analyzed("j", fmt.Sprint("T", i)))
	}
	wantErr(t, err, stream.ErrFull)
	before, err := tape.State(ctx)
	ok(t, err)
	wantErr(t, tape.PublishBatch(ctx, outcomes("k", 0, 100)), stream.ErrFull)
	after, err := tape.State(ctx)
	ok(t, err)
	if before.First != 1 || before != after {
		t.Errorf("a full tape changed: %+v, then %+v", before, after)
	}
	wantErr(t, s.Work(stream.RoleAnalyzer).Dispatch(ctx, items("j", 500)), stream.ErrFull)
	// A larger limit heals it.
	ok(t, stream.Provision(ctx, s.JetStream(stream.RoleProvisioner), stream.Limits{}))
	ok(t, tape.PublishBatch(ctx, outcomes("k", 0, 100)))
}

// TestPublishAcrossRestart begins while the server is down.
func TestPublishAcrossRestart(t *testing.T) {
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAnalyzer)
	s.Stop()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, err := tape.Publish(short, analyzed("j", "A"))
	wantErr(t, err, stream.ErrUnavailable)
	done := make(chan error)
	go func() { done <- tape.PublishBatch(ctx, outcomes("j", 0, 50)) }()
	s.Start()
	ok(t, <-done)
	cancelled, cancel := context.WithCancel(ctx)
	s.Stop()
	cancel()
	_, err = tape.Publish(cancelled, analyzed("j", "B"))
	wantErr(t, err, context.Canceled)
}

func TestNoStream(t *testing.T) {
	s := streamtest.Server(t, streamtest.Bare())
	tape := s.Tape(stream.RoleAPI)
	_, err := tape.State(ctx)
	wantErr(t, err, stream.ErrNoStream)
	_, err = tape.Tail(ctx, 1)
	wantErr(t, err, stream.ErrNoStream)
	_, err = s.Work(stream.RoleAnalyzer).Outstanding(ctx, "j")
	wantErr(t, err, stream.ErrNoStream)
}
