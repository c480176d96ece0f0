package calendar_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
)

func date(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

func instant(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func mustFor(t *testing.T, mic string) calendar.Calendar {
	t.Helper()
	c, ok := calendar.For(mic)
	if !ok {
		t.Fatalf("no calendar of %s", mic)
	}
	return c
}

func TestHours(t *testing.T) {
	for _, c := range []struct{ mic, date, want, name string }{
		{"XNSE", "2026-11-25", "2026-11-25T03:45Z-2026-11-25T10:00Z", ""},
		{"XBOM", "2026-11-25", "2026-11-25T03:45Z-2026-11-25T10:00Z", ""},
		{"XNSE", "2026-11-24", "closed", "Guru Nanak Jayanti"},
		{"XNSE", "2026-11-21", "closed", ""},
		{"XNSE", "2025-10-21", "2025-10-21T08:15Z-2025-10-21T09:15Z", "Muhurat"},
		{"XBOM", "2023-11-12", "2023-11-12T12:45Z-2023-11-12T13:45Z", "Muhurat"},
		{"XNSE", "2021-02-24", "2021-02-24T03:45Z-2021-02-24T11:30Z", "Extended after NSE's outage"},
		{"XNYS", "2026-11-25", "2026-11-25T14:30Z-2026-11-25T21:00Z", ""},
		{"XNAS", "2026-07-02", "2026-07-02T13:30Z-2026-07-02T20:00Z", ""},
		{"XNAS", "2026-11-27", "2026-11-27T14:30Z-2026-11-27T18:00Z", "Day after Thanksgiving"},
		{"XNYS", "2024-07-03", "2024-07-03T13:30Z-2024-07-03T17:00Z", "Day before Independence Day"},
		{"XNYS", "2026-07-03", "closed", "Independence Day"},
		{"XNYS", "2025-01-09", "closed", "Day of mourning for Jimmy Carter"},
		{"XNYS", "2021-06-18", "2021-06-18T13:30Z-2021-06-18T20:00Z", ""},
		{"XNYS", "2028-01-01", "closed", ""}, {"XNYS", "2027-12-31", "2027-12-31T14:30Z-2027-12-31T21:00Z", ""},
		{"XNSE", "2031-01-01", "2031-01-01T03:45Z-2031-01-01T10:00Z", ""}, // unknown: a weekday
	} {
		cal := mustFor(t, c.mic)
		opens, closes, ok := cal.Hours(date(c.date))
		got := "closed"
		if ok {
			const layout = "2006-01-02T15:04Z07:00"
			got = fmt.Sprintf("%s-%s", opens.UTC().Format(layout), closes.UTC().Format(layout))
		}
		if got != c.want || cal.IsSession(date(c.date)) != ok || cal.Name(date(c.date)) != c.name {
			t.Errorf("%s %s: %s %q, session %v; want %s %q", c.mic, c.date, got, cal.Name(date(c.date)), cal.IsSession(date(c.date)), c.want, c.name)
		}
	}
}

func TestLastClosedAndNextClose(t *testing.T) {
	for _, c := range []struct{ mic, at, last, next string }{
		{"XNSE", "2026-11-25T09:59:59Z", "2026-11-23", "2026-11-25T10:00:00Z"}, // the 24th is a holiday
		{"XNSE", "2026-11-25T10:00:00Z", "2026-11-25", "2026-11-26T10:00:00Z"},
		{"XNSE", "2025-10-21T09:15:00Z", "2025-10-21", "2025-10-23T10:00:00Z"}, // Muhurat, then Balipratipada
		{"XNYS", "2026-11-27T17:59:59Z", "2026-11-25", "2026-11-27T18:00:00Z"}, // early close
		{"XNYS", "2026-11-27T18:00:00Z", "2026-11-27", "2026-11-30T21:00:00Z"},
		{"XNYS", "2026-03-06T21:00:00Z", "2026-03-06", "2026-03-09T20:00:00Z"}, // summer time in between
		{"XNYS", "2026-11-26T02:00:00Z", "2026-11-25", "2026-11-27T18:00:00Z"}, // the evening before in New York
	} {
		cal := mustFor(t, c.mic)
		if last := cal.LastClosed(instant(c.at)); !last.Equal(date(c.last)) {
			t.Errorf("%s: last closed at %s is %v, want %s", c.mic, c.at, last, c.last)
		}
		if next := cal.NextClose(instant(c.at)); !next.Equal(instant(c.next)) {
			t.Errorf("%s: next close after %s is %v, want %s", c.mic, c.at, next, c.next)
		}
	}
}
