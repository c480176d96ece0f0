package yahoo_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/yahoo"
	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
)

// What a server answers time and again is told as what it is, after as many
// requests as make sense; what it answers once and not again is not noticed.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		kind     yahootest.Kind
		code     market.Code
		says     string
		requests int
	}{
		{yahootest.ServerError, market.CodeUnavailable, "status 500: Internal Server Error", 3},
		{yahootest.BadGateway, market.CodeUnavailable, "status 502", 3},
		{yahootest.Blocked, market.CodeUnavailable, "status 403", 3},
		{yahootest.Outage, market.CodeUnavailable, "the outage page", 3},
		{yahootest.Consent, market.CodeUnavailable, `status 200 with "text/html; charset=UTF-8" instead of JSON: <!DOCTYPE html>`, 3},
		{yahootest.Garbage, market.CodeUnavailable, "JSON that is not the endpoint's", 3},
		{yahootest.ErrorInside, market.CodeUnavailable, `yahoo says "Internal Error": "try later"`, 3},
		{yahootest.Truncated, market.CodeUnavailable, "reading the answer: unexpected EOF", 3},
		{yahootest.Reset, market.CodeUnavailable, "", 3},
		{yahootest.Huge, market.CodeUnavailable, "above 8388608 bytes", 3},
		{yahootest.RateLimited, market.CodeRateLimited, "refused with 429: Edge: Too Many Requests", 3},
		{yahootest.Denied, market.CodeRateLimited, "refused with 999", 3},
		{yahootest.Redirect, market.CodeUnavailable, "status 302 to https://consent.yahoo.com, which is not followed", 3},
		{yahootest.NotFound, market.CodeUnknownTicker, `yahoo says "Not Found": "No data found, symbol may be delisted"`, 2},
		{yahootest.BadRequest, market.CodeInvalid, `yahoo says "Bad Request": "Invalid input"`, 1},
		{yahootest.NoRange, market.CodeNoData, "Data doesn't exist for startDate", 1},
		{yahootest.Unprocessed, market.CodeInvalid, `yahoo says "Unprocessable Entity": "invalid interval"`, 1},
		{yahootest.Empty, market.CodeNoData, "no bars in the range", 2}, // the second asks for everything
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			s := yahootest.New(t, yahootest.Config{Now: fixed(friday), Plan: []yahootest.Fault{{Kind: c.kind}}})
			_, err := open(t, friday, nil, s.URL).Daily(t.Context(), "M&M.NS", 10)
			fault := wantError(t, err, c.code, c.says)
			if fault.Ticker != "M&M.NS" || fault.Where != s.URL+"/v8/finance/chart/M&M.NS" {
				t.Errorf("about %q at %q", fault.Ticker, fault.Where)
			}
			if strings.Contains(err.Error(), "period1") {
				t.Errorf("the query is noise: %v", err)
			}
			if n := len(s.Requests()); n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
			if c.requests == 1 {
				return
			}
			s = yahootest.New(t, yahootest.Config{Now: fixed(friday), Plan: []yahootest.Fault{{Last: 1, Kind: c.kind}}})
			if got := bars(t, open(t, friday, nil, s.URL), "M&M.NS", 10); len(got.Bars) != 10 || got.Warnings != nil || got.Notes != nil {
				t.Errorf("after one fault: %d bars, %q, %q", len(got.Bars), got.Warnings, got.Notes)
			}
			if n := s.Calls("M&M.NS"); n != 2 {
				t.Errorf("after one fault: %d requests, want 2", n)
			}
		})
	}
}

func TestConnectionRefused(t *testing.T) {
	// No port that was free a moment ago, which another's server may have by now.
	_, err := open(t, friday, nil, "http://127.0.0.1:1").Daily(t.Context(), "X", 1)
	wantError(t, err, market.CodeUnavailable, "connection refused")
}

// Which answers come in a row decides what is said in the end.
func TestMixedFaults(t *testing.T) {
	type faults []yahootest.Kind
	for _, c := range []struct {
		faults faults
		code   market.Code
	}{
		{faults{yahootest.NotFound, yahootest.ServerError, yahootest.NotFound}, market.CodeUnknownTicker},
		{faults{yahootest.NotFound, yahootest.ServerError, yahootest.ServerError}, market.CodeUnavailable},
		{faults{yahootest.ServerError, yahootest.Garbage, yahootest.RateLimited}, market.CodeRateLimited},
		{faults{yahootest.Garbage, yahootest.Unprocessed}, market.CodeInvalid},
		{faults{yahootest.RateLimited, yahootest.Outage}, ""},
	} {
		var plan []yahootest.Fault
		for i, kind := range c.faults {
			plan = append(plan, yahootest.Fault{First: i + 1, Last: i + 1, Kind: kind})
		}
		s, p := serve(t, friday, yahootest.Config{Plan: plan})
		_, err := p.Daily(t.Context(), "X", 1)
		if c.code != "" {
			wantError(t, err, c.code, "")
		} else if err != nil {
			t.Errorf("%v: %v", c.faults, err)
		}
		if n := len(s.Requests()); n > 3 {
			t.Errorf("%v: %d requests", c.faults, n)
		}
	}
}

// The second try goes to the other host.
func TestOtherHost(t *testing.T) {
	for _, kind := range []yahootest.Kind{yahootest.NotFound, yahootest.ServerError, yahootest.Redirect} {
		first := yahootest.New(t, yahootest.Config{Now: fixed(friday), Plan: []yahootest.Fault{{Kind: kind}}})
		second := yahootest.New(t, yahootest.Config{Now: fixed(friday)})
		p := open(t, friday, nil, first.URL, second.URL)
		bars(t, p, "TCS.NS", 10)
		if a, b := len(first.Requests()), len(second.Requests()); a != 1 || b != 1 {
			t.Errorf("%s: %d and %d requests, want one each", kind, a, b)
		}
	}
}

// A redirect is not a request that somebody granted: it leads nowhere.
func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := yahootest.New(t, yahootest.Config{Now: fixed(friday)})
	s := yahootest.New(t, yahootest.Config{Now: fixed(friday), Plan: []yahootest.Fault{{Kind: yahootest.Redirect}}, RedirectTo: elsewhere.URL + "/v8/finance/chart/X"})
	for _, client := range []*http.Client{nil, http.DefaultClient} {
		_, err := open(t, friday, func(c *yahoo.Config) { c.HTTP = client }, s.URL).Daily(t.Context(), "X", 1)
		wantError(t, err, market.CodeUnavailable, "not followed")
	}
	if n := len(elsewhere.Requests()); n != 0 {
		t.Errorf("%d requests went where the redirect led", n)
	}
}

// A limiter that refuses.
type closed struct{ err error }

func (c closed) Wait(context.Context, string) error             { return c.err }
func (c closed) Pause(context.Context, string, time.Time) error { return c.err }

// No grant, no request; every try needs one.
func TestGrants(t *testing.T) {
	refusal := &market.Error{Code: market.CodeRateLimited, RetryAfter: time.Hour, Err: errors.New("paused")}
	for _, c := range []struct {
		err  error
		code market.Code
	}{{refusal, market.CodeRateLimited}, {errors.New("no server"), market.CodeUnavailable}} {
		s := yahootest.New(t, yahootest.Config{Now: fixed(friday)})
		p := open(t, friday, func(cfg *yahoo.Config) { cfg.Limiter = closed{c.err} }, s.URL)
		_, err := p.Daily(t.Context(), "X", 1)
		fault := wantError(t, err, c.code, c.err.Error())
		if fault.Ticker != "X" || (c.code == market.CodeRateLimited && fault.RetryAfter != time.Hour) {
			t.Errorf("about %q, again in %s", fault.Ticker, fault.RetryAfter)
		}
		if n := len(s.Requests()); n != 0 {
			t.Errorf("%d requests without a grant", n)
		}
	}
	var limiter *recorder
	s := yahootest.New(t, yahootest.Config{Now: fixed(friday), Plan: []yahootest.Fault{{Kind: yahootest.ServerError}}})
	p := open(t, friday, func(c *yahoo.Config) { limiter = newRecorder(t); c.Limiter = limiter }, s.URL)
	if _, err := p.Daily(t.Context(), "X", 1); err == nil || limiter.waits != len(s.Requests()) {
		t.Errorf("%d grants for %d requests, %v", limiter.waits, len(s.Requests()), err)
	}
}

// A limiter that says that there is a pause, but not until when.
type vague struct {
	mu     sync.Mutex // guards paused
	paused bool
}

func (v *vague) Wait(context.Context, string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.paused {
		return &market.Error{Code: market.CodeRateLimited, Err: errors.New("paused")}
	}
	return nil
}

func (v *vague) Pause(context.Context, string, time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.paused = true
	return nil
}

func TestRetryAfterOfOurOwnPause(t *testing.T) {
	s := yahootest.New(t, yahootest.Config{Now: fixed(friday), Plan: []yahootest.Fault{{Kind: yahootest.RateLimited}}})
	p := open(t, friday, func(c *yahoo.Config) { c.Limiter, c.FirstPause = &vague{}, time.Hour }, s.URL)
	for range 2 {
		_, err := p.Daily(t.Context(), "X", 1)
		if fault := wantError(t, err, market.CodeRateLimited, ""); fault.RetryAfter < 50*time.Minute {
			t.Errorf("again in %s, want an hour", fault.RetryAfter)
		}
	}
}

// One refusal pauses everybody: whoever cannot wait for its end is told so, and
// when to come again, without another request.
func TestRefusalPausesEverybody(t *testing.T) {
	var limiter *recorder
	s := yahootest.New(t, yahootest.Config{Now: fixed(friday), Sticky: time.Hour, Plan: []yahootest.Fault{{Symbol: "X", Kind: yahootest.RateLimited}}})
	p := open(t, friday, func(c *yahoo.Config) {
		limiter = newRecorder(t)
		c.Limiter, c.FirstPause = limiter, 5*time.Minute
	}, s.URL)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, ticker := range []string{"X", "X", "Y", "Z"} {
		_, err := p.Daily(ctx, ticker, 1)
		fault := wantError(t, err, market.CodeRateLimited, "")
		if fault.Ticker != ticker || fault.RetryAfter < 3*time.Minute || fault.RetryAfter > 5*time.Minute+time.Second {
			t.Errorf("call %d: about %q, again in %s, want 3 to 5 minutes and its place in the queue", i+1, fault.Ticker, fault.RetryAfter)
		}
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests during the pause, want the one before it", n)
	}
	if len(limiter.pauses) != 1 || limiter.pauses[0] < 4*time.Minute || limiter.pauses[0] > 5*time.Minute {
		t.Errorf("the limiter was told of pauses %v, want one of 5 minutes", limiter.pauses)
	}
}

// Many refusals at once are one refusal.
func TestRefusalsTogetherAreOne(t *testing.T) {
	const callers = 8
	var arrived sync.WaitGroup
	arrived.Add(callers)
	refuse := transport(func(*http.Request) (*http.Response, error) {
		arrived.Done()
		arrived.Wait()
		return answer(http.StatusTooManyRequests, "text/plain", "Too Many Requests\r\n"), nil
	})
	var limiter *recorder
	p := open(t, friday, func(c *yahoo.Config) {
		limiter = newRecorder(t)
		c.Limiter, c.FirstPause, c.HTTP = limiter, time.Minute, &http.Client{Transport: refuse}
	}, "http://yahoo.test")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := p.Daily(ctx, "X", 1); code(err) != market.CodeRateLimited {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	for _, pause := range limiter.pauses {
		if pause > time.Minute {
			t.Errorf("a pause of %s; refusals of one moment are not one after the other", pause)
		}
	}
}

func code(err error) market.Code {
	if fault, ok := errors.AsType[*market.Error](err); ok {
		return fault.Code
	}
	return ""
}

// A server that is silent is asked three times, and one silence is not noticed.
func TestHang(t *testing.T) {
	for silent, want := range map[int]int{99: 3, 1: 2} {
		host := &script{}
		host.answer = func() *http.Response {
			if len(host.asked) <= silent {
				return nil
			}
			return fine()
		}
		bubble(t, func(t *testing.T, p *yahoo.Provider, _ *recorder) {
			err := daily(t, p)
			if silent > 2 {
				wantError(t, err, market.CodeTimeout, "no answer within 12s")
			} else if err != nil {
				t.Error(err)
			}
			if len(host.asked) != want {
				t.Errorf("%d requests, want %d", len(host.asked), want)
			}
		}, host)
	}
}

// A caller whose time is over is told so, one whose time would be over before
// the next try is told why another would be needed.
func TestCallersEnd(t *testing.T) {
	host := &script{answer: broken}
	bubble(t, func(t *testing.T, p *yahoo.Provider, _ *recorder) {
		within, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // the second try is half a second away at least
		defer cancel()
		_, err := p.Daily(within, "X", 1)
		wantError(t, err, market.CodeUnavailable, "status 500")
		if within.Err() != nil {
			t.Error("it waited for a try that would have come too late")
		}
		host.answer = func() *http.Response { return nil }
		_, err = p.Daily(within, "X", 1)
		if wantError(t, err, market.CodeTimeout, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not wrap the context's error", err)
		}
		host.answer = broken
		stopped, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := p.Daily(stopped, "X", 1)
			done <- err
		}()
		synctest.Wait() // it waits for its second try
		stop()
		err = <-done
		if wantError(t, err, market.CodeTimeout, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not wrap the context's error", err)
		}
		if len(host.asked) != 3 {
			t.Errorf("%d requests, want one for each call", len(host.asked))
		}
	}, host)
}

// Names of tools alone are refused; ours is not, whatever else is.
func TestUserAgent(t *testing.T) {
	s, _ := serve(t, friday, yahootest.Config{})
	_, err := open(t, friday, func(c *yahoo.Config) { c.UserAgent = "curl/8.0" }, s.URL).Daily(t.Context(), "X", 1)
	wantError(t, err, market.CodeRateLimited, "429")
	bars(t, open(t, friday, func(c *yahoo.Config) { c.UserAgent = "Mozilla/5.0 (compatible; mine)" }, s.URL), "X", 1)
	want := map[yahootest.Kind]int{yahootest.NoAgent: 3, yahootest.OK: 1}
	if diff := cmp.Diff(want, s.Counts()); diff != "" {
		t.Errorf("answers (-want +got)\n%s", diff)
	}
}
