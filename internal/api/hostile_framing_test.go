package api_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// settled is how long a connection may stay silent until its answer counts as
// whole, or as missing: far below the time after which a read is given up.
const settled = 3 * time.Second

// A hostile request is bytes that are no lawful request, or one that must be
// refused, before a lawful submission that would be executed if the two were
// not kept apart.
type hostile struct {
	name  string
	bytes string // SMUGGLED stands for the lawful submission
	want  string // the statuses that may be answered; with "open" the connection may stay open
}

// framings are the forms in which a request can lie about where it ends, or be
// read in two ways. Each is sent to a server that a client of its own reaches.
func framings(host string) []hostile {
	const asJSON = "Content-Type: application/json\r\n"
	line := "POST /api/v1/jobs HTTP/1.1\r\n"
	head := line + "Host: " + host + "\r\n" + asJSON
	job := `{"tickers":["OUTER"]}`
	length := fmt.Sprintf("Content-Length: %d\r\n", len(job))
	whole := length + "\r\n" + job + "SMUGGLED"
	get := "GET /api/v1/jobs HTTP/1.1\r\nHost: " + host + "\r\n"
	chunked := head + "Transfer-Encoding: chunked\r\n\r\n"
	return []hostile{
		// Two lengths.
		{"CL.TE", head + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		{"TE.CL", head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		{"two unlike lengths", head + length + "Content-Length: 0\r\n\r\n" + job + "SMUGGLED", "400"},
		{"two like lengths", head + length + whole, "400"},
		{"list of lengths", head + "Content-Length: 21, 21\r\n\r\n" + job + "SMUGGLED", "400"},
		{"two encodings", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		{"an encoding that is none", head + "Transfer-Encoding: identity\r\n\r\nSMUGGLED", "400"},
		{"an encoding that is none in a GET", get + "Transfer-Encoding: identity\r\n\r\nSMUGGLED", "400"},
		{"a length and chunks in a GET", get + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		// Lengths that are none.
		{"negative length", head + "Content-Length: -1\r\n\r\nSMUGGLED", "400"},
		{"signed length", head + "Content-Length: +21\r\n\r\n" + job + "SMUGGLED", "400"},
		{"length past 64 bits", head + "Content-Length: 18446744073709551616\r\n\r\nSMUGGLED", "400 413"},
		{"length wrapping to 21", head + "Content-Length: 18446744073709551637\r\n\r\n" + job + "SMUGGLED", "400 413"},
		{"hexadecimal length", head + "Content-Length: 0x15\r\n\r\n" + job + "SMUGGLED", "400"},
		{"length with a space inside", head + "Content-Length: 2 1\r\n\r\n" + job + "SMUGGLED", "400"},
		{"empty length", head + "Content-Length:\r\n\r\n" + job + "SMUGGLED", "400"},
		{"length past the limit", head + "Content-Length: 1048577\r\n\r\nSMUGGLED", "413"},
		// Encodings that are none.
		{"TE on HTTP/1.0", strings.Replace(head, "HTTP/1.1", "HTTP/1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		{"TE xchunked", head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		{"TE gzip, chunked", head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		{"TE chunked, identity", head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		{"TE with a tab", head + "Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		{"TE folded", head + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nSMUGGLED", "400"},
		// Chunks that are none.
		{"newline in a chunk extension", chunked + "2;\n0\r\n\r\n\r\nSMUGGLED", "400"},
		{"bare newline after a chunk's size", chunked + "0\n\r\nSMUGGLED", "400"},
		{"negative chunk", chunked + "-1\r\n\r\nSMUGGLED", "400"},
		{"chunk past 64 bits", chunked + "10000000000000000\r\n\r\nSMUGGLED", "400 413"},
		{"chunk 0x0", chunked + "0x0\r\n\r\nSMUGGLED", "400"},
		{"chunk without its end", chunked + "1\r\nXX\r\n0\r\n\r\nSMUGGLED", "400"},
		{"trailer with a length", chunked + "0\r\nContent-Length: 500\r\n\r\nSMUGGLED", "400"},
		{"trailer that stands in for a field", chunked + "15\r\n" + job + "\r\n0\r\nIdempotency-Key: k\r\n\r\nSMUGGLED", "400"},
		{"trailer with a blank in its name", chunked + "15\r\n" + job + "\r\n0\r\nContent-Length x: 5\r\n\r\nSMUGGLED", "400"},
		{"trailer that is announced", strings.Replace(chunked, "\r\n\r\n", "\r\nTrailer: X\r\n\r\n", 1) + "15\r\n" + job + "\r\n0\r\nX: a\r\n\r\nSMUGGLED", "400"},
		// Header fields that are none.
		{"space before the colon", head + "Content-Length : 21\r\n\r\n" + job + "SMUGGLED", "400"},
		{"blank in a name", head + "Content-Length x: 0\r\n" + whole, "400"},
		{"blank in a name of a GET", get + "Content-Length x: 5\r\n\r\nSMUGGLED", "400"},
		{"blank in a harmless name", get + "X Y: a\r\n\r\nSMUGGLED", "400"},
		{"blank in a name, then folded", head + "X Y: a\r\n b\r\n" + whole, "400"},
		{"tab in a name", head + "X\tY: a\r\n" + whole, "400"},
		{"tab before the colon", head + "Transfer-Encoding\t: chunked\r\n" + whole, "400"},
		{"blank before a name", head + " Content-Length: 0\r\n" + whole, "400"},
		{"name with a bracket", head + "X(Y): a\r\n" + whole, "400"},
		{"name with an umlaut", head + "X\xc3\xbc: a\r\n" + whole, "400"},
		{"bare return in a name", head + "X\rY: a\r\n" + whole, "400"},
		{"DEL in a name", head + "X\x7f: a\r\n" + whole, "400"},
		{"folded with a tab", head + "X-Long: a\r\n\tContent-Length: 0\r\n" + whole, "400"},
		{"folded into nothing", head + "X-Long: a\r\n \r\n" + whole, "400"},
		{"folded length", head + "Content-Length:\r\n 21\r\n\r\n" + job + "SMUGGLED", "400"},
		{"folded field", head + "X-Long: a\r\n b\r\n" + whole, "400"},
		{"first field folded", line + " X: a\r\nHost: " + host + "\r\n" + asJSON + whole, "400"},
		{"field without a colon", head + "Nonsense\r\n" + whole, "400"},
		{"field without a name", head + ": 1\r\n" + whole, "400"},
		{"bare newlines", strings.ReplaceAll(head+length+"\r\n", "\r\n", "\n") + job + "SMUGGLED", "400"},
		{"one bare newline", head + "X: a\n" + whole, "400"},
		{"bare return", head + "X: a\rContent-Length: 0\r\n" + whole, "400"},
		{"bare return before the end of a line", head + "X: a\r\r\n" + whole, "400"},
		{"bare newline at the end of the head", head + length + "\n" + job + "SMUGGLED", "400"},
		{"DEL in a value", head + "X: a\x7f\r\n" + whole, "400"},
		{"NUL in a value", head + "X: a\x00b\r\n" + whole, "400"},
		{"NUL in a name", head + "X\x00: a\r\n" + whole, "400"},
		{"control character in a value", head + "X: a\x1b[31m\r\n" + whole, "400"},
		{"one host twice", head + "Host: " + host + "\r\n" + whole, "400"},
		{"empty host", line + "Host:\r\n" + asJSON + whole, "400"},
		{"two hosts", head + "Host: evil.example\r\n" + whole, "400 421"},
		{"no host", line + asJSON + whole, "400 421"},
		{"header past the limit", head + "X: " + strings.Repeat("a", 9<<10) + "\r\n" + whole, "431"},
		// Request lines that are none.
		{"HTTP/9.9", strings.Replace(head, "HTTP/1.1", "HTTP/9.9", 1) + whole, "400 505"},
		{"HTTP/2.0", strings.Replace(head, "HTTP/1.1", "HTTP/2.0", 1) + whole, "400 505"},
		{"HTTP/0.9", "GET /api/v1/jobs\r\n\r\nSMUGGLED", "400 505"},
		{"HTTP/0.9 that says so", strings.Replace(head, "HTTP/1.1", "HTTP/0.9", 1) + whole, "400 505"},
		{"no version", strings.Replace(head, " HTTP/1.1", "", 1) + whole, "400 505"},
		{"no version, and a blank", strings.Replace(head, "HTTP/1.1", "", 1) + whole, "400 505"},
		{"half a version", strings.Replace(head, "HTTP/1.1", "HTTP/1", 1) + whole, "400 505"},
		{"version and a blank", strings.Replace(head, "HTTP/1.1", "HTTP/1.1 ", 1) + whole, "400 505"},
		{"version and a return", strings.Replace(head, "HTTP/1.1", "HTTP/1.1\r", 1) + whole, "400 505"},
		{"two blanks before the version", strings.Replace(head, " HTTP/1.1", "  HTTP/1.1", 1) + whole, "400 505"},
		{"tabs for blanks", strings.Replace(head, line, "POST\t/api/v1/jobs\tHTTP/1.1\r\n", 1) + whole, "400 501"},
		{"http in small letters", strings.Replace(head, "HTTP/1.1", "http/1.1", 1) + whole, "400 505"},
		{"HTTP/1.1 and more", strings.Replace(head, "HTTP/1.1", "HTTP/1.1 x", 1) + whole, "400 404 505"},
		{"HTTP/1.10", strings.Replace(head, "HTTP/1.1", "HTTP/1.10", 1) + whole, "400 505"},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nSMUGGLED", "400 501 505"},
		{"HTTP/2 preface and what follows it", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00SMUGGLED", "400 501 505"},
		{"absolute form with a user", strings.Replace(head, "POST /", "POST http://evil@"+host+"/", 1) + whole, "400"},
		{"absolute form of no host", strings.Replace(head, "POST /", "POST http:///", 1) + whole, "400"},
		{"absolute form of another kind", strings.Replace(head, "POST /", "POST ftp://"+host+"/", 1) + whole, "400"},
		{"host in the path", strings.Replace(head, "POST /", "POST //evil.example/", 1) + whole, "400"},
		{"our host in the path", "POST //" + host + "/api/v1/jobs?x=:// HTTP/1.1\r\nHost: evil.example\r\n" + asJSON + whole, "400"},
		{"absolute form of another host", strings.Replace(head, "POST /", "POST http://evil.example/", 1) + whole, "400 421"},
		{"absolute form under another host", "POST http://" + host + "/api/v1/jobs HTTP/1.1\r\nHost: evil.example\r\n" + asJSON + whole, "400 421"},
		{"authority form", strings.Replace(head, "POST /api/v1/jobs", "CONNECT evil.example:443", 1) + whole, "400"},
		{"asterisk form", strings.Replace(head, "POST /api/v1/jobs", "OPTIONS *", 1) + whole, "400"},
		{"NUL in the path", strings.Replace(head, "/jobs", "/jobs\x00", 1) + whole, "400 404"},
		{"fragment", strings.Replace(head, "/jobs", "/jobs#x", 1) + whole, "400"},
		{"fragment in a query", strings.Replace(get, "/jobs", "/jobs?limit=1#x", 1) + "\r\nSMUGGLED", "400"},
		{"fragment in the absolute form", strings.Replace(head, "POST /api/v1/jobs", "POST http://"+host+"/api/v1/jobs#x", 1) + whole, "400"},
		{"escape in the path", strings.Replace(head, "/jobs", "/jobs\x1b[2J", 1) + whole, "400"},
		{"DEL in the path", strings.Replace(head, "/jobs", "/jobs\x7f", 1) + whole, "400"},
		{"tab in the path", strings.Replace(head, "/jobs", "/jobs\t", 1) + whole, "400"},
		{"bare return in the path", strings.Replace(head, "/jobs", "/jobs\rX: a", 1) + whole, "400"},
		{"bare newline in the path", strings.Replace(head, "/jobs", "/jobs\nX: a", 1) + whole, "400 505"},
		{"space in the path", strings.Replace(head, "/jobs", "/jobs /x", 1) + whole, "400 404"},
		{"no path", strings.Replace(head, "/api/v1/jobs", "", 1) + whole, "400"},
		{"TLS to a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03SMUGGLED", "400"},
		{"method that is no name", strings.Replace(head, "POST", "P{}ST", 1) + whole, "400 501"},
		// Whole requests that are refused, the hidden one in their body: what a
		// page of another site can send. What follows them is another's.
		{"request in a text body", head[:len(head)-len(asJSON)] + "Content-Type: text/plain\r\nContent-Length: LEN\r\n\r\nSMUGGLED", "415 open"},
		{"request in a body of a GET", get + "Content-Length: LEN\r\n\r\nSMUGGLED", "400"},
		{"request in a body of no route", strings.Replace(head, "/jobs", "/nowhere", 1) + "Content-Length: LEN\r\n\r\nSMUGGLED", "404 open"},
		{"request after Expect", head + "Expect: 200-ok\r\nContent-Length: LEN\r\n\r\nSMUGGLED", "400 417 open"},
	}
}

// TestFramings: no malformed request gets a success, an answer of an internal
// error or a second answer, none executes the request that it hides, none keeps
// its connection waiting, and the server goes on.
func TestFramings(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := strings.TrimPrefix(r.url, "http://")
	list := framings(host)
	answers := make([]string, len(list))
	var running sync.WaitGroup
	for i, h := range list {
		running.Go(func() { answers[i] = r.exchange(h.request(host, i)) })
	}
	running.Wait()
	counts := map[string]int{}
	for i, h := range list {
		answer := answers[i]
		status := ""
		if rest, ok := strings.CutPrefix(answer, "HTTP/1.1 "); ok {
			status, _, _ = strings.Cut(rest, " ")
		}
		counts[status]++
		t.Logf("%-36s %s", h.name, status)
		switch {
		case status == "" || !strings.Contains(" "+h.want+" ", " "+status+" "):
			t.Errorf("%s: answered %q, want %s", h.name, answer, h.want)
		case strings.Count(answer, "HTTP/1.1 ") != 1:
			t.Errorf("%s: two answers: %q", h.name, answer)
		case !strings.Contains(answer, "application/problem+json") || strings.Contains(answer, "SMUGGLED"):
			t.Errorf("%s: not a problem document without the request's bytes: %q", h.name, answer)
		case !strings.HasSuffix(answer, "(closed)") && !strings.HasSuffix(h.want, " open"):
			t.Errorf("%s: the connection stays open, and what follows on it is read: %q", h.name, answer)
		}
	}
	t.Logf("%d malformed requests: %v", len(list), counts)
	for seq := uint64(1); seq <= r.lastSeq(); seq++ {
		msg, err := r.tape.At(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("executed: %s", msg.Data)
	}
	r.submit(`{"tickers":["A"]}`) // it goes on
}

// request is the bytes of a case, with a submission of its own hidden in them.
func (h hostile) request(host string, number int) string {
	body := fmt.Sprintf(`{"tickers":["SMUGGLED-%d"]}`, number)
	hidden := fmt.Sprintf("POST /api/v1/jobs HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", host, len(body), body)
	text := strings.Replace(h.bytes, "LEN", fmt.Sprint(len(hidden)), 1)
	return strings.Replace(text, "SMUGGLED", hidden, 1)
}

// exchange sends bytes and returns all that comes back, and "(closed)" if the
// server closed the connection after it.
func (r *rig) exchange(request string) string {
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		return err.Error()
	}
	if err := conn.SetReadDeadline(time.Now().Add(settled)); err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return string(text)
	}
	return string(text) + "(closed)"
}

// TestLawfulFramings: what is rare and lawful is served, and requests that
// follow each other on one connection are each their own.
func TestLawfulFramings(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := strings.TrimPrefix(r.url, "http://")
	head := "POST /api/v1/jobs HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n"
	pipelined := func(more, body string) string {
		return fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", head, more, len(body), body)
	}
	for _, c := range []struct {
		name, request string
		statuses      []string
		jobs          []string
	}{
		{"chunks with an extension", head + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + "B;x=1\r\n{\"tickers\":\r\n6\r\n[\"C1\"]\r\n1\r\n}\r\n0\r\n\r\n", []string{"202"}, []string{"C1"}},
		{"absolute form of ours", "POST http://" + host + "/api/v1/jobs HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"tickers\":[\"C2\"]}", []string{"202"}, []string{"C2"}},
		{"HTTP/1.0", "POST /api/v1/jobs HTTP/1.0\r\nHost: " + host + "\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"tickers\":[\"C3\"]}", []string{"202"}, []string{"C3"}},
		{"asked to become HTTP/2", "GET /livez HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", []string{"200"}, nil},
		{"every letter of a name", "GET /livez HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nX!#$%&'*+-.^_`|~09: a\r\n\r\n", []string{"200"}, nil},
		{"asked to continue", head + "Connection: close\r\nExpect: 100-continue\r\nContent-Length: 18\r\n\r\n{\"tickers\":[\"C4\"]}", []string{"100", "202"}, []string{"C4"}},
		{"after a refused one", pipelined("", `{"tickers":["*"]}`) + pipelined("Connection: close\r\n", `{"tickers":["C5"]}`), []string{"422", "202"}, []string{"C5"}},
		{"three in a row", pipelined("", `{"tickers":["C6"]}`) + pipelined("", `{"tickers":["C7"]}`) +
			"GET /livez HTTP/1.1\r\nConnection: close\r\nHost: " + host + "\r\n\r\n", []string{"202", "202", "200"}, []string{"C6", "C7"}},
	} {
		before := r.lastSeq()
		answer := r.exchange(c.request)
		var got []string
		for _, part := range strings.Split(answer, "HTTP/1.1 ")[1:] {
			got = append(got, part[:3])
		}
		if strings.Join(got, " ") != strings.Join(c.statuses, " ") {
			t.Errorf("%s: statuses %v, want %v: %q", c.name, got, c.statuses, answer)
		}
		for i, name := range c.jobs {
			if recorded, err := r.tape.At(t.Context(), before+1+uint64(i)); err != nil || !strings.Contains(string(recorded.Data), `"`+name+`"`) {
				t.Errorf("%s: the job of %s is not on the tape: %v", c.name, name, err)
			}
		}
	}
}
