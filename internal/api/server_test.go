package api_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/api"
	"go.uber.org/goleak"
)

// TestStop: a wanted stop ends open streams, returns nil and leaves nothing
// running. It does not wait until open requests are cut off: here that is
// longer than any test lasts.
func TestStop(t *testing.T) {
	r := newRig(t)
	id := r.submit(`{"tickers":["A"]}`)
	r.record()
	r.get("/livez").want(200)
	ignore := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	config := api.Config{Tape: r.api, Reader: r.writer.Reading(), Limits: api.Limits{Shutdown: time.Hour}}
	go func() { done <- api.New(config).Run(ctx, listener) }()
	r.url = "http://" + listener.Addr().String()
	streams := []*follower{r.follow("/api/v1/jobs/" + id + "/events"), r.follow("/api/v1/events")}
	for _, f := range streams {
		f.next()
	}
	cancel()
	for _, f := range streams {
		for more := true; more; { // to a clean end, not a break
			_, more = f.next()
		}
		f.close()
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Run does not return")
	}
	ours := []goleak.Option{ignore, // what belongs to the client, to the process, or ends by itself
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener")}
	r.eventually("nothing to run any more", func() bool {
		err := goleak.Find(ours...) // waits a moment itself, too short a one on a busy machine
		if err != nil {
			t.Log(err)
		}
		return err == nil
	})
}

// TestAddressInUse: an error of the listener comes out of Run.
func TestAddressInUse(t *testing.T) {
	r := newRig(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	err = api.New(api.Config{Tape: r.api, Reader: r.writer.Reading()}).Run(t.Context(), listener)
	if err == nil || !strings.Contains(err.Error(), "serving HTTP") {
		t.Errorf("Run: %v", err)
	}
}
