package nse_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

func TestFaultsOfRowsAreTheirSymbolsAlone(t *testing.T) {
	good := "GOOD EQ 10 12 9 11 11 100"
	for _, test := range []struct{ name, row, replace, by, reason string }{
		{"no number", "BAD EQ 10 12 9 11 11 77", ",77,", ",7x7,", `TtlTradgVol "7x7" is not a number`},
		{"negative", "BAD EQ 10 12 9 11 11 77", ",9.00,", ",-9.00,", `LwPric "-9.00" is not a number`},
		{"NaN", "BAD EQ 10 12 9 11 11 77", ",9.00,", ",NaN,", "is not a number"},
		{"empty", "BAD EQ 10 12 9 11 11 77", ",9.00,", ",,", `LwPric "" is not a number`},
		{"low above high", "BAD EQ 10 12 9 11 11 77", ",9.00,", ",13.00,", "low 13 is above high 12"},
		{"zero", "BAD EQ 10 12 9 11 11 77", ",9.00,", ",0.00,", "low 0"},
		{"field too few", "BAD EQ 10 12 9 11 11 77", ",9.00,", ",", "33 fields instead of 34"},
		{"comma in the name", "BAD EQ 10 12 9 11 11 77", "BAD LIMITED", "BAD, LIMITED", "35 fields instead of 34"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "2024-07-11", rows(good, "BAD EQ 10 12 9 11 11 77"))
			name := put(t, dir, "2024-07-12", rows(good, test.row))
			text, _ := os.ReadFile(filepath.Join(dir, name))
			spoilt := strings.Replace(string(text), "BAD"+strings.SplitN(string(text), "BAD", 2)[1], strings.Replace("BAD"+strings.SplitN(string(text), "BAD", 2)[1], test.replace, test.by, 1), 1)
			if spoilt == string(text) {
				t.Fatal("nothing was spoilt")
			}
			nsetest.Write(t, filepath.Join(dir, name), []byte(spoilt))
			p := open(t, nse.Config{Dir: dir})
			_, err := p.Daily(t.Context(), "BAD.NS", 5)
			wantFault(t, err, market.CodeBadData, name+":3", test.reason)
			if series, err := p.Daily(t.Context(), "GOOD.NS", 5); err != nil || len(series.Bars) != 2 || series.Warnings != nil {
				t.Errorf("the other share: %d bars, %q, %v", len(series.Bars), series.Warnings, err)
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		dir := t.TempDir()
		name := put(t, dir, "2024-07-12", rows(good, "BAD EQ 10 12 9 11 11 77", "BAD EQ 10 12 9 11 11 77"))
		_, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "BAD.NS", 5)
		wantFault(t, err, market.CodeBadData, name+":4", "stands twice, also on line 3")
	})
	t.Run("before the window", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, "2024-07-11", rows("X EQ 10 9 12 11 11 77"))
		put(t, dir, "2024-07-12", rows("X EQ 10 12 9 11 11 77"))
		if _, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 1); err != nil {
			t.Error(err)
		}
	})
	t.Run("of nobody knows whom", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, "2024-07-10", rows(good, "GAP EQ 10 12 9 11 11 77"))
		name := put(t, dir, "2024-07-11", rows(good))
		text, _ := os.ReadFile(filepath.Join(dir, name))
		nsetest.Write(t, filepath.Join(dir, name), append(text, "2024-07-11,20\n"...))
		put(t, dir, "2024-07-12", rows(good, "GAP EQ 10 12 9 11 11 77"))
		p := open(t, nse.Config{Dir: dir})
		series, err := p.Daily(t.Context(), "GAP.NS", 5)
		if err != nil || len(series.Warnings) != 1 || !strings.Contains(series.Warnings[0], name+":3") {
			t.Errorf("%q, %v", series.Warnings, err)
		}
		if series, err := p.Daily(t.Context(), "GOOD.NS", 5); err != nil || series.Warnings != nil {
			t.Errorf("%q, %v", series.Warnings, err)
		}
	})
}

func TestFaultsOfFilesStopWhoeverNeedsThem(t *testing.T) {
	session := day("2024-07-11")
	good := string(nsetest.File(session, rows("X EQ 10 12 9 11 11 77")))
	packed := nsetest.Zip(session, []byte(good))
	name, plain := nse.FileName(session), strings.TrimSuffix(nse.FileName(session), ".zip")
	flipped := slices.Clone(packed)
	flipped[120] ^= 0x55
	for _, test := range []struct {
		what, name   string
		data         []byte
		line, reason string
	}{
		{"another date", plain, []byte(strings.ReplaceAll(good, "2024-07-11", "2024-07-10")), ":2", "the row is of 2024-07-10, the file is named for 2024-07-11"},
		{"no date", plain, []byte(strings.ReplaceAll(good, "2024-07-11", "soon")), ":2", `the date "soon"`},
		{"no header", plain, []byte(strings.SplitN(good, "\n", 2)[1]), ":1", "no column"},
		{"a column missing", plain, []byte(strings.Replace(good, "PrvsClsgPric", "Other", 1)), ":1", "no column PrvsClsgPric"},
		{"another exchange", plain, []byte(strings.Replace(good, "CM,NSE", "CM,BSE", 1)), ":2", `exchange "BSE"`},
		{"a web page", name, []byte("<html></html>"), "", "zip"},
		{"half", name, packed[:len(packed)/2], "", "zip"},
		{"a flipped byte", name, flipped, "", ""},
		{"empty", plain, nil, ":1", "no column"},
	} {
		t.Run(test.what, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "2024-07-10", rows("X EQ 10 12 9 11 11 77"))
			put(t, dir, "2024-07-12", rows("X EQ 10 12 9 11 11 77", "YOUNG EQ 10 12 9 11 11 77"))
			nsetest.Write(t, filepath.Join(dir, test.name), test.data)
			p := open(t, nse.Config{Dir: dir})
			_, err := p.Daily(t.Context(), "X.NS", 5)
			wantFault(t, err, market.CodeBadData, test.name+test.line, test.reason)
			if _, err := p.Daily(t.Context(), "X.NS", 1); err != nil {
				t.Errorf("outside the window: %v", err)
			}
			if _, err := p.Daily(t.Context(), "YOUNG.NS", 5); err != nil {
				t.Errorf("a share listed after that day: %v", err)
			}
			put(t, dir, "2024-07-11", rows("X EQ 10 12 9 11 11 77"))
			if test.name == name {
				return // the plain one takes its place
			}
			if series, err := p.Daily(t.Context(), "X.NS", 5); err != nil || len(series.Bars) != 3 {
				t.Errorf("after the repair: %d bars, %v", len(series.Bars), err)
			}
		})
	}
}

// A file of torn rows is garbage, and leaves nothing behind: neither symbols nor
// memory.
func TestAFileOfTornRows(t *testing.T) {
	dir := t.TempDir()
	text := "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES,ISIN,\nX,EQ,100,102,98,101,101,99,1000,1,05-JUL-2024,1,I,\n"
	for _, symbol := range []string{"bad symbol", strings.Repeat("A", 40)} { // of nobody
		text += symbol + ",EQ,x\n"
	}
	write := func(text string) {
		nsetest.Write(t, filepath.Join(dir, "cm05JUL2024bhav.csv"), []byte(text))
	}
	write(text)
	p := open(t, nse.Config{Dir: dir})
	if _, err := p.Daily(t.Context(), "X.NS", 1); err != nil || nse.Symbols(p) != 1 {
		t.Errorf("%d symbols, %v", nse.Symbols(p), err)
	}
	for i := range 5000 {
		text += fmt.Sprintf("S%d,EQ\n", i)
	}
	write(text)
	p = open(t, nse.Config{Dir: dir})
	_, err := p.Daily(t.Context(), "X.NS", 1)
	wantFault(t, err, market.CodeBadData, "cm05JUL2024bhav.csv:1003", "more than 1000 unreadable rows")
	if n := nse.Symbols(p); n > 1001 {
		t.Errorf("%d symbols are kept", n)
	}
}

// A plain file says nowhere how long it is: one that ends within a line is not
// whole yet, and one that ends behind a line shows by what it lacks.
func TestHalfCopiedFiles(t *testing.T) {
	sessions := nsetest.Weekdays(4, friday)
	dir := t.TempDir()
	names := nsetest.Archive(t, dir, nsetest.Config{Symbols: 40, Sessions: sessions, Plain: true})
	p := open(t, nse.Config{Dir: dir})
	last := strings.TrimSuffix(nse.FileName(friday), ".zip")
	whole, err := os.ReadFile(filepath.Join(dir, last))
	if err != nil {
		t.Fatal(err)
	}
	for _, ticker := range names[:2] { // in the half that is there, and in no half
		nsetest.Write(t, filepath.Join(dir, last), whole[:len(whole)/2])
		_, err = p.Daily(t.Context(), ticker+".NS", 3)
		wantFault(t, err, market.CodeUnavailable, last, "the file does not end with a line: it is still being copied")
		_, err = p.Tickers(t.Context())
		wantFault(t, err, market.CodeUnavailable, last, "is still being copied")
	}
	lines := strings.SplitAfter(string(whole), "\n")
	for shares, told := range map[int]bool{40: false, 28: false, 27: true} {
		nsetest.Write(t, filepath.Join(dir, last), []byte(strings.Join(lines[:1+shares], "")))
		for _, name := range []string{names[3], names[38]} {
			series, err := p.Daily(t.Context(), name+".NS", 3)
			want := fmt.Sprintf("1 files hold less than 70 %% of the shares of the day before, the first %s (%d after 40); are they whole?", last, shares)
			if err != nil || slices.Contains(series.Warnings, want) != told {
				t.Errorf("%d shares, %s: %v, %q", shares, name, err, series.Warnings)
			}
		}
	}
	if series, err := p.Daily(t.Context(), names[3]+".NS", 3); err != nil || len(series.Bars) != 3 {
		t.Errorf("%d bars, %v", len(series.Bars), err)
	}
}
