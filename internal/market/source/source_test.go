package source_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/cache"
	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
	"github.com/tapedeck/tapedeck/internal/market/source"
	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, s config.Market, ports source.Ports) *source.Market {
	t.Helper()
	m, err := source.Open(t.Context(), s, ports)
	ok(t, err)
	t.Cleanup(func() { ok(t, m.Close()) })
	return m
}

// bars makes a folder with a file of bars per ticker.
func bars(t *testing.T, tickers ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, ticker := range tickers {
		text := "Date,Open,High,Low,Close,Volume\n2024-01-02,1,2,1,2,100\n2024-01-03,2,3,2,3,100\n"
		ok(t, os.WriteFile(filepath.Join(dir, ticker+".csv"), []byte(text), 0o600))
	}
	return dir
}

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	for setting, want := range map[string]string{ // a name, or "!" and a part of the error
		"synthetic":                  "synthetic",
		"csv:" + dir:                 "csvdir",
		"nse:" + dir:                 "nse",
		"nse":                        "nse",
		"yahoo":                      "yahoo",
		"nse:" + dir + ", yahoo":     "nse,yahoo",
		"csv:" + dir + ",csv:" + dir: "csvdir,csvdir",
		"":                           "!--market nse:DIR,yahoo",
		"csv":                        `!"csv" is none of`,
		"csv:":                       `!"csv:" is none of`,
		"nse:":                       `!"nse:" is none of`,
		"yahoo:x":                    `!"yahoo:x" is none of`,
		"yahoo,":                     `!"" is none of`,
		"bloomberg":                  `!"bloomberg" is none of`,
		"synthetic,yahoo":            "!use it alone",
		"csv:" + dir + ",synthetic":  "!use it alone",
		"csv:" + dir + "/none":       "!opening --market csv:",
	} {
		s := config.Market{Market: setting, MarketRate: 2, YahooAdjustment: "splits", NSEURL: "http://127.0.0.1:1"}
		m, err := source.Open(t.Context(), s, source.Ports{DataDir: t.TempDir()})
		if text, fails := strings.CutPrefix(want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%q: %v does not say %q", setting, err, text)
			}
			if checked := source.Check(s); !strings.HasPrefix(text, "opening") && (checked == nil || checked.Error() != err.Error()) {
				t.Errorf("%q: checked it is %v, opened %v", setting, checked, err)
			}
			continue
		}
		ok(t, err)
		ok(t, source.Check(s))
		if m.Name() != want || m.Lists != (setting != "synthetic" && setting != "yahoo") {
			t.Errorf("%q: %s, lists %v", setting, m.Name(), m.Lists)
		}
		ok(t, m.Close())
	}
	for _, s := range []config.Market{{Market: "yahoo"}, {Market: "yahoo", MarketRate: -1}, {Market: "nse:" + dir, NSEDownload: true}} {
		if err := source.Check(s); err == nil || !strings.Contains(err.Error(), "--market-rate") {
			t.Errorf("%+v: %v", s, err)
		}
	}
	ok(t, source.Check(config.Market{Market: "csv:" + dir})) // without a server the rate does not matter
	if _, err := source.Open(t.Context(), config.Market{Market: "nse", MarketRate: 2}, source.Ports{}); err == nil || !strings.Contains(err.Error(), "nse:DIR") {
		t.Errorf("an archive without a place: %v", err)
	}
}

func TestChain(t *testing.T) {
	server := yahootest.New(t, yahootest.Config{Unknown: func(symbol string) bool { return symbol == "NONE" }})
	m := open(t, config.Market{Market: "csv:" + bars(t, "MINE", "BOTH") + ",yahoo", MarketRate: 1000, YahooURL: []string{server.URL}}, source.Ports{})
	for ticker, want := range map[string]string{"MINE": "csvdir", "BOTH": "csvdir", "THEIRS": "yahoo"} {
		series, err := m.Daily(t.Context(), ticker, 2)
		ok(t, err)
		if series.Provider != want || len(series.Bars) != 2 {
			t.Errorf("%s from %s, %d bars", ticker, series.Provider, len(series.Bars))
		}
		if want == "yahoo" && (len(series.Notes) == 0 || series.Notes[0] != "csvdir was asked first: unknown_ticker") {
			t.Errorf("%s: notes %q", ticker, series.Notes)
		}
	}
	if n := server.Calls("MINE") + server.Calls("BOTH"); n != 0 {
		t.Errorf("%d requests for what the folder has", n)
	}
	_, err := m.Daily(t.Context(), "NONE", 2)
	if fault, is := errors.AsType[*market.Error](err); !is || fault.Code != market.CodeUnknownTicker ||
		!strings.Contains(fault.Error(), "csvdir: ") || !strings.Contains(fault.Error(), "yahoo: ") {
		t.Errorf("got %v", err)
	}
	list, err := m.Tickers(t.Context())
	ok(t, err)
	if diff := cmp.Diff([]string{"BOTH", "MINE"}, list); diff != "" {
		t.Error(diff)
	}
}

// analyzer opens the market of one of several programs on a NATS server.
func analyzer(t *testing.T, s *streamtest.Embedded, settings config.Market, ledger *ledger) *source.Market {
	t.Helper()
	js := s.JetStream(stream.RoleAnalyzer)
	rates := stream.NewMarketBucket(js, nil)
	ports := source.Cluster(rates, stream.NewBarsBucket(js, nil), "", nil)
	ports.Books = noted{ports.Books, ledger, rates}
	return open(t, settings, ports)
}

// A ledger holds which instants were booked, by whomever: what the rate is
// judged by, because when a request arrives says more of the machine.
type ledger struct {
	mu      sync.Mutex // guards what follows
	all     []booked
	inexact time.Duration // the worst comparison with the server's clock
}

type booked struct{ first, end time.Time }

// noted are an analyzer's books that note in a ledger what they booked.
type noted struct {
	limit.Books
	ledger *ledger
	rates  *stream.Bucket
}

func (n noted) Book(ctx context.Context, provider string, count int, interval time.Duration) (time.Time, error) {
	first, err := n.Books.Book(ctx, provider, count, interval)
	if err != nil {
		return first, err
	}
	clock, err := n.rates.Clock(ctx)
	now := time.Now()
	n.ledger.mu.Lock()
	defer n.ledger.mu.Unlock()
	n.ledger.inexact = max(n.ledger.inexact, clock.Latest(now).Sub(clock.Earliest(now)))
	n.ledger.all = append(n.ledger.all, booked{first, first.Add(time.Duration(count) * interval)})
	return first, err
}

// disjoint holds that no two bookings overlap, and that so many instants at
// least were booked.
func (l *ledger) disjoint(t *testing.T, requests int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortFunc(l.all, func(a, b booked) int { return a.first.Compare(b.first) })
	var instants time.Duration
	for i, b := range l.all {
		instants += b.end.Sub(b.first)
		if i > 0 && b.first.Before(l.all[i-1].end.Add(-l.inexact-time.Millisecond)) {
			t.Errorf("a booking begins %s before the one before it ends", l.all[i-1].end.Sub(b.first))
		}
	}
	if n := int(instants * rate / time.Second); n < requests {
		t.Errorf("%d instants were booked for %d requests", n, requests)
	}
}

// rate is what the analyzers of a test share, per second.
const rate = 50

// What one analyzer fetched the others do not ask for, and together they keep
// to one rate.
func TestAnalyzersShare(t *testing.T) {
	const tickers = 20
	s := streamtest.Server(t)
	server := yahootest.New(t, yahootest.Config{})
	settings := config.Market{Market: "yahoo", MarketRate: rate, YahooURL: []string{server.URL}, YahooAdjustment: "splits"}
	ledger := &ledger{}
	first, second := analyzer(t, s, settings, ledger), analyzer(t, s, settings, ledger)
	var wg sync.WaitGroup
	ask := func(m *source.Market, prefix string) {
		for i := range tickers {
			wg.Go(func() {
				if _, err := m.Daily(t.Context(), fmt.Sprint(prefix, i), 250); err != nil {
					t.Error(err)
				}
			})
		}
	}
	ask(first, "A")
	ask(second, "B")
	wg.Wait()
	ledger.disjoint(t, 2*tickers)
	ask(second, "A")
	ask(first, "B")
	third := analyzer(t, s, settings, ledger)
	ask(third, "A")
	wg.Wait()
	if n := len(server.Requests()); n != 2*tickers {
		t.Errorf("%d requests for %d tickers", n, 2*tickers)
	}
	want, err := first.Daily(t.Context(), "A7", 100)
	ok(t, err)
	got, err := third.Daily(t.Context(), "A7", 100)
	ok(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fetched and shared differ\n%s", diff)
	}
	// Another adjustment is not the same series.
	settings.YahooAdjustment = "splits_dividends"
	_, err = analyzer(t, s, settings, ledger).Daily(t.Context(), "A7", 100)
	ok(t, err)
	if n := server.Calls("A7"); n != 2 {
		t.Errorf("%d requests for two adjustments", n)
	}
}

// A deployment of before has no buckets: said at the start, where they are needed.
func TestNotProvisioned(t *testing.T) {
	s := streamtest.Server(t, streamtest.Bare())
	js := s.JetStream(stream.RoleAnalyzer)
	ports := source.Cluster(stream.NewMarketBucket(js, nil), stream.NewBarsBucket(js, nil), "", nil)
	_, err := source.Open(t.Context(), config.Market{Market: "yahoo", MarketRate: 1}, ports)
	if !errors.Is(err, stream.ErrNoStream) || !strings.Contains(err.Error(), "tapedeck provision") {
		t.Errorf("got %v", err)
	}
	open(t, config.Market{Market: "csv:" + bars(t, "A")}, ports)
}

// A deck alone keeps bars in its data directory.
func TestEmbedded(t *testing.T) {
	server := yahootest.New(t, yahootest.Config{})
	dir := t.TempDir()
	for range 2 {
		ports := source.Embedded(dir, nil)
		m := open(t, config.Market{Market: "yahoo", MarketRate: 1000, YahooURL: []string{server.URL}}, ports)
		for range 2 {
			_, err := m.Daily(t.Context(), "AAPL", 250)
			ok(t, err)
		}
	}
	if n := server.Calls("AAPL"); n != 1 {
		t.Errorf("%d requests", n)
	}
	// Another server's bars are not the same series.
	other := yahootest.New(t, yahootest.Config{})
	m := open(t, config.Market{Market: "yahoo", MarketRate: 1000, YahooURL: []string{other.URL}}, source.Embedded(dir, nil))
	_, err := m.Daily(t.Context(), "AAPL", 250)
	ok(t, err)
	if n := other.Calls("AAPL"); n != 1 {
		t.Errorf("%d requests to another server: what the first had said was kept for it", n)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "cache", "bars", "*.bars")); err != nil || len(files) != 2 {
		t.Errorf("files %q, %v", files, err)
	}
}

// What nobody has filled for two sessions is called old, on an exchange that is
// known; what is up to date is not.
func TestOldBarsAreToldOf(t *testing.T) {
	cal, _ := calendar.For("XNSE")
	closed := cal.LastClosed(time.Now())
	sessions := cal.Sessions(closed.AddDate(0, 0, -30), closed)
	for behind, told := range map[int]bool{0: false, 1: false, 2: true, 9: true} {
		newest := sessions[len(sessions)-1-behind]
		dir := t.TempDir()
		text := "Date,Open,High,Low,Close,Volume\n" + newest.AddDate(0, 0, -40).Format(time.DateOnly) + ",1,2,1,2,5\n" + newest.Format(time.DateOnly) + ",1,2,1,2,5\n"
		for _, name := range []string{"A.NS", "VOD.L"} {
			ok(t, os.WriteFile(filepath.Join(dir, name+".csv"), []byte(text), 0o600))
		}
		m := open(t, config.Market{Market: "csv:" + dir}, source.Ports{})
		series, err := m.Daily(t.Context(), "A.NS", 5)
		ok(t, err)
		want := fmt.Sprintf("the newest bar, of %s, is %d sessions old", newest.Format(time.DateOnly), behind)
		if slices.Contains(series.Warnings, want) != told {
			t.Errorf("%d sessions behind: warnings %q", behind, series.Warnings)
		}
		if series, err = m.Daily(t.Context(), "VOD.L", 5); err != nil || len(series.Warnings) != 0 {
			t.Errorf("of an unknown exchange: %v, %q", err, series.Warnings)
		}
	}
}

// The archive of "nse" is in the data directory and is filled; one of the
// user's is read and nothing else.
func TestNSE(t *testing.T) {
	cal, known := calendar.For("XNSE")
	if !known {
		t.Fatal("no calendar of XNSE")
	}
	last := cal.LastClosed(time.Now().Add(-24 * time.Hour))
	sessions := cal.Sessions(last.AddDate(0, 0, -60), last)
	theirs := t.TempDir()
	nsetest.Archive(t, theirs, nsetest.Config{Symbols: 1000, Names: []string{"TCS"}, Sessions: sessions})
	exchange := nsetest.Serve(t, theirs)
	dir := t.TempDir()
	s := config.Market{Market: "nse", MarketRate: 1000, NSEURL: exchange.URL, NSEHistory: 10}
	m := open(t, s, source.Ports{DataDir: dir})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	series, err := m.Daily(ctx, "TCS.NS", 5)
	ok(t, err)
	if len(series.Bars) != 5 || series.Provider != "nse" {
		t.Errorf("%d bars from %s", len(series.Bars), series.Provider)
	}
	if files, err := os.ReadDir(filepath.Join(dir, source.NSEDir)); err != nil || len(files) < 5 {
		t.Errorf("%d files in the archive, %v", len(files), err)
	}
	if list, err := m.Tickers(ctx); err != nil || len(list) != 1000 {
		t.Errorf("%d tickers, %v", len(list), err)
	}
	asked := len(exchange.Requests())
	reading := open(t, config.Market{Market: "nse:" + theirs, NSEURL: exchange.URL, NSEHistory: 10}, source.Ports{DataDir: dir})
	if series, err = reading.Daily(ctx, "TCS.NS", 8); err != nil || len(series.Bars) != 8 {
		t.Errorf("%d bars, %v", len(series.Bars), err)
	}
	if n := len(exchange.Requests()); n != asked {
		t.Errorf("%d requests for a folder that is only read", n-asked)
	}
}

// What the cache gives to a store the cluster's bucket takes.
func TestLargestEntryFits(t *testing.T) {
	if cache.MaxStored > stream.MaxEntryBytes {
		t.Errorf("entries of up to %d bytes for a bucket that takes %d", cache.MaxStored, stream.MaxEntryBytes)
	}
}

func TestSlots(t *testing.T) {
	usual := config.Analyzer{}.Slots()
	for _, test := range []struct {
		setting string
		rate    float64
		set     int
		want    int
	}{
		{"yahoo", 2, 0, 16}, {"yahoo", 0.5, 0, 8}, {"yahoo", 1000, 0, usual}, {"yahoo", 2, 300, 300},
		{"nse:x,yahoo", 3, 0, 24}, {"nse", 2, 0, usual}, {"csv:x", 2, 0, usual}, {"synthetic", 2, 7, 7},
	} {
		if got := source.Slots(config.Market{Market: test.setting, MarketRate: test.rate}, config.Analyzer{Concurrency: test.set}); got != test.want {
			t.Errorf("%+v: %d", test, got)
		}
	}
}
