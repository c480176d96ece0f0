package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// A submission is a checked request for a job, before defaults. Nil is what
// was not said. Its JSON is the canonical request whose SHA-256 tells a
// repetition from another request under the same key.
type submission struct {
	Tickers  []string        `json:"tickers,omitempty"` // canonical, distinct, in order
	Universe string          `json:"universe,omitempty"`
	Capital  *float64        `json:"capital,omitempty"`
	Strategy json.RawMessage `json:"strategy,omitempty"` // canonical document
	Risk     *float64        `json:"risk_percent,omitempty"`
	Limit    *float64        `json:"position_limit_percent,omitempty"`
	Reward   *float64        `json:"min_risk_reward,omitempty"`
	Bars     *int            `json:"bars,omitempty"`
	Deadline *time.Time      `json:"deadline,omitempty"`
	RetryOf  string          `json:"retry_of,omitempty"`
	Window   *windowRequest  `json:"backtest,omitempty"` // of a backtest, and only of one

	document strategy.Document // what Strategy says, or the default
	inline   bool              // Strategy came as a whole document
	recorded string            // the universe with its date, as the job records it
	warning  string            // about the universe: why its list is older than it should be
	origin   events.Origin
}

// parseSubmission reads the body of POST /api/v1/jobs. Errors are *Problem and
// name every wrong field and every illegal ticker with its place. A universe is
// resolved by accept.
func (s *Server) parseSubmission(body []byte, now time.Time) (submission, error) {
	return s.parseRequest(body, now, func(fields, *submission) {})
}

// parseRequest reads a submission; takeMore takes the fields that it has
// besides those of an analysis, whose names are more.
func (s *Server) parseRequest(body []byte, now time.Time, takeMore func(fields, *submission), more ...string) (submission, error) {
	f, err := readBody(body)
	if err != nil {
		return submission{}, err
	}
	f.only(append(more, "tickers", "universe", "capital", "strategy", "options", "deadline")...)
	sub := submission{origin: events.OriginAPI}
	sub.Capital = positive(f, "capital")
	s.takeStrategy(f, &sub)
	sub.takeOptions(f)
	if sub.Deadline = f.moment("deadline"); sub.Deadline != nil {
		if sub.Deadline.Before(now.Add(shortestDeadline)) || sub.Deadline.After(now.Add(longestDeadline)) {
			f.wrong("deadline", "must lie ahead, at most 30 days", sub.Deadline.Format(time.RFC3339))
		}
	}
	takeMore(f, &sub)
	sub.takeTickers(f)
	if len(*f.errs) > 0 {
		return submission{}, invalid(*f.errs)
	}
	return sub, nil
}

// takeOptions takes the numbers of a job that are not its strategy's.
func (s *submission) takeOptions(f fields) {
	options := f.object("options")
	options.only("risk_percent", "position_limit_percent", "min_risk_reward", "bars")
	s.Risk = options.number("risk_percent", minRiskPercent, maxRiskPercent)
	s.Limit = options.number("position_limit_percent", minLimitPercent, maxLimitPercent)
	s.Reward = options.number("min_risk_reward", 0, maxRiskReward)
	s.Bars = options.whole("bars", 1, maxBars)
	if s.Bars != nil && *s.Bars < s.document.MinBars {
		options.wrong("bars", fmt.Sprintf("must be at least the strategy's min_bars, %d", s.document.MinBars), "")
	}
}

// positive returns a capital: more than 0, at most maxCapital.
func positive(f fields, name string) *float64 {
	raw := f.raw(name)
	if raw == nil {
		return nil
	}
	var value float64
	if json.Unmarshal(raw, &value) != nil || !(value > 0 && value <= maxCapital) {
		f.wrong(name, fmt.Sprintf("must be a number above 0, at most %.0f", float64(maxCapital)), string(raw))
		return nil
	}
	return &value
}

// takeStrategy takes a strategy's name or a whole document. The document of
// sub is valid afterwards, whatever was wrong.
func (s *Server) takeStrategy(f fields, sub *submission) {
	sub.document, _ = strategy.Builtin(strategy.Default)
	raw := bytes.TrimSpace(f.raw("strategy"))
	if len(raw) == 0 {
		return
	}
	document, ok := strategy.Document{}, false
	if raw[0] == '"' {
		document, ok = s.takeStrategyName(f)
	} else {
		document, ok = takeDocument(f, raw)
		sub.inline = true
	}
	if !ok {
		return
	}
	sub.document, sub.Strategy = document, document.Canonical()
	if bytes.Contains(sub.Strategy, []byte(`\u0000`)) { // no database takes it: the job would be accepted and never recorded
		f.wrong("strategy", `must not hold \u0000`, "")
	}
}

// takeStrategyName takes a built-in strategy or one of the users' folder.
func (s *Server) takeStrategyName(f fields) (document strategy.Document, ok bool) {
	name := f.text("strategy")
	if name == nil {
		return document, false
	}
	document, _, err := s.strategyNamed(*name)
	switch {
	case errors.Is(err, folder.ErrUnknown):
		f.wrong("strategy", "is not a strategy that is known here; known are "+s.strategyNames()+"; or send a whole document", *name)
	case err != nil:
		f.wrong("strategy", "stands in a file that cannot be used: "+err.Error(), *name)
	}
	return document, err == nil
}

// takeDocument takes a whole document and reports each wrong field of it.
func takeDocument(f fields, raw json.RawMessage) (document strategy.Document, ok bool) {
	document, err := strategy.Parse(raw)
	var wrong *strategy.InvalidError
	if errors.As(err, &wrong) {
		for _, p := range wrong.Problems {
			name := "strategy"
			if p.Field != "" {
				name += "." + capped(p.Field)
			}
			f.wrong(name, p.Message, "")
		}
	}
	return document, err == nil
}

// checkName refuses a document that came whole under the name of another
// strategy: answers are asked for by that name, and would be this one's.
func (s *Server) checkName(sub submission) error {
	if !sub.inline {
		return nil
	}
	name := sub.document.Name
	known, origin, err := s.strategyNamed(name)
	if err != nil || known.Hash() == sub.document.Hash() {
		return nil // nobody has the name, or it is the very strategy
	}
	owner := "a built-in strategy"
	if origin == originFolder {
		owner = "a strategy of this server's folder"
	}
	return invalid([]FieldError{{
		Message:  "is the name of " + owner + " whose document is another; give yours another name",
		Location: "body.strategy.name", Value: capped(name),
	}})
}

func namesOf[T any](list []T, name func(T) string) string {
	names := make([]string, len(list))
	for i, one := range list {
		names[i] = name(one)
	}
	return strings.Join(names, ", ")
}

// takeTickers takes the tickers or the universe; exactly one of them.
func (s *submission) takeTickers(f fields) {
	universe, list := f.text("universe"), f.list("tickers")
	switch {
	case universe != nil && list != nil:
		f.wrong("universe", "excludes tickers; give one of them", *universe)
	case universe != nil:
		if s.Universe = *universe; s.Universe == "" {
			f.wrong("universe", "is empty; leave it out, or name one", "")
		}
	case list == nil:
		if f.raw("tickers") == nil && f.raw("universe") == nil {
			f.wrong("tickers", "is missing; give tickers or a universe", "")
		}
	case len(list) == 0:
		f.wrong("tickers", "is empty; give at least one ticker", "")
	case len(list) > maxTickers:
		f.wrong("tickers", fmt.Sprintf("has %d tickers; at most %d make a job", len(list), maxTickers), "")
	default:
		s.Tickers = parseTickers(f, "tickers", list, ticker.Parse)
	}
}

// parseTickers returns the distinct tickers of a list in their order and
// reports each illegal one with its place.
func parseTickers(f fields, name string, list []json.RawMessage, parse func(string) (string, error)) []string {
	seen := make(map[string]bool, len(list))
	tickers := make([]string, 0, len(list))
	for i, raw := range list {
		place := fmt.Sprintf("%s[%d]", name, i)
		var text string
		if json.Unmarshal(raw, &text) != nil || bytes.Equal(raw, []byte("null")) {
			f.wrong(place, "must be a string", string(raw))
			continue
		}
		canonical, err := parse(text)
		if err != nil {
			f.wrong(place, reasonOf(err), text)
			continue
		}
		if !seen[canonical] {
			seen[canonical] = true
			tickers = append(tickers, canonical)
		}
	}
	return tickers
}

// sha is the SHA-256 of the canonical request before defaults.
func (s submission) sha() (string, error) {
	canonical := s
	if canonical.Universe != "" {
		canonical.Tickers = nil // what was asked for is the name
	}
	text, err := json.Marshal(canonical)
	if err != nil {
		return "", fmt.Errorf("encoding a request: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// queued resolves every default and makes the event. Errors are *Problem.
func (s submission) queued(jobID string, now time.Time) (*events.JobQueued, error) {
	sha, err := s.sha()
	if err != nil {
		return nil, err
	}
	risk := s.document.Risk
	job := &events.JobQueued{
		JobID: jobID, Kind: events.KindAnalysis, Origin: s.origin, ParentJobID: s.RetryOf,
		Tickers: s.Tickers, Universe: s.recorded, Capital: or(s.Capital, defaultCapital),
		StrategyName: s.document.Name, StrategyHash: s.document.Hash(), Strategy: s.document.Canonical(),
		Options: events.Options{
			RiskPercent:          or(s.Risk, risk.RiskPercent),
			PositionLimitPercent: or(s.Limit, risk.PositionLimitPercent),
			MinRiskReward:        or(s.Reward, risk.MinRiskReward),
			Bars:                 max(or(s.Bars, defaultBars), s.document.MinBars),
		},
		Deadline: notBefore(or(s.Deadline, now.Add(defaultDeadline))), RequestSHA256: sha,
	}
	if s.Window != nil {
		job.Kind, job.Backtest = events.KindBacktest, s.Window.resolve(now)
	}
	size, err := json.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("encoding a job: %w", err)
	}
	if len(size) > maxQueued {
		return nil, problem(http.StatusRequestEntityTooLarge, "job_too_large",
			fmt.Sprintf("the job has %d bytes on the tape, at most %d are taken; make it two jobs", len(size), maxQueued))
	}
	return job, nil
}

// notBefore is t to the millisecond, which is what the database keeps of a
// time, and rounded up: no ticker fails before the deadline that was asked for.
func notBefore(t time.Time) time.Time {
	cut := t.UTC().Truncate(time.Millisecond)
	if cut.Before(t) {
		cut = cut.Add(time.Millisecond)
	}
	return cut
}

func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// newJobID is a fresh UUID of version 7, or with an idempotency key the UUID
// of version 8 that follows from tenant and key.
func newJobID(key string) (string, error) {
	if key == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return "", fmt.Errorf("making a job's id: %w", err)
		}
		return id.String(), nil
	}
	return KeyedJobID(key), nil
}

// KeyedJobID is the job that an idempotency key stands for.
func KeyedJobID(key string) string {
	sum := sha256.Sum256([]byte("default\x00" + key)) // the tenant, until keys exist
	var id uuid.UUID
	copy(id[:], sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// checkKey reports what is wrong with an Idempotency-Key, or nil.
func checkKey(key string) error {
	if len(key) > maxKey {
		return badQuery("header.idempotency-key", fmt.Sprintf("must have at most %d characters", maxKey), key)
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return badQuery("header.idempotency-key", "must be visible ASCII without spaces", "")
		}
	}
	return nil
}
