package stream_test

import (
	"fmt"
	"testing"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// BenchmarkPublishBatch stores guarded outcomes in batches of 500, with an
// fsync before each answer.
func BenchmarkPublishBatch(b *testing.B) {
	s := streamtest.Server(b)
	tape := s.Tape(stream.RoleAnalyzer)
	for i := 0; b.Loop(); i++ {
		if err := tape.PublishBatch(ctx, outcomes(fmt.Sprint("j", i), 0, 500)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(500*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkTail reads 100,000 outcomes in-process, in order and checked.
func BenchmarkTail(b *testing.B) {
	const total = 100_000
	s := streamtest.Server(b)
	tape := s.Tape(stream.RoleAnalyzer)
	for i := range total / 1000 {
		if err := tape.PublishBatch(ctx, outcomes(fmt.Sprint("j", i), 0, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		tail, err := s.Tape(stream.RoleRecorder).Tail(ctx, 1)
		if err != nil {
			b.Fatal(err)
		}
		for n := 0; n < total; {
			batch, err := tail.Next(ctx, 500)
			if err != nil {
				b.Fatal(err)
			}
			n += len(batch)
		}
		tail.Stop()
	}
	b.ReportMetric(float64(total*b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkTaken looks up 500 outcomes that exist.
func BenchmarkTaken(b *testing.B) {
	s := streamtest.Server(b)
	tape := s.Tape(stream.RoleAnalyzer)
	evs := outcomes("j", 0, 500)
	if err := tape.PublishBatch(ctx, evs); err != nil {
		b.Fatal(err)
	}
	var ask []events.Data
	for _, ev := range evs {
		ask = append(ask, ev.Data)
	}
	for b.Loop() {
		if _, err := tape.Taken(ctx, ask); err != nil {
			b.Fatal(err)
		}
	}
}
