package nse_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/csvdir"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

// realBars are the real bars beside the project, or the test is skipped.
func realBars(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: 80,000 real bars take a while; run without -short")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if parent := filepath.Dir(dir); parent == dir {
			t.Fatal("no go.mod above the test")
		} else {
			dir = parent
		}
	}
	shared := filepath.Join(filepath.Dir(dir), "shared", "market")
	if _, err := os.Stat(shared); err != nil {
		t.Skip("SKIPPED: no real bars at ../shared/market beside the project: ", err)
	}
	return shared
}

// Real bars of 94 shares, written as daily files and read again, are the same
// bars to the paisa: but for the ghost of 2026-01-15, a holiday on which their
// vendor repeats the day before.
func TestRealBarsThroughDailyFiles(t *testing.T) {
	files, err := csvdir.New(csvdir.Config{Dir: realBars(t)})
	if err != nil {
		t.Fatal(err)
	}
	tickers, err := files.Tickers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	days := map[time.Time][]nsetest.Row{}
	vendor := map[string][]market.Bar{}
	paise := func(price float64) float64 { return math.Round(price*100) / 100 }
	for _, ticker := range tickers {
		symbol, ok := strings.CutSuffix(ticker, ".NS")
		if !ok {
			continue
		}
		series, err := files.Daily(t.Context(), ticker, math.MaxInt)
		if err != nil {
			t.Fatal(err)
		}
		prev := 0.0
		for _, b := range series.Bars {
			b.Open, b.High, b.Low, b.Close = paise(b.Open), paise(b.High), paise(b.Low), paise(b.Close)
			days[b.Date] = append(days[b.Date], nsetest.Row{
				Symbol: symbol, Series: "EQ", Open: b.Open, High: b.High, Low: b.Low, Close: b.Close, Prev: prev, Volume: int64(b.Volume),
			})
			prev = b.Close
			vendor[ticker] = append(vendor[ticker], b)
		}
	}
	dir := t.TempDir()
	for session, rows := range days {
		put(t, dir, session.Format(time.DateOnly), rows)
	}
	mumbai, _ := calendar.For("XNSE")
	p := open(t, nse.Config{Dir: dir, Calendar: mumbai})
	dropped := map[string]int{}
	for ticker, want := range vendor {
		series, err := p.Daily(t.Context(), ticker, math.MaxInt)
		if err != nil {
			t.Error(err)
			continue
		}
		got := series.Bars
		for _, b := range want {
			if len(got) > 0 && got[0] == b {
				got = got[1:]
				continue
			}
			dropped[b.Date.Format(time.DateOnly)]++
		}
		if len(got) > 0 {
			t.Errorf("%s: %d bars that are not real, the first %+v", ticker, len(got), got[0])
		}
	}
	if text := fmt.Sprint(dropped); text != fmt.Sprintf("map[2026-01-15:%d]", len(days[day("2026-01-15")])) {
		t.Errorf("dropped: %s", text)
	}
}
