package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// A script answers each request with the next of its answers, and a finished
// stream behind the last, as the transport of a Client.
type script struct {
	answers []func() (status int, body io.Reader)
	asked   []*http.Request
}

// RoundTrip implements http.RoundTripper; it refuses what net/http would.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(s.asked) >= len(s.answers) {
		return nil, errors.New("asked too often")
	}
	status, body := s.answers[len(s.asked)]()
	s.asked = append(s.asked, r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
}

func clientOf(t *testing.T, s *script) *Client {
	c, err := New("http://fuzz")
	if err != nil {
		t.Fatal(err)
	}
	c.http = &http.Client{Transport: s}
	return c
}

// headerValue reports whether net/http would send a text as a header's value.
func headerValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// eventsOf follows one stream of text, until it breaks.
func eventsOf(t *testing.T, body io.Reader) (all []Event, last string, err error) {
	s := &script{answers: []func() (int, io.Reader){func() (int, io.Reader) { return 200, body }}}
	_, err = clientOf(t, s).follow(context.Background(), "", &last, func(e Event) bool {
		all = append(all, e)
		return len(all) < 10_000
	})
	return all, last, err
}

// FuzzFollow: whatever a server streams is events and an end, the same however
// it arrives; the place to go on from can be sent; and events that are written
// as the server writes them come back as they were.
func FuzzFollow(f *testing.F) {
	f.Add("retry: 1000\n\nevent: snapshot\ndata: {}\n\nid: 7\nevent: ticker\ndata: {\"a\":1}\n\n: hb\n\nid: 8\nevent: end\ndata: {}\n\n")
	f.Add("id: 1\r\nevent: a\r\ndata: x\r\ndata: y\r\n\r\n")
	f.Add("data\n\n:\n\nid\nevent:x\n\nid: \x00\ndata:\n\nid: \x7f\ndata: a\n\ndata: cut")
	f.Add("\ufeffdata: a\rdata: b\r\r")
	f.Fuzz(func(t *testing.T, text string) {
		all, last, err := eventsOf(t, strings.NewReader(text))
		slow, slowLast, slowErr := eventsOf(t, iotest.OneByteReader(strings.NewReader(text)))
		if fmt.Sprint(all, last, err) != fmt.Sprint(slow, slowLast, slowErr) {
			t.Fatalf("at once %q, %q, %v; byte by byte %q, %q, %v", all, last, err, slow, slowLast, slowErr)
		}
		if !headerValue(last) {
			t.Fatalf("goes on after %q, which no request can hold", last)
		}
		if strings.Contains(text, "\r") {
			return // part of a line's end, or of what was said: lines that are written again can differ
		}
		var again strings.Builder
		for _, e := range all {
			if len(e.Data)+len(e.Name)+len(e.ID) > len(text) || strings.ContainsAny(e.Name+e.ID, "\n") {
				t.Fatalf("an event %+v of %d bytes", e, len(text))
			}
			fmt.Fprintf(&again, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Name, strings.ReplaceAll(string(e.Data), "\n", "\ndata: "))
		}
		back, _, err := eventsOf(t, strings.NewReader(again.String()))
		if err != nil || !slices.EqualFunc(all, back, func(a, b Event) bool {
			return a.ID == b.ID && a.Name == b.Name && string(a.Data) == string(b.Data)
		}) {
			t.Fatalf("%q, written again %q, %v", all, back, err)
		}
	})
}

// FuzzAnswer: whatever a server answers is a value or an error; a refusal is a
// Problem with the status that it came with, and of bounded words.
func FuzzAnswer(f *testing.F) {
	for _, status := range []int{200, 202, 304, 404, 422, 500, 503} {
		f.Add(status, `{"job_id":"j","status":"running","items":[{"job_id":"j"}],"next_cursor":null,"as_of_seq":7}`)
		f.Add(status, `{"type":"urn:x","title":"Not Found","status":404,"detail":"no such job","errors":[{"message":"m","location":"l","value":"v"}]}`)
	}
	f.Add(503, `{"status":200}`)
	f.Add(200, "null")
	f.Add(404, "<html>")
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 999 || status/100 == 3 { // 1xx is not an answer, and of 3xx net/http goes elsewhere
			t.Skip("no status of an answer")
		}
		answer := func() (int, io.Reader) { return status, strings.NewReader(body) }
		c := clientOf(t, &script{answers: slices.Repeat([]func() (int, io.Reader){answer}, 6)})
		ctx := context.Background()
		_, err1 := c.Job(ctx, "j")
		_, err2 := c.Submit(ctx, Submission{}, "key")
		_, err3 := c.Results(ctx, "j", nil)
		_, err4 := c.Details(ctx, "j", nil)
		_, err5 := c.Jobs(ctx, nil)
		for _, err := range []error{err1, err2, err3, err4, err5} {
			var p *Problem
			if refused := errors.As(err, &p); refused != (status >= 400) {
				t.Fatalf("status %d is %v", status, err)
			} else if refused && (p.Status != status || IsNotFound(err) != (status == http.StatusNotFound)) {
				t.Fatalf("status %d became %d", status, p.Status)
			}
			if err != nil && len(err.Error()) > 8*len(body)+1000 {
				t.Fatalf("%d bytes of words for %d", len(err.Error()), len(body))
			}
		}
	})
}
