package eventstest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/events/eventstest"
)

func TestSubscriberOfATape(t *testing.T) {
	tape := eventstest.New(t)
	all := tape.AddSubscriber("all", nil, "")
	one := tape.AddSubscriber("one", []events.Type{events.TypeTickerAnalyzed}, "BRK.B")
	tape.Publish(
		eventstest.Job("job-1", "TCS.NS", "BRK.B"),
		eventstest.Analyzed("job-1", "TCS.NS", events.StrongBuy, 0.7),
		eventstest.Analyzed("job-1", "BRK.B", events.StrongBuy, 0.7),
		eventstest.Failed("job-1", "NOSUCH.NS", events.FailureUnknownTicker),
	)
	for _, c := range []struct {
		sub  eventstest.Subscriber
		want []string
	}{{all, []string{"TCS.NS", "BRK.B"}}, {one, []string{"BRK.B"}}} {
		var told []string
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		nc := tape.Connect(c.sub)
		go func() {
			done <- events.Subscribe(ctx, nc, events.SubscribeConfig{Name: c.sub.Name},
				alerts(func(ticker string) { told = append(told, ticker) }))
		}()
		tape.WaitDone(c.sub)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, told); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.sub.Name, diff)
		}
	}
}

func TestPublishIsOncePerFact(t *testing.T) {
	tape := eventstest.New(t)
	job := eventstest.Job("job-1", "A")
	got := slices.Concat(tape.Publish(job, job), tape.Publish(eventstest.Job("job-2", "A")))
	if diff := cmp.Diff([]uint64{1, 1, 2}, got); diff != "" {
		t.Error(diff)
	}
}

// A subscriber's user may do what Subscribe does and nothing else.
func TestSubscriberIsConfined(t *testing.T) {
	tape := eventstest.New(t)
	tape.AddSubscriber("other", nil, "")
	sub := tape.AddSubscriber("alerts", nil, "")
	refused := make(chan error, 10)
	nc, err := events.Connect(sub.URL, sub.User, sub.Password,
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for name, try := range map[string]func() error{
		"an event":              func() error { return nc.Publish("tape.job.j.queued", nil) },
		"another's events":      func() error { return nc.Publish("$JS.API.CONSUMER.MSG.NEXT.TAPE.sub-other", nil) },
		"another's ack":         func() error { return nc.Publish("$JS.ACK.TAPE.sub-other.1.1.1.1.1", nil) },
		"a consumer":            func() error { return nc.Publish("$JS.API.CONSUMER.CREATE.TAPE.x", nil) },
		"its consumer's end":    func() error { return nc.Publish("$JS.API.CONSUMER.DELETE.TAPE.sub-alerts", nil) },
		"the stream":            func() error { return nc.Publish("$JS.API.STREAM.INFO.TAPE", nil) },
		"others' answers":       func() error { _, err := nc.SubscribeSync("_INBOX_sub-other.>"); return err },
		"the default inbox":     func() error { _, err := nc.SubscribeSync("_INBOX.>"); return err },
		"everything":            func() error { _, err := nc.SubscribeSync(">"); return err },
		"events as they happen": func() error { _, err := nc.SubscribeSync("tape.>"); return err },
	} {
		if err := try(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		select {
		case <-refused:
		case <-time.After(10 * time.Second):
			t.Errorf("%s was not refused", name)
		}
	}
}
