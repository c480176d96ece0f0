package yahoo_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/yahoo"
)

// A transport answers requests within a synctest bubble, where no network is.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, kind, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}
}

const chartOfX = `{"chart":{"result":[{"meta":{"currency":"USD","symbol":"X","exchangeTimezoneName":"America/New_York","dataGranularity":"1d","firstTradeDate":1787923800},
"timestamp":[1787923800],"indicators":{"quote":[{"open":[10],"high":[11],"low":[9],"close":[10],"volume":[5]}]}}],"error":null}}`

func fine() *http.Response { return answer(http.StatusOK, "application/json", chartOfX) }
func broken() *http.Response {
	return answer(http.StatusInternalServerError, "text/plain", "Internal Server Error")
}
func refused() *http.Response {
	return answer(http.StatusTooManyRequests, "text/plain", "Too Many Requests")
}
func missing() *http.Response {
	return answer(http.StatusNotFound, "application/json", `{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found"}}}`)
}

// A script is one host's answers, nil for a hang, changed as the test goes on,
// and what was asked.
type script struct {
	answer func() *http.Response
	asked  []time.Duration // since the start
}

// bubble runs body with a provider with the standard times over hosts a.test
// and, when there are two scripts, b.test.
func bubble(t *testing.T, body func(t *testing.T, p *yahoo.Provider, limiter *recorder), scripts ...*script) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		names := []string{"a.test", "b.test"}[:len(scripts)]
		limiter := newRecorder(t)
		cfg := yahoo.Config{Limiter: limiter, Now: fixed(friday), HTTP: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			for i, name := range names {
				if r.URL.Host == name {
					scripts[i].asked = append(scripts[i].asked, time.Since(began))
					if response := scripts[i].answer(); response != nil {
						return response, nil
					}
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
			}
			panic("asked " + r.URL.Host)
		})}}
		for _, name := range names {
			cfg.BaseURLs = append(cfg.BaseURLs, "http://"+name)
		}
		p, err := yahoo.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		body(t, p, limiter)
	})
}

// daily asks as an analyzer does: within a minute.
func daily(t *testing.T, p *yahoo.Provider) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := p.Daily(ctx, "X", 1)
	return err
}

func TestBreaker(t *testing.T) {
	host := &script{answer: broken}
	bubble(t, func(t *testing.T, p *yahoo.Provider, limiter *recorder) {
		for range 4 { // 3 requests each, but the last
			wantError(t, daily(t, p), market.CodeUnavailable, "")
		}
		if len(host.asked) != 10 {
			t.Fatalf("%d requests until the breaker opened, want 10", len(host.asked))
		}
		waits := limiter.waits
		err := daily(t, p)
		fault := wantError(t, err, market.CodeUnavailable, "the last 10 requests failed; the next goes out at 2000-01-01T00:0")
		if fault.RetryAfter <= 20*time.Second || fault.RetryAfter > 30*time.Second {
			t.Errorf("again in %s, want up to 30 s", fault.RetryAfter)
		}
		if len(host.asked) != 10 || limiter.waits != waits {
			t.Errorf("an open breaker let %d requests and %d grants pass", len(host.asked)-10, limiter.waits-waits)
		}

		time.Sleep(fault.RetryAfter + time.Millisecond) // half-open: one request, which fails
		wantError(t, daily(t, p), market.CodeUnavailable, "")
		if len(host.asked) != 11 {
			t.Errorf("%d probes, want one", len(host.asked)-10)
		}
		host.answer = fine
		wantError(t, daily(t, p), market.CodeUnavailable, "the next goes out at")

		time.Sleep(31 * time.Second) // half-open again: one request, which succeeds
		for range 5 {
			if err := daily(t, p); err != nil {
				t.Errorf("the host is back: %v", err)
			}
		}
		if len(host.asked) != 16 {
			t.Errorf("%d requests in all, want 16", len(host.asked))
		}
	}, host)
}

// While one request probes, the others are told to come soon.
func TestBreakerProbesWithOneRequest(t *testing.T) {
	probing, release := make(chan struct{}), make(chan struct{})
	host := &script{answer: broken}
	bubble(t, func(t *testing.T, p *yahoo.Provider, _ *recorder) {
		probing, release = make(chan struct{}), make(chan struct{})
		for range 4 {
			_ = daily(t, p)
		}
		time.Sleep(31 * time.Second)
		before := len(host.asked)
		host.answer = func() *http.Response { close(probing); <-release; return fine() }
		done := make(chan error, 1)
		go func() { done <- daily(t, p) }()
		<-probing
		fault := wantError(t, daily(t, p), market.CodeUnavailable, "one is finding out")
		if fault.RetryAfter != 5*time.Second || len(host.asked) != before+1 {
			t.Errorf("again in %s, %d requests", fault.RetryAfter, len(host.asked)-before)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}, host)
}

// What a working server answers opens no breaker: unknown tickers, refusals.
func TestBreakerCountsServersFaultsAlone(t *testing.T) {
	host := &script{}
	bubble(t, func(t *testing.T, p *yahoo.Provider, _ *recorder) {
		host.answer = missing
		for range 15 {
			wantError(t, daily(t, p), market.CodeUnknownTicker, "")
		}
		host.answer = refused
		for range 15 {
			fault := wantError(t, daily(t, p), market.CodeRateLimited, "")
			time.Sleep(fault.RetryAfter)
		}
		host.answer = broken
		for range 3 { // 9 in a row
			wantError(t, daily(t, p), market.CodeUnavailable, "status 500")
		}
		host.answer = fine
		if err := daily(t, p); err != nil {
			t.Error(err)
		}
	}, host)
}

// Neither a refusal nor a caller who left says that the host is well again.
func TestBreakerIsNotCalmedByRefusals(t *testing.T) {
	host := &script{answer: broken}
	bubble(t, func(t *testing.T, p *yahoo.Provider, _ *recorder) {
		for range 3 { // 9 in a row
			_ = daily(t, p)
		}
		host.answer = func() *http.Response { return nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Daily(ctx, "X", 1)
		wantError(t, err, market.CodeTimeout, "deadline exceeded")
		host.answer = refused
		fault := wantError(t, daily(t, p), market.CodeRateLimited, "")
		time.Sleep(fault.RetryAfter)
		host.answer = broken
		before := len(host.asked)
		wantError(t, daily(t, p), market.CodeUnavailable, "the next goes out at")
		if n := len(host.asked) - before; n != 1 {
			t.Errorf("%d requests until the breaker opened, want the tenth alone", n)
		}
	}, host)
}

// A host that does not answer is a host that fails.
func TestBreakerCountsHangs(t *testing.T) {
	host := &script{answer: func() *http.Response { return nil }}
	bubble(t, func(t *testing.T, p *yahoo.Provider, _ *recorder) {
		for range 3 {
			wantError(t, daily(t, p), market.CodeTimeout, "no answer within 12s")
		}
		wantError(t, daily(t, p), market.CodeUnavailable, "the next goes out at")
		if len(host.asked) != 10 {
			t.Errorf("%d requests until the breaker opened, want 10", len(host.asked))
		}
	}, host)
}

// An answer to what went out before a refusal does not end the refusals.
func TestPausesOutliveLateAnswers(t *testing.T) {
	host := &script{}
	bubble(t, func(t *testing.T, p *yahoo.Provider, limiter *recorder) {
		late := make(chan *http.Response)
		host.answer = func() *http.Response { return <-late }
		done := make(chan error, 1)
		go func() { done <- daily(t, p) }()
		synctest.Wait()
		host.answer = refused
		fault := wantError(t, daily(t, p), market.CodeRateLimited, "")
		late <- fine()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		time.Sleep(fault.RetryAfter)
		wantError(t, daily(t, p), market.CodeRateLimited, "")
		if n := len(limiter.pauses); n != 2 || limiter.pauses[1].Round(time.Second) != 2*time.Minute {
			t.Errorf("pauses %v, want the second of 2 minutes", limiter.pauses)
		}
	}, host)
}

// A host that fails is passed over while the other one works.
func TestBreakerPassesOverOneHost(t *testing.T) {
	a, b := &script{answer: broken}, &script{answer: fine}
	bubble(t, func(t *testing.T, p *yahoo.Provider, _ *recorder) {
		for range 20 {
			if err := daily(t, p); err != nil {
				t.Error(err)
			}
		}
		if len(a.asked) != 10 || len(b.asked) != 20 {
			t.Errorf("%d and %d requests, want 10 and 20", len(a.asked), len(b.asked))
		}
		b.answer = broken
		for range 6 {
			_ = daily(t, p)
		}
		wantError(t, daily(t, p), market.CodeUnavailable, "the next goes out at")
	}, a, b)
}

// The pause doubles while refusals follow one another, up to a quarter of an
// hour, and begins anew once something was answered.
func TestPausesGrow(t *testing.T) {
	host := &script{answer: refused}
	bubble(t, func(t *testing.T, p *yahoo.Provider, limiter *recorder) {
		refusals := func(n int) (minutes []int) {
			limiter.pauses = nil
			for range n {
				fault := wantError(t, daily(t, p), market.CodeRateLimited, "")
				time.Sleep(fault.RetryAfter)
			}
			for _, pause := range limiter.pauses {
				minutes = append(minutes, int(pause.Round(time.Second)/time.Minute))
			}
			return minutes
		}
		if diff := cmp.Diff([]int{1, 2, 4, 8, 15, 15}, refusals(6)); diff != "" {
			t.Errorf("pauses in minutes (-want +got)\n%s", diff)
		}
		host.answer = fine
		if err := daily(t, p); err != nil {
			t.Fatal(err)
		}
		host.answer = refused
		if diff := cmp.Diff([]int{1, 2}, refusals(2)); diff != "" {
			t.Errorf("pauses after an answer, in minutes (-want +got)\n%s", diff)
		}
		for asked, want := range map[string]int{"1200": 20, "86400": 60, "Sat, 01 Jan 2000 00:00:00 GMT": 1, "soon": 1} {
			host.answer = fine
			if err := daily(t, p); err != nil {
				t.Fatal(err)
			}
			host.answer = func() *http.Response {
				r := refused()
				r.Header.Set("Retry-After", asked)
				return r
			}
			if diff := cmp.Diff([]int{want}, refusals(1)); diff != "" {
				t.Errorf("asked to come again in %s: pauses in minutes (-want +got)\n%s", asked, diff)
			}
		}
	}, host)
}

// The second try comes after a second or so, the third after two, and not
// always after the same time.
func TestRetriesWaitWithJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 5 {
		host := &script{answer: broken}
		bubble(t, func(t *testing.T, p *yahoo.Provider, _ *recorder) {
			_ = daily(t, p)
			second, third := host.asked[1]-host.asked[0], host.asked[2]-host.asked[1]
			if second < 500*time.Millisecond || second > 1510*time.Millisecond || third < time.Second || third > 3010*time.Millisecond {
				t.Errorf("tries at %v", host.asked)
			}
			seen[second] = true
		}, host)
	}
	if len(seen) < 3 {
		t.Errorf("five second tries came after %v", seen)
	}
}
