// Package calendar knows the sessions of the exchanges: on which dates NSE,
// BSE, NYSE and NASDAQ trade, from when to when, and which session closed last.
//
// A date is written as midnight UTC of the exchange's calendar date, as market
// writes a daily bar; hours are instants. India's holidays are a table, those
// of the United States follow rules. Users add what was announced later in a
// file (ParseDays, WithOverrides). The package is pure and needs no time zone
// files of the machine.
package calendar

import (
	"time"
	_ "time/tzdata" // so that hours are right on machines without zoneinfo
)

// A Lookup returns the calendar of an exchange (ISO 10383 MIC) and whether it
// is known. For is one, WithOverrides makes others.
type Lookup func(mic string) (Calendar, bool)

// A Calendar tells the sessions of one exchange. It is immutable and safe for
// concurrent use. The zero Calendar takes every weekday as a session that
// lasts from 00:00 to 24:00 UTC: what can be said of an unknown exchange.
type Calendar struct{ m *market }

// For returns the built-in calendar of the exchange mic (XNSE, XBOM, XNYS,
// XNAS) and whether there is one. XBOM has the sessions of XNSE, XNAS those of
// XNYS.
func For(mic string) (Calendar, bool) {
	m, ok := builtIn()[mic]
	return Calendar{m}, ok
}

// IsSession reports whether the exchange trades on the calendar date of date.
func (c Calendar) IsSession(date time.Time) bool {
	m := c.market()
	if day, ok := m.days[dayNumber(date)]; ok {
		return !day.Closed()
	}
	return weekday(date)
}

// Hours returns the first and the last instant of trading on the calendar date
// of date, and whether there is a session. Special sessions and early closes
// are included; a pause inside a session is not told.
func (c Calendar) Hours(date time.Time) (opens, closes time.Time, ok bool) {
	m := c.market()
	from, to := m.open, m.close
	if day, special := m.days[dayNumber(date)]; special {
		if day.Closed() {
			return time.Time{}, time.Time{}, false
		}
		from, to = day.Open, day.Close
	} else if !weekday(date) {
		return time.Time{}, time.Time{}, false
	}
	return m.at(date, from), m.at(date, to), true
}

// Name returns what a special day is called ("Republic Day", "Muhurat"), or ""
// for an ordinary date.
func (c Calendar) Name(date time.Time) string { return c.market().days[dayNumber(date)].Name }

// Date returns the exchange's calendar date at the instant at, as midnight UTC.
func (c Calendar) Date(at time.Time) time.Time { return midnight(at.In(c.market().zone)) }

// LastClosed returns the date of the newest session that had closed at or
// before the instant at. It is the zero time where the 400 days before hold no
// session, which only overrides can bring about.
func (c Calendar) LastClosed(at time.Time) time.Time {
	date := c.Date(at)
	for range maxGapDays {
		if _, closes, ok := c.Hours(date); ok && !closes.After(at) {
			return date
		}
		date = date.AddDate(0, 0, -1)
	}
	return time.Time{}
}

// NextClose returns the instant of the first session close after the instant
// at: until then no newer complete daily bar can exist. It is the zero time
// where the 400 days after hold no session, which only overrides can bring about.
func (c Calendar) NextClose(at time.Time) time.Time {
	date := c.Date(at)
	for range maxGapDays {
		if _, closes, ok := c.Hours(date); ok && closes.After(at) {
			return closes
		}
		date = date.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// Sessions returns the dates of the sessions from the calendar date of from to
// that of to, both included, oldest first; none if to is before from. Years
// before 1900 and after 2199 are not listed.
func (c Calendar) Sessions(from, to time.Time) []time.Time {
	date, last := midnight(from), midnight(to)
	if first := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC); date.Before(first) {
		date = first
	}
	if end := time.Date(lastYear, 12, 31, 0, 0, 0, 0, time.UTC); last.After(end) {
		last = end
	}
	var list []time.Time
	for ; !date.After(last); date = date.AddDate(0, 0, 1) {
		if c.IsSession(date) {
			list = append(list, date)
		}
	}
	return list
}

// Location returns the exchange's time zone.
func (c Calendar) Location() *time.Location { return c.market().zone }

// Known returns the first and the last date between which holidays and special
// sessions are known. Outside, every weekday that no override names counts as a
// session. The zero Calendar knows none and returns two zero times.
func (c Calendar) Known() (from, to time.Time) { return c.market().from, c.market().to }

// market returns the data of c, also of the zero Calendar.
func (c Calendar) market() *market {
	if c.m == nil {
		return weekdays
	}
	return c.m
}

// A market is the data of one exchange. It is never changed once built.
type market struct {
	zone        *time.Location
	open, close time.Duration // of an ordinary session, after midnight on the clock
	from, to    time.Time     // what Known answers
	days        map[int64]Day // by dayNumber: what differs from the weekday rule
}

// at returns the instant at which the exchange's clock shows the time of day on
// date. 24:00 is the next midnight.
func (m *market) at(date time.Time, clock time.Duration) time.Time {
	y, mo, d := date.Date()
	return time.Date(y, mo, d, int(clock/time.Hour), int(clock%time.Hour/time.Minute), 0, 0, m.zone)
}

const wholeDay = 24 * time.Hour

// weekdays is the market of the zero Calendar, a constant.
var weekdays = &market{zone: time.UTC, close: wholeDay}

// midnight returns midnight UTC of the calendar date that t shows in its zone.
func midnight(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// dayNumber returns the days from 1970-01-01 to the calendar date of t.
func dayNumber(t time.Time) int64 { return midnight(t).Unix() / 86400 }

func weekday(date time.Time) bool {
	day := date.Weekday()
	return day != time.Saturday && day != time.Sunday
}
