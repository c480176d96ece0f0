package source_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
	"github.com/tapedeck/tapedeck/internal/market/source"
	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
)

// overrides writes a file of days.
func overrides(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "days.txt")
	ok(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// lastSession is an exchange's newest session whose bar must long be there.
func lastSession(t *testing.T, mic string) time.Time {
	t.Helper()
	cal, known := calendar.For(mic)
	if !known {
		t.Fatalf("no calendar of %s", mic)
	}
	return cal.LastClosed(time.Now().Add(-24 * time.Hour))
}

// A file that is not right stops the start, whatever the market.
func TestCalendarFaults(t *testing.T) {
	wrong := overrides(t, "# days\nXNSE 2027-01-26 shut\n")
	for path, want := range map[string]string{
		wrong:                              "reading --calendar: " + wrong + ":2: \"shut\"",
		filepath.Join(t.TempDir(), "none"): "reading --calendar: open ",
	} {
		_, err := source.Open(t.Context(), config.Market{Market: "synthetic", Calendar: path}, source.Ports{})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v does not begin with %q", err, want)
		}
	}
}

// The bar of a day on which the exchange was shut is the vendor's ghost when it
// has no volume, and nothing to be kept when it has: both Yahoo's reader and
// the cache go by the users' days.
func TestCalendarOfYahoo(t *testing.T) {
	day := lastSession(t, "XNYS")
	cal, _ := calendar.For("XNYS")
	var text strings.Builder
	for _, since := range cal.Sessions(day, time.Now()) { // the newest bar must be of such a day
		fmt.Fprintf(&text, "XNYS,XNAS %s closed Mourning\n", since.Format(time.DateOnly))
	}
	shut := overrides(t, text.String())
	silent := yahootest.New(t, yahootest.Config{Edit: func(_ string, c *yahootest.Chart) {
		for i, at := range c.Timestamp {
			if time.Unix(at, 0).UTC().Format(time.DateOnly) == day.Format(time.DateOnly) {
				none := 0.0
				c.Indicators.Quote[0].Volume[i] = &none
			}
		}
	}})
	traded := yahootest.New(t, yahootest.Config{})
	for _, path := range []string{"", shut} {
		s := config.Market{Market: "yahoo", MarketRate: 1000, Calendar: path, YahooURL: []string{silent.URL}}
		series, err := open(t, s, source.Ports{}).Daily(t.Context(), "AAPL", 20)
		ok(t, err)
		has := slices.ContainsFunc(series.Bars, func(b market.Bar) bool { return b.Date.Equal(day) })
		if has != (path == "") {
			t.Errorf("calendar %q: a bar of the day: %v", path, has)
		}
		before := traded.Calls("AAPL")
		s.YahooURL = []string{traded.URL}
		m := open(t, s, source.Ports{})
		for range 2 {
			_, err := m.Daily(t.Context(), "AAPL", 20)
			ok(t, err)
		}
		if asked, want := traded.Calls("AAPL")-before, map[bool]int{true: 1, false: 2}[path == ""]; asked != want {
			t.Errorf("calendar %q: %d requests for two questions, want %d", path, asked, want)
		}
	}
}

// NSE's server is not asked for a day on which the exchange was shut.
func TestCalendarOfNSE(t *testing.T) {
	day := lastSession(t, "XNSE")
	cal, _ := calendar.For("XNSE")
	theirs := t.TempDir()
	nsetest.Archive(t, theirs, nsetest.Config{Symbols: 1000, Names: []string{"TCS"}, Sessions: cal.Sessions(day.AddDate(0, 0, -40), day)})
	shut := overrides(t, fmt.Sprintf("XNSE %s closed Mourning\n", day.Format(time.DateOnly)))
	for _, path := range []string{"", shut} {
		exchange := nsetest.Serve(t, theirs)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		m := open(t, config.Market{Market: "nse", MarketRate: 1000, NSEURL: exchange.URL, NSEHistory: 10, Calendar: path}, source.Ports{DataDir: t.TempDir()})
		series, err := m.Daily(ctx, "TCS.NS", 5)
		ok(t, err)
		asked := slices.ContainsFunc(exchange.Requests(), func(r nsetest.Request) bool { return r.Path == nse.FilePath(day) })
		if asked != (path == "") || len(series.Bars) != 5 {
			t.Errorf("calendar %q: %s asked for: %v; %d bars", path, day.Format(time.DateOnly), asked, len(series.Bars))
		}
	}
}
