package query

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/tapedeck/tapedeck/internal/store"
)

// cursorVersion changes when the place that a cursor names means another thing.
const cursorVersion = 1

// A place is what a cursor holds: the keys of the last row that was shown.
type place struct {
	Version int       `json:"v"`
	List    string    `json:"q"`
	Numbers []int64   `json:"n,omitempty"`
	Texts   []string  `json:"s,omitempty"`
	Floats  []float64 `json:"f,omitempty"`
}

func encodeCursor(p place) store.Cursor {
	p.Version = cursorVersion
	data, err := json.Marshal(p)
	if err != nil {
		return "" // a score that is no number: the tables hold none
	}
	return store.Cursor(base64.RawURLEncoding.EncodeToString(data))
}

// decodeCursor reads a cursor of a list with so many keys of each kind.
func decodeCursor(c store.Cursor, list string, numbers, texts, floats int) (place, error) {
	bad := func(why string) (place, error) {
		return place{}, fmt.Errorf("%w (%s)", store.ErrCursor, why)
	}
	if len(c) > store.MaxCursorBytes {
		return bad("too long")
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil {
		return bad("not base64url")
	}
	var p place
	if err := json.Unmarshal(data, &p); err != nil {
		return bad("not readable")
	}
	if p.Version != cursorVersion {
		return bad("of another version")
	}
	if p.List != list {
		return bad("of another list")
	}
	if len(p.Numbers) != numbers || len(p.Texts) != texts || len(p.Floats) != floats {
		return bad("incomplete")
	}
	return p, nil
}
