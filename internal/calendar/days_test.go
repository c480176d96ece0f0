package calendar_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/calendar"
)

func TestParseDays(t *testing.T) {
	got, err := calendar.ParseDays(strings.NewReader("\ufeff# next year\n\nXNSE 2027-01-26 closed Republic Day\r\n XNSE,XBOM 2027-10-29 18:00-19:00 Muhurat\nXNYS 2029-07-03 00:00-24:00\n"), "holidays.txt")
	if err != nil {
		t.Fatal(err)
	}
	muhurat := calendar.Day{MIC: "XNSE", Date: date("2027-10-29"), Open: 18 * time.Hour, Close: 19 * time.Hour, Name: "Muhurat"}
	both := muhurat
	both.MIC = "XBOM"
	want := []calendar.Day{
		{MIC: "XNSE", Date: date("2027-01-26"), Name: "Republic Day"}, muhurat, both,
		{MIC: "XNYS", Date: date("2029-07-03"), Close: 24 * time.Hour},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseDaysRefuses(t *testing.T) {
	var many strings.Builder
	for i := range calendar.MaxOverrideDays + 1 {
		fmt.Fprintf(&many, "XNSE %s closed\n", date("2027-01-01").AddDate(0, 0, i).Format(time.DateOnly))
	}
	for text, want := range map[string]string{
		"XNSE 2027-01-26":                                     "h.txt:1: ",
		"\n\nXLON 2027-01-26 closed":                          `h.txt:3: exchange "XLON" is not known`,
		"XNSE, 2027-01-26 closed":                             `exchange "" is not known`,
		"XNSE 26.01.2027 closed":                              `"26.01.2027" is no date`,
		"XNSE 0027-01-26 closed":                              "outside the years 1900 to 2199",
		"XNSE 2200-01-01 closed":                              "outside the years",
		"XNSE 2027-02-30 closed":                              "is no date",
		"XNSE 2027-01-26 shut":                                "want closed, or the hours",
		"XNSE 2027-01-26 19:00-18:00 x":                       "want closed, or the hours",
		"XNSE 2027-01-26 18:00-18:00 x":                       "want closed, or the hours",
		"XNSE 2027-01-26 9:00-18:00 x":                        "want closed, or the hours",
		"XNSE 2027-01-26 24:00-25:00 x":                       "want closed, or the hours",
		"XNSE 2027-01-26 closed\nXNSE,XBOM 2027-01-26 closed": "h.txt:2: 2027-01-26 of XNSE stands already in line 1",
		strings.Repeat("x", 2000):                             "reading h.txt after line 0",
		many.String():                                         "h.txt:8001: more than 8000 days",
	} {
		if days, err := calendar.ParseDays(strings.NewReader(text), "h.txt"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, %v; want %q", text, len(days), err, want)
		}
	}
	if days, err := calendar.ParseDays(strings.NewReader(many.String()[:len("XNSE 2027-01-01 closed\n")*calendar.MaxOverrideDays]), "h.txt"); err != nil || len(days) != calendar.MaxOverrideDays {
		t.Errorf("at the limit: %d days, %v", len(days), err)
	}
}

func TestWithOverrides(t *testing.T) {
	days, err := calendar.ParseDays(strings.NewReader("XNSE 2026-11-25 closed Election\nXNSE 2026-11-28 10:00-11:00 Test\nXNSE 2026-11-24 09:15-15:30\nXNSE 2030-01-01 closed New Year"), "h.txt")
	if err != nil {
		t.Fatal(err)
	}
	look := calendar.WithOverrides(append(days, calendar.Day{MIC: "XLON", Date: date("2026-11-25")}))
	own, ok := look("XNSE")
	if !ok {
		t.Fatal("no XNSE")
	}
	for day, want := range map[string]bool{"2026-11-24": true, "2026-11-25": false, "2026-11-26": true, "2026-11-28": true, "2030-01-01": false, "2026-12-25": false} {
		if own.IsSession(date(day)) != want {
			t.Errorf("%s: session %v", day, !want)
		}
	}
	if name := own.Name(date("2026-11-25")); name != "Election" {
		t.Errorf("name %q", name)
	}
	if _, ok := look("XLON"); ok {
		t.Error("a calendar out of nothing")
	}
	for _, mic := range []string{"XBOM", "XNSE"} { // others and the built-in stay as they were
		if other := mustFor(t, mic); !other.IsSession(date("2026-11-25")) || other.IsSession(date("2026-11-24")) {
			t.Errorf("%s is changed", mic)
		}
	}
}

// TestEverythingClosed: the searches end where no session is.
func TestEverythingClosed(t *testing.T) {
	var days []calendar.Day
	for i := -500; i <= 500; i++ {
		days = append(days, calendar.Day{MIC: "XNSE", Date: date("2026-06-15").AddDate(0, 0, i)})
	}
	cal, _ := calendar.WithOverrides(days)("XNSE")
	at := instant("2026-06-15T12:00:00Z")
	if last, next := cal.LastClosed(at), cal.NextClose(at); !last.IsZero() || !next.IsZero() {
		t.Errorf("%v, %v", last, next)
	}
}

func FuzzParseDays(f *testing.F) {
	for _, seed := range []string{"XNSE 2027-01-26 closed Republic Day", "XNSE,XBOM 2027-10-29 18:00-19:00", "# x\n\n", "XNYS 2027-01-01 00:00-24:00", "XNSE 1900-01-01 closed"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		days, err := calendar.ParseDays(strings.NewReader(text), "f")
		if err != nil {
			return
		}
		for _, day := range days {
			if day.Open < 0 || day.Close > 24*time.Hour || !day.Closed() && day.Open >= day.Close {
				t.Fatalf("%+v", day)
			}
			cal, ok := calendar.WithOverrides(days)(day.MIC)
			if !ok || cal.IsSession(day.Date) == day.Closed() {
				t.Fatalf("%+v is not in its calendar", day)
			}
			checkNeighbours(t, cal, day.Date)
		}
	})
}
