package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A Problem is every answer that is not a success: RFC 9457 with a code and,
// for wrong fields, errors. It never holds bytes of the request but capped values.
type Problem struct {
	Type   string       `json:"type"` // "urn:tapedeck:problem:" and the code
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty"`
	Code   string       `json:"code"`             // stable, for programs
	JobID  string       `json:"job_id,omitempty"` // the job whose submission has an unknown outcome
	Errors []FieldError `json:"errors,omitempty"`

	retryAfter int // seconds; 0: no header
	cause      error
}

// A FieldError is one wrong field of a request.
type FieldError struct {
	Message  string `json:"message"`
	Location string `json:"location"`        // "body.tickers[3]", "query.limit", "header.idempotency-key"
	Value    string `json:"value,omitempty"` // what was given, capped
}

// Error implements error.
func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// Unwrap returns what caused the problem; it is logged, never sent.
func (p *Problem) Unwrap() error { return p.cause }

func problem(status int, code, detail string) *Problem {
	return &Problem{
		Type: "urn:tapedeck:problem:" + code, Title: http.StatusText(status),
		Status: status, Detail: detail, Code: code,
	}
}

func (p *Problem) after(seconds int) *Problem { p.retryAfter = seconds; return p }

func (p *Problem) because(err error) *Problem { p.cause = err; return p }

// invalid is the 422 of wrong fields in a body that is well formed.
func invalid(errs []FieldError) *Problem {
	p := problem(http.StatusUnprocessableEntity, "invalid_request", "the request has wrong fields; nothing was submitted")
	p.Errors = errs[:min(len(errs), maxErrors)]
	if len(errs) > maxErrors {
		p.Detail += fmt.Sprintf("; the first %d of %d are named", maxErrors, len(errs))
	}
	return p
}

// badQuery is the 400 of a wrong query parameter, path or header.
func badQuery(location, message, value string) *Problem {
	p := problem(http.StatusBadRequest, "bad_request", "a parameter is wrong")
	p.Errors = []FieldError{{Message: message, Location: location, Value: capped(value)}}
	return p
}

func notFound(what string) *Problem {
	return problem(http.StatusNotFound, "not_found", "there is no such "+what)
}

// toProblem is the one table from errors to answers.
func toProblem(err error) *Problem {
	var known *Problem
	var fiberErr *fiber.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &fiberErr):
		return fromStatus(fiberErr.Code)
	case errors.Is(err, store.ErrNotFound):
		return notFound("thing")
	case errors.Is(err, store.ErrCursor):
		return badQuery("query.cursor", "is not a cursor that this list gave; begin without one", "").because(err)
	case errors.Is(err, store.ErrQuery):
		return problem(http.StatusBadRequest, "bad_request", "the parameters contradict each other").because(err)
	case errors.Is(err, stream.ErrFull):
		return tapeFull().because(err)
	case errors.Is(err, stream.ErrUnavailable), errors.Is(err, stream.ErrNoStream):
		return problem(http.StatusServiceUnavailable, "tape_unavailable", "the tape does not answer; try again").after(retryAfterBusy).because(err)
	case errors.Is(err, store.ErrSchema), errors.Is(err, store.ErrNoDatabase):
		return problem(http.StatusServiceUnavailable, "database_unavailable", "the database's tables are not ready; a recorder or tapedeck migrate makes them").after(retryAfterBusy).because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem(http.StatusServiceUnavailable, "timeout", "it took too long; try again").after(retryAfterBusy).because(err)
	case errors.Is(err, store.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, "database_unavailable", "the database does not answer; try again").after(retryAfterBusy).because(err)
	}
	return problem(http.StatusInternalServerError, "internal", "an error of tapedeck itself; its log says more").because(err)
}

func tapeFull() *Problem {
	return problem(http.StatusServiceUnavailable, "tape_full",
		"the tape is nearly full and takes no new jobs; tapedeck doctor says how to raise its limit").after(retryAfterFull)
}

// fromStatus words the errors of the router and of the HTTP server, whose own
// texts quote the request.
func fromStatus(status int) *Problem {
	switch status {
	case http.StatusNotFound:
		return problem(status, "not_found", "there is no such route")
	case http.StatusMethodNotAllowed:
		return problem(status, "method_not_allowed", "the route does not take this method; see Allow")
	case http.StatusRequestEntityTooLarge:
		return problem(status, "too_large", fmt.Sprintf("the body is longer than %d bytes", bodyLimit))
	case http.StatusRequestHeaderFieldsTooLarge:
		return problem(status, "headers_too_large", fmt.Sprintf("request line and headers are longer than %d bytes", readBuffer))
	case http.StatusUnsupportedMediaType:
		return problem(status, "unsupported_media_type", "the body must be application/json, without Content-Encoding")
	case http.StatusRequestTimeout:
		return problem(status, "timeout", "the request did not arrive in time")
	case http.StatusNotImplemented:
		return problem(status, "not_implemented", "the method is unknown")
	}
	if status >= 500 {
		return problem(http.StatusInternalServerError, "internal", "an error of tapedeck itself; its log says more")
	}
	return problem(http.StatusBadRequest, "bad_request", "the request is malformed")
}

// sendError is fiber's ErrorHandler: it answers in the predecessor's shape on
// the predecessor's routes and as problem+json everywhere else.
func (s *Server) sendError(c *fiber.Ctx, err error) error {
	p := toProblem(err)
	if p.Status >= 500 && p.cause != nil {
		s.log.Warn("answering an error", "status", p.Status, "code", p.Code, "route", route(c), "err", p.cause)
	}
	if p.retryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(p.retryAfter))
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Status(p.Status)
	if predecessorRoute(c.Path()) {
		if p.Status == http.StatusUnprocessableEntity {
			c.Status(http.StatusBadRequest) // its status for wrong fields
		}
		return sendJSON(c, s.predecessorError(p))
	}
	body, err := encodeJSON(p)
	if err != nil {
		return fmt.Errorf("encoding a problem: %w", err)
	}
	c.Set(fiber.HeaderContentType, "application/problem+json")
	return c.Send(body)
}

func sendJSON(c *fiber.Ctx, value any) error {
	body, err := encodeJSON(value)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(body)
}

// encodeJSON writes & < > as they are: M&M.NS reads so. That is safe, since
// every answer names its type and forbids browsers to guess another.
func encodeJSON(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// capped is the part of a client's text that an answer quotes.
func capped(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), 4*maxShown+4)], "\uFFFD")
	if utf8.RuneCountInString(text) <= maxShown {
		return text
	}
	return string([]rune(text)[:maxShown]) + "…"
}
