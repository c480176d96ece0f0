package events_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
)

var update = flag.Bool("update", false, "write the generated parts of docs/EVENTS.md")

const docs = "../../docs/EVENTS.md"

// The tables of docs/EVENTS.md come from the schemas and from Failures, its
// program from the example that the compiler sees.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for mark, content := range map[string]string{
		"subjects": subjects(t), "fields": fields(t), "failures": failures(), "example": example(t),
	} {
		want = between(t, want, mark, content)
	}
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("docs/EVENTS.md is not up to date (-update writes it):\n%s", cmp.Diff(string(text), want))
	}
	if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func between(t *testing.T, text, mark, content string) string {
	t.Helper()
	begin, end := "<!-- "+mark+":begin -->\n", "<!-- "+mark+":end -->"
	before, rest, ok := strings.Cut(text, begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("docs/EVENTS.md has no place for the %s", mark)
	}
	return before + begin + content + end + after
}

func subjects(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| subject | what happened |\n|---|---|\n")
	for _, kind := range events.Types() {
		n := read(t, kind)
		fmt.Fprintf(&b, "| `%s` | [%s](#%s): %s |\n", n.XSubject, n.Title, strings.ToLower(n.Title), n.Description)
	}
	return b.String()
}

func fields(t *testing.T) string {
	var b strings.Builder
	for _, kind := range events.Types() {
		n := read(t, kind)
		fmt.Fprintf(&b, "### %s\n\n%s\n\n`%s` on `%s` ([schema](../schema/events/%s))\n\n", n.Title, n.Description, n.XType, n.XSubject, file(kind))
		table(&b, n, n, "")
		b.WriteString("\n")
	}
	return b.String()
}

func table(b *strings.Builder, root, n *node, prefix string) {
	if prefix == "" {
		b.WriteString("| field | type | meaning |\n|---|---|---|\n")
	}
	for _, name := range n.order {
		property := n.Properties[name]
		kind, inner, path := describe(root, property), (*node)(nil), prefix+name
		switch {
		case property.Ref != "":
			kind, inner = "object", root.Defs[strings.TrimPrefix(property.Ref, "#/$defs/")]
		case property.Items != nil && property.Items.Ref != "":
			path += "[]"
			inner = root.Defs[strings.TrimPrefix(property.Items.Ref, "#/$defs/")]
		}
		if !slices.Contains(n.Required, name) {
			kind += ", may be absent"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", path, kind, strings.ReplaceAll(property.Description, "|", `\|`))
		if inner != nil {
			table(b, root, inner, path+".")
		}
	}
}

func describe(root, n *node) string {
	kind := strings.Join(n.types(), " or ")
	switch {
	case kind == "":
		return "any"
	case n.Format == "date-time":
		return "time"
	case n.Format == "date":
		return "date"
	case n.Items != nil && n.Items.Ref != "":
		return strings.Replace(kind, "array", "list of objects", 1)
	case n.Items != nil:
		return strings.Replace(kind, "array", "list of "+describe(root, n.Items), 1)
	case n.AdditionalProperties != nil:
		return strings.Replace(kind, "object", "map to "+describe(root, n.AdditionalProperties), 1)
	}
	return kind
}

func failures() string {
	var b strings.Builder
	b.WriteString("| code | tried again | meaning | what to do |\n|---|---|---|---|\n")
	for _, f := range events.Failures() {
		again := "no"
		if f.Retriable {
			again = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Code, again, f.Meaning, f.Remedy)
	}
	return b.String()
}

// example makes a program of the Example of package events.
func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../events/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("package events_test", "package main", "func Example() {", "func main() {").Replace("```go\n" + string(text) + "```\n")
}
