package strategy_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/strategy"
)

var update = flag.Bool("update", false, "write the table of fields in docs/ANALYSIS.md anew")

// TestReference holds the table of fields in docs/ANALYSIS.md to the schema,
// which TestSchema holds to Parse. To write it anew: go test -update.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "ANALYSIS.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- fields: begin -->\n", "<!-- fields: end -->"
	head, rest, found := bytes.Cut(text, []byte(begin))
	table, tail, ended := bytes.Cut(rest, []byte(end))
	if !found || !ended {
		t.Fatalf("%s has no marks %q and %q around its table of fields", path, begin, end)
	}
	want := reference(t)
	if *update {
		whole := strings.Join([]string{string(head), begin, want, end, string(tail)}, "")
		if err := os.WriteFile(path, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(table)); diff != "" {
		t.Errorf("the table of fields in %s is old: %s", path, diff)
	}
}

// TestExample: the document that docs/ANALYSIS.md shows is valid.
func TestExample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ANALYSIS.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	if d, err := strategy.ParseYAML([]byte(example)); err != nil || d.Name != "swing" || d.Risk.Stop.Method != strategy.StopStructure {
		t.Errorf("%q: %v", example, err)
	}
}

// reference returns the table: every field in the order of the document.
func reference(t *testing.T) string {
	t.Helper()
	base, err := strategy.Parse([]byte(`{"name":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	leaves := map[string]map[string]any{}
	eachLeaf(t, strategy.Schema(), nil, func(path []string, leaf map[string]any) { leaves[strings.Join(path, ".")] = leaf })
	var out strings.Builder
	out.WriteString("| field | values | default | meaning |\n|---|---|---|---|\n")
	for _, path := range paths(t, base.Canonical()) {
		leaf := leaves[path]
		values, standard := "", "required"
		switch words, chosen := leaf["enum"].([]any); {
		case chosen:
			values = strings.ReplaceAll(strings.Trim(fmt.Sprint(words), "[]"), " ", ", ")
		case leaf["type"] == "string":
			values = fmt.Sprintf("text, at most %v", leaf["maxLength"])
		case leaf["minimum"] == leaf["maximum"]:
			values = fmt.Sprint(leaf["minimum"])
		default:
			values = fmt.Sprintf("%v .. %v", leaf["minimum"], leaf["maximum"])
		}
		if leaf["type"] == "integer" && leaf["minimum"] != leaf["maximum"] {
			values += ", whole"
		}
		switch at, given := leaf["default"]; {
		case given && at != "":
			standard = fmt.Sprint(at)
		case path != "name":
			standard = "-"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", path, values, standard, leaf["description"])
	}
	return out.String()
}

// paths returns the paths of the leaves of a JSON object, in its order.
func paths(t *testing.T, raw []byte) (list []string) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	var at []string
	key := true // the next token is a key, or the end of an object
	for {
		token, err := decoder.Token()
		if err != nil {
			return list
		}
		switch {
		case token == json.Delim('{'):
			key = true
		case token == json.Delim('}'):
			if len(at) > 0 {
				at = at[:len(at)-1]
			}
			key = true
		case key:
			at, key = append(at, token.(string)), false
		default:
			list = append(list, strings.Join(at, "."))
			at, key = at[:len(at)-1], true
		}
	}
}
