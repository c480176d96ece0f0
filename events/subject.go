package events

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrSubject says that a subject is not one of the tape's.
var ErrSubject = errors.New("not a subject of the tape")

// whats is the last token of the subject of each type.
var whats = map[Type]string{
	TypeJobQueued:        "queued",
	TypeJobStarted:       "started",
	TypeJobCancelled:     "cancelled",
	TypeJobCompleted:     "completed",
	TypeTickerAnalyzed:   "analyzed",
	TypeTickerFailed:     "failed",
	TypeTickerBacktested: "backtested",
}

func typeNames() string {
	var names []string
	for _, t := range Types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

const hexDigits = "0123456789ABCDEF"

// EncodeToken makes one subject token of any text: bytes outside [A-Za-z0-9_-]
// become %XX. Without it "BRK.B" would be two tokens and "*" a wildcard. The
// empty text has no token: it gives "", which DecodeToken refuses.
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
// so that encoding is a bijection; and the empty token, which no subject has.
func DecodeToken(token string) (string, error) {
	if token == "" {
		return "", fmt.Errorf("decoding an empty token: %w", ErrSubject)
	}
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

// TickerSubject is the subject of a ticker's outcome: what is analyzed,
// backtested or failed, or "*" for the filter under which a ticker has one outcome for ever.
func TickerSubject(jobID, ticker, what string) string {
	return "tape.ticker." + EncodeToken(jobID) + "." + EncodeToken(ticker) + "." + what
}

// ParseSubject takes a subject of the tape apart. ticker is empty for job
// events. what may be a word that this program does not know.
func ParseSubject(subject string) (jobID, ticker, what string, err error) {
	tokens := strings.Split(subject, ".")
	isJob := len(tokens) == 4 && tokens[1] == "job"
	isTicker := len(tokens) == 5 && tokens[1] == "ticker"
	if tokens[0] != "tape" || !isJob && !isTicker {
		return "", "", "", fmt.Errorf("parsing %.128q: %w", subject, ErrSubject)
	}
	what = tokens[len(tokens)-1]
	if plain, err := DecodeToken(what); err != nil || plain != what {
		return "", "", "", fmt.Errorf("parsing %.128q: %w", subject, ErrSubject)
	}
	if jobID, err = DecodeToken(tokens[2]); err != nil {
		return "", "", "", err
	}
	if isTicker {
		if ticker, err = DecodeToken(tokens[3]); err != nil {
			return "", "", "", err
		}
	}
	return jobID, ticker, what, nil
}

// FilterSubjects gives the subjects under which a subscriber finds events of
// these types, of one ticker if it is not empty. No type means all of them;
// with a ticker, all of the ticker's. Events of a job name no ticker: a type
// of theirs beside a ticker is refused, as is a type that v1 does not have.
func FilterSubjects(types []Type, ticker string) ([]string, error) {
	token := "*"
	if ticker != "" {
		token = EncodeToken(ticker)
	}
	if len(types) == 0 {
		if ticker == "" {
			return []string{"tape.>"}, nil
		}
		return []string{"tape.ticker.*." + token + ".*"}, nil
	}
	var subjects []string
	for _, t := range types {
		what, ok := whats[t]
		if !ok {
			return nil, fmt.Errorf("filtering by %.64q: no type of v1, which are %s", t, typeNames())
		}
		subject := "tape.ticker.*." + token + "." + what
		if t != TypeTickerAnalyzed && t != TypeTickerBacktested && t != TypeTickerFailed {
			if ticker != "" {
				return nil, fmt.Errorf("filtering by ticker %.64q: %s has no ticker; leave one of them out", ticker, t)
			}
			subject = "tape.job.*." + what
		}
		if !slices.Contains(subjects, subject) {
			subjects = append(subjects, subject)
		}
	}
	return subjects, nil
}
