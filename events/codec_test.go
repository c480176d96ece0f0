package events_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
)

func encoded(t testing.TB, data events.Data) *nats.Msg {
	t.Helper()
	msg, err := events.Encode(events.New("tapedeck/test", clock(3), data))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestDecodeRefuses(t *testing.T) {
	set := func(name, value string) func(*nats.Msg) {
		return func(m *nats.Msg) { m.Header.Set(name, value) }
	}
	del := func(name string) func(*nats.Msg) { return func(m *nats.Msg) { m.Header.Del(name) } }
	twice := func(name string) func(*nats.Msg) {
		return func(m *nats.Msg) { m.Header.Add(name, m.Header.Get(name)) }
	}
	body := func(text string) func(*nats.Msg) { return func(m *nats.Msg) { m.Data = []byte(text) } }
	started := encoded(t, values()["job_started"])
	cases := map[string]func(*nats.Msg){
		"no id":                del(events.HeaderID),
		"no type":              del(events.HeaderType),
		"empty type":           set(events.HeaderType, ""),
		"no source":            del(events.HeaderSource),
		"no version":           del(events.HeaderSpecVersion),
		"other version":        set(events.HeaderSpecVersion, "0.3"),
		"no time":              del(events.HeaderTime),
		"time not RFC 3339":    set(events.HeaderTime, "5 January"),
		"other content":        set(events.HeaderContentType, "text/xml"),
		"other ce-subject":     set(events.HeaderSubject, "another"),
		"id twice":             twice(events.HeaderID),
		"type twice":           twice(events.HeaderType),
		"source twice":         twice(events.HeaderSource),
		"time twice":           twice(events.HeaderTime),
		"version twice":        twice(events.HeaderSpecVersion),
		"content twice":        twice(events.HeaderContentType),
		"ce-subject twice":     twice(events.HeaderSubject),
		"id with a line break": set(events.HeaderID, "a\r\nb"),
		"id with a space":      set(events.HeaderID, "a b"),
		"id too long":          set(events.HeaderID, strings.Repeat("a", events.MaxHeaderBytes+1)),
		"other subject":        func(m *nats.Msg) { m.Subject = "tape.job.other.started" },
		"other word":           func(m *nats.Msg) { m.Subject = strings.Replace(m.Subject, "started", "queued", 1) },
		"type of another":      set(events.HeaderType, string(events.TypeJobQueued)),
		"no body":              body(""),
		"null":                 body("null"),
		"a list":               body("[]"),
		"no JSON":              body("{"),
		"trailing garbage":     func(m *nats.Msg) { m.Data = append(m.Data, " {}"...) },
		"not UTF-8":            body(`{"job_id":"` + jobID + `","total":1,"x":"` + "\xff" + `"}`),
		"NUL":                  body(`{"job_id":"` + jobID + `","total":1,"x":"\u0000"}`),
		"wrong kind of value":  body(`{"job_id":"` + jobID + `","total":"four"}`),
		"number too large":     body(`{"job_id":"` + jobID + `","total":1e99}`),
		"too large":            body(`{"job_id":"` + jobID + `","x":"` + strings.Repeat("a", events.MaxBodyBytes) + `"}`),
		"no job": func(m *nats.Msg) {
			m.Subject, m.Data = "tape.job..started", []byte(`{"total":1}`)
			m.Header.Del(events.HeaderSubject)
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			msg := nats.NewMsg(started.Subject)
			msg.Data = append([]byte(nil), started.Data...)
			for k, v := range started.Header {
				msg.Header[k] = append([]string(nil), v...)
			}
			if _, err := events.Decode(msg.Subject, msg.Header, msg.Data); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			change(msg)
			got, err := events.Decode(msg.Subject, msg.Header, msg.Data)
			if !errors.Is(err, events.ErrMalformed) {
				t.Errorf("got %+v, %v; want ErrMalformed", got, err)
			}
		})
	}
}

func TestDecodeTakes(t *testing.T) {
	body := `{"new_field":{"a":[1]},"job_id":"` + jobID + `","total":4,"text":"a backslash and u0000: \\u0000"}`
	for name, change := range map[string]func(*nats.Msg){
		"a field that it does not know": func(m *nats.Msg) { m.Data = []byte(body) },
		"no content type":               func(m *nats.Msg) { m.Header.Del(events.HeaderContentType) },
		"a content type with charset":   func(m *nats.Msg) { m.Header.Set(events.HeaderContentType, "application/json; charset=utf-8") },
		"no ce-subject":                 func(m *nats.Msg) { m.Header.Del(events.HeaderSubject) },
		"a header that it does not know": func(m *nats.Msg) {
			m.Header.Add("ce-extension", "a")
			m.Header.Add("ce-extension", "b")
		},
		"space around the body": func(m *nats.Msg) { m.Data = []byte(" " + string(m.Data) + "\n") },
	} {
		t.Run(name, func(t *testing.T) {
			msg := encoded(t, values()["job_started"])
			change(msg)
			got, err := events.Decode(msg.Subject, msg.Header, msg.Data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(values()["job_started"], got.Data); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnknownTypeIsAValue(t *testing.T) {
	msg := encoded(t, values()["ticker_failed"])
	msg.Header.Set(events.HeaderType, "tapedeck.v1.ticker_simulated")
	msg.Subject = strings.Replace(msg.Subject, ".failed", ".simulated", 1)
	msg.Data = []byte("anything \xff at all")
	got, err := events.Decode(msg.Subject, msg.Header, msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	want := &events.Unknown{Type: "tapedeck.v1.ticker_simulated", Subject: msg.Subject, JobID: jobID, Raw: msg.Data}
	if diff := cmp.Diff(events.Data(want), got.Data); diff != "" {
		t.Error(diff)
	}
	again, err := events.Encode(got)
	if err != nil || again.Subject != msg.Subject || string(again.Data) != string(msg.Data) {
		t.Errorf("encoded again: %v, %v", again, err)
	}
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	good := events.New("tapedeck/test", clock(1), values()["job_started"])
	with := func(change func(*events.Event)) events.Event {
		e := good
		change(&e)
		return e
	}
	analyzed := *values()["ticker_analyzed"].(*events.TickerAnalyzed)
	analyzed.Report.Score = math.NaN()
	queued := *values()["job_queued"].(*events.JobQueued)
	queued.Tickers = make([]string, 100_000)
	for i := range queued.Tickers {
		queued.Tickers[i] = fmt.Sprintf("T%08d", i)
	}
	for name, c := range map[string]struct {
		event events.Event
		want  error // nil: any
	}{
		"no data":       {with(func(e *events.Event) { e.Data = nil }), events.ErrMalformed},
		"no id":         {with(func(e *events.Event) { e.ID = "" }), events.ErrMalformed},
		"no source":     {with(func(e *events.Event) { e.Source = "" }), events.ErrMalformed},
		"injection":     {with(func(e *events.Event) { e.Source = "a\r\nce-id: b" }), events.ErrMalformed},
		"year 10000":    {with(func(e *events.Event) { e.Time = clock(0).AddDate(8000, 0, 0) }), events.ErrMalformed},
		"no job":        {with(func(e *events.Event) { e.Data = &events.JobStarted{} }), events.ErrMalformed},
		"no ticker":     {with(func(e *events.Event) { e.Data = &events.TickerFailed{JobID: jobID} }), events.ErrMalformed},
		"job not UTF-8": {with(func(e *events.Event) { e.Data = &events.JobStarted{JobID: "\xff"} }), events.ErrMalformed},
		"NUL": {with(func(e *events.Event) {
			e.Data = &events.TickerFailed{JobID: jobID, Ticker: "A", Message: "\x00"}
		}), events.ErrMalformed},
		"NaN":       {with(func(e *events.Event) { e.Data = &analyzed }), nil},
		"too large": {with(func(e *events.Event) { e.Data = &queued }), events.ErrTooLarge},
	} {
		msg, err := events.Encode(c.event)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, msg, err, c.want)
		}
	}
}

// 10,000 tickers of the longest kind and the largest strategy are one event.
func TestLargestJobFits(t *testing.T) {
	job := *values()["job_queued"].(*events.JobQueued)
	job.Tickers = make([]string, 10_000)
	for i := range job.Tickers {
		job.Tickers[i] = fmt.Sprintf("%032d", i)
	}
	job.Strategy = json.RawMessage(`"` + strings.Repeat("s", 64<<10-2) + `"`)
	msg := encoded(t, &job)
	got, err := events.Decode(msg.Subject, msg.Header, msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(events.Data(&job), got.Data); diff != "" {
		t.Error(diff)
	}
}

func TestBodyLimitToTheByte(t *testing.T) {
	at := func(size int) error {
		job := &events.JobCancelled{JobID: "j"}
		empty := len(encoded(t, &events.JobCancelled{JobID: "j", Reason: "x"}).Data) - 1
		job.Reason = strings.Repeat("x", size-empty)
		_, err := events.Encode(events.New("tapedeck/test", clock(1), job))
		return err
	}
	if err := at(events.MaxBodyBytes); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if err := at(events.MaxBodyBytes + 1); !errors.Is(err, events.ErrTooLarge) {
		t.Errorf("one past it: %v", err)
	}
}

// A strategy's hash is that of its bytes, so they must come through as they are.
func TestStrategyKeepsItsBytes(t *testing.T) {
	job := *values()["job_queued"].(*events.JobQueued)
	job.Strategy = json.RawMessage(`{"b":"< & >   é","a":1.50e1}`)
	msg := encoded(t, &job)
	got, err := events.Decode(msg.Subject, msg.Header, msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(got.Data.(*events.JobQueued).Strategy); s != string(job.Strategy) {
		t.Errorf("strategy %s, want %s", s, job.Strategy)
	}
}

func TestFactIDTellsFactsApart(t *testing.T) {
	seen := map[string]string{}
	for _, job := range []string{"a", "b"} {
		for _, ticker := range []string{"A.B", "A", "B"} {
			for _, data := range []events.Data{
				&events.TickerFailed{JobID: job, Ticker: ticker}, &events.TickerAnalyzed{JobID: job, Ticker: ticker},
				&events.TickerBacktested{JobID: job, Ticker: ticker},
			} {
				id := events.FactID(data)
				if before, ok := seen[id]; ok {
					t.Errorf("%s has the id of %s", data.NATSSubject(), before)
				}
				seen[id] = data.NATSSubject()
				if id[14] != '8' || !strings.ContainsRune("89ab", rune(id[19])) {
					t.Errorf("%s is no UUID of version 8", id)
				}
			}
		}
	}
	one := events.FactID(&events.TickerFailed{JobID: "a", Ticker: "A", Message: "x"})
	if two := events.FactID(&events.TickerFailed{JobID: "a", Ticker: "A", Message: "y", Attempts: 5}); one != two {
		t.Errorf("one fact has two ids, %s and %s", one, two)
	}
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 日本":            "plain é 日本",
		"a\r\nb\tc":             "a  b c",
		"\x00\x1b[31mred\u202e": "[31mred",
		"bad \xff byte":         "bad \uFFFD byte",
		"":                      "",
	} {
		if got := events.CleanText(in); got != want {
			t.Errorf("CleanText(%q) = %q, want %q", in, got, want)
		}
	}
	for _, n := range []int{events.MaxTextBytes - 1, events.MaxTextBytes, events.MaxTextBytes + 1, events.MaxTextBytes + 2, 3 * events.MaxTextBytes} {
		for _, text := range []string{strings.Repeat("x", n), strings.Repeat("é", n/2), "x" + strings.Repeat("日", n/3)} {
			got := events.CleanText(text)
			if len(got) > events.MaxTextBytes || !utf8.ValidString(got) || len(text) <= events.MaxTextBytes && got != text {
				t.Errorf("CleanText of %d bytes: %d bytes", len(text), len(got))
			}
		}
	}
}

func TestFailureTable(t *testing.T) {
	seen := map[events.FailureCode]bool{}
	for _, f := range events.Failures() {
		if seen[f.Code] || f.Meaning == "" || f.Remedy == "" {
			t.Errorf("row %q is twice there or not filled", f.Code)
		}
		seen[f.Code] = true
		if f.Code.Known() != f.Code || f.Code.Retriable() != f.Retriable {
			t.Errorf("%s: Known %s, Retriable %v", f.Code, f.Code.Known(), f.Code.Retriable())
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d codes, want 12", len(seen))
	}
	if c := events.FailureCode("of_tomorrow"); c.Known() != events.FailureInternal || c.Retriable() {
		t.Errorf("an unknown code is %s, retriable %v", c.Known(), c.Retriable())
	}
}
