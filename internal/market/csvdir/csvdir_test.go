package csvdir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/csvdir"
)

const header = "Date,Open,High,Low,Close,Volume\n"

// folder makes a folder of files by name.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *csvdir.Provider {
	t.Helper()
	p, err := csvdir.New(csvdir.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// history returns a file of n valid rows.
func history(n int) string {
	var text strings.Builder
	text.WriteString(header)
	day := time.Date(1850, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		fmt.Fprintf(&text, "%s,%d,%d,%d,%d,%d\n", day.AddDate(0, 0, i).Format(time.DateOnly), 100+i%7, 120, 90, 100+i%5, 1000+i)
	}
	return text.String()
}

func wantFault(t *testing.T, err error, code market.Code, where, reason string) {
	t.Helper()
	fault, ok := errors.AsType[*market.Error](err)
	if !ok {
		t.Fatalf("got %v, want a *market.Error", err)
	}
	if fault.Code != code || fault.Where != where || !strings.Contains(fault.Err.Error(), reason) {
		t.Errorf("got %s at %q: %v\nwant %s at %q: ...%s...", fault.Code, fault.Where, fault.Err, code, where, reason)
	}
}

func TestFaultsNameFileLineAndReason(t *testing.T) {
	const good = "2024-01-02,10,12,9,11,100\n"
	tests := []struct {
		name, text string
		code       market.Code
		where      string
		reason     string
	}{
		{"empty file", "", market.CodeNoData, "X.csv", "no rows"},
		{"header alone", header, market.CodeNoData, "X.csv", "no rows"},
		{"no header", good, market.CodeBadData, "X.csv:1", "no column Date, Open"},
		{"missing columns", "Date,Open,High,Close\n", market.CodeBadData, "X.csv:1", "no column Low, Volume"},
		{"column twice", "Date,Open,High,Low,Close,Volume,open\n", market.CodeBadData, "X.csv:1", "column Open stands twice"},
		{"short row", header + good + "2024-01-03,10,12\n", market.CodeBadData, "X.csv:3", "3 fields where the header has 6"},
		{"torn quote", header + good + "\"2024-01-03,10,12,9,11,100\n", market.CodeBadData, "X.csv:3", "quote"},
		{"empty cell", header + good + "2024-01-03,10,12,,11,100\n", market.CodeBadData, "X.csv:3", "Low is empty"},
		{"empty row", header + good + ",,,,,\n", market.CodeBadData, "X.csv:3", "Date is empty"},
		{"NaN", header + "2024-01-03,NaN,12,9,11,100\n", market.CodeBadData, "X.csv:2", `Open "NaN" is not a number`},
		{"infinite", header + "2024-01-03,10,Inf,9,11,100\n", market.CodeBadData, "X.csv:2", `High "Inf" is not a number`},
		{"too large", header + "2024-01-03,10,1e999,9,11,100\n", market.CodeBadData, "X.csv:2", "is not a number"},
		{"hexadecimal", header + "2024-01-03,10,0x1p4,9,11,100\n", market.CodeBadData, "X.csv:2", "is not a number"},
		{"other date", header + "02/01/2024,10,12,9,11,100\n", market.CodeBadData, "X.csv:2", "not a date like 2006-01-02"},
		{"no such day", header + "2024-02-30,10,12,9,11,100\n", market.CodeBadData, "X.csv:2", "not a date"},
		{"negative", header + good + "\n2024-01-03,10,12,-9,11,100\n", market.CodeBadData, "X.csv:4", "low -9"},
		{"high below low", header + good + "2024-01-03,10,9,12,11,100\n", market.CodeBadData, "X.csv:3", "low 12 is above high 9"},
		{"date twice", header + good + good, market.CodeBadData, "X.csv:3", "2024-01-02 stands twice"},
		{"newest first", header + good + "2024-01-01,10,12,9,11,100\n", market.CodeBadData, "X.csv:3", "sort oldest first"},
		{"binary", "\x00\x01\x02PK\xff", market.CodeBadData, "X.csv:1", "no column Date"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := open(t, folder(t, map[string]string{"X.csv": test.text}))
			_, err := p.Daily(context.Background(), "X", 1)
			wantFault(t, err, test.code, test.where, test.reason)
		})
	}
}

// A date that has not come would be the newest day for ever.
func TestDatesThatHaveNotCome(t *testing.T) {
	late := time.Date(2026, 11, 25, 23, 30, 0, 0, time.UTC) // the 26th in India, still the 25th in New York
	for _, test := range []struct{ ticker, date, refused string }{
		{"X.NS", "2026-11-26", ""}, {"X.NS", "2026-11-27", "date 2026-11-27 has not come yet, it is 2026-11-26 at most"},
		{"X", "2026-11-25", ""}, {"X", "2026-11-26", "date 2026-11-26 has not come yet, it is 2026-11-25 at most"},
		{"X.DE", "2026-11-26", ""}, {"X.DE", "2026-11-27", "has not come"},
		{"BTC-USD", "2026-11-26", ""}, {"BTC-USD", "2099-01-02", "has not come"},
	} {
		row := "2024-01-02,10,12,9,11,100\n" + test.date + ",10,12,9,11,100\n"
		dir := folder(t, map[string]string{test.ticker + ".csv": header + row})
		p, err := csvdir.New(csvdir.Config{Dir: dir, Now: func() time.Time { return late }})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Daily(t.Context(), test.ticker, 1)
		if test.refused != "" {
			wantFault(t, err, market.CodeBadData, test.ticker+".csv:3", test.refused)
		} else if err != nil {
			t.Errorf("%s on %s: %v", test.ticker, test.date, err)
		}
	}
}

func TestOldFaultsCountToo(t *testing.T) {
	text := strings.Replace(history(500), "1000\n", "-1\n", 1)
	p := open(t, folder(t, map[string]string{"X.csv": text}))
	_, err := p.Daily(context.Background(), "X", 10)
	wantFault(t, err, market.CodeBadData, "X.csv:2", "volume -1")
}

func TestNoPathEscapesThroughTickers(t *testing.T) {
	outer := folder(t, map[string]string{"SECRET.csv": history(5)})
	dir := filepath.Join(outer, "market")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outer, "SECRET.csv"), filepath.Join(dir, "LINK.csv")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	write(t, filepath.Join(dir, "REAL.csv"), history(5))
	if err := os.Symlink("REAL.csv", filepath.Join(dir, "ALIAS.csv")); err != nil {
		t.Fatal(err)
	}
	p := open(t, dir)
	for _, ticker := range []string{"../SECRET", "/SECRET", "..%2FSECRET", "SECRET\x00", "..", "real", ""} {
		_, err := p.Daily(context.Background(), ticker, 1)
		wantFault(t, err, market.CodeInvalid, "", "ticker")
	}
	_, err := p.Daily(context.Background(), "A/../../SECRET", 1)
	wantFault(t, err, market.CodeUnknownTicker, "A%2F..%2F..%2FSECRET.csv", "no such file")
	_, err = p.Daily(context.Background(), "LINK", 1)
	wantFault(t, err, market.CodeBadData, "LINK.csv", "escapes")
	if _, err = p.Daily(context.Background(), "ALIAS", 1); err != nil {
		t.Errorf("a link within the folder: %v", err)
	}
	got, err := p.Tickers(context.Background())
	if diff := cmp.Diff([]string{"ALIAS", "REAL"}, got); err != nil || diff != "" {
		t.Errorf("tickers: %v (-want +got)\n%s", err, diff)
	}
}

func TestTickersAreFileNames(t *testing.T) {
	dir := folder(t, map[string]string{
		"M&M.NS.csv": "", "^NSEI.csv": "", "BTC%2FUSD.csv": "", "AAPL.csv": "", "EURUSD=X.csv": "",
		"aapl.csv": "", "A%2fB.csv": "", "market.json": "{}", "README.md": "", "._AAPL.csv": "", ".csv": "",
		"X.CSV": "", "X.csv~": "", strings.Repeat("A", 33) + ".csv": "",
	})
	if err := os.Mkdir(filepath.Join(dir, "DIR.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir).Tickers(context.Background())
	want := []string{"AAPL", "BTC/USD", "EURUSD=X", "M&M.NS", "^NSEI"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	_, err = open(t, dir).Daily(context.Background(), "DIR", 1)
	wantFault(t, err, market.CodeBadData, "DIR.csv", "not a regular file")
}

func TestLineage(t *testing.T) {
	with := "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,10,12,9,11,10.5,100\n"
	without := header + "2024-01-02,10,12,9,11,100\n"
	files := map[string]string{"A.csv": with, "B.csv": without, "C.NS.csv": without}
	type lineage struct {
		Adjustment market.Adjustment
		Currency   string
	}
	tests := []struct {
		name, settings string
		want           map[string]lineage
	}{
		{"no market.json", "", map[string]lineage{
			"A": {"splits", ""}, "B": {"unknown", ""}, "C.NS": {"unknown", "INR"},
		}},
		{"market.json", `{"adjustment": "splits_dividends", "currency": "USD"}`, map[string]lineage{
			"A": {"splits", "USD"}, "B": {"splits_dividends", "USD"}, "C.NS": {"splits_dividends", "INR"},
		}},
		{"half of it", `{"adjustment": "none"}`, map[string]lineage{
			"A": {"none", ""}, "B": {"none", ""}, "C.NS": {"none", "INR"},
		}},
		{"the other half", `{"currency": "USD"}`, map[string]lineage{
			"A": {"splits", "USD"}, "B": {"unknown", "USD"}, "C.NS": {"unknown", "INR"},
		}},
		{"said to be unknown", `{"adjustment": "unknown"}`, map[string]lineage{
			"A": {"splits", ""}, "B": {"unknown", ""}, "C.NS": {"unknown", "INR"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t, files)
			p := open(t, dir)
			if test.settings != "" { // after New: it is hot too
				write(t, filepath.Join(dir, "market.json"), test.settings)
			}
			for ticker, want := range test.want {
				series, err := p.Daily(context.Background(), ticker, 1)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, lineage{series.Adjustment, series.Currency}); diff != "" {
					t.Errorf("%s (-want +got)\n%s", ticker, diff)
				}
				if series.Bars[0].Close != 11 {
					t.Errorf("%s: close %v; OHLC must be delivered, not Adj Close", ticker, series.Bars[0].Close)
				}
			}
		})
	}
}

func TestMalformedSettings(t *testing.T) {
	for text, reason := range map[string]string{
		`{`:                          "not a JSON object",
		`{"adjustmnet": "splits"}`:   "adjustmnet",
		`{"adjustment": "dividend"}`: `adjustment "dividend"`,
		`{"currency": "Rs"}`:         `currency "Rs"`,
		`{} {}`:                      "closing brace",
	} {
		dir := folder(t, map[string]string{"X.csv": history(3)})
		p := open(t, dir)
		write(t, filepath.Join(dir, "market.json"), text)
		_, err := p.Daily(context.Background(), "X", 1)
		wantFault(t, err, market.CodeBadData, "market.json", reason)
		if _, err := csvdir.New(csvdir.Config{Dir: dir}); err == nil {
			t.Errorf("New took market.json %s", text)
		}
	}
}

func TestNewNeedsAFolder(t *testing.T) {
	dir := folder(t, map[string]string{"FILE": ""})
	for _, path := range []string{filepath.Join(dir, "NONE"), filepath.Join(dir, "FILE"), ""} {
		if _, err := csvdir.New(csvdir.Config{Dir: path}); err == nil {
			t.Errorf("New took %q", path)
		}
	}
}

func TestFolderGoneIsUnavailable(t *testing.T) {
	dir := folder(t, map[string]string{"X.csv": history(3)})
	p := open(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, err := p.Daily(context.Background(), "X", 1)
	wantFault(t, err, market.CodeUnavailable, "", "opening market folder")
	_, err = p.Tickers(context.Background())
	wantFault(t, err, market.CodeUnavailable, "", "opening market folder")
}

func TestLimits(t *testing.T) {
	rows := history(csvdir.MaxRows)
	extra := "2999-01-01,100,120,90,100,1\n"
	pad := strings.Repeat("\n", csvdir.MaxFileBytes-len(history(3)))
	p := open(t, folder(t, map[string]string{
		"ROWS.csv": rows, "ROWS1.csv": rows + extra,
		"SIZE.csv": history(3) + pad, "SIZE1.csv": history(3) + pad + "\n",
	}))
	for _, ticker := range []string{"ROWS", "SIZE"} {
		if _, err := p.Daily(context.Background(), ticker, 3); err != nil {
			t.Errorf("at the limit: %v", err)
		}
	}
	_, err := p.Daily(context.Background(), "ROWS1", 3)
	wantFault(t, err, market.CodeBadData, fmt.Sprintf("ROWS1.csv:%d", csvdir.MaxRows+2), "more than 50000 rows")
	_, err = p.Daily(context.Background(), "SIZE1", 3)
	wantFault(t, err, market.CodeBadData, "SIZE1.csv", "larger than the limit of 8388608 bytes")
}

func TestSettingsLimit(t *testing.T) {
	settings := `{"adjustment": "none"}`
	settings += strings.Repeat(" ", csvdir.MaxSettings-len(settings))
	dir := folder(t, map[string]string{"X.csv": history(3), "market.json": settings})
	p := open(t, dir)
	if _, err := p.Daily(context.Background(), "X", 1); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	write(t, filepath.Join(dir, "market.json"), settings+" ")
	_, err := p.Daily(context.Background(), "X", 1)
	wantFault(t, err, market.CodeBadData, "market.json", "larger than the limit of 65536 bytes")
}

func TestFolderLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 50,000 files")
	}
	dir := t.TempDir()
	for i := range csvdir.MaxFiles {
		write(t, filepath.Join(dir, fmt.Sprintf("T%d.csv", i)), "")
	}
	p := open(t, dir)
	tickers, err := p.Tickers(context.Background())
	if err != nil || len(tickers) != csvdir.MaxFiles {
		t.Errorf("at the limit: %d tickers, %v", len(tickers), err)
	}
	write(t, filepath.Join(dir, "ONE.csv"), "")
	_, err = p.Tickers(context.Background())
	wantFault(t, err, market.CodeBadData, "", "more than 50000 entries")
}

// A torn row could pass for a whole one with another volume.
func TestFileThatChangesWhileReadIsNotBelieved(t *testing.T) {
	whole := history(300)
	for name, change := range map[string]func(path string) error{
		"grows":  func(path string) error { return os.WriteFile(path, []byte(whole), 0o600) },
		"shrink": func(path string) error { return os.Truncate(path, int64(len(whole)/4)) },
		"same size": func(path string) error {
			later := time.Now().Add(time.Minute)
			return os.Chtimes(path, later, later)
		},
	} {
		dir := folder(t, map[string]string{"X.csv": whole[:len(whole)/2]})
		path := filepath.Join(dir, "X.csv")
		err := csvdir.ReadWhile(open(t, dir), path, "X", func() {
			if err := change(path); err != nil {
				t.Fatal(name, err)
			}
		})
		wantFault(t, err, market.CodeUnavailable, "X.csv", "changed while it was read")
	}
}

func TestChangesAreSeen(t *testing.T) {
	last := func(p *csvdir.Provider) float64 {
		t.Helper()
		series, err := p.Daily(context.Background(), "X", 1)
		if err != nil {
			t.Fatal(err)
		}
		return series.Bars[0].Close
	}
	file := func(close int) string { return fmt.Sprintf("%s2024-01-02,10,50,9,%d,100\n", header, close) }
	dir := folder(t, map[string]string{"X.csv": file(11)})
	path := filepath.Join(dir, "X.csv")
	p := open(t, dir)
	if got := last(p); got != 11 {
		t.Fatalf("close %v, want 11", got)
	}
	write(t, path, file(12)) // same size, perhaps the same tick of the clock
	if got := last(p); got != 12 {
		t.Errorf("rewritten in place: close %v, want 12", got)
	}
	beside := filepath.Join(dir, "X.new")
	write(t, beside, file(13))
	if err := os.Rename(beside, path); err != nil {
		t.Fatal(err)
	}
	if got := last(p); got != 13 {
		t.Errorf("renamed over: close %v, want 13", got)
	}
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir + ".old")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, file(14))
	if got := last(p); got != 14 {
		t.Errorf("folder replaced: close %v, want 14", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err := p.Daily(context.Background(), "X", 1)
	wantFault(t, err, market.CodeUnknownTicker, "X.csv", "no such file")
}

// Two changes within one tick of the file system's clock look the same.
func TestFreshChangesOfOneTickAreSeen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "X.csv")
	p := open(t, dir)
	tick := time.Now()
	for _, want := range []float64{11, 12} {
		write(t, path, fmt.Sprintf("%s2024-01-02,10,50,9,%v,100\n", header, want))
		if err := os.Chtimes(path, tick, tick); err != nil {
			t.Fatal(err)
		}
		series, err := p.Daily(context.Background(), "X", 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := series.Bars[0].Close; got != want {
			t.Errorf("close %v, want %v", got, want)
		}
	}
}

// A settled file comes from memory, and a caller may do with its copy as it likes.
func TestSettledFilesAreParsedOnce(t *testing.T) {
	dir := folder(t, map[string]string{"X.csv": history(300)})
	path := filepath.Join(dir, "X.csv")
	settled := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, settled, settled); err != nil {
		t.Fatal(err)
	}
	p := open(t, dir)
	first, err := p.Daily(context.Background(), "X", 300)
	if err != nil {
		t.Fatal(err)
	}
	want := first.Bars[299].Close
	first.Bars[299].Close = -1
	// The same size and time with another content: only memory can hide it.
	text := bytes.Replace([]byte(history(300)), []byte("120"), []byte("12x"), 1)
	write(t, path, string(text))
	if err := os.Chtimes(path, settled, settled); err != nil {
		t.Fatal(err)
	}
	again, err := p.Daily(context.Background(), "X", 300)
	if err != nil {
		t.Fatalf("parsed again: %v", err)
	}
	if got := again.Bars[299].Close; got != want {
		t.Errorf("close %v, want %v: a caller's change came through", got, want)
	}
	moved := settled.Add(time.Minute)
	if err := os.Chtimes(path, moved, moved); err != nil {
		t.Fatal(err)
	}
	_, err = p.Daily(context.Background(), "X", 300)
	wantFault(t, err, market.CodeBadData, "X.csv:2", "High")
}
