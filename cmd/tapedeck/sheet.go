package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tapedeck/tapedeck/events"
)

// A sheet prints paragraphs of a width, in colours if the terminal has them.
type sheet struct {
	out   io.Writer
	width int
	color bool
}

func newSheet(a *app, width int) *sheet { return &sheet{out: a.out, width: width, color: a.color} }

// The colours that a sheet uses.
const (
	bold     = "1"
	dim      = "2"
	red      = "31"
	green    = "32"
	yellow   = "33"
	boldRed  = "1;31"
	boldGood = "1;32"
)

// paint colours a text; spaces around it do not matter.
func (s *sheet) paint(code, text string) string {
	if !s.color || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// line prints a line without spaces at its end.
func (s *sheet) line(format string, args ...any) {
	fmt.Fprintln(s.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// title begins a section.
func (s *sheet) title(text string) { s.line("\n%s", s.paint(bold, strings.ToUpper(text))) }

// labelWidth is the column in which values begin.
const labelWidth = 14

// item prints a label and its text, wrapped behind it.
func (s *sheet) item(label, text string) {
	lines := wrap(text, s.width-2-labelWidth)
	for i, one := range lines {
		if i > 0 {
			label = ""
		}
		s.line("  %s%s", s.paint(dim, padded(label, labelWidth)), one)
	}
}

// rule is a thin line under a sum.
func (s *sheet) rule(width int) { s.line("  %s", s.paint(dim, strings.Repeat("─", width))) }

// padded fills a text with spaces to a width in characters.
func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// wrap breaks a text at spaces into lines of at most width characters; a word
// that is longer stands alone.
func wrap(text string, width int) []string {
	lines, line := []string{}, ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// printable is an answer whose texts cannot steer the terminal: a space stands
// for each control character. An answer is JSON, so it survives being encoded.
func printable[T any](answer T) (T, error) {
	var clean T
	text, err := json.Marshal(answer)
	if err != nil {
		return clean, fmt.Errorf("encoding an answer: %w", err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return clean, fmt.Errorf("reading an answer: %w", err)
	}
	if text, err = json.Marshal(withoutControls(tree)); err != nil {
		return clean, fmt.Errorf("encoding an answer: %w", err)
	}
	if err := json.Unmarshal(text, &clean); err != nil {
		return clean, fmt.Errorf("reading an answer: %w", err)
	}
	return clean, nil
}

func withoutControls(tree any) any {
	switch node := tree.(type) {
	case string:
		return spaced(node)
	case []any:
		for i := range node {
			node[i] = withoutControls(node[i])
		}
	case map[string]any:
		for key, value := range node {
			delete(node, key)
			node[spaced(key)] = withoutControls(value)
		}
	}
	return tree
}

// spaced puts a space in the place of each control character.
func spaced(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// colorOf is the colour of a verdict.
func colorOf(v events.Verdict) string {
	switch v {
	case events.StrongBuy:
		return boldGood
	case events.Buy:
		return green
	case events.Sell:
		return red
	case events.StrongSell:
		return boldRed
	}
	return bold
}

// colorOfSign is green for what pulls up, red for what pulls down.
func colorOfSign(x float64) string {
	switch {
	case x > 0:
		return green
	case x < 0:
		return red
	}
	return dim
}
