package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"sort"
	"time"
)

// A fields reads one JSON object strictly and gathers everything that is
// wrong with it, each with its place. A null counts as absent.
type fields struct {
	path   string // "body" or "body.options"
	values map[string]json.RawMessage
	errs   *[]FieldError
}

// readBody reads body as exactly one JSON object. An error is a 400 *Problem:
// the text is not JSON, or not an object.
func readBody(body []byte) (fields, error) {
	var values map[string]json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(&values); err != nil {
		return fields{}, malformed(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fields{}, problem(http.StatusBadRequest, "malformed_json", "something follows the JSON object")
	}
	if values == nil {
		return fields{}, problem(http.StatusBadRequest, "malformed_json", "the body is null, not a JSON object")
	}
	if name := repeated(json.NewDecoder(bytes.NewReader(body))); name != "" {
		return fields{}, problem(http.StatusBadRequest, "malformed_json", fmt.Sprintf("the name %q stands twice in one object; which value is meant?", capped(name)))
	}
	return fields{path: "body", values: values, errs: new([]FieldError)}, nil
}

// repeated returns a name that stands twice in one object of a JSON text that
// is known to be well formed, or "". Decoding would silently take the last.
func repeated(decoder *json.Decoder) string {
	token, err := decoder.Token()
	if err != nil {
		return ""
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return ""
	}
	seen := map[string]bool{}
	for decoder.More() {
		if delim == '{' {
			token, err := decoder.Token()
			if err != nil {
				return ""
			}
			name, _ := token.(string) // the names of an object are strings
			if seen[name] {
				return name
			}
			seen[name] = true
		}
		if name := repeated(decoder); name != "" {
			return name
		}
	}
	_, _ = decoder.Token() // the closing delimiter, there by More
	return ""
}

func malformed(err error) *Problem {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	detail := "the body is not JSON"
	switch {
	case errors.Is(err, io.EOF):
		detail = "the body is empty; it must be a JSON object"
	case errors.As(err, &syntax):
		detail = fmt.Sprintf("the body is not JSON: wrong at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		detail = "the body is JSON, but not an object"
	}
	return problem(http.StatusBadRequest, "malformed_json", detail)
}

func (f fields) wrong(name, message, value string) {
	*f.errs = append(*f.errs, FieldError{Message: message, Location: f.path + "." + name, Value: capped(value)})
}

// only reports each field that is not one of names.
func (f fields) only(names ...string) {
	var unknown []string
	for name := range f.values {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	sort.Strings(unknown)
	for _, name := range unknown {
		f.wrong(capped(name), "is not a field of this request", "")
	}
}

// raw returns the text of a field; nil if it is absent or null.
func (f fields) raw(name string) json.RawMessage {
	value := f.values[name]
	if bytes.Equal(bytes.TrimSpace(value), []byte("null")) {
		return nil
	}
	return value
}

// text returns a string; nil if it is absent or wrong.
func (f fields) text(name string) *string {
	raw := f.raw(name)
	if raw == nil {
		return nil
	}
	var value string
	if json.Unmarshal(raw, &value) != nil {
		f.wrong(name, "must be a string", string(raw))
		return nil
	}
	return &value
}

// flag returns a boolean; nil if it is absent or wrong.
func (f fields) flag(name string) *bool {
	raw := f.raw(name)
	if raw == nil {
		return nil
	}
	var value bool
	if json.Unmarshal(raw, &value) != nil {
		f.wrong(name, "must be true or false", string(raw))
		return nil
	}
	return &value
}

// number returns a number in [low, high]; nil if it is absent or wrong.
func (f fields) number(name string, low, high float64) *float64 {
	raw := f.raw(name)
	if raw == nil {
		return nil
	}
	var value float64
	if json.Unmarshal(raw, &value) != nil || !(value >= low && value <= high) {
		f.wrong(name, fmt.Sprintf("must be a number from %g to %.12g", low, high), string(raw))
		return nil
	}
	return &value
}

// whole returns a whole number in [low, high]; nil if it is absent or wrong.
func (f fields) whole(name string, low, high int) *int {
	raw := f.raw(name)
	if raw == nil {
		return nil
	}
	var value float64
	if json.Unmarshal(raw, &value) != nil || value != math.Trunc(value) || value < float64(low) || value > float64(high) {
		f.wrong(name, fmt.Sprintf("must be a whole number from %d to %d", low, high), string(raw))
		return nil
	}
	number := int(value)
	return &number
}

// moment returns a time in UTC; nil if it is absent or wrong.
func (f fields) moment(name string) *time.Time {
	text := f.text(name)
	if text == nil {
		return nil
	}
	value, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		f.wrong(name, "must be a time such as 2026-01-31T18:00:00Z (RFC 3339)", *text)
		return nil
	}
	value = value.UTC()
	return &value
}

// object returns a nested object, empty if it is absent or wrong.
func (f fields) object(name string) fields {
	nested := fields{path: f.path + "." + name, errs: f.errs}
	raw := f.raw(name)
	if raw != nil && json.Unmarshal(raw, &nested.values) != nil {
		nested.values = nil
		f.wrong(name, "must be an object", string(raw))
	}
	return nested
}

// list returns the texts of an array; nil if it is absent or wrong.
func (f fields) list(name string) []json.RawMessage {
	raw := f.raw(name)
	if raw == nil {
		return nil
	}
	var values []json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		f.wrong(name, "must be an array", string(raw))
		return nil
	}
	if values == nil {
		values = []json.RawMessage{}
	}
	return values
}
