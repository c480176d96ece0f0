package strategy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A jsonReader walks a JSON text for its reader.
type jsonReader struct {
	*reader
	decoder  *json.Decoder
	raw      []byte
	counted  int // bytes of raw whose ends of lines are in newlines
	newlines int
}

// json reads a whole JSON text; a problem says why it is not one object.
func (r *reader) json(raw []byte) *Problem {
	j := &jsonReader{reader: r, decoder: json.NewDecoder(bytes.NewReader(raw)), raw: raw}
	j.decoder.UseNumber()
	err := j.document()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Problem{Message: "is not JSON: it ends too early", Line: j.line()}
	}
	return &Problem{Message: err.Error(), Line: j.line()}
}

// line returns the line of what was read last.
func (j *jsonReader) line() int {
	to := min(int(j.decoder.InputOffset()), len(j.raw))
	j.newlines += bytes.Count(j.raw[j.counted:to], []byte("\n"))
	j.counted = to
	return j.newlines + 1
}

func (j *jsonReader) document() error {
	first, err := j.decoder.Token()
	if err != nil {
		return notJSON(err)
	}
	if first != json.Delim('{') {
		return errors.New("must be a JSON object")
	}
	if err := j.object(""); err != nil {
		return notJSON(err)
	}
	if _, err := j.decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("must be one JSON object, but something follows it")
	}
	return nil
}

func notJSON(err error) error { return fmt.Errorf("is not JSON: %w", err) }

// object reads the fields of the object at prefix, whose brace is read.
// Depth is bounded by the format: unknown objects are skipped, not entered.
func (j *jsonReader) object(prefix string) error {
	for j.decoder.More() {
		key, err := j.decoder.Token()
		if err != nil {
			return err
		}
		path := j.enter(prefix, key.(string), j.line()) // the decoder guarantees that keys are strings
		value, err := j.decoder.Token()
		if err != nil {
			return err
		}
		if err := j.value(path, value); err != nil {
			return err
		}
	}
	_, err := j.decoder.Token()
	return err
}

// value takes the value at path, whose first token is read.
func (j *jsonReader) value(path string, value json.Token) error {
	if value == json.Delim('{') && j.isObject(path) {
		return j.object(path + ".")
	}
	j.take(path, j.line(), value)
	if _, nested := value.(json.Delim); nested {
		return j.skip()
	}
	return nil
}

// skip reads on to the end of the array or object whose first token is read.
func (j *jsonReader) skip() error {
	for depth := 1; depth > 0; {
		token, err := j.decoder.Token()
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
