package soak_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/loopback"
	"github.com/tapedeck/tapedeck/internal/soak"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// TestJudge holds that what grows is told from what only moves, and that the
// warm-up is not held against anyone.
func TestJudge(t *testing.T) {
	const floor = 16 << 20
	s := &soak.Samples{}
	for i := range soak.DefaultSamples {
		s.Add("leak", soak.Bytes, floor, float64(100<<20+i<<20))
		s.Add("warm-up", soak.Bytes, floor, float64(100<<20+min(i, soak.DefaultSamples/4)<<20))
		s.Add("noise", soak.Bytes, floor, float64(100<<20+i%7<<20))
		s.Add("little", soak.Count, 8, float64(10+i/20))
		s.Add("by nature", soak.Bytes, 100<<20, float64(100<<20+i<<20))
	}
	s.Add("once", soak.Count, 0, 1)
	verdicts := s.Judge()
	if names := soak.Growing(verdicts); !slices.Equal(names, []string{"leak"}) {
		t.Errorf("%v grow: %+v", names, verdicts)
	}
	s.Coarse = true
	if names := soak.Growing(s.Judge()); names != nil {
		t.Errorf("in a short time %v grow", names)
	}
	if v := verdicts[0]; !(v.First < v.Second && v.Second < v.Last) || v.Samples != soak.DefaultSamples {
		t.Errorf("the leak is shown as %+v", v)
	}
}

// TestSampler plants a leak of each kind in the metrics of a process: each is
// found, and what grows with the events is not taken for one.
func TestSampler(t *testing.T) {
	at := 0 // the sample
	steady := map[string]int{"go_goroutines": 30, "process_resident_memory_bytes": 50 << 20, "process_open_fds": 20}
	pipeline := func(grow string) map[string]int {
		told := map[string]int{"tapedeck_tape_last_seq": 1000 + 100*at, "tapedeck_tape_bytes": 600_000 + 60_000*at, "tapedeck_recorder_lag_events": 3}
		switch grow {
		case "lag":
			told["tapedeck_recorder_lag_events"] += 50 * at
		case "tape":
			told["tapedeck_tape_bytes"] += 600 * at * at
		}
		return told
	}
	for grow, want := range map[string]string{
		"":                              "",
		"go_goroutines":                 "goroutines of analyzer",
		"process_open_fds":              "descriptors of analyzer",
		"process_resident_memory_bytes": "memory of analyzer",
		"lag":                           "lag of the recorder, events",
		"tape":                          "bytes on the tape per event",
		"database":                      "bytes in the database per event",
	} {
		api := metrics(t, func() map[string]int { return merged(steady, pipeline(grow)) })
		analyzer := metrics(t, func() map[string]int {
			told := merged(steady)
			if _, own := told[grow]; own {
				told[grow] += told[grow] * at / 30
			}
			return told
		})
		s := &soak.Sampler{
			API: soak.Process{Name: "api", Metrics: api}, Processes: []soak.Process{{Name: "analyzer", Metrics: analyzer}},
			DatabaseBytes: database(func() int64 {
				bytes := int64(400_000 * at)
				if grow == "database" {
					bytes += int64(10_000 * at * at)
				}
				return bytes
			}),
		}
		for at = 0; at < 90; at++ {
			if err := s.Sample(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(soak.Growing(s.Judge())); got != "["+want+"]" {
			t.Errorf("with %q growing these are found: %s", grow, got)
		}
	}
}

// TestWhatDoesNotAnswer: a process that is not there, or is no program of ours,
// is named.
func TestWhatDoesNotAnswer(t *testing.T) {
	other := metrics(t, func() map[string]int { return map[string]int{"up": 1} })
	alone := metrics(t, func() map[string]int { return map[string]int{"go_goroutines": 1} })
	for name, s := range map[string]*soak.Sampler{
		"api":      {API: soak.Process{Name: "api", Metrics: other}},
		"tape":     {API: soak.Process{Name: "api", Metrics: alone}},
		"recorder": {API: soak.Process{Name: "api", Metrics: alone}, Processes: []soak.Process{{Name: "recorder", Metrics: "http://127.0.0.1:1/metrics"}}},
	} {
		if err := s.Sample(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without an answer of the %s: %v", name, err)
		}
	}
}

// TestMonitoredServer: of an external nats-server is seen what it holds, its
// goroutines too, and a leak of connections is found.
func TestMonitoredServer(t *testing.T) {
	address := loopback.Address(t)
	server := streamtest.Process(t, t.TempDir(), streamtest.WithConf(func(conf string) string { return "http: \"" + address + "\"\n" + conf }))
	at := 0
	s := &soak.Sampler{
		Monitor: stream.Monitor{URLs: []string{"http://" + address + "/"}},
		API: soak.Process{Name: "api", Metrics: metrics(t, func() map[string]int {
			return map[string]int{"go_goroutines": 30, "tapedeck_tape_last_seq": 1000 + at, "tapedeck_tape_bytes": 600 * at, "tapedeck_recorder_lag_events": 3}
		})},
	}
	for at = range 9 {
		for range 3 * (at + 1) {
			server.Conn(stream.RoleAPI)
		}
		if err := s.Sample(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	verdicts := s.Judge()
	if got, want := soak.Growing(verdicts), []string{"connections of nats-server", "goroutines of nats-server"}; !slices.Equal(got, want) {
		t.Errorf("%v grow, not %v: %+v", got, want, verdicts)
	}
}

// TestDefaultRate: a long soak does not fill the tape.
func TestDefaultRate(t *testing.T) {
	if rate := soak.DefaultRate(time.Hour); rate != 100 {
		t.Errorf("an hour has %v tickers a second", rate)
	}
	if all := soak.DefaultRate(240*time.Hour) * 240 * 3600; all > 700_001 {
		t.Errorf("ten days have %v tickers", all)
	}
}

// metrics serves numbers as Prometheus' text and returns the address.
func metrics(t *testing.T, numbers func() map[string]int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range numbers() {
			fmt.Fprintf(w, "# TYPE %s gauge\n%s %d\nlabelled{name=%q} 7\n", name, name, value, name)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func merged(all ...map[string]int) map[string]int {
	whole := map[string]int{}
	for _, one := range all {
		maps.Copy(whole, one)
	}
	return whole
}

func database(bytes func() int64) func(context.Context) (int64, error) {
	return func(context.Context) (int64, error) { return bytes(), nil }
}
