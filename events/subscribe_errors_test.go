package events_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/events/eventstest"
)

func TestSubscribeSaysWhatIsWrong(t *testing.T) {
	tape := eventstest.New(t)
	sub := tape.AddSubscriber("alerts", nil, "")
	nc := tape.Connect(sub)
	some := events.Handlers{JobQueued: func(context.Context, events.Recorded, *events.JobQueued) error { return nil }}
	quiet := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()

	if err := events.Subscribe(ctx, nc, events.SubscribeConfig{Name: "a.b", Logger: quiet}, some); !errors.Is(err, events.ErrName) {
		t.Errorf("bad name: %v", err)
	}
	if err := events.Subscribe(ctx, nc, events.SubscribeConfig{Name: "alerts", Logger: quiet}, events.Handlers{}); err == nil {
		t.Error("no handler: no error")
	}
	err := events.Subscribe(ctx, tape.NC, events.SubscribeConfig{Name: "nobody", Logger: quiet}, some)
	if !errors.Is(err, events.ErrNotSubscribed) || !strings.Contains(err.Error(), "tapedeck subscriber add nobody") {
		t.Errorf("no consumer: %v", err)
	}
	other, err := events.Connect(sub.URL, sub.User, sub.Password, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	err = events.Subscribe(ctx, other, events.SubscribeConfig{Name: "another", Logger: quiet}, some)
	if !errors.Is(err, nats.ErrPermissionViolation) || ctx.Err() != nil {
		t.Errorf("another's name: %v", err)
	}
	if _, err := events.Connect(sub.URL, sub.User, "wrong"); !errors.Is(err, nats.ErrAuthorization) || strings.Contains(fmt.Sprint(err), "wrong") {
		t.Errorf("wrong password: %v", err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if err := events.Subscribe(ended, nc, events.SubscribeConfig{Name: "alerts", Logger: quiet}, some); err != nil {
		t.Errorf("an ended context: %v", err)
	}
}

func TestSubscribeEndsWhenItCannotGoOn(t *testing.T) {
	for name, c := range map[string]struct {
		hurt func(*testing.T, *eventstest.Tape, eventstest.Subscriber, *nats.Conn)
		want error
	}{
		"the connection is closed": {func(_ *testing.T, _ *eventstest.Tape, _ eventstest.Subscriber, nc *nats.Conn) { nc.Close() }, nil},
		"the consumer is removed": {func(t *testing.T, tape *eventstest.Tape, sub eventstest.Subscriber, _ *nats.Conn) {
			js, err := jetstream.New(tape.NC)
			if err == nil {
				err = js.DeleteConsumer(t.Context(), events.StreamName, sub.User)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, events.ErrNotSubscribed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tape := eventstest.New(t)
			sub := tape.AddSubscriber("alerts", nil, "")
			nc := tape.Connect(sub)
			tape.Publish(tickers(1)...)
			entered, ended := make(chan struct{}), make(chan error, 1)
			go func() {
				ended <- events.Subscribe(context.Background(), nc, events.SubscribeConfig{Name: sub.Name, Logger: slog.New(slog.DiscardHandler)}, events.Handlers{
					TickerAnalyzed: func(context.Context, events.Recorded, *events.TickerAnalyzed) error {
						close(entered)
						return nil
					},
				})
			}()
			receive(t, entered)
			tape.WaitDone(sub)
			c.hurt(t, tape, sub, nc)
			err := receive(t, ended)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
