package nse_test

import (
	"archive/zip"
	"bytes"
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

func TestGhostsAreDropped(t *testing.T) {
	sessions := nsetest.Weekdays(20, friday)
	var before []nsetest.Row
	ghost := func(share float64, idle bool) func(i int, rows []nsetest.Row) []nsetest.Row {
		return func(i int, rows []nsetest.Row) []nsetest.Row {
			if i == 10 || i == 11 {
				rows = slices.Clone(rows)
				for k := range rows[:int(share*float64(len(rows)))] {
					rows[k] = before[k]
					if idle {
						flat := before[k].Close
						rows[k].Open, rows[k].High, rows[k].Low, rows[k].Volume = flat, flat, flat, 0
					}
				}
			}
			before = slices.Clone(rows)
			return rows
		}
	}
	for _, test := range []struct {
		share float64
		idle  bool
		bars  int
	}{{0.96, false, 18}, {0.90, false, 20}, {0.96, true, 18}, {0.90, true, 20}} {
		dir := t.TempDir()
		// The walk goes on unseen behind a ghost, so the previous close is mended.
		edit := ghost(test.share, test.idle)
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
	last := 0.0 // close of RARE
	nsetest.Archive(t, dir, nsetest.Config{Symbols: 8, Names: []string{"X", "RARE"}, Sessions: sessions, Edit: func(i int, rows []nsetest.Row) []nsetest.Row {
		if i%2 == 0 && last > 0 {
			rows[1].Prev = last
		}
		if i%2 == 0 {
			last = rows[1].Close
		}
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

// A session that neither the archive nor the calendar knows shows in the
// previous closes of the next one: then they are no sign of splits.
func TestAMissingSessionIsNoSplit(t *testing.T) {
	sessions := nsetest.Weekdays(20, friday)
	for _, known := range []bool{false, true} {
		dir := t.TempDir()
		var before float64
		nsetest.Archive(t, dir, nsetest.Config{Symbols: 60, Names: []string{"X"}, Sessions: sessions, Edit: func(i int, rows []nsetest.Row) []nsetest.Row {
			switch i {
			case 10:
				before = rows[0].Prev
				return nil
			case 11:
				rows[0].Prev = math.Round(before*10/11*100) / 100 // as after a bonus of 1:10
			}
			return rows
		}})
		calendar := weekdays{shut: map[string]bool{}}
		if !known {
			calendar.shut[sessions[10].Format(time.DateOnly)] = true
		}
		series, err := open(t, nse.Config{Dir: dir, Calendar: calendar}).Daily(t.Context(), "X.NS", 100)
		if err != nil || len(series.Bars) != 19 {
			t.Fatalf("%d bars, %v", len(series.Bars), err)
		}
		want := []string{"no file for 1 sessions, the first after " + sessions[9].Format(time.DateOnly)}
		if diff := cmp.Diff(want, series.Warnings); diff != "" {
			t.Error(diff)
		}
	}
}

// An empty archive is no word on any ticker: a chain must not go on to another
// provider when the folder is not mounted.
func TestEmptyAndUnknown(t *testing.T) {
	dir := t.TempDir()
	p := open(t, nse.Config{Dir: dir})
	_, err := p.Daily(t.Context(), "X.NS", 5)
	wantFault(t, err, market.CodeUnavailable, "", "the archive's folder "+dir+" holds no daily file such as BhavCopy_NSE_CM_0_0_0_")
	wantFault(t, err, market.CodeUnavailable, "", "is it the right folder, and mounted? Put daily files into it, or have them downloaded")
	_, err = p.Tickers(t.Context())
	wantFault(t, err, market.CodeUnavailable, "", "no daily file")
	put(t, dir, "2024-07-12", rows("AAPL EQ 10 12 9 11 11 77", "NOTRADE EQ 0 0 0 11 11 0"))
	for _, ticker := range []string{"X.NS", "AAPL", "AAPL.BO", "NOTRADE.NS"} {
		_, err := p.Daily(t.Context(), ticker, 5)
		wantFault(t, err, market.CodeUnknownTicker, "", "no day of the NSE archive holds this symbol")
	}
	if _, err := p.Update(t.Context(), nse.Span{}, nil); err == nil {
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

// Units of funds are traded in the series of shares: whoever names one gets it,
// but they are not listed.
func TestUnitsOfFundsAreNotListed(t *testing.T) {
	dir := t.TempDir()
	all := rows("GOLDBEES EQ 60 61 59 60 60 9", "X EQ 10 12 9 11 11 77")
	all[0].ISIN = "INF204KB17I5"
	put(t, dir, "2024-07-12", all)
	p := open(t, nse.Config{Dir: dir})
	if got, err := p.Tickers(t.Context()); err != nil || !slices.Equal(got, []string{"X.NS"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := p.Daily(t.Context(), "GOLDBEES.NS", 1); err != nil {
		t.Error(err)
	}
}

// What a Mac's archiver adds to a zip archive is no second file.
func TestAppleDoubleEntriesArePassedOver(t *testing.T) {
	dir := t.TempDir()
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for name, data := range map[string][]byte{
		"__MACOSX/._bhav.csv": []byte("\x00\x05\x16\x07"),
		"bhav.csv":            nsetest.File(friday, rows("X EQ 10 12 9 11 11 77")),
	} {
		file, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		file.Write(data)
	}
	w.Close()
	nsetest.Write(t, filepath.Join(dir, nse.FileName(friday)), packed.Bytes())
	if _, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 1); err != nil {
		t.Error(err)
	}
}
