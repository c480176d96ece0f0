package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/universe"
)

// fuzzNow is the time of every fuzzed request.
var fuzzNow = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// A noTape has no event.
type noTape struct{ stored []events.Event }

func (n *noTape) Publish(_ context.Context, event events.Event) (uint64, error) {
	n.stored = append(n.stored, event)
	return uint64(len(n.stored)), nil
}

func (*noTape) JobEvent(context.Context, string, string) (events.Recorded, error) {
	return events.Recorded{}, stream.ErrNotFound
}

func (*noTape) State(context.Context) (stream.TapeState, error) {
	return stream.TapeState{Stream: "TAPE", Created: fuzzNow, First: 1}, nil
}

// A recordedAll has what min_seq can ask for, so that nothing waits.
type recordedAll struct{ store.Reading }

func (r recordedAll) Position(ctx context.Context) (store.Position, error) {
	position, err := r.Reading.Position(ctx)
	position.Seq = math.MaxUint64
	return position, err
}

// fuzzServer is an api without a network over a database in memory, in which
// stand the events of a tape.
func fuzzServer(tb testing.TB, tape *noTape, recorded ...events.Data) *Server {
	tb.Helper()
	ctx := context.Background()
	w := memory.New(func() time.Time { return fuzzNow }).OpenWriter()
	if err := w.Migrate(ctx, func(string) {}); err != nil {
		tb.Fatal(err)
	}
	if len(recorded) > 0 {
		lease, err := w.Acquire(ctx, "x", time.Hour)
		if err != nil {
			tb.Fatal(err)
		}
		if err := w.Commit(ctx, lease, store.Position{Stream: "TAPE", Created: fuzzNow, Seq: uint64(len(recorded)), Anchor: "x"}, folded(tb, recorded...)); err != nil {
			tb.Fatal(err)
		}
	}
	offline := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no network") })}
	clock := func() time.Time { return fuzzNow }
	return New(Config{
		Tape: tape, Reader: recordedAll{w.Reading()}, Clock: clock,
		Universes: universe.Open(universe.Config{Now: clock, HTTP: offline}),
		Limits:    Limits{SubmitRate: 1e9, SubmitBurst: math.MaxInt32},
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// folded are the rows of events, none of which may be set aside.
func folded(tb testing.TB, datas ...events.Data) store.Changes {
	tb.Helper()
	var batch []recorder.Entry
	for i, data := range datas {
		msg, err := events.Encode(events.New(source, fuzzNow, data))
		if err != nil {
			tb.Fatalf("what was accepted cannot be put on the tape: %v", err)
		}
		batch = append(batch, recorder.Read(stream.Message{Subject: msg.Subject, Header: msg.Header, Data: msg.Data, Seq: uint64(i + 1), At: fuzzNow}))
	}
	p := recorder.NewProjection()
	p.Learn(p.Missing(batch), nil)
	changes := p.Fold(batch)
	if len(changes.Poison) > 0 {
		tb.Fatalf("what was accepted is set aside: %s", changes.Poison[0].Reason)
	}
	return changes
}

// FuzzSubmit: whatever is posted as a job or a backtest is refused with its
// wrong fields, or is a job that the tape takes, comes back from it as it was
// and is recorded; the same request is the same to its hash.
func FuzzSubmit(f *testing.F) {
	for _, body := range []string{
		`{"tickers":["TCS.NS","m&m.ns"],"capital":1e5,"strategy":"balanced","options":{"risk_percent":1,"position_limit_percent":20,"min_risk_reward":1.5,"bars":400},"deadline":"2026-11-26T00:00:00Z"}`,
		`{"universe":"nifty50"}`, `{"tickers":["A"],"from":"2025-01-01","to":"2026-01-01","cost_percent":0.1,"slippage_percent":0}`,
		`{"tickers":["A"],"strategy":{"name":"mine","indicators":{"rsi":{"period":7}},"buy":{"above":0.2}}}`,
		`{"tickers":["A"],"strategy":{"name":"a\u0000b"}}`, `{"tickers":["A"],"strategy":{"name":"\ud800"}}`,
		`{"tickers":["\u0000","=1+1","../x",7,null,"A","a"]}`, `{"tickers":[],"universe":"","capital":-0,"deadline":"x"}`,
		`{"tickers":["A"],"tickers":["B"]}`, `null`, `[]`, ``, `{"tickers":["A"]} {}`, `{"from":"0001-01-01","to":"9999-12-31","tickers":["A"],"options":{"bars":1e400}}`,
	} {
		f.Add([]byte(body))
	}
	s := fuzzServer(f, &noTape{})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte, time.Time) (submission, error){s.parseSubmission, s.parseBacktest} {
			sub, err := parse(body, fuzzNow)
			if err != nil {
				wantRefusal(t, err, len(body))
				continue
			}
			again, err := parse(body, fuzzNow)
			one, err1 := sub.sha()
			two, err2 := again.sha()
			if err != nil || err1 != nil || err2 != nil || one != two {
				t.Fatalf("the same request hashes to %s and %s: %v %v %v", one, two, err, err1, err2)
			}
			if sub.Universe != "" {
				sub.Tickers, sub.recorded = []string{"A"}, "u 2026-11-25" // accept resolves it
			}
			job, err := sub.queued(KeyedJobID("k"), fuzzNow)
			if err != nil {
				wantRefusal(t, err, len(body))
				continue
			}
			changes := folded(t, job)
			if len(changes.Jobs) != 1 || !cmp.Equal(changes.Jobs[0].Tickers, job.Tickers) {
				t.Fatalf("%v is recorded as %+v", job.Tickers, changes.Jobs)
			}
		}
	})
}

// wantRefusal holds a refusal of a body of so many bytes.
func wantRefusal(t *testing.T, err error, size int) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) || p.Status < 400 || p.Status > 499 || p.Code == "" {
		t.Fatalf("refused with %v", err)
	}
	text, err := encodeJSON(p)
	if err != nil || !utf8.Valid(text) || len(text) > 100_000+4*size || len(p.Errors) > maxErrors {
		t.Fatalf("%d bytes with %d errors, %v", len(text), len(p.Errors), err)
	}
}

// FuzzRequest: whatever is asked with GET and HEAD, in the path, the query and
// headers, is answered, never with a fault of ours; the answer is JSON where it
// says so, and holds no header that the request made up.
func FuzzRequest(f *testing.F) {
	job := &events.JobQueued{
		JobID: "j", Kind: events.KindAnalysis, Origin: events.OriginAPI, Tickers: []string{"A.NS", "B.NS", "C.NS"}, Capital: 1e5,
		StrategyName: "balanced", StrategyHash: "h", Strategy: []byte(`{"name":"balanced"}`),
		Options:  events.Options{RiskPercent: 1, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 400},
		Deadline: fuzzNow.Add(time.Hour), RequestSHA256: "r",
	}
	recorded := []events.Data{job}
	for _, ticker := range job.Tickers {
		recorded = append(recorded, &events.TickerFailed{JobID: "j", Ticker: ticker, Kind: job.Kind, Code: events.FailureInternal,
			Message: "<b>=1\r\n", Attempts: 1, StartedAt: fuzzNow, CompletedAt: fuzzNow, Analyzer: "a"})
	}
	s := fuzzServer(f, &noTape{}, recorded...)
	page, err := s.config.Reader.Details(context.Background(), store.DetailsQuery{JobID: "j", Limit: 1})
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{
		"/api/v1/jobs", "/api/v1/jobs/j", "/api/v1/jobs/j/details", "/api/v1/jobs/j/results", "/api/v1/jobs/j/results/A.NS", "/api/v1/jobs/j/events",
		"/api/v1/backtests/j", "/api/v1/backtests/j/tickers/A.NS", "/api/v1/tickers/A.NS/latest", "/api/v1/tickers/a.ns/history", "/api/v1/tickers/M%26M.NS/explain",
		"/api/v1/results", "/api/v1/events", "/api/v1/strategies/balanced", "/api/v1/universes/nifty50", "/api/all-stocks/progress", "/api/analysis-history/A",
		"/api/analysis/history/A.NS", "/", "/ui/app.mjs", "/livez", "/readyz", "/api/v1/jobs/%0d%0aX:1", "/api/v1/jobs/../../etc/passwd", "/api/v1/jobs/j%00",
	} {
		f.Add(path, "limit=1&cursor="+string(page.Next), "", "localhost:1")
		f.Add(path, "status=failed&verdict=BUY&class=real&strategy=balanced&min_seq=1&daily=true", "7", "127.0.0.1")
	}
	f.Add("/api/v1/results", "limit=0&limit=1&%zz=%00&max_age_days=-1&format=csv", "-1", "[::1]:80")
	f.Add("/api/v1/events", "last_event_id=18446744073709551616", "9223372036854775808", "evil.example")
	f.Add("/api/v1/jobs/j/events", "", "\r\nX: 1", "localhost\r\nX: 1")
	for _, host := range []string{
		"evil@127.0.0.1", "127.0.0.1@evil", "127.0.0.1:80:80", "[::1", "::1", "[127.0.0.1]", "[::1%25lo]", "localhost.", "LOCALHOST:", "127.1",
		"127.0.0.1#x", "127.0.0.1/x", "127.0.0.1, evil", "local%68ost", "127.0.0.1:65536", ":80", "",
	} {
		f.Add("/livez", "", "", host)
	}
	f.Add("/livez#x", "", "", "localhost")
	f.Add("/livez", "x=://#y", "", "localhost")
	s.app.Handler() // Fiber knows no route before it is asked to serve
	handler := s.app.Server().Handler
	if status := answered(handler, http.MethodGet, "/livez", "localhost"); status != http.StatusOK {
		f.Fatalf("/livez is answered %d: no route is reached", status)
	}
	// The connection of a request without a network came to 0.0.0.0.
	ours := regexp.MustCompile(`^(?i:localhost|0\.0\.0\.0|127\.[0-9.]+|\[[0-9a-f:.]+\])(:[0-9]*)?$`)
	f.Fuzz(func(t *testing.T, path, query, header, host string) {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if method == http.MethodGet && (strings.Contains(strings.ToLower(path), "event") || strings.Contains(path, "%")) {
				continue // a stream that does not end
			}
			var c fasthttp.RequestCtx
			c.Init(&fasthttp.Request{}, nil, nil)
			c.Request.Header.SetMethod(method)
			c.Request.SetRequestURI("/" + strings.TrimLeft(path, "/") + "?" + query)
			c.Request.Header.SetHost(host)
			c.Request.Header.Set("Last-Event-ID", header)
			c.Request.Header.Set("If-None-Match", header)
			handler(&c)
			wantAnswer(t, &c, method)
			// What SetHost and SetRequestURI make of them counts.
			sent, target := string(c.Request.Header.Host()), string(c.Request.Header.RequestURI())
			if status := c.Response.StatusCode(); status != http.StatusBadRequest && (strings.Contains(target, "#") || !ours.MatchString(sent) && status != http.StatusMisdirectedRequest) {
				t.Fatalf("%q of the host %q: status %d", target, sent, status)
			}
		}
	})
}

// answered is the status of a request without anything in it.
func answered(handler fasthttp.RequestHandler, method, target, host string) int {
	var c fasthttp.RequestCtx
	c.Init(&fasthttp.Request{}, nil, nil)
	c.Request.Header.SetMethod(method)
	c.Request.SetRequestURI(target)
	c.Request.Header.SetHost(host)
	handler(&c)
	return c.Response.StatusCode()
}

// wantAnswer holds the answer of any request.
func wantAnswer(t *testing.T, c *fasthttp.RequestCtx, method string) {
	t.Helper()
	status, body := c.Response.StatusCode(), c.Response.Body()
	if status < 200 || status == http.StatusInternalServerError || status > 503 {
		t.Fatalf("%s %q: status %d, %.300s", method, c.Request.RequestURI(), status, body)
	}
	kind := string(c.Response.Header.ContentType())
	if method == http.MethodGet && strings.Contains(kind, "json") && len(body) > 0 && (!json.Valid(body) || !utf8.Valid(body)) {
		t.Fatalf("%q: %s that is none: %.300q", c.Request.RequestURI(), kind, body)
	}
	if status >= 400 && kind != "application/problem+json" && !predecessorRoute(string(c.URI().PathOriginal())) && string(c.Path()) != "/readyz" {
		t.Fatalf("%q: status %d as %s", c.Request.RequestURI(), status, kind)
	}
	for name, value := range c.Response.Header.All() {
		if strings.ContainsAny(string(name)+string(value), "\r\n\x00") {
			t.Fatalf("%q: the header %q: %q", c.Request.RequestURI(), name, value)
		}
	}
	if link := string(c.Response.Header.Peek("Link")); link != "" {
		target, _, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
		if _, err := url.Parse(target); !ok || err != nil {
			t.Fatalf("the link %q", link)
		}
	}
}
