package analyzer_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analyzer"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// outcome is an outcome of a ticker, of any type: one guard is for all of them.
func outcome(t *rapid.T, ticker string) events.Event {
	data := rapid.SampledFrom([]events.Data{
		&events.TickerFailed{JobID: "j", Ticker: ticker}, &events.TickerAnalyzed{JobID: "j", Ticker: ticker},
		&events.TickerBacktested{JobID: "j", Ticker: ticker},
	}).Draw(t, "type")
	return events.New("test", time.Unix(0, 0), data)
}

// about is the ticker of an outcome.
func about(event events.Event) string {
	_, ticker, _, _ := events.ParseSubject(event.Data.NATSSubject())
	return ticker
}

// tape is a model of the tape's guard: one outcome per ticker, a batch is
// stored whole or not at all, and an answer can be lost.
type tape struct {
	stored map[string]bool
	t      *rapid.T
}

func (m *tape) publish(batch []events.Event) error {
	seen := map[string]bool{}
	for _, event := range batch {
		ticker := about(event)
		if seen[ticker] {
			m.t.Fatalf("two outcomes of %s in one batch", ticker)
		}
		seen[ticker] = true
		if m.stored[ticker] {
			return stream.ErrExists
		}
	}
	if len(batch) > analyzer.BatchMessages {
		m.t.Fatalf("a batch of %d", len(batch))
	}
	for ticker := range seen {
		m.stored[ticker] = true
	}
	return nil
}

// TestCommitSettles offers outcomes with duplicates while answers are lost and
// another analyzer stores some: every offer is resolved, once, and only when
// an outcome of its ticker stands on the tape.
func TestCommitSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &tape{stored: map[string]bool{}, t: t}
		core := analyzer.NewCommit()
		now := time.Unix(0, 0)
		resolved := map[int]bool{}
		tickerOf := map[int]string{}
		var calls []analyzer.CommitOutput // what is in flight
		var wake time.Time
		take := func(outs []analyzer.CommitOutput) {
			for _, out := range outs {
				switch out := out.(type) {
				case analyzer.Resolve:
					for _, id := range out.IDs {
						if resolved[id] {
							t.Fatalf("offer %d resolved twice", id)
						}
						if !m.stored[tickerOf[id]] {
							t.Fatalf("offer %d of %s resolved, not stored", id, tickerOf[id])
						}
						resolved[id] = true
					}
				case analyzer.Wake:
					wake = out.At
				default:
					calls = append(calls, out)
					if len(calls) > 1 {
						t.Fatalf("two calls in flight")
					}
				}
			}
		}
		answer := func(faults bool) {
			if len(calls) == 0 {
				return
			}
			call := calls[0]
			calls = nil
			lost := errors.New("no answer")
			fault := 0
			if faults {
				fault = rapid.IntRange(0, 4).Draw(t, "fault")
			}
			switch call := call.(type) {
			case analyzer.Publish:
				if fault == 1 {
					take(core.Step(now, analyzer.Published{Err: lost}))
					return
				}
				err := m.publish(call.Events)
				if fault == 2 { // stored, or refused, and the answer lost
					err = lost
				}
				take(core.Step(now, analyzer.Published{Err: err}))
			case analyzer.AskTaken:
				taken := make([]bool, len(call.Events))
				for i, event := range call.Events {
					taken[i] = m.stored[about(event)]
				}
				in := analyzer.TakenAnswer{Taken: taken}
				if fault == 1 {
					in = analyzer.TakenAnswer{Err: lost}
				}
				if fault == 3 { // a stale answer: nothing seems taken
					in = analyzer.TakenAnswer{Taken: make([]bool, len(call.Events))}
				}
				take(core.Step(now, in))
			}
		}
		steps := rapid.IntRange(1, 60).Draw(t, "steps")
		for id := range steps {
			ticker := fmt.Sprint(rapid.IntRange(0, 20).Draw(t, "ticker"))
			tickerOf[id] = ticker
			switch rapid.IntRange(0, 3).Draw(t, "meanwhile") {
			case 0:
				m.stored[fmt.Sprint(rapid.IntRange(0, 20).Draw(t, "other"))] = true
			case 1:
				answer(true)
			case 2:
				now = now.Add(time.Second)
				take(core.Step(now, analyzer.Tick{}))
			}
			take(core.Step(now, analyzer.Offered{ID: id, Event: outcome(t, ticker), Size: 100}))
		}
		for round := 0; len(resolved) < steps; round++ {
			if round > 1000 {
				t.Fatalf("%d of %d offers resolved", len(resolved), steps)
			}
			answer(false)
			if len(calls) == 0 && !wake.IsZero() {
				now = now.Add(time.Minute)
				take(core.Step(now, analyzer.Tick{}))
			}
		}
	})
}
