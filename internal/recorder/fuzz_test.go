package recorder_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// addTape adds one event of each type as a seed: of a job that is known and
// of one that is not, and each with its body cut short.
func addTape(f *testing.F) {
	f.Helper()
	for _, data := range []events.Data{
		queued("n", "A.NS"), &events.JobStarted{JobID: "a", Total: 2}, &events.JobCancelled{JobID: "a"},
		&events.JobCompleted{JobID: "a", Status: events.StatusCompleted, Total: 2, Analyzed: 2},
		analyzed("a", "A.NS"), failed("a", "B.NS", "no_data"), backtested("b", "A.NS"), backtestFailed("b", "A.NS", "no_data"),
		analyzed("b", "A.NS"), backtested("a", "A.NS"), analyzed("a", "C.NS"), analyzed("x", "A.NS"),
	} {
		m := message(f, 3, data)
		h := m.Header
		add := func(subject string, body []byte) {
			f.Add(subject, h.Get(events.HeaderID), h.Get(events.HeaderSource), h.Get(events.HeaderType),
				h.Get(events.HeaderTime), h.Get(events.HeaderSubject), body)
		}
		add(m.Subject, m.Data)
		add(m.Subject, m.Data[:len(m.Data)/2])
		add("tape.ticker.a.A%2ENS.analyzed", m.Data)
	}
	f.Add("tape.ticker.a.B%2ENS.failed", "\x00\xff", "", "com.tapedeck.job.renamed.v9", "never", "\u202e", []byte("null"))
}

// known are the jobs that stand on the tape before what is fuzzed: an analysis
// "a" and a backtest "b", of A.NS and B.NS.
func known(f *testing.F) []stream.Message {
	b := queued("b", "A.NS", "B.NS")
	b.Kind, b.Backtest = events.KindBacktest, &events.Backtest{From: "2026-01-01", To: "2026-01-10"}
	return tapeOf(f, queued("a", "A.NS", "B.NS"), b)
}

// FuzzFold: whatever message stands on the tape, once and again, it becomes
// rows or is set aside with a reason that people can read; the tables take
// that; the fold does the same twice, and the same in one batch as one by one.
func FuzzFold(f *testing.F) {
	addTape(f)
	before := known(f)
	f.Fuzz(func(t *testing.T, subject, id, source, kind, when, about string, body []byte) {
		h := nats.Header{}
		for name, value := range map[string]string{
			events.HeaderSpecVersion: "1.0", events.HeaderID: id, events.HeaderSource: source,
			events.HeaderType: kind, events.HeaderTime: when, events.HeaderSubject: about,
		} {
			h.Set(name, value)
		}
		tape := before[:len(before):len(before)]
		for range 2 {
			seq := uint64(len(tape) + 1)
			tape = append(tape, stream.Message{Subject: subject, Header: h, Data: body, Seq: seq, At: at(seq)})
		}
		one, again := fold(t, tape...), fold(t, tape...)
		if !reflect.DeepEqual(one, again) {
			t.Fatalf("the same tape folds to\n%+v\nand to\n%+v", one, again)
		}
		wantReadable(t, one.Poison, body)
		if err := recorder.Read(tape[2]).Err; err != nil && len(one.Poison) != 2 {
			t.Fatalf("two messages that are %v, and %d set aside", err, len(one.Poison))
		}
		whole, cut := committed(t, tape, len(tape)), committed(t, tape, 1)
		err := store.Compare(t.Context(), whole, cut, func(d store.Difference) { t.Errorf("in one batch and one by one: %v", d) })
		if err != nil {
			t.Fatal(err)
		}
	})
}

// wantReadable holds what is set aside against what people and databases take.
func wantReadable(t *testing.T, list []store.Poison, body []byte) {
	t.Helper()
	for _, p := range list {
		for _, text := range []string{p.Subject, p.EventID, p.EventType, p.Reason} {
			if !utf8.ValidString(text) || strings.ContainsRune(text, 0) || len(text) > 4096 {
				t.Fatalf("set aside with the text %.100q of %d bytes", text, len(text))
			}
		}
		if p.Reason == "" || len(p.Body) != min(len(body), store.PoisonBodyBytes) {
			t.Fatalf("set aside for %q with %d of %d bytes", p.Reason, len(p.Body), len(body))
		}
	}
}

// committed are tables in memory, which have the rules of the others, that took
// a tape in batches of so many messages.
func committed(t *testing.T, tape []stream.Message, size int) store.Reading {
	t.Helper()
	w := memory.New(func() time.Time { return t0 }).OpenWriter()
	migrate(t, w)
	lease, err := w.Acquire(t.Context(), "x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for ; len(tape) > 0; tape = tape[size:] {
		p, batch := recorder.NewProjection(), entries(tape[:size]) // knows only what the tables say
		missing := p.Missing(batch)
		states, err := w.Load(context.Background(), missing)
		if err != nil {
			t.Fatal(err)
		}
		p.Learn(missing, states)
		last := tape[size-1]
		next := store.Position{Stream: "TAPE", Created: t0, Seq: last.Seq, Anchor: last.Anchor()}
		if err := w.Commit(t.Context(), lease, next, p.Fold(batch)); err != nil {
			t.Fatalf("the tables refuse the rows up to %d: %v", last.Seq, err)
		}
		lease.Position = next
	}
	return w.Reading()
}
