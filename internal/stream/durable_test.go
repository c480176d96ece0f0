package stream_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/loopback"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// TestSyncProfile asks real servers how they keep what they acknowledge.
func TestSyncProfile(t *testing.T) {
	for want, change := range map[string]func(string) string{
		stream.SyncAlways:    func(conf string) string { return conf },
		"sync_interval 2m0s": func(conf string) string { return strings.Replace(conf, "sync_interval: always", "", 1) },
		"sync_interval 5s": func(conf string) string {
			return strings.Replace(conf, "sync_interval: always", `sync_interval: "5s"`, 1)
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			address := loopback.Address(t)
			p := streamtest.Process(t, t.TempDir(), streamtest.WithConf(func(conf string) string { return "http: \"" + address + "\"\n" + change(conf) }))
			tape := stream.NewTape(p.JetStream(stream.RoleRecorder), nil)
			monitor := stream.Monitor{URLs: []string{"http://" + address + "/"}}
			if got, err := tape.SyncProfile(t.Context(), monitor); err != nil || got != want {
				t.Errorf("asked through the monitoring port: %q, %v", got, err)
			}
			if got, err := tape.SyncProfile(t.Context(), stream.Monitor{}); err != nil || got != "" {
				t.Errorf("without it: %q, %v", got, err)
			}
			if err := monitor.Health(t.Context()); err != nil {
				t.Errorf("its health: %v", err)
			}
			err := tape.RequireDurable(t.Context(), monitor, false)
			if refused := errors.Is(err, stream.ErrNotDurable); refused != (want != stream.SyncAlways) {
				t.Errorf("the recorder is told %v", err)
			}
			if err := tape.RequireDurable(t.Context(), monitor, true); err != nil {
				t.Errorf("accepted, and then: %v", err)
			}
		})
	}
}

// TestVolatileTape: how a stream is kept its clients are told without more.
func TestVolatileTape(t *testing.T) {
	for want, config := range map[string]jetstream.StreamConfig{
		"storage memory":     {Storage: jetstream.MemoryStorage},
		"persist_mode async": {Storage: jetstream.FileStorage, PersistMode: jetstream.AsyncPersistMode},
	} {
		server := streamtest.Server(t, streamtest.Bare())
		config.Name, config.Subjects, config.AllowDirect = stream.Tape, []string{"tape.>"}, true
		if _, err := server.JetStream(streamtest.Admin).CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		tape := server.Tape(stream.RoleRecorder)
		if got, err := tape.SyncProfile(t.Context(), stream.Monitor{}); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		if err := tape.RequireDurable(t.Context(), stream.Monitor{}, false); !errors.Is(err, stream.ErrNotDurable) || !strings.Contains(err.Error(), "--accept-loss-on-power-failure") {
			t.Errorf("the recorder is told %v", err)
		}
	}
}

// TestMonitor: what is no monitoring port, and what a server says that cannot write.
func TestMonitor(t *testing.T) {
	answer := `{"status":"unavailable","error":"JetStream stream '$G > TAPE' write error: no space left on device"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, answer)
	}))
	defer server.Close()
	monitor := stream.Monitor{URLs: []string{server.URL}}
	if err := monitor.Health(t.Context()); !errors.Is(err, stream.ErrUnwritable) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
	answer = `{"status":"error","error":"something else"}`
	if err := monitor.Health(t.Context()); err == nil || errors.Is(err, stream.ErrUnwritable) {
		t.Errorf("%v", err)
	}
	answer = "<html>"
	if _, err := monitor.SyncInterval(t.Context()); err == nil || !strings.Contains(err.Error(), "monitoring port") {
		t.Errorf("%v", err)
	}
	if err := (stream.Monitor{URLs: []string{"http://" + loopback.Address(t)}}).Health(t.Context()); err == nil {
		t.Error("nobody answers, and that is healthy")
	}
}
