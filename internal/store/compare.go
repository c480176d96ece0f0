package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// A Difference is one row in which two dumps differ. A or B is nil where that
// side has no such row.
type Difference struct {
	Table string
	Key   string // the key columns, joined by a slash
	A, B  []byte // the rows as JSON objects
}

// String says the difference in a line.
func (d Difference) String() string {
	switch {
	case d.A == nil:
		return fmt.Sprintf("%s %s: only in the second: %s", d.Table, d.Key, d.B)
	case d.B == nil:
		return fmt.Sprintf("%s %s: only in the first: %s", d.Table, d.Key, d.A)
	}
	return fmt.Sprintf("%s %s:\n  first:  %s\n  second: %s", d.Table, d.Key, d.A, d.B)
}

// Compare reads two dumps side by side and reports each row in which they
// differ, in the order of the dump. Neither is held in memory.
func Compare(ctx context.Context, a, b Dumper, report func(Difference)) error {
	nextA, stopA := pull(ctx, a)
	defer stopA()
	nextB, stopB := pull(ctx, b)
	defer stopB()
	rowA, errA := nextA()
	rowB, errB := nextB()
	for {
		if err := errors.Join(errA, errB); err != nil {
			return fmt.Errorf("comparing two dumps: %w", err)
		}
		order := rowA.compare(rowB)
		switch {
		case rowA == nil && rowB == nil:
			return nil
		case order < 0:
			report(Difference{rowA.table, shown(rowA.key), rowA.row, nil})
		case order > 0:
			report(Difference{rowB.table, shown(rowB.key), nil, rowB.row})
		case string(rowA.row) != string(rowB.row):
			report(Difference{rowA.table, shown(rowA.key), rowA.row, rowB.row})
		}
		if order <= 0 {
			rowA, errA = nextA()
		}
		if order >= 0 {
			rowB, errB = nextB()
		}
	}
}

// A dumpRow is one row on its way through Compare.
type dumpRow struct {
	place int // of its table in the dump
	table string
	key   string
	row   []byte
}

// compare orders rows as dumps do; nil, the end, comes last.
func (r *dumpRow) compare(other *dumpRow) int {
	switch {
	case r == nil && other == nil:
		return 0
	case r == nil:
		return 1
	case other == nil:
		return -1
	case r.place != other.place:
		return r.place - other.place
	case r.key < other.key:
		return -1
	case r.key > other.key:
		return 1
	}
	return 0
}

var errStopped = errors.New("stopped")

// pull turns a dump around: each call of next gives a row, nil at the end.
func pull(ctx context.Context, d Dumper) (next func() (*dumpRow, error), stop func()) {
	places := map[string]int{HeadTable: 0}
	for i, table := range Tables() {
		places[table.Name] = i + 1
	}
	rows := func(yield func(*dumpRow, error) bool) {
		_, err := d.Dump(ctx, func(table, key string, row []byte) error {
			if !yield(&dumpRow{places[table], table, key, append([]byte(nil), row...)}, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
	pulled, stop := iter.Pull2(iter.Seq2[*dumpRow, error](rows))
	return func() (*dumpRow, error) {
		row, err, _ := pulled()
		return row, err
	}, stop
}

// shown is a key for people.
func shown(key string) string {
	out := []byte(key)
	for i, c := range out {
		if c == 0 {
			out[i] = '/'
		}
	}
	return string(out)
}
