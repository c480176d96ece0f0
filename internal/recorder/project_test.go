package recorder_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// t0 is the tape's time of sequence 0; each event is a second later.
var t0 = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)

func at(seq uint64) time.Time { return t0.Add(time.Duration(seq) * time.Second) }

// nul stands for a NUL character in the body of a message.
const nul = "~nul~"

// message makes the tape's message of an event.
func message(t testing.TB, seq uint64, data events.Data) stream.Message {
	t.Helper()
	msg, err := events.Encode(events.New("test", t0, data))
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.ReplaceAll(msg.Data, []byte(nul), []byte(`\u0000`)) // the codec refuses to write one
	return stream.Message{Subject: msg.Subject, Header: msg.Header, Data: body, Seq: seq, At: at(seq)}
}

func tapeOf(t testing.TB, datas ...events.Data) []stream.Message {
	t.Helper()
	list := make([]stream.Message, len(datas))
	for i, data := range datas {
		list[i] = message(t, uint64(i+1), data)
	}
	return list
}

func entries(messages []stream.Message) []recorder.Entry {
	list := make([]recorder.Entry, len(messages))
	for i := range messages {
		list[i] = recorder.Read(messages[i])
	}
	return list
}

// fold folds a whole tape in one batch into empty tables.
func fold(t testing.TB, messages ...stream.Message) store.Changes {
	t.Helper()
	p := recorder.NewProjection()
	batch := entries(messages)
	p.Learn(p.Missing(batch), nil)
	return p.Fold(batch)
}

func progressOf(t *testing.T, c store.Changes, id string) store.Progress {
	t.Helper()
	for _, p := range c.Progress {
		if p.JobID == id {
			return p
		}
	}
	t.Fatalf("no progress of %s", id)
	return store.Progress{}
}

func TestFoldOfProgress(t *testing.T) {
	started := &events.JobStarted{JobID: "j", Total: 2}
	cancelled := &events.JobCancelled{JobID: "j"}
	done := &events.JobCompleted{JobID: "j", Status: events.StatusCompleted, Total: 2, Analyzed: 2}
	a, b, fa, fb := analyzed("j", "A.NS"), analyzed("j", "B.NS"), failed("j", "A.NS", "no_data"), failed("j", "B.NS", "no_data")
	for _, test := range []struct {
		name   string
		events []events.Data // after JobQueued at 1
		want   store.Progress
		poison int
	}{
		{"queued", nil, store.Progress{Status: "queued", LastSeq: 1}, 0},
		{"started", []events.Data{started}, store.Progress{Status: "running", StartedAt: at(2), LastSeq: 2}, 0},
		{"started by an outcome", []events.Data{a}, store.Progress{Status: "running", Analyzed: 1, StartedAt: at(2), LastSeq: 2}, 0},
		{"started again", []events.Data{a, started}, store.Progress{Status: "running", Analyzed: 1, StartedAt: at(2), LastSeq: 2}, 0},
		{"completed", []events.Data{started, a, fb}, store.Progress{Status: "completed", Analyzed: 1, Failed: 1, StartedAt: at(2), CompletedAt: at(4), LastSeq: 4}, 0},
		{"failed", []events.Data{fa, fb}, store.Progress{Status: "failed", Failed: 2, StartedAt: at(2), CompletedAt: at(3), LastSeq: 3}, 0},
		{"duplicate of the same kind", []events.Data{a, a}, store.Progress{Status: "running", Analyzed: 1, Duplicates: 1, StartedAt: at(2), LastSeq: 3}, 0},
		{"duplicate of another kind", []events.Data{a, fa}, store.Progress{Status: "running", Analyzed: 1, Duplicates: 1, StartedAt: at(2), LastSeq: 3}, 0},
		{"duplicate after the end", []events.Data{a, b, fa}, store.Progress{Status: "completed", Analyzed: 2, Duplicates: 1, StartedAt: at(2), CompletedAt: at(3), LastSeq: 4}, 0},
		{"cancelled", []events.Data{a, cancelled}, store.Progress{Status: "cancelled", Analyzed: 1, Cancelled: 1, StartedAt: at(2), CompletedAt: at(3), CancelSeq: 3, LastSeq: 3}, 0},
		{"cancelled before any work", []events.Data{cancelled}, store.Progress{Status: "cancelled", Cancelled: 2, CompletedAt: at(2), CancelSeq: 2, LastSeq: 2}, 0},
		{"late", []events.Data{a, cancelled, b, fa}, store.Progress{Status: "cancelled", Analyzed: 1, Cancelled: 1, Late: 2, StartedAt: at(2), CompletedAt: at(3), CancelSeq: 3, LastSeq: 5}, 0},
		{"cancelled after the end", []events.Data{a, b, cancelled}, store.Progress{Status: "completed", Analyzed: 2, StartedAt: at(2), CompletedAt: at(3), LastSeq: 3}, 0},
		{"cancelled twice", []events.Data{cancelled, cancelled}, store.Progress{Status: "cancelled", Cancelled: 2, CompletedAt: at(2), CancelSeq: 2, LastSeq: 2}, 0},
		{"announced", []events.Data{a, b, done, done}, store.Progress{Status: "completed", Analyzed: 2, StartedAt: at(2), CompletedAt: at(3), LastSeq: 4, AnnouncedSeq: 4}, 0},
		{"announced before the end", []events.Data{a, done}, store.Progress{Status: "running", Analyzed: 1, StartedAt: at(2), LastSeq: 2}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			changes := fold(t, tapeOf(t, append([]events.Data{queued("j", "A.NS", "B.NS")}, test.events...)...)...)
			test.want.JobID, test.want.Total = "j", 2
			got := progressOf(t, changes, "j")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if len(changes.Progress) != 1 || len(changes.Poison) != test.poison {
				t.Errorf("%d progress rows, %d poison %v", len(changes.Progress), len(changes.Poison), changes.Poison)
			}
			if n := got.Analyzed + got.Failed + got.Cancelled; n != len(changes.Details) || got.Analyzed != len(changes.Results) {
				t.Errorf("the counters %+v are not those of %d details and %d results", got, len(changes.Details), len(changes.Results))
			}
		})
	}
}

func TestFoldOfRows(t *testing.T) {
	q, ta, tf := queued("j", "A.NS", "B.NS", "C.NS"), analyzed("j", "B.NS"), failed("j", "C.NS", "a_newer_code")
	ta.Report.Score = math.Copysign(0, -1)
	tf.Message = strings.Repeat("é", 4000)
	c := fold(t, tapeOf(t, q, ta, tf, &events.JobCancelled{JobID: "j"})...)
	cut := time.Date(2026, 11, 25, 10, 0, 0, 123_000_000, time.UTC)
	wantDetails := []store.Detail{
		{JobID: "j", Ticker: "B.NS", Position: 1, Status: "analyzed", Attempts: 1, StartedAt: cut, CompletedAt: cut.Add(time.Second), Seq: 2},
		{JobID: "j", Ticker: "C.NS", Position: 2, Status: "failed", Code: "internal", Message: c.Details[1].Message, Attempts: 1, StartedAt: tf.StartedAt, CompletedAt: tf.CompletedAt, Seq: 3},
		{JobID: "j", Ticker: "A.NS", Position: 0, Status: "cancelled", Seq: 4},
	}
	if diff := cmp.Diff(wantDetails, c.Details); diff != "" {
		t.Error(diff)
	}
	if m := c.Details[1].Message; len(m) > 4096 || len(m) < 4090 || !strings.HasPrefix(m, `unknown code "a_newer_code": é`) {
		t.Errorf("message of %d bytes: %.60s", len(m), m)
	}
	r := c.Results[0]
	if math.Signbit(r.Score) || r.Seq != 2 || !r.RecordedAt.Equal(at(2)) || r.Origin != events.OriginAPI || r.Warnings == nil || r.Plan.Adjustments == nil || r.Lineage.Warnings == nil {
		t.Errorf("result %+v", r)
	}
	indicators, err := store.DecodeIndicators(c.Indicators[0].Data)
	if err != nil || len(indicators) != 1 || indicators[0].Values["rsi"] != 55 {
		t.Errorf("indicators %+v, %v", indicators, err)
	}
	wantDay := []store.Day{{Ticker: "B.NS", StrategyHash: "h", Class: store.ClassReal, TradingDay: "2026-11-24", ResultSeq: 2}}
	if diff := cmp.Diff(wantDay, c.Days); diff != "" {
		t.Error(diff)
	}
	if j := c.Jobs[0]; !j.CreatedAt.Equal(at(1)) || j.Seq != 1 || j.Total != 3 || string(j.Strategy) != `{"name":"balanced"}` {
		t.Errorf("job %+v", j)
	}
}

func TestDaysCollapseToTheHighestSequence(t *testing.T) {
	synthetic := analyzed("j3", "A.NS")
	synthetic.Report.Lineage.Synthetic = true
	c := fold(t, tapeOf(t, queued("j1", "A.NS"), queued("j2", "A.NS"), queued("j3", "A.NS"),
		analyzed("j1", "A.NS"), analyzed("j2", "A.NS"), synthetic)...)
	want := []store.Day{
		{Ticker: "A.NS", StrategyHash: "h", Class: store.ClassReal, TradingDay: "2026-11-24", ResultSeq: 5},
		{Ticker: "A.NS", StrategyHash: "h", Class: store.ClassSynthetic, TradingDay: "2026-11-24", ResultSeq: 6},
	}
	if diff := cmp.Diff(want, c.Days); diff != "" {
		t.Error(diff)
	}
}

// TestPoison: each kind is set aside with its reason, stops nothing, and where
// it stands in the place of a ticker's outcome, fails that ticker.
func TestPoison(t *testing.T) {
	raw := func(what string, change func(*stream.Message)) func(t *testing.T) stream.Message {
		return func(t *testing.T) stream.Message {
			m := message(t, 2, analyzed("j", "A.NS"))
			change(&m)
			return m
		}
	}
	with := func(change func(*events.TickerAnalyzed)) func(t *testing.T) stream.Message {
		return func(t *testing.T) stream.Message {
			data := analyzed("j", "A.NS")
			change(data)
			return message(t, 2, data)
		}
	}
	job := func(change func(*events.JobQueued)) func(t *testing.T) stream.Message {
		return func(t *testing.T) stream.Message {
			data := queued("new", "A.NS")
			change(data)
			return message(t, 2, data)
		}
	}
	of := func(data events.Data) func(t *testing.T) stream.Message {
		return func(t *testing.T) stream.Message { return message(t, 2, data) }
	}
	for _, test := range []struct {
		name   string
		msg    func(t *testing.T) stream.Message
		reason string
		fails  bool // the ticker A.NS of job j
	}{
		{"no headers", raw("", func(m *stream.Message) { m.Header = nats.Header{} }), "ce-", true},
		{"no JSON", raw("", func(m *stream.Message) { m.Data = []byte("\x00{") }), "body of", true},
		{"body of another subject", raw("", func(m *stream.Message) { m.Subject = events.TickerSubject("j", "A.NS", "failed") }), "belongs to subject", true},
		{"unknown type", raw("", func(m *stream.Message) { m.Header.Set(events.HeaderType, "tapedeck.v2.x") }), "unknown type", true},
		{"strange subject", raw("", func(m *stream.Message) { m.Subject = "tape.x" }), "belongs to subject", false},
		{"unknown job", of(analyzed("nobody", "A.NS")), "unknown job", false},
		{"unknown job started", of(&events.JobStarted{JobID: "nobody"}), "unknown job", false},
		{"unknown job cancelled", of(&events.JobCancelled{JobID: "nobody"}), "unknown job", false},
		{"unknown job completed", of(&events.JobCompleted{JobID: "nobody"}), "unknown job", false},
		{"not in the list", of(analyzed("j", "Z.NS")), "does not hold", false},
		{"failed, not in the list", of(failed("j", "Z.NS", "no_data")), "does not hold", false},
		{"illegal job id", of(&events.JobCancelled{JobID: strings.Repeat("j", 65)}), "job id", false},
		{"NUL", with(func(d *events.TickerAnalyzed) { d.Report.Regime = nul }), "NUL", true},
		{"long text", with(func(d *events.TickerAnalyzed) { d.Report.Indicators[0].Note = strings.Repeat("x", 4097) }), "indicators: [0]: note: 4097 bytes", true},
		{"no date", with(func(d *events.TickerAnalyzed) { d.Report.TradingDay = "2026-02-30" }), "trading_day", true},
		{"verdict", with(func(d *events.TickerAnalyzed) { d.Report.Verdict = "Maybe" }), "verdict", true},
		{"score", with(func(d *events.TickerAnalyzed) { d.Report.Score = 1.5 }), "score", true},
		{"coverage", with(func(d *events.TickerAnalyzed) { d.Report.Coverage = -1 }), "coverage", true},
		{"kind", with(func(d *events.TickerAnalyzed) { d.Kind = events.KindBacktest }), "kind", true},
		{"attempts", with(func(d *events.TickerAnalyzed) { d.Attempts = -1 }), "attempts", true},
		{"strategy", with(func(d *events.TickerAnalyzed) { d.StrategyHash = "other" }), "strategy", true},
		{"year", with(func(d *events.TickerAnalyzed) { d.StartedAt = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC) }), "year", true},
		{"second JobQueued", of(queued("j", "A.NS")), "second JobQueued", false},
		{"no tickers", job(func(d *events.JobQueued) { d.Tickers = nil }), "tickers: 0", false},
		{"too many tickers", job(func(d *events.JobQueued) { d.Tickers = names("T", 10_001) }), "10001", false},
		{"ticker not canonical", job(func(d *events.JobQueued) { d.Tickers = []string{"tcs.ns"} }), "tickers[0]", false},
		{"ticker illegal", job(func(d *events.JobQueued) { d.Tickers = []string{"A.NS", "*"} }), "tickers[1]", false},
		{"ticker twice", job(func(d *events.JobQueued) { d.Tickers = []string{"A.NS", "A.NS"} }), "twice", false},
		{"capital", job(func(d *events.JobQueued) { d.Capital = 0 }), "capital", false},
		{"origin", job(func(d *events.JobQueued) { d.Origin = "dream" }), "origin", false},
		{"job kind", job(func(d *events.JobQueued) { d.Kind = "dream" }), "kind", false},
		{"deadline", job(func(d *events.JobQueued) { d.Deadline = time.Time{} }), "deadline", false},
		{"large strategy", job(func(d *events.JobQueued) { d.Strategy = []byte(`"` + strings.Repeat("x", 64<<10) + `"`) }), "strategy", false},
		{"NUL in the strategy", job(func(d *events.JobQueued) { d.Strategy = []byte(`"` + nul + `"`) }), "NUL", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			poison := test.msg(t)
			poison.Seq, poison.At = 2, at(2)
			c := fold(t, message(t, 1, queued("j", "A.NS", "B.NS")), poison, message(t, 3, analyzed("j", "B.NS")))
			if len(c.Poison) != 1 || c.Poison[0].Seq != 2 || !c.Poison[0].RecordedAt.Equal(at(2)) || !strings.Contains(c.Poison[0].Reason, test.reason) {
				t.Fatalf("%d poisoned, %q, want %q", len(c.Poison), c.Poison[0].Reason, test.reason)
			}
			p := progressOf(t, c, "j")
			if p.Analyzed != 1 || (p.Failed == 1) != test.fails || (p.Status == events.StatusCompleted) != test.fails {
				t.Errorf("progress %+v", p)
			}
			if test.fails && (c.Details[0].Code != events.FailureInternal || !strings.Contains(c.Details[0].Message, test.reason)) {
				t.Errorf("detail %+v", c.Details[0])
			}
			if len(c.Jobs) != 1 {
				t.Errorf("jobs %+v", c.Jobs)
			}
		})
	}
}

// TestLimitsAreLegal: what stands exactly at a limit is taken.
func TestLimitsAreLegal(t *testing.T) {
	q := queued(strings.Repeat("j", 64), names("T", 10_000)...)
	q.Strategy = []byte(`"` + strings.Repeat("x", 64<<10-2) + `"`)
	ta := analyzed(q.JobID, "T0.NS")
	ta.Report.Indicators[0].Note = strings.Repeat("x", 4096)
	ta.Report.Score, ta.Report.Coverage = -1, 0
	if c := fold(t, tapeOf(t, q, ta)...); len(c.Poison) != 0 || len(c.Jobs) != 1 || len(c.Results) != 1 {
		t.Errorf("poison %+v", c.Poison)
	}
}

func TestPoisonKeepsTheStartOfTheBody(t *testing.T) {
	m := message(t, 1, &events.JobStarted{JobID: "j"})
	m.Data = []byte(strings.Repeat("x", 5000))
	m.Header.Set(events.HeaderID, "id\x00\xff"+strings.Repeat("y", 600))
	c := fold(t, m)
	p := c.Poison[0]
	if len(p.Body) != store.PoisonBodyBytes || len(p.EventID) != 512 || !strings.HasPrefix(p.EventID, "id\uFFFD\uFFFDy") {
		t.Errorf("body of %d bytes, id %q", len(p.Body), p.EventID[:10])
	}
}

func TestStatesAreBounded(t *testing.T) {
	p := recorder.NewProjection()
	for i := range 40 { // of 10,000 tickers each: more than the limit
		batch := entries([]stream.Message{message(t, uint64(i+1), queued(fmt.Sprintf("j%d", i), names("T", 10_000)...))})
		p.Learn(p.Missing(batch), nil)
		p.Fold(batch)
		p.Settle()
	}
	probe := make([]stream.Message, 40)
	for i := range probe {
		probe[i] = message(t, uint64(100+i), &events.JobStarted{JobID: fmt.Sprintf("j%d", i)})
	}
	missing := p.Missing(entries(probe))
	if len(missing) != 15 || missing[0] != "j0" || missing[14] != "j14" {
		t.Errorf("forgotten are %v, want the 15 oldest", missing)
	}
}

// TestUnknownJobsAreForgotten: events of jobs that nobody submitted must not
// fill the memory, however many ids somebody makes up.
func TestUnknownJobsAreForgotten(t *testing.T) {
	p := recorder.NewProjection()
	batch := entries(tapeOf(t, &events.JobStarted{JobID: "nobody"}))
	p.Learn(p.Missing(batch), nil)
	if rows := p.Fold(batch); len(rows.Poison) != 1 {
		t.Errorf("%d events are set aside, want 1", len(rows.Poison))
	}
	p.Settle()
	if missing := p.Missing(batch); len(missing) != 1 {
		t.Error("a job that does not exist is remembered")
	}
}
