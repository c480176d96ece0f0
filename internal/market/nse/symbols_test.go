package nse_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

// A symbol whose last row is older than the newest file is told of, and after
// two weeks it is no market any more.
func TestSymbolsThatAreNoLongerTraded(t *testing.T) {
	sessions := nsetest.Weekdays(30, friday)
	for behind, code := range map[int]market.Code{0: "", 1: "", 9: "", 10: market.CodeNoData, 25: market.CodeNoData} {
		dir := t.TempDir()
		nsetest.Archive(t, dir, nsetest.Config{Symbols: 8, Names: []string{"OLD"}, Sessions: sessions, Edit: func(i int, rows []nsetest.Row) []nsetest.Row {
			if i >= len(sessions)-behind {
				return rows[1:]
			}
			return rows
		}})
		text := fmt.Sprintf("last traded on %s, %d sessions before the newest file", sessions[len(sessions)-1-behind].Format(time.DateOnly), behind)
		for _, bars := range []int{1, 20} {
			series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "OLD.NS", bars)
			if code != "" {
				wantFault(t, err, code, "", text+": suspended, delisted or renamed?")
				continue
			}
			if err != nil || slices.Contains(series.Warnings, text) != (behind > 0) {
				t.Errorf("%d behind: %v, warnings %q", behind, err, series.Warnings)
			}
		}
	}
}

// A symbol that another company has taken over begins anew, whatever the prices
// say; a face value changes later characters alone.
func TestASymbolOfAnotherCompany(t *testing.T) {
	for _, test := range []struct {
		before, after, line string
		bars                int
	}{
		{"INE002A01018", "INE999B01017", "", 2},
		{"INE002A01018", "INE002A01026", "", 4},
		{"INE002A01018", "", "", 4},
		{"INF204KB17I5", "INF732E01037", "", 4},
		{"INE002A01018", "INE999B01017", "X,2024-07-11,none,", 4},
		{"INE002A01018", "INE999B01017", "X,2024-07-12,none,", 2}, // of another day
	} {
		dir := t.TempDir()
		for i, session := range []string{"2024-07-09", "2024-07-10", "2024-07-11", "2024-07-12"} {
			all := rows("X EQ 100 102 98 100 100 9", "Y EQ 5 5 5 5 5 9")
			if all[0].ISIN = test.before; i >= 2 {
				all[0].ISIN = test.after
			}
			put(t, dir, session, all)
		}
		nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte("symbol,ex_date,kind,ratio\n"+test.line+"\n"))
		p := open(t, nse.Config{Dir: dir})
		series, err := p.Daily(t.Context(), "X.NS", 9)
		const told = "the symbol was another company's before 2024-07-11: ISIN INE002A01018 until 2024-07-10, then INE999B01017"
		warned := slices.ContainsFunc(series.Warnings, func(w string) bool { return strings.HasPrefix(w, told) })
		if err != nil || len(series.Bars) != test.bars || warned != (test.bars == 2) {
			t.Errorf("%+v: %d bars, %v, warnings %q", test, len(series.Bars), err, series.Warnings)
		}
		if series, err = p.Daily(t.Context(), "X.NS", 2); err != nil || len(series.Warnings) > 0 {
			t.Errorf("%+v: two bars: %v, %q", test, err, series.Warnings)
		}
	}
}
