package csvdir

import (
	"errors"
	"os"

	"github.com/tapedeck/tapedeck/internal/market"
)

// The limits, to be tested at and one past.
const (
	MaxRows      = maxRows
	MaxFileBytes = maxFileBytes
	MaxSettings  = maxSettingsBytes
	MaxFiles     = maxFiles
	MaxOfSize    = maxOfSize
	MinAlike     = minAlike
)

// Decode is decode for the fuzz test, with the line that an error is about (0: none).
func Decode(data []byte) (bars []market.Bar, lines []int, line int, err error) {
	t, err := decode(data)
	if at, ok := errors.AsType[*lineError](err); ok {
		line = at.line
	}
	return t.bars, t.lines, line, err
}

// ReadWhile reads a file as Daily does, with change happening between the look
// at its state and the reading.
func ReadWhile(p *Provider, path, ticker string, change func()) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	change()
	_, err = p.parse(file, info, ticker, fileName(ticker))
	return err
}
