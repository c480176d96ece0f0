package nse

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A row is one share's session. Prices are in hundredths of a rupee, as all
// real ones are; what is not stands in content.exact. 40 bytes, because there
// are two million of them.
type row struct {
	volume                       float64
	open, high, low, close, prev uint32
	line                         uint32
	isin                         uint32 // number of the ISIN
}

// The prices of a row, in rupees. A previous close of 0 is none.
type prices struct{ open, high, low, close, prev float64 }

// content is what one file says. It is never changed once decoded.
type content struct {
	rows   []row
	at     []uint16          // by symbol: its place in rows from 1, 0: no row
	exact  map[uint16]prices // by place from 1: prices that are not whole hundredths
	bad    map[uint32]fault  // by symbol: rows that cannot be used
	broken []fault           // rows of nobody knows whom
}

// find returns the row of a symbol, or nil.
func (c *content) find(symbol uint32) *row {
	if int(symbol) >= len(c.at) || c.at[symbol] == 0 {
		return nil
	}
	return &c.rows[c.at[symbol]-1]
}

// prices returns a row's prices. Both the parser's and this division are
// rounded correctly, so they are the numbers that the file's decimals name.
func (c *content) prices(symbol uint32) prices {
	place := c.at[symbol]
	if p, ok := c.exact[place]; ok {
		return p
	}
	r := c.rows[place-1]
	return prices{float64(r.open) / 100, float64(r.high) / 100, float64(r.low) / 100, float64(r.close) / 100, float64(r.prev) / 100}
}

// A fault is what is wrong with one line.
type fault struct {
	line   int
	reason string
}

func (f fault) Error() string { return f.reason }

// The columns that are read, by their names in the new format and the old.
const (
	columnSymbol = iota
	columnSeries
	columnDate
	columnOpen
	columnHigh
	columnLow
	columnClose
	columnPrev
	columnVolume
	columnISIN
	columnCount
)

// columnNames is a constant table.
var columnNames = [2][columnCount]string{
	{"TckrSymb", "SctySrs", "TradDt", "OpnPric", "HghPric", "LwPric", "ClsPric", "PrvsClsgPric", "TtlTradgVol", "ISIN"},
	{"SYMBOL", "SERIES", "TIMESTAMP", "OPEN", "HIGH", "LOW", "CLOSE", "PREVCLOSE", "TOTTRDQTY", "ISIN"},
}

// A decoder reads the files of one archive.
type decoder struct {
	series         []string // the series that are kept, the preferred first
	symbols, isins *symbols
}

func newDecoder(series []string) *decoder {
	d := &decoder{series: series, symbols: newSymbols(), isins: newSymbols()}
	d.isins.id("", legalISIN)
	return d
}

// decoding is one file on its way.
type decoding struct {
	*decoder
	day    date
	places [columnCount]int // of the columns; -1: there is none
	source int              // place of the exchange's name, -1
	width  int              // columns of the header
	seen   string           // the last date's text that was right
	*content
	ranks    []uint8          // series of each row
	badRanks map[uint32]uint8 // series of each bad row
}

// decode reads the text of a file that must be of day. An error is a fault
// that makes the whole file unusable; rows' faults are in the content.
func (d *decoder) decode(text string, day date) (*content, error) {
	text = strings.TrimPrefix(text, "\ufeff") // the byte order mark that spreadsheets write
	header, rest, _ := strings.Cut(text, "\n")
	f := &decoding{decoder: d, day: day, content: &content{bad: map[uint32]fault{}}, badRanks: map[uint32]uint8{}}
	if err := f.locate(header); err != nil {
		return nil, err
	}
	fields := make([]string, 0, f.width)
	for line := 2; rest != ""; line++ {
		var record string
		record, rest, _ = strings.Cut(rest, "\n")
		if record = strings.TrimSuffix(record, "\r"); strings.TrimSpace(record) == "" {
			continue
		}
		if fields = split(fields[:0], record); len(fields) != f.width {
			f.torn(fields, line)
		} else if err := f.take(fields, line); err != nil {
			return nil, err
		}
		if len(f.bad)+len(f.broken) > maxBadRows {
			return nil, fault{line, fmt.Sprintf("more than %d unreadable rows", maxBadRows)}
		}
	}
	f.rows = slices.Clone(f.rows) // without what append set aside: it is kept for long
	return f.content, nil
}

// split cuts a record into its fields. Quotes are rare: the slow reader has them.
func split(fields []string, record string) []string {
	if strings.IndexByte(record, '"') >= 0 {
		if parsed, err := csv.NewReader(strings.NewReader(record)).Read(); err == nil {
			return append(fields, parsed...)
		}
	}
	for {
		field, rest, found := strings.Cut(record, ",")
		fields = append(fields, strings.TrimSpace(field))
		if !found {
			return fields
		}
		record = rest
	}
}

// locate finds the columns by their names in one of the two formats.
func (f *decoding) locate(header string) error {
	names := split(nil, strings.TrimSuffix(header, "\r"))
	f.width, f.source = len(names), slices.Index(names, "Src")
	var missing [2][]string
	for format := range columnNames {
		for column, name := range columnNames[format] {
			if f.places[column] = slices.Index(names, name); f.places[column] < 0 && column != columnISIN {
				missing[format] = append(missing[format], name)
			}
		}
		if missing[format] == nil {
			return nil
		}
	}
	fewest := missing[0]
	if len(missing[1]) < len(fewest) {
		fewest = missing[1]
	}
	return fault{1, fmt.Sprintf("this is no bhavcopy of shares: no column %s in the header", strings.Join(fewest, ", "))}
}

// torn takes a row of the wrong width. It is its symbol's where that can be
// read: the symbol and the series stand before all that may hold a comma.
func (f *decoding) torn(fields []string, line int) {
	reason := fmt.Sprintf("%d fields instead of %d", len(fields), f.width)
	if at := f.places[columnSymbol]; at < len(fields) && f.places[columnSeries] < len(fields) {
		if rank := slices.Index(f.series, fields[f.places[columnSeries]]); rank >= 0 {
			if id, ok := f.symbols.id(fields[at], legalSymbol); ok {
				f.spoil(id, rank, fault{line, reason})
				return
			}
		}
	}
	f.broken = append(f.broken, fault{line, reason})
}

// take takes one row; the error is about the whole file.
func (f *decoding) take(fields []string, line int) error {
	if f.source >= 0 && fields[f.source] != "NSE" {
		return fault{line, fmt.Sprintf("the row is of exchange %s, not NSE", quoted(fields[f.source]))}
	}
	if err := f.dated(fields[f.places[columnDate]], line); err != nil {
		return err
	}
	rank := slices.Index(f.series, fields[f.places[columnSeries]])
	if rank < 0 {
		return nil
	}
	name := fields[f.places[columnSymbol]]
	if name == "" {
		f.broken = append(f.broken, fault{line, "the symbol is empty"})
		return nil
	}
	id, ok := f.symbols.id(name, legalSymbol)
	if !ok {
		return f.unnumbered(line)
	}
	numbers, volume, err := f.numbers(fields)
	if err != nil {
		f.spoil(id, rank, fault{line, err.Error()})
		return nil
	}
	if volume == 0 && numbers.open == 0 && numbers.high == 0 && numbers.low == 0 {
		return nil // listed, but not traded on this day
	}
	if len(f.rows) == maxRows {
		return fault{line, fmt.Sprintf("more than %d shares", maxRows)}
	}
	f.keep(id, rank, numbers, row{volume: volume, line: uint32(line), isin: f.isin(fields)})
	return nil
}

// unnumbered is about a symbol that has no number: it is none that anybody can
// ask for, or there are too many.
func (f *decoding) unnumbered(line int) error {
	if f.symbols.len() < maxSymbols {
		return nil
	}
	return fault{line, fmt.Sprintf("the archive's files hold more than %d different symbols", maxSymbols)}
}

// dated holds a row's date against the file's.
func (f *decoding) dated(text string, line int) error {
	if text == f.seen && text != "" {
		return nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t, err = time.Parse("2-Jan-2006", text)
	}
	if err != nil {
		return fault{line, fmt.Sprintf("the date %s is neither like 2006-01-02 nor like 02-JAN-2006", quoted(text))}
	}
	if dateOf(t) != f.day {
		return fault{line, fmt.Sprintf("the row is of %s, the file is named for %s", dateOf(t), f.day)}
	}
	f.seen = text
	return nil
}

func (f *decoding) isin(fields []string) uint32 {
	if at := f.places[columnISIN]; at >= 0 {
		if id, ok := f.isins.id(fields[at], legalISIN); ok {
			return id
		}
	}
	return 0 // the number of none, see newDecoder
}

func (f *decoding) numbers(fields []string) (p prices, volume float64, err error) {
	for _, c := range [...]struct {
		column int
		to     *float64
	}{
		{columnOpen, &p.open}, {columnHigh, &p.high}, {columnLow, &p.low}, {columnClose, &p.close},
		{columnPrev, &p.prev}, {columnVolume, &volume},
	} {
		text := fields[f.places[c.column]]
		if text == "" && c.column == columnPrev {
			continue // a new listing has none
		}
		if *c.to, err = number(text); err != nil {
			return p, 0, fmt.Errorf("%s %w", columnNames[0][c.column], err)
		}
	}
	return p, volume, nil
}

// number reads a plain decimal number that is not negative.
func number(text string) (float64, error) {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && c != '.' {
			return 0, fmt.Errorf("%s is not a number", quoted(text))
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number", quoted(text))
	}
	return v, nil
}

// keep stores a good row, unless the symbol has one of a preferred series.
func (f *decoding) keep(id uint32, rank int, p prices, r row) {
	if was, ok := f.badRanks[id]; ok && int(was) <= rank {
		return
	}
	place := 0
	if int(id) < len(f.at) {
		place = int(f.at[id])
	}
	switch {
	case place > 0 && int(f.ranks[place-1]) < rank:
		return
	case place > 0 && int(f.ranks[place-1]) == rank:
		f.spoil(id, rank, fault{int(r.line), fmt.Sprintf("the symbol stands twice, also on line %d", f.rows[place-1].line)})
		return
	case place == 0:
		f.rows, f.ranks = append(f.rows, row{}), append(f.ranks, 0)
		place = len(f.rows)
		if missing := int(id) + 1 - len(f.at); missing > 0 {
			f.at = append(f.at, make([]uint16, max(missing, f.symbols.len()-len(f.at)))...)
		}
		f.at[id] = uint16(place)
	}
	delete(f.bad, id)
	delete(f.badRanks, id)
	f.ranks[place-1] = uint8(rank)
	f.rows[place-1] = f.pack(uint16(place), p, r)
}

// pack sets a row's prices, in hundredths where that is exact.
func (f *decoding) pack(place uint16, p prices, r row) row {
	delete(f.exact, place)
	for _, c := range [...]struct {
		value float64
		to    *uint32
	}{{p.open, &r.open}, {p.high, &r.high}, {p.low, &r.low}, {p.close, &r.close}, {p.prev, &r.prev}} {
		hundredths := math.Round(c.value * 100)
		if hundredths > math.MaxUint32 || hundredths/100 != c.value {
			if f.exact == nil {
				f.exact = map[uint16]prices{}
			}
			f.exact[place] = p
			break
		}
		*c.to = uint32(hundredths)
	}
	return r
}

// spoil notes that a symbol has no usable row on this day, unless a preferred
// series has one. The first fault is kept.
func (f *decoding) spoil(id uint32, rank int, why fault) {
	if int(id) < len(f.at) && f.at[id] > 0 && int(f.ranks[f.at[id]-1]) < rank {
		return
	}
	if was, ok := f.badRanks[id]; ok && int(was) <= rank {
		return
	}
	f.bad[id], f.badRanks[id] = why, uint8(rank)
}

// quoted shows what a file holds, which may be anything, as short plain text.
func quoted(text string) string {
	const most = 60 // longer than any cell that is right
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// lineOf is the line that err is about, and whether it is about one.
func lineOf(err error) (int, bool) {
	at, ok := errors.AsType[fault](err)
	return at.line, ok
}
