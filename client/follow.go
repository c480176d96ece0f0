package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An Event is one server-sent event.
type Event struct {
	ID   string // the tape's sequence
	Name string
	Data []byte // JSON
}

// Follow gives each event of a stream to handle: of one job, or with jobID ""
// of everything. A stream that breaks is opened again after the last event, so
// nothing is missed or repeated. It returns nil when the server ends the
// stream of a finished job or handle returns false.
func (c *Client) Follow(ctx context.Context, jobID string, handle func(Event) bool) error {
	last := ""
	for {
		ended, err := c.follow(ctx, jobID, &last, handle)
		var refused *Problem
		if ended || errors.As(err, &refused) && refused.Status != http.StatusServiceUnavailable {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(ReconnectWait):
		}
	}
}

// endEvent is the name of the last event of a job, and so of its stream; that
// of everything goes on after it.
const endEvent = "end"

func (c *Client) follow(ctx context.Context, jobID string, last *string, handle func(Event) bool) (ended bool, err error) {
	path := "/api/v1/events"
	if jobID != "" {
		path = "/api/v1/jobs/" + url.PathEscape(jobID) + "/events"
	}
	request, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return true, err
	}
	request.Header.Set("Accept", "text/event-stream")
	if *last != "" {
		request.Header.Set("Last-Event-ID", *last)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return false, fmt.Errorf("opening the event stream: %w", err)
	}
	defer response.Body.Close()
	if err := refusal(response); err != nil {
		return false, err
	}
	scanner := bufio.NewScanner(response.Body)
	scanner.Buffer(nil, MaxEventBytes)
	var event Event
	for scanner.Scan() {
		if field, value, _ := strings.Cut(scanner.Text(), ":"); field != "" {
			event.take(field, strings.TrimPrefix(value, " "))
			continue
		} else if scanner.Text() != "" {
			continue // a comment: the heartbeat
		}
		if event.Name == "" && event.Data == nil {
			continue
		}
		if event.ID != "" {
			*last = event.ID
		}
		if !handle(event) || jobID != "" && event.Name == endEvent {
			return true, nil
		}
		event = Event{}
	}
	return false, scanner.Err()
}

func (e *Event) take(field, value string) {
	switch field {
	case "id":
		if !strings.ContainsFunc(value, isControl) { // or no request could go on from it
			e.ID = value
		}
	case "event":
		e.Name = value
	case "data":
		if e.Data != nil {
			e.Data = append(e.Data, '\n')
		}
		e.Data = append(e.Data, value...)
	}
}

// isControl reports whether a header cannot hold a character.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
