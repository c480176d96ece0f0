package memory

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

func (p place) cursor() store.Cursor {
	p.Version = cursorVersion
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // the tables hold finite numbers only
	}
	return store.Cursor(base64.RawURLEncoding.EncodeToString(data))
}

// placeOf reads a cursor of a list whose places look like like; nil for the
// empty one.
func placeOf(c store.Cursor, like place) (*place, error) {
	if c == "" {
		return nil, nil
	}
	if len(c) > store.MaxCursorBytes {
		return nil, store.ErrCursor
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil {
		return nil, fmt.Errorf("%w (not base64url)", store.ErrCursor)
	}
	p := &place{}
	if err := json.Unmarshal(data, p); err != nil || p.Version != cursorVersion || p.List != like.List ||
		len(p.Numbers) != len(like.Numbers) || len(p.Texts) != len(like.Texts) || len(p.Floats) != len(like.Floats) {
		return nil, fmt.Errorf("%w (of another list or version)", store.ErrCursor)
	}
	return p, nil
}

// A lister is one list: what rows it has, in which order, and where a row stands.
type lister[T any] struct {
	rows  []T // in the order of the list
	place func(row T) place
	after *place                    // nil: from the beginning
	past  func(row T, p place) bool // the row comes behind the place
}

// page cuts the page behind the place.
func (l lister[T]) page(limit int, asOf uint64) store.Page[T] {
	page := store.Page[T]{Items: []T{}, AsOf: asOf}
	for _, row := range l.rows {
		if l.after != nil && !l.past(row, *l.after) {
			continue
		}
		if len(page.Items) == limit {
			page.Next = l.place(page.Items[limit-1]).cursor()
			break
		}
		page.Items = append(page.Items, row)
	}
	return page
}

func checkLimit(limit int) error {
	if limit < 1 || limit > store.MaxPage {
		return fmt.Errorf("%w: limit %d is not in 1..%d", store.ErrQuery, limit, store.MaxPage)
	}
	return nil
}
