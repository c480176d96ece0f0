package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// A Process is a program whose metrics are read, in Prometheus' text format.
type Process struct {
	// Name tells it from others in the series: "api".
	Name string
	// Metrics is the address, such as http://127.0.0.1:8080/metrics.
	Metrics string
	// HoldsTape says that nats-server runs inside it, whose memory grows with the
	// events on the tape.
	HoldsTape bool
}

// The metrics that are read. The process's own are Prometheus' usual ones.
const (
	goroutines  = "go_goroutines"
	memory      = "process_resident_memory_bytes"
	descriptors = "process_open_fds"
	tapeSeq     = "tapedeck_tape_last_seq"
	tapeBytes   = "tapedeck_tape_bytes"
	lag         = "tapedeck_recorder_lag_events"
)

// A Sampler looks at the processes of a deck, and at what its api tells of the
// pipeline. Its methods are for one goroutine at a time.
type Sampler struct {
	// Samples are what it has seen. Others may add theirs.
	Samples
	// API is the api, which also tells of tape and recorder.
	API Process
	// Processes are the others.
	Processes []Process
	// Monitor reaches external nats-servers.
	Monitor stream.Monitor
	// DatabaseBytes is how large the database is; nil leaves that out.
	DatabaseBytes func(ctx context.Context) (int64, error)

	first *standing // of the first sample: what is there before does not count
	last  standing
}

// standing is how much there is.
type standing struct{ events, tape, database, lag float64 }

// Events is how many events came onto the tape since the first sample, as the
// last one saw it.
func (s *Sampler) Events() float64 {
	if s.first == nil {
		return 0
	}
	return s.last.events - s.first.events
}

// Sample looks at everything once. When something does not answer in time, the
// error names it and nothing is added.
func (s *Sampler) Sample(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, scrapeTime)
	defer cancel()
	all := append([]Process{s.API}, s.Processes...)
	told := make([]map[string]float64, len(all))
	for i, p := range all {
		var err error
		if told[i], err = scrape(ctx, p.Metrics); err != nil {
			return fmt.Errorf("reading the metrics of %s: %w", p.Name, err)
		}
	}
	servers, err := s.Monitor.Held(ctx)
	if err != nil {
		return err
	}
	now, err := s.stand(ctx, told[0])
	if err != nil {
		return err
	}
	if s.last = now; s.first == nil {
		s.first = &now
	}
	for i, p := range all {
		s.process(p, told[i])
	}
	for i, server := range servers {
		name := "nats-server"
		if i > 0 {
			name = fmt.Sprint("nats-server-", i+1)
		}
		s.Add("memory of "+name, Bytes, s.TapeMemory(), float64(server.Memory))
		s.Add("connections of "+name, Count, growthDescriptors, float64(server.Connections))
		if server.Goroutines > 0 {
			s.Add("goroutines of "+name, Count, growthGoroutines, float64(server.Goroutines))
		}
	}
	s.pipeline(now)
	return nil
}

// TapeMemory is by how much the memory of a nats-server may grow in the last
// third, by the events that came onto the tape.
func (s *Sampler) TapeMemory() float64 { return max(growthMemory, natsPerEvent*s.Events()/3) }

// Hold adds what a process was seen to hold that has no metrics of its own.
func (s *Sampler) Hold(name string, resident, open float64, holdsTape bool) {
	floor := float64(growthMemory)
	if holdsTape {
		floor = s.TapeMemory()
	}
	s.Add("memory of "+name, Bytes, floor, resident)
	s.Add("descriptors of "+name, Count, growthDescriptors, open)
}

// stand reads where the pipeline stands. What the servers do not tell the api in
// time is left out of its metrics.
func (s *Sampler) stand(ctx context.Context, told map[string]float64) (now standing, err error) {
	for _, name := range []string{tapeSeq, tapeBytes, lag} {
		if _, there := told[name]; !there {
			return now, fmt.Errorf("the api's metrics have no %s: its tape or its database did not answer", name)
		}
	}
	now = standing{events: told[tapeSeq], tape: told[tapeBytes], lag: told[lag]}
	if s.DatabaseBytes != nil {
		bytes, err := s.DatabaseBytes(ctx)
		if err != nil {
			return now, fmt.Errorf("asking how large the database is: %w", err)
		}
		now.database = float64(bytes)
	}
	return now, nil
}

// process adds what one tells of itself; not every system tells everything.
func (s *Sampler) process(p Process, told map[string]float64) {
	floor := float64(growthMemory)
	if p.HoldsTape {
		floor = s.TapeMemory()
	}
	for _, one := range []struct {
		metric, name string
		unit         Unit
		floor        float64
	}{
		{memory, "memory", Bytes, floor},
		{goroutines, "goroutines", Count, growthGoroutines},
		{descriptors, "descriptors", Count, growthDescriptors},
	} {
		if value, there := told[one.metric]; there {
			s.Add(one.name+" of "+p.Name, one.unit, one.floor, value)
		}
	}
}

// pipeline adds the lag, and what an event since the first sample takes.
func (s *Sampler) pipeline(now standing) {
	s.Add("lag of the recorder, events", Count, growthLag, now.lag)
	if events := now.events - s.first.events; events > 0 {
		s.Add("bytes on the tape per event", Bytes, growthTapeBytes, (now.tape-s.first.tape)/events)
		if s.DatabaseBytes != nil {
			s.Add("bytes in the database per event", Bytes, growthDatabaseBytes, (now.database-s.first.database)/events)
		}
	}
}

// scrape reads the metrics that have no labels.
func scrape(ctx context.Context, address string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking it: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s is answered with %s", address, response.Status)
	}
	values := map[string]float64{}
	lines := bufio.NewScanner(io.LimitReader(response.Body, maxMetricsBytes))
	for lines.Scan() {
		if name, text, ok := strings.Cut(lines.Text(), " "); ok {
			if value, err := strconv.ParseFloat(text, 64); err == nil {
				values[name] = value
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading what %s answers: %w", address, err)
	}
	if _, there := values[goroutines]; !there {
		return nil, errors.New("there is no " + goroutines + ": these are not the metrics of a program of tapedeck")
	}
	return values, nil
}
