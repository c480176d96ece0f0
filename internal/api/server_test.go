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

// TestStop: a wanted stop ends open streams, returns nil soon and leaves
// nothing running.
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
	go func() { done <- api.New(api.Config{Tape: r.api, Reader: r.writer.Reading()}).Run(ctx, listener) }()
	r.url = "http://" + listener.Addr().String()
	streams := []*follower{r.follow("/api/v1/jobs/" + id + "/events"), r.follow("/api/v1/events")}
	for _, f := range streams {
		f.next()
	}
	begin := time.Now()
	cancel()
	for _, f := range streams {
		for more := true; more; { // to a clean end, not a break
			_, more = f.next()
		}
		f.close()
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
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
