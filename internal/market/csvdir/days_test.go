package csvdir_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market/csvdir"
)

// A bar of a day on which the exchange was closed is told of, where its calendar
// knows the day.
func TestDaysWithoutASession(t *testing.T) {
	lookup := calendar.WithOverrides([]calendar.Day{
		{MIC: "XNSE", Date: time.Date(2026, 4, 18, 0, 0, 0, 0, time.UTC), Open: 9 * time.Hour, Close: 15 * time.Hour},
	})
	for _, test := range []struct {
		ticker string
		dates  string
		bars   int
		want   string
	}{
		{"X.NS", "2026-04-24 2026-04-25", 9, "1 bars on days without a session, the newest 2026-04-25"},
		{"X.NS", "2025-08-15 2026-04-24 2026-04-25 2026-04-27", 9, "2 bars on days without a session, the newest 2026-04-25"},
		{"X.NS", "2025-08-15 2026-04-24 2026-04-25 2026-04-27", 1, ""}, // not among those asked for
		{"X.NS", "2024-03-02 2026-04-18 2026-04-24", 9, ""},            // a Saturday with a session, and one of the user's
		{"X.NS", "2014-01-04 2014-01-05", 9, ""},                       // before what the calendar knows
		{"X", "2025-12-25 2025-12-26", 9, "1 bars on days without a session, the newest 2025-12-25"},
		{"BTC-USD", "2026-04-25 2026-04-26", 9, ""},
		{"^NSEI", "2026-04-25", 9, ""},
	} {
		text := header
		for date := range strings.FieldsSeq(test.dates) {
			text += date + ",10,12,9,11,100\n"
		}
		p, err := csvdir.New(csvdir.Config{Dir: folder(t, map[string]string{test.ticker + ".csv": text}), Calendars: lookup})
		if err != nil {
			t.Fatal(err)
		}
		series, err := p.Daily(t.Context(), test.ticker, test.bars)
		if got := strings.Join(series.Warnings, "|"); err != nil || got != test.want {
			t.Errorf("%s %s: %q, %v; want %q", test.ticker, test.dates, got, err, test.want)
		}
	}
}
