package query

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Dump implements store.Dumper, in one snapshot, row by row.
func (r *Reader) Dump(ctx context.Context, emit func(table, key string, row []byte) error) (at store.Position, err error) {
	err = r.read(ctx, "a dump", func(tx Tx, asOf store.Position) error {
		at = asOf
		var projection int
		if err := one(ctx, tx, `SELECT projection_version FROM checkpoint WHERE id = 1`, nil, &projection); err != nil {
			return err
		}
		if err := emit(store.DumpHead(projection, at)); err != nil {
			return err
		}
		for _, table := range store.Tables() {
			if err := dumpTable(ctx, tx, table, emit); err != nil {
				return fmt.Errorf("table %s: %w", table.Name, err)
			}
		}
		return nil
	})
	return at, err
}

func dumpTable(ctx context.Context, tx Tx, table store.Table, emit func(table, key string, row []byte) error) error {
	rows, err := tx.Query(ctx, "SELECT "+table.ColumnList("")+" FROM "+table.Name+" ORDER BY "+table.KeyList())
	if err != nil {
		return err
	}
	defer rows.Close()
	dest := make([]any, len(table.Columns))
	for i, column := range table.Columns {
		switch column.Kind {
		case store.Text:
			dest[i] = new(string)
		case store.Integer:
			dest[i] = new(sql.NullInt64)
		case store.Float:
			dest[i] = new(sql.NullFloat64)
		default:
			dest[i] = new([]byte)
		}
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		key, row, err := table.DumpRow(dest)
		if err != nil {
			return err
		}
		if err := emit(table.Name, key, row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}
