package events_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/events/eventstest"
)

// soon is long enough for anything that these tests wait for.
const soon = 20 * time.Second

// A logBuffer is a log that tests read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// A running Subscribe.
type running struct {
	cancel context.CancelFunc
	wait   func() error // what Subscribe returned
}

func (r running) stop() error {
	r.cancel()
	return r.wait()
}

func start(t *testing.T, nc *nats.Conn, config events.SubscribeConfig, handlers events.Handlers) running {
	t.Helper()
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.MinBackoff == 0 {
		config.MinBackoff, config.MaxBackoff = 2*time.Millisecond, 20*time.Millisecond
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- events.Subscribe(ctx, nc, config, handlers) }()
	r := running{cancel: cancel, wait: sync.OnceValue(func() error {
		select {
		case err := <-done:
			return err
		case <-time.After(soon):
			t.Errorf("Subscribe did not return within %s", soon)
			return nil
		}
	})}
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func tickers(n int) []events.Data {
	data := make([]events.Data, n)
	for i := range data {
		data[i] = eventstest.Analyzed("job", fmt.Sprintf("T%03d.NS", i), events.Buy, 0.3)
	}
	return data
}

// consumer changes the consumer of a subscriber as an operator would.
func consumer(t *testing.T, tape *eventstest.Tape, sub eventstest.Subscriber, change func(*jetstream.ConsumerConfig)) {
	t.Helper()
	js, err := jetstream.New(tape.NC)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c, err := js.Consumer(ctx, events.StreamName, sub.User)
	if err != nil {
		t.Fatal(err)
	}
	config := c.CachedInfo().Config
	change(&config)
	if _, err := js.UpdateConsumer(ctx, events.StreamName, config); err != nil {
		t.Fatal(err)
	}
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(soon):
		t.Fatalf("nothing came within %s", soon)
		panic("unreachable")
	}
}

func TestEveryTypeReachesItsHandler(t *testing.T) {
	tape := eventstest.New(t)
	sub := tape.AddSubscriber("all", nil, "")
	all := values()
	var data []events.Data
	for _, kind := range events.Types() {
		data = append(data, all[strings.TrimPrefix(string(kind), "tapedeck.v1.")])
	}
	seqs := tape.Publish(data...)
	newer := encoded(t, all["ticker_failed"])
	newer.Subject = events.TickerSubject("j", "T", "simulated")
	newer.Header.Set(events.HeaderType, "tapedeck.v1.ticker_simulated")
	newer.Header.Del(nats.MsgIdHdr)
	publish(t, tape, newer)

	got := make(chan events.Recorded, 20)
	run := start(t, tape.Connect(sub), events.SubscribeConfig{Name: sub.Name}, events.Handlers{
		JobQueued:        func(_ context.Context, r events.Recorded, _ *events.JobQueued) error { got <- r; return nil },
		JobStarted:       func(_ context.Context, r events.Recorded, _ *events.JobStarted) error { got <- r; return nil },
		JobCancelled:     func(_ context.Context, r events.Recorded, _ *events.JobCancelled) error { got <- r; return nil },
		JobCompleted:     func(_ context.Context, r events.Recorded, _ *events.JobCompleted) error { got <- r; return nil },
		TickerAnalyzed:   func(_ context.Context, r events.Recorded, _ *events.TickerAnalyzed) error { got <- r; return nil },
		TickerBacktested: func(_ context.Context, r events.Recorded, _ *events.TickerBacktested) error { got <- r; return nil },
		TickerFailed:     func(_ context.Context, r events.Recorded, _ *events.TickerFailed) error { got <- r; return nil },
		Unknown:          func(_ context.Context, r events.Recorded, _ *events.Unknown) error { got <- r; return nil },
	})
	for i, want := range data {
		r := receive(t, got)
		if diff := cmp.Diff(want, r.Data); diff != "" || r.Seq != seqs[i] || r.ID != events.FactID(want) {
			t.Errorf("event %d: seq %d, id %s\n%s", i, r.Seq, r.ID, diff)
		}
		if r.At.Location() != time.UTC || r.At.Truncate(time.Millisecond) != r.At || time.Since(r.At) > time.Hour {
			t.Errorf("event %d: At is %s", i, r.At)
		}
	}
	if r := receive(t, got); r.Data.EventType() != "tapedeck.v1.ticker_simulated" {
		t.Errorf("the unknown one came as %+v", r)
	}
	tape.WaitDone(sub)
	if err := run.stop(); err != nil {
		t.Error(err)
	}
}

func publish(t *testing.T, tape *eventstest.Tape, msg *nats.Msg) {
	t.Helper()
	js, err := jetstream.New(tape.NC)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

// A subscriber is stopped again and again in the middle, at times with a
// handler that fails during the stop: it misses none and keeps the order.
func TestStoppedAndResumedMissesNone(t *testing.T) {
	const events_, stops = 300, 12
	for name, inFlight := range map[string]int{"one in flight": 1, "many in flight": 1000} {
		t.Run(name, func(t *testing.T) {
			tape := eventstest.New(t)
			sub := tape.AddSubscriber("alerts", []events.Type{events.TypeTickerAnalyzed}, "")
			consumer(t, tape, sub, func(c *jetstream.ConsumerConfig) {
				c.MaxAckPending, c.AckWait = inFlight, time.Second
			})
			tape.Publish(tickers(events_)...)
			var handled []uint64 // owned by the one Subscribe that runs
			for round := range stops {
				reached := make(chan struct{})
				leave := make(chan struct{})
				count := 0
				run := start(t, tape.Connect(sub), events.SubscribeConfig{Name: sub.Name}, events.Handlers{
					TickerAnalyzed: func(_ context.Context, r events.Recorded, _ *events.TickerAnalyzed) error {
						if count++; count == 7+round {
							close(reached)
							<-leave // in hand while the stop comes
							if round%3 == 0 {
								return errors.New("interrupted")
							}
						}
						handled = append(handled, r.Seq)
						return nil
					},
				})
				receive(t, reached)
				run.cancel()
				close(leave)
				if err := run.wait(); err != nil {
					t.Fatal(err)
				}
			}
			run := start(t, tape.Connect(sub), events.SubscribeConfig{Name: sub.Name}, events.Handlers{
				TickerAnalyzed: func(_ context.Context, r events.Recorded, _ *events.TickerAnalyzed) error {
					handled = append(handled, r.Seq)
					return nil
				},
			})
			tape.WaitDone(sub)
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			checkHandled(t, handled, events_, inFlight == 1)
		})
	}
}

// checkHandled wants each sequence from 1 to n, in order if ordered.
func checkHandled(t *testing.T, handled []uint64, n uint64, ordered bool) {
	t.Helper()
	seen := map[uint64]bool{}
	var last uint64
	for _, seq := range handled {
		if ordered && seq < last {
			t.Errorf("sequence %d came after %d", seq, last)
		}
		last = max(last, seq)
		seen[seq] = true
	}
	for seq := uint64(1); seq <= n; seq++ {
		if !seen[seq] {
			t.Errorf("sequence %d was missed", seq)
		}
	}
	t.Logf("%d events handled %d times", n, len(handled))
}

// A process that dies in a handler has acknowledged nothing of it.
func TestKilledInHandlerComesAgain(t *testing.T) {
	tape := eventstest.New(t)
	sub := tape.AddSubscriber("alerts", nil, "")
	consumer(t, tape, sub, func(c *jetstream.ConsumerConfig) { c.AckWait = 500 * time.Millisecond })
	tape.Publish(tickers(3)...)
	first := tape.Connect(sub)
	entered, forever := make(chan uint64, 1), make(chan struct{})
	killed := start(t, first, events.SubscribeConfig{Name: sub.Name}, events.Handlers{
		TickerAnalyzed: func(_ context.Context, r events.Recorded, _ *events.TickerAnalyzed) error {
			entered <- r.Seq
			<-forever
			return nil
		},
	})
	receive(t, entered)
	first.Close() // what a kill does to the server's side
	attempts := make(chan int, 10)
	start(t, tape.Connect(sub), events.SubscribeConfig{Name: sub.Name}, events.Handlers{
		TickerAnalyzed: func(ctx context.Context, r events.Recorded, _ *events.TickerAnalyzed) error {
			if r.Seq == 1 {
				attempts <- events.Attempt(ctx)
			}
			return nil
		},
	})
	if n := receive(t, attempts); n < 2 {
		t.Errorf("attempt %d of the event that was in hand, want at least 2", n)
	}
	tape.WaitDone(sub)
	close(forever)
	_ = killed.stop()
}

func TestFailedHandlerIsTriedAgainInOrder(t *testing.T) {
	tape := eventstest.New(t)
	sub := tape.AddSubscriber("alerts", nil, "")
	tape.Publish(tickers(5)...)
	type call struct {
		Seq     uint64
		Attempt int
	}
	var calls []call
	var log logBuffer
	run := start(t, tape.Connect(sub), events.SubscribeConfig{Name: sub.Name, Logger: log.logger()}, events.Handlers{
		TickerAnalyzed: func(ctx context.Context, r events.Recorded, _ *events.TickerAnalyzed) error {
			calls = append(calls, call{r.Seq, events.Attempt(ctx)})
			if r.Seq == 2 && events.Attempt(ctx) < 4 {
				return errors.New("mail server is down")
			}
			return nil
		},
	})
	tape.WaitDone(sub)
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	want := []call{{1, 1}, {2, 1}, {2, 2}, {2, 3}, {2, 4}, {3, 1}, {4, 1}, {5, 1}}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(log.String(), "mail server is down"); n != 3 {
		t.Errorf("the failure was logged %d times, want 3:\n%s", n, log.String())
	}
}

func TestMalformedNeverBlocks(t *testing.T) {
	for name, hook := range map[string]bool{"logged": false, "given to OnMalformed": true} {
		t.Run(name, func(t *testing.T) {
			tape := eventstest.New(t)
			sub := tape.AddSubscriber("alerts", nil, "")
			bad := nats.NewMsg("tape.job.x.queued")
			bad.Data = []byte("not an event")
			publish(t, tape, bad)
			tape.Publish(tickers(1)...)
			var log logBuffer
			config := events.SubscribeConfig{Name: sub.Name, Logger: log.logger()}
			var given []events.Malformed
			if hook {
				config.OnMalformed = func(ctx context.Context, m events.Malformed) error {
					given = append(given, m)
					if events.Attempt(ctx) == 1 {
						return errors.New("cannot keep it yet")
					}
					return nil
				}
			}
			handled := make(chan uint64, 1)
			run := start(t, tape.Connect(sub), config, events.Handlers{
				TickerAnalyzed: func(_ context.Context, r events.Recorded, _ *events.TickerAnalyzed) error {
					handled <- r.Seq
					return nil
				},
			})
			if seq := receive(t, handled); seq != 2 {
				t.Errorf("sequence %d was handled", seq)
			}
			tape.WaitDone(sub)
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			if !hook {
				if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "seq=1") {
					t.Errorf("log: %s", log.String())
				}
				return
			}
			if len(given) != 2 || given[0].Seq != 1 || string(given[0].Body) != "not an event" ||
				given[0].Subject != bad.Subject || !errors.Is(given[0].Err, events.ErrMalformed) || given[0].At.IsZero() {
				t.Errorf("given %+v", given)
			}
		})
	}
}

// A handler that takes longer than the ack wait, and the events that wait
// behind it in the client, are not delivered a second time.
func TestLongHandlerIsNotDeliveredAgain(t *testing.T) {
	t.Parallel() // it waits most of the time
	tape := eventstest.New(t)
	sub := tape.AddSubscriber("slow", nil, "")
	const ackWait = 2 * time.Second // far above what a busy machine is late with a heartbeat
	consumer(t, tape, sub, func(c *jetstream.ConsumerConfig) { c.MaxAckPending, c.AckWait = 100, ackWait })
	tape.Publish(tickers(4)...)
	var calls atomic.Int64
	run := start(t, tape.Connect(sub), events.SubscribeConfig{Name: sub.Name}, events.Handlers{
		TickerAnalyzed: func(ctx context.Context, r events.Recorded, _ *events.TickerAnalyzed) error {
			calls.Add(1)
			if events.Attempt(ctx) != 1 {
				t.Errorf("sequence %d was delivered %d times", r.Seq, events.Attempt(ctx))
			}
			if r.Seq == 1 {
				<-time.After(2 * ackWait) // the work itself, longer than the server waits
			}
			return nil
		},
	})
	tape.WaitDone(sub)
	if err := run.stop(); err != nil || calls.Load() != 4 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}

func TestSurvivesRestartOfTheServer(t *testing.T) {
	tape := eventstest.New(t)
	sub := tape.AddSubscriber("alerts", nil, "")
	got := make(chan uint64, 100)
	run := start(t, tape.Connect(sub), events.SubscribeConfig{Name: sub.Name}, events.Handlers{
		TickerAnalyzed: func(_ context.Context, r events.Recorded, _ *events.TickerAnalyzed) error {
			got <- r.Seq
			return nil
		},
	})
	data := tickers(30)
	for i := range 3 {
		tape.Publish(data[i*10 : i*10+10]...)
		for want := uint64(i*10 + 1); want <= uint64(i*10+10); {
			seq := receive(t, got)
			if seq > want {
				t.Fatalf("sequence %d came before %d", seq, want)
			}
			if seq == want {
				want++
			}
		}
		tape.Restart()
	}
	tape.WaitDone(sub)
	if err := run.stop(); err != nil {
		t.Error(err)
	}
}

func TestStopInterruptsHandlerAfterGrace(t *testing.T) {
	tape := eventstest.New(t)
	sub := tape.AddSubscriber("stuck", nil, "")
	tape.Publish(tickers(1)...)
	entered, result := make(chan struct{}), make(chan error, 1)
	config := events.SubscribeConfig{Name: sub.Name, Grace: 50 * time.Millisecond}
	run := start(t, tape.Connect(sub), config, events.Handlers{
		TickerAnalyzed: func(ctx context.Context, _ events.Recorded, _ *events.TickerAnalyzed) error {
			close(entered)
			<-ctx.Done()
			result <- ctx.Err()
			return ctx.Err()
		},
	})
	receive(t, entered)
	if err := run.stop(); err != nil {
		t.Error(err)
	}
	if err := receive(t, result); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
