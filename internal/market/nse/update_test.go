package nse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

func TestUpdate(t *testing.T) {
	// The newest day is told of before the others have come.
	gate := make(chan struct{})
	e := exchange(t, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(30, friday)}, func(_ int, file string, _ int) nsetest.Answer {
		if file != nse.FileName(friday) {
			<-gate
		}
		return nsetest.Good
	})
	p, cfg := downloads(t, e, func(c *nse.Config) { c.History = 25 })
	var said []string
	done, err := p.Update(t.Context(), nse.Span{}, func(f nse.Filling) {
		if f.Done() == 1 {
			close(gate)
		}
		said = append(said, fmt.Sprintf("%s to %s: %d fetched of %d", f.First.Format(time.DateOnly), f.Last.Format(time.DateOnly), f.Fetched, f.Sessions))
	})
	if err != nil || done.Fetched != 25 || done.Done() != 25 {
		t.Fatalf("%+v, %v", done, err)
	}
	if len(said) != 26 || said[0] != "2024-06-10 to 2024-07-12: 0 fetched of 25" || said[25] != "2024-06-10 to 2024-07-12: 25 fetched of 25" || len(files(t, cfg.Dir)) != 25 {
		t.Errorf("%q", said)
	}
	// A span is by bars or by date; what is there is not asked for again.
	for _, test := range []struct {
		span nse.Span
		want nse.Filling
	}{
		{nse.Span{}, nse.Filling{Sessions: 25, There: 25}},
		{nse.Span{Bars: 2}, nse.Filling{Sessions: 12, There: 12}},
		{nse.Span{Bars: 17}, nse.Filling{Sessions: 27, There: 25, Fetched: 2}},
		{nse.Span{Since: friday.AddDate(0, 0, -1)}, nse.Filling{Sessions: 2, There: 2}},
		{nse.Span{Since: friday.AddDate(0, 0, 1)}, nse.Filling{}},
	} {
		got, err := p.Update(t.Context(), test.span, nil)
		got.First, got.Last = time.Time{}, time.Time{}
		if err != nil || got != test.want {
			t.Errorf("%+v: %+v, want %+v, %v", test.span, got, test.want, err)
		}
	}
	for since, want := range map[string]string{
		"1900-01-01": "32490 sessions since 1900-01-01 are more than the 5000 that an archive may have; the earliest date to begin with is 2005-05-16",
		"1066-10-14": "the earliest date to begin with is 2005-05-16",
		"2024-07-14": "2024-07-14 has not come yet; the newest session whose file should be published is of 2024-07-12",
	} {
		_, err := p.Update(t.Context(), nse.Span{Since: day(since)}, nil)
		if fault, known := errors.AsType[*market.Error](err); !known || fault.Code != market.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("since %s: %v", since, err)
		}
	}
}

// What the exchange has no file of is told apart from what could not be had.
func TestUpdateCountsWhatIsMissing(t *testing.T) {
	sessions := nsetest.Weekdays(10, friday)
	holiday, failing := sessions[2], nse.FileName(sessions[5])
	e := exchange(t, nsetest.Config{Symbols: 20, Sessions: slices.Delete(slices.Clone(sessions[:9]), 2, 3)}, func(_ int, file string, _ int) nsetest.Answer {
		if file == failing {
			return nsetest.Forbidden
		}
		return nsetest.Good
	})
	p, _ := downloads(t, e, func(c *nse.Config) { c.History = 10 })
	got, err := p.Update(t.Context(), nse.Span{}, nil)
	want := nse.Filling{First: sessions[0], Last: friday, Sessions: 10, Fetched: 7, Missing: 2, Failed: 1, Again: 2}
	if got != want || err == nil {
		t.Errorf("%+v, want %+v; %v", got, want, err)
	}
	want = nse.Filling{First: holiday, Last: friday, Sessions: 8, There: 5, Missing: 2, Failed: 1, Again: 2}
	if got, _ = p.Update(t.Context(), nse.Span{Since: holiday}, nil); got != want {
		t.Errorf("again: %+v, want %+v", got, want)
	}
}

// An Update that is interrupted leaves whole files, and the next one goes on.
func TestUpdateIsInterrupted(t *testing.T) {
	e := exchange(t, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(30, friday)})
	var logged bytes.Buffer
	p, cfg := downloads(t, e, func(c *nse.Config) { c.History, c.Logger = 30, slog.New(slog.NewTextHandler(&logged, nil)) })
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := p.Update(ctx, nse.Span{}, func(f nse.Filling) {
		if f.Done() == 5 {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	p.Close()
	before := len(files(t, cfg.Dir))
	if before < 5 {
		t.Errorf("%d files", before)
	}
	if logged.Len() > 0 {
		t.Errorf("days that were given up are told of as failures:\n%s", logged.String())
	}
	again, _ := downloads(t, e, func(c *nse.Config) { c.Dir, c.History = cfg.Dir, 30 })
	if got, err := again.Update(t.Context(), nse.Span{}, nil); err != nil || got.There != before || got.Fetched != 30-before {
		t.Errorf("%+v, %v; %d were there", got, err, before)
	}
}

// slow is the exchange's server in the memory: it answers after a while, by
// the bubble's clock, and may refuse.
type slow struct {
	dir    string
	took   time.Duration
	began  time.Time
	refuse func(since time.Duration) (status int, retryAfter string)
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	timer := time.NewTimer(s.took)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if status, retryAfter := s.refuse(time.Since(s.began)); status != 0 {
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Retry-After": {retryAfter}}, Body: http.NoBody}, nil
	}
	data, err := os.ReadFile(filepath.Join(s.dir, path.Base(r.URL.Path)))
	if err != nil {
		return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: http.NoBody}, nil
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(data))}, nil
}

// analyze asks as the analyzer does: five attempts of a minute, a growing wait
// between them, and at least as long as the error says.
func analyze(t *testing.T, p *nse.Provider, ticker string, bars int) (attempts int, err error) {
	for attempts = 1; ; attempts++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err = p.Daily(ctx, ticker, bars)
		cancel()
		fault, failed := errors.AsType[*market.Error](err)
		if !failed || attempts == 5 {
			return attempts, err
		}
		time.Sleep(fault.RetryAfter + rand.N(time.Second<<(attempts-1)))
	}
}

// A job over an empty archive waits longer than its attempts last. Whatever the
// server does meanwhile, it ends with every ticker, at the second or third try.
func TestWaitingForTheArchiveIsNoFailure(t *testing.T) {
	const sessions, tickers = 410, 12
	until := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC) // the bubble's clock begins a day later
	theirs := t.TempDir()
	symbols := nsetest.Archive(t, theirs, nsetest.Config{Symbols: tickers, Sessions: nsetest.Weekdays(sessions, until)})
	for _, test := range []struct {
		name   string
		rate   float64
		bars   int
		refuse func(time.Duration) (int, string)
	}{
		{"slowly", 1, 400, func(time.Duration) (int, string) { return 0, "" }},
		{"very slowly", 0.1, 150, func(time.Duration) (int, string) { return 0, "" }},
		{"with a pause", 1, 250, func(since time.Duration) (int, string) {
			if since > 50*time.Second && since < time.Minute {
				return http.StatusTooManyRequests, "600"
			}
			return 0, ""
		}},
		{"with an outage", 1, 250, func(since time.Duration) (int, string) {
			if since > 50*time.Second && since < 3*time.Minute {
				return http.StatusServiceUnavailable, ""
			}
			return 0, ""
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // they write and flush files most of the time
			dir := filepath.Join(t.TempDir(), "archive")
			synctest.Test(t, func(t *testing.T) {
				limiter, err := limit.New(limit.Config{Rate: test.rate})
				if err != nil {
					t.Fatal(err)
				}
				p, err := nse.New(nse.Config{
					Dir: dir, Download: true, Limiter: limiter, MinRows: 10, BaseURL: "http://exchange",
					HTTP: &http.Client{Transport: &slow{dir: theirs, took: 400 * time.Millisecond, began: time.Now(), refuse: test.refuse}},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				began := time.Now()
				var mu sync.Mutex // guards counts
				counts := map[int]int{}
				var wg sync.WaitGroup
				for _, symbol := range symbols {
					wg.Go(func() {
						attempts, err := analyze(t, p, symbol+".NS", test.bars)
						if err != nil {
							t.Errorf("%s after %s and %d attempts: %v", symbol, time.Since(began), attempts, err)
						}
						mu.Lock()
						counts[attempts]++
						mu.Unlock()
					})
				}
				wg.Wait()
				took := time.Since(began)
				t.Logf("%d bars in %s, tickers by attempts %v", test.bars, took.Round(time.Second), counts)
				if shortest := time.Duration(float64(test.bars) / test.rate * float64(time.Second)); took < shortest || took > 2*shortest+12*time.Minute {
					t.Errorf("it took %s at %g requests a second", took, test.rate)
				}
			})
		})
	}
}
