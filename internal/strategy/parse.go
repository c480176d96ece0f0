package strategy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tapedeck/tapedeck/internal/number"
)

// A Problem is one wrong field of a document.
type Problem struct {
	Field   string // its path ("indicators.rsi.period"); empty for the document itself
	Message string // what is wrong and what would be right, in plain words
	Line    int    // of the document's text, from 1; 0 when there is no text, or the field is not in it
}

// An InvalidError names every wrong field of a document (at most MaxProblems).
type InvalidError struct{ Problems []Problem }

// Error implements error: all problems, with their lines, in one line.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = strings.TrimSpace(p.Field + " " + p.Message)
		if p.Line > 0 {
			parts[i] = fmt.Sprintf("line %d: %s", p.Line, parts[i])
		}
	}
	return "invalid strategy: " + strings.Join(parts, "; ")
}

// Validate reports, as *InvalidError, every field of d that is out of range or
// contradicts another; nil if d is valid.
func (d Document) Validate() error {
	var found []Problem
	d.each(func(f field) {
		if message := f.check(); message != "" {
			found = append(found, Problem{Field: f.path, Message: message})
		}
	})
	if len(found) == 0 {
		found = d.relations()
	}
	return invalid(found)
}

// Parse reads a document in JSON, fills what is left out with defaults and
// validates it. Unknown and repeated fields, nulls and values of the wrong kind
// are refused. Every error is *InvalidError and names every wrong field.
func Parse(raw []byte) (Document, error) { return parse(raw, (*reader).json) }

// ParseYAML reads a document in YAML by the rules of Parse, from which only the
// spelling differs. It may hold comments and block texts, but no lists, tags,
// anchors, aliases or merges and no second document, none of which the format
// needs; numbers are plain decimals. Every error is *InvalidError with lines.
func ParseYAML(raw []byte) (Document, error) { return parse(raw, (*reader).yaml) }

// ParseFile reads a document in the language that the ending of its file's name
// says: .json, .yaml or .yml. It touches no file. Every error is *InvalidError.
func ParseFile(name string, raw []byte) (Document, error) {
	switch filepath.Ext(name) {
	case ".json":
		return Parse(raw)
	case ".yaml", ".yml":
		return ParseYAML(raw)
	}
	return Document{}, invalid([]Problem{{Message: fmt.Sprintf("must be a file .json, .yaml or .yml, is %q", shown(filepath.Base(name)))}})
}

// parse reads raw by read, which reports what keeps it from going on.
func parse(raw []byte, read func(*reader, []byte) *Problem) (Document, error) {
	if len(raw) > MaxBytes {
		return Document{}, invalid([]Problem{{Message: fmt.Sprintf("must have at most %d bytes, has %d", MaxBytes, len(raw))}})
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff")) // some editors begin a file with it
	if !utf8.Valid(raw) {
		return Document{}, invalid([]Problem{{Message: "must be valid UTF-8"}})
	}
	d := defaults()
	r := newReader(&d)
	if end := read(r, raw); end != nil {
		return Document{}, invalid(append(r.found, *end))
	}
	if d.Title == "" {
		d.Title = d.Name
	}
	if err := d.Validate(); err != nil {
		for _, p := range err.(*InvalidError).Problems { // Validate promises it
			// A value of the wrong kind was not stored; its problem is already known.
			if !slices.ContainsFunc(r.found, func(q Problem) bool { return q.Field == p.Field }) {
				p.Line = r.lines[p.Field]
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

// A reader sets the fields of a document that a text gives, whatever its
// language, and gathers what is wrong with them.
type reader struct {
	leaves  map[string]field
	objects map[string][]string // the names of the fields in each object; "" is the document
	lines   map[string]int      // where each path was given
	found   []Problem
}

func newReader(d *Document) *reader {
	r := &reader{leaves: map[string]field{}, objects: map[string][]string{}, lines: map[string]int{}}
	d.each(func(f field) {
		r.leaves[f.path] = f
		object, at := "", 0
		for i, c := range f.path + "." {
			if c != '.' {
				continue
			}
			if name := f.path[at:i]; !slices.Contains(r.objects[object], name) {
				r.objects[object] = append(r.objects[object], name)
			}
			object, at = f.path[:i], i+1
		}
	})
	return r
}

// enter notes that key of the object at prefix ("" or "a.b.") is given and
// returns its path.
func (r *reader) enter(prefix, key string, line int) string {
	path := prefix + key
	if strings.Contains(key, ".") { // or "a.b" would pass for b of a
		path = prefix + strconv.Quote(key)
	}
	if r.lines[path] > 0 {
		r.wrong(path, line, "is given twice")
	}
	r.lines[path] = line
	return path
}

// isObject reports whether path holds fields of its own.
func (r *reader) isObject(path string) bool { return len(r.objects[path]) > 0 }

// take sets the field at path to value, which is no object: a string, a
// json.Number, nil for null, or anything else, which fits nowhere.
func (r *reader) take(path string, line int, value any) {
	leaf, known := r.leaves[path]
	switch {
	case r.isObject(path):
		r.wrong(path, line, "must be an object")
	case !known:
		r.wrong(path, line, "is unknown"+r.choices(path))
	default:
		if message := leaf.set(value); message != "" {
			r.wrong(path, line, message)
		}
	}
}

// choices names the fields that the object around an unknown path has.
func (r *reader) choices(path string) string {
	object := ""
	for known := range r.objects {
		if known != "" && strings.HasPrefix(path, known+".") && len(known) > len(object) {
			object = known
		}
	}
	names := strings.Join(r.objects[object], ", ")
	if object == "" {
		return "; a strategy has " + names
	}
	return "; " + object + " has " + names
}

func (r *reader) wrong(path string, line int, message string) {
	if len(r.found) < MaxProblems {
		r.found = append(r.found, Problem{shown(path), message, line})
	}
}

// set stores value and returns "", or returns why it is of the wrong kind.
func (f field) set(value any) string {
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
		*f.number = number.PositiveZero(x)
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
