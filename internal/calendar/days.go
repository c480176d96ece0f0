package calendar

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"
)

// A Day is a date on which an exchange differs from its weekday rule: a
// holiday, a session on a weekend, or other hours.
type Day struct {
	MIC  string    // ISO 10383: XNSE, XBOM, XNYS, XNAS
	Date time.Time // midnight UTC of the exchange's calendar date

	// Open and Close are the hours on the exchange's clock, as time since
	// midnight: 0 <= Open < Close <= 24 h. Both are 0 on a holiday.
	Open, Close time.Duration

	Name string // for people; may be empty
}

// Closed reports whether there is no session on the day.
func (d Day) Closed() bool { return d.Close == 0 }

// ParseDays reads days as a user writes them, one a line:
//
//	XNSE 2027-01-26 closed Republic Day
//	XNSE,XBOM 2027-10-29 18:00-19:00 Muhurat
//
// Exchanges (separated by commas), date, "closed" or the hours on the
// exchange's clock, and a name, which may be missing. Empty lines and lines
// that begin with # are skipped. An error tells file, line and reason; name is
// the file's. A day that stands twice for an exchange is an error.
func ParseDays(r io.Reader, name string) ([]Day, error) {
	var days []Day
	seen := map[string]int{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLineBytes)
	number := 0
	for lines.Scan() {
		number++
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		parsed, err := parseLine(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		for _, day := range parsed {
			key := day.MIC + day.Date.Format(time.DateOnly)
			if before := seen[key]; before > 0 {
				return nil, fmt.Errorf("%s:%d: %s of %s stands already in line %d: remove one", name, number, day.Date.Format(time.DateOnly), day.MIC, before)
			}
			seen[key] = number
		}
		if days = append(days, parsed...); len(days) > MaxOverrideDays {
			return nil, fmt.Errorf("%s:%d: more than %d days: is this the right file?", name, number, MaxOverrideDays)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s after line %d: %w", name, number, err)
	}
	return days, nil
}

// WithOverrides returns a Lookup of the built-in calendars with days put over
// them: each replaces what was known of its exchange and date. Later ones win.
// A day of an exchange that has no calendar is ignored; ParseDays makes none.
func WithOverrides(days []Day) Lookup {
	markets := maps.Clone(builtIn())
	own := map[string]bool{}
	for _, day := range days {
		base, ok := markets[day.MIC]
		if !ok {
			continue
		}
		if !own[day.MIC] {
			copied := *base
			copied.days = maps.Clone(base.days)
			markets[day.MIC], base, own[day.MIC] = &copied, &copied, true
		}
		base.days[dayNumber(day.Date)] = day
	}
	return func(mic string) (Calendar, bool) {
		m, ok := markets[mic]
		return Calendar{m}, ok
	}
}

// parseLine reads one line into a Day per exchange that it names.
func parseLine(text string) ([]Day, error) {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return nil, fmt.Errorf("%q: want EXCHANGE YYYY-MM-DD and closed or HH:MM-HH:MM, then a name", text)
	}
	date, err := time.Parse(time.DateOnly, fields[1])
	if err != nil {
		return nil, fmt.Errorf("%q is no date; want YYYY-MM-DD", fields[1])
	}
	if date.Year() < firstYear || date.Year() > lastYear {
		return nil, fmt.Errorf("%s lies outside the years %d to %d", fields[1], firstYear, lastYear)
	}
	day := Day{Date: date, Name: strings.Join(fields[3:], " ")}
	if fields[2] != "closed" {
		if day.Open, day.Close, err = parseHours(fields[2]); err != nil {
			return nil, err
		}
	}
	var days []Day
	for mic := range strings.SplitSeq(fields[0], ",") {
		if !exchanges[mic] {
			return nil, fmt.Errorf("exchange %q is not known; known are XNSE, XBOM, XNYS and XNAS", mic)
		}
		day.MIC = mic
		days = append(days, day)
	}
	return days, nil
}

// parseHours reads "HH:MM-HH:MM".
func parseHours(text string) (opens, closes time.Duration, err error) {
	from, to, _ := strings.Cut(text, "-")
	opens, okFrom := parseClock(from)
	closes, okTo := parseClock(to)
	if !okFrom || !okTo || opens >= closes {
		return 0, 0, fmt.Errorf("%q: want closed, or the hours as HH:MM-HH:MM with the close after the open", text)
	}
	return opens, closes, nil
}

// parseClock reads "HH:MM", 00:00 to 24:00.
func parseClock(text string) (time.Duration, bool) {
	if text == "24:00" {
		return wholeDay, true
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}
