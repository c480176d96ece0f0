package csvdir_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/csvdir"
)

func TestDecodeAnyOrderAndCase(t *testing.T) {
	want := []market.Bar{{
		Date: time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC),
		Open: 10, High: 12.5, Low: 9, Close: 11, Volume: 1e6,
	}}
	for _, text := range []string{
		"Date,Open,High,Low,Close,Volume\n2024-01-02,10,12.5,9,11,1000000\n",
		"Date,Open,High,Low,Close,Volume\r\n2024-01-02,10,12.5,9,11,1000000",
		"\xef\xbb\xbfDATE,open,HIGH,lOw,close,VOLUME\n2024-01-02,10,12.5,9,11,1e6\n",
		"volume,Adj Close,close,dividends,low,high,open,date\n1000000,,11,x,9,12.5,10,2024-01-02\n",
		"\n\nDate, Open ,High,Low,Close,Volume\n\n\"2024-01-02\", 10 ,12.5,9,+11,1000000\n\n",
	} {
		bars, _, _, err := csvdir.Decode([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, bars); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", text, diff)
		}
	}
}

// The decoder never panics, names a line that exists, and what it takes for a
// number is a finite-or-refused float that Validate can judge.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,10,12,9,11,11,100\n2024-01-03,11,12,9,11,11,0\n",
		"Date,Open,High,Low,Close,Volume\n2024-01-02,NaN,Inf,0x1p3,1_0,\n",
		"Date,Open\n", "", "\"", "\xef\xbb\xbf", "Date,Date,Open,High,Low,Close,Volume\n",
		"Volume,Close,Low,High,Open,Date\n1,1,1,1,1,\"2024-01-02\n\"\n",
		"Date,Open,High,Low,Close,Volume\n2024-01-02,1e400,1,1,1,1\n2024-02-30,1,1,1,1,1\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		bars, lines, line, err := csvdir.Decode(data)
		last := bytes.Count(data, []byte("\n")) + 1
		if err != nil {
			if line > last || bars != nil {
				t.Fatalf("line %d of %d, %d bars: %v", line, last, len(bars), err)
			}
			// Messages go into events: short, and valid text.
			if text := err.Error(); len(text) > 300 || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				t.Fatalf("message %q", text)
			}
			return
		}
		if len(bars) == 0 || len(bars) != len(lines) {
			t.Fatalf("%d bars, %d lines, no error", len(bars), len(lines))
		}
		for i, at := range lines {
			if at < 2 || at > last || i > 0 && at <= lines[i-1] {
				t.Fatalf("bar %d stands on line %d of %d", i, at, last)
			}
			if bar := bars[i]; math.IsNaN(bar.Open + bar.High + bar.Low + bar.Close + bar.Volume) {
				t.Fatalf("bar %d has a NaN: %v", i, bar)
			}
		}
		_, _ = market.Validate("X", bars)
	})
}
