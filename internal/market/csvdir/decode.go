package csvdir

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// The columns that make a bar.
const (
	columnDate = iota
	columnOpen
	columnHigh
	columnLow
	columnClose
	columnVolume
	columnCount
)

var columnNames = [columnCount]string{"Date", "Open", "High", "Low", "Close", "Volume"}

// adjustedClose is not read: its presence says what OHLC is adjusted for.
const adjustedClose = "adjclose"

// table is a decoded file. Its bars are numbers, not yet validated.
type table struct {
	bars     []market.Bar
	lines    []int // the line of each bar, from 1
	adjusted bool  // has an Adj Close column
}

// lineError is a fault of one line.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

// errNoRows is a file that is empty but for a header.
var errNoRows = errors.New("no rows")

// decode reads a CSV file. Errors are *lineError, or errNoRows.
func decode(data []byte) (table, error) {
	reader := csv.NewReader(newReader(data))
	reader.ReuseRecord = true
	reader.FieldsPerRecord = -1 // counted below, to say how many
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return table{}, errNoRows
	}
	if err != nil {
		return table{}, syntaxError(err)
	}
	places, adjusted, err := locate(header)
	if err != nil {
		line, _ := reader.FieldPos(0)
		return table{}, &lineError{line, err}
	}
	t, columns := table{adjusted: adjusted}, len(header)
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return table{}, syntaxError(err)
		}
		line, _ := reader.FieldPos(0)
		if len(record) != columns {
			return table{}, &lineError{line, fmt.Errorf("%d fields where the header has %d", len(record), columns)}
		}
		if len(t.bars) == maxRows {
			return table{}, &lineError{line, fmt.Errorf("more than %d rows", maxRows)}
		}
		bar, err := barOf(record, places)
		if err != nil {
			return table{}, &lineError{line, err}
		}
		t.bars = append(t.bars, bar)
		t.lines = append(t.lines, line)
	}
	if len(t.bars) == 0 {
		return table{}, errNoRows
	}
	return t, nil
}

// newReader passes over the byte order mark that spreadsheets write.
func newReader(data []byte) io.Reader {
	return bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
}

// syntaxError turns an error of package csv into one of ours.
func syntaxError(err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return &lineError{line: parse.Line, err: parse.Err}
	}
	return &lineError{line: 1, err: err}
}

// locate finds the columns by their names.
func locate(header []string) (places [columnCount]int, adjusted bool, err error) {
	for i := range places {
		places[i] = -1
	}
	for at, cell := range header {
		name := columnKey(cell)
		if name == adjustedClose {
			adjusted = true
		}
		for i := range places {
			if name != columnKey(columnNames[i]) {
				continue
			}
			if places[i] >= 0 {
				return places, false, fmt.Errorf("column %s stands twice", columnNames[i])
			}
			places[i] = at
		}
	}
	var missing []string
	for i, at := range places {
		if at < 0 {
			missing = append(missing, columnNames[i])
		}
	}
	if missing != nil {
		return places, false, fmt.Errorf("no column %s in the header; it needs %s",
			strings.Join(missing, ", "), strings.Join(columnNames[:], ", "))
	}
	return places, adjusted, nil
}

// columnKey is a column's name without case, spaces and underscores.
func columnKey(cell string) string {
	return strings.NewReplacer(" ", "", "_", "").Replace(strings.ToLower(strings.TrimSpace(cell)))
}

// barOf reads one row; the error names the column.
func barOf(record []string, places [columnCount]int) (market.Bar, error) {
	day, err := dateOf(record[places[columnDate]])
	if err != nil {
		return market.Bar{}, err
	}
	var numbers [columnCount]float64
	for column := columnOpen; column <= columnVolume; column++ {
		numbers[column], err = numberOf(record[places[column]])
		if err != nil {
			return market.Bar{}, fmt.Errorf("%s %w", columnNames[column], err)
		}
	}
	return market.Bar{
		Date: day,
		Open: numbers[columnOpen], High: numbers[columnHigh], Low: numbers[columnLow],
		Close: numbers[columnClose], Volume: numbers[columnVolume],
	}, nil
}

func dateOf(cell string) (time.Time, error) {
	cell = strings.TrimSpace(cell)
	if cell == "" {
		return time.Time{}, errors.New("the Date is empty")
	}
	day, err := time.Parse(time.DateOnly, cell)
	if err != nil {
		return time.Time{}, fmt.Errorf("the Date %s is not a date like 2006-01-02", quoted(cell))
	}
	return day, nil
}

// numberOf reads a plain decimal number. What strconv takes besides (NaN, Inf,
// hexadecimal, underscores) is nobody's price and refused.
func numberOf(cell string) (float64, error) {
	cell = strings.TrimSpace(cell)
	if cell == "" {
		return 0, errors.New("is empty")
	}
	number, err := strconv.ParseFloat(cell, 64)
	if err != nil || strings.Trim(cell, "+-.0123456789eE") != "" {
		return 0, fmt.Errorf("%s is not a number", quoted(cell))
	}
	return number, nil
}

// quoted shows what a file holds, which may be anything, as short plain text.
func quoted(text string) string {
	const most = 60 // longer than any date or number
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// place is the file's name with the line that err is about, if it is about one.
func place(name string, err error) string {
	if at, ok := errors.AsType[*lineError](err); ok {
		return fmt.Sprintf("%s:%d", name, at.line)
	}
	return name
}

// codeOf says what an error of decode is to the caller.
func codeOf(err error) market.Code {
	if errors.Is(err, errNoRows) {
		return market.CodeNoData
	}
	return market.CodeBadData
}
