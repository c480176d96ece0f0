package calendar_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/referencedata"
)

// The files of sessions were derived from vendors' bars, with the vendors'
// flaws. Each day on which the table differs is named here with the reason; a
// new difference fails, and so does one that is gone.

const hole = "the file lacks five weeks of 2019"

// nseDiffers maps dates to why the bars of NSE say something else.
var nseDiffers = map[string]string{
	"2016-10-30": "Muhurat on a Sunday: the vendor has no bar of it",
	"2019-10-27": "Muhurat on a Sunday: the vendor dates its bar the Monday after",
	"2019-10-28": "Diwali Balipratipada: that Monday's bar is the Muhurat session's",
	"2020-02-01": "Union Budget on a Saturday: the vendor has no bar of it",
	"2023-11-12": "Muhurat on a Sunday: the vendor has no bar of it",
	"2024-01-20": "full session on a Saturday: the vendor has no bar of it",
	"2024-03-02": "disaster recovery session on a Saturday: the vendor has no bar of it",
	"2024-05-18": "disaster recovery session on a Saturday: the vendor has no bar of it",
	"2026-01-15": "municipal elections: the vendor repeats the day before, a holiday ghost",
	"2026-02-01": "Union Budget on a Sunday: the vendor has no bar of it",
	"2026-08-17": "no circular closes it: a hole in the newest week of the file",
	"2026-08-18": "no circular closes it: a hole in the newest week of the file",
	// 2019-08-26 to 2019-09-27 but the holidays 2019-09-02 and 2019-09-10.
	"2019-08-26": hole, "2019-08-27": hole, "2019-08-28": hole, "2019-08-29": hole, "2019-08-30": hole,
	"2019-09-03": hole, "2019-09-04": hole, "2019-09-05": hole, "2019-09-06": hole, "2019-09-09": hole,
	"2019-09-11": hole, "2019-09-12": hole, "2019-09-13": hole, "2019-09-16": hole, "2019-09-17": hole,
	"2019-09-18": hole, "2019-09-19": hole, "2019-09-20": hole, "2019-09-23": hole, "2019-09-24": hole,
	"2019-09-25": hole, "2019-09-26": hole, "2019-09-27": hole,
}

func TestNSESessionsAgainstBars(t *testing.T) {
	for _, mic := range []string{"XNSE", "XBOM"} {
		compare(t, mic, lines(t, "nse_sessions_2016-08_2026-08.txt"), nseDiffers)
	}
}

func TestUSSessionsAgainstBars(t *testing.T) {
	for _, mic := range []string{"XNYS", "XNAS"} {
		compare(t, mic, lines(t, "sessions_us_2010_2026.txt"), nil)
	}
}

// TestNSEClosuresAgainstBars reads a second file, of closed weekdays.
func TestNSEClosuresAgainstBars(t *testing.T) {
	cal := mustFor(t, "XNSE")
	closures := map[string]bool{}
	for _, day := range lines(t, "nse_weekday_closures_2020_2026-08.txt") {
		closures[day] = true
	}
	for day := date("2020-01-01"); !day.After(date("2026-08-21")); day = day.AddDate(0, 0, 1) {
		text := day.Format(time.DateOnly)
		if weekend := day.Weekday()%6 == 0; weekend || nseDiffers[text] != "" {
			continue
		}
		if cal.IsSession(day) == closures[text] {
			t.Errorf("%s: session %v, closed in the file %v", text, cal.IsSession(day), closures[text])
		}
	}
}

// compare holds the calendar of mic against the dates of sessions, from the
// first to the last of them.
func compare(t *testing.T, mic string, sessions []string, explained map[string]string) {
	t.Helper()
	in := map[string]bool{}
	for _, day := range sessions {
		in[day] = true
	}
	first, last := date(sessions[0]), date(sessions[len(sessions)-1])
	have := map[string]bool{}
	for _, day := range mustFor(t, mic).Sessions(first, last) {
		have[day.Format(time.DateOnly)] = true
	}
	got := map[string]bool{}
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		if text := day.Format(time.DateOnly); in[text] != have[text] {
			got[text] = true
		}
	}
	want := map[string]bool{}
	for day, why := range explained {
		if want[day] = true; why == "" {
			t.Errorf("%s has no reason", day)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: days that differ from the bars (- explained, + found):\n%s", mic, diff)
	}
	t.Logf("%s: %d sessions from %s to %s, %d differences, all explained", mic, len(sessions), sessions[0], sessions[len(sessions)-1], len(got))
}

// lines reads a file of the calendars.
func lines(t *testing.T, file string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(string(referencedata.Read(t, "calendars/"+file))) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}
