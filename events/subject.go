package events

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSubject says that a subject is not one of the tape's.
var ErrSubject = errors.New("not a subject of the tape")

const hexDigits = "0123456789ABCDEF"

// EncodeToken makes one subject token of any text: bytes outside [A-Za-z0-9_-]
// become %XX. Without it "BRK.B" would be two tokens and "*" a wildcard.
func EncodeToken(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 8)
	for i := range len(text) {
		c := text[i]
		if isPlain(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

// DecodeToken undoes EncodeToken. It refuses what EncodeToken never writes,
// so that encoding is a bijection.
func DecodeToken(token string) (string, error) {
	var b strings.Builder
	b.Grow(len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if isPlain(c) {
			b.WriteByte(c)
			continue
		}
		if c != '%' || i+2 >= len(token) {
			return "", fmt.Errorf("decoding token %.64q: %w", token, ErrSubject)
		}
		hi, lo := strings.IndexByte(hexDigits, token[i+1]), strings.IndexByte(hexDigits, token[i+2])
		if hi < 0 || lo < 0 || isPlain(byte(hi<<4|lo)) {
			return "", fmt.Errorf("decoding token %.64q: %w", token, ErrSubject)
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), nil
}

func isPlain(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// JobSubject is the subject of a job's event: what is queued, started, cancelled or completed.
func JobSubject(jobID, what string) string {
	return "tape.job." + EncodeToken(jobID) + "." + what
}

// TickerSubject is the subject of a ticker's outcome: what is analyzed or
// failed, or "*" for the filter under which a ticker has one outcome for ever.
func TickerSubject(jobID, ticker, what string) string {
	return "tape.ticker." + EncodeToken(jobID) + "." + EncodeToken(ticker) + "." + what
}

// ParseSubject takes a subject of the tape apart. ticker is empty for job events.
func ParseSubject(subject string) (jobID, ticker, what string, err error) {
	tokens := strings.Split(subject, ".")
	switch {
	case len(tokens) == 4 && tokens[0] == "tape" && tokens[1] == "job":
		jobID, err = DecodeToken(tokens[2])
		return jobID, "", tokens[3], err
	case len(tokens) == 5 && tokens[0] == "tape" && tokens[1] == "ticker":
		if jobID, err = DecodeToken(tokens[2]); err != nil {
			return "", "", "", err
		}
		ticker, err = DecodeToken(tokens[3])
		return jobID, ticker, tokens[4], err
	}
	return "", "", "", fmt.Errorf("parsing %.128q: %w", subject, ErrSubject)
}
