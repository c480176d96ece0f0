package standalone_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
	"github.com/tapedeck/tapedeck/internal/standalone"
)

// patience bounds every wait of a test: far above what it takes on a busy machine.
const patience = time.Minute

// start runs everything in this process and returns a client of its api.
func start(tb testing.TB, dir string) (c *client.Client, stop func()) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	provider, err := synthetic.New(synthetic.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	deck, err := standalone.Open(tb.Context(), standalone.Config{
		Log: slog.New(slog.DiscardHandler), DataDir: dir, Listener: listener, Provider: provider, Slots: config.Analyzer{}.Slots(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return runDeck(tb, deck, listener)
}

// runDeck runs an open deck and returns a client of its api at listener.
func runDeck(tb testing.TB, deck *standalone.Deck, listener net.Listener) (c *client.Client, stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- deck.Run(ctx) }()
	c, err := client.New("http://" + listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	return c, func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("running: %v", err)
		}
		if err := deck.Close(); err != nil {
			tb.Errorf("closing: %v", err)
		}
	}
}

// finish submits a job over n invented tickers and waits for its end.
func finish(tb testing.TB, c *client.Client, n int) client.Job {
	tb.Helper()
	tickers := make([]string, n)
	for i := range tickers {
		tickers[i] = fmt.Sprintf("T%05d", i)
	}
	accepted, err := c.Submit(tb.Context(), client.Submission{Tickers: tickers}, "")
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.Follow(tb.Context(), accepted.JobID, func(client.Event) bool { return true }); err != nil {
		tb.Fatal(err)
	}
	job, err := c.Job(tb.Context(), accepted.JobID)
	if err != nil {
		tb.Fatal(err)
	}
	return job
}

// TestRestart stops everything and starts it again on the same directory: what
// was recorded is there, and a new job works.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	c, stop := start(t, dir)
	first := finish(t, c, 20)
	stop()
	c, stop = start(t, dir)
	defer stop()
	again, err := c.Job(t.Context(), first.JobID)
	if err != nil {
		t.Fatal(err)
	}
	if again.Status != events.StatusCompleted || again.Analyzed != 20 {
		t.Errorf("after the restart the job reads %+v", again)
	}
	if second := finish(t, c, 20); second.Analyzed != 20 {
		t.Errorf("the second job reads %+v", second)
	}
}

// BenchmarkJob is one job of 2,000 tickers through everything: HTTP, tape,
// work queue, analysis on invented bars, tape, SQLite, live events.
func BenchmarkJob(b *testing.B) {
	c, stop := start(b, b.TempDir())
	defer stop()
	const tickers = 2000
	for b.Loop() {
		finish(b, c, tickers)
	}
	b.ReportMetric(float64(tickers*b.N)/b.Elapsed().Seconds(), "tickers/s")
}
