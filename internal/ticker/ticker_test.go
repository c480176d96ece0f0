package ticker_test

import (
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/ticker"
)

// grammar is written out once more, so that the package is checked against
// the contract and not against itself.
var grammar = regexp.MustCompile(`^[A-Z0-9^][A-Z0-9.&^=_/-]{0,31}$`)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"TCS.NS": "TCS.NS", " tcs.ns\t": "TCS.NS", "M&M.NS": "M&M.NS", "bajaj-auto.ns": "BAJAJ-AUTO.NS",
		"^NSEI": "^NSEI", "BTC-USD": "BTC-USD", "A.B.C": "A.B.C", "AAPL": "AAPL", "EURINR=X": "EURINR=X",
		"NSE:TCS": "TCS.NS", "bse:x": "X.BO", "NSE:TCS.NS": "TCS.NS", "NSE:M&M": "M&M.NS",
		"NASDAQ:AAPL": "AAPL", "nyse:ibm": "IBM", "AMEX:SPY": "SPY", "NYSE:BRK.B": "BRK-B", "NYSE:BRK-B": "BRK-B",
		"ＴＣＳ．ＮＳ": "TCS.NS", "\u00a0AAPL\u2003": "AAPL", "20MICRONS.NS": "20MICRONS.NS",
		strings.Repeat("A", 32): strings.Repeat("A", 32),
	} {
		got, err := ticker.Parse(in)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, reason := range map[string]string{
		"": "empty", "  ": "empty", "*": "begins with '*'", ".NS": "begins with '.'", "A B": `' ' at place 2`,
		"TCS>": `'>' at place 4`, strings.Repeat("A", 33): "longer than 32", strings.Repeat("x", 5000): "longer than 32",
		"LSE:VOD": "not known", "NYSE:": "nothing follows", "NYSE:TCS.NS": "contradicts", "NASDAQ:^NDX": "plain US ticker",
		"NYSE:VOD.LN": "plain US ticker", "NYSE:.B": "plain US ticker", "NYSE:NYSE:X": "':'", "NASDAQ:BTC-USD": "plain US ticker",
		"NSE:": "nothing follows", "NSE:.NS": "nothing follows", "NSE:X.BO": "contradicts",
		"NSE:NSE:X": "':'", "A\x00": "place 2", "\xff": "begins with", "ÜBER": "begins with", "NSE:" + strings.Repeat("A", 30): "longer than 32",
	} {
		got, err := ticker.Parse(in)
		var e *ticker.Error
		if !errors.Is(err, ticker.ErrIllegal) || !errors.As(err, &e) || !strings.Contains(e.Reason, reason) {
			t.Errorf("Parse(%q) = %q, %v; want a reason with %q", in, got, err, reason)
		}
		if len([]rune(e.Value)) > ticker.MaxShown+1 {
			t.Errorf("Parse(%.20q...) quotes %d runes", in, len([]rune(e.Value)))
		}
	}
}

func TestFromSymbol(t *testing.T) {
	for in, want := range map[string]string{
		"tcs": "TCS.NS", "TCS.NS": "TCS.NS", "RELIANCE.BO": "RELIANCE.BO", "M&M": "M&M.NS", "BSE:TCS": "TCS.BO",
		"BAJAJ-AUTO": "BAJAJ-AUTO.NS", "^NSEI": "^NSEI", "USDINR=X": "USDINR=X",
	} {
		if got, err := ticker.FromSymbol(in); err != nil || got != want {
			t.Errorf("FromSymbol(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "*", strings.Repeat("A", 30)} {
		if got, err := ticker.FromSymbol(in); !errors.Is(err, ticker.ErrIllegal) {
			t.Errorf("FromSymbol(%q) = %q, %v", in, got, err)
		}
	}
}

func TestSymbolAndExchange(t *testing.T) {
	nse := ticker.Exchange{MIC: "XNSE", Name: "NSE", Currency: "INR"}
	bse := ticker.Exchange{MIC: "XBOM", Name: "BSE", Currency: "INR"}
	us := ticker.Exchange{MIC: "XNYS", Name: "US", Currency: "USD"}
	for _, c := range []struct {
		ticker, symbol string
		exchange       ticker.Exchange
	}{
		{"TCS.NS", "TCS", nse}, {"M&M.NS", "M&M", nse}, {"TCS.BO", "TCS", bse}, {"AAPL", "AAPL", us}, {"BRK-B", "BRK-B", us},
		{"BRK.B", "BRK.B", us}, {"X.A.B", "X.A.B", ticker.Exchange{}}, {"BRK.C", "BRK.C", ticker.Exchange{}},
		{"^NSEI", "^NSEI", ticker.Exchange{}}, {"BTC-USD", "BTC-USD", ticker.Exchange{}},
		{"BTC-EUR", "BTC-EUR", ticker.Exchange{}}, {"ETH-USDT", "ETH-USDT", ticker.Exchange{}}, {"DOGE-INR", "DOGE-INR", ticker.Exchange{}},
		{"ETH-BTC", "ETH-BTC", ticker.Exchange{}}, {"RDS-A", "RDS-A", us}, {"BAC-PL", "BAC-PL", us}, {"X-", "X-", us}, {"BAJAJ-AUTO.NS", "BAJAJ-AUTO", nse},
		{"USDINR=X", "USDINR=X", ticker.Exchange{}}, {"VOD.L", "VOD.L", ticker.Exchange{}},
	} {
		if got := ticker.Symbol(c.ticker); got != c.symbol {
			t.Errorf("Symbol(%q) = %q", c.ticker, got)
		}
		if diff := cmp.Diff(c.exchange, ticker.ExchangeOf(c.ticker)); diff != "" {
			t.Errorf("ExchangeOf(%q): %s", c.ticker, diff)
		}
	}
}

func TestTickAt(t *testing.T) {
	for _, c := range []struct {
		ticker      string
		price, want float64
	}{
		{"TCS.NS", 0.01, 0.01}, {"TCS.NS", 249.99, 0.01}, {"TCS.NS", 250, 0.05}, {"TCS.NS", 1000, 0.05}, {"TCS.NS", 1000.05, 0.10},
		{"TCS.NS", 5000, 0.10}, {"TCS.NS", 5000.1, 0.50}, {"TCS.NS", 10000, 0.50}, {"TCS.NS", 10000.5, 1}, {"MRF.NS", 20000, 1}, {"MRF.NS", 20001, 5}, {"MRF.NS", 150000, 5},
		{"TCS.BO", 99.99, 0.01}, {"TCS.BO", 100, 0.05}, {"TCS.BO", 999, 0.05}, {"TCS.BO", 3000, 0.10},
		{"AAPL", 0.9999, 0.0001}, {"AAPL", 1, 0.01}, {"AAPL", 700000, 0.01},
		{"^NSEI", 25000, 0}, {"TCS.NS", 0, 0}, {"TCS.NS", -1, 0}, {"AAPL", math.NaN(), 0}, {"AAPL", math.Inf(1), 0},
	} {
		if got := ticker.ExchangeOf(c.ticker).TickAt(c.price); got != c.want {
			t.Errorf("%s at %v: tick %v, want %v", c.ticker, c.price, got, c.want)
		}
	}
}

func TestUniverses(t *testing.T) {
	want := []ticker.UniverseInfo{
		{Name: "dow30", Date: "2026-07-01", Source: "Dow Jones Industrial Average", Count: 30},
		{Name: "nasdaq100", Date: "2026-07-01", Source: "Nasdaq-100", Count: 101},
		{Name: "nifty100", Date: "2026-05-31", Source: "NSE Indices, NIFTY 100", Count: 100},
		{Name: "nifty50", Date: "2026-06-21", Source: "NSE Indices, NIFTY 50", Count: 50},
		{Name: "niftynext50", Date: "2026-05-31", Source: "NSE Indices, NIFTY Next 50", Count: 50},
		{Name: "sensex30", Date: "2025-12-22", Source: "BSE Index Services, SENSEX", Count: 30},
	}
	if diff := cmp.Diff(want, ticker.Universes()); diff != "" {
		t.Fatal(diff)
	}
	for _, info := range want {
		list, ok := ticker.Universe(info.Name)
		seen := map[string]bool{}
		for _, name := range list {
			if got, err := ticker.Parse(name); err != nil || got != name || seen[name] {
				t.Errorf("%s: %q is not canonical or stands twice (%v)", info.Name, name, err)
			}
			seen[name] = true
		}
		if !ok || len(seen) != info.Count {
			t.Errorf("%s: %d tickers, %v", info.Name, len(seen), ok)
		}
		list[0] = "spoiled"
		if again, _ := ticker.Universe(info.Name); again[0] == "spoiled" {
			t.Errorf("%s: the table can be changed through its copy", info.Name)
		}
	}
	if _, ok := ticker.Universe("nosuch"); ok {
		t.Error("nosuch exists")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"TCS.NS", "nse:m&m", "BSE:BSE:X", "ǆ", "ﬁ.ns", "²", "\xff", "NSE:.BO.NS", "NYSE:BRK.B", "AMEX:A.B.C", "ⅷ", " ^a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, err := ticker.Parse(text)
		if err != nil {
			if !errors.Is(err, ticker.ErrIllegal) || name != "" {
				t.Fatalf("Parse(%q) = %q, %v", text, name, err)
			}
			return
		}
		if !grammar.MatchString(name) {
			t.Fatalf("Parse(%q) = %q, outside the grammar", text, name)
		}
		if again, err := ticker.Parse(name); err != nil || again != name {
			t.Fatalf("Parse(%q) = %q, and of that %q, %v", text, name, again, err)
		}
		if full, err := ticker.FromSymbol(text); err == nil && !grammar.MatchString(full) {
			t.Fatalf("FromSymbol(%q) = %q", text, full)
		}
	})
}
