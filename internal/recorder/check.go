package recorder

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// This file decides whether an event can be recorded, by rules that are
// stricter than either database: what one would refuse (NUL in PostgreSQL) or
// the tables' constraints forbid never reaches them. Checks return why the
// event is poison, or nothing; they bring legal values to their one form (-0 to
// 0, times to UTC milliseconds, missing lists to empty ones).

const notListed = "the job's list does not hold this ticker"

// checkID takes any short printable text: ids are opaque.
func checkID(id string) string {
	if id == "" || len(id) > maxIDBytes {
		return fmt.Sprintf("job id of %d bytes: it must have 1 to %d", len(id), maxIDBytes)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return "job id with bytes that are not printable ASCII"
		}
	}
	return ""
}

func checkQueued(data *events.JobQueued) string {
	if n := len(data.Tickers); n < 1 || n > maxJobTickers {
		return fmt.Sprintf("tickers: %d of them, a job has 1 to %d", n, maxJobTickers)
	}
	if reason := checkTickers(data.Tickers); reason != "" {
		return reason
	}
	if len(data.Strategy) > maxStrategy || !utf8.Valid(data.Strategy) || !json.Valid(data.Strategy) ||
		strings.Contains(string(data.Strategy), `\u0000`) {
		return fmt.Sprintf("strategy: not a JSON document of at most %d bytes in UTF-8 without NUL", maxStrategy)
	}
	tickers, strategy := data.Tickers, data.Strategy
	data.Tickers, data.Strategy = nil, nil // checked above, by limits of their own
	err := normalize(reflect.ValueOf(data).Elem())
	data.Tickers, data.Strategy = tickers, strategy
	switch {
	case err != nil:
		return err.Error()
	case data.Kind != events.KindAnalysis && data.Kind != events.KindBacktest:
		return fmt.Sprintf("kind: %.64q is not known", data.Kind)
	case !knownOrigin(data.Origin):
		return fmt.Sprintf("origin: %.64q is not known", data.Origin)
	case data.Capital <= 0:
		return "capital: must be above 0"
	case data.Options.Bars < 0 || data.Options.Bars > maxBarsOfOption:
		return fmt.Sprintf("options.bars: %d is not in 0..%d", data.Options.Bars, maxBarsOfOption)
	case data.Deadline.IsZero():
		return "deadline: missing"
	}
	return checkWindow(data)
}

func checkTickers(tickers []string) string {
	seen := make(map[string]bool, len(tickers))
	for i, name := range tickers {
		canonical, err := ticker.Parse(name)
		switch {
		case err != nil:
			return fmt.Sprintf("tickers[%d]: %v", i, err)
		case canonical != name || len(name) > maxTickerBytes:
			return fmt.Sprintf("tickers[%d]: %.64q is not canonical", i, name)
		case seen[name]:
			return fmt.Sprintf("tickers[%d]: %s stands twice in the list", i, name)
		}
		seen[name] = true
	}
	return ""
}

func checkAnalyzed(data *events.TickerAnalyzed, j *job) string {
	if err := normalize(reflect.ValueOf(data).Elem()); err != nil {
		return err.Error()
	}
	report := &data.Report
	day, err := time.Parse(time.DateOnly, report.TradingDay)
	switch {
	case err != nil || day.Year() < firstLegalYear:
		return fmt.Sprintf("report.trading_day: %.64q is not a date", report.TradingDay)
	case !knownVerdict(report.Verdict):
		return fmt.Sprintf("report.verdict: %.64q is not known", report.Verdict)
	case math.Abs(report.Score) > 1:
		return "report.score: not in -1..1"
	case report.Coverage < 0 || report.Coverage > 1:
		return "report.coverage: not in 0..1"
	case report.Lineage.Bars < 0:
		return "report.lineage.bars: below 0"
	case data.Kind != events.KindAnalysis:
		return fmt.Sprintf("kind: %.64q, the type is of kind %q", data.Kind, events.KindAnalysis)
	}
	return checkDone(data.Kind, data.StrategyName, data.StrategyHash, data.Attempts, j)
}

func checkDone(kind events.Kind, name, hash string, attempts int, j *job) string {
	if hash != j.row.StrategyHash || name != j.row.StrategyName {
		return fmt.Sprintf("strategy %.64q (%.64q): the job's is %q (%q)", name, hash, j.row.StrategyName, j.row.StrategyHash)
	}
	return checkAttempt(kind, attempts, j)
}

func checkFailed(data *events.TickerFailed, j *job) string {
	data.Message = legible(data.Message, maxTextBytes) // why it failed matters more than how it was spelled
	if err := normalize(reflect.ValueOf(data).Elem()); err != nil {
		return err.Error()
	}
	return checkAttempt(data.Kind, data.Attempts, j)
}

func checkAttempt(kind events.Kind, attempts int, j *job) string {
	switch {
	case kind != j.row.Kind:
		return fmt.Sprintf("kind: %.64q, the job is of kind %q", kind, j.row.Kind)
	case attempts < 0 || attempts > maxAttempts:
		return fmt.Sprintf("attempts: %d is not in 0..%d", attempts, maxAttempts)
	}
	return ""
}

func knownOrigin(origin events.Origin) bool {
	switch origin {
	case events.OriginAPI, events.OriginWatchlist, events.OriginSchedule, events.OriginRetry, events.OriginImport:
		return true
	}
	return false
}

func knownVerdict(verdict events.Verdict) bool {
	switch verdict {
	case events.StrongBuy, events.Buy, events.Hold, events.Sell, events.StrongSell:
		return true
	}
	return false
}

// normalize walks the body of an event: refuses numbers that are not finite,
// texts that are not UTF-8, hold a NUL or are too long, lists that are too
// long, and years that the databases do not share; and brings the rest to its
// one form. Reflection, because a check by hand would miss the next field.
func normalize(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Struct:
		return normalizeStruct(v)
	case reflect.Float64:
		return normalizeFloat(v)
	case reflect.String:
		return checkText(v.String(), maxTextBytes)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return normalize(v.Elem())
	case reflect.Slice:
		return normalizeList(v)
	case reflect.Map:
		return normalizeMap(v)
	}
	return nil
}

var timeType = reflect.TypeFor[time.Time]()

func normalizeStruct(v reflect.Value) error {
	if v.Type() == timeType {
		at := v.Interface().(time.Time)
		if at.IsZero() {
			v.Set(reflect.ValueOf(time.Time{}))
			return nil
		}
		if at = at.UTC().Truncate(time.Millisecond); at.Year() < firstLegalYear || at.Year() > lastLegalYear {
			return fmt.Errorf("the year %d is not in %d..%d", at.Year(), firstLegalYear, lastLegalYear)
		}
		v.Set(reflect.ValueOf(at))
		return nil
	}
	for i := range v.NumField() {
		if err := normalize(v.Field(i)); err != nil {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func normalizeFloat(v reflect.Value) error {
	f := v.Float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%v is not a finite number", f)
	}
	if f == 0 {
		v.SetFloat(0) // -0 and 0 are one number, but two texts in a dump
	}
	return nil
}

func normalizeList(v reflect.Value) error {
	if v.Len() > maxListLength {
		return fmt.Errorf("%d elements, at most %d are legal", v.Len(), maxListLength)
	}
	if v.IsNil() {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	for i := range v.Len() {
		if err := normalize(v.Index(i)); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func normalizeMap(v reflect.Value) error {
	if v.Len() > maxListLength {
		return fmt.Errorf("%d elements, at most %d are legal", v.Len(), maxListLength)
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	keys := v.MapKeys()
	sort.Slice(keys, func(a, b int) bool { return keys[a].String() < keys[b].String() }) // the reason must not depend on their order
	for _, key := range keys {
		if err := checkText(key.String(), maxNameBytes); err != nil {
			return err
		}
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(key))
		if err := normalize(value); err != nil {
			return fmt.Errorf("%q: %w", key.String(), err)
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

func checkText(text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("%d bytes, at most %d are legal", len(text), most)
	case !utf8.ValidString(text):
		return fmt.Errorf("not UTF-8")
	case strings.ContainsRune(text, 0):
		return fmt.Errorf("holds a NUL")
	}
	return nil
}

// legible makes any text one that both databases take: what is not UTF-8 and
// NUL become U+FFFD, and it is cut at a character's end to at most so many bytes.
func legible(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
