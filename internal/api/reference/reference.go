// Package reference renders the OpenAPI document as a page for people. It needs
// no script and no file but the style sheet of package ui, so it works offline
// and under that page's security policy.
package reference

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed reference.html
var source string

// Page renders a document, which is JSON.
func Page(text []byte) ([]byte, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	page, err := template.New("reference.html").Funcs(template.FuncMap{"ref": refName, "prose": prose, "limits": limits, "required": slices.Contains[[]string]}).Parse(source)
	if err != nil {
		return nil, fmt.Errorf("reading the template of the reference: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, view{Document: d, Tags: d.byTag()}); err != nil {
		return nil, fmt.Errorf("rendering the reference: %w", err)
	}
	return out.Bytes(), nil
}

type view struct {
	Document document
	Tags     []tag
}

// A tag is a chapter: each operation stands in that of its first tag.
type tag struct {
	Name, Description string
	Operations        []call
}

// A call is an operation with what its references stand for.
type call struct {
	operation
	Method, Path string
}

func (d document) byTag() []tag {
	tags := make([]tag, len(d.Tags))
	for i, one := range d.Tags {
		tags[i] = tag{Name: one.Name, Description: one.Description}
	}
	for _, path := range d.Paths {
		for _, op := range path.Value {
			c := call{operation: op.Value, Method: strings.ToUpper(op.Name), Path: path.Name}
			for i, p := range c.Parameters {
				if p.Ref != "" {
					c.Parameters[i] = d.Components.Parameters[refName(p.Ref)]
				}
			}
			for i, r := range c.Responses {
				if r.Value.Ref != "" {
					c.Responses[i].Value = d.Components.Responses[refName(r.Value.Ref)]
				}
			}
			if i := slices.IndexFunc(tags, func(t tag) bool { return len(c.Tags) > 0 && t.Name == c.Tags[0] }); i >= 0 {
				tags[i].Operations = append(tags[i].Operations, c)
			}
		}
	}
	return tags
}

// Curl is a command that makes the call, with the examples of its parameters
// and the first of its body.
func (c call) Curl() string {
	path, query := c.Path, url.Values{}
	command := "curl"
	for _, p := range c.Parameters {
		switch {
		case p.In == "path" && p.Example != nil:
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(fmt.Sprint(p.Example)))
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", "$"+strings.ToUpper(p.Name))
		case p.In == "query" && p.Example != nil:
			query.Set(p.Name, fmt.Sprint(p.Example))
		case p.In == "header" && p.Example != nil:
			command += fmt.Sprintf(" -H '%s: %v'", p.Name, p.Example)
		}
	}
	if slices.Contains(c.Tags, "live") {
		command += " -N"
	}
	if c.Method != http.MethodGet {
		command += " -X " + c.Method
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if c.RequestBody != nil && len(c.RequestBody.Content) > 0 {
		content := c.RequestBody.Content[0]
		command += " -H 'Content-Type: " + content.Name + "'"
		if examples := content.Value.Examples; len(examples) > 0 {
			command += " -d '" + strings.ReplaceAll(string(examples[0].Value.Value), "'", `'\''`) + "'"
		}
	}
	return command + ` "http://127.0.0.1:8080` + path + `"`
}

// prose is a description, in which `names` stand in backticks.
func prose(text string) template.HTML {
	var out strings.Builder
	for i, part := range strings.Split(template.HTMLEscapeString(text), "`") {
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		out.WriteString(part)
	}
	return template.HTML(out.String())
}

// limits are the words of what a value may be, besides its type.
func limits(s schema) string {
	var words []string
	say := func(format string, values ...any) { words = append(words, fmt.Sprintf(format, values...)) }
	if len(s.Enum) > 0 {
		texts := make([]string, 0, len(s.Enum))
		for _, one := range s.Enum {
			if one != nil {
				texts = append(texts, fmt.Sprint(one))
			}
		}
		say("%s", strings.Join(texts, ", "))
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		say("%.12g to %.12g", *s.Minimum, *s.Maximum)
	case s.Minimum != nil:
		say("from %.12g", *s.Minimum)
	}
	if s.MaxLength != nil {
		say("at most %d characters", *s.MaxLength)
	}
	if s.MaxItems != nil {
		say("at most %d", *s.MaxItems)
	}
	if s.Default != nil {
		say("default %v", s.Default)
	}
	if s.Nullable {
		say("or null")
	}
	return strings.Join(words, "; ")
}
