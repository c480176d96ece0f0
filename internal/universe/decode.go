package universe

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tapedeck/tapedeck/internal/ticker"
)

// A decoder reads a published file into canonical tickers, in the file's order,
// each once. Every fault is an error: half a list is none.
type decoder func(data []byte) ([]string, error)

// decodeNSE reads NSE's lists: an index's (Company Name, Industry, Symbol,
// Series, ISIN Code) and that of all equities (SYMBOL, NAME OF COMPANY, SERIES,
// ...). Symbols that begin with DUMMY stand for a company that does not trade
// yet and are left out, as are series other than EQ, BE and BZ.
func decodeNSE(data []byte) ([]string, error) {
	rows, err := readTable(data, ',')
	if err != nil {
		return nil, err
	}
	symbol, series := rows.column("symbol"), rows.column("series")
	if symbol < 0 || series < 0 {
		return nil, fmt.Errorf("no columns Symbol and Series in %q", rows.header)
	}
	return rows.tickers(func(row []string) (string, bool) {
		known := slices.Contains([]string{"EQ", "BE", "BZ"}, row[series])
		return row[symbol] + ".NS", known && !strings.HasPrefix(row[symbol], "DUMMY")
	})
}

// decodeNASDAQ reads nasdaqlisted.txt of NASDAQ Trader's symbol directory.
func decodeNASDAQ(data []byte) ([]string, error) {
	return decodeDirectory(data, "symbol", func([]string) bool { return true })
}

// decodeNYSE reads otherlisted.txt: the shares on NYSE (N) and NYSE American (A).
func decodeNYSE(data []byte) ([]string, error) {
	rows, err := readTable(data, '|')
	if err != nil {
		return nil, err
	}
	exchange := rows.column("exchange")
	if exchange < 0 {
		return nil, fmt.Errorf("no column Exchange in %q", rows.header)
	}
	return decodeDirectory(data, "act symbol", func(row []string) bool {
		return row[exchange] == "N" || row[exchange] == "A"
	})
}

// decodeDirectory reads a file of NASDAQ Trader's symbol directory, columns
// separated by "|". Its last line tells when it was made, so that a file that
// was cut off is recognised.
func decodeDirectory(data []byte, symbolColumn string, wanted func(row []string) bool) ([]string, error) {
	rows, err := readTable(data, '|')
	if err != nil {
		return nil, err
	}
	if n := len(rows.rows); n == 0 || !strings.HasPrefix(rows.rows[n-1][0], "File Creation Time") {
		return nil, errors.New("the last line, with the file's creation time, is missing: it was cut off")
	}
	rows.rows = rows.rows[:len(rows.rows)-1]
	symbol, name, etf, test := rows.column(symbolColumn), rows.column("security name"), rows.column("etf"), rows.column("test issue")
	if symbol < 0 || name < 0 || etf < 0 || test < 0 {
		return nil, fmt.Errorf("columns are missing in %q", rows.header)
	}
	return rows.tickers(func(row []string) (string, bool) {
		share, plain := usSymbol(row[symbol])
		return share, plain && wanted(row) && row[etf] == "N" && row[test] == "N" && isShare(row[name])
	})
}

// usSymbol returns the ticker of a US symbol, its class after a hyphen
// ("BRK.B" is "BRK-B"), and whether it is a share's: other marks ($ + = ^) and
// longer suffixes name preferred shares, warrants, units and rights.
func usSymbol(symbol string) (string, bool) {
	root, class, _ := strings.Cut(symbol, ".")
	for _, r := range root + class {
		if r < 'A' || r > 'Z' {
			return "", false
		}
	}
	switch {
	case root == "" || strings.HasSuffix(symbol, ".") || len(class) > 1:
		return "", false
	case class == "":
		return root, true
	}
	return root + "-" + class, class != "U" && class != "W" && class != "R"
}

// isShare reports whether a security's name is that of a share. NASDAQ puts
// what it is behind the company's name and a hyphen; NYSE runs both together.
func isShare(name string) bool {
	what := strings.ToLower(name)
	if i := strings.LastIndex(what, " - "); i >= 0 {
		what = strings.ReplaceAll(what[i:], " unit", " units") // never part of a company's name here
	}
	if strings.Contains(what, "american depositary") { // foreign shares, whatever each stands for
		return !strings.Contains(what, "warrant")
	}
	what = strings.ReplaceAll(what, "common units", "") // a partnership's shares
	for _, word := range strings.FieldsFunc(what, func(r rune) bool { return r < 'a' || r > 'z' }) {
		if slices.Contains(notShares, word) {
			return false
		}
	}
	return true
}

// notShares are the words that make a security something else. A constant table.
var notShares = []string{"warrant", "warrants", "right", "rights", "units", "preferred", "preference", "notes", "debentures", "depositary"}

// A table is a file with a header.
type table struct {
	header []string // trimmed
	rows   [][]string
	lines  []int // of rows
}

// readTable reads a file with a header in its first line. All rows have as many
// fields as the header, but for NASDAQ's last.
func readTable(data []byte, comma rune) (table, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 {
		return table{}, errors.New("it is empty")
	} else if trimmed[0] == '<' {
		return table{}, errors.New("it is a web page, not a list")
	}
	reader := csv.NewReader(bytes.NewReader(data))
	reader.Comma, reader.TrimLeadingSpace, reader.LazyQuotes, reader.FieldsPerRecord = comma, true, comma == '|', -1
	if comma == ',' {
		reader.Comment = '#'
	}
	var t table
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return table{}, err // tells the line
		}
		line, _ := reader.FieldPos(0)
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		switch {
		case t.header == nil:
			t.header = row
			continue
		case len(row) != len(t.header) && !strings.HasPrefix(row[0], "File Creation Time"):
			return table{}, fmt.Errorf("line %d has %d fields where the header has %d: it was cut off or is no list", line, len(row), len(t.header))
		}
		t.rows, t.lines = append(t.rows, row), append(t.lines, line)
	}
}

// column returns the place of the column called name, whatever its case, or -1.
func (t table) column(name string) int {
	return slices.IndexFunc(t.header, func(h string) bool { return strings.EqualFold(h, name) })
}

// tickers returns what pick names as tickers, each once. Rows that it does not
// want are left out.
func (t table) tickers(pick func(row []string) (name string, wanted bool)) ([]string, error) {
	var found []string
	seen := map[string]bool{}
	for i, row := range t.rows {
		name, wanted := pick(row)
		if !wanted {
			continue
		}
		canonical, err := ticker.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", t.lines[i], err)
		}
		if !seen[canonical] {
			seen[canonical] = true
			found = append(found, canonical)
		}
	}
	return found, nil
}
