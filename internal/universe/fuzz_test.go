package universe

import (
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/ticker"
)

// FuzzLists: whatever an exchange's server sends as its list is an error or
// tickers in canonical spelling, each once, no more than it has lines; of what
// it fetched and kept a program reads the same.
func FuzzLists(f *testing.F) {
	f.Add("Company Name,Industry,Symbol,Series,ISIN Code\nTCS,IT,TCS,EQ,INE\nX,IT,M&M,BE,INE\nD,,DUMMYX,EQ,\n")
	f.Add("SYMBOL,NAME OF COMPANY, SERIES\nTCS,\"T, C\",EQ\n")
	f.Add("Symbol|Security Name|Market Category|Test Issue|Financial Status|Round Lot Size|ETF|NextShares\nAAPL|Apple - Common Stock|Q|N|N|100|N|N\nAACIW|A - Warrant|Q|N|N|100|N|N\nFile Creation Time: 1125202612:00|||||||\n")
	f.Add("ACT Symbol|Security Name|Exchange|CQS Symbol|ETF|Round Lot Size|Test Issue|NASDAQ Symbol\nBRK.B|Berkshire Class B|N|BRK.B|N|100|N|BRK-B\nFile Creation Time: 1|||||||\n")
	f.Add("<html>")
	f.Add("Symbol,Series\n\"A\nB\",EQ\n")
	f.Add("Symbol|Security Name|ETF|Test Issue\n\nFile Creation Time")
	f.Fuzz(func(t *testing.T, text string) {
		for name, decode := range map[string]decoder{"NSE": decodeNSE, "NASDAQ": decodeNASDAQ, "NYSE": decodeNYSE} {
			list, err := decode([]byte(text))
			if err != nil {
				if len(list) > 0 || len(err.Error()) > 1000+20*len(text) {
					t.Fatalf("%s: %d tickers and %d bytes of words", name, len(list), len(err.Error()))
				}
				continue
			}
			if lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1; len(list) > lines {
				t.Fatalf("%s: %d tickers of %d lines", name, len(list), lines)
			}
			seen := map[string]bool{}
			for _, one := range list {
				if again, err := ticker.Parse(one); err != nil || again != one || seen[one] {
					t.Fatalf("%s: %q is not canonical or stands twice", name, one)
				}
				seen[one] = true
			}
		}
	})
}
