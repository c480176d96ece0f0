package standalone_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
	"github.com/tapedeck/tapedeck/internal/market/source"
	"github.com/tapedeck/tapedeck/internal/standalone"
)

// lines keeps what is logged at Info and above.
type lines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// filling is impatient while files are still to come, whose 90 take more than
// four seconds. Reading those that are there may take a slow machine longer.
type filling struct {
	market.Provider
	exchange *nsetest.Exchange
}

func (p filling) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if len(p.exchange.Requests()) < 90 {
		return impatient{p.Provider, 2 * time.Second}.Daily(ctx, ticker, bars)
	}
	return p.Provider.Daily(ctx, ticker, bars)
}

// TestEmptyArchive: the archive of NSE begins to fill before anybody asks; a job
// whose attempts are far too short for it ends with every ticker, and a deck
// that stops ends its downloads.
func TestEmptyArchive(t *testing.T) {
	if testing.Short() {
		t.Skip("an archive of 1,000 symbols takes the race detector long: left out under -short")
	}
	cal, _ := calendar.For("XNSE")
	last := cal.LastClosed(time.Now().Add(-3 * time.Hour))
	sessions := cal.Sessions(last.AddDate(0, 0, -160), last)
	theirs := t.TempDir()
	symbols := nsetest.Archive(t, theirs, nsetest.Config{Symbols: 1000, Sessions: sessions})
	exchange := nsetest.Serve(t, theirs)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logged := &lines{}
	s := config.Market{Market: "nse", MarketRate: 20, NSEURL: exchange.URL, NSEHistory: 80}
	deck, err := standalone.Open(t.Context(), standalone.Config{
		Log: slog.New(slog.NewTextHandler(logged, nil)), DataDir: t.TempDir(), Listener: listener, Slots: 16,
		OpenMarket: func(ctx context.Context, ports source.Ports) (*source.Market, error) {
			m, err := source.Open(ctx, s, ports)
			if err == nil {
				m.Provider = filling{m.Provider, exchange}
			}
			return m, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, stop := runDeck(t, deck, listener)
	for deadline := time.Now().Add(patience); len(exchange.Requests()) == 0; time.Sleep(time.Millisecond) { // poll: nothing announces it
		if time.Now().After(deadline) {
			t.Fatal("nothing is fetched before a job asks")
		}
	}
	tickers := make([]string, 20)
	for i := range tickers {
		tickers[i] = symbols[i] + ".NS"
	}
	accepted, err := c.Submit(t.Context(), client.Submission{Tickers: tickers, Options: &client.Options{Bars: 70}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Follow(t.Context(), accepted.JobID, func(client.Event) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if job, err := c.Job(t.Context(), accepted.JobID); err != nil || job.Analyzed != len(tickers) {
		failed, _ := c.Details(t.Context(), accepted.JobID, url.Values{"status": {"failed"}})
		t.Errorf("the job reads %+v, %v; failed are %+v", job, err, failed.Items)
	}
	if !logged.has("filling the archive: 0 of 90 days") {
		t.Errorf("not in the log: %s", logged.text.String())
	}
	stop()
	if n := len(exchange.Requests()); n > 90 {
		t.Errorf("%d requests for 90 days", n)
	}
}

// TestStoppedWhileFilling: a deck that stops fetches nothing more.
func TestStoppedWhileFilling(t *testing.T) {
	exchange := nsetest.Serve(t, t.TempDir(), nsetest.Every(1, nsetest.Broken))
	_, stop := openMarket(t, t.TempDir(), config.Market{Market: "nse", MarketRate: 20, NSEURL: exchange.URL}, nil)
	for deadline := time.Now().Add(patience); len(exchange.Requests()) < 3; time.Sleep(time.Millisecond) { // poll: nothing announces it
		if time.Now().After(deadline) {
			t.Fatal("nothing is fetched")
		}
	}
	stop()
	n := len(exchange.Requests())
	const underWay = 3 // as many as are fetched at a time: sent before the end, and read by the exchange when it comes to it
	for quiet := false; !quiet; {
		before := len(exchange.Requests())
		timer := time.NewTimer(500 * time.Millisecond) // ten grants
		<-timer.C
		after := len(exchange.Requests())
		if after > n+underWay {
			t.Fatalf("%d requests after the end", after-n)
		}
		quiet = after == before
	}
}
