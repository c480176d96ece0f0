package universe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tapedeck/tapedeck/internal/ticker"
)

// ErrFile is what every error about the content of a user's file matches.
var ErrFile = errors.New("illegal file of tickers")

// ParseFile reads a user's file of tickers (@file); name is the file's, for the
// errors. The tickers come back canonical, in the file's order, each once.
//
// Either a ticker stands on each line, what follows a # being a comment. Or the
// file is a CSV file whose header has a column ticker, yahoo_symbol or symbol
// (the first of these that is there): its texts are tickers as they stand, and
// an exchange is never guessed. A list that NSE publishes (with the columns
// Symbol and Series) is read as such: its symbols are NSE's.
//
// Errors tell file, line and reason, of at most ten lines, and match ErrFile;
// that of r itself is wrapped. An empty list, one of more than MaxTickers and a
// file above MaxFileBytes are refused.
func ParseFile(r io.Reader, name string) ([]string, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%w: %s is larger than %d KiB: is it the right file?", ErrFile, name, MaxFileBytes>>10)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var tickers []string
	if header := firstLine(data); strings.Contains(header, ",") {
		tickers, err = parseTable(data, name)
	} else {
		tickers, err = parseLines(data, name)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	case len(tickers) == 0:
		return nil, fmt.Errorf("%w: %s holds no ticker; write one a line, such as TCS.NS", ErrFile, name)
	case len(tickers) > MaxTickers:
		return nil, fmt.Errorf("%w: %s holds %d tickers; at most %d make a job", ErrFile, name, len(tickers), MaxTickers)
	}
	return tickers, nil
}

// firstLine returns the first line that is neither empty nor a comment.
func firstLine(data []byte) string {
	for line := range bytes.Lines(data) {
		if text := uncomment(string(line)); text != "" {
			return text
		}
	}
	return ""
}

// uncomment returns line without its comment and the space around it. A ticker
// holds no #.
func uncomment(line string) string {
	text, _, _ := strings.Cut(line, "#")
	return strings.TrimSpace(text)
}

// columns are the names of a column of tickers, the better first. A constant
// table.
var columns = []string{"ticker", "yahoo_symbol", "symbol"}

// parseLines reads a file with a ticker a line. A first line that is the name
// of a column is the header of a table with one column.
func parseLines(data []byte, name string) ([]string, error) {
	c := collector{file: name, seen: map[string]bool{}}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxLineBytes)
	number, first := 0, true
	for lines.Scan() {
		number++
		text := uncomment(lines.Text())
		if text == "" {
			continue
		}
		if first && isColumn(text) {
			first = false
			continue
		}
		first = false
		c.add(number, text)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, number+1, err)
	}
	return c.result()
}

func isColumn(text string) bool {
	for _, column := range columns {
		if strings.EqualFold(text, column) {
			return true
		}
	}
	return false
}

// parseTable reads a CSV file. Lines that begin with # are skipped.
func parseTable(data []byte, name string) ([]string, error) {
	rows, err := readTable(data, ',')
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	column := -1
	for _, wanted := range columns {
		if column = rows.column(wanted); column >= 0 {
			break
		}
	}
	if column < 0 {
		return nil, fmt.Errorf("%s: no column ticker or symbol in the header %q", name, rows.header)
	}
	suffix := ""
	if strings.EqualFold(rows.header[column], "symbol") && rows.column("series") >= 0 {
		suffix = ".NS"
	}
	c := collector{file: name, seen: map[string]bool{}}
	for i, row := range rows.rows {
		if text := uncomment(row[column]); text != "" && !strings.HasPrefix(row[column], "DUMMY") {
			c.add(rows.lines[i], strings.TrimSuffix(text, suffix)+suffix)
		}
	}
	return c.result()
}

// A collector gathers tickers and what is wrong with the others.
type collector struct {
	file    string
	seen    map[string]bool
	tickers []string
	faults  []error
	more    int // faults past maxFaults
}

// add takes the text on a line.
func (c *collector) add(line int, text string) {
	name, err := ticker.Parse(text)
	switch {
	case err != nil && len(c.faults) == maxFaults:
		c.more++
	case err != nil:
		c.faults = append(c.faults, fmt.Errorf("%s:%d: %w", c.file, line, err))
	case !c.seen[name]:
		c.seen[name] = true
		c.tickers = append(c.tickers, name)
	}
}

// result returns the tickers, or every fault.
func (c *collector) result() ([]string, error) {
	if c.more > 0 {
		c.faults = append(c.faults, fmt.Errorf("%s: and %d more lines", c.file, c.more))
	}
	return c.tickers, errors.Join(c.faults...)
}
