package events_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/tapedeck/tapedeck/events"
)

// A program that tells of each Strong Buy, until it is interrupted.
func Example() {
	if err := alerts(); err != nil {
		log.Fatal(err)
	}
}

func alerts() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	// What 'tapedeck subscriber add alerts' printed.
	nc, err := events.Connect(os.Getenv("NATS_URL"), "sub-alerts", os.Getenv("NATS_PASSWORD"))
	if err != nil {
		return err
	}
	defer nc.Close()

	return events.Subscribe(ctx, nc, events.SubscribeConfig{Name: "alerts"}, events.Handlers{
		TickerAnalyzed: func(_ context.Context, at events.Recorded, e *events.TickerAnalyzed) error {
			if e.Report.Verdict == events.StrongBuy {
				plan := e.Report.Plan
				fmt.Printf("%d %s: enter at %.2f, stop %.2f, target %.2f\n", at.Seq, e.Ticker, plan.Entry, plan.Stop, plan.Target)
			}
			return nil // acknowledged: it does not come again
		},
	})
}
