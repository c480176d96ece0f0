package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// This file is the one definition of the canonical dump: two databases that
// hold the same fold of the same tape give the same dump, byte for byte,
// whatever engine they are and however the events were cut into batches.
//
// A dump is a head, then the tables in the order of Tables, each in the order
// of its key bytewise. A row is a JSON object of all columns in their order:
// texts as JSON texts, integers in decimal, floats as the shortest decimal that
// reads back the same (-0 as 0), NULL as null, blobs in base64, indicators as
// the JSON that they hold. Out of it stay what is not folded: the lease, when
// the stream was created, recoveries and migrations.

// HeadTable is the table name of a dump's first row.
const HeadTable = "head"

// Dumper gives the canonical dump.
type Dumper interface {
	// Dump calls emit for each row in order, from one snapshot, and returns
	// the snapshot's checkpoint. key orders rows within a table; row is only
	// lent until emit returns. An error of emit ends the dump.
	Dump(ctx context.Context, emit func(table, key string, row []byte) error) (Position, error)
}

// HashDump is the hex SHA-256 of a dump, with its number of rows (without the
// head) and the checkpoint that it stands at.
func HashDump(ctx context.Context, d Dumper) (sum string, rows int, at Position, err error) {
	hash := sha256.New()
	rows = -1
	at, err = d.Dump(ctx, func(table, _ string, row []byte) error {
		rows++
		return writeLine(hash, table, row)
	})
	if err != nil {
		return "", 0, Position{}, fmt.Errorf("hashing a dump: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), rows, at, nil
}

// WriteDump writes a dump as lines: table, a space, the row.
func WriteDump(ctx context.Context, d Dumper, w io.Writer) (Position, error) {
	at, err := d.Dump(ctx, func(table, _ string, row []byte) error { return writeLine(w, table, row) })
	if err != nil {
		return Position{}, fmt.Errorf("writing a dump: %w", err)
	}
	return at, nil
}

func writeLine(w io.Writer, table string, row []byte) error {
	for _, part := range [][]byte{[]byte(table), {' '}, row, {'\n'}} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// DumpHead is the first row of a dump.
func DumpHead(projection int, at Position) (table, key string, row []byte) {
	row = append(row, `{"projection_version":`...)
	row = strconv.AppendInt(row, int64(projection), 10)
	row = append(row, `,"stream":`...)
	row = appendText(row, at.Stream)
	row = append(row, `,"seq":`...)
	row = strconv.AppendUint(row, at.Seq, 10)
	row = append(row, `,"anchor":`...)
	row = appendText(row, at.Anchor)
	return HeadTable, "", append(row, '}')
}

// KeyList is the table's key columns, for an ORDER BY.
func (t Table) KeyList() string { return strings.Join(t.Key, ", ") }

// DumpRow makes a dump's row of scanned columns: *string, *sql.NullInt64,
// *sql.NullFloat64 or *[]byte by the columns' kinds.
func (t Table) DumpRow(values []any) (key string, row []byte, err error) {
	for i, column := range t.Columns {
		if i == 0 {
			row = append(row, '{')
		} else {
			row = append(row, ',')
		}
		row = appendText(row, column.Name)
		row = append(row, ':')
		if row, err = appendValue(row, column, values[i]); err != nil {
			return "", nil, fmt.Errorf("column %s: %w", column.Name, err)
		}
	}
	return t.keyOf(values), append(row, '}'), nil
}

// keyOf joins the key columns so that keys compare bytewise like the columns:
// texts hold no NUL, numbers are padded.
func (t Table) keyOf(values []any) string {
	parts := make([]string, len(t.Key))
	for k, name := range t.Key {
		for i, column := range t.Columns {
			if column.Name != name {
				continue
			}
			switch v := values[i].(type) {
			case *string:
				parts[k] = *v
			case *sql.NullInt64:
				parts[k] = fmt.Sprintf("%020d", v.Int64)
			}
		}
	}
	return strings.Join(parts, "\x00")
}

func appendValue(row []byte, column Column, value any) ([]byte, error) {
	switch v := value.(type) {
	case *string:
		return appendText(row, *v), nil
	case *sql.NullInt64:
		if !v.Valid {
			return append(row, "null"...), nil
		}
		return strconv.AppendInt(row, v.Int64, 10), nil
	case *sql.NullFloat64:
		if !v.Valid {
			return append(row, "null"...), nil
		}
		return appendFloat(row, v.Float64)
	case *[]byte:
		if column.Kind == Packed {
			text, err := unpack(*v)
			return append(row, text...), err
		}
		row = append(row, '"')
		row = base64.StdEncoding.AppendEncode(row, *v)
		return append(row, '"'), nil
	}
	return nil, fmt.Errorf("dumping a %T", value)
}

func appendFloat(row []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("dumping %v: the tables hold finite numbers only", f)
	}
	return strconv.AppendFloat(row, plain(f), 'g', -1, 64), nil
}

func appendText(row []byte, text string) []byte {
	data, _ := json.Marshal(text) // a text cannot fail to encode
	return append(row, data...)
}
