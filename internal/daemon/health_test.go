package daemon_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/daemon"
	"github.com/tapedeck/tapedeck/internal/loopback"
)

// TestHealth: a supervisor is told how a process is, and Prometheus what it holds.
func TestHealth(t *testing.T) {
	address := loopback.Address(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Health(address, daemon.Check{Name: "nats", Run: func(context.Context) error { return errors.New("it is away") }}).Run(ctx)
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/livez":   {http.StatusOK, "ok"},
		"/readyz":  {http.StatusServiceUnavailable, `"nats":"it is away"`},
		"/metrics": {http.StatusOK, "\ngo_goroutines "},
	} {
		status, text := ask(t, "http://"+address+path)
		if status != want.status || !strings.Contains(text, want.text) {
			t.Errorf("%s answers %d: %s", path, status, text)
		}
	}
	if _, text := ask(t, "http://"+address+"/metrics"); !strings.Contains(text, "\nprocess_start_time_seconds ") {
		t.Errorf("the process is not among the metrics: %s", text)
	}
}

// ask asks until somebody listens.
func ask(t *testing.T, address string) (int, string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		response, err := http.Get(address)
		if err != nil {
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond) // nothing tells that it listens
			continue
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
}
