package nse_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

// weekdays is a calendar in which every weekday is a session but those named.
type weekdays struct{ shut map[string]bool }

func (w weekdays) Sessions(from, to time.Time) []time.Time {
	var all []time.Time
	for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
		if wd := day.Weekday(); wd != time.Saturday && wd != time.Sunday && !w.shut[day.Format(time.DateOnly)] {
			all = append(all, day)
		}
	}
	return all
}

func (w weekdays) LastClosed(at time.Time) time.Time {
	day := at.UTC().Add(-10 * time.Hour).Truncate(24 * time.Hour) // they close at 10:00 UTC
	sessions := w.Sessions(day.AddDate(0, 0, -10), day)
	return sessions[len(sessions)-1]
}

func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

// friday is the last session of the archives here: the week before holds the
// last file of the old format.
var friday = day("2024-07-12")

func open(t *testing.T, cfg nse.Config) *nse.Provider {
	t.Helper()
	if cfg.Calendar == nil {
		cfg.Calendar = weekdays{}
	}
	p, err := nse.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// rows makes an archive whose one day before last etc. are given by hand:
// each text is "SYMBOL SERIES open high low close prev volume".
func rows(texts ...string) []nsetest.Row {
	var all []nsetest.Row
	for _, text := range texts {
		r := nsetest.Row{ISIN: "INE000000001"}
		if _, err := fmt.Sscan(text, &r.Symbol, &r.Series, &r.Open, &r.High, &r.Low, &r.Close, &r.Prev, &r.Volume); err != nil {
			panic(fmt.Sprint(text, ": ", err))
		}
		all = append(all, r)
	}
	return all
}

// put writes a session's plain file and returns its name.
func put(t *testing.T, dir, session string, rows []nsetest.Row) string {
	t.Helper()
	name := strings.TrimSuffix(nse.FileName(day(session)), ".zip")
	nsetest.Write(t, filepath.Join(dir, name), nsetest.File(day(session), rows))
	return name
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

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	nsetest.Archive(t, dir, nsetest.Config{
		Symbols: 20, Names: []string{"M&M", "BAJAJ-AUTO"}, Sessions: nsetest.Weekdays(320, friday),
		Splits: []nsetest.Split{{Symbol: "M&M", Session: 200, Num: 5, Den: 1}, {Symbol: "M&M", Session: 100, Num: 3, Den: 2}},
	})
	markettest.Test(t, func(t *testing.T) markettest.Fixture {
		return markettest.Fixture{Provider: open(t, nse.Config{Dir: dir}), Known: "M&M.NS", Unknown: "NOSUCH.NS", Lists: true}
	})
}

func TestBothFormatsPackedAndPlain(t *testing.T) {
	for _, plain := range []bool{false, true} {
		dir := t.TempDir()
		sessions := nsetest.Weekdays(10, friday)
		var want []nsetest.Row
		nsetest.Archive(t, dir, nsetest.Config{Symbols: 3, Names: []string{"TCS"}, Sessions: sessions, Plain: plain, Edit: func(_ int, rows []nsetest.Row) []nsetest.Row {
			want = append(want, rows[0])
			return rows
		}})
		series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "TCS.NS", 100)
		if err != nil {
			t.Fatal(err)
		}
		if series.Provider != "nse" || series.Adjustment != market.AdjustmentSplits || series.Currency != "INR" || series.Synthetic || len(series.Notes) > 0 || len(series.Warnings) > 0 {
			t.Errorf("lineage %+v", series)
		}
		for i, r := range want { // five days of each format
			bar := market.Bar{Date: sessions[i], Open: r.Open, High: r.High, Low: r.Low, Close: r.Close, Volume: float64(r.Volume)}
			if diff := cmp.Diff(bar, series.Bars[i]); diff != "" {
				t.Errorf("plain %t, session %d (-want +got)\n%s", plain, i, diff)
			}
		}
	}
}

func TestPricesBeyondHundredthsStayExact(t *testing.T) {
	dir := t.TempDir()
	name := put(t, dir, "2024-07-12", rows("X EQ 10.10 12 9 11 11 5000000000"))
	text, _ := os.ReadFile(filepath.Join(dir, name))
	text = []byte(strings.Replace(string(text), ",10.10,", ",10.1234,", 1))
	nsetest.Write(t, filepath.Join(dir, name), text)
	series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 1)
	if err != nil || series.Bars[0].Open != 10.1234 || series.Bars[0].Volume != 5e9 {
		t.Errorf("%+v, %v", series.Bars, err)
	}
}

func TestPreferredSeries(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "2024-07-10", rows("X BE 5 5 5 5 5 1", "X EQ 10 10 10 10 10 1", "X N1 900 900 900 900 900 1"))
	put(t, dir, "2024-07-11", rows("X BE 10 10 10 10 10 2", "Y SM 7 7 7 7 7 1", "BOND N1 900 900 900 900 900 1"))
	put(t, dir, "2024-07-12", rows("X EQ 10 10 10 10 10 3", "X BE 5 5 5 5 5 1"))
	p := open(t, nse.Config{Dir: dir})
	series, err := p.Daily(t.Context(), "X.NS", 9)
	if err != nil {
		t.Fatal(err)
	}
	for i, volume := range []float64{1, 2, 3} {
		if bar := series.Bars[i]; bar.Close != 10 || bar.Volume != volume {
			t.Errorf("bar %d is %+v", i, bar)
		}
	}
	got, err := p.Tickers(t.Context())
	if diff := cmp.Diff([]string{"X.NS", "Y.NS"}, got); diff != "" || err != nil {
		t.Errorf("tickers %v %s", err, diff)
	}
	if _, err := p.Daily(t.Context(), "BOND.NS", 9); err == nil {
		t.Error("a bond was delivered")
	}
	if got, err = open(t, nse.Config{Dir: dir, Series: []string{"SM"}}).Tickers(t.Context()); !slices.Equal(got, []string{"Y.NS"}) {
		t.Errorf("of series SM: %v, %v", got, err)
	}
}

func TestTickersAreThoseOfTheNewestDays(t *testing.T) {
	dir := t.TempDir()
	sessions := nsetest.Weekdays(7, friday)
	put(t, dir, sessions[0].Format(time.DateOnly), rows("OLD EQ 1 1 1 1 1 1", "A EQ 1 1 1 1 1 1"))
	for i, session := range sessions[1:] {
		text := fmt.Sprintf("M&M EQ %d 9 1 2 2 1", i+1)
		more := rows(text, "BAJAJ-AUTO EQ 3 3 3 3 3 1", "011NSETEST EQ 1 1 1 1 1 1", "A$B EQ 1 1 1 1 1 1")
		if i == 1 {
			more = append(more, rows("RARE EQ 1 1 1 1 1 1")...)
		}
		put(t, dir, session.Format(time.DateOnly), more)
	}
	got, err := open(t, nse.Config{Dir: dir}).Tickers(t.Context())
	if diff := cmp.Diff([]string{"BAJAJ-AUTO.NS", "M&M.NS", "RARE.NS"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

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
		nsetest.Write(t, filepath.Join(dir, name), append(text, "2024-07-11,20"...))
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

func TestGhostsAreDropped(t *testing.T) {
	sessions := nsetest.Weekdays(20, friday)
	var before []nsetest.Row
	ghost := func(share float64) func(i int, rows []nsetest.Row) []nsetest.Row {
		return func(i int, rows []nsetest.Row) []nsetest.Row {
			if i == 10 || i == 11 {
				rows = slices.Clone(rows)
				for k := range rows[:int(share*float64(len(rows)))] {
					rows[k] = before[k]
					rows[k].Prev = rows[k].Close
				}
			}
			before = slices.Clone(rows)
			return rows
		}
	}
	for _, test := range []struct {
		share float64
		bars  int
	}{{0.96, 18}, {0.90, 20}} {
		dir := t.TempDir()
		// The walk goes on unseen behind a ghost, so the previous close is mended.
		edit := ghost(test.share)
		closes := map[string]float64{}
		nsetest.Archive(t, dir, nsetest.Config{Symbols: 100, Names: []string{"X"}, Sessions: sessions, Edit: func(i int, rows []nsetest.Row) []nsetest.Row {
			rows = edit(i, rows)
			for k := range rows {
				if was, ok := closes[rows[k].Symbol]; ok {
					rows[k].Prev = was
				}
				closes[rows[k].Symbol] = rows[k].Close
			}
			return rows
		}})
		series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 100)
		if err != nil || len(series.Bars) != test.bars {
			t.Fatalf("share %v: %d bars, %v", test.share, len(series.Bars), err)
		}
		told := fmt.Sprintf("2 days that only repeat the day before were dropped, the first %s", sessions[10].Format(time.DateOnly))
		if got := slices.Contains(series.Warnings, told); got != (test.bars == 18) {
			t.Errorf("share %v: warnings %q", test.share, series.Warnings)
		}
		if test.bars == 18 && (series.Bars[9].Date != sessions[9] || series.Bars[10].Date != sessions[12]) {
			t.Errorf("the wrong day was dropped")
		}
	}
}

func TestGapsHolesAndTheEndOfHistory(t *testing.T) {
	dir := t.TempDir()
	sessions := nsetest.Weekdays(60, friday)
	nsetest.Archive(t, dir, nsetest.Config{Symbols: 8, Names: []string{"X", "RARE"}, Sessions: sessions, Edit: func(i int, rows []nsetest.Row) []nsetest.Row {
		switch {
		case i == 50 || i == 51 || i > 3 && i < 10: // files that are not there
			return nil
		case i%2 == 1: // RARE does not trade on these
			return slices.Delete(slices.Clone(rows), 1, 2)
		}
		return rows
	}})
	p := open(t, nse.Config{Dir: dir})
	series, err := p.Daily(t.Context(), "X.NS", 40)
	if err != nil || len(series.Bars) != 40 {
		t.Fatalf("%d bars, %v", len(series.Bars), err)
	}
	want := "no file for 2 sessions, the first after " + sessions[49].Format(time.DateOnly)
	if !slices.Contains(series.Warnings, want) {
		t.Errorf("warnings %q, want %q", series.Warnings, want)
	}
	if series, err = p.Daily(t.Context(), "X.NS", 100); err != nil || len(series.Bars) != 52 || !strings.Contains(strings.Join(series.Warnings, ";"), "no file for 8 sessions") {
		t.Errorf("%d bars, %v, %q", len(series.Bars), err, series.Warnings)
	}
	// A share that trades every other day gets its bars all the same.
	if series, err = p.Daily(t.Context(), "RARE.NS", 20); err != nil || len(series.Bars) != 20 {
		t.Errorf("%d bars of the rare one, %v", len(series.Bars), err)
	}
	// A history ends where 21 sessions are missing, and where Config says.
	for i := 20; i < 40; i++ {
		if err := os.Remove(filepath.Join(dir, nse.FileName(sessions[i]))); err != nil {
			t.Fatal(err)
		}
	}
	if series, err = p.Daily(t.Context(), "X.NS", 100); err != nil || len(series.Bars) != 32 {
		t.Errorf("20 missing: %d bars, %v; want 32", len(series.Bars), err)
	}
	os.Remove(filepath.Join(dir, nse.FileName(sessions[40])))
	if series, err = p.Daily(t.Context(), "X.NS", 100); err != nil || len(series.Bars) != 17 {
		t.Errorf("21 missing: %d bars, %v; want 17", len(series.Bars), err)
	}
	if series, err = open(t, nse.Config{Dir: dir, History: 5}).Daily(t.Context(), "X.NS", math.MaxInt); err != nil || len(series.Bars) != 5 {
		t.Errorf("a history of 5: %d bars, %v", len(series.Bars), err)
	}
}

func TestNoDataAndUnknown(t *testing.T) {
	dir := t.TempDir()
	p := open(t, nse.Config{Dir: dir})
	_, err := p.Daily(t.Context(), "X.NS", 5)
	wantFault(t, err, market.CodeNoData, "", "the archive holds no daily file such as BhavCopy_NSE_CM_0_0_0_")
	_, err = p.Tickers(t.Context())
	wantFault(t, err, market.CodeNoData, "", "no daily file")
	put(t, dir, "2024-07-12", rows("AAPL EQ 10 12 9 11 11 77", "NOTRADE EQ 0 0 0 11 11 0"))
	for _, ticker := range []string{"X.NS", "AAPL", "AAPL.BO", "NOTRADE.NS"} {
		_, err := p.Daily(t.Context(), ticker, 5)
		wantFault(t, err, market.CodeUnknownTicker, "", "no day of the NSE archive holds this symbol")
	}
	if err := p.Update(t.Context(), nil); err == nil {
		t.Error("an archive that is only read was updated")
	}
}

func TestBadSettings(t *testing.T) {
	dir := t.TempDir()
	for _, cfg := range []nse.Config{
		{}, {Dir: filepath.Join(dir, "none")}, {Dir: dir, History: -1}, {Dir: dir, History: nse.MaxHistory + 1},
		{Dir: dir, Download: true}, {Dir: dir, ActionsFile: filepath.Join(dir, "none.csv")},
	} {
		if _, err := nse.New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestHotFolder(t *testing.T) {
	dir := t.TempDir()
	clock := friday.Add(20 * time.Hour)
	p := open(t, nse.Config{Dir: dir, Now: func() time.Time { return clock }})
	put(t, dir, "2024-07-10", rows("X EQ 10 12 9 11 11 77"))
	count := func(want int, close float64) {
		t.Helper()
		series, err := p.Daily(t.Context(), "X.NS", 9)
		if err != nil || len(series.Bars) != want || series.Bars[want-1].Close != close {
			t.Fatalf("%v, %v; want %d bars", series.Bars, err, want)
		}
	}
	count(1, 11)
	name := put(t, dir, "2024-07-11", rows("X EQ 10 12 9 11.5 11 77"))
	count(2, 11.5)
	// Rewritten in place: the folder's time stays, the clock says when to look.
	if err := os.WriteFile(filepath.Join(dir, name), nsetest.File(day("2024-07-11"), rows("X EQ 10 12 9 10.25 11 77")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, name), clock, clock); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(time.Minute)
	count(2, 10.25)
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	count(1, 11)
}

// A series is made of one state of the folder, whatever is written meanwhile:
// here every state says its own price on every day.
func TestSeriesAreOfOneState(t *testing.T) {
	root := t.TempDir()
	sessions := nsetest.Weekdays(15, friday)
	state := func(n int) string {
		dir := filepath.Join(root, fmt.Sprint("state", n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, session := range sessions[:len(sessions)-1+n%2] {
			put(t, dir, session.Format(time.DateOnly), rows(fmt.Sprintf("X EQ %d %[1]d %[1]d %[1]d %[1]d 5", n+10)))
		}
		return dir
	}
	live := filepath.Join(root, "live")
	swap := func(n int) {
		dir := state(n)
		if err := os.Symlink(dir, live+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(live+".new", live); err != nil {
			t.Fatal(err)
		}
	}
	swap(0)
	p := open(t, nse.Config{Dir: live})
	stop := make(chan struct{})
	done := make(chan int)
	go func() {
		seen := map[float64]bool{}
		for {
			select {
			case <-stop:
				done <- len(seen)
				return
			default:
			}
			series, err := p.Daily(t.Context(), "X.NS", 50)
			if err != nil {
				if fault, _ := errors.AsType[*market.Error](err); fault == nil || fault.Code != market.CodeUnavailable {
					t.Errorf("%v", err)
				}
				continue
			}
			first := series.Bars[0].Close
			seen[first] = true
			if want := len(sessions) - 1 + int(first)%2; len(series.Bars) != want {
				t.Errorf("%d bars of a state that has %d", len(series.Bars), want)
			}
			for _, bar := range series.Bars {
				if bar.Close != first {
					t.Errorf("prices %v and %v in one series", first, bar.Close)
				}
			}
		}
	}()
	for n := 1; n < 30; n++ {
		swap(n)
	}
	close(stop)
	if n := <-done; n < 2 {
		t.Skipf("SKIPPED: only %d states were seen", n)
	}
}
