package nse_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

// free grants everything and remembers what it was told.
type free struct {
	granted atomic.Int64
	paused  atomic.Int64 // unix time
	refuse  error
}

func (f *free) Wait(ctx context.Context, provider string) error {
	if provider != "nse" {
		panic(provider)
	}
	f.granted.Add(1)
	if f.refuse != nil {
		return f.refuse
	}
	return ctx.Err()
}

func (f *free) Pause(_ context.Context, _ string, until time.Time) error {
	f.paused.Store(until.Unix())
	return nil
}

// evening is when friday's file has long been published.
var evening = friday.Add(20 * time.Hour)

// exchange serves an invented archive.
func exchange(t *testing.T, cfg nsetest.Config, badness ...nsetest.Badness) *nsetest.Exchange {
	t.Helper()
	dir := t.TempDir()
	nsetest.Archive(t, dir, cfg)
	return nsetest.Serve(t, dir, badness...)
}

// downloads opens an empty archive before the exchange.
func downloads(t *testing.T, e *nsetest.Exchange, edit func(*nse.Config)) (*nse.Provider, nse.Config) {
	t.Helper()
	cfg := nse.Config{
		Dir: filepath.Join(t.TempDir(), "archive"), Download: true, BaseURL: e.URL, Limiter: &free{},
		MinRows: 10, Now: func() time.Time { return evening }, History: 100,
	}
	if edit != nil {
		edit(&cfg)
	}
	p := open(t, cfg)
	nse.Hasten(p)
	return p, cfg
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// Whatever many tickers ask at once, each day is one request, and only as many
// days as the bars need.
func TestOneRequestPerDay(t *testing.T) {
	e := exchange(t, nsetest.Config{Symbols: 50, Sessions: nsetest.Weekdays(60, friday)})
	p, cfg := downloads(t, e, nil)
	tickers, err := p.Tickers(t.Context())
	if err != nil || len(tickers) != 50 {
		t.Fatalf("%d tickers, %v", len(tickers), err)
	}
	var wg sync.WaitGroup
	for _, ticker := range tickers {
		wg.Go(func() {
			if series, err := p.Daily(t.Context(), ticker, 30); err != nil || len(series.Bars) != 30 {
				t.Errorf("%s: %d bars, %v", ticker, len(series.Bars), err)
			}
		})
	}
	wg.Wait()
	if n := len(e.Requests()); n != 40 || cfg.Limiter.(*free).granted.Load() != 40 {
		t.Errorf("%d requests, %d grants; want 40: 30 bars and a slack of 10", n, cfg.Limiter.(*free).granted.Load())
	}
	if names := files(t, cfg.Dir); len(names) != 40 {
		t.Errorf("the archive holds %d files: %q", len(names), names)
	}
	if want := nse.FilePath(friday); !slices.ContainsFunc(e.Requests()[:10], func(r nsetest.Request) bool { return r.Path == want }) {
		t.Errorf("the first requests were %v; want the newest day among them: three are fetched at a time, and one may come late", e.Requests()[:10])
	}
	// Another program over the same folder asks for nothing.
	again, _ := downloads(t, e, func(c *nse.Config) { c.Dir = cfg.Dir })
	if _, err := again.Daily(t.Context(), tickers[0], 30); err != nil || len(e.Requests()) != 40 {
		t.Errorf("%v after %d requests", err, len(e.Requests()))
	}
}

// Garbage never enters the archive, and what may pass is tried again.
func TestBadAnswersAreRetriedAndNeverKept(t *testing.T) {
	for name, answer := range map[string]nsetest.Answer{
		"503": nsetest.Broken, "web page": nsetest.Page, "torn": nsetest.Torn, "cut": nsetest.Cut, "another day": nsetest.OtherDay,
	} {
		t.Run(name, func(t *testing.T) {
			e := exchange(t, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(12, friday)}, func(_ int, _ string, try int) nsetest.Answer {
				if try == 1 {
					return answer
				}
				return nsetest.Good
			})
			p, cfg := downloads(t, e, func(c *nse.Config) { c.History = 2 })
			var file string
			if _, err := p.Update(t.Context(), nse.Span{}, nil); err != nil {
				t.Fatal(err)
			}
			for _, file = range files(t, cfg.Dir) {
				data, _ := os.ReadFile(filepath.Join(cfg.Dir, file))
				if len(data) == 0 || !strings.HasSuffix(file, ".csv.zip") {
					t.Errorf("%s: %d bytes", file, len(data))
				}
			}
			if len(e.Requests()) != 4 || len(files(t, cfg.Dir)) != 2 {
				t.Errorf("%d requests, %q", len(e.Requests()), files(t, cfg.Dir))
			}
			if tickers, err := p.Tickers(t.Context()); name != "503" && (err != nil || len(tickers) != 20) {
				t.Errorf("%d tickers, %v", len(tickers), err)
			}
		})
	}
}

func TestAnswersThatStayBad(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer nsetest.Answer
		code   market.Code
		reason string
		most   int // requests
	}{
		{"403", nsetest.Forbidden, market.CodeUnavailable, "refuses requests from here", 3},
		{"429", nsetest.TooMany, market.CodeRateLimited, "asks for fewer requests; none for 1s", 12},
		{"page", nsetest.Page, market.CodeUnavailable, "is not the day's file", 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := exchange(t, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(5, friday)}, nsetest.Every(1, test.answer))
			limiter := &free{}
			p, cfg := downloads(t, e, func(c *nse.Config) { c.Limiter, c.History = limiter, 3 })
			var failed *market.Error
			for range 20 { // as twenty tickers would, one after the other
				_, err := p.Daily(t.Context(), "SYNTH00000.NS", 1)
				var ok bool
				if failed, ok = errors.AsType[*market.Error](err); !ok || failed.Code != test.code || failed.Ticker != "SYNTH00000.NS" {
					t.Fatalf("%v, want %s", err, test.code)
				}
			}
			if !strings.Contains(failed.Error(), test.reason) || !strings.HasPrefix(failed.Where, e.URL) {
				t.Errorf("%v", failed)
			}
			p.Close()
			if n := len(e.Requests()); n > test.most+8 {
				t.Errorf("%d requests for 20 calls", n)
			}
			if names := files(t, cfg.Dir); len(names) != 0 {
				t.Errorf("the archive holds %q", names)
			}
			if paused := limiter.paused.Load(); (paused == evening.Add(time.Second).Unix()) != (test.name == "429") {
				t.Errorf("paused until %d", paused)
			}
		})
	}
}

// A refusal may say when it ends as a date, and one that does not is twice as
// long as the one before.
func TestPausesOfRefusals(t *testing.T) {
	date := evening.Add(90 * time.Second).Format(http.TimeFormat)
	for said, want := range map[string][]time.Duration{
		"": {time.Minute, 2 * time.Minute, 4 * time.Minute}, "7": {7 * time.Second, 7 * time.Second}, date: {90 * time.Second},
		"99999999999999": {15 * time.Minute}, "99999": {15 * time.Minute}, "soon": {time.Minute},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", said)
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		clock := evening
		p := open(t, nse.Config{
			Dir: t.TempDir(), Download: true, BaseURL: server.URL, Limiter: &free{}, Now: func() time.Time { return clock },
		})
		for _, pause := range want {
			if got := nse.Refused(t.Context(), p, friday); got != pause {
				t.Errorf("Retry-After %q: %s, want %s", said, got, pause)
			}
			clock = clock.Add(pause)
		}
		p.Close()
		server.Close()
	}
}

func TestFilesWithTooFewSharesAreRefused(t *testing.T) {
	e := exchange(t, nsetest.Config{Symbols: 9, Sessions: nsetest.Weekdays(5, friday)})
	p, cfg := downloads(t, e, func(c *nse.Config) { c.History = 1 })
	if _, err := p.Update(t.Context(), nse.Span{}, nil); err == nil || !strings.Contains(err.Error(), "it holds 9 shares, fewer than 10") {
		t.Errorf("%v", err)
	}
	if names := files(t, cfg.Dir); len(names) != 0 {
		t.Errorf("the archive holds %q", names)
	}
}

// The newest file may be late: that is no failure, and it is asked for again,
// but not by each ticker.
func TestALateFileIsAskedForAgain(t *testing.T) {
	var late atomic.Bool
	late.Store(true)
	file := nse.FileName(friday)
	e := exchange(t, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(20, friday)}, func(_ int, name string, _ int) nsetest.Answer {
		if name == file && late.Load() {
			return nsetest.Missing
		}
		return nsetest.Good
	})
	clock := atomic.Int64{}
	clock.Store(evening.Unix())
	p, cfg := downloads(t, e, func(c *nse.Config) { c.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
	last := func(want time.Time, missing int) {
		t.Helper()
		for range 3 {
			series, err := p.Daily(t.Context(), "SYNTH00000.NS", 5)
			if err != nil || !series.Bars[4].Date.Equal(want) {
				t.Fatalf("%v, %v; want the last on %s", series.Bars, err, want)
			}
		}
		if n := e.Count(http.StatusNotFound); n != missing {
			t.Errorf("%d requests met no file, want %d", n, missing)
		}
	}
	thursday := friday.AddDate(0, 0, -1)
	last(thursday, 1)
	clock.Add(14 * 60)
	last(thursday, 1)
	clock.Add(2 * 60)
	last(thursday, 2)
	late.Store(false)
	clock.Add(16 * 60)
	last(friday, 2)
	if names := files(t, cfg.Dir); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "no-session") }) {
		t.Errorf("the late day was noted as a holiday: %q", names)
	}
}

// When the exchange changes its names, no file is found: that is not taken for
// holidays, and nothing is served as if it were new.
func TestManyMissingFilesAreNoHolidays(t *testing.T) {
	sessions := nsetest.Weekdays(40, friday)
	t.Run("the newest", func(t *testing.T) {
		e := exchange(t, nsetest.Config{Symbols: 20, Sessions: sessions[:30]})
		p, cfg := downloads(t, e, nil)
		_, err := p.Daily(t.Context(), "SYNTH00000.NS", 5)
		if fault, ok := errors.AsType[*market.Error](err); !ok || fault.Code != market.CodeUnavailable || !strings.Contains(err.Error(), "has it new names") {
			t.Errorf("%v", err)
		}
		p.Close()
		if names := files(t, cfg.Dir); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "no-session") }) {
			t.Errorf("days were noted as holidays: %q", names)
		}
	})
	t.Run("the oldest", func(t *testing.T) {
		e := exchange(t, nsetest.Config{Symbols: 20, Sessions: sessions[20:]})
		p, cfg := downloads(t, e, func(c *nse.Config) { c.History = 40 })
		if _, err := p.Update(t.Context(), nse.Span{}, nil); err == nil || !strings.Contains(err.Error(), "no files of more than 5 sessions in a row") {
			t.Errorf("%v", err)
		}
		noted := 0
		for _, name := range files(t, cfg.Dir) {
			if strings.HasPrefix(name, "no-session") {
				noted++
			}
		}
		if noted > 15 { // five, and as three are fetched at a time, runs may begin at three places
			t.Errorf("%d days were noted as holidays: %q", noted, files(t, cfg.Dir))
		}
		if series, err := p.Daily(t.Context(), "SYNTH00000.NS", 5); err != nil || len(series.Bars) != 5 {
			t.Errorf("what is there: %d bars, %v", len(series.Bars), err)
		}
	})
}

// A caller that leaves is told so; what it asked for is fetched on.
func TestFetchingGoesOnWithoutTheCaller(t *testing.T) {
	gate := make(chan struct{})
	e := exchange(t, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(20, friday)}, func(int, string, int) nsetest.Answer {
		<-gate
		return nsetest.Good
	})
	p, _ := downloads(t, e, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := p.Daily(ctx, "SYNTH00000.NS", 5)
		done <- err
	}()
	cancel()
	err := <-done
	if fault, ok := errors.AsType[*market.Error](err); !ok || fault.Code != market.CodeTimeout || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(gate)
	if _, err := p.Update(t.Context(), nse.Span{}, nil); err != nil { // joins what is on its way
		_ = err // the stand-in has fewer days than the history: of no interest here
	}
	series, err := p.Daily(t.Context(), "SYNTH00000.NS", 5)
	if err != nil || len(series.Bars) != 5 {
		t.Errorf("%d bars, %v", len(series.Bars), err)
	}
}

func TestCloseEndsWaiting(t *testing.T) {
	gate := make(chan struct{})
	e := exchange(t, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(20, friday)}, func(int, string, int) nsetest.Answer {
		<-gate
		return nsetest.Good
	})
	defer close(gate)
	limiter := &free{}
	p, _ := downloads(t, e, func(c *nse.Config) { c.Limiter = limiter })
	done := make(chan error)
	go func() {
		_, err := p.Daily(t.Context(), "SYNTH00000.NS", 5)
		done <- err
	}()
	for limiter.granted.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	p.Close()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("%v", err)
	}
	if _, err := p.Daily(t.Context(), "SYNTH00000.NS", 5); err == nil {
		t.Error("a closed provider without an archive delivered")
	}
}

// Several programs may share an archive: what another has fetched meanwhile is
// not asked for.
func TestFilesThatAnotherPutThere(t *testing.T) {
	theirs := t.TempDir()
	nsetest.Archive(t, theirs, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(20, friday)})
	gate, arrived := make(chan struct{}), make(chan struct{}, 100)
	e := nsetest.Serve(t, theirs, func(int, string, int) nsetest.Answer {
		arrived <- struct{}{}
		<-gate
		return nsetest.Good
	})
	p, cfg := downloads(t, e, func(c *nse.Config) { c.History = 20 })
	done := make(chan error)
	go func() {
		_, err := p.Update(t.Context(), nse.Span{}, nil)
		done <- err
	}()
	for range 3 { // as many as are fetched at a time
		<-arrived
	}
	for _, name := range files(t, theirs) {
		data, err := os.ReadFile(filepath.Join(theirs, name))
		if err != nil {
			t.Fatal(err)
		}
		nsetest.Write(t, filepath.Join(cfg.Dir, name), data)
	}
	close(gate)
	if err := <-done; err != nil || len(e.Requests()) != 3 {
		t.Errorf("%d requests, %v; want 3", len(e.Requests()), err)
	}
}

func TestALimiterThatRefuses(t *testing.T) {
	e := exchange(t, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(5, friday)})
	for _, code := range []market.Code{market.CodeRateLimited, market.CodeUnavailable} {
		p, _ := downloads(t, e, func(c *nse.Config) {
			c.Limiter = &free{refuse: &market.Error{Code: code, Err: errors.New("no")}}
		})
		_, err := p.Daily(t.Context(), "SYNTH00000.NS", 1)
		if fault, ok := errors.AsType[*market.Error](err); !ok || fault.Code != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
	if len(e.Requests()) != 0 {
		t.Errorf("%d requests without a grant", len(e.Requests()))
	}
}

// What a killed process was writing is removed at the next start; what another
// is writing now is not.
func TestLeftPartsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	old, fresh, other := ".a.csv.zip.0000abcd.part", ".b.csv.zip.0000abcd.part", "notes.part"
	for _, name := range []string{old, fresh, other} {
		nsetest.Write(t, filepath.Join(dir, name), nil)
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	for _, name := range []string{old, other} {
		if err := os.Chtimes(filepath.Join(dir, name), yesterday, yesterday); err != nil {
			t.Fatal(err)
		}
	}
	open(t, nse.Config{Dir: dir})
	if names := files(t, dir); len(names) != 3 {
		t.Errorf("a folder that is only read holds %q", names)
	}
	open(t, nse.Config{Dir: dir, Download: true, Limiter: &free{}, Now: time.Now})
	if names := files(t, dir); !slices.Equal(names, []string{fresh, other}) {
		t.Errorf("%q", names)
	}
}
