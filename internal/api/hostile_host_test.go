package api_test

import (
	"net"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/api"
)

// TestHosts: a Host that is not host[:port] is malformed, one of others is not
// served, and neither becomes ours by the way it is written or by a target
// that names a host itself. PORT stands for the api's own.
func TestHosts(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *api.Config) { c.Hosts = []string{"deck.example"} })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	const served, malformed, foreign = "202", "400", "421"
	for host, want := range map[string]string{
		"127.0.0.1:PORT": served, "127.0.0.1": served, "127.0.0.1:1": served, "127.0.0.1:": served, "127.0.0.2": served,
		"localhost": served, "LocalHost:PORT": served, "[::1]": served, "[::1]:PORT": served, "[0:0:0:0:0:0:0:1]": served,
		"deck.example": served, "DECK.EXAMPLE:443": served,

		"evil.example": foreign, "evil.example:PORT": foreign, "localhost.": foreign, "127.0.0.1.": foreign, "127.1": foreign,
		"127.0.0.01": foreign, "0177.0.0.1": foreign, "0x7f000001": foreign, "2130706433": foreign, "0": foreign, "0.0.0.0": foreign,
		"[::]": foreign, "[2001:db8::1]": foreign, "localhost.evil.example": foreign, "127.0.0.1.evil.example": foreign,
		"evil.deck.example": foreign, "deck.example.": foreign, "..": foreign, "_": foreign,

		"evil@127.0.0.1": malformed, "evil:x@127.0.0.1:PORT": malformed, "@127.0.0.1": malformed, "127.0.0.1@": malformed,
		"localhost@evil.example": malformed, "127.0.0.1:PORT:PORT": malformed, "127.0.0.1:80:80": malformed, "::1": malformed,
		"[::1": malformed, "::1]": malformed, "[::1]x": malformed, "[::1]PORT": malformed, "[::1]:x": malformed, "x[::1]": malformed,
		"[[::1]]": malformed, "[]": malformed, "[127.0.0.1]": malformed, "[localhost]": malformed, "[::1%25lo]": malformed,
		"[::1%lo]": malformed, "[v1.x]": malformed, "127.0.0.1#x": malformed, "127.0.0.1/": malformed, "127.0.0.1/x": malformed,
		"127.0.0.1?x": malformed, "127.0.0.1\\x": malformed, "http://127.0.0.1": malformed, "//127.0.0.1": malformed,
		"127.0.0.1, evil.example": malformed, "127.0.0.1,evil.example": malformed, "127.0.0.1;x": malformed,
		"127.0.0.1 evil.example": malformed, "evil.example 127.0.0.1": malformed, "127.0.0.1\tx": malformed, "127.0.0.1 :PORT": malformed,
		"127.0.0.1\x00": malformed, "127.0.0.1\x0bx": malformed, "127.0.0.1\x7f": malformed, "local\rhost": malformed,
		"127.0.0.1:x": malformed, "127.0.0.1:+80": malformed, "127.0.0.1:-1": malformed, "127.0.0.1:65536": malformed,
		"127.0.0.1:80x": malformed, "127.0.0.1: 80": malformed, ":PORT": malformed, ":": malformed, "": malformed,
		"%31%32%37.0.0.1": malformed, "local%68ost": malformed, "localhost%00": malformed, "local\xc4\xb1host": malformed,
		"\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1": malformed, "*": malformed, "\"127.0.0.1\"": malformed, "<127.0.0.1>": malformed,
	} {
		host = strings.ReplaceAll(host, "PORT", port)
		r.wantHosted(host, "/api/v1/jobs", host, want)
		// What is no target either, and the authority of another, are malformed;
		// so the target never wins over Host, nor Host over the target.
		r.wantHosted(host, "http://"+host+"/api/v1/jobs", host, want)
		if want == foreign {
			r.wantHosted(host+" under ours", "http://"+host+"/api/v1/jobs", "127.0.0.1", malformed)
			r.wantHosted(host+" over ours", "http://127.0.0.1/api/v1/jobs", host, malformed)
			r.wantHosted(host+" over ours in a path", "//127.0.0.1/api/v1/jobs?x=://", host, malformed)
			r.wantHosted(host+" over ours with a user", "http://"+host+"@127.0.0.1/api/v1/jobs", host, malformed)
		}
	}
}

// wantHosted submits a job to a target under a Host, and holds the answer and
// what came onto the tape.
func (r *rig) wantHosted(name, target, host, want string) {
	r.t.Helper()
	before := r.lastSeq()
	body := `{"tickers":["A"]}`
	request := strings.Replace(postOf(host, "Content-Type: application/json\r\n", body), "POST /api/v1/jobs ", "POST "+target+" ", 1)
	answer := r.exchange(request)
	if !strings.HasPrefix(answer, "HTTP/1.1 "+want+" ") || strings.Count(answer, "HTTP/1.1 ") != 1 {
		r.t.Errorf("%q, target %q: answered %.200q, want %s", name, target, answer, want)
	}
	jobs := uint64(0)
	if want == "202" {
		jobs = 1
	}
	if got := r.lastSeq() - before; got != jobs {
		r.t.Errorf("%q, target %q: %d jobs on the tape, want %d", name, target, got, jobs)
	}
}
