package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// TestDiskFull: while the tape's server says that it should be given nothing, new
// jobs are refused at once and leave nothing behind; accepted ones are answered.
func TestDiskFull(t *testing.T) {
	var full atomic.Bool
	r := newRig(t, func(c *api.Config) {
		c.Storing = func() error {
			if full.Load() {
				return errors.New("no room in /secret/path")
			}
			return nil
		}
	})
	r.post("/api/v1/jobs", `{"tickers":["A"]}`, "Idempotency-Key", "first").want(http.StatusAccepted)
	last := r.lastSeq()
	full.Store(true)
	answer := r.post("/api/v1/jobs", `{"tickers":["B"]}`, "Idempotency-Key", "second").want(http.StatusServiceUnavailable)
	if answer.text("code") != "disk_full" || answer.Header.Get("Retry-After") == "" || answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%v %s", answer.Header, answer.Body)
	}
	replay := r.post("/api/v1/jobs", `{"tickers":["A"]}`, "Idempotency-Key", "first").want(http.StatusAccepted)
	if replay.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%v", replay.Header)
	}
	ready := r.get("/readyz").want(http.StatusServiceUnavailable)
	if !strings.Contains(string(ready.Body), `{"name":"storing","status":"fail"`) || strings.Contains(string(ready.Body)+string(answer.Body), "/secret") {
		t.Errorf("%s %s", ready.Body, answer.Body)
	}
	if now := r.lastSeq(); now != last {
		t.Errorf("the tape went on from %d to %d", last, now)
	}
	full.Store(false)
	r.get("/readyz").want(http.StatusOK)
	r.post("/api/v1/jobs", `{"tickers":["B"]}`, "Idempotency-Key", "second").want(http.StatusAccepted)
}

// A mute tape answers questions, but nothing that it is given: as a server does
// whose disk was full.
type mute struct {
	api.Tape
	on *atomic.Bool
}

func (m mute) Publish(ctx context.Context, event events.Event) (uint64, error) {
	if m.on.Load() {
		return 0, stream.ErrUnavailable
	}
	return m.Tape.Publish(ctx, event)
}

// TestUnanswered: a job that a server which is there does not answer keeps the
// api from being ready, until one is answered or a minute has passed.
func TestUnanswered(t *testing.T) {
	var on atomic.Bool
	var passed atomic.Int64
	begin := time.Now()
	r := newRig(t, func(c *api.Config) {
		c.Tape = mute{c.Tape, &on}
		c.Clock = func() time.Time { return begin.Add(time.Duration(passed.Load())) }
	})
	r.get("/readyz").want(http.StatusOK)
	for _, heal := range []func(){
		func() { r.submit(`{"tickers":["B"]}`) },
		func() { passed.Add(int64(time.Minute)) },
	} {
		on.Store(true)
		r.post("/api/v1/jobs", `{"tickers":["A"]}`).want(http.StatusServiceUnavailable)
		ready := r.get("/readyz").want(http.StatusServiceUnavailable)
		if text := string(ready.Body); !strings.Contains(text, `{"name":"storing","status":"fail"`) || !strings.Contains(text, "restart it") {
			t.Errorf("%s", ready.Body)
		}
		on.Store(false)
		heal()
		r.get("/readyz").want(http.StatusOK)
	}
}
