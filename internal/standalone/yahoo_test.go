package standalone_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/yahoo"
	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
	"github.com/tapedeck/tapedeck/internal/standalone"
)

// A yahooJob is a job over a provider that asks the stand-in for Yahoo.
type yahooJob struct {
	server *yahootest.Server
	grants *grants
	job    client.Job
	ended  map[string]client.Detail
	took   time.Duration
}

// grants is a limiter that counts what it granted, over books that note which
// instants were booked.
type grants struct {
	market.Limiter
	limit.Books

	mu      sync.Mutex // guards what follows
	granted int
	booked  []booking
}

// A booking is so many instants, one after the other, from first to end.
type booking struct {
	first, end time.Time
	n          int
}

func (g *grants) Wait(ctx context.Context, provider string) error {
	err := g.Limiter.Wait(ctx, provider)
	if err == nil {
		g.mu.Lock()
		g.granted++
		g.mu.Unlock()
	}
	return err
}

func (g *grants) Pause(ctx context.Context, provider string, until time.Time) error {
	return g.Limiter.Pause(ctx, provider, until)
}

// ledger are the books of grants: its own Pause is the limiter's.
type ledger struct{ *grants }

func (l ledger) Pause(ctx context.Context, provider string, until time.Time) error {
	return l.Books.Pause(ctx, provider, until)
}

func (l ledger) Book(ctx context.Context, provider string, n int, interval time.Duration) (time.Time, error) {
	first, err := l.Books.Book(ctx, provider, n, interval)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.booked = append(l.booked, booking{first, first.Add(time.Duration(n) * interval), n})
	return first, err
}

// impatient gives each call of a provider less time than an analyzer does, so
// that what takes minutes there takes seconds here.
type impatient struct {
	market.Provider
	time time.Duration
}

func (p impatient) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	ctx, cancel := context.WithTimeout(ctx, p.time)
	defer cancel()
	return p.Provider.Daily(ctx, ticker, bars)
}

// runYahoo runs a job over tickers through everything, slots at a time, at rate
// requests per second.
func runYahoo(t *testing.T, cfg yahootest.Config, rate float64, attempt, pause time.Duration, slots int, tickers []string) yahooJob {
	t.Helper()
	y := yahooJob{server: yahootest.New(t, cfg), ended: map[string]client.Detail{}}
	y.grants = &grants{Books: limit.NewMemory()}
	limiter, err := limit.New(limit.Config{Rate: rate, Books: ledger{y.grants}})
	if err != nil {
		t.Fatal(err)
	}
	y.grants.Limiter = limiter
	provider, err := yahoo.New(yahoo.Config{
		Limiter: y.grants, BaseURLs: []string{y.server.URL}, Now: cfg.Now,
		RequestTime: time.Second, RetryWait: 50 * time.Millisecond, FirstPause: pause,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deck, err := standalone.Open(t.Context(), standalone.Config{
		Log: slog.New(slog.DiscardHandler), DataDir: t.TempDir(), Listener: listener,
		Provider: impatient{provider, attempt}, Slots: slots,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, stop := runDeck(t, deck, listener)
	defer stop()
	began := time.Now()
	accepted, err := c.Submit(t.Context(), client.Submission{Tickers: tickers}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Follow(t.Context(), accepted.JobID, func(client.Event) bool { return true }); err != nil {
		t.Fatal(err)
	}
	y.took = time.Since(began)
	if y.job, err = c.Job(t.Context(), accepted.JobID); err != nil {
		t.Fatal(err)
	}
	err = client.All(t.Context(), url.Values{"limit": {"1000"}}, func(ctx context.Context, query url.Values) (client.Page[client.Detail], error) {
		return c.Details(ctx, accepted.JobID, query)
	}, func(detail client.Detail) bool {
		y.ended[detail.Ticker] = detail
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// codes counts the outcomes by failure code; "" is analysed.
func (y yahooJob) codes() map[events.FailureCode]int {
	counts := map[events.FailureCode]int{}
	for _, detail := range y.ended {
		counts[detail.Code]++
	}
	return counts
}

// trueReasons holds that every ticker ended, and none otherwise than Yahoo's
// answers say: expected are those of the tickers that cannot be analysed; any
// other may fail only if it was never answered.
func (y yahooJob) trueReasons(t *testing.T, tickers []string, expected map[string]events.FailureCode) {
	t.Helper()
	answered := map[string]bool{}
	for _, r := range y.server.Requests() {
		if r.Answer == yahootest.OK {
			answered[r.Symbol] = true
		}
	}
	for _, ticker := range tickers {
		detail := y.ended[ticker]
		code, certain := expected[ticker]
		switch {
		case detail.Status == "pending" || detail.Status == "":
			t.Errorf("%s has no outcome", ticker)
		case certain && (detail.Code != code || detail.ErrorMessage == ""):
			t.Errorf("%s ended as %q (%s), want %s", ticker, detail.Code, detail.ErrorMessage, code)
		case certain:
		case detail.Code != "" && (answered[ticker] || !detail.Code.Retriable()):
			t.Errorf("%s failed as %s (%s), though Yahoo answered: %v", ticker, detail.Code, detail.ErrorMessage, answered[ticker])
		}
	}
}

// underRate holds that every request had a grant, every grant an instant, and
// the instants are as far apart as the rate says. When a request arrives says
// more of the machine, and is not judged.
func (y yahooJob) underRate(t *testing.T, rate int) {
	t.Helper()
	y.grants.mu.Lock()
	defer y.grants.mu.Unlock()
	instants := 0
	for i, b := range y.grants.booked {
		instants += b.n
		if b.end.Sub(b.first) < time.Duration(b.n)*time.Second/time.Duration(rate) || i > 0 && b.first.Before(y.grants.booked[i-1].end) {
			t.Fatalf("booking %d is from %s to %s for %d requests, the one before ends %s; the rate is %d",
				i, b.first, b.end, b.n, y.grants.booked[max(i-1, 0)].end, rate)
		}
	}
	if requests := len(y.server.Requests()); requests > y.grants.granted || y.grants.granted > instants {
		t.Errorf("%d requests with %d grants of %d instants", requests, y.grants.granted, instants)
	}
}

// TestYahooOnABadDay is a job over 500 tickers while of a hundred requests ten
// are refused, five fail, two come back as garbage and one hangs.
func TestYahooOnABadDay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left out under -short")
	}
	const rate = 100
	now := time.Date(2026, 8, 28, 22, 0, 0, 0, time.UTC)
	cfg := yahootest.Config{
		Now: func() time.Time { return now }, Seed: 1, First: now.AddDate(-2, 0, 0).Truncate(24 * time.Hour),
		Chances: []yahootest.Chance{{Kind: yahootest.RateLimited, Share: 0.10}, {Kind: yahootest.ServerError, Share: 0.05}, {Kind: yahootest.Garbage, Share: 0.02}, {Kind: yahootest.Hang, Share: 0.01}},
		Unknown: func(symbol string) bool { return strings.HasPrefix(symbol, "NOSUCH") },
		Bars:    map[string][]yahootest.Bar{},
		Splits:  map[string][]yahootest.Split{},
	}
	expected := map[string]events.FailureCode{}
	tickers := make([]string, 500)
	for i := range tickers {
		name := fmt.Sprintf("T%03d.NS", i)
		switch i % 100 {
		case 10:
			name = fmt.Sprintf("NOSUCH%d.NS", i)
			expected[name] = events.FailureUnknownTicker
		case 20:
			cfg.Bars[name] = []yahootest.Bar{}
			expected[name] = events.FailureNoData
		case 30:
			cfg.Splits[name] = []yahootest.Split{{Date: time.Date(2026, 3, 12, 0, 0, 0, 0, time.UTC), Numerator: 5, Denominator: 1, LeftIn: true}}
			expected[name] = events.FailureBadData
		case 40:
			cfg.Bars[name] = []yahootest.Bar{yahootest.NewBar(time.Date(2026, 8, 28, 0, 0, 0, 0, time.UTC), [4]float64{10, 11, 9, 10}, 100)}
			expected[name] = events.FailureShortHistory
		}
		tickers[i] = name
	}
	y := runYahoo(t, cfg, rate, time.Minute, 30*time.Millisecond, 16, tickers)
	y.trueReasons(t, tickers, expected)
	y.underRate(t, rate)
	if y.job.Total != 500 || y.job.Pending != 0 || y.job.Analyzed < 475 {
		t.Errorf("the job reads %+v", y.job)
	}
	log := y.server.Requests()
	whole := log[len(log)-1].At.Sub(log[0].At).Seconds()
	t.Logf("500 tickers in %s: %d requests, %.1f/s on average, at most %d within a second at a rate of %d; answers %v; outcomes %v",
		y.took.Round(10*time.Millisecond), len(log), float64(len(log))/whole, y.server.Busiest(time.Second), rate, y.server.Counts(), y.codes())
}

// TestYahooRefusesForLong is a refusal that sticks, far beyond what an attempt
// may take: pauses must not spend the tickers' attempts.
func TestYahooRefusesForLong(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left out under -short")
	}
	now := time.Date(2026, 8, 28, 22, 0, 0, 0, time.UTC)
	tickers := make([]string, 60)
	for i := range tickers {
		tickers[i] = fmt.Sprintf("T%03d.NS", i)
	}
	y := runYahoo(t, yahootest.Config{
		Now: func() time.Time { return now }, First: now.AddDate(-2, 0, 0).Truncate(24 * time.Hour),
		Plan: []yahootest.Fault{{Symbol: "T020.NS", Last: 1, Kind: yahootest.RateLimited}}, Sticky: 6 * time.Second,
	}, 50, time.Second, 2*time.Second, 16, tickers)
	y.trueReasons(t, tickers, nil)
	if diff := cmp.Diff(map[events.FailureCode]int{"": 60}, y.codes()); diff != "" {
		t.Errorf("outcomes (-want +got)\n%s", diff)
	}
	attempts := map[int]int{}
	for _, detail := range y.ended {
		attempts[detail.Attempts]++
	}
	counts := y.server.Counts()
	if counts[yahootest.RateLimited] > 32 { // 16 slots at the first, a few at the end of each pause
		t.Errorf("%d requests were refused: it hammers", counts[yahootest.RateLimited])
	}
	t.Logf("60 tickers over 6 s of refusals in %s: answers %v, tickers by attempts %v",
		y.took.Round(10*time.Millisecond), counts, slices.Sorted(maps.Keys(attempts)))
}

// TestYahooSlowerThanTheSlots is a rate at which most tickers in hand cannot be
// served within an attempt: that they wait must not spend their attempts.
func TestYahooSlowerThanTheSlots(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left out under -short")
	}
	now := time.Date(2026, 8, 28, 22, 0, 0, 0, time.UTC)
	tickers := make([]string, 200)
	for i := range tickers {
		tickers[i] = fmt.Sprintf("T%03d.NS", i)
	}
	y := runYahoo(t, yahootest.Config{Now: func() time.Time { return now }, First: now.AddDate(-2, 0, 0).Truncate(24 * time.Hour)},
		20, time.Second, 2*time.Second, 64, tickers)
	y.trueReasons(t, tickers, nil)
	y.underRate(t, 20)
	if diff := cmp.Diff(map[events.FailureCode]int{"": len(tickers)}, y.codes()); diff != "" {
		t.Errorf("outcomes (-want +got)\n%s", diff)
	}
	attempts := map[int]int{}
	for _, detail := range y.ended {
		attempts[detail.Attempts]++
	}
	t.Logf("%d tickers, 64 in hand, 20 requests per second, in %s: tickers by attempts %v", len(tickers), y.took.Round(10*time.Millisecond), attempts)
}
