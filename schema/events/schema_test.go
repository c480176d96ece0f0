package events_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tapedeck/tapedeck/events"
	schemas "github.com/tapedeck/tapedeck/schema/events"
)

// A node is the part of a schema that these tests look at.
type node struct {
	Title                string           `json:"title"`
	XType                string           `json:"x-type"`
	XSubject             string           `json:"x-subject"`
	Description          string           `json:"description"`
	Ref                  string           `json:"$ref"`
	Type                 any              `json:"type"`
	Format               string           `json:"format"`
	Required             []string         `json:"required"`
	Properties           map[string]*node `json:"properties"`
	Items                *node            `json:"items"`
	AdditionalProperties *node            `json:"additionalProperties"`
	Examples             []any            `json:"examples"`
	Defs                 map[string]*node `json:"$defs"`
	order                []string         // of Properties, as written
}

// UnmarshalJSON keeps the order of the properties, for the documentation.
func (n *node) UnmarshalJSON(text []byte) error {
	type plain node
	if err := json.Unmarshal(text, (*plain)(n)); err != nil {
		return err
	}
	var raw struct {
		Properties json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(text, &raw); err != nil || raw.Properties == nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw.Properties))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var skip json.RawMessage
		if err := decoder.Decode(&skip); err != nil {
			return err
		}
		n.order = append(n.order, name.(string))
	}
	return nil
}

func (n *node) types() []string {
	switch t := n.Type.(type) {
	case string:
		return []string{t}
	case []any:
		var names []string
		for _, name := range t {
			names = append(names, name.(string))
		}
		return names
	}
	return nil
}

func name(t events.Type) string { return strings.TrimPrefix(string(t), "tapedeck.v1.") }

func file(t events.Type) string { return "v1/" + name(t) + ".schema.json" }

func bodies() map[events.Type]events.Data {
	all := map[events.Type]events.Data{}
	for _, data := range []events.Data{
		&events.JobQueued{}, &events.JobStarted{}, &events.JobCancelled{}, &events.JobCompleted{},
		&events.TickerAnalyzed{}, &events.TickerBacktested{}, &events.TickerFailed{},
	} {
		all[data.EventType()] = data
	}
	return all
}

func read(t *testing.T, kind events.Type) *node {
	t.Helper()
	text, err := schemas.FS.ReadFile(file(kind))
	if err != nil {
		t.Fatal(err)
	}
	var n node
	if err := json.Unmarshal(text, &n); err != nil {
		t.Fatalf("%s: %v", file(kind), err)
	}
	return &n
}

func compile(t *testing.T, kind events.Type) *jsonschema.Schema {
	t.Helper()
	text, err := schemas.FS.ReadFile(file(kind))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(file(kind), document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(file(kind))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func goldens(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../events/testdata/v1/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden files", err)
	}
	all := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = text
	}
	return all
}

func TestGoldensFitTheirSchema(t *testing.T) {
	for path, text := range goldens(t) {
		var g struct {
			Headers map[string]string
			Body    json.RawMessage
		}
		if err := json.Unmarshal(text, &g); err != nil {
			t.Fatal(err)
		}
		schema := compile(t, events.Type(g.Headers[events.HeaderType]))
		body, err := jsonschema.UnmarshalJSON(bytes.NewReader(g.Body))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(body); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		fields := body.(map[string]any)
		fields["of_a_newer_one"] = true
		if err := schema.Validate(fields); err != nil {
			t.Errorf("%s with one more field: %v", path, err)
		}
		for name, value := range fields {
			if fields[name] = []any{map[string]any{}}; name != "strategy" && name != "of_a_newer_one" && schema.Validate(fields) == nil {
				t.Errorf("%s: %s may be anything", path, name)
			}
			fields[name] = value
		}
	}
}

// Field by field: what the structs write stands in the schemas, and reverse.
func TestSchemasAreTheStructs(t *testing.T) {
	all := bodies()
	if len(all) != len(events.Types()) {
		t.Errorf("%d bodies for %d types", len(all), len(events.Types()))
	}
	files, err := fs.Glob(schemas.FS, "v1/*")
	if err != nil || len(files) != len(all) {
		t.Errorf("%d schemas for %d types: %v", len(files), len(all), err)
	}
	for _, kind := range events.Types() {
		n := read(t, kind)
		body := reflect.TypeOf(all[kind]).Elem()
		if n.Title != body.Name() || n.XType != string(kind) {
			t.Errorf("%s: title %q, x-type %q", file(kind), n.Title, n.XType)
		}
		used := map[string]bool{}
		compareObject(t, name(kind), n, n, body, used)
		for def := range n.Defs {
			if !used[def] {
				t.Errorf("%s: nothing refers to %s", name(kind), def)
			}
		}
	}
}

func compareObject(t *testing.T, at string, root, n *node, body reflect.Type, used map[string]bool) {
	t.Helper()
	if n.Description == "" || !slices.Equal(n.types(), []string{"object"}) {
		t.Errorf("%s: no description or not an object", at)
	}
	var names, required []string
	for field := range body.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
		if options != "omitempty" {
			required = append(required, name)
		}
		property := n.Properties[name]
		if property == nil {
			continue // told of below
		}
		if property.Description == "" {
			t.Errorf("%s.%s: no description", at, name)
		}
		compareValue(t, at+"."+name, root, property, field.Type, used)
	}
	if diff := cmp.Diff(names, n.order); diff != "" {
		t.Errorf("%s: fields (-struct +schema):\n%s", at, diff)
	}
	if diff := cmp.Diff(required, n.Required); diff != "" {
		t.Errorf("%s: required (-struct +schema):\n%s", at, diff)
	}
}

func compareValue(t *testing.T, at string, root, n *node, value reflect.Type, used map[string]bool) {
	t.Helper()
	var want []string
	format := ""
	if value.Kind() == reflect.Pointer && value.Elem().Kind() == reflect.Struct { // absent or an object, never null
		value = value.Elem()
	}
	switch {
	case value == reflect.TypeFor[json.RawMessage]():
	case value == reflect.TypeFor[time.Time]():
		want, format = []string{"string"}, "date-time"
	case value.Kind() == reflect.Struct:
		def := strings.TrimPrefix(n.Ref, "#/$defs/")
		if root.Defs[def] == nil {
			t.Errorf("%s: no $ref to a definition", at)
			return
		}
		used[def] = true
		compareObject(t, at, root, root.Defs[def], value, used)
		return
	case value.Kind() == reflect.Pointer:
		want = append(goType(value.Elem()), "null")
	default:
		want = goType(value)
	}
	got := n.types()
	if value.Kind() == reflect.Slice || value.Kind() == reflect.Map { // an empty one may be null
		got = slices.DeleteFunc(got, func(name string) bool { return name == "null" })
	}
	if diff := cmp.Diff(want, got); diff != "" || format == "date-time" && n.Format != format {
		t.Errorf("%s: type (-struct +schema), format %q:\n%s", at, n.Format, diff)
	}
	switch {
	case want == nil:
	case value.Kind() == reflect.Slice:
		compareValue(t, at+"[]", root, n.Items, value.Elem(), used)
	case value.Kind() == reflect.Map:
		compareValue(t, at+"{}", root, n.AdditionalProperties, value.Elem(), used)
	}
}

func goType(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.String:
		return []string{"string"}
	case reflect.Bool:
		return []string{"boolean"}
	case reflect.Int, reflect.Int64:
		return []string{"integer"}
	case reflect.Float64:
		return []string{"number"}
	case reflect.Slice:
		return []string{"array"}
	case reflect.Map:
		return []string{"object"}
	}
	return []string{"no JSON type for " + t.String()}
}

func TestFailureCodesOfTheSchema(t *testing.T) {
	var want []any
	for _, f := range events.Failures() {
		want = append(want, string(f.Code))
	}
	if diff := cmp.Diff(want, read(t, events.TypeTickerFailed).Properties["code"].Examples); diff != "" {
		t.Error(diff)
	}
}

// The AsyncAPI document names each type, its subject and its schema, and no others.
func TestAsyncAPI(t *testing.T) {
	text, err := schemas.FS.ReadFile("asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := func(pattern string) []string {
		found := map[string]bool{}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
		return slices.Sorted(maps.Keys(found))
	}
	var kinds, files, subjects []string
	for _, kind := range events.Types() {
		kinds, files = append(kinds, string(kind)), append(files, file(kind))
		subject := strings.NewReplacer("<", "{", ">", "}").Replace(read(t, kind).XSubject)
		subjects = append(subjects, subject)
		filters, err := events.FilterSubjects([]events.Type{kind}, "")
		if wild := strings.NewReplacer("{job}", "*", "{ticker}", "*").Replace(subject); err != nil || filters[0] != wild {
			t.Errorf("%s: x-subject is %s, its events come on %s", kind, subject, filters)
		}
	}
	for pattern, want := range map[string][]string{
		`(?m)^ +name: (.+)$`:         kinds,
		`"(v1/[^"]+)"`:               files,
		`(?m)^ +address: (.+)$`:      subjects,
		`components/messages/(\w+)"`: names(t),
		`#/channels/(\w+)"`:          names(t),
		`required: \[([^\]]+)\]`:     {"ce-specversion, ce-id, ce-source, ce-type, ce-time"},
	} {
		slices.Sort(want)
		if diff := cmp.Diff(want, all(pattern)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, diff)
		}
	}
}

// names are the messages' names: jobQueued for JobQueued.
func names(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, kind := range events.Types() {
		title := read(t, kind).Title
		all = append(all, strings.ToLower(title[:1])+title[1:])
	}
	return all
}
