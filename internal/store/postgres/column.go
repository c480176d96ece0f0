package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tapedeck/tapedeck/internal/store"
)

// An insert writes any number of rows by one statement, whose text is the
// same for all of them: each argument is a whole column.
type insert struct {
	sql     string
	columns []store.Column
}

// newInsert completes a statement: {columns} stands for the columns' names,
// {arrays} for their arguments. All parts are constants of our programs.
func newInsert(sql string, columns []store.Column) insert {
	names := make([]string, len(columns))
	arrays := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
		arrays[i] = "$" + strconv.Itoa(i+1) + "::" + sqlType(c.Kind) + "[]"
	}
	complete := strings.NewReplacer(
		"{columns}", strings.Join(names, ", "),
		"{arrays}", strings.Join(arrays, ", "),
	)
	return insert{sql: complete.Replace(sql), columns: columns}
}

func sqlType(kind store.ColumnKind) string {
	switch kind {
	case store.Text:
		return "text"
	case store.Integer:
		return "bigint"
	case store.Float:
		return "double precision"
	default:
		return "bytea"
	}
}

// queue puts the insert of rows into a batch, if there are any. values
// appends the values of one row, in the order of the insert's columns.
func queue[R any](batch *pgx.Batch, i insert, rows []R, values func(dst []any, row *R) []any) {
	if len(rows) == 0 {
		return
	}
	arrays := make([]array, len(i.columns))
	for n, column := range i.columns {
		arrays[n] = newArray(column, len(rows))
	}
	var row []any
	for n := range rows {
		row = values(row[:0], &rows[n])
		for column, value := range row {
			arrays[column].add(value)
		}
	}
	args := make([]any, len(arrays))
	for n, a := range arrays {
		args[n] = a
	}
	batch.Queue(i.sql, args...)
}

// An array is one column of many rows, as an argument. The implementations
// are those that pgx encodes without reflection.
type array interface {
	pgtype.ArrayGetter
	add(value any)
}

func newArray(column store.Column, size int) array {
	switch column.Kind {
	case store.Text:
		return newFlat(size, func(v any) string { return v.(string) })
	case store.Integer:
		return newFlat(size, func(v any) pgtype.Int8 {
			n, ok := v.(int64)
			return pgtype.Int8{Int64: n, Valid: ok}
		})
	case store.Float:
		return newFlat(size, func(v any) pgtype.Float8 {
			f, ok := v.(float64)
			return pgtype.Float8{Float64: f, Valid: ok}
		})
	case store.Blob, store.Packed:
		return newFlat(size, func(v any) []byte { return v.([]byte) })
	}
	panic(fmt.Sprintf("postgres: column %s has the unknown kind %d", column.Name, column.Kind))
}

// flat is an array of one dimension.
type flat[T any] struct {
	pgtype.FlatArray[T]
	convert func(any) T
}

func newFlat[T any](size int, convert func(any) T) *flat[T] {
	return &flat[T]{make(pgtype.FlatArray[T], 0, size), convert}
}

func (f *flat[T]) add(value any) { f.FlatArray = append(f.FlatArray, f.convert(value)) }
