package csvdir

import (
	"errors"

	"github.com/tapedeck/tapedeck/internal/market"
)

// The limits, to be tested at and one past.
const (
	MaxRows      = maxRows
	MaxFileBytes = maxFileBytes
)

// Decode is decode for the fuzz test, with the line that an error is about (0: none).
func Decode(data []byte) (bars []market.Bar, lines []int, line int, err error) {
	t, err := decode(data)
	if at, ok := errors.AsType[*lineError](err); ok {
		line = at.line
	}
	return t.bars, t.lines, line, err
}
