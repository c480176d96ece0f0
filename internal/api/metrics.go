package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// durationBuckets, in seconds: from a cached read to the request's time limit.
var durationBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// metrics counts and times requests.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tapedeck_http_requests_total", Help: "Answered requests.",
		}, []string{"method", "route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tapedeck_http_request_duration_seconds", Help: "Time until the answer; of streams until their first byte.",
			Buckets: durationBuckets,
		}, []string{"route"}),
	}
	registry.MustRegister(m.requests, m.durations)
	return m
}

// request counts one answered request. Routes are patterns, so the number of
// series is bounded; methods that no route takes share the name "other".
func (m *metrics) request(method, route string, status int, took time.Duration) {
	if method != fiber.MethodGet && method != fiber.MethodPost && method != fiber.MethodHead {
		method = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(route).Observe(took.Seconds())
}

var (
	streamsDesc = prometheus.NewDesc("tapedeck_sse_streams", "Open event streams.", nil, nil)
	tapeSeqDesc = prometheus.NewDesc("tapedeck_tape_last_seq", "Last sequence of the tape.", nil, nil)
	tapeDesc    = prometheus.NewDesc("tapedeck_tape_bytes", "Size of the tape.", nil, nil)
	lagDesc     = prometheus.NewDesc("tapedeck_recorder_lag_events", "Events on the tape that are not recorded yet.", nil, nil)
)

// standing tells, when it is asked, where the server, its tape and its
// database stand. What they do not tell in time is left out.
type standing struct{ server *Server }

// Describe implements prometheus.Collector.
func (standing) Describe(descs chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{streamsDesc, tapeSeqDesc, tapeDesc, lagDesc} {
		descs <- one
	}
}

// Collect implements prometheus.Collector.
func (s standing) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	gauge(streamsDesc, float64(s.server.streams.count()))
	ctx, cancel := context.WithTimeout(s.server.base, checkTimeout)
	defer cancel()
	state, err := s.server.config.Tape.State(ctx)
	if err != nil {
		return
	}
	gauge(tapeSeqDesc, float64(state.Last))
	gauge(tapeDesc, float64(state.Bytes))
	position, err := s.server.config.Reader.Position(ctx)
	if err != nil {
		return
	}
	gauge(lagDesc, float64(behind(state.Last, position.Seq)))
}

// getMetrics answers in Prometheus' text format, which every scraper reads.
// (promhttp speaks net/http; its handler would need a goroutine per request here.)
func (s *Server) getMetrics(c *fiber.Ctx) error {
	families, err := s.config.Metrics.Gather()
	if err != nil {
		return fmt.Errorf("gathering metrics: %w", err)
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	c.Set(fiber.HeaderContentType, string(format))
	encoder := expfmt.NewEncoder(c, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return fmt.Errorf("encoding metrics: %w", err)
		}
	}
	return nil
}

// behind is last - recorded, 0 if the recorder is ahead of what was read first.
func behind(last, recorded uint64) uint64 {
	if recorded >= last {
		return 0
	}
	return last - recorded
}
