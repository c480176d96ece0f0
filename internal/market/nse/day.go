package nse

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A day is one file of the archive in one state; a changed file is another day.
type day struct {
	date date
	name string
	info fs.FileInfo

	mu       sync.Mutex // guards what follows
	content  *content   // nil until it has been read
	broken   error      // why the file can never be read, once that is known
	before   *content   // the day that relation was found for
	relation relation
}

// load returns the day's content, which is read once. Errors are *market.Error:
// CodeBadData for a file that is wrong, CodeUnavailable for one that cannot be
// read or changes meanwhile.
func (d *day) load(root *os.Root, decoder *decoder) (*content, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.content != nil || d.broken != nil {
		return d.content, d.broken
	}
	text, err := d.read(root)
	if err == nil {
		d.content, err = decoder.decode(text, d.date)
	}
	if err == nil {
		return d.content, nil
	}
	d.content = nil
	if _, ours := errors.AsType[*market.Error](err); ours { // the file may be well again
		return nil, err
	}
	d.broken = &market.Error{Code: market.CodeBadData, Where: place(d.name, err), Err: fmt.Errorf(
		"%w; the whole day is unusable: replace the file, or take it out of the folder", err)}
	return nil, d.broken
}

// loaded reports whether load has nothing to read.
func (d *day) loaded() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.content != nil || d.broken != nil
}

// read returns the file's text, unpacked. An error that may pass is a *market.Error.
func (d *day) read(root *os.Root) (string, error) {
	data, err := readFile(root, d.name, d.info, maxFileBytes)
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(d.name, zipSuffix) {
		if n := len(data); n > 0 && data[n-1] != '\n' { // a packed one has its length and checksum
			return "", unavailable(d.name, errors.New(
				"the file does not end with a line: it is still being copied, or was cut off; copy it again, or end its last line if it is whole"))
		}
		return string(data), nil
	}
	return unpack(data)
}

// unpack returns the text of the one CSV file in a zip archive.
func unpack(data []byte) (string, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return "", fmt.Errorf("opening the zip archive: %w", err)
	}
	var file *zip.File
	for _, candidate := range archive.File {
		// A Mac's archiver adds an entry of its own for each file.
		if strings.HasSuffix(strings.ToLower(candidate.Name), ".csv") && !strings.HasPrefix(candidate.Name, "__MACOSX/") {
			if file != nil {
				return "", errors.New("the zip archive holds several CSV files")
			}
			file = candidate
		}
	}
	if file == nil {
		return "", errors.New("the zip archive holds no CSV file")
	}
	if file.UncompressedSize64 > maxFileBytes {
		return "", fmt.Errorf("the CSV file in the zip archive is larger than the limit of %d bytes", maxFileBytes)
	}
	content, err := file.Open()
	if err != nil {
		return "", fmt.Errorf("opening the CSV file in the zip archive: %w", err)
	}
	defer content.Close()
	var text strings.Builder
	text.Grow(int(file.UncompressedSize64))
	// One byte more than it says: the reader compares length and checksum at the end.
	if _, err := io.Copy(&text, io.LimitReader(content, maxFileBytes+1)); err != nil {
		return "", fmt.Errorf("reading the CSV file in the zip archive: %w", err)
	}
	return text.String(), nil
}

// A relation is how a day stands to the one before it in the archive.
type relation struct {
	// repeats: the day only repeats it. The exchange was shut, and somebody
	// wrote the file all the same.
	repeats bool
	// skips: by the exchange's previous closes there was a session between.
	skips bool
	// lost is the number of shares of the day before where this one has far fewer, else 0.
	lost int
}

// after compares the day, whose content is given, with the one before it.
func (d *day) after(content, before *content) relation {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before != before {
		d.before, d.relation = before, compare(content, before)
	}
	return d.relation
}

func compare(c, before *content) relation {
	both, same, moved, lost := 0, 0, 0, 0
	if n := len(before.rows); n >= fewRows && float64(len(c.rows)) < wholeShare*float64(n) {
		lost = n
	}
	for id := range c.at {
		a, b := c.find(uint32(id)), before.find(uint32(id))
		if a == nil || b == nil {
			continue
		}
		both++
		p, q := c.prices(uint32(id)), before.prices(uint32(id))
		if !(step{close: q.close, prev: p.prev}).silent() {
			moved++
		}
		if idle(p, a.volume, q.close) || echo(p, q) && a.volume == b.volume {
			same++
		}
	}
	if both < fewRows {
		return relation{lost: lost}
	}
	return relation{
		lost:    lost,
		repeats: float64(same) >= ghostShare*float64(len(c.rows)),
		skips:   float64(moved) >= skipShare*float64(both),
	}
}

// echo reports whether a session has all prices of the one before; the previous
// closes differ, because that of a ghost is the close that it repeats.
func echo(p, before prices) bool {
	p.prev, before.prev = 0, 0
	return p == before
}

// idle reports whether a session is nothing but the close before, drawn out.
func idle(p prices, volume, close float64) bool {
	return volume == 0 && p.open == close && p.high == close && p.low == close && p.close == close
}

// readFile reads a regular file whose state was before. Errors that may pass
// are *market.Error with CodeUnavailable, others are not.
func readFile(root *os.Root, name string, before fs.FileInfo, limit int64) ([]byte, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe would wait for ever
	if err != nil {
		return nil, unavailable(name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, unavailable(name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("larger than the limit of %d bytes", limit)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, unavailable(name, err)
	}
	after, err := file.Stat()
	if err != nil {
		return nil, unavailable(name, err)
	}
	if !same(before, after) || int64(len(data)) != after.Size() {
		return nil, unavailable(name, errors.New("the file changed while it was read; write beside it and rename"))
	}
	return data, nil
}

// same reports whether two looks saw one file in one state.
func same(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

func unavailable(where string, err error) error {
	return &market.Error{Code: market.CodeUnavailable, Where: where, Err: err}
}

// place is the file's name with the line that err is about, if it is about one.
func place(name string, err error) string {
	if line, ok := lineOf(err); ok {
		return fmt.Sprintf("%s:%d", name, line)
	}
	return name
}

// withTicker says whose request met a fault of the archive.
func withTicker(err error, ticker string) error {
	if met, ok := errors.AsType[*market.Error](err); ok {
		return &market.Error{Code: met.Code, Ticker: ticker, Where: met.Where, Err: met.Err, RetryAfter: met.RetryAfter}
	}
	return err
}
