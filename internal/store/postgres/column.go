package postgres

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A column is one column of an insert: its name, its type, and its values of
// some rows as one array.
type column[R any] struct {
	name  string
	kind  string
	array func(rows []R) any
}

// col is the column whose value of a row is get's. The types that V stands
// for are those that pgx encodes without reflection: string, int64, float64,
// pointers to these for what may be null, and []byte.
func col[R, V any](name, kind string, get func(*R) V) column[R] {
	return column[R]{name, kind, func(rows []R) any {
		values := make([]V, len(rows))
		for i := range rows {
			values[i] = get(&rows[i])
		}
		return values
	}}
}

// An insert writes any number of rows by one statement, whose text is the
// same for all of them: each argument is a whole column.
type insert[R any] struct {
	sql     string
	columns []column[R]
}

// newInsert is the insert of rows into a table. Behind it stands what is to
// be done about a key that is there already; nothing is a violation.
func newInsert[R any](table, behind string, columns ...column[R]) insert[R] {
	names := make([]string, len(columns))
	arrays := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
		arrays[i] = "$" + strconv.Itoa(i+1) + "::" + c.kind + "[]"
	}
	return insert[R]{
		sql: "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ")\nSELECT * FROM unnest(" +
			strings.Join(arrays, ", ") + ")\n" + behind,
		columns: columns,
	}
}

// queue puts the insert of rows into a batch, if there are any.
func (i insert[R]) queue(batch *pgx.Batch, rows []R) {
	if len(rows) == 0 {
		return
	}
	args := make([]any, len(i.columns))
	for n, c := range i.columns {
		args[n] = c.array(rows)
	}
	batch.Queue(i.sql, args...)
}
