package strategy

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// refused are the tokens of what a strategy does not need: the dangerous part
// of YAML. They are refused before the parser sees them, whose time grows with
// the square of the depth.
var refused = map[token.Type]string{
	token.AnchorType:        "must not use anchors (&)",
	token.AliasType:         "must not use aliases (*)",
	token.MergeKeyType:      "must not use merge keys (<<)",
	token.TagType:           "must not use tags (!)",
	token.DirectiveType:     "must not use directives (%)",
	token.MappingKeyType:    "must not use complex keys (?)",
	token.SequenceEntryType: "must not hold lists",
	token.SequenceStartType: "must not hold lists",
}

// yaml reads a whole YAML text; a problem says why it is not one mapping.
func (r *reader) yaml(raw []byte) *Problem {
	return guarded(func() *Problem { return r.document(raw) })
}

// guarded turns a panic of the YAML library, of which none is known, into a
// problem: what a user wrote must not end the program.
func guarded(read func() *Problem) (problem *Problem) {
	defer func() {
		if recover() != nil {
			problem = &Problem{Message: "is not YAML that can be read"}
		}
	}()
	return read()
}

func (r *reader) document(raw []byte) *Problem {
	tokens := lexer.Tokenize(string(raw))
	if problem := checkTokens(tokens); problem != nil {
		return problem
	}
	file, problem := parseYAML(tokens)
	if problem != nil {
		return problem
	}
	var body ast.Node
	for _, document := range file.Docs {
		switch {
		case document.Body == nil:
		case body != nil:
			return &Problem{Message: "must be one YAML document, but another follows it", Line: lineOf(document.Body)}
		default:
			body = document.Body
		}
	}
	if body == nil {
		return &Problem{Message: "is not YAML: there is nothing in it"}
	}
	if !r.mapping("", body) {
		return &Problem{Message: "must be a YAML mapping", Line: lineOf(body)}
	}
	return nil
}

// checkTokens says what must not come before the parser, nil if nothing.
func checkTokens(tokens token.Tokens) *Problem {
	depth := 0
	for i, t := range tokens {
		line := t.Position.Line
		switch t.Type {
		case token.MappingStartType:
			depth++
		case token.MappingEndType:
			depth--
		}
		if message, is := refused[t.Type]; is {
			return &Problem{Message: message, Line: line}
		}
		if depth > MaxDepth {
			return &Problem{Message: fmt.Sprintf("must not nest more than %d braces", MaxDepth), Line: line}
		}
		if i >= MaxTokens {
			return &Problem{Message: fmt.Sprintf("must have at most %d tokens, has %d", MaxTokens, len(tokens)), Line: line}
		}
	}
	return nil
}

func parseYAML(tokens token.Tokens) (*ast.File, *Problem) {
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // the reader says where a field is given twice
	if err == nil {
		return file, nil
	}
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) {
		return nil, &Problem{Message: "is not YAML: " + shown(err.Error())}
	}
	problem := &Problem{Message: "is not YAML: " + shown(syntax.GetMessage())}
	if at := syntax.GetToken(); at != nil && at.Position != nil {
		problem.Line = at.Position.Line
	}
	return nil, problem
}

// mapping reads the fields of the mapping at prefix; false if node is none.
func (r *reader) mapping(prefix string, node ast.Node) bool {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return false
	}
	for _, pair := range pairs {
		line := lineOf(pair.Key)
		path := r.enter(prefix, keyOf(pair.Key), line)
		if r.isObject(path) && r.mapping(path+".", pair.Value) {
			continue
		}
		r.take(path, line, scalar(pair.Value))
	}
	return true
}

// keyOf returns a key's text.
func keyOf(key ast.MapKeyNode) string {
	if text, ok := key.(*ast.StringNode); ok {
		return text.Value
	}
	return key.String()
}

// decimal is a plain number; 010, 0x1F and 1_000 mean one thing to YAML and
// another to people.
var decimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*|0?\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*)([eE][-+]?[0-9]+)?$`)

// scalar returns node as reader.take wants it; a text that is written as a
// number without quotes is a number.
func scalar(node ast.Node) any {
	switch n := node.(type) {
	case *ast.NullNode:
		return nil
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.StringNode:
		if n.Token.Type != token.StringType || !decimal.MatchString(n.Value) {
			return n.Value
		}
		return json.Number(strings.TrimPrefix(n.Value, "+"))
	case *ast.IntegerNode, *ast.FloatNode:
		if text := node.GetToken().Value; decimal.MatchString(text) {
			return json.Number(strings.TrimPrefix(text, "+"))
		}
	}
	return node
}

func lineOf(node ast.Node) int {
	if at := node.GetToken(); at != nil && at.Position != nil {
		return at.Position.Line
	}
	return 0
}
