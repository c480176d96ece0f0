package events_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
)

func TestTokens(t *testing.T) {
	for text, want := range map[string]string{
		"AAPL": "AAPL", "TCS.NS": "TCS%2ENS", "M&M.NS": "M%26M%2ENS", "BAJAJ-AUTO.NS": "BAJAJ-AUTO%2ENS",
		"^NSEI": "%5ENSEI", "EURUSD=X": "EURUSD%3DX", "BTC/USD": "BTC%2FUSD", "A_B": "A_B",
		"*": "%2A", ">": "%3E", "a b": "a%20b", "\x00": "%00", "é": "%C3%A9", "%2E": "%252E", "$JS": "%24JS",
	} {
		got := events.EncodeToken(text)
		if got != want {
			t.Errorf("EncodeToken(%q) = %q, want %q", text, got, want)
		}
		if back, err := events.DecodeToken(got); err != nil || back != text {
			t.Errorf("DecodeToken(%q) = %q, %v", got, back, err)
		}
	}
	for _, token := range []string{"", "a.b", "%", "%2", "%2e", "%41", "%zz", "a*", ">", " ", "é", "%2E%"} {
		if text, err := events.DecodeToken(token); !errors.Is(err, events.ErrSubject) {
			t.Errorf("DecodeToken(%q) = %q, %v; want ErrSubject", token, text, err)
		}
	}
}

func TestParseSubject(t *testing.T) {
	type parts struct{ Job, Ticker, What string }
	for subject, want := range map[string]parts{
		events.JobSubject("j.1", "queued"):              {"j.1", "", "queued"},
		events.TickerSubject("j", "BRK.B", "analyzed"):  {"j", "BRK.B", "analyzed"},
		events.TickerSubject("j", "*", "backtested"):    {"j", "*", "backtested"},
		events.JobSubject(jobID, "of_a-newer_tapedeck"): {jobID, "", "of_a-newer_tapedeck"},
	} {
		job, ticker, what, err := events.ParseSubject(subject)
		if got := (parts{job, ticker, what}); got != want || err != nil {
			t.Errorf("ParseSubject(%q) = %+v, %v; want %+v", subject, got, err, want)
		}
	}
	for _, subject := range []string{
		"", "tape", "tape.job", "tape.job.j", "tape.job..queued", "tape.job.j.", "tape.job.j.queued.x", "work.job.j.queued",
		"tape.ticker.j.analyzed", "tape.ticker.j..analyzed", "tape.ticker..A.analyzed", "tape.ticker.j.A.*", "tape.job.j.>",
		"tape.ticker.j.a%2e.failed", "tape.key.j.queued", " tape.job.j.queued",
	} {
		if job, ticker, what, err := events.ParseSubject(subject); !errors.Is(err, events.ErrSubject) || job+ticker+what != "" {
			t.Errorf("ParseSubject(%q) = %q %q %q %v; want ErrSubject", subject, job, ticker, what, err)
		}
	}
}

func TestFilterSubjects(t *testing.T) {
	analyzed, failed, queued := events.TypeTickerAnalyzed, events.TypeTickerFailed, events.TypeJobQueued
	for _, c := range []struct {
		types  []events.Type
		ticker string
		want   []string
	}{
		{nil, "", []string{"tape.>"}},
		{nil, "BRK.B", []string{"tape.ticker.*.BRK%2EB.*"}},
		{[]events.Type{analyzed, queued, analyzed}, "", []string{"tape.ticker.*.*.analyzed", "tape.job.*.queued"}},
		{[]events.Type{analyzed, failed}, "*", []string{"tape.ticker.*.%2A.analyzed", "tape.ticker.*.%2A.failed"}},
	} {
		got, err := events.FilterSubjects(c.types, c.ticker)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("FilterSubjects(%v, %q): %v\n%s", c.types, c.ticker, err, diff)
		}
	}
	if got, err := events.FilterSubjects([]events.Type{"tapedeck.v1.nothing"}, ""); err == nil {
		t.Errorf("a type that does not exist gives %v", got)
	}
	if got, err := events.FilterSubjects([]events.Type{queued}, "A"); err == nil {
		t.Errorf("a job's type beside a ticker gives %v", got)
	}
	// Each type alone filters just the subject of its own events.
	for name, data := range values() {
		for _, other := range events.Types() {
			filters, err := events.FilterSubjects([]events.Type{other}, "")
			if err != nil || len(filters) != 1 {
				t.Fatal(filters, err)
			}
			_, _, what, _ := events.ParseSubject(data.NATSSubject())
			matches := slices.Contains([]string{"tape.job.*." + what, "tape.ticker.*.*." + what}, filters[0])
			if matches != (other == data.EventType()) {
				t.Errorf("filter %s of %s and the subject of %s: match %v", filters[0], other, name, matches)
			}
		}
	}
}

func TestDurableName(t *testing.T) {
	for _, name := range []string{"alerts", "a", "7", "my-alerts_2", "abcdefghijklmnopqrstuvwxyz012345"} {
		if got, err := events.DurableName(name); err != nil || got != "sub-"+name {
			t.Errorf("DurableName(%q) = %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "A", "-a", "_a", "a.b", "a b", "*", ">", "a/b", "é", "abcdefghijklmnopqrstuvwxyz0123456"} {
		if got, err := events.DurableName(name); !errors.Is(err, events.ErrName) {
			t.Errorf("DurableName(%q) = %q, %v; want ErrName", name, got, err)
		}
	}
}
