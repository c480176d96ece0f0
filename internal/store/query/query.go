// Package query is the one set of read queries for both databases: an engine
// gives snapshots, and New makes of them store.Reader, store.Backlog and
// store.Dumper. The SQL is written so that both engines take it as it stands
// ($1 numbering, row values, no functions of one dialect).
package query

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Rows are the answer of a query. Close may be called again.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// Tx is one snapshot of the database.
type Tx interface {
	// Query asks in the snapshot. Only one Rows is open at a time.
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
}

// Snapshotter gives snapshots; it is safe for concurrent use.
type Snapshotter interface {
	// Read calls f with one snapshot for all of its queries and returns f's
	// error. It does not call f twice.
	Read(ctx context.Context, f func(Tx) error) error
}

// A Reader answers all read queries. It is safe for concurrent use.
type Reader struct {
	snapshots Snapshotter
	now       string
}

// New makes a reader over snapshots. now is the expression of the dialect for
// the database's clock in whole milliseconds since 1970.
func New(snapshots Snapshotter, now string) *Reader {
	return &Reader{snapshots: snapshots, now: now}
}

var (
	_ store.Reader         = (*Reader)(nil)
	_ store.Backlog        = (*Reader)(nil)
	_ store.BacktestReader = (*Reader)(nil)
	_ store.Dumper         = (*Reader)(nil)
	_ store.Remainder      = (*Reader)(nil)
)

// read gives f a snapshot with its checkpoint.
func (r *Reader) read(ctx context.Context, what string, f func(tx Tx, asOf store.Position) error) error {
	err := r.snapshots.Read(ctx, func(tx Tx) error {
		at, err := position(ctx, tx)
		if err != nil {
			return err
		}
		return f(tx, at)
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return nil
}

// Position implements store.Reader.
func (r *Reader) Position(ctx context.Context) (at store.Position, err error) {
	err = r.read(ctx, "the checkpoint", func(_ Tx, asOf store.Position) error {
		at = asOf
		return nil
	})
	return at, err
}

func position(ctx context.Context, tx Tx) (at store.Position, err error) {
	var created int64
	err = one(ctx, tx, `SELECT stream, stream_created, seq, anchor FROM checkpoint WHERE id = 1`, nil,
		&at.Stream, &created, &at.Seq, &at.Anchor)
	at.Created = store.CreatedTime(created)
	return at, err
}

// one scans the first row of a query; ErrNotFound if there is none.
func one(ctx context.Context, tx Tx, sql string, args []any, dest ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return store.ErrNotFound
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Close()
}

// all scans every row of a query.
func all[T any](ctx context.Context, tx Tx, q *statement, scan func(Rows) (T, error)) ([]T, error) {
	rows, err := tx.Query(ctx, q.sql.String(), q.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	items := []T{}
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return items, rows.Close()
}

// scalar scans a row of one column.
func scalar[T any](rows Rows) (value T, err error) {
	err = rows.Scan(&value)
	return value, err
}

// A statement is SQL put together from constant pieces; values only ever are arguments.
type statement struct {
	sql  strings.Builder
	args []any
}

// add appends a piece in which each ? stands for the next of args.
func (s *statement) add(piece string, args ...any) *statement {
	for i, part := range strings.Split(piece, "?") {
		if i > 0 {
			s.args = append(s.args, args[i-1])
			s.sql.WriteString("$" + strconv.Itoa(len(s.args)))
		}
		s.sql.WriteString(part)
	}
	return s
}

// addIf appends the piece if the condition holds.
func (s *statement) addIf(condition bool, piece string, args ...any) *statement {
	if condition {
		return s.add(piece, args...)
	}
	return s
}

func selectFrom(columns, from string, args ...any) *statement {
	s := &statement{}
	return s.add("SELECT "+columns+" FROM "+from, args...)
}

// page cuts items, of which one more than the limit was asked for, and sets the cursor.
func page[T any](items []T, limit int, asOf uint64, cursor func(last T) store.Cursor) store.Page[T] {
	p := store.Page[T]{Items: items, AsOf: asOf}
	if len(items) > limit {
		p.Items = items[:limit]
		p.Next = cursor(p.Items[limit-1])
	}
	return p
}

func checkLimit(limit int) error {
	if limit < 1 || limit > store.MaxPage {
		return fmt.Errorf("%w: limit %d is not in 1..%d", store.ErrQuery, limit, store.MaxPage)
	}
	return nil
}
