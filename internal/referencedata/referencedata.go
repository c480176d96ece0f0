// Package referencedata finds the data that tests compare with and that are not
// part of the project: real bars, universes, calendars, recorded answers and the
// values of TA-Lib, in the folder shared beside the project's root. A test that
// needs some of them skips, out loud, where they are missing.
package referencedata

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// Path is where a file or folder of the data is; it skips the test when it is
// not there. The name is below the folder of the data, with slashes.
func Path(tb testing.TB, name string) string {
	tb.Helper()
	path, there := Lookup(tb, name)
	if !there {
		tb.Skipf("SKIPPED, NOT CHECKED: shared/%s is not beside the project", name)
	}
	return path
}

// Lookup is Path for tests that know what to do without the data.
func Lookup(tb testing.TB, name string) (path string, there bool) {
	tb.Helper()
	path = filepath.Join(filepath.Dir(root(tb)), "shared", filepath.FromSlash(name))
	_, err := os.Stat(path)
	if err != nil && !os.IsNotExist(err) {
		tb.Fatal(err)
	}
	return path, err == nil
}

// Read is what stands in a file of the data, found as Path finds it.
func Read(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(Path(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// Files are the paths of the CSV files in a folder of the data, in the order of
// their names. It skips the test when there are none.
func Files(tb testing.TB, folder string) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(Path(tb, folder), "*.csv"))
	if err != nil {
		tb.Fatal(err)
	}
	if len(paths) == 0 {
		tb.Skipf("SKIPPED, NOT CHECKED: shared/%s beside the project holds no CSV files", folder)
	}
	return paths
}

// Rows are the rows of the CSV file at path, its header first.
func Rows(tb testing.TB, path string) [][]string {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	return rows
}

// Bars are the real daily bars of every ticker, in the order of their files'
// names: the rows as they are, unlike those that a provider hands out. It skips
// the test when there are none.
func Bars(tb testing.TB) []market.Series {
	tb.Helper()
	var list []market.Series
	for _, path := range Files(tb, "market") {
		s := market.Series{Ticker: strings.TrimSuffix(filepath.Base(path), ".csv"), Provider: "csvdir", Adjustment: market.AdjustmentSplits}
		for _, row := range Rows(tb, path)[1:] {
			s.Bars = append(s.Bars, bar(tb, row))
		}
		list = append(list, s)
	}
	return list
}

// bar reads a row: date, open, high, low, close, in some files the adjusted
// close, volume.
func bar(tb testing.TB, row []string) market.Bar {
	tb.Helper()
	date, err := time.Parse(time.DateOnly, row[0])
	if err != nil {
		tb.Fatal(err)
	}
	b := market.Bar{Date: date}
	for at, to := range map[int]*float64{1: &b.Open, 2: &b.High, 3: &b.Low, 4: &b.Close, len(row) - 1: &b.Volume} {
		if *to, err = strconv.ParseFloat(row[at], 64); err != nil {
			tb.Fatal(err)
		}
	}
	return b
}

// root is the directory of go.mod above the test's own.
func root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("no go.mod above the test's directory")
		}
		dir = filepath.Dir(dir)
	}
}
