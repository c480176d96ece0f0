package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/standalone"
)

// TestSoak soaks a deck of its own for some seconds: nothing is wrong with it.
func TestSoak(t *testing.T) {
	command(t, "soak", "--for=3s", "--rate=300").want(t, exitOK,
		"goroutines of tapedeck", "bytes in the database per event", "differences 0", "wrong       0", "soaked ")
}

// TestSoakFindsALeak soaks a deck that runs, in whose process goroutines pile up.
func TestSoakFindsALeak(t *testing.T) {
	if testing.Short() {
		t.Skip("left out under -short, like what only repeats")
	}
	dir := t.TempDir()
	base := deck(t, func(cfg *standalone.Config) { cfg.DataDir = dir })
	leaking, stop := context.WithCancel(t.Context())
	var leaked sync.WaitGroup
	leaked.Go(func() {
		const perSecond = 2000
		for n, began := 0, time.Now(); leaking.Err() == nil; time.Sleep(time.Millisecond) { // between two leaks
			for ; n < int(time.Since(began).Seconds()*perSecond); n++ {
				leaked.Go(func() { <-leaking.Done() })
			}
		}
	})
	said := command(t, "soak", "--for=2s", "--rate=300", "--url="+base, "--data="+dir)
	stop()
	leaked.Wait()
	said.want(t, exitFailure, "it grows: goroutines of tapedeck", "differences 0", "wrong       0")
}

// TestSoakTooShort: what was sampled too seldom to grow has not passed.
func TestSoakTooShort(t *testing.T) {
	command(t, "soak", "--for=1ms", "--rate=300").want(t, exitFailure,
		"too few samples", "fewer than 3 samples do not tell whether it grows: memory of tapedeck", "soak for longer", "wrong       0")
}

// An interrupter is standard error in front of somebody who presses Ctrl-C when
// a text comes.
type interrupter struct {
	bytes.Buffer
	text      string
	interrupt func()
}

func (i *interrupter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(i.text)) {
		i.interrupt()
	}
	return i.Buffer.Write(p)
}

// TestSoakIsEnded: Ctrl-C ends it early, and it says how long it ran.
func TestSoakIsEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	errOut := &interrupter{text: "soaking ", interrupt: cancel} // after the first samples
	code := run(ctx, []string{"soak", "--for=30s", "--rate=300"}, &out, errOut)
	said{code, out.String(), errOut.String()}.want(t, exitOK, " s of the 30 s asked for", "differences 0", "wrong       0")
}

// TestSoakUsage: who has a running deck says where all of it is.
func TestSoakUsage(t *testing.T) {
	command(t, "soak").want(t, exitUsage, "--for")
	command(t, "soak", "--for=1s", "--url=http://127.0.0.1:1").want(t, exitUsage, "--nats-url")
	command(t, "soak", "--for=1s", "--data="+t.TempDir()).want(t, exitUsage, "--url")
	command(t, "soak", "--for=1s", "--url=http://127.0.0.1:1", "--data="+t.TempDir(), "--metrics=analyzer").want(t, exitUsage, "--metrics")
	command(t, "soak", "--for=1s", "--url=http://127.0.0.1:1", "--data="+t.TempDir()).want(t, exitFailure, "metrics of tapedeck")
}

// inFront serves a deck's api; before is asked first, and answers true if it has.
func inFront(t *testing.T, base string, before func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	to, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// slowly is a market whose answers leave time to cancel a job.
type slowly struct{ market.Provider }

// Daily implements market.Provider.
func (s slowly) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
	}
	return s.Provider.Daily(ctx, ticker, bars)
}

// TestSoakCancelsTwice: a cancel whose answer was lost and that is refused when
// it comes again, since its job has ended by it, is nothing wrong.
func TestSoakCancelsTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("left out under -short, like what only repeats")
	}
	dir := t.TempDir()
	base := deck(t, func(cfg *standalone.Config) { cfg.DataDir, cfg.Provider = dir, slowly{cfg.Provider} })
	direct, err := client.New(base)
	if err != nil {
		t.Fatal(err)
	}
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	var refused, samples atomic.Int64
	var lost sync.Map // the jobs whose first cancel had no answer
	front := inFront(t, base, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/metrics" && samples.Add(1) > 5 && refused.Load() > 0 {
			enough()
		}
		id, cancels := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/jobs/"), "/cancel")
		if !cancels {
			return false
		}
		if _, again := lost.LoadOrStore(id, true); again {
			refused.Add(1)
			return false
		}
		job, err := direct.Cancel(r.Context(), id)
		if err != nil { // it has ended
			lost.Delete(id)
			return false
		}
		for !job.Status.Ended() && r.Context().Err() == nil {
			if job, err = direct.Job(r.Context(), id); err != nil {
				t.Error(err)
				break
			}
		}
		panic(http.ErrAbortHandler)
	})
	var out, errOut bytes.Buffer
	code := run(ctx, []string{"soak", "--for=1m", "--rate=300", "--url=" + front, "--data=" + dir}, &out, &errOut)
	said{code, out.String(), errOut.String()}.want(t, exitOK, "differences 0", "wrong       0")
	if refused.Load() == 0 {
		t.Error("no cancel came again after its job had ended")
	}
}

// TestSoakSaysWhatDidNotEnd: jobs that were accepted and not seen to end are counted as such.
func TestSoakSaysWhatDidNotEnd(t *testing.T) {
	dir := t.TempDir()
	base := deck(t, func(cfg *standalone.Config) { cfg.DataDir = dir })
	front := inFront(t, base, func(w http.ResponseWriter, r *http.Request) bool {
		reads := r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v1/jobs/")
		if reads {
			http.Error(w, "no such job", http.StatusNotFound)
		}
		return reads
	})
	command(t, "soak", "--for=1s", "--rate=300", "--url="+front, "--data="+dir).want(t, exitFailure, " accepted, 0 ended: 0 tickers", "no such job")
}
