package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
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
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// marker stands in hostile requests and must never come back.
const marker = "ECHO-MARKER-7f3a"

// raw sends bytes as they are and returns all that comes back until the
// server closes, or a second passes in silence after the first answer.
func (r *rig) raw(request string) string {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		r.t.Fatal(err)
	}
	var text strings.Builder
	part := make([]byte, 4096)
	for wait := patience; ; wait = time.Second {
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			r.t.Fatal(err)
		}
		n, err := conn.Read(part)
		text.Write(part[:n])
		if err != nil {
			return text.String() // a deadline or a reset ends it; what came counts
		}
	}
}

func postOf(host, headers, body string) string {
	return fmt.Sprintf("POST /api/v1/jobs HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", host, headers, len(body), body)
}

// TestForeignPages: a page of another site, or one whose name was rebound to
// our address, gets nothing done.
func TestForeignPages(t *testing.T) {
	r := newRig(t)
	host := strings.TrimPrefix(r.url, "http://")
	job := `{"tickers":["TCS.NS"]}`
	const asJSON = "Content-Type: application/json\r\n"
	cases := []struct {
		name, request string
		status        int
	}{
		{"ours", postOf(host, asJSON, job), 202},
		{"localhost", postOf("localhost:1", asJSON, job), 202},
		{"charset", postOf(host, "Content-Type: application/json; charset=utf-8\r\n", job), 202},
		{"our own page", postOf(host, asJSON+"Origin: http://"+host+"\r\nSec-Fetch-Site: same-origin\r\n", job), 202},
		{"foreign host", postOf("evil.example", asJSON, job), 421},
		{"foreign address", postOf("192.0.2.7", asJSON, job), 421},
		{"no host", "POST /api/v1/jobs HTTP/1.0\r\n" + asJSON + "Content-Length: 0\r\n\r\n", 421},
		{"foreign host reads", "GET /api/v1/jobs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421},
		{"forwarded host", postOf("evil.example", asJSON+"X-Forwarded-Host: "+host+"\r\n", job), 421},
		{"foreign origin", postOf(host, asJSON+"Origin: http://evil.example\r\n", job), 403},
		{"origin with a user", postOf(host, asJSON+"Origin: http://evil.example@"+host+"\r\n", job), 403},
		{"origin with a path", postOf(host, asJSON+"Origin: http://"+host+"/evil.example\r\n", job), 403},
		{"origin of another kind", postOf(host, asJSON+"Origin: ftp://"+host+"\r\n", job), 403},
		{"two origins", postOf(host, asJSON+"Origin: http://"+host+" http://evil.example\r\n", job), 403},
		{"null origin", postOf(host, asJSON+"Origin: null\r\n", job), 403},
		{"other port", postOf(host, asJSON+"Origin: http://127.0.0.1:1\r\n", job), 403},
		{"cross-site", postOf(host, asJSON+"Sec-Fetch-Site: cross-site\r\n", job), 403},
		{"same-site", postOf(host, asJSON+"Sec-Fetch-Site: same-site\r\n", job), 403},
		{"text", postOf(host, "Content-Type: text/plain\r\n", job), 415},
		{"form", postOf(host, "Content-Type: application/x-www-form-urlencoded\r\n", job), 415},
		{"multipart", postOf(host, "Content-Type: multipart/form-data; boundary=x\r\n", job), 415},
		{"no type", postOf(host, "", job), 415},
	}
	accepted := uint64(0)
	for _, c := range cases {
		answer := r.raw(c.request)
		if !strings.Contains(answer, fmt.Sprintf("HTTP/1.1 %d ", c.status)) {
			t.Errorf("%s: want %d: %.200q", c.name, c.status, answer)
		}
		if c.status == 202 {
			accepted++
		}
	}
	if last := r.lastSeq(); last != accepted {
		t.Errorf("%d events on the tape, want %d", last, accepted)
	}
	named := newRig(t, func(c *api.Config) { c.Hosts = []string{"deck.example"} })
	if answer := named.raw(postOf("deck.example:80", asJSON, job)); !strings.Contains(answer, " 202 ") {
		t.Errorf("an allowed host: %.200q", answer)
	}
}

// TestMalformed: nothing malformed is answered with a success, with the
// request's own bytes or by a second answer, and every answer is a problem document.
func TestMalformed(t *testing.T) {
	r := newRig(t)
	host := strings.TrimPrefix(r.url, "http://")
	head := "POST /api/v1/jobs HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n"
	inner := "GET /" + marker + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	cases := map[string]string{
		"garbage":            marker + "\r\n\r\n",
		"no such path":       "GET /" + marker + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n",
		"bad method":         marker + " /api/v1/jobs HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n",
		"two lengths":        head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + inner,
		"length and chunked": head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"negative length":    head + "Content-Length: -1\r\n\r\n" + inner,
		"huge length":        head + "Content-Length: 99999999999999999999\r\n\r\n" + inner,
		"over the limit":     head + "Content-Length: 1048577\r\n\r\n" + inner,
		"bad chunk":          head + "Transfer-Encoding: chunked\r\n\r\n" + marker + "\r\n",
		"long header":        head + "X: " + strings.Repeat(marker, 1000) + "\r\n\r\n",
		"space before colon": head + "Content-Length : 5\r\n\r\n" + inner,
		"illegal ticker":     postOf(host, "Content-Type: application/json\r\n", `{"tickers":["`+strings.Repeat("x", 60)+marker+`"]}`),
		"broken JSON":        postOf(host, "Content-Type: application/json\r\n", `{"`+marker),
		"unknown field":      postOf(host, "Content-Type: application/json\r\n", `{"`+strings.Repeat("x", 60)+marker+`":1}`),
	}
	for name, request := range cases {
		answer := r.raw(request)
		if strings.Contains(answer, marker) {
			t.Errorf("%s: the answer echoes the request: %.300q", name, answer)
		}
		if strings.Contains(answer, "HTTP/1.1 2") || strings.Contains(answer, "HTTP/1.1 500") {
			t.Errorf("%s: %.200q", name, answer)
		}
		if answer != "" && (strings.Count(answer, "HTTP/1.1 ") != 1 || !strings.Contains(answer, "application/problem+json")) {
			t.Errorf("%s: not one problem document: %.300q", name, answer)
		}
	}
	if last := r.lastSeq(); last != 0 {
		t.Errorf("%d events were published", last)
	}
}

// TestBodyLimit: the last byte that fits, and one more, which is refused by
// its announcement.
func TestBodyLimit(t *testing.T) {
	r := newRig(t)
	r.post("/api/v1/jobs", `{"tickers":["A"]`+strings.Repeat(" ", 1<<20-17)+"}").want(http.StatusAccepted)
	answer := r.raw("POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n")
	if !strings.Contains(answer, "HTTP/1.1 413 ") || !strings.Contains(answer, `"code":"too_large"`) {
		t.Errorf("%.300q", answer)
	}
	host := strings.TrimPrefix(r.url, "http://")
	chunked := "POST /api/v1/jobs HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
	body := `{"tickers":["C"]` + strings.Repeat(" ", 1<<20-17) + "}"
	if answer := r.raw(chunked + "80000\r\n" + body[:0x80000] + "\r\n80000\r\n" + body[0x80000:] + "\r\n0\r\n\r\n"); !strings.Contains(answer, "HTTP/1.1 202 ") {
		t.Errorf("in chunks, at the limit: %.300q", answer)
	}
	if answer := r.raw(chunked + "80000\r\n" + body[:0x80000] + "\r\n80001\r\n " + body[0x80000:] + "\r\n"); !strings.Contains(answer, "HTTP/1.1 413 ") {
		t.Errorf("in chunks, one past: %.300q", answer)
	}
	if last := r.lastSeq(); last != 2 {
		t.Errorf("%d jobs on the tape, want 2", last)
	}
}

// TestBodyBrokenOff: what has arrived of a body is not taken for the whole of it.
func TestBodyBrokenOff(t *testing.T) {
	r := newRig(t)
	head := "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for name, framing := range map[string]string{"a length": "Content-Length: 50000\r\n\r\n", "a chunk": "Transfer-Encoding: chunked\r\n\r\nC350\r\n"} {
		conn := r.dial("")
		if _, err := io.WriteString(conn, head+framing+`{"tickers":["A"]}`+strings.Repeat(" ", 40_000)); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
			t.Errorf("%s: %v %q", name, err, answer)
		}
	}
	if last := r.lastSeq(); last != 0 {
		t.Errorf("%d jobs on the tape", last)
	}
}

// TestCompressedBody: a small body that unpacks to a large one is refused
// before it is, in every encoding that Fiber would unpack.
func TestCompressedBody(t *testing.T) {
	if testing.Short() {
		t.Skip("64 MiB take the race detector long: left out under -short")
	}
	r := newRig(t)
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := io.WriteString(w, `{"tickers":["A"]`+strings.Repeat(" ", 64<<20)+"}"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, encoding := range []string{"gzip", "br", "deflate", "identity, gzip", "gzip, gzip"} {
		r.post("/api/v1/jobs", bomb.String(), "Content-Encoding", encoding).want(http.StatusUnsupportedMediaType)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("%d MiB were allocated for bodies of %d KiB", took>>20, bomb.Len()>>10)
	}
	if last := r.lastSeq(); last != 0 {
		t.Errorf("%d jobs on the tape", last)
	}
}

func TestMethods(t *testing.T) {
	r := newRig(t)
	answer := r.call(http.MethodDelete, "/api/v1/jobs", "").want(http.StatusMethodNotAllowed)
	if allow := answer.Header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "POST") {
		t.Errorf("Allow: %q", allow)
	}
	if answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%v", answer.Header)
	}
	if head := r.call(http.MethodHead, "/api/v1/jobs", "").want(http.StatusOK); len(head.Body) != 0 {
		t.Errorf("HEAD with a body: %s", head.Body)
	}
}

// TestRateLimit: the burst passes, one more does not, time gives it back.
func TestRateLimit(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	r := newRig(t, func(c *api.Config) {
		c.Limits = api.Limits{SubmitRate: 0.5, SubmitBurst: 3}
		c.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	for range 3 {
		r.submit(`{"tickers":["A"]}`)
	}
	answer := r.post("/api/v1/jobs", `{"tickers":["A"]}`, "X-Forwarded-For", "192.0.2.1", "X-Real-IP", "192.0.2.1").want(http.StatusTooManyRequests)
	if answer.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q", answer.Header.Get("Retry-After"))
	}
	mu.Lock()
	now = now.Add(2 * time.Second)
	mu.Unlock()
	r.submit(`{"tickers":["A"]}`)
	if last := r.lastSeq(); last != 4 {
		t.Errorf("%d jobs on the tape, want 4", last)
	}
}

// TestFullTape: above four fifths new jobs are refused; a replay of an
// accepted one is answered.
func TestFullTape(t *testing.T) {
	const maxBytes = 256 << 10
	server := streamtest.Server(t, streamtest.WithLimits(stream.Limits{TapeMaxBytes: maxBytes}))
	var mu sync.Mutex
	now := time.Now()
	r := newRigOn(t, server, func(c *api.Config) {
		c.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); now = now.Add(2 * time.Second); return now } // no state is fresh
	})
	tickers := make([]string, 1000)
	for i := range tickers {
		tickers[i] = fmt.Sprintf("T%d.NS", i)
	}
	body := `{"tickers":["` + strings.Join(tickers, `","`) + `"]}`
	r.post("/api/v1/jobs", body, "Idempotency-Key", "first").want(http.StatusAccepted)
	for range 100 {
		answer := r.post("/api/v1/jobs", body)
		if answer.Status == http.StatusAccepted {
			continue
		}
		answer.want(http.StatusServiceUnavailable)
		state, err := r.tape.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if answer.text("code") != "tape_full" || answer.Header.Get("Retry-After") == "" || float64(state.Bytes) < 0.8*maxBytes || float64(state.Bytes) > 0.9*maxBytes {
			t.Errorf("at %d of %d bytes: %s", state.Bytes, maxBytes, answer.Body)
		}
		replay := r.post("/api/v1/jobs", body, "Idempotency-Key", "first").want(http.StatusAccepted)
		if replay.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%v", replay.Header)
		}
		r.get("/readyz").want(http.StatusServiceUnavailable)
		return
	}
	t.Error("the tape took everything")
}

// TestTapeFilledByOthers: what fills the tape between two looks at it is met by
// the submission itself, and answered in the same way.
func TestTapeFilledByOthers(t *testing.T) {
	server := streamtest.Server(t, streamtest.WithLimits(stream.Limits{TapeMaxBytes: 32 << 10}))
	now := time.Now()
	r := newRigOn(t, server, func(c *api.Config) { c.Clock = func() time.Time { return now } }) // what was seen stays fresh
	r.submit(`{"tickers":["A"]}`)
	for i := 0; ; i++ {
		_, err := r.tape.Publish(t.Context(), events.New("test", now, &events.JobCancelled{JobID: fmt.Sprint(i), Reason: strings.Repeat("x", 500)}))
		if errors.Is(err, stream.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	answer := r.post("/api/v1/jobs", `{"tickers":["B"]}`).want(http.StatusServiceUnavailable)
	if answer.text("code") != "tape_full" || answer.Header.Get("Retry-After") == "" {
		t.Errorf("%v %s", answer.Header, answer.Body)
	}
}

// TestNATSAway: a submission while NATS is away is no success and no promise,
// and says by which id the job is found if it was taken; with a key it is
// repeated and exists once.
func TestNATSAway(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the timeouts of a server that is away")
	}
	t.Parallel()
	now := time.Now()
	r := newRig(t, func(c *api.Config) { c.Clock = func() time.Time { return now } })
	other := r.serve(api.Config{Tape: r.api, Reader: r.writer.Reading()})
	r.submit(`{"tickers":["A"]}`) // the tape's state is known, since the clock stands
	r.nats.Stop()
	answer := r.post("/api/v1/jobs", `{"tickers":["B"]}`, "Idempotency-Key", "k").want(http.StatusServiceUnavailable)
	if answer.text("code") != "outcome_unknown" || answer.text("job_id") == "" || answer.Header.Get("Retry-After") == "" ||
		answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%v %s", answer.Header, answer.Body)
	}
	first := r.url
	r.url = other // an api that asks for the tape's state before it sends anything
	answer = r.post("/api/v1/jobs", `{"tickers":["B"]}`, "Idempotency-Key", "k").want(http.StatusServiceUnavailable)
	if answer.text("code") != "tape_unavailable" || answer.json()["job_id"] != nil || answer.Header.Get("Retry-After") == "" ||
		answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%v %s", answer.Header, answer.Body)
	}
	r.url = first
	ready := r.get("/readyz").want(http.StatusServiceUnavailable)
	if !strings.Contains(string(ready.Body), `{"name":"nats","status":"fail"`) {
		t.Errorf("%s", ready.Body)
	}
	r.get("/livez").want(http.StatusOK)
	r.nats.Start()
	deadline := time.Now().Add(patience)
	for {
		again := r.post("/api/v1/jobs", `{"tickers":["B"]}`, "Idempotency-Key", "k")
		if again.Status == http.StatusAccepted {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d %s", again.Status, again.Body)
		}
	}
	if last := r.lastSeq(); last != 2 {
		t.Errorf("%d jobs on the tape, want 2", last)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	r := newRig(t, func(c *api.Config) { c.SyncProfile = "always" })
	r.submit(`{"tickers":["A"]}`)
	ready := r.get("/readyz").want(http.StatusOK).json()
	names := map[string]any{}
	for _, one := range ready["checks"].([]any) {
		check := one.(map[string]any)
		names[check["name"].(string)] = check["status"]
	}
	for _, name := range []string{"nats", "tape", "database", "recorder_lag", "sync_profile"} {
		if names[name] != "ok" {
			t.Errorf("%s: %v", name, names[name])
		}
	}
	r.get("/api/v1/jobs/" + marker).want(http.StatusNotFound)
	r.get("/" + marker).want(http.StatusNotFound)
	text := string(r.get("/metrics").want(http.StatusOK).Body)
	for _, line := range []string{
		`tapedeck_http_requests_total{method="POST",route="/api/v1/jobs",status="202"} 1`,
		`tapedeck_http_requests_total{method="GET",route="/api/v1/jobs/:id",status="404"} 1`,
		`tapedeck_http_requests_total{method="GET",route="none",status="404"} 1`,
		`tapedeck_http_request_duration_seconds_count{route="/api/v1/jobs"} 1`,
		`tapedeck_recorder_lag_events 1`, `tapedeck_tape_last_seq 1`, `tapedeck_sse_streams 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
	if strings.Contains(text, marker) {
		t.Error("a request's path became a label")
	}
	if !strings.Contains(text, "\ngo_goroutines ") {
		t.Errorf("the process says nothing of itself in\n%s", text)
	}
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		name, _, _ := strings.Cut(strings.TrimPrefix(scanner.Text(), "# "), "_")
		switch words := strings.Fields(name); words[len(words)-1] {
		case "tapedeck", "go", "process":
		default:
			t.Errorf("odd line %q", scanner.Text())
		}
	}
}
