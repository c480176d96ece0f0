package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
	contract "github.com/tapedeck/tapedeck/schema/http"
)

// documented is the OpenAPI document, and a router over it for any host.
var documented = sync.OnceValues(func() (*documentRouter, error) {
	text, err := contract.Document()
	if err != nil {
		return nil, err
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	if err := document.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		return nil, err
	}
	document.Servers = nil
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{"text/html", "text/css", "text/javascript", "text/event-stream"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
	return &documentRouter{document, router}, nil
})

type documentRouter struct {
	*openapi3.T
	routers.Router
}

func contractOf(t *testing.T) *documentRouter {
	t.Helper()
	d, err := documented()
	if err != nil {
		t.Fatalf("the OpenAPI document: %v", err)
	}
	return d
}

// promised holds a request that was taken, and every answer, against the OpenAPI
// document. A path that is no route has a problem for an answer, and a test of
// routes knows all that there are.
func promised(t *testing.T, request *http.Request, body string, got reply) {
	t.Helper()
	if request.Method == http.MethodHead { // as GET, without a body
		return
	}
	route, params, err := contractOf(t).FindRoute(request)
	if errors.Is(err, routers.ErrPathNotFound) || errors.Is(err, routers.ErrMethodNotAllowed) {
		if got.Status < 400 {
			t.Errorf("%s %s is not in the OpenAPI document, and answers %d", request.Method, request.URL, got.Status)
		}
		return
	}
	if err != nil {
		t.Fatalf("finding %s %s in the OpenAPI document: %v", request.Method, request.URL, err)
	}
	asked := request.Clone(t.Context())
	asked.URL.RawQuery = url.Values(given(request.URL.Query())).Encode()
	asked.Header = given(request.Header)
	asked.Body = io.NopCloser(strings.NewReader(body))
	input := &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route}
	if got.Status < 300 {
		if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
			t.Errorf("%s %s was taken, against the OpenAPI document: %v", request.Method, request.URL, err)
		}
		for name := range request.URL.Query() {
			if !slices.ContainsFunc(route.Operation.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.In == "query" && p.Value.Name == name }) {
				t.Errorf("%s %s was taken, and the OpenAPI document knows no parameter %s", request.Method, request.URL, name)
			}
		}
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: got.Status, Header: got.Header, Body: io.NopCloser(bytes.NewReader(got.Body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
		t.Errorf("%s %s answers %d against the OpenAPI document: %v", request.Method, request.URL, got.Status, err)
	}
}

// given is a query or a head without what is empty, which counts as absent.
func given(all map[string][]string) map[string][]string {
	all = maps.Clone(all)
	maps.DeleteFunc(all, func(_ string, values []string) bool { return values[0] == "" })
	return all
}

// promisedEvent holds the data of an event of a stream against the document.
func promisedEvent(t *testing.T, path, name string, data map[string]any) {
	t.Helper()
	d := contractOf(t)
	if strings.HasPrefix(path, "/api/v1/jobs/") {
		path = "/api/v1/jobs/{id}/events"
	}
	path, _, _ = strings.Cut(path, "?")
	of, _ := d.Paths.Value(path).Get.Extensions["x-events"].(map[string]any)
	one, _ := of[name].(map[string]any)
	ref, _ := one["$ref"].(string)
	schema := d.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
	if schema == nil {
		t.Errorf("the OpenAPI document knows no event %s of %s", name, path)
		return
	}
	if err := schema.Value.VisitJSON(data, openapi3.VisitAsResponse()); err != nil {
		t.Errorf("event %s of %s is against the OpenAPI document: %v", name, path, err)
	}
}

// TestContractHasEveryRoute: what is routed is documented, and the other way.
func TestContractHasEveryRoute(t *testing.T) {
	var routed, written []string
	for _, route := range api.Routes() {
		routed = append(routed, regexp.MustCompile(`:(\w+)`).ReplaceAllString(route, "{$1}"))
	}
	for path, item := range contractOf(t).Paths.Map() {
		for method := range item.Operations() {
			written = append(written, method+" "+path)
		}
	}
	slices.Sort(routed)
	slices.Sort(written)
	if diff := cmp.Diff(written, routed); diff != "" {
		t.Errorf("routes of the OpenAPI document (-) and of the api (+):\n%s", diff)
	}
}

// TestContractExamples makes every call of the document with its examples: of
// parameters, and each of a body. All are taken.
func TestContractExamples(t *testing.T) {
	r := newRig(t)
	job := r.submit(`{"tickers": ["TCS.NS", "INFY.NS"], "strategy": "balanced"}`)
	r.publish(r.analyzed(job, "TCS.NS", 0.7, events.StrongBuy), r.failed(job, "INFY.NS", events.FailureNoData))
	window := r.post("/api/v1/backtests", `{"tickers": ["TCS.NS"], "from": "2025-01-01", "to": "2025-12-31"}`).want(http.StatusAccepted).text("job_id")
	r.publish(r.backtested(window, "TCS.NS", 10))
	r.record()
	for path, item := range contractOf(t).Paths.Map() {
		for method, operation := range item.Operations() {
			t.Run(operation.OperationID, func(t *testing.T) {
				if slices.Contains(operation.Tags, "live") {
					t.Skip("streams without an end: the tests of streams follow them")
				}
				id := job
				switch {
				case strings.Contains(path, "backtests"):
					id = window
				case operation.OperationID == "cancelJob":
					id = r.submit(`{"tickers": ["WIPRO.NS"]}`)
				}
				target, headers := example(operation, path, id)
				bodies := []string{""}
				if operation.RequestBody != nil {
					bodies = nil
					for name, one := range operation.RequestBody.Value.Content["application/json"].Examples {
						text, err := one.Value.MarshalJSON()
						if err != nil {
							t.Fatalf("example %s: %v", name, err)
						}
						_, text, _ = bytes.Cut(text, []byte(`"value":`))
						bodies = append(bodies, string(bytes.TrimSuffix(text, []byte("}"))))
					}
					if len(bodies) == 0 {
						t.Fatal("its body has no example")
					}
				}
				for i, body := range bodies {
					one := headers
					if i > 0 {
						one = nil // another body is another request: it needs another key
					}
					if got := r.call(method, target, body, one...); got.Status >= 300 {
						t.Errorf("%s %s %s: %d %s", method, target, body, got.Status, got.Body)
					}
				}
			})
		}
	}
}

// example is where an operation is called, and with which headers.
func example(operation *openapi3.Operation, path, id string) (target string, headers []string) {
	query := url.Values{}
	for _, one := range operation.Parameters {
		p := one.Value
		text := fmt.Sprint(p.Example)
		switch {
		case p.Name == "id":
			path = strings.ReplaceAll(path, "{id}", id)
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(text))
		case p.Example == nil:
		case p.In == "query":
			query.Set(p.Name, text)
		case p.In == "header":
			headers = append(headers, p.Name, operation.OperationID+"-"+text)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, headers
}

// TestContractServed: the document and its page are served, and the page holds
// every operation and needs nothing from elsewhere.
func TestContractServed(t *testing.T) {
	r := newRig(t)
	want, err := contract.Document()
	if err != nil {
		t.Fatal(err)
	}
	if got := r.get("/openapi.json").want(http.StatusOK); !bytes.Equal(got.Body, want) {
		t.Errorf("another document is served: %.200s", got.Body)
	}
	page := string(r.get("/docs").want(http.StatusOK).Body)
	for path, item := range contractOf(t).Paths.Map() {
		for method, operation := range item.Operations() {
			if !strings.Contains(page, `<article id="`+operation.OperationID+`">`) || !strings.Contains(page, "<h3><code>"+method+" "+path+"</code></h3>") {
				t.Errorf("the page has no %s %s", method, path)
			}
		}
	}
	for name := range contractOf(t).Components.Schemas {
		if !strings.Contains(page, `id="schema-`+name+`"`) {
			t.Errorf("the page has no schema %s", name)
		}
	}
	for _, link := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if target, ok := strings.CutPrefix(link[1], "#"); ok {
			if !strings.Contains(page, `id="`+target+`"`) {
				t.Errorf("a link of the page leads to #%s, which is not there", target)
			}
		} else if got := r.get(link[1]); got.Status != http.StatusOK {
			t.Errorf("a link of the page leads to %s: %d", link[1], got.Status)
		}
	}
}
