package memory

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Dump implements store.Dumper. The snapshot is the list of rows, which never
// change: emit may write to the database.
func (r *Reader) Dump(ctx context.Context, emit func(table, key string, row []byte) error) (at store.Position, err error) {
	var projection int
	rows := map[string][][]any{}
	err = r.read(ctx, "a dump", func(p *space) error {
		at, projection = p.at, p.projection
		p.tables.values(rows)
		return nil
	})
	if err != nil {
		return at, err
	}
	if err := emit(store.DumpHead(projection, at)); err != nil {
		return at, err
	}
	for _, table := range store.Tables() {
		if err := dumpTable(ctx, table, rows[table.Name], emit); err != nil {
			return at, fmt.Errorf("dumping table %s: %w", table.Name, err)
		}
	}
	return at, nil
}

// values collects the values of every row by table, in no order.
func (t *tables) values(rows map[string][][]any) {
	add := func(table string, values []any) { rows[table] = append(rows[table], values) }
	for _, j := range t.jobs {
		add("jobs", j.values)
		if j.progress != nil {
			add("progress", j.progress.values)
		}
		for _, o := range j.order {
			add("details", o.detail.values)
			if o.result != nil {
				add("results", o.result.values)
			}
			if o.indicators != nil {
				add("indicators", o.indicators.values)
			}
			if o.backtest != nil {
				add("backtests", o.backtest.values)
			}
		}
	}
	for key, seq := range t.days {
		key.ResultSeq = seq
		add("days", store.DayValues(nil, &key))
	}
	for _, day := range t.latest {
		result := t.results[day.ResultSeq].result.row
		add("latest", append(store.DayValues(nil, &day), string(result.Verdict), result.Score))
	}
	for _, p := range t.poisoned {
		add("poison", p.values)
	}
}

func dumpTable(ctx context.Context, table store.Table, rows [][]any, emit func(table, key string, row []byte) error) error {
	type line struct {
		key string
		row []byte
	}
	lines := make([]line, len(rows))
	for i, values := range rows {
		scanned := make([]any, len(values))
		for k, column := range table.Columns {
			scanned[k] = scan(column, values[k])
		}
		key, row, err := table.DumpRow(scanned)
		if err != nil {
			return err
		}
		lines[i] = line{key, row}
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.key, b.key) })
	for _, l := range lines {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(table.Name, l.key, l.row); err != nil {
			return err
		}
	}
	return nil
}

// scan is a value as a driver would scan it.
func scan(column store.Column, value any) any {
	switch v := value.(type) {
	case string:
		return &v
	case int64:
		return &sql.NullInt64{Int64: v, Valid: true}
	case float64:
		return &sql.NullFloat64{Float64: v, Valid: true}
	case []byte:
		return &v
	}
	if column.Kind == store.Float {
		return &sql.NullFloat64{}
	}
	return &sql.NullInt64{}
}
