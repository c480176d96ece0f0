package load_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
	"github.com/tapedeck/tapedeck/internal/standalone"
)

var nseRate = flag.Float64("nse-rate", 2, "requests a second that the first answer from an empty archive may make")

// A wholeNSE is the size of the invented exchange.
type wholeNSE struct {
	symbols, sessions int
	bars              int     // of the job
	rate              float64 // requests a second
	latency           time.Duration
}

// TestWholeNSE is one job over every share of an invented NSE, through all of
// the pipeline: from an archive of daily files, and from an empty one that is
// filled from a stand-in of the exchange's server. Small, it holds what must
// hold; with -load it has the real size and its figures are worth reading:
//
//	go test ./internal/e2e/load -run TestWholeNSE -load -v -timeout 20m [-nse-rate 2]
func TestWholeNSE(t *testing.T) {
	size := wholeNSE{symbols: 40, sessions: 260, bars: 220, rate: 1000}
	if *wanted {
		size = wholeNSE{symbols: 2192, sessions: 900, bars: 400, rate: *nseRate, latency: 150 * time.Millisecond}
	}
	sessions, archive := inventNSE(t, size)
	evening := sessions[len(sessions)-1].Add(20 * time.Hour)
	exchange := nsetest.Serve(t, archive)
	exchange.Latency = size.latency
	limiter, err := limit.New(limit.Config{Rate: size.rate, Books: limit.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	cfg := nse.Config{
		Dir: archive, Download: true, BaseURL: exchange.URL, Limiter: limiter, MinRows: size.symbols * 9 / 10,
		History: len(sessions) - 10, Now: func() time.Time { return evening },
	}
	t.Run("from an archive", func(t *testing.T) {
		lengths, states := []int{size.bars}, []string{"cold"}
		if *wanted {
			lengths, states = append(lengths, len(sessions)-10), append(states, "warm")
		}
		for _, bars := range lengths {
			provider := openNSE(t, cfg)
			for _, state := range states {
				took := nseJob(t, provider, size.symbols, bars)
				t.Logf("%d bars, %s: %s, %d requests, %s", bars, state, took, len(exchange.Requests()), memory())
			}
			provider.Close()
		}
		if n := len(exchange.Requests()); n != 0 {
			t.Errorf("%d requests although the archive has every day", n)
		}
	})
	t.Run("from an empty archive", func(t *testing.T) {
		cfg.Dir, cfg.ActionsFile = filepath.Join(t.TempDir(), "archive"), filepath.Join(archive, "actions.csv")
		provider := openNSE(t, cfg)
		defer provider.Close()
		took := nseJob(t, provider, size.symbols, size.bars)
		days, bytes := stored(t, cfg.Dir)
		requests := exchange.Requests()
		t.Logf("%d bars at %g requests/s: %s, %d downloads for %d days, %d KiB a day, %s",
			size.bars, size.rate, took, len(requests), days, bytes>>10/int64(max(1, days)), memory())
		if len(requests) != days || days > size.bars+10 || exchange.Count(http.StatusOK) != days {
			t.Errorf("%d requests for %d days, %d with their file", len(requests), days, exchange.Count(http.StatusOK))
		}
	})
}

// inventNSE writes the archive: its last session is a year back, so that the
// calendar knows its holidays.
func inventNSE(t *testing.T, size wholeNSE) (sessions []time.Time, dir string) {
	t.Helper()
	mumbai, ok := calendar.For("XNSE")
	if !ok {
		t.Fatal("no calendar of XNSE")
	}
	until := time.Date(2025, 11, 14, 0, 0, 0, 0, time.UTC)
	sessions = mumbai.Sessions(until.AddDate(0, 0, -2*size.sessions), until)
	sessions = sessions[len(sessions)-size.sessions:]
	dir = t.TempDir()
	began := time.Now()
	names := []string{"M&M", "BAJAJ-AUTO", "TCS"}
	nsetest.Archive(t, dir, nsetest.Config{Symbols: size.symbols, Names: names, Sessions: sessions, Splits: []nsetest.Split{
		{Symbol: "M&M", Session: size.sessions - 50, Num: 5, Den: 1}, {Symbol: "TCS", Session: size.sessions - 100, Num: 2, Den: 1},
	}})
	_, bytes := stored(t, dir)
	t.Logf("%d symbols on %d sessions, %d MiB, invented in %s; %s", size.symbols, size.sessions, bytes>>20, time.Since(began).Round(time.Millisecond), memory())
	return sessions, dir
}

func openNSE(t *testing.T, cfg nse.Config) *nse.Provider {
	t.Helper()
	provider, err := nse.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

// nseJob runs one job over all that the provider lists, in a deck of its own,
// every ticker of which must be analysed; it returns the time from the list of
// tickers to the job's end.
func nseJob(t *testing.T, provider *nse.Provider, symbols, bars int) time.Duration {
	t.Helper()
	runtime.GC()
	_ = processes.ResetPeak(os.Getpid())
	c, stop := startNSE(t, provider)
	defer stop()
	began := time.Now()
	tickers, err := provider.Tickers(t.Context())
	if err != nil || len(tickers) != symbols || !slices.Contains(tickers, "M&M.NS") {
		t.Fatalf("%d tickers of %d, %v", len(tickers), symbols, err)
	}
	accepted, err := c.Submit(t.Context(), client.Submission{Tickers: tickers, Options: &client.Options{Bars: bars}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Follow(t.Context(), accepted.JobID, func(client.Event) bool { return true }); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	job, err := c.Job(t.Context(), accepted.JobID)
	if err != nil || job.Status != events.StatusCompleted || job.Analyzed != symbols {
		failed, _ := c.Details(t.Context(), accepted.JobID, url.Values{"status": {"failed"}})
		for _, detail := range failed.Items {
			t.Logf("%s: %s %s", detail.Ticker, detail.Code, detail.ErrorMessage)
		}
		t.Fatalf("job %+v, %v", job, err)
	}
	return took.Round(time.Millisecond)
}

// startNSE runs everything in this process.
func startNSE(t *testing.T, provider *nse.Provider) (c *client.Client, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deck, err := standalone.Open(t.Context(), standalone.Config{
		Log: slog.New(slog.DiscardHandler), DataDir: t.TempDir(), Listener: listener, Provider: provider,
		ListsTickers: true, Slots: config.Analyzer{}.Slots(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- deck.Run(ctx) }()
	if c, err = client.New("http://" + listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return c, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running: %v", err)
		}
		if err := deck.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
}

// memory is what this process holds and has held at most, the deck with it.
func memory() string {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	text := fmt.Sprintf("heap after it %d MiB", stats.HeapAlloc>>20)
	if usage, err := processes.UsageOf(os.Getpid()); err == nil {
		text += fmt.Sprintf(", peak of the process %d MiB", usage.Peak>>20)
	}
	return text
}

// stored counts the daily files of an archive and their bytes.
func stored(t *testing.T, dir string) (days int, bytes int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.csv.zip"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	return len(paths), bytes
}
