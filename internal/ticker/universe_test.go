package ticker_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// symbols reads the Symbol column of a file in the shared universes.
func symbols(t *testing.T, file string) []string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	f, err := os.Open(filepath.Join(dir, "..", "shared", "universes", file))
	if os.IsNotExist(err) {
		t.Skipf("SKIPPED: ../shared/universes/%s is not on this machine; nothing was compared", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := slices.Index(rows[0], "Symbol")
	var list []string
	for _, row := range rows[1:] {
		list = append(list, row[column])
	}
	return list
}
