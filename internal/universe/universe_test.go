package universe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/universe"
)

// An exchange is a server that publishes lists, well or badly.
type exchange struct {
	*httptest.Server
	requests atomic.Int64
	answer   atomic.Pointer[http.HandlerFunc]
}

func newExchange(t *testing.T) *exchange {
	e := &exchange{}
	e.answers(index(500))
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.requests.Add(1)
		if !strings.HasPrefix(r.UserAgent(), "Mozilla/5.0") { // as NSE's server does
			http.Error(w, "Access Denied", http.StatusForbidden)
			return
		}
		(*e.answer.Load())(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *exchange) does(f http.HandlerFunc) { e.answer.Store(&f) }

func (e *exchange) answers(body string) {
	e.does(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
}

// index returns a list of n companies in NSE's shape.
func index(n int) string {
	var b strings.Builder
	b.WriteString("Company Name,Industry,Symbol,Series,ISIN Code\r\n")
	for i := range n {
		fmt.Fprintf(&b, "\"Company, %d Ltd.\",Services,SYM%d,EQ,INE%06dA01010\r\n", i, i, i)
	}
	return b.String()
}

// A clock is moved by hand.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC).Unix())
	return c
}
func (c *clock) now() time.Time       { return time.Unix(c.at.Load(), 0) }
func (c *clock) add(by time.Duration) { c.at.Add(int64(by / time.Second)) }

func open(e *exchange, dir string, c *clock) *universe.Source {
	return universe.Open(universe.Config{Dir: dir, NSEURL: e.URL, NASDAQURL: e.URL + "/dynamic/SymDir/", Now: c.now, HTTP: &http.Client{Timeout: time.Minute}})
}

func must(t *testing.T, s *universe.Source, name string) universe.List {
	t.Helper()
	list, err := s.Tickers(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestBuiltInNeedsNoNetwork(t *testing.T) {
	e, c := newExchange(t), newClock()
	list := must(t, open(e, t.TempDir(), c), "nifty50")
	if len(list.Tickers) != 50 || list.Date != "2026-06-21" || list.Origin != "built in: NSE Indices, NIFTY 50" || e.requests.Load() != 0 {
		t.Errorf("%d tickers of %s, %q, %d requests", len(list.Tickers), list.Date, list.Origin, e.requests.Load())
	}
}

func TestFetchedKeptRefreshed(t *testing.T) {
	for _, kind := range []string{"folder", "memory"} {
		t.Run(kind, func(t *testing.T) {
			e, c, dir := newExchange(t), newClock(), ""
			if kind == "folder" {
				dir = filepath.Join(t.TempDir(), "deep", "universes")
			}
			s := open(e, dir, c)
			first := must(t, s, "nifty500")
			want := universe.List{Name: "nifty500", Date: "2026-11-25", Tickers: first.Tickers,
				Origin: "NIFTY 500, fetched 2026-11-25 from " + e.URL + "/content/indices/ind_nifty500list.csv"}
			if diff := cmp.Diff(want, first); diff != "" || len(first.Tickers) != 500 || first.Tickers[7] != "SYM7.NS" {
				t.Fatalf("%d tickers: %s", len(first.Tickers), diff)
			}
			c.add(23 * time.Hour)
			first.Tickers[0] = "SPOILED" // the caller's own
			if again := must(t, s, "nifty500"); again.Date != "2026-11-25" || again.Tickers[0] != "SYM0.NS" || e.requests.Load() != 1 {
				t.Errorf("%s, %s, %d requests", again.Date, again.Tickers[0], e.requests.Load())
			}
			c.add(2 * time.Hour)
			e.answers(index(501))
			if list := must(t, s, "nifty500"); list.Date != "2026-11-26" || len(list.Tickers) != 501 || list.Warning != "" {
				t.Errorf("refreshed: %d of %s, %q", len(list.Tickers), list.Date, list.Warning)
			}
			if kind == "folder" { // another program finds it
				if list := must(t, open(e, dir, c), "nifty500"); len(list.Tickers) != 501 || e.requests.Load() != 2 {
					t.Errorf("another program: %d tickers, %d requests", len(list.Tickers), e.requests.Load())
				}
			}
		})
	}
}

// faults are what servers answer instead of a list, and what is said of it.
var faults = map[string]struct {
	do   http.HandlerFunc
	want string
}{
	"403":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "403 Forbidden (it refuses programs"},
	"404":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) }, "has moved the list"},
	"503":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }, "503 Service Unavailable"},
	"html":  {body("\n<!DOCTYPE html><html>Access Denied</html>"), "a web page, not a list"},
	"empty": {body("\ufeff \r\n"), "it is empty"},
	"json":  {body(`{"data":[]}`), "parse error on line 1"},
	"garbage": {func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("\x1f\x8b\x00\xff,\"\x00\n")) //nolint:errcheck // the server's part
	}, "the answer of http"},
	"header only": {body("Company Name,Industry,Symbol,Series,ISIN Code\n"), "holds 0 tickers where 490 to 515"},
	"columns":     {body("Company Name,Symbol\nX,X\n"), "no columns Symbol and Series"},
	"cut in line": {body(before(index(500), ",EQ,INE000400")), "line 402 has 3 fields where the header has 5: it was cut off or is no list"},
	"cut at line": {body(index(300)), "holds 300 tickers where 490 to 515"},
	"too many":    {body(index(600)), "holds 600 tickers"},
	"illegal":     {body(strings.Replace(index(500), "SYM3,", "SY M3,", 1)), `line 5: illegal ticker "SY M3.NS"`},
	"truncated": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		fmt.Fprint(w, index(500))
	}, "unexpected EOF"},
	"without length": {func(w http.ResponseWriter, _ *http.Request) { // cut or not: nobody can tell
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // the server's part
		fmt.Fprintf(buffer, "HTTP/1.0 200 OK\r\nContent-Type: text/csv\r\n\r\n%s", index(500))
		buffer.Flush() //nolint:errcheck // the server's part
	}, "does not say how long its answer is"},
	"huge": {func(w http.ResponseWriter, r *http.Request) { // without end
		chunk := make([]byte, 1<<20)
		for r.Context().Err() == nil {
			w.Write(chunk) //nolint:errcheck // the server's part
		}
	}, "answered more than 8 MiB"},
	"slow": {func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "Company Name,")
		w.(http.Flusher).Flush() //nolint:forcetypeassert // httptest's is one
		<-r.Context().Done()
	}, "Timeout"},
}

// before returns the part of text before end.
func before(text, end string) string {
	part, _, _ := strings.Cut(text, end)
	return part
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// TestFaults: each fault is an error without a copy at hand, and never touches
// the copy where there is one.
func TestFaults(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, c, dir := newExchange(t), newClock(), t.TempDir()
			e.does(fault.do)
			patience := time.Minute
			if name == "slow" { // whatever it is that takes so long, it is a timeout
				patience = 300 * time.Millisecond
			}
			faulty := universe.Open(universe.Config{Dir: dir, NSEURL: e.URL, Now: c.now, HTTP: &http.Client{Timeout: patience}})
			_, err := faulty.Tickers(t.Context(), "nifty500")
			if !errors.Is(err, universe.ErrUnavailable) || !strings.Contains(err.Error(), fault.want) || !strings.Contains(err.Error(), "name a built-in universe") {
				t.Fatalf("without a copy: %v; want %q", err, fault.want)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}

			e.answers(index(500))
			good := must(t, open(e, dir, c), "nifty500")
			before := read(t, filepath.Join(dir, "nifty500.txt"))
			c.add(72 * time.Hour)
			e.does(fault.do)
			old := must(t, faulty, "nifty500")
			if old.Date != "2026-11-25" || !slices.Equal(old.Tickers, good.Tickers) {
				t.Errorf("the copy is not served: %d of %s", len(old.Tickers), old.Date)
			}
			if !strings.Contains(old.Warning, "this list is of 2026-11-25") || !strings.Contains(old.Warning, fault.want) {
				t.Errorf("warning %q", old.Warning)
			}
			if after := read(t, filepath.Join(dir, "nifty500.txt")); after != before {
				t.Error("the copy was changed")
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestShrunkListIsNotBelieved: cut at a line's end within the wide bounds of a
// whole exchange, a list is recognised by the copy at hand.
func TestShrunkListIsNotBelieved(t *testing.T) {
	e, c, dir := newExchange(t), newClock(), t.TempDir()
	e.answers(index(2100))
	s := open(e, dir, c)
	must(t, s, "nse_equity")
	c.add(25 * time.Hour)
	e.answers(index(1990))
	if list := must(t, s, "nse_equity"); len(list.Tickers) != 2100 || !strings.Contains(list.Warning, "holds 1990 tickers where the copy of 2026-11-25 holds 2100") {
		t.Errorf("%d tickers, %q", len(list.Tickers), list.Warning)
	}
	if err := os.Remove(filepath.Join(dir, "nse_equity.txt")); err != nil {
		t.Fatal(err)
	}
	c.add(time.Hour)
	if list := must(t, s, "nse_equity"); len(list.Tickers) != 1990 {
		t.Errorf("after removing the copy: %d tickers", len(list.Tickers))
	}
}

// TestFailureIsRememberedForAMoment: submissions in a row do not wait for the
// same dead server.
func TestFailureIsRememberedForAMoment(t *testing.T) {
	e, c := newExchange(t), newClock()
	e.does(faults["503"].do)
	s := open(e, t.TempDir(), c)
	for range 3 {
		if _, err := s.Tickers(t.Context(), "nifty500"); !errors.Is(err, universe.ErrUnavailable) || !strings.Contains(err.Error(), "503") {
			t.Fatal(err)
		}
	}
	if n := e.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
	e.answers(index(500))
	c.add(3 * time.Minute)
	must(t, s, "nifty500")
}

// TestSingleFlight: who asks while a fetch is under way waits for it, and who
// leaves does not end it for the others.
func TestSingleFlight(t *testing.T) {
	e, c := newExchange(t), newClock()
	arrived, release := make(chan struct{}), make(chan struct{})
	e.does(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, index(500))
	})
	s := universe.Open(universe.Config{NSEURL: e.URL, Now: c.now})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { _, err := s.Tickers(ctx, "nifty500"); left <- err }()
	<-arrived
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left: %v", err)
	}
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if list, err := s.Tickers(t.Context(), "nifty500"); err != nil || len(list.Tickers) != 500 {
				t.Errorf("%d tickers, %v", len(list.Tickers), err)
			}
		})
	}
	close(release)
	wait.Wait()
	if n := e.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestUserAgentIsABrowsers(t *testing.T) {
	e := newExchange(t)
	s := universe.Open(universe.Config{NSEURL: e.URL, UserAgent: "curl/8"})
	if _, err := s.Tickers(t.Context(), "nifty500"); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("curl: %v", err)
	}
	must(t, universe.Open(universe.Config{NSEURL: e.URL}), "nifty500")
}

// TestFileOfTheUser: a list that was put into the folder by hand is used, by the
// file's age; a broken one is named.
func TestFileOfTheUser(t *testing.T) {
	e, dir := newExchange(t), t.TempDir()
	e.does(faults["403"].do)
	path := filepath.Join(dir, "nifty200.txt")
	if err := os.WriteFile(path, []byte("TCS.NS\nINFY.NS\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := universe.Open(universe.Config{Dir: dir, NSEURL: e.URL, Log: slog.New(slog.NewTextHandler(&log, nil))})
	list := must(t, s, "nifty200")
	if diff := cmp.Diff([]string{"TCS.NS", "INFY.NS"}, list.Tickers); diff != "" || list.Warning != "" || !strings.HasSuffix(list.Origin, "from the file nifty200.txt") {
		t.Errorf("%s, %+v", diff, list)
	}
	if err := os.WriteFile(path, []byte("TCS.NS\n*\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tickers(t.Context(), "nifty200"); !errors.Is(err, universe.ErrUnavailable) || !strings.Contains(err.Error(), "nifty200.txt:2: ") || strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "@FILE") {
		t.Errorf("broken copy: %v", err)
	}
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tickers(t.Context(), "nifty200"); !errors.Is(err, universe.ErrUnavailable) || strings.Contains(err.Error(), dir) {
		t.Errorf("a copy that cannot be opened: %v", err)
	}
	if !strings.Contains(log.String(), "file="+path) { // who runs this is told where to put one
		t.Errorf("the log does not say where the file is: %s", log.String())
	}
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	e, file := newExchange(t), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if list := must(t, open(e, filepath.Join(file, "below"), newClock()), "nifty500"); len(list.Tickers) != 500 {
		t.Errorf("%d tickers", len(list.Tickers))
	}
}

func TestProvider(t *testing.T) {
	e, c := newExchange(t), newClock()
	e.answers(index(2000))
	listing := func(tickers []string, err error) *universe.Source {
		return universe.Open(universe.Config{NSEURL: e.URL, Now: c.now, Lister: func(context.Context) ([]string, error) { return tickers, err }})
	}
	mixed := []string{"AAPL", "INFY.NS", "TCS.BO", "TCS.NS", "^NSEI"}
	want := universe.List{Name: "nse", Date: "2026-11-25", Origin: "what the market's provider lists", Tickers: []string{"INFY.NS", "TCS.NS"}}
	if diff := cmp.Diff(want, must(t, listing(mixed, nil), "nse")); diff != "" {
		t.Error(diff)
	}
	want.Name, want.Tickers = "all", mixed
	if diff := cmp.Diff(want, must(t, listing(mixed, nil), "all")); diff != "" {
		t.Error(diff)
	}
	if n := e.requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}

	without := universe.Open(universe.Config{NSEURL: e.URL, Now: c.now})
	cannot := listing(nil, fmt.Errorf("synthetic: %w", universe.ErrCannotList))
	for _, s := range []*universe.Source{without, cannot} {
		if list := must(t, s, "nse"); list.Name != "nse" || len(list.Tickers) != 2000 || !strings.HasPrefix(list.Origin, "nse_equity, as the market's provider has no list: ") {
			t.Errorf("%s, %d tickers, %q", list.Name, len(list.Tickers), list.Origin)
		}
	}
	if _, err := without.Tickers(t.Context(), "all"); !errors.Is(err, universe.ErrUnknown) {
		t.Errorf("all without a Lister: %v", err)
	}
	if _, err := cannot.Tickers(t.Context(), "all"); !errors.Is(err, universe.ErrUnavailable) {
		t.Errorf("all of one that cannot list: %v", err)
	}
	if _, err := listing([]string{"AAPL"}, nil).Tickers(t.Context(), "nse"); !errors.Is(err, universe.ErrUnavailable) {
		t.Errorf("nse of a provider with AAPL only: %v", err)
	}
	down := errors.New("down")
	if _, err := listing(nil, down).Tickers(t.Context(), "nse"); !errors.Is(err, down) {
		t.Errorf("a provider that is down: %v", err)
	}
}

func TestUnknownNamesTheChoices(t *testing.T) {
	e := newExchange(t)
	for _, name := range []string{"", "nifty", "NIFTY50", "../nifty50", "nifty50\x00"} {
		_, err := open(e, t.TempDir(), newClock()).Tickers(t.Context(), name)
		if !errors.Is(err, universe.ErrUnknown) || !strings.Contains(err.Error(), "dow30, nasdaq100, nasdaq_listed, nifty100, ") || strings.Contains(err.Error(), "@FILE") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if e.requests.Load() != 0 {
		t.Error("something was fetched")
	}
}

func TestNames(t *testing.T) {
	e, c := newExchange(t), newClock()
	s := open(e, t.TempDir(), c)
	must(t, s, "nifty500")
	names := s.Names()
	byName := map[string]universe.Info{}
	for _, info := range names {
		byName[info.Name] = info
	}
	if len(byName) != len(names) || !slices.IsSortedFunc(names, func(a, b universe.Info) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("twice, or not sorted: %v", names)
	}
	for _, want := range []universe.Info{
		{Name: "nifty500", Title: "NIFTY 500", Date: "2026-11-25", Count: 500}, {Name: "nifty200", Title: "NIFTY 200"},
		{Name: "nifty50", Title: "NSE Indices, NIFTY 50", Date: "2026-06-21", Count: 50}, {Name: "nse", Title: "as nse_equity"},
	} {
		if diff := cmp.Diff(want, byName[want.Name]); diff != "" {
			t.Error(diff)
		}
	}
}
