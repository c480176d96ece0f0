package market_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// days returns n valid bars on consecutive days.
func days(n int) []market.Bar {
	bars := make([]market.Bar, n)
	for i := range bars {
		bars[i] = market.Bar{
			Date: time.Date(2024, 1, 1+i, 0, 0, 0, 0, time.UTC),
			Open: 100, High: 110, Low: 90, Close: 105, Volume: 1000,
		}
	}
	return bars
}

func TestValidateNamesTheBarAndTheReason(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name string
		edit func(b *market.Bar)
		want string // part of the reason
	}{
		{"open NaN", func(b *market.Bar) { b.Open = nan }, "open NaN"},
		{"high infinite", func(b *market.Bar) { b.High = inf }, "high +Inf"},
		{"low zero", func(b *market.Bar) { b.Low = 0 }, "low 0 "},
		{"close negative", func(b *market.Bar) { b.Close = -1 }, "close -1"},
		{"price above the limit", func(b *market.Bar) { b.High = market.MaxPrice * 1.01 }, "high 1.01e+12"},
		{"price below the limit", func(b *market.Bar) { b.Low = market.MinPrice / 2 }, "low 5e-13"},
		{"volume negative", func(b *market.Bar) { b.Volume = -1 }, "volume -1"},
		{"volume NaN", func(b *market.Bar) { b.Volume = nan }, "volume NaN"},
		{"volume above the limit", func(b *market.Bar) { b.Volume = market.MaxVolume * 1.01 }, "volume 1.01e+18"},
		{"high below low", func(b *market.Bar) { b.High, b.Low = 90, 110 }, "low 110 is above high 90"},
		{"open above high", func(b *market.Bar) { b.Open = 111 }, "open 111 is outside"},
		{"close below low", func(b *market.Bar) { b.Close = 89 }, "close 89 is outside"},
		{"just past the tolerance", func(b *market.Bar) { b.Close = 110 * (1 + 1.1*market.OHLCTolerance) }, "close 110.00"},
		{"same date", func(b *market.Bar) { b.Date = b.Date.AddDate(0, 0, -1) }, "stands twice"},
		{"date back", func(b *market.Bar) { b.Date = b.Date.AddDate(0, 0, -2) }, "sort oldest first"},
		{"not midnight", func(b *market.Bar) { b.Date = b.Date.Add(time.Hour) }, "not midnight UTC"},
		{"a nanosecond late", func(b *market.Bar) { b.Date = b.Date.Add(1) }, "not midnight UTC"},
		{"local time", func(b *market.Bar) { b.Date = b.Date.In(time.FixedZone("IST", 19800)) }, "not midnight UTC"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bars := days(5)
			test.edit(&bars[3])
			_, err := market.Validate("X", bars)
			fault, ok := errors.AsType[*market.Error](err)
			if !ok || fault.Code != market.CodeBadData || fault.Ticker != "X" {
				t.Fatalf("got %v, want an *Error with bad_data for X", err)
			}
			bar, ok := errors.AsType[*market.BarError](err)
			if !ok || bar.Index != 3 {
				t.Fatalf("got %v, want a BarError at index 3", err)
			}
			if !strings.Contains(bar.Reason, test.want) {
				t.Errorf("reason %q does not say %q", bar.Reason, test.want)
			}
			if !strings.HasPrefix(fault.Where, "bar 4 (2024-01-0") {
				t.Errorf("place is %q", fault.Where)
			}
		})
	}
}

func TestValidateAcceptsTheLimitsAndKeepsBarsAsTheyAre(t *testing.T) {
	bars := days(3)
	bars[0].High, bars[0].Low, bars[0].Volume = market.MaxPrice, market.MinPrice, market.MaxVolume
	bars[1].Close = 110 * (1 + 0.9*market.OHLCTolerance)
	bars[2].Low, bars[2].High, bars[2].Open, bars[2].Close = 100.00005, 100, 100, 100
	want := append([]market.Bar(nil), bars...)
	if _, err := market.Validate("X", bars); err != nil {
		t.Fatal(err)
	}
	for i := range bars {
		if bars[i] != want[i] {
			t.Errorf("bar %d became %v, was %v", i, bars[i], want[i])
		}
	}
}

func TestValidateWithoutBarsIsNoData(t *testing.T) {
	_, err := market.Validate("X", nil)
	if fault, ok := errors.AsType[*market.Error](err); !ok || fault.Code != market.CodeNoData {
		t.Errorf("got %v, want no_data", err)
	}
}

func TestWarnings(t *testing.T) {
	bars := days(40)
	bars[3].Volume, bars[4].Volume = 0, 0
	if warnings, err := market.Validate("X", bars); err != nil || warnings != nil {
		t.Errorf("2 of 40 without volume: %q, %v; want silence at exactly 5 %%", warnings, err)
	}
	bars[5].Volume = 0
	for i := 20; i < 40; i++ { // halved from here on: a split left in
		bars[i].Open, bars[i].High, bars[i].Low, bars[i].Close = 50, 55, 45, 52
	}
	warnings, err := market.Validate("X", bars)
	if err != nil || len(warnings) != 2 {
		t.Fatalf("got %q, %v; want two warnings", warnings, err)
	}
	if warnings[0] != "3 of 40 days without volume" {
		t.Errorf("got %q", warnings[0])
	}
	if want := "1 daily moves beyond a factor of 1.4, the largest -50 % on 2024-01-21"; !strings.HasPrefix(warnings[1], want) {
		t.Errorf("got %q, want %q...", warnings[1], want)
	}
	for _, warning := range append(warnings, "1 daily moves above 50 %, the largest -51 % on 2021-03-26; a split that was not taken out?") {
		if !market.IsOddity(warning) {
			t.Errorf("%q is not known again", warning)
		}
	}
	if market.IsOddity("17 zero-volume days") {
		t.Error("a provider's own warning is taken for one of Validate's")
	}
}

// TestJumps: a factor counts, so a fall to half is as wide as a doubling; and a
// split of 1:2 is seen although the day itself rose or fell.
func TestJumps(t *testing.T) {
	for _, c := range []struct {
		closes []float64
		want   string
	}{
		{[]float64{100, 139, 100}, ""},
		{[]float64{100, 141, 101}, "1 daily moves beyond a factor of 1.4, the largest +41 % on 2024-01-02"},
		{[]float64{100, 72, 72}, ""},
		{[]float64{100, 71, 71}, "1 daily moves beyond a factor of 1.4, the largest -29 % on 2024-01-02"},
		{[]float64{100, 54, 54}, "1 daily moves beyond a factor of 1.4, the largest -46 % on 2024-01-02"},
		{[]float64{100, 160, 80}, "2 daily moves beyond a factor of 1.4, the largest -50 % on 2024-01-03"},
	} {
		bars := days(len(c.closes))
		for i, x := range c.closes {
			bars[i].Open, bars[i].High, bars[i].Low, bars[i].Close = x, x, x, x
		}
		warnings, err := market.Validate("X", bars)
		if err != nil || len(warnings) > 1 || !strings.HasPrefix(strings.Join(warnings, ""), c.want) || (c.want == "") != (len(warnings) == 0) {
			t.Errorf("%v: %q, %v; want %q", c.closes, warnings, err, c.want)
		}
	}
}

func TestLegalTicker(t *testing.T) {
	for _, ticker := range []string{"A", "M&M.NS", "BAJAJ-AUTO.NS", "^NSEI", "BTC-USD", "BTC/USD", "A.B.C", "EURUSD=X", "3M_X", strings.Repeat("A", 32)} {
		if !market.LegalTicker(ticker) {
			t.Errorf("%q is legal", ticker)
		}
	}
	for _, ticker := range []string{"", "*", ">", "aapl", ".A", "-A", "/ETC", "..", "A B", "A\x00", "A%2F", "Ａ", "A\\B", strings.Repeat("A", 33)} {
		if market.LegalTicker(ticker) {
			t.Errorf("%q is not legal", ticker)
		}
	}
}

func TestCheckRequest(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		ctx    context.Context
		ticker string
		bars   int
		want   market.Code
	}{
		{context.Background(), "*", 1, market.CodeInvalid},
		{context.Background(), "A", 0, market.CodeInvalid},
		{ended, "A", 1, market.CodeTimeout},
	}
	for _, test := range tests {
		err := market.CheckRequest(test.ctx, test.ticker, test.bars)
		if fault, ok := errors.AsType[*market.Error](err); !ok || fault.Code != test.want {
			t.Errorf("%q, %d bars: got %v, want %s", test.ticker, test.bars, err, test.want)
		}
	}
	if err := market.CheckRequest(ended, "A", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap context.Canceled", err)
	}
	if err := market.CheckRequest(context.Background(), "A", 1); err != nil {
		t.Error(err)
	}
}

func TestListingCurrency(t *testing.T) {
	for ticker, want := range map[string]string{"TCS.NS": "INR", "TCS.BO": "INR", "AAPL": "", "BP.L": "", "NS": ""} {
		if got := market.ListingCurrency(ticker); got != want {
			t.Errorf("%s: %q, want %q", ticker, got, want)
		}
	}
}
