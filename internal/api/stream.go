package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/internal/live"
)

// encodeLive makes the text of an event in a text/event-stream. The id, from
// which a client resumes, is the sequence of the tape.
func encodeLive(e live.Event) []byte {
	var data any
	switch e.Kind {
	case live.KindTicker:
		detail := toDetail(e.Detail)
		detail.JobID = e.JobID
		data = detail
	case live.KindCancelled:
		data = map[string]any{"job_id": e.JobID, "seq": e.Seq}
	case live.KindResync:
		data = map[string]any{"as_of_seq": e.AsOf}
	default:
		data = toJob(e.Job, e.AsOf)
	}
	return eventText(string(e.Kind), e.Seq, data)
}

func eventText(kind string, seq uint64, data any) []byte {
	body, err := encodeJSON(data)
	if err != nil { // our own types always encode; NaN never passes the recorder
		kind, body = "error", []byte(`{"detail":"this event cannot be shown"}`)
	}
	var text bytes.Buffer
	if seq > 0 {
		fmt.Fprintf(&text, "id: %d\n", seq)
	}
	fmt.Fprintf(&text, "event: %s\ndata: %s\n\n", kind, body)
	return text.Bytes()
}

// followJob is GET /api/v1/jobs/{id}/events: where the job stands, every
// outcome after Last-Event-ID (or all), then each as it is recorded; it ends
// with the job.
func (s *Server) followJob(c *fiber.Ctx) error {
	after, err := s.beginStream(c)
	if err != nil {
		return err
	}
	view, asOf, _, err := s.job(c.UserContext(), c.Params("id"))
	if err != nil {
		return err
	}
	leave, err := s.streams.enter(c.IP())
	if err != nil {
		return err
	}
	followed, err := s.hub.Job(c.UserContext(), view.ID, after)
	if err != nil {
		leave()
		return err
	}
	s.serve(c, followed, leave, eventText("snapshot", 0, toJob(view, asOf)))
	return nil
}

// followAll is GET /api/v1/events: the active jobs, then every outcome of
// every job after Last-Event-ID (or from now on) as it is recorded.
func (s *Server) followAll(c *fiber.Ctx) error {
	after, err := s.beginStream(c)
	if err != nil {
		return err
	}
	leave, err := s.streams.enter(c.IP())
	if err != nil {
		return err
	}
	followed, active, asOf, err := s.hub.All(c.UserContext(), after)
	if err != nil {
		leave()
		return err
	}
	snapshot := pageJSON[jobJSON]{Items: make([]jobJSON, 0, len(active)), AsOfSeq: asOf}
	for _, v := range active {
		snapshot.Items = append(snapshot.Items, toJob(v, asOf))
	}
	s.serve(c, followed, leave, eventText("snapshot", 0, snapshot))
	return nil
}

// beginStream reads where a client wants to resume. Browsers send the header
// by themselves; the parameter is for the first connection of others.
func (s *Server) beginStream(c *fiber.Ctx) (after uint64, err error) {
	if err := s.begin(c, "last_event_id"); err != nil {
		return 0, err
	}
	text, place := c.Get("Last-Event-ID"), "header.last-event-id"
	if text == "" {
		text, place = c.Query("last_event_id"), "query.last_event_id"
	}
	if text == "" {
		return 0, nil
	}
	if after, err = strconv.ParseUint(text, 10, 63); err != nil {
		return 0, badQuery(place, "must be the id of an event of this stream", text)
	}
	return after, nil
}

// serve streams until the client is gone, the job has ended, the stream is
// old or the server stops. It takes over followed and leave. The request's
// context and memory are gone when the writer runs: it uses neither.
func (s *Server) serve(c *fiber.Ctx, followed *live.Stream, leave func(), snapshot []byte) {
	c.Set(fiber.HeaderContentType, "text/event-stream; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set("X-Accel-Buffering", "no") // a proxy must not gather events
	if c.Method() == http.MethodHead {
		followed.Close()
		leave()
		return
	}
	connection := c.Context().Conn()
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer leave()
		defer followed.Close()
		out := &eventWriter{w: w, connection: connection}
		out.write([]byte("retry: "+strconv.Itoa(retryMillis)+"\n\n"), snapshot)
		s.pump(out, followed)
		_ = connection.SetWriteDeadline(time.Now().Add(flushTimeout)) // for the last chunk
	})
}

// pump gives what is followed to a client, and a heartbeat when there is nothing.
func (s *Server) pump(out *eventWriter, followed *live.Stream) {
	ctx, cancel := context.WithTimeout(s.base, streamAge)
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for out.err == nil {
		wait, done := context.WithTimeout(ctx, heartbeatEvery)
		texts, err := followed.Next(wait)
		done()
		switch {
		case err == nil:
			out.write(texts...)
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			out.write([]byte(": hb\n\n"))
		default: // the end, a stop, or the database: the client resumes
			return
		}
	}
}

// An eventWriter writes events at once, and gives up on a client that does
// not read.
type eventWriter struct {
	w          *bufio.Writer
	connection net.Conn
	err        error
}

func (o *eventWriter) write(texts ...[]byte) {
	if o.err != nil {
		return
	}
	for _, text := range texts {
		// Anew for each: a text that overflows the buffer is on its way already.
		if o.err = o.connection.SetWriteDeadline(time.Now().Add(flushTimeout)); o.err != nil {
			return
		}
		if _, o.err = o.w.Write(text); o.err != nil {
			return
		}
	}
	o.err = o.w.Flush()
}
