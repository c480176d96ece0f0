package events

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanText makes text from outside (a provider's answer, an error) fit to
// stand in an event: valid UTF-8, one line, without control characters, at
// most MaxTextBytes, cut at a whole character with an ellipsis.
func CleanText(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) <= MaxTextBytes {
		return text
	}
	const ellipsis = "…"
	cut := MaxTextBytes - len(ellipsis)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}

// hasNUL reports whether a JSON text holds the escape of U+0000, which
// PostgreSQL cannot keep in a text: such an event could be recorded in one
// database and not in the other.
func hasNUL(body []byte) bool {
	for {
		i := bytes.Index(body, []byte(`\u0000`))
		if i < 0 {
			return false
		}
		slashes := 0
		for slashes < i && body[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 { // an odd number before it makes this backslash an escaped one
			return true
		}
		body = body[i+1:]
	}
}
