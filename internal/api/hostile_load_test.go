package api_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
)

// dial opens a connection to the api from an address, any if it is empty.
func (r *rig) dial(from string) net.Conn {
	r.t.Helper()
	dialer := net.Dialer{Timeout: patience}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := dialer.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// waitingIn is how many goroutines of the process have a function on their stack.
func waitingIn(function string) int {
	size := 1 << 20
	for {
		text := make([]byte, size)
		if n := runtime.Stack(text, true); n < size {
			return strings.Count(string(text[:n]), function+"(")
		}
		size *= 2
	}
}

// heap is the memory of the process that is in use, after a collection, in MiB.
func heap() float64 {
	runtime.GC()
	runtime.GC() // pools let go at the second
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc) / (1 << 20)
}

// TestAnnouncedBodies: a client that announces a body and does not send it gets
// no memory for it: 300 of them announce 1 MiB each and send a byte.
func TestAnnouncedBodies(t *testing.T) {
	const connections, most = 300, 24 // MiB; the announced ones are 300
	r := newRig(t)
	host := strings.TrimPrefix(r.url, "http://")
	r.get("/livez").want(http.StatusOK)
	before := heap()
	list := make([]net.Conn, connections)
	for i := range list {
		list[i] = r.dial("")
		head := "POST /api/v1/jobs HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n{"
		if _, err := io.WriteString(list[i], head); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("all to wait for their bodies", func() bool { return waitingIn("fasthttp.appendBodyFixedSize") == connections })
	during := heap() - before
	t.Logf("%d connections that announced 1 MiB and sent a byte: %.1f MiB more in use", connections, during)
	if during > most {
		t.Errorf("%.1f MiB in use for bodies that did not come, want at most %d", during, most)
	}
	r.submit(`{"tickers":["A"]}`) // the others are served
	for _, conn := range list {
		conn.Close()
	}
	r.eventually("the connections to be gone", func() bool { return waitingIn("fasthttp.(*Server).serveConnCounted") < 5 })
	if after := heap() - before; after > most/2 {
		t.Errorf("%.1f MiB in use afterwards", after)
	}
}

// TestSlowRequests: who drips is cut off at the read timeout of 10 s, whatever
// it drips and however often: it is the time of the whole request. Until then
// each holds a connection of those that there may be, and no more; who comes
// then is turned away at once.
func TestSlowRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the read timeout")
	}
	t.Parallel()
	const each, timeout, slack = 15, 10 * time.Second, 5 * time.Second
	head := "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	kinds := map[string]struct{ first, drip string }{
		"silence":          {"", ""},
		"half a line":      {"POST /api", ""},
		"drips the head":   {head, "x"},
		"sends no body":    {head + "Content-Length: 1000000\r\n\r\n", ""},
		"drips the body":   {head + "Content-Length: 1000000\r\n\r\n", " "},
		"drips chunks":     {head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"},
		"drips extensions": {head + "Transfer-Encoding: chunked\r\n\r\n1;", "x"},
	}
	r := newRig(t, func(c *api.Config) {
		most := each*len(kinds) + 1
		c.Limits = api.Limits{Concurrency: most, ConnectionsPerIP: most + 1}
	})
	host := strings.TrimPrefix(r.url, "http://")
	began := time.Now()
	took := make(chan string, each*len(kinds))
	for name, kind := range kinds {
		for range each {
			go func() { took <- name + " " + r.drip(kind.first, kind.drip, timeout+slack) }()
		}
	}
	r.eventually("all to be connected", func() bool { return waitingIn("fasthttp.(*Server).serveConnCounted") >= each*len(kinds) })
	ask := "GET /livez HTTP/1.1\r\nHost: " + host + "\r\n"
	if answer := r.exchange(ask + "Connection: close\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Errorf("the last connection that there may be: %q", answer)
	}
	last := r.dial("")
	if _, err := io.WriteString(last, ask+"\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if answer := r.exchange(ask + "\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 503 ") || !strings.HasSuffix(answer, "(closed)") {
		t.Errorf("one connection more than there may be: %q", answer)
	}
	if passed := time.Since(began); passed > timeout {
		t.Logf("the machine took %v for this", passed)
	}
	for range each * len(kinds) {
		if line := <-took; !strings.HasSuffix(line, "closed") {
			t.Error(line)
		}
	}
	if passed := time.Since(began); passed < timeout-time.Second {
		t.Errorf("all were closed after %v, before the timeout", passed)
	}
	r.get("/livez").want(http.StatusOK)
}

// TestConnectionsPerAddress: who holds as many connections as one address may
// is turned away with the next, gets one again when one is closed, and leaves
// room for others.
func TestConnectionsPerAddress(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not every loopback address is one's own here")
	}
	const most = 6 // three quarters of 8
	r := newRig(t, func(c *api.Config) { c.Limits = api.Limits{Concurrency: 8} })
	served := func(conn net.Conn) string {
		if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err.Error()
		}
		answer := make([]byte, 4096)
		n, err := conn.Read(answer)
		if err != nil {
			return err.Error()
		}
		return string(answer[:n])
	}
	var held []net.Conn
	for range most {
		conn := r.dial("127.0.0.2")
		if answer := served(conn); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Fatalf("connection %d of %d: %q", len(held)+1, most, answer)
		}
		held = append(held, conn)
	}
	for range 3 { // who is turned away counts for nothing
		answer, err := io.ReadAll(r.dial("127.0.0.2"))
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 429 ") {
			t.Errorf("one connection more: %v %q", err, answer)
		}
	}
	if answer := served(r.dial("127.0.0.3")); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Errorf("another address: %q", answer)
	}
	held[0].Close()
	r.eventually("room for one again", func() bool { return strings.HasPrefix(served(r.dial("127.0.0.2")), "HTTP/1.1 200 ") })
}

// drip sends a first text and then drips until the server closes the connection.
func (r *rig) drip(first, drip string, most time.Duration) string {
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	began := time.Now()
	if _, err := io.WriteString(conn, first); err != nil {
		return err.Error()
	}
	if drip != "" {
		go func() {
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					if _, err := io.WriteString(conn, drip); err != nil {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	_ = conn.SetReadDeadline(began.Add(most))
	answer, err := io.ReadAll(conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return fmt.Sprintf("is still open after %v", most)
	}
	if strings.Contains(string(answer), "HTTP/1.1 2") {
		return fmt.Sprintf("was answered %q", answer)
	}
	return "closed"
}

// TestStreamFlood: more streams than there may be, from several addresses, are
// refused with a time to come back, and what was refused holds nothing; when
// the clients are gone so are the streams and what they ran on.
func TestStreamFlood(t *testing.T) {
	const total, perAddress, flood = 100, 60, 150
	r := newRig(t, func(c *api.Config) { c.Limits = api.Limits{Streams: total, StreamsPerIP: perAddress} })
	host := strings.TrimPrefix(r.url, "http://")
	names := make([]string, 5000)
	for i := range names {
		names[i] = fmt.Sprintf("T%d", i)
	}
	id := r.submit(`{"tickers":["` + strings.Join(names, `","`) + `"]}`)
	r.record()
	before := heap()
	var mu sync.Mutex
	var open []net.Conn
	statuses := map[string]map[string]int{}
	addresses := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}
	if runtime.GOOS != "linux" {
		t.Skip("not every loopback address is one's own here")
	}
	for _, address := range addresses {
		statuses[address] = map[string]int{}
		var running sync.WaitGroup
		for range flood {
			conn := r.dial(address)
			running.Go(func() {
				_, _ = io.WriteString(conn, "GET /api/v1/events HTTP/1.1\r\nHost: "+host+"\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n")
				answer := make([]byte, 4096)
				n, err := conn.Read(answer)
				text := string(answer[:n])
				mu.Lock()
				defer mu.Unlock()
				if err != nil || n < 12 {
					t.Errorf("no answer: %v", err)
					return
				}
				status := text[9:12]
				statuses[address][status]++
				if status == "200" {
					open = append(open, conn)
				} else if !strings.Contains(text, "\r\nRetry-After: ") || !strings.Contains(text, "too_many_streams") {
					t.Errorf("%q", text)
				}
			})
		}
		running.Wait()
	}
	t.Logf("%d streams were asked for: %v", flood*len(addresses), statuses)
	for i, want := range []map[string]int{{"200": 60, "429": 90}, {"200": 40, "503": 110}, {"503": 150}} {
		if got := statuses[addresses[i]]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", addresses[i], got, want)
		}
	}
	if pumps := waitingIn("api.(*Server).pump"); pumps != total {
		t.Errorf("%d goroutines serve streams, want %d", pumps, total)
	}
	t.Logf("%d streams and %d refused connections: %.1f MiB more in use", total, flood*len(addresses)-total, heap()-before)
	r.submit(`{"tickers":["C"]}`) // the others are served
	for _, conn := range open {
		conn.Close()
	}
	r.eventually("the streams to be gone", func() bool {
		r.publish(r.analyzed(id, names[0], 0.5, events.Buy))
		names = names[1:]
		r.record() // what is written now finds the clients gone
		return strings.Contains(string(r.get("/metrics").Body), "tapedeck_sse_streams 0\n") && waitingIn("api.(*Server).pump") == 0
	})
	r.follow("/api/v1/events")
}
