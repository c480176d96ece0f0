// Package yahootest is a local server that behaves like Yahoo's chart endpoint,
// its bad days included: the same JSON, invented prices for any ticker, sessions
// by the exchanges' calendars, a live bar while a session is open, splits and
// dividends, refusals that are no JSON and stick, faults, outage pages, hangs.
// What happened to which request, and when, is in its log.
package yahootest

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Kind is how a request is answered.
type Kind string

// The kinds of answers. All but NoAgent can be planned.
const (
	OK          Kind = "ok"
	RateLimited Kind = "429"         // text, and for Config.Sticky everything after it
	ServerError Kind = "500"         // text
	BadGateway  Kind = "502"         // an HTML page
	Garbage     Kind = "garbage"     // 200 and JSON that breaks off into noise
	Outage      Kind = "outage"      // 200 and the page that says 'Will be right back'
	Consent     Kind = "consent"     // 200 and an HTML page to agree to something
	Truncated   Kind = "truncated"   // the connection ends within the body
	Reset       Kind = "reset"       // the connection is reset instead of an answer
	Hang        Kind = "hang"        // nothing, until the client leaves
	NotFound    Kind = "404"         // as for an unknown ticker, though it may be known
	BadRequest  Kind = "400"         // JSON error
	Unprocessed Kind = "422"         // JSON error
	NoRange     Kind = "400 range"   // JSON error that says that there is nothing in the range
	Redirect    Kind = "redirect"    // 302 to Config.RedirectTo
	Denied      Kind = "999"         // the older refusal
	Blocked     Kind = "403"         // an HTML page
	Huge        Kind = "huge"        // JSON without an end in sight, above 16 MB
	Empty       Kind = "empty"       // 200, a chart without a range
	ErrorInside Kind = "200 error"   // 200 with an error in the JSON
	NoAgent     Kind = "429 (agent)" // what a client meets that does not look like a browser
)

// A Fault is a kind of answer and the requests that meet it. The requests are
// counted for each ticker, from 1.
type Fault struct {
	Symbol      string // as Yahoo spells it; empty: every ticker's
	First, Last int    // 0: from the first; 0: without an end
	Kind        Kind
}

// A Chance is how likely a request meets a kind, by the server's seed.
type Chance struct {
	Kind  Kind
	Share float64 // 0..1
}

// A Quota trips the refusals that stick: more than Requests within Per.
type Quota struct {
	Requests int
	Per      time.Duration
}

// A Split is a split of a ticker: Numerator shares became of Denominator.
type Split struct {
	Date                   time.Time // a session, midnight UTC
	Numerator, Denominator float64
	LeftIn                 bool // reported, but not taken out of the prices before
}

// A Dividend is what a share was paid.
type Dividend struct {
	Date   time.Time // a session, midnight UTC
	Amount float64
}

// Config says what the server has and how it behaves. The zero value is a
// server that has every ticker and no bad days.
type Config struct {
	// Now is the server's clock, by which sessions are open or closed and answers
	// are dated; nil means time.Now. The log and what sticks go by the machine's own.
	Now func() time.Time
	// Seed is what chances and prices are drawn from.
	Seed uint64
	// First is the date of the first session; zero means the start of 2016.
	First time.Time
	// Unknown says which tickers are not there; nil means none.
	Unknown func(symbol string) bool
	// Bars replaces the invented prices of the tickers named. Dates are
	// sessions, midnight UTC; nil values are nulls.
	Bars map[string][]Bar
	// Splits and Dividends are those of the tickers named.
	Splits    map[string][]Split
	Dividends map[string][]Dividend
	// NullToday shows today as a row of nulls before its session opens.
	NullToday bool
	// RepeatToday shows today twice once its session is open.
	RepeatToday bool

	// Plan and Chances are the bad days: the first fault of the plan that a
	// request meets, else one of the chances, which should sum below 1.
	Plan    []Fault
	Chances []Chance
	// Sticky is how long everything is refused after a RateLimited.
	Sticky time.Duration
	// Quota, when set, is what a client may ask before it is refused.
	Quota *Quota
	// RetryAfter is sent as the header with refusals, when set.
	RetryAfter string
	// RedirectTo is where a Redirect leads; empty means Yahoo's consent page.
	RedirectTo string
	// Edit changes a chart before it is written, to make an answer odd.
	Edit func(symbol string, c *Chart)
}

// A Request is a line of the log.
type Request struct {
	At        time.Time // when it came, by the machine's clock
	Symbol    string    // unescaped
	Path      string    // as it came, escaped
	Query     url.Values
	UserAgent string
	Encoding  string // what the client accepts
	Answer    Kind
}

// A Server is the stand-in for Yahoo. It is safe for concurrent use.
type Server struct {
	// URL is the base address for yahoo.Config.BaseURLs.
	URL string

	cfg    Config
	server *http.Server
	walks  walks
	closed chan struct{}

	mu     sync.Mutex // guards what follows
	log    []Request
	calls  map[string]int
	random *rand.Rand
	stuck  time.Time // refuses everything until then
}

// New starts a server that ends with the test.
func New(tb testing.TB, cfg Config) *Server {
	tb.Helper()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.First.IsZero() {
		cfg.First = time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if cfg.RedirectTo == "" {
		cfg.RedirectTo = "https://consent.yahoo.com/v2/collectConsent"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{
		URL: "http://" + listener.Addr().String(), cfg: cfg, closed: make(chan struct{}),
		calls: map[string]int{}, random: rand.New(rand.NewPCG(cfg.Seed, 1)), walks: walks{cfg: cfg},
	}
	s.server = &http.Server{Handler: s}
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(listener) }()
	tb.Cleanup(func() {
		close(s.closed) // ends the hangs
		if err := s.server.Close(); err != nil {
			tb.Errorf("closing the stand-in for Yahoo: %v", err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			tb.Errorf("serving the stand-in for Yahoo: %v", err)
		}
	})
	return s
}

// Requests returns the log, in the order in which requests came.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Calls is how many requests for a ticker, as Yahoo spells it, have come.
func (s *Server) Calls(symbol string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[symbol]
}

// Counts is how many requests were answered in which way.
func (s *Server) Counts() map[Kind]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[Kind]int{}
	for _, r := range s.log {
		counts[r.Answer]++
	}
	return counts
}

// Busiest is the most requests that came within any window of that length.
func (s *Server) Busiest(window time.Duration) int {
	log := s.Requests()
	most, first := 0, 0
	for i := range log {
		for log[i].At.Sub(log[first].At) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// Clear forgets the log and the counts of requests; what sticks still does.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.calls = nil, map[string]int{}
}

// meet notes a request and decides what it meets.
func (s *Server) meet(r *http.Request, symbol string) Kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.calls[symbol]++
	kind := s.kind(r, symbol, now)
	if kind == RateLimited && s.cfg.Sticky > 0 && now.After(s.stuck) {
		s.stuck = now.Add(s.cfg.Sticky)
	}
	s.log = append(s.log, Request{
		At: now, Symbol: symbol, Path: r.URL.EscapedPath(), Query: r.URL.Query(), UserAgent: r.UserAgent(),
		Encoding: r.Header.Get("Accept-Encoding"), Answer: kind,
	})
	return kind
}

// kind is called with mu held.
func (s *Server) kind(r *http.Request, symbol string, now time.Time) Kind {
	draw := s.random.Float64() // for every request, so that the sequence is the seed's alone
	if !strings.HasPrefix(r.UserAgent(), "Mozilla/5.0") {
		return NoAgent
	}
	if now.Before(s.stuck) || s.overQuota(now) {
		return RateLimited
	}
	for _, fault := range s.cfg.Plan {
		call := s.calls[symbol]
		if (fault.Symbol == "" || fault.Symbol == symbol) && call >= fault.First && (fault.Last == 0 || call <= fault.Last) {
			return fault.Kind
		}
	}
	for _, chance := range s.cfg.Chances {
		if draw -= chance.Share; draw < 0 {
			return chance.Kind
		}
	}
	if s.cfg.Unknown != nil && s.cfg.Unknown(symbol) {
		return NotFound
	}
	return OK
}

// overQuota is called with mu held.
func (s *Server) overQuota(now time.Time) bool {
	if s.cfg.Quota == nil {
		return false
	}
	n := 0
	for i := len(s.log) - 1; i >= 0 && now.Sub(s.log[i].At) < s.cfg.Quota.Per; i-- {
		n++
	}
	return n >= s.cfg.Quota.Requests
}
