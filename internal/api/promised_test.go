package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// TestPromisedTape fills a tape with promises: it is nearly empty, but the
// outcomes of the jobs that it has accepted would not leave room for another.
func TestPromisedTape(t *testing.T) {
	const maxBytes = 16 << 20
	server := streamtest.Server(t, streamtest.WithLimits(stream.Limits{TapeMaxBytes: maxBytes}))
	r := newRigOn(t, server)
	tickers := make([]string, 1500) // 9 MiB of outcomes
	for i := range tickers {
		tickers[i] = fmt.Sprintf("T%d.NS", i)
	}
	body := `{"tickers":["` + strings.Join(tickers, `","`) + `"]}`
	r.post("/api/v1/jobs", body).want(http.StatusAccepted)
	r.record()
	answer := r.post("/api/v1/jobs", body).want(http.StatusServiceUnavailable)
	if answer.text("code") != "tape_full" {
		t.Errorf("%s", answer.Body)
	}
	r.post("/api/v1/jobs", `{"tickers":["A"]}`).want(http.StatusAccepted)
}
