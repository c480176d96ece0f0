// Package client speaks tapedeck's HTTP API for programs in Go. The commands of
// tapedeck use it as anyone else would: nothing of the server's code is shared,
// but the words of package events.
//
// What the server refuses is a *Problem, whose Code tells programs why. Submit
// with a key of your own, and repeat the call under it when you do not know
// what became of it (an error that is no *Problem, or one of status 503): there
// is one job however often it is repeated. What the calls mean, in full, stands
// in schema/http/openapi.yaml, and on the server's page /docs.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A Client calls one server. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the server at base, such as "http://127.0.0.1:8080".
func New(base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("server %q is not an address such as http://127.0.0.1:8080", base)
	}
	return &Client{base: strings.TrimRight(base, "/"), http: &http.Client{}}, nil
}

// A Problem is the server's refusal (RFC 9457).
type Problem struct {
	Status int          `json:"status"`
	Title  string       `json:"title"`
	Detail string       `json:"detail"`
	Code   string       `json:"code"`
	Errors []FieldError `json:"errors"`

	RetryAfter string `json:"-"` // the header, in seconds; empty if there was none
}

// A FieldError is one thing that was wrong in the request, and where.
type FieldError struct {
	Message  string `json:"message"`
	Location string `json:"location"`
	Value    string `json:"value"`
}

// Error says what was refused, with a line per wrong field.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the server refused: %s", p.Title)
	if p.Detail != "" {
		fmt.Fprintf(&b, ": %s", p.Detail)
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", e.Location, e.Message)
		if e.Value != "" {
			fmt.Fprintf(&b, " (%s)", e.Value)
		}
	}
	if p.RetryAfter != "" {
		fmt.Fprintf(&b, "\n  try again in %s s", p.RetryAfter)
	}
	return b.String()
}

// IsNotFound reports whether err is the server saying that there is no such thing.
func IsNotFound(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}

// Submit sends a job. key is the idempotency key; without one ("") a repeated
// call makes a second job.
func (c *Client) Submit(ctx context.Context, s Submission, key string) (Accepted, error) {
	var accepted Accepted
	err := c.call(ctx, call{http.MethodPost, "/api/v1/jobs", key, s}, &accepted)
	return accepted, err
}

// Job returns a job.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	return get[Job](ctx, c, "/api/v1/jobs/"+url.PathEscape(id), nil)
}

// Cancel asks to stop a job.
func (c *Client) Cancel(ctx context.Context, id string) (Job, error) {
	var job Job
	err := c.call(ctx, call{http.MethodPost, "/api/v1/jobs/" + url.PathEscape(id) + "/cancel", "", struct{}{}}, &job)
	return job, err
}

// Retry submits the failed tickers of a job as a new job.
func (c *Client) Retry(ctx context.Context, id, key string) (Accepted, error) {
	var accepted Accepted
	err := c.call(ctx, call{http.MethodPost, "/api/v1/jobs/" + url.PathEscape(id) + "/retry", key, struct{}{}}, &accepted)
	return accepted, err
}

// Jobs returns one page of jobs, newest first. query is the route's, such as status and limit.
func (c *Client) Jobs(ctx context.Context, query url.Values) (Page[Job], error) {
	return list[Job](ctx, c, "/api/v1/jobs", query)
}

// Details returns one page of a job's tickers with their outcomes.
func (c *Client) Details(ctx context.Context, id string, query url.Values) (Page[Detail], error) {
	return list[Detail](ctx, c, "/api/v1/jobs/"+url.PathEscape(id)+"/details", query)
}

// Results returns one page of a job's results, best score first.
func (c *Client) Results(ctx context.Context, id string, query url.Values) (Page[Result], error) {
	return list[Result](ctx, c, "/api/v1/jobs/"+url.PathEscape(id)+"/results", query)
}

// Result returns one result of a job, with its indicators if they are wanted.
func (c *Client) Result(ctx context.Context, id, ticker string, indicators bool) (OneResult, error) {
	query := url.Values{}
	if indicators {
		query.Set("include", "indicators")
	}
	return get[OneResult](ctx, c, "/api/v1/jobs/"+url.PathEscape(id)+"/results/"+url.PathEscape(ticker), query)
}

// Latest returns a ticker's newest day, of real data if there is any. query is
// the route's: strategy, class.
func (c *Client) Latest(ctx context.Context, ticker string, query url.Values) (OneResult, error) {
	return get[OneResult](ctx, c, "/api/v1/tickers/"+url.PathEscape(ticker)+"/latest", query)
}

// Screen returns one page of the newest day's results.
func (c *Client) Screen(ctx context.Context, query url.Values) (Page[Result], error) {
	return list[Result](ctx, c, "/api/v1/results", query)
}

// History returns one page of a ticker's results, newest first.
func (c *Client) History(ctx context.Context, ticker string, query url.Values) (Page[Result], error) {
	return list[Result](ctx, c, "/api/v1/tickers/"+url.PathEscape(ticker)+"/history", query)
}

// All follows a list's cursors to its end and gives each item to yield until
// that returns false.
func All[T any](ctx context.Context, query url.Values, page func(context.Context, url.Values) (Page[T], error), yield func(T) bool) error {
	query = cloneValues(query)
	for {
		p, err := page(ctx, query)
		if err != nil {
			return err
		}
		for _, item := range p.Items {
			if !yield(item) {
				return nil
			}
		}
		if p.NextCursor == "" {
			return nil
		}
		query.Set("cursor", p.NextCursor)
	}
}

func list[T any](ctx context.Context, c *Client, path string, query url.Values) (Page[T], error) {
	return get[Page[T]](ctx, c, path, query)
}

// get asks for what is of type T.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var answer T
	err := c.call(ctx, call{http.MethodGet, path, "", nil}, &answer)
	return answer, err
}

// A call is one request: body is nil, or what is sent as JSON; key is the
// idempotency key, or empty.
type call struct {
	method, path, key string
	body              any
}

func (c *Client) call(ctx context.Context, call call, out any) error {
	ctx, cancel := context.WithTimeout(ctx, CallTime)
	defer cancel()
	request, err := c.request(ctx, call.method, call.path, call.body)
	if err != nil {
		return err
	}
	if call.key != "" {
		request.Header.Set("Idempotency-Key", call.key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("calling the server; is `tapedeck up` running there? %w", err)
	}
	defer response.Body.Close()
	if err := refusal(response); err != nil {
		return err
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, MaxAnswerBytes)).Decode(out); err != nil {
		return fmt.Errorf("reading the answer of %s %s: %w", call.method, call.path, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// refusal is the error that a response without success stands for.
func refusal(response *http.Response) error {
	if response.StatusCode < 400 {
		return nil
	}
	p := &Problem{Status: response.StatusCode, Title: http.StatusText(response.StatusCode), RetryAfter: response.Header.Get("Retry-After")}
	text, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswerBytes))
	if err != nil || json.Unmarshal(text, p) != nil {
		p.Detail = fmt.Sprintf("%.200q", text) // not a problem document: say what came
	}
	p.Status = response.StatusCode // a proxy's may be wrapped around another's text
	return p
}

func cloneValues(query url.Values) url.Values {
	clone := url.Values{}
	for key, values := range query {
		clone[key] = append([]string(nil), values...)
	}
	return clone
}
