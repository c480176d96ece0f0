package universe_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/ticker"
	"github.com/tapedeck/tapedeck/internal/universe"
)

func TestParseFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"lines":         {"\ufeff# mine\n\nTCS.NS\r\n nse:infy # good\nAAPL\nTCS.NS\n#AMZN\n", []string{"TCS.NS", "INFY.NS", "AAPL"}},
		"no last break": {"TCS.NS", []string{"TCS.NS"}},
		"one column":    {"Symbol\nTCS.NS\n", []string{"TCS.NS"}},
		"csv":           {"# mine\nname,Ticker\n\"Tata, C.\",TCS.NS\n# not him\nApple,AAPL\nnone,\n", []string{"TCS.NS", "AAPL"}},
		"best column":   {"symbol,name,yahoo_symbol\nTCS,Tata,TCS.NS\n", []string{"TCS.NS"}},
		"plain symbols": {"symbol,name\nAAPL,Apple\n", []string{"AAPL"}},
		"NSE's own":     {"Company Name,Industry,Symbol,Series,ISIN Code\nTata,IT,TCS,EQ,INE467B01029\nx,y,DUMMYX,EQ,z\nx,y,M&M.NS,EQ,z\n", []string{"TCS.NS", "M&M.NS"}},
	} {
		got, err := universe.ParseFile(strings.NewReader(c.text), "mine.txt")
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v, %s", name, err, diff)
		}
	}
}

func TestParseFileRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		wants []string
	}{
		"empty":         {"\n# nothing\n", []string{"f.txt holds no ticker"}},
		"illegal lines": {"TCS.NS\n*\n\nA B\n", []string{`f.txt:2: illegal ticker "*"`, `f.txt:4: illegal ticker "A B"`}},
		"many faults":   {strings.Repeat("*\n", 15), []string{"f.txt:10: ", "f.txt: and 5 more lines"}},
		"csv fault":     {"ticker,name\nTCS.NS,x\nA B,y\n", []string{`f.txt:3: illegal ticker "A B"`}},
		"no column":     {"TCS.NS,INFY.NS\n", []string{"f.txt: no column ticker or symbol in the header"}},
		"ragged":        {"ticker,name\nTCS.NS\n", []string{"f.txt: line 2 has 1 fields where the header has 2"}},
		"quotes":        {"ticker,name\n\"TCS.NS,x\n", []string{"f.txt: ", "line 2"}},
		"long line":     {strings.Repeat("A", 5000), []string{"f.txt:1: "}},
		"too large":     {strings.Repeat("#\n", universe.MaxFileBytes/2+1), []string{"f.txt is larger than 1024 KiB"}},
		"too many":      {numbered(universe.MaxTickers + 1), []string{"f.txt holds 10001 tickers; at most 10000"}},
		"binary":        {"\x00\x01", []string{"f.txt:1: illegal ticker"}},
	} {
		got, err := universe.ParseFile(strings.NewReader(c.text), "f.txt")
		if !errors.Is(err, universe.ErrFile) || got != nil {
			t.Errorf("%s: %d tickers, %v", name, len(got), err)
			continue
		}
		for _, want := range c.wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q", name, err, want)
			}
		}
	}
	if got, err := universe.ParseFile(strings.NewReader(numbered(universe.MaxTickers)), "f.txt"); err != nil || len(got) != universe.MaxTickers {
		t.Errorf("at the limit: %d tickers, %v", len(got), err)
	}
	broken := errors.New("broken")
	if _, err := universe.ParseFile(iotest.ErrReader(broken), "f.txt"); !errors.Is(err, broken) || errors.Is(err, universe.ErrFile) {
		t.Errorf("a reader that fails: %v", err)
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "S%d.NS\n", i)
	}
	return b.String()
}

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{"TCS.NS\n# x", "ticker,name\nTCS.NS,\"a,b\"\n", "Symbol,Series\nTCS,EQ", "\ufeffSymbol\nX", ",\n,", "\"\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := universe.ParseFile(strings.NewReader(text), "f")
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, name := range got {
			if again, err := ticker.Parse(name); err != nil || again != name || seen[name] {
				t.Fatalf("%q: %q is not canonical or stands twice", text, name)
			}
			seen[name] = true
		}
		if again, err := universe.ParseFile(strings.NewReader(strings.Join(got, "\n")), "f"); err == nil && !slices.Equal(again, got) && !strings.EqualFold(got[0], "symbol") && !strings.EqualFold(got[0], "ticker") && !strings.EqualFold(got[0], "yahoo_symbol") {
			t.Fatalf("%q, written and read again: %q", got, again)
		}
	})
}
