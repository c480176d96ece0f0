package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestBodiesOfRoutes: every route, and a path of none, refuses a body that is
// not for it before it looks at anything else: with GET and HEAD any (400), with
// POST one that is not application/json, or is encoded (415).
func TestBodiesOfRoutes(t *testing.T) {
	tape := &noTape{}
	s := fuzzServer(t, tape)
	routes := map[[2]string]bool{{http.MethodGet, "/nowhere"}: true, {http.MethodPost, "/nowhere"}: true}
	for _, route := range s.app.GetRoutes(true) {
		routes[[2]string{route.Method, strings.ReplaceAll(route.Path, ":", "x")}] = true
	}
	if len(routes) < 40 {
		t.Fatalf("only %d routes: %v", len(routes), routes)
	}
	for route := range routes {
		method, path := route[0], route[1]
		ask := func(body string, headers ...string) (int, string) {
			t.Helper()
			request, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(headers); i += 2 {
				request.Header.Set(headers[i], headers[i+1])
			}
			response, err := s.app.Test(request, 20_000) // a stream that is served by mistake has no end
			if err != nil {
				t.Fatalf("%s %s is not refused: %v", method, path, err)
			}
			defer response.Body.Close()
			var answer struct{ Code string }
			if method != http.MethodHead {
				if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
					t.Errorf("%s %s: %d is not JSON: %v", method, path, response.StatusCode, err)
				}
			}
			return response.StatusCode, answer.Code
		}
		const job = `{"tickers":["A"]}`
		switch method {
		case http.MethodGet, http.MethodHead:
			for _, headers := range [][]string{{"Content-Type", "application/json"}, {"Content-Type", "text/plain"}, nil} {
				if status, code := ask(job, headers...); status != http.StatusBadRequest || method == http.MethodGet && code != "bad_request" {
					t.Errorf("%s %s with a body %v: %d %q, want 400 bad_request", method, path, headers, status, code)
				}
			}
		case http.MethodPost:
			for _, headers := range [][]string{
				{"Content-Type", "text/plain"}, {"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", "application/jsonx"}, nil,
				{"Content-Type", "application/json", "Content-Encoding", "gzip"}, {"Content-Type", "application/json", "Content-Encoding", "identity"},
			} {
				// The predecessor's routes have its errors, without a code, for what reaches a route.
				if status, code := ask(job, headers...); status != http.StatusUnsupportedMediaType || code != "unsupported_media_type" && !predecessorRoute(path) {
					t.Errorf("%s %s with a body %v: %d %q, want 415 unsupported_media_type", method, path, headers, status, code)
				}
			}
		default:
			t.Errorf("%s %s: what is answered to a body there?", method, path)
		}
	}
	if len(tape.stored) > 0 {
		t.Errorf("%d events on the tape", len(tape.stored))
	}
}
