package cache_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/cache"
)

// One delivers a single bar of the date that it is told, and counts.
type one struct {
	last  time.Time
	calls int
}

func (o *one) Name() string                              { return "one" }
func (o *one) Tickers(context.Context) ([]string, error) { return nil, nil }
func (o *one) Daily(_ context.Context, ticker string, _ int) (market.Series, error) {
	o.calls++
	return market.Series{Ticker: ticker, Provider: "one", Bars: []market.Bar{{Date: o.last, Open: 1, High: 1, Low: 1, Close: 1}}}, nil
}

// Noise is so many bars that cannot be packed.
type noise int

func (noise) Name() string                              { return "noise" }
func (noise) Tickers(context.Context) ([]string, error) { return nil, nil }
func (n noise) Daily(_ context.Context, ticker string, _ int) (market.Series, error) {
	random := rand.New(rand.NewPCG(1, 2))
	bars := make([]market.Bar, n)
	for i := range bars {
		bars[i] = market.Bar{
			Date: noon.Truncate(24*time.Hour).AddDate(0, 0, i-int(n)),
			Open: random.Float64(), High: random.Float64(), Low: random.Float64(), Close: random.Float64(), Volume: random.Float64(),
		}
	}
	return market.Series{Ticker: ticker, Provider: "noise", Bars: bars}, nil
}

// What is too large for the store, or for memory too, is delivered all the same.
func TestLargeSeries(t *testing.T) {
	for _, test := range []struct {
		bars, memory   int
		stored, stayed bool
	}{
		{20_000, 0, true, true}, {30_000, 0, false, true}, {30_000, 100_000, false, false}, {300_000, 0, false, false},
	} {
		store := &memoryStore{}
		c := open(t, noise(test.bars), cache.Config{Store: store, MemoryBytes: test.memory})
		for range 2 {
			series, err := c.Daily(t.Context(), "VOD.L", 1_000_000)
			ok(t, err)
			if len(series.Bars) != test.bars {
				t.Errorf("%d of %d bars", len(series.Bars), test.bars)
			}
		}
		for _, data := range store.entries {
			if len(data) > cache.MaxStored {
				t.Errorf("an entry of %d bytes", len(data))
			}
		}
		if s := c.Stats(); (len(store.entries) == 1) != test.stored || (s.Memory == 1) != test.stayed {
			t.Errorf("%+v: %d entries, %+v", test, len(store.entries), s)
		}
	}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339, text)
	ok(t, err)
	return instant
}

// Bars are kept up to an instant and not a moment longer. NSE closes at 10:00
// UTC, New York at 21:00 UTC in winter.
func TestKeptUntil(t *testing.T) {
	for name, test := range map[string]struct {
		ticker, last, now, until string // an empty until: not kept at all
	}{
		"in the evening, all there":           {"TCS.NS", "2026-11-11", "2026-11-11T14:00:00Z", "2026-11-12T10:30:00Z"},
		"in the session, yesterday's":         {"TCS.NS", "2026-11-11", "2026-11-12T06:00:00Z", "2026-11-12T10:30:00Z"},
		"in the session, today's":             {"TCS.NS", "2026-11-12", "2026-11-12T06:00:00Z", ""},
		"a moment before the close, today's":  {"TCS.NS", "2026-11-12", "2026-11-12T09:59:59Z", ""},
		"at the close, yesterday's":           {"TCS.NS", "2026-11-11", "2026-11-12T10:00:00Z", "2026-11-12T10:30:00Z"},
		"at the close, today's":               {"TCS.NS", "2026-11-12", "2026-11-12T10:00:00Z", "2026-11-12T10:30:00Z"},
		"settled, yesterday's":                {"TCS.NS", "2026-11-11", "2026-11-12T10:30:00Z", "2026-11-12T10:45:00Z"},
		"settled, today's":                    {"TCS.NS", "2026-11-12", "2026-11-12T10:30:00Z", "2026-11-13T10:30:00Z"},
		"a suspended share":                   {"TCS.NS", "2026-01-05", "2026-11-12T12:00:00Z", "2026-11-12T12:15:00Z"},
		"suspended, shortly before the close": {"TCS.NS", "2026-01-05", "2026-11-12T10:20:00Z", "2026-11-12T10:30:00Z"},
		"over the weekend":                    {"TCS.NS", "2026-11-13", "2026-11-14T08:00:00Z", "2026-11-16T10:30:00Z"},
		"over Thanksgiving":                   {"AAPL", "2026-11-25", "2026-11-26T15:00:00Z", "2026-11-27T18:30:00Z"},
		"New York's evening":                  {"AAPL", "2026-11-24", "2026-11-25T00:30:00Z", "2026-11-25T21:30:00Z"},
		"a coin, yesterday's":                 {"BTC-USD", "2026-11-11", "2026-11-12T06:00:00Z", "2026-11-12T07:00:00Z"},
		"a coin, before midnight":             {"BTC-USD", "2026-11-11", "2026-11-12T23:30:00Z", "2026-11-13T00:00:00Z"},
		"a coin, today's":                     {"BTC-USD", "2026-11-12", "2026-11-12T06:00:00Z", ""},
		"an unknown exchange, old":            {"VOD.L", "2026-11-06", "2026-11-12T06:00:00Z", "2026-11-12T07:00:00Z"},
		"a class of US shares":                {"BRK.B", "2026-11-24", "2026-11-25T00:30:00Z", "2026-11-25T21:30:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			now := at(t, test.now)
			provider := &one{last: at(t, test.last+"T00:00:00Z").UTC()}
			store := &memoryStore{}
			c := open(t, provider, cache.Config{Store: store, Now: func() time.Time { return now }})
			ask := func() {
				t.Helper()
				series, err := c.Daily(t.Context(), test.ticker, 1)
				ok(t, err)
				if len(series.Bars) != 1 || series.Bars[0].Date != provider.last {
					t.Errorf("delivered %v", series)
				}
			}
			ask()
			ask()
			if test.until == "" {
				if provider.calls != 2 || len(store.entries) != 0 || c.Stats().Unkept != 2 {
					t.Errorf("kept: %d calls, %d entries", provider.calls, len(store.entries))
				}
				return
			}
			if provider.calls != 1 || len(store.entries) != 1 {
				t.Errorf("not kept: %d calls, %d entries", provider.calls, len(store.entries))
			}
			now = at(t, test.until).Add(-time.Nanosecond)
			ask()
			if provider.calls != 1 {
				t.Errorf("asked again before %s", test.until)
			}
			now = at(t, test.until)
			ask()
			if provider.calls != 2 {
				t.Errorf("kept beyond %s", test.until)
			}
		})
	}
}
