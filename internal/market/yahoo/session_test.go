package yahoo_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/yahoo"
	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
)

// twoDays is an answer with the bars of a date and the one before, in a zone.
func twoDays(symbol, zone string, date time.Time) string {
	start := date.Unix()
	return fmt.Sprintf(`{"chart":{"error":null,"result":[{"meta":{"symbol":%q,"currency":"EUR","exchangeTimezoneName":%q,"dataGranularity":"1d",
"firstTradeDate":%d,"currentTradingPeriod":{"regular":{"start":%d,"end":%d}}},"timestamp":[%d,%d],
"indicators":{"quote":[{"open":[1,1],"high":[2,2],"low":[1,1],"close":[2,1.5],"volume":[5,3]}]}}]}}`,
		symbol, zone, start-86400, start, start+86399, start-86400, start)
}

// asked is what a provider at an instant makes of an answer.
func asked(t *testing.T, now time.Time, symbol, body string) (market.Series, error) {
	t.Helper()
	p := open(t, now, func(c *yahoo.Config) {
		c.HTTP = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return answer(http.StatusOK, "application/json", body), nil
		})}
	}, "http://yahoo.test")
	return p.Daily(t.Context(), symbol, 10)
}

// A coin's day lasts until midnight UTC, also where its name looks like one of
// New York's, whose session is over and settled by then.
func TestCoinsDayIsNotNewYorks(t *testing.T) {
	today := day(2026, 11, 25)
	for _, symbol := range []string{"BTC-USD", "BTC-EUR", "BTC-USDT", "BTC-NOBODYKNOWS"} {
		for now, want := range map[time.Time]string{
			today.Add(21*time.Hour + 40*time.Minute): "2026-11-24", today.Add(24*time.Hour + 31*time.Minute): "2026-11-25",
		} {
			got, err := asked(t, now, symbol, twoDays(symbol, "UTC", today))
			if err != nil || last(got) != want {
				t.Errorf("%s at %s: the newest bar is %v, want %s, %v", symbol, now, got.Bars, want, err)
			}
		}
	}
	if got, err := asked(t, today.Add(12*time.Hour), "TCS", twoDays("TCS", "America/New_York", today.Add(14*time.Hour))); err != nil || last(got) != "2026-11-24" {
		t.Errorf("New York: %v, %v", got.Bars, err)
	}
}

// A machine whose clock is fast does not take an open session's bar for one that
// is over: the answer says when it was made.
func TestAFastClock(t *testing.T) {
	const noon = 12*time.Hour + 30*time.Minute // of India's session, which ends at 10:00 UTC
	now := day(2026, 8, 28).Add(noon - 5*time.Hour - 30*time.Minute)
	server, _ := serve(t, now, yahootest.Config{})
	for _, wrong := range []time.Duration{0, 100 * time.Minute, 6 * time.Hour, -6 * time.Hour} {
		p := open(t, now.Add(wrong), nil, server.URL)
		if got := bars(t, p, "TCS.NS", 5); last(got) != "2026-08-27" {
			t.Errorf("%s fast: the newest bar is of %s", wrong, last(got))
		}
	}
}

// A bar of a day that has not come is no bar, and no series is made beside it.
func TestBarsThatHaveNotCome(t *testing.T) {
	_, err := asked(t, day(2026, 11, 20), "BTC-EUR", twoDays("BTC-EUR", "UTC", day(2026, 11, 25)))
	wantError(t, err, market.CodeBadData, "a bar of 2026-11-24, which has not come yet")
}
