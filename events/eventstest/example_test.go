package eventstest_test

import (
	"context"
	"testing"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/events/eventstest"
)

// alerts is a program outside tapedeck: it tells of each Strong Buy.
func alerts(tell func(ticker string)) events.Handlers {
	return events.Handlers{
		TickerAnalyzed: func(_ context.Context, _ events.Recorded, e *events.TickerAnalyzed) error {
			if e.Report.Verdict == events.StrongBuy {
				tell(e.Ticker)
			}
			return nil
		},
	}
}

// The test of a subscriber: put events on a tape, let the program subscribe as
// it does in earnest, wait until it has answered them all, and look.
func Example() {
	testAlerts := func(t *testing.T) { // TestAlerts in your own package
		tape := eventstest.New(t)
		subscriber := tape.AddSubscriber("alerts", []events.Type{events.TypeTickerAnalyzed}, "")
		tape.Publish(
			eventstest.Job("job-1", "TCS.NS", "INFY.NS"),
			eventstest.Analyzed("job-1", "TCS.NS", events.StrongBuy, 0.7),
			eventstest.Analyzed("job-1", "INFY.NS", events.Hold, 0.1),
		)

		var told []string
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			nc := tape.Connect(subscriber)
			done <- events.Subscribe(ctx, nc, events.SubscribeConfig{Name: subscriber.Name},
				alerts(func(ticker string) { told = append(told, ticker) }))
		}()
		tape.WaitDone(subscriber)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(told) != 1 || told[0] != "TCS.NS" {
			t.Errorf("told of %v, want TCS.NS alone", told)
		}
	}
	_ = testAlerts
}
