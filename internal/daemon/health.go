package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// checkTime bounds one look at the parts of a process: a supervisor asks every
// few seconds and should hear of a hang rather than wait for it.
const checkTime = 2 * time.Second

// A Check says whether one part of a process is fit to work; nil is yes.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Health answers /livez (the process runs), /readyz (every check by name) and
// /metrics (what the process holds: memory, goroutines, descriptors) at addr. An empty addr answers nowhere and just waits.
func Health(addr string, checks ...Check) Part {
	return Part{Name: "health", Run: func(ctx context.Context) error {
		if addr == "" {
			<-ctx.Done()
			return nil
		}
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("listening for health checks: %w", err)
		}
		server := &http.Server{Handler: healthRoutes(checks), ReadTimeout: checkTime, WriteTimeout: 2 * checkTime}
		stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // nothing to finish: a check is asked again
		defer stop()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving health checks: %w", err)
		}
		return nil
	}}
}

func healthRoutes(checks []Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTime)
		defer cancel()
		status, answers := http.StatusOK, map[string]string{}
		for _, check := range checks {
			answers[check.Name] = "ok"
			if err := check.Run(ctx); err != nil {
				status, answers[check.Name] = http.StatusServiceUnavailable, err.Error()
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"ready": status == http.StatusOK, "checks": answers}) // the client is gone
	})
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { writeMetrics(w, metrics) })
	return mux
}

// writeMetrics answers in Prometheus' text format, as the api does.
func writeMetrics(w http.ResponseWriter, metrics prometheus.Gatherer) {
	families, err := metrics.Gather()
	if err != nil {
		http.Error(w, "gathering metrics: "+err.Error(), http.StatusInternalServerError)
		return
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	w.Header().Set("Content-Type", string(format))
	encoder := expfmt.NewEncoder(w, format)
	for _, family := range families {
		if encoder.Encode(family) != nil { // the client is gone
			return
		}
	}
}
