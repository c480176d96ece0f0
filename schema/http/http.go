// Package http holds the contract of the HTTP API: one OpenAPI document, kept by
// hand. Tests of internal/api hold it against the routes, and against every
// request and answer of theirs.
package http

import (
	_ "embed"
	"fmt"

	"github.com/goccy/go-yaml"
)

//go:embed openapi.yaml
var document []byte

// Document returns the OpenAPI document (3.0) as JSON, the names of each object
// in the order in which they are written. It fails only if the file is not what
// it should be, which a test excludes.
func Document() ([]byte, error) {
	text, err := yaml.YAMLToJSON(document)
	if err != nil {
		return nil, fmt.Errorf("reading openapi.yaml: %w", err)
	}
	return text, nil
}
