package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
)

// An event is one server-sent event as it came.
type event struct {
	ID, Kind string
	Data     map[string]any
}

// A follower reads an event stream.
type follower struct {
	t        *testing.T
	path     string
	response *http.Response
	lines    *bufio.Scanner
	cancel   context.CancelFunc
}

func (r *rig) follow(path string, headers ...string) *follower {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	promised(r.t, request, "", reply{r.t, response.StatusCode, response.Header, nil})
	f := &follower{t: r.t, path: path, response: response, lines: bufio.NewScanner(response.Body), cancel: cancel}
	f.lines.Buffer(nil, 1<<20)
	r.t.Cleanup(f.close)
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		r.t.Fatalf("%s: %d %v", path, response.StatusCode, response.Header)
	}
	return f
}

func (f *follower) close() {
	f.cancel()
	f.response.Body.Close()
}

// next is the next event; false at the end of the stream.
func (f *follower) next() (event, bool) {
	f.t.Helper()
	var e event
	for f.lines.Scan() {
		field, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch field {
		case "id":
			e.ID = value
		case "event":
			e.Kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.Data); err != nil {
				f.t.Fatalf("%v in %.200s", err, value)
			}
		case "":
			if e.Kind != "" {
				promisedEvent(f.t, f.path, e.Kind, e.Data)
				return e, true
			}
		}
	}
	if err := f.lines.Err(); err != nil {
		f.t.Fatalf("the stream broke: %v", err)
	}
	return e, false
}

// until reads up to and with the first event of a kind.
func (f *follower) until(kind string) []event {
	f.t.Helper()
	var list []event
	for {
		e, more := f.next()
		if !more {
			f.t.Fatalf("the stream ended without %s: %v", kind, list)
		}
		if list = append(list, e); e.Kind == kind {
			return list
		}
	}
}

// ids are the ids of events that have one.
func ids(list []event) []string {
	var out []string
	for _, e := range list {
		if e.ID != "" {
			out = append(out, e.ID)
		}
	}
	return out
}

func kinds(list []event) []string {
	var out []string
	for _, e := range list {
		if e.Kind != "progress" { // how many of them there are depends on the time
			out = append(out, e.Kind)
		}
	}
	return out
}

// TestFollowJob: snapshot, then each outcome once and in order, released only
// when it is recorded, then the end, and the stream ends.
func TestFollowJob(t *testing.T) {
	r := newRig(t)
	id := r.submit(`{"tickers":["A","B","C"]}`)
	f := r.follow("/api/v1/jobs/" + id + "/events") // not recorded yet
	if first, _ := f.next(); first.Kind != "snapshot" || first.Data["status"] != "queued" {
		t.Fatalf("%+v", first)
	}
	r.record()
	r.publish(&events.JobStarted{JobID: id, Total: 3}, r.analyzed(id, "A", 0.5, events.Buy))
	r.record()
	if list := f.until("ticker"); list[len(list)-1].Data["ticker"] != "A" || list[len(list)-1].ID != "3" {
		t.Errorf("%v", list)
	}
	r.publish(r.failed(id, "B", events.FailureUnknownTicker))
	late := r.follow("/api/v1/jobs/" + id + "/events")
	late.until("ticker") // caught up to what is recorded
	r.publish(r.analyzed(id, "C", 0.5, events.Buy))
	r.record()
	for name, f := range map[string]*follower{"from the beginning": f, "joined later": late} {
		list := f.until("end")
		if diff := cmp.Diff([]string{"4", "5"}, ids(list)); diff != "" {
			t.Errorf("%s: ids (-want +got):\n%s", name, diff)
		}
		if end := list[len(list)-1].Data; end["status"] != "completed" || end["analyzed"] != 2.0 || end["failed"] != 1.0 {
			t.Errorf("%s: end %v", name, end)
		}
		if e, more := f.next(); more {
			t.Errorf("%s: %v after the end", name, e)
		}
	}
	resumed := r.follow("/api/v1/jobs/"+id+"/events", "Last-Event-ID", "3").until("end")
	if diff := cmp.Diff([]string{"4", "5"}, ids(resumed)); diff != "" {
		t.Errorf("resumed (-want +got):\n%s", diff)
	}
	r.get("/api/v1/jobs/0197a000-0000-7000-8000-000000000000/events").want(http.StatusNotFound)
}

func TestFollowCancelled(t *testing.T) {
	r := newRig(t)
	id := r.submit(`{"tickers":["A","B","C"]}`)
	r.publish(&events.JobStarted{JobID: id, Total: 3}, r.analyzed(id, "B", 0.5, events.Buy))
	r.record()
	f := r.follow("/api/v1/jobs/" + id + "/events")
	f.until("ticker")
	r.post("/api/v1/jobs/"+id+"/cancel", "").want(http.StatusAccepted)
	r.publish(r.analyzed(id, "A", 0.5, events.Buy)) // too late: the fold drops it
	r.record()
	list := f.until("end")
	if diff := cmp.Diff([]string{"cancelled", "end"}, kinds(list)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if end := list[len(list)-1].Data; end["status"] != "cancelled" || end["cancelled"] != 2.0 || end["late"] != 1.0 {
		t.Errorf("%v", end)
	}
}

// TestManyFollowers: 40 clients that come, break off and resume at any time
// during a job of 300 tickers get each outcome once, in order.
func TestManyFollowers(t *testing.T) {
	r := newRig(t)
	const tickers, clients = 300, 40
	names := make([]string, tickers)
	want := make([]string, tickers)
	for i := range names {
		names[i] = fmt.Sprintf("T%d", i)
		want[i] = fmt.Sprint(i + 2)
	}
	id := r.submit(`{"tickers":["` + strings.Join(names, `","`) + `"]}`)
	got := make([][]string, clients)
	var running sync.WaitGroup
	for n := range clients {
		running.Go(func() {
			last := ""
			for {
				f := r.follow("/api/v1/jobs/"+id+"/events", "Last-Event-ID", last)
				for taken := 0; ; taken++ {
					e, more := f.next()
					if !more {
						t.Errorf("client %d: the stream ended without an end", n)
						return
					}
					if e.ID != "" {
						got[n], last = append(got[n], e.ID), e.ID
					}
					if e.Kind == "end" {
						return
					}
					if n%2 == 1 && taken > 20+n {
						break // breaks off and resumes
					}
				}
				f.close()
			}
		})
	}
	for begin := 0; begin < tickers; begin += 20 {
		for _, name := range names[begin : begin+20] {
			r.publish(r.analyzed(id, name, 0.5, events.Buy))
		}
		r.record()
	}
	running.Wait()
	for n := range got {
		if diff := cmp.Diff(want, got[n]); diff != "" {
			t.Errorf("client %d (-want +got):\n%s", n, diff)
		}
	}
}

// TestFollowAll: every job, in the tape's order, jobs that come and go within
// a moment too; resuming repeats and misses nothing; a place that is gone says so.
func TestFollowAll(t *testing.T) {
	r := newRig(t)
	old := r.submit(`{"tickers":["A","B"]}`)
	r.record()
	f := r.follow("/api/v1/events")
	if first, _ := f.next(); first.Kind != "snapshot" || first.Data["items"].([]any)[0].(map[string]any)["job_id"] != old {
		t.Fatalf("%+v", first)
	}
	brief := r.submit(`{"tickers":["C"]}`)                                                               // 2
	r.publish(r.analyzed(old, "A", 0.5, events.Buy), r.analyzed(brief, "C", 0.5, events.Buy))            // 3, 4
	r.publish(&events.JobCompleted{JobID: brief, Status: events.StatusCompleted, Total: 1, Analyzed: 1}) // 5
	r.record()
	list := f.until("end")
	r.publish(r.analyzed(old, "B", 0.5, events.Buy)) // 6
	r.record()
	list = append(list, f.until("end")...)
	if diff := cmp.Diff([]string{"2", "3", "4", "6"}, ids(list)); diff != "" {
		t.Errorf("ids (-want +got):\n%s\n%v", diff, list)
	}
	resumed := r.follow("/api/v1/events", "Last-Event-ID", "3").until("end")
	if diff := cmp.Diff([]string{"4"}, ids(resumed)); diff != "" {
		t.Errorf("resumed (-want +got):\n%s", diff)
	}
	r.follow("/api/v1/events", "Last-Event-ID", "999").until("resync")
}

func TestStreamLimits(t *testing.T) {
	r := newRig(t, func(c *api.Config) { c.Limits = api.Limits{Streams: 10, StreamsPerIP: 2} })
	id := r.submit(`{"tickers":["A"]}`)
	path := "/api/v1/jobs/" + id + "/events"
	first := r.follow(path)
	r.follow("/api/v1/events")
	if answer := r.get(path).want(http.StatusTooManyRequests); answer.Header.Get("Retry-After") == "" {
		t.Errorf("%v", answer.Header)
	}
	r.record()
	first.close()
	r.publish(r.analyzed(id, "A", 0.5, events.Buy))
	r.record() // what is written now finds the client gone
	r.eventually("a stream to be free", func() bool {
		return strings.Contains(string(r.get("/metrics").Body), "tapedeck_sse_streams 1\n")
	})
	r.follow(path).until("end")
	total := newRig(t, func(c *api.Config) { c.Limits = api.Limits{Streams: 1} })
	total.follow("/api/v1/events")
	total.get("/api/v1/events").want(http.StatusServiceUnavailable)
	total.call(http.MethodHead, "/api/v1/events", "").want(http.StatusServiceUnavailable)
}

// TestSlowReader: clients that do not read are ended, with what they ran on,
// and hold nobody up.
func TestSlowReader(t *testing.T) {
	if testing.Short() {
		t.Skip("fills the kernel's buffers and waits for the write timeout")
	}
	t.Parallel()
	r := newRig(t)
	tickers := make([]string, 10_000)
	for i := range tickers {
		tickers[i] = fmt.Sprintf("ABCDEFGHIJKLMNOPQRSTUVW%d", i)
	}
	id := r.submit(`{"tickers":["` + strings.Join(tickers, `","`) + `"]}`)
	message := strings.Repeat("more than the kernel buffers ", 50)
	batch := make([]events.Event, 0, 500)
	for i, name := range tickers[:9000] {
		failed := r.failed(id, name, events.FailureNoData)
		failed.Message = message
		batch = append(batch, events.New("test", time.Now(), failed))
		if len(batch) == cap(batch) || i == 8999 {
			if err := r.tape.PublishBatch(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	r.record()
	const slow = 12
	for range slow {
		conn := r.dial("")
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /api/v1/jobs/"+id+"/events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("the streams to open", func() bool {
		return strings.Contains(string(r.get("/metrics").Body), fmt.Sprintf("tapedeck_sse_streams %d\n", slow))
	})
	other := r.follow("/api/v1/jobs/" + id + "/events")
	for range 9000 {
		if e, more := other.next(); !more {
			t.Fatalf("ended at %v", e)
		}
	}
	r.eventually("the slow readers to be ended, and only those", func() bool {
		return strings.Contains(string(r.get("/metrics").Body), "tapedeck_sse_streams 1\n") && waitingIn("api.(*eventWriter).write") == 0
	})
}

// eventually waits for a condition.
func (r *rig) eventually(what string, condition func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
