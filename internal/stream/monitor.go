package stream

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// A Monitor asks the monitoring port of an external nats-server what its clients
// cannot ask. The zero Monitor asks nobody.
type Monitor struct {
	// URLs are the addresses, "http://127.0.0.1:8222", of each server of a cluster.
	URLs []string
}

// Known reports whether there is anybody to ask.
func (m Monitor) Known() bool { return len(m.URLs) > 0 }

// SyncInterval asks how often the servers sync what they acknowledged: the
// longest of them. 0 is before each acknowledgement.
func (m Monitor) SyncInterval(ctx context.Context) (longest time.Duration, err error) {
	for _, url := range m.URLs {
		var answer struct {
			Disabled bool `json:"disabled"`
			Config   struct {
				SyncInterval time.Duration `json:"sync_interval"`
				SyncAlways   bool          `json:"sync_always"`
			} `json:"config"`
		}
		if err := ask(ctx, url, "/jsz", &answer); err != nil {
			return 0, err
		}
		if answer.Disabled {
			return 0, fmt.Errorf("asking %s: JetStream is off there", url)
		}
		if !answer.Config.SyncAlways {
			longest = max(longest, answer.Config.SyncInterval)
		}
	}
	return longest, nil
}

// ErrUnwritable says that a stream of a server stores nothing more, since a
// write failed: mostly because its disk was full.
var ErrUnwritable = errors.New("nats-server cannot write; make room on its disk and restart it: until then it stores nothing, also when there is room")

// Health asks whether all servers are healthy; ErrUnwritable with its words if
// one cannot write.
func (m Monitor) Health(ctx context.Context) error {
	for _, url := range m.URLs {
		var answer struct {
			Status string `json:"status"`
			Error  string `json:"error"`
		}
		switch err := ask(ctx, url, "/healthz", &answer); {
		case err != nil:
			return err
		case strings.Contains(answer.Error, "write error"):
			return fmt.Errorf("%w: %s says %.300q", ErrUnwritable, url, answer.Error)
		case answer.Status != "ok":
			return fmt.Errorf("%s is not healthy: %.300q", url, answer.Error)
		}
	}
	return nil
}

// Held is what one server holds.
type Held struct {
	Memory      int64 // resident bytes
	Connections int64
	Goroutines  int64 // 0: it does not tell
}

// Held asks each server what it holds.
func (m Monitor) Held(ctx context.Context) ([]Held, error) {
	held := make([]Held, len(m.URLs))
	for i, url := range m.URLs {
		var answer struct {
			Memory      int64 `json:"mem"`
			Connections int64 `json:"connections"`
		}
		if err := ask(ctx, url, "/varz", &answer); err != nil {
			return nil, err
		}
		held[i] = Held{Memory: answer.Memory, Connections: answer.Connections}
		// It has no number of them, but their stacks.
		err := read(ctx, url, "/stacksz", maxStackBytes, func(body io.Reader) error {
			lines := bufio.NewScanner(body)
			for lines.Scan() {
				if strings.HasPrefix(lines.Text(), "goroutine ") {
					held[i].Goroutines++
				}
			}
			return lines.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return held, nil
}

// ask reads the JSON at a path of a monitoring port, whatever its status.
func ask(ctx context.Context, base, path string, answer any) error {
	return read(ctx, base, path, maxMonitorBytes, func(body io.Reader) error { return json.NewDecoder(body).Decode(answer) })
}

// read gives what a monitoring port answers at a path, up to a number of bytes,
// to decode.
func read(ctx context.Context, base, path string, most int64, decode func(body io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+path, nil)
	if err != nil {
		return fmt.Errorf("asking the monitoring port of nats-server: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking the monitoring port of nats-server: %w", err)
	}
	defer response.Body.Close()
	if err := decode(io.LimitReader(response.Body, most)); err != nil {
		return fmt.Errorf("reading what %s%s answers (is it the monitoring port of a nats-server?): %w", base, path, err)
	}
	return nil
}
