package yahoo_test

import (
	"context"
	"errors"
	"math"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/market/yahoo"
	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
)

// friday is a Friday at which every exchange's session of the day is closed and settled.
var friday = time.Date(2026, 8, 28, 22, 0, 0, 0, time.UTC)

func fixed(at time.Time) func() time.Time { return func() time.Time { return at } }

func day(year, month, day int) time.Time {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
}

// A recorder is a real limiter, fast, that remembers what it was told.
type recorder struct {
	*limit.Limiter

	mu     sync.Mutex // guards what follows
	waits  int
	pauses []time.Duration // as long as they were when told
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	l, err := limit.New(limit.Config{Rate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return &recorder{Limiter: l}
}

func (r *recorder) Wait(ctx context.Context, provider string) error {
	r.mu.Lock()
	r.waits++
	r.mu.Unlock()
	return r.Limiter.Wait(ctx, provider)
}

func (r *recorder) Pause(ctx context.Context, provider string, until time.Time) error {
	r.mu.Lock()
	r.pauses = append(r.pauses, time.Until(until))
	r.mu.Unlock()
	return r.Limiter.Pause(ctx, provider, until)
}

// open returns a provider over bases with short waits; edit may change its settings.
func open(t *testing.T, now time.Time, edit func(*yahoo.Config), bases ...string) *yahoo.Provider {
	t.Helper()
	cfg := yahoo.Config{
		Limiter: newRecorder(t), BaseURLs: bases, Now: fixed(now),
		RequestTime: 5 * time.Second, RetryWait: time.Millisecond, FirstPause: 10 * time.Millisecond,
	}
	if edit != nil {
		edit(&cfg)
	}
	p, err := yahoo.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serve starts a stand-in and a provider over it, both at the same instant.
func serve(t *testing.T, now time.Time, cfg yahootest.Config) (*yahootest.Server, *yahoo.Provider) {
	t.Helper()
	cfg.Now = fixed(now)
	s := yahootest.New(t, cfg)
	return s, open(t, now, nil, s.URL)
}

func bars(t *testing.T, p *yahoo.Provider, ticker string, n int) market.Series {
	t.Helper()
	series, err := p.Daily(t.Context(), ticker, n)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func last(s market.Series) string { return s.Bars[len(s.Bars)-1].Date.Format(time.DateOnly) }

// wantError holds an error's code and that its text says what.
func wantError(t *testing.T, err error, code market.Code, what string) *market.Error {
	t.Helper()
	fault, ok := errors.AsType[*market.Error](err)
	if !ok || fault.Code != code || !strings.Contains(err.Error(), what) {
		t.Fatalf("got %v, want %s saying %q", err, code, what)
	}
	return fault
}

func TestConformance(t *testing.T) {
	s := yahootest.New(t, yahootest.Config{Now: fixed(friday), Unknown: func(symbol string) bool { return symbol == "NOSUCH.NS" }})
	markettest.Test(t, func(t *testing.T) markettest.Fixture {
		return markettest.Fixture{Provider: open(t, friday, nil, s.URL), Known: "M&M.NS", Unknown: "NOSUCH.NS"}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, edit := range map[string]func(*yahoo.Config){
		"limiter":    func(c *yahoo.Config) { c.Limiter = nil },
		"adjustment": func(c *yahoo.Config) { c.Adjustment = market.AdjustmentNone },
		"address":    func(c *yahoo.Config) { c.BaseURLs = []string{"query1.finance.yahoo.com"} },
		"like":       func(c *yahoo.Config) { c.BaseURLs = []string{"https://query1.finance.yahoo.com?x=1"} },
	} {
		cfg := yahoo.Config{Limiter: newRecorder(t)}
		edit(&cfg)
		if _, err := yahoo.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := yahoo.New(yahoo.Config{Limiter: newRecorder(t)}); err != nil {
		t.Errorf("with defaults alone: %v", err)
	}
}

func TestWhatIsAsked(t *testing.T) {
	s, p := serve(t, friday, yahootest.Config{})
	for ticker, path := range map[string]string{
		"TCS.NS": "TCS.NS", "M&M.NS": "M&M.NS", "^NSEI": "%5ENSEI", "BRK-B": "BRK-B", "BRK.B": "BRK-B",
		"RCI.B.DE": "RCI-B.DE", "BTC-USD": "BTC-USD", "EURUSD=X": "EURUSD=X", "VOW3.DE": "VOW3.DE",
	} {
		s.Clear()
		series := bars(t, p, ticker, 100)
		if series.Ticker != ticker {
			t.Errorf("series of %q, asked for %q", series.Ticker, ticker)
		}
		log := s.Requests()
		if len(log) != 1 {
			t.Fatalf("%s: %d requests, want one", ticker, len(log))
		}
		r := log[0]
		if r.Path != "/v8/finance/chart/"+path {
			t.Errorf("%s: asked for %s", ticker, r.Path)
		}
		want := url.Values{
			"interval": {"1d"}, "events": {"div,splits"}, "includePrePost": {"false"},
			"period1": {"1773273600"}, "period2": {"1788048000"}, // 171 days before 2026-08-30, and that day
		}
		if diff := cmp.Diff(want, r.Query); diff != "" {
			t.Errorf("%s: query (-want +got)\n%s", ticker, diff)
		}
		if r.UserAgent != yahoo.DefaultUserAgent || r.Encoding != "gzip" {
			t.Errorf("%s: asked as %q, accepting %q", ticker, r.UserAgent, r.Encoding)
		}
	}
	s.Clear()
	_, err := p.Daily(t.Context(), "BTC/USD", 1)
	wantError(t, err, market.CodeUnknownTicker, "BTC-USD")
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests for a ticker that cannot be there", n)
	}
}

// A range that is long enough is asked for at once; a ticker that trades
// seldom costs a second request, for everything, and a young one does not.
func TestRange(t *testing.T) {
	var seldom []yahootest.Bar
	for date := day(2015, 1, 7); date.Before(friday); date = date.AddDate(0, 0, 7) {
		seldom = append(seldom, yahootest.NewBar(date, [4]float64{10, 11, 9, 10}, 100))
	}
	young := []yahootest.Bar{yahootest.NewBar(day(2026, 8, 27), [4]float64{10, 11, 9, 10}, 100), yahootest.NewBar(day(2026, 8, 28), [4]float64{10, 11, 9, 10}, 100)}
	s, p := serve(t, friday, yahootest.Config{Bars: map[string][]yahootest.Bar{"SELDOM": seldom, "YOUNG": young, "STILL": seldom[:200]}})
	nse, _ := calendar.For("XNSE")
	for _, c := range []struct {
		ticker               string
		ask, bars, questions int
	}{
		{"TCS.NS", 1, 1, 1}, {"TCS.NS", 400, 400, 1}, {"AAPL", 2000, 2000, 1}, {"TCS.NS", math.MaxInt, len(nse.Sessions(day(2016, 1, 1), friday)), 1},
		{"SELDOM", 300, 300, 2}, {"SELDOM", 400, 400, 2}, {"SELDOM", 5000, 608, 1}, {"SELDOM", 3, 3, 1}, {"YOUNG", 300, 2, 1}, {"STILL", 10, 10, 2},
	} {
		s.Clear()
		got := len(bars(t, p, c.ticker, c.ask).Bars)
		if n := len(s.Requests()); n != c.questions {
			t.Errorf("%d bars of %s took %d requests, want %d", c.ask, c.ticker, n, c.questions)
		}
		if got != c.bars {
			t.Errorf("%d bars of %s, asked for %d, want %d", got, c.ticker, c.ask, c.bars)
		}
	}
}

// TestLiveBar holds that a bar is delivered once its session is over and
// settled, to the minute, and as it is in the end.
func TestLiveBar(t *testing.T) {
	at := func(text string) time.Time {
		instant, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return instant
	}
	for _, c := range []struct{ name, ticker, now, want string }{
		{"before the open", "TCS.NS", "2026-08-28T08:00:00+05:30", "2026-08-27"},
		{"open", "TCS.NS", "2026-08-28T12:00:00+05:30", "2026-08-27"},
		{"closed, not settled", "TCS.NS", "2026-08-28T15:59:59+05:30", "2026-08-27"},
		{"settled", "TCS.NS", "2026-08-28T16:00:00+05:30", "2026-08-28"},
		{"Saturday", "TCS.NS", "2026-08-29T12:00:00+05:30", "2026-08-28"},
		{"New York, open", "AAPL", "2026-08-28T15:59:00-04:00", "2026-08-27"},
		{"New York, settled", "BRK.B", "2026-08-28T16:30:00-04:00", "2026-08-28"},
		{"early close, open", "AAPL", "2025-11-28T12:59:00-05:00", "2025-11-26"},
		{"early close, settled", "AAPL", "2025-11-28T13:30:00-05:00", "2025-11-28"},
		{"no calendar, open", "SAP.DE", "2026-08-28T17:29:00+02:00", "2026-08-27"},
		{"no calendar, not settled", "SAP.DE", "2026-08-28T17:59:00+02:00", "2026-08-27"},
		{"no calendar, settled", "SAP.DE", "2026-08-28T18:00:00+02:00", "2026-08-28"},
		{"a coin", "BTC-USD", "2026-08-29T00:29:00Z", "2026-08-27"},
		{"a coin, settled", "BTC-USD", "2026-08-29T00:30:00Z", "2026-08-28"},
	} {
		for _, repeat := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				_, p := serve(t, at(c.now), yahootest.Config{NullToday: true, RepeatToday: repeat})
				got := bars(t, p, c.ticker, 5)
				if last(got) != c.want {
					t.Fatalf("the newest bar is of %s, want %s", last(got), c.want)
				}
				if len(got.Bars) != 5 || len(got.Warnings) != 0 || len(got.Notes) != 0 {
					t.Errorf("%d bars, warnings %q, notes %q", len(got.Bars), got.Warnings, got.Notes)
				}
				_, later := serve(t, at(c.now).AddDate(0, 0, 30), yahootest.Config{})
				all := bars(t, later, c.ticker, 40).Bars
				for i, bar := range all {
					if bar.Date.Equal(got.Bars[4].Date) {
						if diff := cmp.Diff(all[i-4:i+1], got.Bars); diff != "" {
							t.Errorf("a month later the bars are others (-later +now)\n%s", diff)
						}
					}
				}
			})
		}
	}
}
