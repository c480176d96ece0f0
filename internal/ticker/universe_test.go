package ticker_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/referencedata"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// TestUniversesAgainstExchange compares with the lists as NSE published them.
func TestUniversesAgainstExchange(t *testing.T) {
	for name, file := range map[string]string{"nifty50": "nifty50_2026-06-21.csv", "nifty100": "nifty100_symbols_2026-05.csv"} {
		want := symbols(t, file)
		got, _ := ticker.Universe(name)
		for i := range got {
			got[i] = ticker.Symbol(got[i])
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// symbols reads the Symbol column of a file of the universes.
func symbols(t *testing.T, file string) []string {
	t.Helper()
	rows := referencedata.Rows(t, referencedata.Path(t, "universes/"+file))
	column := slices.Index(rows[0], "Symbol")
	var list []string
	for _, row := range rows[1:] {
		list = append(list, row[column])
	}
	return list
}
