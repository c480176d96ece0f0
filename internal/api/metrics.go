package api

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

// durationBuckets, in seconds: from a cached read to the request's time limit.
var durationBuckets = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// metrics counts requests. It writes Prometheus' text format itself: it is
// two counters, a histogram and two gauges.
type metrics struct {
	mu        sync.Mutex // guards the maps and what they hold
	requests  map[requestKey]uint64
	durations map[string]*histogram
}

type requestKey struct {
	method, route string
	status        int
}

type histogram struct {
	counts [len(durationBuckets) + 1]uint64
	sum    float64
}

func newMetrics() *metrics {
	return &metrics{requests: map[requestKey]uint64{}, durations: map[string]*histogram{}}
}

// request counts one answered request. Routes are patterns, so the number of
// series is bounded; methods that no route takes share the name "other".
func (m *metrics) request(method, route string, status int, took time.Duration) {
	if method != fiber.MethodGet && method != fiber.MethodPost && method != fiber.MethodHead {
		method = "other"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[requestKey{method, route, status}]++
	h := m.durations[route]
	if h == nil {
		h = &histogram{}
		m.durations[route] = h
	}
	seconds := took.Seconds()
	h.counts[sort.SearchFloat64s(durationBuckets[:], seconds)]++
	h.sum += seconds
}

func (m *metrics) write(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprint(w, "# HELP tapedeck_http_requests_total Answered requests.\n# TYPE tapedeck_http_requests_total counter\n")
	lines := make([]string, 0, len(m.requests))
	for k, n := range m.requests {
		lines = append(lines, fmt.Sprintf("tapedeck_http_requests_total{method=%q,route=%q,status=\"%d\"} %d\n", k.method, k.route, k.status, n))
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Fprint(w, line)
	}
	fmt.Fprint(w, "# HELP tapedeck_http_request_duration_seconds Time until the answer; of streams until their first byte.\n# TYPE tapedeck_http_request_duration_seconds histogram\n")
	routes := make([]string, 0, len(m.durations))
	for route := range m.durations {
		routes = append(routes, route)
	}
	sort.Strings(routes)
	for _, route := range routes {
		m.durations[route].write(w, route)
	}
}

func (h *histogram) write(w io.Writer, route string) {
	var sum uint64
	for i, n := range h.counts {
		sum += n
		limit := "+Inf"
		if i < len(durationBuckets) {
			limit = strconv.FormatFloat(durationBuckets[i], 'g', -1, 64)
		}
		fmt.Fprintf(w, "tapedeck_http_request_duration_seconds_bucket{route=%q,le=%q} %d\n", route, limit, sum)
	}
	fmt.Fprintf(w, "tapedeck_http_request_duration_seconds_sum{route=%q} %g\n", route, h.sum)
	fmt.Fprintf(w, "tapedeck_http_request_duration_seconds_count{route=%q} %d\n", route, sum)
}

// getMetrics answers in Prometheus' text format. What the tape or the
// database do not tell in time is left out.
func (s *Server) getMetrics(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "text/plain; version=0.0.4; charset=utf-8")
	s.metrics.write(c)
	fmt.Fprintf(c, "# HELP tapedeck_sse_streams Open event streams.\n# TYPE tapedeck_sse_streams gauge\ntapedeck_sse_streams %d\n", s.streams.count())
	ctx, cancel := context.WithTimeout(c.UserContext(), checkTimeout)
	defer cancel()
	state, err := s.config.Tape.State(ctx)
	if err != nil {
		return nil
	}
	fmt.Fprintf(c, "# HELP tapedeck_tape_last_seq Last sequence of the tape.\n# TYPE tapedeck_tape_last_seq gauge\ntapedeck_tape_last_seq %d\n", state.Last)
	fmt.Fprintf(c, "# HELP tapedeck_tape_bytes Size of the tape.\n# TYPE tapedeck_tape_bytes gauge\ntapedeck_tape_bytes %d\n", state.Bytes)
	position, err := s.config.Reader.Position(ctx)
	if err != nil {
		return nil
	}
	fmt.Fprintf(c, "# HELP tapedeck_recorder_lag_events Events on the tape that are not recorded yet.\n# TYPE tapedeck_recorder_lag_events gauge\ntapedeck_recorder_lag_events %d\n", behind(state.Last, position.Seq))
	return nil
}

// behind is last - recorded, 0 if the recorder is ahead of what was read first.
func behind(last, recorded uint64) uint64 {
	if recorded >= last {
		return 0
	}
	return last - recorded
}
