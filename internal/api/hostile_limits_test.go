package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestLimitsAndOnePast: what just fits is taken, one more is refused, and says
// where. (The body's limit is TestBodyLimit, streams TestStreamFlood,
// connections TestSlowRequests, rates TestRateLimit.)
func TestLimitsAndOnePast(t *testing.T) {
	r := newRig(t)
	tickers := func(n int) string { return `{"tickers":["A"` + strings.Repeat(`,"A"`, n-1) + `]}` }
	strategy := func(n int) string {
		return `{"tickers":["A"],"strategy":{"name":"own","description":"` + strings.Repeat("x", n) + `"}}`
	}
	for _, c := range []struct {
		name, fits, past string
		status           int
		location         string
	}{
		{"tickers", tickers(10_000), tickers(10_001), 422, "body.tickers"},
		{"a ticker", `{"tickers":["` + strings.Repeat("X", 32) + `"]}`, `{"tickers":["` + strings.Repeat("X", 33) + `"]}`, 422, "body.tickers[0]"},
		{"capital", `{"tickers":["A"],"capital":1000000000000}`, `{"tickers":["A"],"capital":1000000000001}`, 422, "body.capital"},
		{"bars", `{"tickers":["A"],"options":{"bars":5000}}`, `{"tickers":["A"],"options":{"bars":5001}}`, 422, "body.options.bars"},
		{"risk", `{"tickers":["A"],"options":{"risk_percent":100}}`, `{"tickers":["A"],"options":{"risk_percent":100.1}}`, 422, "body.options.risk_percent"},
		{"a strategy's text", strategy(1000), strategy(70_000), 422, "body.strategy"},
	} {
		r.post("/api/v1/jobs", c.fits).want(http.StatusAccepted)
		answer := r.post("/api/v1/jobs", c.past).want(c.status)
		if !strings.Contains(string(answer.Body), `"location":"`+c.location) {
			t.Errorf("%s: %s", c.name, answer.Body)
		}
	}
	id := r.post("/api/v1/jobs", `{"tickers":["A"]}`, "Idempotency-Key", strings.Repeat("k", 255)).want(http.StatusAccepted).text("job_id")
	r.post("/api/v1/jobs", `{"tickers":["A"]}`, "Idempotency-Key", strings.Repeat("k", 256)).want(http.StatusBadRequest)
	r.post("/api/v1/jobs/"+id+"/cancel", `{"reason":"`+strings.Repeat("r", 201)+`"}`).want(http.StatusUnprocessableEntity)
	r.post("/api/v1/jobs/"+id+"/cancel", `{"reason":"`+strings.Repeat("r", 200)+`"}`).want(http.StatusAccepted)
	head := "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: "
	fill := 8<<10 - len(head) - len("\r\n\r\n")
	if answer := r.exchange(head + strings.Repeat("x", fill) + "\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Errorf("a head of 8 KiB: %.200q", answer)
	}
	if answer := r.exchange(head + strings.Repeat("x", fill+1) + "\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 431 ") {
		t.Errorf("a head of 8 KiB and a byte: %.200q", answer)
	}
}
