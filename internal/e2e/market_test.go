package e2e_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/referencedata"
)

// marketFolder makes a folder of CSV files: of real bars where they are beside
// the checkout, else of made-up ones. It returns the tickers.
func marketFolder(t testing.TB) (dir string, tickers []string) {
	t.Helper()
	dir = t.TempDir()
	if _, there := referencedata.Lookup(t, "market"); !there {
		t.Log("no real bars in shared/market beside the project: made-up ones are used")
		for _, ticker := range append([]string{"M&M.NS", "BAJAJ-AUTO.NS", "TCS.NS", "AAPL"}, synthetic("E2E", 40)...) {
			writeBars(t, dir, ticker, 300)
			tickers = append(tickers, ticker)
		}
		return dir, tickers
	}
	for _, file := range referencedata.Files(t, "market") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, filepath.Base(file)), text)
		tickers = append(tickers, strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".csv"), "%2F", "/"))
	}
	return dir, tickers
}

// writeBars writes a ticker's file with bars of a wave of its own.
func writeBars(t testing.TB, dir, ticker string, bars int) {
	t.Helper()
	phase := 0
	for _, c := range ticker {
		phase = phase*31 + int(c)
	}
	text := []byte("Date,Open,High,Low,Close,Volume\n")
	day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := 0; i < bars; day = day.AddDate(0, 0, 1) {
		if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
			continue
		}
		price := 100 + 20*math.Sin(float64(i+phase%97)/9) + float64(i)/10
		text = fmt.Appendf(text, "%s,%.2f,%.2f,%.2f,%.2f,%d\n", day.Format(time.DateOnly), price-0.5, price+1, price-1, price, 1000+i)
		i++
	}
	write(t, filepath.Join(dir, strings.ReplaceAll(ticker, "/", "%2F")+".csv"), text)
}

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// synthetic names n tickers that the synthetic market makes bars for.
func synthetic(prefix string, n int) []string {
	tickers := make([]string, n)
	for i := range tickers {
		tickers[i] = fmt.Sprintf("%s%05d.NS", prefix, i)
	}
	return tickers
}
