package nse

import (
	"strings"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A date is a session's calendar date, in days since 1970-01-01.
type date int32

const secondsPerDay = 24 * 60 * 60

func dateOf(t time.Time) date {
	year, month, day := t.Date()
	return date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

func (d date) time() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

func (d date) String() string { return d.time().Format(time.DateOnly) }

// The names that the exchange gives its files. udiffFrom is the first session
// whose file has the new name.
const (
	udiffPrefix  = "BhavCopy_NSE_CM_0_0_0_"
	udiffSuffix  = "_F_0000.csv"
	legacyPrefix = "cm"
	legacySuffix = "bhav.csv"
	zipSuffix    = ".zip"
	// absentPrefix is that of the empty-but-for-a-word files that say that the
	// exchange has no file for a date.
	absentPrefix = "no-session-"
	absentSuffix = ".txt"
)

var udiffFrom = dateOf(time.Date(2024, 7, 8, 0, 0, 0, 0, time.UTC))

// fileDate says which session a file's name is of, and how good the name is
// where several are of one: the new format before the old, plain before packed.
func fileDate(name string) (d date, rank int, ok bool) {
	stem, packed := strings.CutSuffix(name, zipSuffix)
	if packed {
		rank = 1
	}
	if text, ok := between(stem, udiffPrefix, udiffSuffix); ok {
		t, err := time.Parse("20060102", text)
		return dateOf(t), rank, err == nil
	}
	if text, ok := between(stem, legacyPrefix, legacySuffix); ok && len(text) == len("02Jan2006") {
		t, err := time.Parse("02Jan2006", text)
		return dateOf(t), rank + 2, err == nil
	}
	return 0, 0, false
}

// absentDate is the date of a file that marks a date without a session.
func absentDate(name string) (date, bool) {
	text, ok := between(name, absentPrefix, absentSuffix)
	if !ok {
		return 0, false
	}
	t, err := time.Parse(time.DateOnly, text)
	return dateOf(t), err == nil
}

func absentName(d date) string { return absentPrefix + d.String() + absentSuffix }

func between(text, prefix, suffix string) (string, bool) {
	text, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(text, suffix)
}

// FileName is the name of a session's file as the exchange publishes it.
func FileName(session time.Time) string { return fileName(dateOf(session)) }

func fileName(d date) string {
	if d >= udiffFrom {
		return udiffPrefix + d.time().Format("20060102") + udiffSuffix + zipSuffix
	}
	return legacyPrefix + strings.ToUpper(d.time().Format("02Jan2006")) + legacySuffix + zipSuffix
}

// FilePath is where the exchange's server keeps a session's file.
func FilePath(session time.Time) string {
	d := dateOf(session)
	if d >= udiffFrom {
		return "/content/cm/" + fileName(d)
	}
	return "/content/historical/EQUITIES/" + strings.ToUpper(d.time().Format("2006/Jan")) + "/" + fileName(d)
}

const tickerSuffix = ".NS"

// symbols numbers the symbols (or ISINs) that were met, so that a row holds a
// number instead of a text. It only grows, up to maxSymbols.
type symbols struct {
	mu    sync.RWMutex // guards what follows
	ids   map[string]uint32
	texts []string
}

func newSymbols() *symbols { return &symbols{ids: map[string]uint32{}} }

// id numbers text, from 0, if it is known or legal.
func (s *symbols) id(text string, legal func(string) bool) (id uint32, ok bool) {
	if id, ok := s.find(text); ok || !legal(text) {
		return id, ok
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.ids[text]; ok {
		return id, true
	}
	if len(s.texts) == maxSymbols {
		return 0, false
	}
	text = strings.Clone(text) // it is a part of a whole file
	id = uint32(len(s.texts))
	s.ids[text] = id
	s.texts = append(s.texts, text)
	return id, true
}

// legalSymbol reports whether text may be a ticker's symbol: nobody can ask for
// another.
func legalSymbol(text string) bool { return market.LegalTicker(text + tickerSuffix) }

// legalISIN reports whether text is as long as one, or is none.
func legalISIN(text string) bool { return len(text) <= len("INE000000001") }

func (s *symbols) find(text string) (uint32, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, ok := s.ids[text]
	return id, ok
}

// text is what id numbers.
func (s *symbols) text(id uint32) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.texts[id]
}

func (s *symbols) len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.texts)
}
