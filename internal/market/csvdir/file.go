package csvdir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/tapedeck/tapedeck/internal/market"
)

const settingsName = "market.json"

// What can be wrong with a file before its content is looked at.
var (
	errNotRegular = errors.New("not a regular file")
	errChanged    = errors.New("the file changed while it was read; write beside it and rename")
	errTooLarge   = errors.New("larger than the limit")
)

// settings is market.json: what the folder says about files that do not say it.
type settings struct {
	Adjustment market.Adjustment `json:"adjustment"`
	Currency   string            `json:"currency"`
}

// readSettings reads the folder's market.json, or returns the defaults when
// there is none. Errors are *market.Error without a ticker.
func readSettings(root *os.Root) (settings, error) {
	s := settings{Adjustment: market.AdjustmentUnknown}
	file, err := openRegular(root, settingsName)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, openingFault(err, "", settingsName)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return s, fault(market.CodeUnavailable, "", settingsName, err)
	}
	data, err := readAll(file, info, maxSettingsBytes)
	if err != nil {
		return s, readingFault(err, "", settingsName)
	}
	if err := s.decode(data); err != nil {
		return s, fault(market.CodeBadData, "", settingsName, err)
	}
	return s, nil
}

// decode sets what data says; unknown fields and values are refused, because
// a misspelt lineage would be a wrong one.
func (s *settings) decode(data []byte) error {
	decoder := json.NewDecoder(newReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(s); err != nil {
		return fmt.Errorf("not a JSON object with adjustment and currency: %s", quoted(err.Error()))
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("text after the closing brace")
	}
	switch s.Adjustment {
	case market.AdjustmentUnknown, market.AdjustmentNone, market.AdjustmentSplits, market.AdjustmentSplitsDividends:
	default:
		return fmt.Errorf("adjustment %s is not none, splits, splits_dividends or unknown", quoted(string(s.Adjustment)))
	}
	if s.Currency != "" && !isCurrency(s.Currency) {
		return fmt.Errorf("currency %s is not three capital letters", quoted(s.Currency))
	}
	return nil
}

func isCurrency(code string) bool {
	if len(code) != 3 {
		return false
	}
	for i := range len(code) {
		if code[i] < 'A' || code[i] > 'Z' {
			return false
		}
	}
	return true
}

// openRegular opens a regular file of the folder. O_NONBLOCK, because opening
// a named pipe would otherwise wait for its writer for ever.
func openRegular(root *os.Root, name string) (*os.File, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// readAll reads a file of at most limit bytes whose state was before, and
// fails with errChanged when it is another afterwards.
func readAll(file *os.File, before fs.FileInfo, limit int64) ([]byte, error) {
	if before.Size() > limit {
		return nil, fmt.Errorf("%w of %d bytes", errTooLarge, limit)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	after, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !same(before, after) || int64(len(data)) != after.Size() {
		return nil, errChanged
	}
	return data, nil
}

// same reports whether two looks saw one file in one state.
func same(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// openingFault classifies an error of openRegular.
func openingFault(err error, ticker, name string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault(market.CodeUnknownTicker, ticker, name, errors.New("no such file in the market folder"))
	case errors.Is(err, errNotRegular), leadsOut(err):
		return fault(market.CodeBadData, ticker, name, err)
	}
	return fault(market.CodeUnavailable, ticker, name, err)
}

// leadsOut reports that a link led out of the folder: package os has no
// sentinel for it, and every error of the operating system is an Errno.
func leadsOut(err error) bool {
	_, fromSystem := errors.AsType[syscall.Errno](err)
	return !fromSystem
}

// readingFault classifies an error of readAll.
func readingFault(err error, ticker, name string) error {
	if errors.Is(err, errTooLarge) {
		return fault(market.CodeBadData, ticker, name, err)
	}
	return fault(market.CodeUnavailable, ticker, name, err)
}

func fault(code market.Code, ticker, where string, err error) error {
	return &market.Error{Code: code, Ticker: ticker, Where: where, Err: err}
}

// withTicker says whose request met a fault of the folder.
func withTicker(err error, ticker string) error {
	if met, ok := errors.AsType[*market.Error](err); ok {
		return fault(met.Code, ticker, met.Where, met.Err)
	}
	return err
}
