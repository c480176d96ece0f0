package analyzer_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analyzer"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A oneJob is a tape with the JobQueued of every job, whose strategy document
// is what is fuzzed.
type oneJob struct{ document []byte }

func (o oneJob) JobEvent(_ context.Context, id, what string) (events.Recorded, error) {
	if what != "queued" {
		return events.Recorded{}, stream.ErrNotFound
	}
	return events.Recorded{Seq: 1, Event: events.Event{Data: &events.JobQueued{JobID: id, Strategy: o.document}}}, nil
}

func (oneJob) Purge(context.Context, string) error { return nil }

// FuzzHandle: whatever stands in the work queue, and in the strategy of its
// job, is dropped, tried again later, or ends with one outcome that the tape
// takes.
func FuzzHandle(f *testing.F) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	balanced, _ := strategy.Builtin(strategy.Default)
	for _, item := range []string{
		`{"job_id":"j","ticker":"M&M.NS","lane":1,"kind":"analysis","strategy_hash":"h","capital":1e5,"options":{"bars":400},"deadline":"2026-11-28T00:00:00Z"}`,
		`{"job_id":"j","ticker":"A","lane":2,"kind":"backtest","deadline":"2026-11-28T00:00:00Z"}`,
		`{"job_id":"a.b\u0000","ticker":"*","lane":3,"kind":"\u202e","deadline":"2026-11-28T00:00:00Z"}`,
		`{"job_id":"j","ticker":"A","lane":1,"kind":"analysis","deadline":"0001-01-01T00:00:00Z"}`, `null`, ``,
	} {
		f.Add([]byte(item), []byte(balanced.Canonical()), 1)
		f.Add([]byte(item), []byte(`{"name":"\ud800"`), analyzer.MaxDeliveries+1)
	}
	f.Fuzz(func(t *testing.T, item, document []byte, attempt int) {
		stored := 0
		h := analyzer.NewHandler(analyzer.HandlerConfig{
			Log: slog.New(slog.DiscardHandler), Tape: oneJob{document}, Work: oneJob{}, Name: "a", Now: func() time.Time { return now },
			Analyze: func(context.Context, stream.Item, analyzer.Plan) (events.Report, error) {
				return events.Report{}, errors.New("\x00no \xff data\r\n")
			},
			Backtest: func(context.Context, stream.Item, analyzer.Plan) (events.BacktestReport, error) {
				panic("of a backtest")
			},
			Store: func(_ context.Context, event events.Event) error {
				stored++
				_, err := events.Encode(event)
				return err
			},
		})
		wait, err := h.Handle(t.Context(), item, max(attempt, 1))
		if wait < 0 || stored > 2 {
			t.Fatalf("again after %v, %d outcomes", wait, stored)
		}
		decoded, broken := stream.DecodeItem(item)
		if broken != nil && (err != nil || stored > 0) {
			t.Fatalf("what is no item is not dropped: %v, %d outcomes", err, stored)
		}
		if broken == nil && err != nil && attempt > analyzer.MaxDeliveries {
			t.Fatalf("%+v comes for ever: %v", decoded, err)
		}
	})
}
