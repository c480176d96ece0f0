package calendar

import "time"

const (
	// firstUSYear is the first year for which the rules and one-off closures
	// below are whole.
	firstUSYear = 2010

	// lastUSYear is the last year for which the NYSE has announced its holidays.
	lastUSYear = 2028
)

// usClosures are the days on which NYSE and NASDAQ closed once, outside every
// rule. A constant table.
var usClosures = []struct{ date, name string }{
	{"2012-10-29", "Hurricane Sandy"},
	{"2012-10-30", "Hurricane Sandy"},
	{"2018-12-05", "Day of mourning for George H. W. Bush"},
	{"2025-01-09", "Day of mourning for Jimmy Carter"},
}

// usDays returns the holidays and early closes of NYSE and NASDAQ in the known
// years, for the exchange mic.
func usDays(mic string) []Day {
	var days []Day
	for year := firstUSYear; year <= lastUSYear; year++ {
		days = append(days, usHolidays(year)...)
		days = append(days, usEarlyCloses(year)...)
	}
	for _, once := range usClosures {
		if date, err := time.Parse(time.DateOnly, once.date); err == nil {
			days = append(days, Day{Date: date, Name: once.name})
		}
	}
	for i := range days {
		days[i].MIC = mic
	}
	return days
}

// usHolidays returns a year's holidays (NYSE Rule 7.2): one on a Sunday is kept
// on the Monday, one on a Saturday on the Friday, except New Year's Day, which
// then is not kept, because that Friday ends the year's books.
func usHolidays(year int) []Day {
	days := []Day{
		{Date: nth(year, time.January, time.Monday, 3), Name: "Martin Luther King Jr. Day"},
		{Date: nth(year, time.February, time.Monday, 3), Name: "Washington's Birthday"},
		{Date: easter(year).AddDate(0, 0, -2), Name: "Good Friday"},
		{Date: nth(year, time.June, time.Monday, 1).AddDate(0, 0, -7), Name: "Memorial Day"},
		{Date: observed(day(year, time.July, 4)), Name: "Independence Day"},
		{Date: nth(year, time.September, time.Monday, 1), Name: "Labor Day"},
		{Date: nth(year, time.November, time.Thursday, 4), Name: "Thanksgiving Day"},
		{Date: observed(day(year, time.December, 25)), Name: "Christmas Day"},
	}
	if date := day(year, time.January, 1); date.Weekday() != time.Saturday {
		days = append(days, Day{Date: observed(date), Name: "New Year's Day"})
	}
	if year >= 2022 {
		days = append(days, Day{Date: observed(day(year, time.June, 19)), Name: "Juneteenth"})
	}
	return days
}

// usEarlyCloses returns a year's days that end at 13:00: the day after
// Thanksgiving, and 3 July and 24 December from Monday to Thursday (on a Friday
// they are the holiday itself).
func usEarlyCloses(year int) []Day {
	dates := []Day{
		{Date: nth(year, time.November, time.Thursday, 4).AddDate(0, 0, 1), Name: "Day after Thanksgiving"},
		{Date: day(year, time.July, 3), Name: "Day before Independence Day"},
		{Date: day(year, time.December, 24), Name: "Christmas Eve"},
	}
	var days []Day
	for i, d := range dates {
		if i == 0 || d.Date.Weekday() >= time.Monday && d.Date.Weekday() <= time.Thursday {
			d.Open, d.Close = 9*time.Hour+30*time.Minute, 13*time.Hour
			days = append(days, d)
		}
	}
	return days
}

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

// observed returns the date on which a holiday on date is kept.
func observed(date time.Time) time.Time {
	switch date.Weekday() {
	case time.Saturday:
		return date.AddDate(0, 0, -1)
	case time.Sunday:
		return date.AddDate(0, 0, 1)
	}
	return date
}

// nth returns the n-th weekday of a month, n from 1.
func nth(year int, month time.Month, weekday time.Weekday, n int) time.Time {
	first := day(year, month, 1)
	return first.AddDate(0, 0, (int(weekday-first.Weekday())+7)%7+7*(n-1))
}

// easter returns the Sunday of Easter in the Gregorian calendar (the anonymous
// computus of Meeus, Jones and Butcher).
func easter(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 19*l) / 433
	month := (h + l - 7*m + 90) / 25
	return day(year, time.Month(month), (h+l-7*m+33*month+19)%32)
}
