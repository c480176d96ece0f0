package standalone_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/market/source"
	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
	"github.com/tapedeck/tapedeck/internal/standalone"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// openMarket runs a deck whose market is that of the settings, alone or on an
// external server.
func openMarket(t *testing.T, dir string, s config.Market, external *streamtest.Embedded) (*client.Client, func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := standalone.Config{
		Log: slog.New(slog.DiscardHandler), DataDir: dir, Listener: listener, Slots: 16,
		OpenMarket: func(ctx context.Context, ports source.Ports) (*source.Market, error) {
			return source.Open(ctx, s, ports)
		},
	}
	if external != nil {
		cfg.NATSURL, cfg.Passwords = external.URL(), map[stream.Role]string{}
		for _, role := range stream.Roles() {
			cfg.Passwords[role] = external.Password(role)
		}
	}
	deck, err := standalone.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return runDeck(t, deck, listener)
}

func analyzed(t *testing.T, c *client.Client, tickers ...string) {
	t.Helper()
	accepted, err := c.Submit(t.Context(), client.Submission{Tickers: tickers}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Follow(t.Context(), accepted.JobID, func(client.Event) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if job, err := c.Job(t.Context(), accepted.JobID); err != nil || job.Analyzed != len(tickers) {
		t.Fatalf("the job reads %+v, %v", job, err)
	}
}

// TestMarketOfADeckAlone: bars are kept in the data directory, beyond a restart.
func TestMarketOfADeckAlone(t *testing.T) {
	yahoo := yahootest.New(t, yahootest.Config{})
	dir := t.TempDir()
	s := config.Market{Market: "yahoo", MarketRate: 500, YahooURL: []string{yahoo.URL}}
	for range 2 {
		c, stop := openMarket(t, dir, s, nil)
		analyzed(t, c, "TCS.NS", "AAPL")
		stop()
	}
	if n := len(yahoo.Requests()); n != 2 {
		t.Errorf("%d requests for two tickers", n)
	}
	if _, err := os.Stat(filepath.Join(dir, "cache", "bars")); err != nil {
		t.Error(err)
	}
}

// TestMarketOnAnExternalServer: there a deck shares with others, and says what
// its market lists.
func TestMarketOnAnExternalServer(t *testing.T) {
	nats := streamtest.Server(t)
	yahoo := yahootest.New(t, yahootest.Config{})
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "OWN.NS.csv"), []byte("Date,Open,High,Low,Close,Volume\n2024-01-02,1,2,1,2,100\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := config.Market{Market: "csv:" + folder + ",yahoo", MarketRate: 500, YahooURL: []string{yahoo.URL}}
	for range 2 { // the second knows nothing of the first but what the server has
		dir := t.TempDir()
		c, stop := openMarket(t, dir, s, nats)
		analyzed(t, c, "TCS.NS", "AAPL")
		listed(t, nats, "OWN.NS")
		stop()
		if _, err := os.Stat(filepath.Join(dir, "cache")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a cache of its own: %v", err)
		}
	}
	if n := len(yahoo.Requests()); n != 2 {
		t.Errorf("%d requests for two tickers", n)
	}
}

// listed waits until the api of a server reads that its market has tickers.
func listed(t *testing.T, nats *streamtest.Embedded, tickers ...string) {
	t.Helper()
	bucket := stream.NewMarketBucket(nats.JetStream(stream.RoleAPI), nil)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // poll: nothing announces it
		list, err := bucket.Tickers(t.Context())
		if err == nil && slices.Equal(list, tickers) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("listed are %q, %v", list, err)
		}
	}
}

// TestMarketThatCannotBeOpened stops a deck before it has made anything.
func TestMarketThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	_, err := standalone.Open(t.Context(), standalone.Config{
		Log: slog.New(slog.DiscardHandler), DataDir: dir,
		OpenMarket: func(ctx context.Context, ports source.Ports) (*source.Market, error) {
			return source.Open(ctx, config.Market{Market: "csv:" + filepath.Join(dir, "none")}, ports)
		},
	})
	if err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	bare := streamtest.Server(t, streamtest.Bare())
	began := time.Now()
	_, err = standalone.Open(t.Context(), standalone.Config{
		Log: slog.New(slog.DiscardHandler), DataDir: dir, NATSURL: bare.URL(), Passwords: map[stream.Role]string{stream.RoleAnalyzer: bare.Password(stream.RoleAnalyzer)},
		OpenMarket: func(ctx context.Context, ports source.Ports) (*source.Market, error) {
			return source.Open(ctx, config.Market{Market: "yahoo", MarketRate: 1}, ports)
		},
	})
	if err == nil || !strings.Contains(err.Error(), "tapedeck provision") || time.Since(began) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}
