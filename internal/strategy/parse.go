package strategy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Problem is one wrong field of a document.
type Problem struct {
	Field   string // its path ("indicators.rsi.period"); empty for the document itself
	Message string // what is wrong and what would be right, in plain words
}

// An InvalidError names every wrong field of a document (at most MaxProblems).
type InvalidError struct{ Problems []Problem }

// Error implements error: all problems in one line.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = strings.TrimSpace(p.Field + " " + p.Message)
	}
	return "invalid strategy: " + strings.Join(parts, "; ")
}

// Validate reports, as *InvalidError, every field of d that is out of range or
// contradicts another; nil if d is valid.
func (d Document) Validate() error {
	var found []Problem
	for _, f := range d.fields() {
		if message := f.check(); message != "" {
			found = append(found, Problem{f.path, message})
		}
	}
	if len(found) == 0 {
		found = d.relations()
	}
	return invalid(found)
}

// Parse reads a document in JSON, fills what is left out with defaults and
// validates it. Unknown and repeated fields, nulls and values of the wrong kind
// are refused. Every error is *InvalidError and names every wrong field.
func Parse(raw []byte) (Document, error) {
	if len(raw) > MaxBytes {
		return Document{}, invalid([]Problem{{Message: fmt.Sprintf("must have at most %d bytes, has %d", MaxBytes, len(raw))}})
	}
	if !utf8.Valid(raw) {
		return Document{}, invalid([]Problem{{Message: "must be valid UTF-8"}})
	}
	d := defaults()
	r := newReader(raw, d.fields())
	if err := r.document(); err != nil {
		message := err.Error()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			message = "is not JSON: it ends too early"
		}
		r.found = append(r.found, Problem{Message: message})
		return Document{}, invalid(r.found)
	}
	if d.Title == "" {
		d.Title = d.Name
	}
	var wrong *InvalidError
	if err := d.Validate(); errors.As(err, &wrong) {
		for _, p := range wrong.Problems {
			// A value of the wrong kind was not stored; its problem is already known.
			if !slices.ContainsFunc(r.found, func(q Problem) bool { return q.Field == p.Field }) {
				r.found = append(r.found, p)
			}
		}
	}
	if err := invalid(r.found); err != nil {
		return Document{}, err
	}
	return d, nil
}

// invalid returns found as an error, nil if there is nothing.
func invalid(found []Problem) error {
	if len(found) == 0 {
		return nil
	}
	return &InvalidError{Problems: found[:min(len(found), MaxProblems)]}
}

// A reader sets fields from a JSON text and gathers what is wrong with it.
type reader struct {
	decoder *json.Decoder
	leaves  map[string]field
	objects map[string]bool // paths that hold fields
	seen    map[string]bool
	found   []Problem
}

func newReader(raw []byte, fields []field) *reader {
	r := &reader{
		decoder: json.NewDecoder(bytes.NewReader(raw)),
		leaves:  map[string]field{}, objects: map[string]bool{}, seen: map[string]bool{},
	}
	r.decoder.UseNumber()
	for _, f := range fields {
		r.leaves[f.path] = f
		for i, c := range f.path {
			if c == '.' {
				r.objects[f.path[:i]] = true
			}
		}
	}
	return r
}

// document reads the whole text; an error says why it is not one JSON object.
func (r *reader) document() error {
	first, err := r.decoder.Token()
	if err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	if first != json.Delim('{') {
		return errors.New("must be a JSON object")
	}
	if err := r.object(""); err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	if _, err := r.decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("must be one JSON object, but something follows it")
	}
	return nil
}

// object reads the fields of the object at prefix, whose brace is read.
// Depth is bounded by the format: unknown objects are skipped, not entered.
func (r *reader) object(prefix string) error {
	for r.decoder.More() {
		key, err := r.decoder.Token()
		if err != nil {
			return err
		}
		path := prefix + key.(string) // the decoder guarantees that keys are strings
		value, err := r.decoder.Token()
		if err != nil {
			return err
		}
		if strings.Contains(key.(string), ".") { // or "a.b" would pass for b of a
			path = prefix + strconv.Quote(key.(string))
		}
		if r.seen[path] {
			r.wrong(path, "is given twice")
		}
		r.seen[path] = true
		if err := r.value(path, value); err != nil {
			return err
		}
	}
	_, err := r.decoder.Token()
	return err
}

// value takes the value at path, whose first token is read.
func (r *reader) value(path string, value json.Token) error {
	leaf, known := r.leaves[path]
	delim, nested := value.(json.Delim)
	switch {
	case r.objects[path] && delim == '{':
		return r.object(path + ".")
	case r.objects[path]:
		r.wrong(path, "must be an object")
	case !known:
		r.wrong(path, "is unknown")
	default:
		if message := leaf.set(value); message != "" {
			r.wrong(path, message)
		}
	}
	if nested {
		return r.skip()
	}
	return nil
}

// skip reads on to the end of the array or object whose first token is read.
func (r *reader) skip() error {
	for depth := 1; depth > 0; {
		token, err := r.decoder.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

func (r *reader) wrong(path, message string) {
	if len(r.found) < MaxProblems {
		r.found = append(r.found, Problem{shown(path), message})
	}
}

// set stores value and returns "", or returns why it is of the wrong kind.
func (f field) set(value json.Token) string {
	if value == nil {
		return "must not be null; leave it out for its default"
	}
	if f.text != nil {
		text, ok := value.(string)
		if !ok {
			return "must be a text"
		}
		*f.text = text
		return ""
	}
	literal, ok := value.(json.Number)
	if !ok {
		return "must be a number"
	}
	x, err := literal.Float64()
	if err != nil {
		return "is too large a number"
	}
	if f.number != nil {
		*f.number = positiveZero(x)
		return ""
	}
	if x != math.Trunc(x) || math.Abs(x) > 1<<31 {
		return "must be a whole number"
	}
	*f.whole = int(x)
	return ""
}

// shown cuts a user's text to what an error may quote.
func shown(text string) string {
	if runes := []rune(text); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return text
}
