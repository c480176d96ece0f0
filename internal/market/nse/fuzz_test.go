package nse_test

import (
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

func FuzzDecode(f *testing.F) {
	for _, session := range []string{"2024-07-12", "2024-07-05"} {
		text := string(nsetest.File(day(session), rows("X EQ 10 12 9 11 11 77", "X BE 10 12 9 11 11 77", "Y BE 0 0 0 1 1 0")))
		f.Add(text)
		f.Add(strings.ReplaceAll(text, ",", ",,"))
		f.Add(strings.ReplaceAll(text, "X", "\"X"))
		f.Add(text[:len(text)/2])
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, session := range []string{"2024-07-12", "2024-07-05"} {
			kept, faulty, err := nse.Decode(text, day(session))
			if err != nil && nse.Line(err) == 0 {
				t.Errorf("%v names no line", err)
			}
			if lines := strings.Count(text, "\n"); kept+faulty > 2*lines+1 {
				t.Errorf("%d shares and %d faults of %d lines", kept, faulty, lines)
			}
		}
	})
}

func FuzzActions(f *testing.F) {
	f.Add("symbol,ex_date,kind,ratio\nX,2024-07-12,split,5:1\nX,12-Jul-2024,none,\n")
	f.Add("SYMBOL,COMPANY NAME,SERIES,PURPOSE,FACE VALUE,EX-DATE\nX,X,EQ,Bonus 1:1,10,12-Jul-2024\n")
	f.Add("SYMBOL,PURPOSE,EX-DATE\nX,Fv Splt Frm Rs 10 To Re 1,12-Jul-2024\nX,Face Value Split,-\n")
	f.Fuzz(func(t *testing.T, text string) {
		factors, err := nse.ParseActions(text)
		if err != nil && nse.Line(err) == 0 {
			t.Errorf("%v names no line", err)
		}
		for _, factor := range factors {
			if !(factor >= 1e-5 && factor <= 1e6) {
				t.Errorf("a factor of %v", factor)
			}
		}
	})
}
