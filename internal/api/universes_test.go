package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/universe"
)

// An exchange is a server that publishes the NIFTY 500.
type exchange struct {
	status   atomic.Int64
	count    atomic.Int64 // tickers in the list
	requests atomic.Int64
}

func (e *exchange) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	e.requests.Add(1)
	w.WriteHeader(int(e.status.Load()))
	fmt.Fprintln(w, "Company Name,Industry,Symbol,Series,ISIN Code")
	for i := range e.count.Load() {
		fmt.Fprintf(w, "Company %d,Industry,SYM%d,EQ,INE%09d\n", i, i, i)
	}
}

// withExchange gives an api a source of universes that fetches from a local
// server, and a clock that the test moves.
func withExchange(t *testing.T, lister func(context.Context) ([]string, error)) (*exchange, *atomic.Int64, func(*api.Config)) {
	t.Helper()
	e := &exchange{}
	e.status.Store(http.StatusOK)
	e.count.Store(500)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	clock := &atomic.Int64{}
	clock.Store(time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC).Unix())
	source := universe.Open(universe.Config{
		Dir: t.TempDir(), NSEURL: server.URL, NASDAQURL: server.URL, Lister: lister,
		Now: func() time.Time { return time.Unix(clock.Load(), 0) },
	})
	return e, clock, func(config *api.Config) { config.Universes = source }
}

// TestSubmitAUniverse submits one that is built in and one that is fetched:
// the job records the date of its list, and the list is fetched once.
func TestSubmitAUniverse(t *testing.T) {
	e, clock, change := withExchange(t, nil)
	r := newRig(t, change)
	built := r.queued(r.submit(`{"universe":"nifty50"}`))
	if len(built.Tickers) != 50 || !strings.HasPrefix(built.Universe, "nifty50@2") || e.requests.Load() != 0 {
		t.Errorf("%s: %d tickers after %d requests", built.Universe, len(built.Tickers), e.requests.Load())
	}
	for range 3 {
		fetched := r.queued(r.submit(`{"universe":"nifty500"}`))
		if len(fetched.Tickers) != 500 || fetched.Tickers[7] != "SYM7.NS" || fetched.Universe != "nifty500@2026-11-25" {
			t.Errorf("%s: %d tickers, one is %s", fetched.Universe, len(fetched.Tickers), fetched.Tickers[7])
		}
	}
	if got := e.requests.Load(); got != 1 {
		t.Errorf("%d requests", got)
	}
	clock.Add(48 * 3600)
	e.status.Store(http.StatusForbidden)
	stale := r.post("/api/v1/jobs", `{"universe":"nifty500"}`).want(http.StatusAccepted)
	if stale.text("universe") != "nifty500@2026-11-25" || !strings.Contains(stale.text("warning"), "403") {
		t.Errorf("of an old list: %s", stale.Body)
	}
}

// TestNoPartialUniverse is for lists that cannot be had whole: nothing is
// submitted, and the answer says what to do.
func TestNoPartialUniverse(t *testing.T) {
	e, _, change := withExchange(t, nil)
	r := newRig(t, change)
	e.count.Store(250) // cut off
	answer := r.post("/api/v1/jobs", `{"universe":"nifty500"}`).want(http.StatusServiceUnavailable)
	if detail := answer.text("detail"); answer.text("code") != "universe_unavailable" || !strings.Contains(detail, "250") || strings.Contains(detail, "@FILE") || !strings.Contains(detail, "nifty50") || answer.Header.Get("Retry-After") == "" {
		t.Errorf("%s", answer.Body)
	}
	r.get("/api/v1/universes/nifty500").want(http.StatusServiceUnavailable)
	unknown := r.post("/api/v1/jobs", `{"universe":"moon"}`).want(http.StatusUnprocessableEntity)
	for _, part := range []string{`"location":"body.universe"`, "nifty500", "dow30"} {
		if !strings.Contains(string(unknown.Body), part) {
			t.Errorf("%q is not in %s", part, unknown.Body)
		}
	}
	r.post("/api/v1/jobs", `{"universe":""}`).want(http.StatusUnprocessableEntity)
	r.post("/api/v1/jobs", `{"universe":"nifty500","capital":-1}`).want(http.StatusUnprocessableEntity)
	if got := r.lastSeq(); got != 0 {
		t.Errorf("%d events are on the tape", got)
	}
	if got := e.requests.Load(); got != 1 {
		t.Errorf("%d requests for one list that fails", got)
	}
}

// TestUniverseOfTheProvider is nse and all: what the market's provider lists,
// refused where it is too much for a job.
func TestUniverseOfTheProvider(t *testing.T) {
	list := []string{"tcs.ns", "TCS.NS", "AAPL", "not a ticker"}
	var broken error
	_, _, change := withExchange(t, func(context.Context) ([]string, error) { return list, broken })
	r := newRig(t, change)
	if got := r.queued(r.submit(`{"universe":"all"}`)); strings.Join(got.Tickers, " ") != "TCS.NS AAPL" || got.Universe != "all@2026-11-25" {
		t.Errorf("%s: %v", got.Universe, got.Tickers)
	}
	list = make([]string, 10_001)
	for i := range list {
		list[i] = fmt.Sprintf("T%d", i)
	}
	r.post("/api/v1/jobs", `{"universe":"all"}`).want(http.StatusUnprocessableEntity)
	list = list[:10_000]
	if got := r.queued(r.submit(`{"universe":"all"}`)); len(got.Tickers) != 10_000 {
		t.Errorf("%d tickers", len(got.Tickers))
	}
	list = nil
	r.post("/api/v1/jobs", `{"universe":"all"}`).want(http.StatusServiceUnavailable)
	broken = errors.New("the provider is down")
	r.post("/api/v1/jobs", `{"universe":"all"}`).want(http.StatusServiceUnavailable)
}

// TestUniverses lists them without fetching, and one with its tickers.
func TestUniverses(t *testing.T) {
	e, _, change := withExchange(t, nil)
	r := newRig(t, change)
	names := r.get("/api/v1/universes").want(http.StatusOK)
	at := -1
	for i, name := range names.column("name") {
		if name == "nifty500" {
			at = i
		}
	}
	if at < 0 || names.column("date")[at] != nil || e.requests.Load() != 0 {
		t.Errorf("nifty500 of %s after %d requests", names.Body, e.requests.Load())
	}
	one := r.get("/api/v1/universes/nifty500").want(http.StatusOK).json()
	if tickers, _ := one["tickers"].([]any); len(tickers) != 500 || one["count"] != 500.0 || one["date"] != "2026-11-25" || one["origin"] == "" {
		t.Errorf("%v tickers of %v, %v", one["count"], one["date"], one["origin"])
	}
	after := r.get("/api/v1/universes", "If-None-Match", names.Header.Get("ETag")).want(http.StatusOK)
	if after.column("date")[at] != "2026-11-25" || after.column("count")[at] != 500.0 {
		t.Errorf("after the fetch: %s", after.Body)
	}
	r.get("/api/v1/universes/nifty50").want(http.StatusOK)
	r.get("/api/v1/universes/moon").want(http.StatusNotFound)
	r.get("/api/v1/universes/nifty50?limit=3").want(http.StatusBadRequest)
}

// TestUniverseUnderAKey repeats a submission whose list has changed meanwhile:
// the request is the same, and so is its job.
func TestUniverseUnderAKey(t *testing.T) {
	e, clock, change := withExchange(t, nil)
	r := newRig(t, change)
	id := r.submit(`{"universe":"nifty500"}`, "Idempotency-Key", "daily")
	clock.Add(48 * 3600)
	e.count.Store(501)
	again := r.post("/api/v1/jobs", `{"universe":"nifty500"}`, "Idempotency-Key", "daily").want(http.StatusAccepted)
	if again.text("job_id") != id || again.Header.Get("Idempotent-Replayed") != "true" || again.text("universe") != "nifty500@2026-11-25" {
		t.Errorf("%s", again.Body)
	}
}

// TestUniverseIsGoneUnderAKey repeats a submission whose list cannot be had any
// more: the job is there, and so is the answer.
func TestUniverseIsGoneUnderAKey(t *testing.T) {
	list := []string{"TCS.NS"}
	var broken error
	_, _, change := withExchange(t, func(context.Context) ([]string, error) { return list, broken })
	r := newRig(t, change)
	id := r.submit(`{"universe":"all"}`, "Idempotency-Key", "once")
	broken = errors.New("the provider is down")
	if again := r.post("/api/v1/jobs", `{"universe":"all"}`, "Idempotency-Key", "once").want(http.StatusAccepted); again.text("job_id") != id {
		t.Errorf("%s", again.Body)
	}
	r.post("/api/v1/jobs", `{"universe":"all"}`, "Idempotency-Key", "another").want(http.StatusServiceUnavailable)
	r.post("/api/v1/jobs", `{"universe":"all","capital":7}`, "Idempotency-Key", "once").want(http.StatusServiceUnavailable)
}
