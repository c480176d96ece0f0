package calendar_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/calendar"
)

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Fatalf(format string, args ...any)
	Helper()
}

// checkNeighbours holds LastClosed and NextClose at the instant at against each
// other and against Hours, without a second implementation.
func checkNeighbours(t fataler, cal calendar.Calendar, at time.Time) {
	t.Helper()
	last, next := cal.LastClosed(at), cal.NextClose(at)
	if last.IsZero() || next.IsZero() {
		return // nothing but closed days around: TestEverythingClosed
	}
	_, closed, ok := cal.Hours(last)
	if !ok || closed.After(at) || !next.After(at) {
		t.Fatalf("at %v: the last session %v closes %v, the next close is %v", at, last, closed, next)
	}
	nextDate := cal.Date(next.Add(-time.Nanosecond))
	if last.Year() < 1900 || nextDate.Year() > 2199 {
		return // Sessions does not list these
	}
	between := cal.Sessions(last, nextDate)
	if want := []time.Time{last, nextDate}; !slices.Equal(between, want) {
		t.Fatalf("at %v: sessions between the last closed and the next: %v, want %v", at, between, want)
	}
	if again := cal.LastClosed(next); !again.Equal(nextDate) {
		t.Fatalf("at the close %v the last session is %v, want %v", next, again, nextDate)
	}
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cal, ok := calendar.For(rapid.SampledFrom([]string{"XNSE", "XBOM", "XNYS", "XNAS", "none"}).Draw(t, "mic"))
		if known, _ := cal.Known(); ok == known.IsZero() {
			t.Fatalf("found %v, known from %v", ok, known)
		}
		// 1995 to 2040: before, within and after what is known.
		at := time.Unix(rapid.Int64Range(788_918_400, 2_240_524_800).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		checkNeighbours(t, cal, at)

		from := cal.Date(at)
		to := from.AddDate(0, 0, rapid.IntRange(-3, 800).Draw(t, "days"))
		list := cal.Sessions(from, to)
		n := 0
		for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
			opens, closes, ok := cal.Hours(day)
			if ok != cal.IsSession(day) || ok && (!opens.Before(closes) || cal.Date(opens) != day) {
				t.Fatalf("%v: hours %v to %v, %v", day, opens, closes, ok)
			}
			if ok {
				if n >= len(list) || !list[n].Equal(day) {
					t.Fatalf("session %d of %v: want %v", n, list, day)
				}
				n++
			}
		}
		if n != len(list) {
			t.Fatalf("%d sessions too many", len(list)-n)
		}
	})
}

// TestBounds: absurd instants and ranges answer, and quickly.
func TestBounds(t *testing.T) {
	cal := mustFor(t, "XNYS")
	for _, at := range []time.Time{{}, time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(30000, 12, 31, 0, 0, 0, 0, time.UTC)} {
		checkNeighbours(t, cal, at)
	}
	all := cal.Sessions(time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(30000, 1, 1, 0, 0, 0, 0, time.UTC))
	if first, last := all[0], all[len(all)-1]; first.Year() != 1900 || last.Year() != 2199 {
		t.Errorf("from %v to %v", first, last)
	}
	if none := cal.Sessions(date("2026-01-06"), date("2026-01-05")); none != nil {
		t.Errorf("backwards: %v", none)
	}
	if one := cal.Sessions(date("2026-01-06"), date("2026-01-06")); len(one) != 1 {
		t.Errorf("one day: %v", one)
	}
	if _, ok := calendar.For("XLON"); ok {
		t.Error("XLON is known")
	}
	if zone := mustFor(t, "XBOM").Location().String(); zone != "Asia/Kolkata" {
		t.Errorf("zone %s", zone)
	}
	from, to := mustFor(t, "XNSE").Known()
	if !from.Equal(date("2015-01-01")) || !to.Equal(date("2026-12-31")) {
		t.Errorf("known from %v to %v", from, to)
	}
}

// TestZeroCalendar: an unknown exchange trades on weekdays, around the clock.
func TestZeroCalendar(t *testing.T) {
	var cal calendar.Calendar
	opens, closes, ok := cal.Hours(date("2026-12-25"))
	if !ok || !opens.Equal(date("2026-12-25")) || !closes.Equal(date("2026-12-26")) {
		t.Errorf("%v to %v, %v", opens, closes, ok)
	}
	if last := cal.LastClosed(date("2026-11-23")); !last.Equal(date("2026-11-20")) {
		t.Errorf("last closed %v", last)
	}
}

// TestKnownYearsAreWhole: each known year has its number of sessions, so that a
// year that someone appends to the table is not forgotten half way.
func TestKnownYearsAreWhole(t *testing.T) {
	for _, mic := range []string{"XNSE", "XBOM", "XNYS", "XNAS"} {
		cal := mustFor(t, mic)
		from, to := cal.Known()
		for year := from.Year(); year <= to.Year(); year++ {
			first := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
			if n := len(cal.Sessions(first, first.AddDate(1, 0, -1))); n < 242 || n > 253 {
				t.Errorf("%s %d: %d sessions", mic, year, n)
			}
		}
	}
}
