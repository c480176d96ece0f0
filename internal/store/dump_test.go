package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

func TestDumpRow(t *testing.T) {
	packed, err := store.EncodeIndicators([]events.Indicator{{Name: "rsi", Values: map[string]float64{"b": 1, "a": math.Copysign(0.5, -1)}}})
	if err != nil {
		t.Fatal(err)
	}
	table := store.Table{Name: "t", Key: []string{"n", "s"}, Columns: []store.Column{{Name: "s"}, {Name: "n", Kind: store.Integer},
		{Name: "null", Kind: store.Integer}, {Name: "f", Kind: store.Float}, {Name: "zero", Kind: store.Float},
		{Name: "tiny", Kind: store.Float}, {Name: "blob", Kind: store.Blob}, {Name: "packed", Kind: store.Packed}}}
	text, blob := "a\"<é\u2028", []byte{0, 0xff}
	key, row, err := table.DumpRow([]any{&text, &sql.NullInt64{Int64: 42, Valid: true}, &sql.NullInt64{},
		&sql.NullFloat64{Float64: math.Nextafter(0.3, 1), Valid: true}, &sql.NullFloat64{Float64: math.Copysign(0, -1), Valid: true},
		&sql.NullFloat64{Float64: 5e-324, Valid: true}, &blob, &packed})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"s":"a\"\u003cé\u2028","n":42,"null":null,"f":0.30000000000000004,"zero":0,"tiny":5e-324,"blob":"AP8=",` +
		`"packed":[{"name":"rsi","category":"","available":false,"values":{"a":-0.5,"b":1},"vote":0,"certainty":0,"weight":0,"strategy_weight":0,"contribution":0}]}`
	if diff := cmp.Diff(want, string(row)); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	if key != "00000000000000000042\x00"+text {
		t.Errorf("key %q", key)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		one := store.Table{Columns: []store.Column{{Name: "f", Kind: store.Float}}}
		if _, _, err := one.DumpRow([]any{&sql.NullFloat64{Float64: bad, Valid: true}}); err == nil {
			t.Errorf("%v was dumped", bad)
		}
	}
}

// rows is a dump as lines "table key row"; an error ends it.
type rows struct {
	lines [][3]string
	err   error
}

func (r rows) Dump(_ context.Context, emit func(table, key string, row []byte) error) (store.Position, error) {
	buffer := make([]byte, 0, 64)
	for _, l := range r.lines {
		buffer = append(buffer[:0], l[2]...) // the row is only lent
		if err := emit(l[0], l[1], buffer); err != nil {
			return store.Position{}, fmt.Errorf("dumping: %w", err)
		}
	}
	return store.Position{Seq: 7}, r.err
}

func TestCompare(t *testing.T) {
	a := rows{lines: [][3]string{{"head", "", "{}"}, {"jobs", "a", "1"}, {"jobs", "b", "2"}, {"details", "a\x00x", "3"}, {"poison", "1", "4"}}}
	b := rows{lines: [][3]string{{"head", "", "{}"}, {"jobs", "b", "2'"}, {"progress", "b", "9"}, {"details", "a\x00x", "3"}}}
	var got []string
	report := func(d store.Difference) { got = append(got, d.String()) }
	if err := store.Compare(t.Context(), a, b, report); err != nil {
		t.Fatal(err)
	}
	want := []string{"jobs a: only in the first: 1", "jobs b:\n  first:  2\n  second: 2'", "progress b: only in the second: 9", "poison 1: only in the first: 4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	got = nil
	if err := store.Compare(t.Context(), a, a, report); err != nil || len(got) > 0 {
		t.Errorf("a dump differs from itself: %v %v", got, err)
	}
	broken := rows{lines: a.lines[:2], err: errors.New("gone")}
	for _, pair := range [][2]rows{{a, broken}, {broken, a}, {broken, broken}} {
		if err := store.Compare(t.Context(), pair[0], pair[1], report); err == nil {
			t.Error("a dump that failed was compared")
		}
	}
}

func TestHashDump(t *testing.T) {
	dump := rows{lines: [][3]string{{"head", "", "{}"}, {"jobs", "a", "1"}}}
	sum, n, at, err := store.HashDump(t.Context(), dump)
	if err != nil || n != 1 || at.Seq != 7 {
		t.Fatalf("%d rows at %d, %v", n, at.Seq, err)
	}
	var text bytes.Buffer
	if _, err := store.WriteDump(t.Context(), dump, &text); err != nil || text.String() != "head {}\njobs 1\n" {
		t.Fatalf("%q, %v", text.String(), err)
	}
	dump.lines[1][2] = "2"
	if other, _, _, err := store.HashDump(t.Context(), dump); err != nil || other == sum {
		t.Fatalf("another dump has the same sum (%v)", err)
	}
	dump.err = errors.New("gone")
	if _, _, _, err := store.HashDump(t.Context(), dump); err == nil {
		t.Fatal("a dump that failed has a sum")
	}
}

func TestIndicators(t *testing.T) {
	list := []events.Indicator{{Name: "macd", Values: map[string]float64{"z": 1, "a": 2, "m": 3}, Note: "π"}}
	first, err := store.EncodeIndicators(list)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if again, err := store.EncodeIndicators(list); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("the same indicators gave other bytes (%v)", err)
		}
	}
	got, err := store.DecodeIndicators(first)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list, got); diff != "" {
		t.Errorf("indicators (-want +got):\n%s", diff)
	}
	none, err := store.EncodeIndicators(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := store.DecodeIndicators(none); err != nil || got == nil || len(got) != 0 {
		t.Errorf("no indicators came back as %v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, []byte("not zstd"), first[:len(first)-3]} {
		if _, err := store.DecodeIndicators(bad); err == nil {
			t.Errorf("%q was decoded", bad)
		}
	}
	if _, err := store.EncodeIndicators([]events.Indicator{{Weight: math.NaN()}}); err == nil {
		t.Error("NaN was encoded")
	}
}

// TestTables holds the tables' columns against the values that rows give.
func TestTables(t *testing.T) {
	for _, c := range []struct {
		table  store.Table
		values []any
	}{
		{store.JobsTable(), store.JobValues(nil, &store.Job{})},
		{store.DetailsTable(), store.DetailValues(nil, &store.Detail{})},
		{store.ResultsTable(), store.ResultValues(nil, &store.Result{})},
		{store.IndicatorsTable(), store.IndicatorsValues(nil, &store.Indicators{})},
		{store.DaysTable(), store.DayValues(nil, &store.Day{})},
		{store.PoisonTable(), store.PoisonValues(nil, &store.Poison{})},
		{store.ProgressTable(), append(store.ProgressValues(nil, &store.Progress{}), int64(0))},
	} {
		if len(c.values) != len(c.table.Columns) {
			t.Errorf("%s: %d values for %d columns", c.table.Name, len(c.values), len(c.table.Columns))
			continue
		}
		for i, column := range c.table.Columns {
			kind := map[store.ColumnKind]string{store.Text: "string", store.Integer: "int64", store.Float: "float64", store.Blob: "[]uint8", store.Packed: "[]uint8"}[column.Kind]
			if got := fmt.Sprintf("%T", c.values[i]); got != kind && (c.values[i] != nil || !column.Null) {
				t.Errorf("%s.%s: a %s in a column of %s", c.table.Name, column.Name, got, kind)
			}
		}
	}
}
