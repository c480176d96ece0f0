// Package ticker says what a ticker is: its grammar, its canonical spelling,
// the exchange behind its suffix, and the built-in universes.
//
// A ticker is the whole name with its exchange suffix ("TCS.NS", "AAPL"); a
// symbol is the name on its exchange ("TCS"). The package is pure.
package ticker

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// ErrIllegal is what every *Error matches with errors.Is.
var ErrIllegal = errors.New("illegal ticker")

// An Error says why a text is not a ticker.
type Error struct {
	Value  string // the text as given, cut to MaxShown runes, valid UTF-8
	Reason string // what is illegal and what would be legal
}

// Error implements error: `illegal ticker "VALUE": reason`.
func (e *Error) Error() string {
	return fmt.Sprintf("%v %q: %s", ErrIllegal, e.Value, e.Reason)
}

// Is reports whether target is ErrIllegal.
func (e *Error) Is(target error) bool { return target == ErrIllegal }

// Parse returns the canonical ticker that text names: trimmed, NFKC, upper
// case, an exchange prefix turned into its suffix ("NSE:TCS" into "TCS.NS",
// "BSE:TCS" into "TCS.BO") or, for one of the US, dropped ("NASDAQ:AAPL" is
// "AAPL", "NYSE:BRK.B" is "BRK-B"). It never guesses an exchange. The result
// matches ^[A-Z0-9^][A-Z0-9.&^=_/-]{0,31}$ and is a fixed point of Parse. Errors
// are *Error.
func Parse(text string) (string, error) {
	if len(text) > maxInput {
		return "", illegal(text, tooLong)
	}
	name := strings.TrimSpace(strings.ToUpper(norm.NFKC.String(strings.TrimSpace(text))))
	if prefix, rest, found := strings.Cut(name, ":"); found {
		var reason string
		if name, reason = fromPrefix(prefix, rest); reason != "" {
			return "", illegal(text, reason)
		}
	}
	if reason := check(name); reason != "" {
		return "", illegal(text, reason)
	}
	return name, nil
}

// FromSymbol returns the ticker that a symbol of the predecessor's routes
// names: as Parse, with ".NS" added where there is neither a "." nor a prefix.
// Indices (^NSEI) and currency pairs (USDINR=X) have no exchange suffix and get
// none. Errors are *Error.
func FromSymbol(symbol string) (string, error) {
	name, err := Parse(symbol)
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(name, ".^=") {
		return name, nil
	}
	if len(name)+len(".NS") > MaxLength {
		return "", illegal(symbol, tooLong)
	}
	return name + ".NS", nil
}

// Symbol returns ticker without its exchange suffix: "TCS" for "TCS.NS". A
// suffix that names no known exchange is part of the symbol ("BRK.B").
func Symbol(ticker string) string {
	for _, suffix := range [...]string{".NS", ".BO"} {
		if len(ticker) > len(suffix) && strings.HasSuffix(ticker, suffix) {
			return strings.TrimSuffix(ticker, suffix)
		}
	}
	return ticker
}

// prefixes maps the exchange prefixes that users type to suffixes; those of the
// US have none. It is a constant table.
var prefixes = map[string]string{"NSE": ".NS", "BSE": ".BO", "NASDAQ": "", "NYSE": "", "AMEX": ""}

// fromPrefix returns the ticker that rest names on the exchange prefix, or why
// there is none. The grammar of rest is not looked at.
func fromPrefix(prefix, rest string) (name, reason string) {
	suffix, known := prefixes[prefix]
	if !known {
		return "", `the exchange before ":" is not known; known are NSE: BSE: NASDAQ: NYSE: and AMEX:`
	}
	for _, other := range prefixes {
		if other != "" && other != suffix && strings.HasSuffix(rest, other) {
			return "", fmt.Sprintf("the prefix %s: contradicts the suffix %s", prefix, other)
		}
	}
	name = strings.TrimSuffix(rest, suffix)
	if name == "" {
		return "", "nothing follows the exchange's prefix"
	}
	if suffix != "" {
		return name + suffix, ""
	}
	// A US share class is written with a hyphen: what follows a dot is an exchange.
	if i := len(name) - 2; i > 0 && name[i] == '.' {
		name = name[:i] + "-" + name[i+1:]
	}
	if ExchangeOf(name).MIC != "XNYS" {
		return "", fmt.Sprintf("after %s: a plain US ticker is wanted, such as IBM or BRK.B", prefix)
	}
	return name, ""
}

// tooLong is the reason for a text past MaxLength.
const tooLong = "longer than 32 characters"

// check returns what is illegal in the canonical spelling name, or "".
func check(name string) string {
	if name == "" {
		return "it is empty"
	}
	if utf8.RuneCountInString(name) > MaxLength {
		return tooLong
	}
	for i, r := range name {
		if i == 0 && !first(r) {
			return fmt.Sprintf("it begins with %q; legal are A-Z, 0-9 and ^", r)
		}
		if !first(r) && !strings.ContainsRune(".&=_/-", r) {
			return fmt.Sprintf("%q at place %d; legal are A-Z, 0-9 and . & ^ = _ / -", r, i+1)
		}
	}
	return ""
}

// first reports whether r may begin a ticker.
func first(r rune) bool {
	return 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '^'
}

// illegal returns the *Error for value, cut so that an answer that quotes it
// stays small.
func illegal(value, reason string) error {
	value = strings.ToValidUTF8(value[:min(len(value), maxInput)], "\uFFFD")
	if runes := []rune(value); len(runes) > MaxShown {
		value = string(runes[:MaxShown]) + "…"
	}
	return &Error{Value: value, Reason: reason}
}
