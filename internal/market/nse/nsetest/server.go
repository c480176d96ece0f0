package nsetest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/nse"
)

// An Answer is how the exchange answers a request.
type Answer int

// What the exchange has been seen to answer, beside the file.
const (
	Good      Answer = iota
	TooMany          // 429 in plain text
	Broken           // 503
	Forbidden        // 403, whatever the request looks like
	Missing          // 404
	Page             // 200 with a web page
	Torn             // 200 with the first half of the file
	Cut              // the connection ends in the middle of the file
	OtherDay         // 200 with another day's file
)

// A Badness says how one request is answered, and may take its time. Requests
// are counted from 1, all of them and those for one file. It is called from
// several goroutines.
type Badness func(request int, file string, try int) Answer

// Every answers each n-th request with a.
func Every(n int, a Answer) Badness {
	return func(request int, _ string, _ int) Answer {
		if request%n == 0 {
			return a
		}
		return Good
	}
}

// A Request is one that the exchange got.
type Request struct {
	At     time.Time
	Path   string
	Status int
}

// An Exchange is a stand-in for the exchange's server. It is safe for
// concurrent use.
type Exchange struct {
	// URL is the address, for nse.Config.BaseURL.
	URL string
	// Latency is how long each answer takes. Set it before the first request.
	Latency time.Duration

	dir     string
	badness []Badness

	mu       sync.Mutex // guards what follows
	requests []Request
	tries    map[string]int
}

// Serve answers for the daily files that lie in dir, under the exchange's own
// paths and names, until the test ends. Of several badnesses the first that is
// not Good decides.
func Serve(tb testing.TB, dir string, badness ...Badness) *Exchange {
	e := &Exchange{dir: dir, badness: badness, tries: map[string]int{}}
	server := httptest.NewServer(e)
	tb.Cleanup(server.Close)
	e.URL = server.URL
	return e
}

// Requests are all that came so far.
func (e *Exchange) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Request(nil), e.requests...)
}

// Count is how many requests were answered with status.
func (e *Exchange) Count(status int) int {
	n := 0
	for _, r := range e.Requests() {
		if r.Status == status {
			n++
		}
	}
	return n
}

// ServeHTTP implements http.Handler.
func (e *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.Latency > 0 {
		time.Sleep(e.Latency) //nolint:forbidigo // the server's own slowness
	}
	e.mu.Lock()
	file := path.Base(r.URL.Path)
	e.tries[file]++
	try, at := e.tries[file], len(e.requests)
	e.requests = append(e.requests, Request{At: time.Now(), Path: r.URL.Path})
	e.mu.Unlock()
	status := e.write(w, r, file, e.answer(at+1, file, try, r))
	e.mu.Lock()
	e.requests[at].Status = status
	e.mu.Unlock()
}

func (e *Exchange) answer(request int, file string, try int, r *http.Request) Answer {
	for _, bad := range e.badness {
		if answer := bad(request, file, try); answer != Good {
			return answer
		}
	}
	agent := r.Header.Get("User-Agent")
	if !strings.HasPrefix(agent, "Mozilla/5.0") || r.Header.Get("Accept-Language") == "" || r.Header.Get("Referer") == "" {
		return Forbidden
	}
	return Good
}

// write answers and returns the status.
func (e *Exchange) write(w http.ResponseWriter, r *http.Request, file string, answer Answer) int {
	plain := func(status int, text string) int {
		http.Error(w, text, status)
		return status
	}
	switch answer {
	case TooMany:
		w.Header().Set("Retry-After", "1")
		return plain(http.StatusTooManyRequests, "Too Many Requests")
	case Broken:
		return plain(http.StatusServiceUnavailable, "Service Unavailable")
	case Forbidden:
		return plain(http.StatusForbidden, "Access Denied")
	case Missing:
		return plain(http.StatusNotFound, "File not found")
	case Page:
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<html><body>Site under maintenance</body></html>"))
		return http.StatusOK
	}
	data, err := os.ReadFile(filepath.Join(e.dir, file))
	if answer == OtherDay {
		data, err = e.other(file)
	}
	if err != nil || !rightPath(r.URL.Path, file) {
		return plain(http.StatusNotFound, "File not found")
	}
	w.Header().Set("Content-Type", "application/zip")
	switch answer {
	case Torn:
		data = data[:len(data)/2]
	case Cut:
		w.Header().Set("Content-Length", "99999999")
		data = data[:len(data)/2]
	}
	w.Write(data)
	return http.StatusOK
}

// other is the file of any other day of the archive.
func (e *Exchange) other(file string) ([]byte, error) {
	names, err := filepath.Glob(filepath.Join(e.dir, "*.zip"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if filepath.Base(name) != file {
			return os.ReadFile(name)
		}
	}
	return nil, os.ErrNotExist
}

// rightPath reports whether the exchange keeps the file there.
func rightPath(got, file string) bool {
	for layout, cut := range map[string][2]string{
		"20060102":  {"BhavCopy_NSE_CM_0_0_0_", "_F_0000.csv.zip"},
		"02Jan2006": {"cm", "bhav.csv.zip"},
	} {
		text := strings.TrimSuffix(strings.TrimPrefix(file, cut[0]), cut[1])
		if day, err := time.Parse(layout, text); err == nil {
			return got == nse.FilePath(day)
		}
	}
	return false
}
