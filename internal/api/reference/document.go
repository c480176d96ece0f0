package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// What the page shows of an OpenAPI document (3.0). Names of objects keep the
// order of the document, which is the order in which it should be read.

type document struct {
	Info struct {
		Title, Version, Description string
	} `json:"info"`
	Tags []struct {
		Name, Description string
	} `json:"tags"`
	Paths      ordered[ordered[operation]] `json:"paths"`
	Components struct {
		Parameters map[string]parameter `json:"parameters"`
		Responses  map[string]response  `json:"responses"`
		Schemas    ordered[schema]      `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string   `json:"operationId"`
	Tags        []string `json:"tags"`
	Summary     string   `json:"summary"`
	Description string   `json:"description"`
	Parameters  []parameter
	RequestBody *struct {
		Required bool
		Content  ordered[media]
	} `json:"requestBody"`
	Responses ordered[response]
	Events    ordered[schema] `json:"x-events"` // of a stream, by their names
}

type parameter struct {
	Ref         string `json:"$ref"`
	Name        string
	In          string
	Description string
	Required    bool
	Schema      schema
	Example     any
}

type media struct {
	Schema   schema
	Examples ordered[struct{ Value json.RawMessage }]
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Content     ordered[media]
}

type schema struct {
	Ref         string `json:"$ref"`
	Type        string
	Format      string
	Description string
	Nullable    bool
	Enum        []any
	Minimum     *float64
	Maximum     *float64
	MaxLength   *int `json:"maxLength"`
	MaxItems    *int `json:"maxItems"`
	Default     any
	Items       *schema
	OneOf       []schema `json:"oneOf"`
	Properties  ordered[schema]
	Required    []string
	Additional  json.RawMessage `json:"additionalProperties"`
}

// refName is the last part of a reference, which is unique among its kind.
func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// ordered is a JSON object whose members keep their order.
type ordered[T any] []member[T]

type member[T any] struct {
	Name  string
	Value T
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *ordered[T]) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return fmt.Errorf("%.40s is no object: %v", text, err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value T
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("in %v: %w", name, err)
		}
		*o = append(*o, member[T]{name.(string), value}) // the names of an object are strings
	}
	return nil
}
