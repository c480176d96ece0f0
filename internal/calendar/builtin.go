package calendar

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"time"
)

//go:embed india.txt
var india string

// exchanges is a constant table of what has a calendar.
var exchanges = map[string]bool{"XNSE": true, "XBOM": true, "XNYS": true, "XNAS": true}

// builtIn returns the built-in calendars, a constant that is computed once:
// 350 lines of text and 20 years of rules are not worth the time of a program
// that never asks.
var builtIn = sync.OnceValue(func() map[string]*market {
	markets := map[string]*market{
		"XNSE": newMarket("Asia/Kolkata", 9*60+15, 15*60+30, 2015, 2026),
		"XBOM": newMarket("Asia/Kolkata", 9*60+15, 15*60+30, 2015, 2026),
		"XNYS": newMarket("America/New_York", 9*60+30, 16*60, firstUSYear, lastUSYear),
		"XNAS": newMarket("America/New_York", 9*60+30, 16*60, firstUSYear, lastUSYear),
	}
	days, err := ParseDays(strings.NewReader(india), "india.txt")
	if err != nil {
		panic(fmt.Sprintf("the built-in table of holidays: %v", err)) // a test reads it at each change
	}
	for _, mic := range []string{"XNYS", "XNAS"} {
		days = append(days, usDays(mic)...)
	}
	for _, day := range days {
		markets[day.MIC].days[dayNumber(day.Date)] = day
	}
	return markets
})

// newMarket returns a market without special days. Hours are minutes after
// midnight on the clock of zone; firstKnown and lastKnown are years.
func newMarket(zone string, opens, closes, firstKnown, lastKnown int) *market {
	location, err := time.LoadLocation(zone)
	if err != nil {
		panic(fmt.Sprintf("the time zones that are built in: %v", err)) // time/tzdata is linked in
	}
	return &market{
		zone: location, open: time.Duration(opens) * time.Minute, close: time.Duration(closes) * time.Minute,
		from: time.Date(firstKnown, 1, 1, 0, 0, 0, 0, time.UTC), to: time.Date(lastKnown, 12, 31, 0, 0, 0, 0, time.UTC),
		days: map[int64]Day{},
	}
}
