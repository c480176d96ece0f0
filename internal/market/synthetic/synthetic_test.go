package synthetic_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
)

var update = flag.Bool("update", false, "rewrite golden files")

func open(t testing.TB, cfg synthetic.Config) *synthetic.Provider {
	t.Helper()
	p, err := synthetic.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func daily(t testing.TB, p *synthetic.Provider, ticker string, bars int) market.Series {
	t.Helper()
	series, err := p.Daily(context.Background(), ticker, bars)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func TestConformance(t *testing.T) {
	markettest.Test(t, func(t *testing.T) markettest.Fixture {
		return markettest.Fixture{Provider: open(t, synthetic.Config{}), Known: "TCS.NS"}
	})
}

// The series must come out the same for ever; a red golden here means that
// every recorded result of a synthetic job has changed.
func TestGolden(t *testing.T) {
	var got bytes.Buffer
	for _, ticker := range []string{"TCS.NS", "AAPL", "^NSEI", "M&M.NS", "BTC/USD"} {
		series := daily(t, open(t, synthetic.Config{}), ticker, 1000)
		for i, b := range series.Bars {
			if i < 3 || i%250 == 0 || i >= 997 {
				fmt.Fprintln(&got, ticker, b.Date.Format(time.DateOnly), b.Open, b.High, b.Low, b.Close, b.Volume)
			}
		}
	}
	path := filepath.Join("testdata", "series.golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLineageAndShape(t *testing.T) {
	p := open(t, synthetic.Config{})
	for ticker, currency := range map[string]string{
		"TCS.NS": "INR", "TCS.BO": "INR", "AAPL": "USD", "BRK-B": "USD", "BP.L": "", "^NSEI": "", "EURUSD=X": "", "BTC/USD": "",
	} {
		series := daily(t, p, ticker, 2000)
		if !series.Synthetic || series.Provider != "synthetic" || series.Adjustment != market.AdjustmentSplitsDividends {
			t.Errorf("%s: lineage %v %q %q", ticker, series.Synthetic, series.Provider, series.Adjustment)
		}
		if series.Currency != currency {
			t.Errorf("%s: currency %q, want %q", ticker, series.Currency, currency)
		}
		if len(series.Bars) != 1000 {
			t.Errorf("%s: %d bars, want 1000", ticker, len(series.Bars))
		}
		if first, last := series.Bars[0].Date, series.Bars[999].Date; !last.Equal(synthetic.DefaultLastDay) || first.Weekday() != time.Monday {
			t.Errorf("%s: from %s to %s", ticker, first, last)
		}
	}
}

// Many tickers: valid, in range, never a warning, all different.
func TestManyTickers(t *testing.T) {
	p := open(t, synthetic.Config{})
	seen := map[float64]string{}
	for i := range 2000 {
		ticker := fmt.Sprintf("T%d.NS", i)
		bars := daily(t, p, ticker, 1000).Bars
		warnings, err := market.Validate(ticker, bars)
		if err != nil || warnings != nil {
			t.Fatalf("%v, warnings %q", err, warnings)
		}
		sum := 0.0
		for _, b := range bars {
			if b.Close < 50 || b.Close > 5000 {
				t.Fatalf("%s: close %v on %s", ticker, b.Close, b.Date)
			}
			if day := b.Date.Weekday(); day == time.Saturday || day == time.Sunday {
				t.Fatalf("%s: a bar on %s", ticker, day)
			}
			if b.Volume <= 0 {
				t.Fatalf("%s: volume %v", ticker, b.Volume)
			}
			sum += b.Close
		}
		if other, ok := seen[sum]; ok {
			t.Errorf("%s and %s have one series", ticker, other)
		}
		seen[sum] = ticker
	}
}

// Every mood is met at the end of some series: a month up, a month down, a
// month flat, a sharp fall out of a rising quarter, a sharp rise out of a
// falling one. Between them lie all verdicts.
func TestEveryMoodOccurs(t *testing.T) {
	p := open(t, synthetic.Config{})
	const tickers = 500
	met := map[string]int{}
	for i := range tickers {
		bars := daily(t, p, fmt.Sprintf("T%d.NS", i), 300).Bars
		change := func(from, to int) float64 { // in bars before the last
			return bars[299-to].Close/bars[299-from].Close - 1
		}
		month, week, quarter := change(20, 0), change(5, 0), change(65, 5)
		switch {
		case quarter > 0.08 && week < -0.05:
			met["pullback"]++
		case quarter < -0.08 && week > 0.05:
			met["rally"]++
		case month > 0.05:
			met["up"]++
		case month < -0.05:
			met["down"]++
		default:
			met["flat"]++
		}
	}
	t.Log(met)
	for _, mood := range []string{"pullback", "rally", "up", "down", "flat"} {
		if met[mood] < tickers*2/100 {
			t.Errorf("%s at the end of %d of %d series, want 2 %%", mood, met[mood], tickers)
		}
	}
}

// Large moves follow large moves: the autocorrelation of absolute returns is
// clearly positive, as in real markets, and that of returns is small.
func TestVolatilityClusters(t *testing.T) {
	p := open(t, synthetic.Config{})
	total, days := 0.0, 0.0
	for i := range 100 {
		bars := daily(t, p, fmt.Sprintf("T%d.NS", i), 1000).Bars
		sizes := make([]float64, len(bars)-1)
		mean := 0.0
		for j := range sizes {
			sizes[j] = math.Abs(bars[j+1].Close/bars[j].Close - 1)
			mean += sizes[j] / float64(len(sizes))
		}
		covariance, variance := 0.0, 0.0
		for j := 1; j < len(sizes); j++ {
			covariance += (sizes[j] - mean) * (sizes[j-1] - mean)
			variance += (sizes[j] - mean) * (sizes[j] - mean)
		}
		total += covariance / variance
		days += mean
	}
	t.Logf("autocorrelation of absolute returns %.3f, mean absolute return %.4f", total/100, days/100)
	if total/100 < 0.05 {
		t.Errorf("autocorrelation of absolute returns is %.3f, want at least 0.05", total/100)
	}
	if size := days / 100; size < 0.008 || size > 0.02 {
		t.Errorf("the mean absolute return of a day is %.4f; shares move by about 0.012", size)
	}
}

func TestLaterLastDayOnlyAddsBars(t *testing.T) {
	before := daily(t, open(t, synthetic.Config{}), "X", 1000).Bars
	later := open(t, synthetic.Config{LastDay: synthetic.DefaultLastDay.AddDate(0, 0, 14)})
	after := daily(t, later, "X", 2000).Bars
	if len(after) != 1010 {
		t.Fatalf("%d bars, want 1010", len(after))
	}
	if diff := cmp.Diff(before, after[:1000]); diff != "" {
		t.Errorf("earlier bars changed (-before +after)\n%s", diff)
	}
}

func TestSeedsDiffer(t *testing.T) {
	zero := daily(t, open(t, synthetic.Config{}), "X", 10).Bars
	one := daily(t, open(t, synthetic.Config{Seed: 1}), "X", 10).Bars
	if cmp.Equal(zero, one) {
		t.Error("two seeds, one series")
	}
}

func TestLastDayLimits(t *testing.T) {
	day := func(text string) time.Time {
		d, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	tests := []struct {
		last string
		bars int // 0: refused
	}{
		{"2023-01-01", 0}, {"2023-01-02", 1}, {"2023-01-08", 5},
		{"2061-04-29", 10000}, {"2061-05-01", 10000}, {"2061-05-02", 0}, {"9999-12-31", 0},
	}
	for _, test := range tests {
		p, err := synthetic.New(synthetic.Config{LastDay: day(test.last)})
		if (err != nil) != (test.bars == 0) {
			t.Errorf("%s: %v, want %d bars", test.last, err, test.bars)
			continue
		}
		if err == nil {
			if got := len(daily(t, p, "X", math.MaxInt).Bars); got != test.bars {
				t.Errorf("%s: %d bars, want %d", test.last, got, test.bars)
			}
		}
	}
	late := time.Date(2026, 10, 30, 23, 59, 0, 0, time.FixedZone("IST", 19800))
	if bars := daily(t, open(t, synthetic.Config{LastDay: late}), "X", 1).Bars; !bars[0].Date.Equal(synthetic.DefaultLastDay) {
		t.Errorf("last bar on %s, want the calendar date of %s", bars[0].Date, late)
	}
}

func BenchmarkDaily300(b *testing.B) {
	p := open(b, synthetic.Config{})
	for b.Loop() {
		daily(b, p, "TCS.NS", 300)
	}
}
