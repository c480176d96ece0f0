package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestRepeatedNames refuses bodies that say one thing twice: which is meant?
func TestRepeatedNames(t *testing.T) {
	r := newRig(t)
	for _, body := range []string{
		`{"tickers":["A"],"tickers":["B"]}`,
		`{"tickers":["A"],"options":{"bars":300,"bars":400}}`,
	} {
		answer := r.post("/api/v1/jobs", body).want(http.StatusBadRequest)
		if !strings.Contains(answer.text("detail"), "stands twice") {
			t.Errorf("%s: %s", body, answer.Body)
		}
	}
	r.post("/api/v1/jobs", `{"tickers":["A","A"],"options":{"bars":300}}`).want(http.StatusAccepted)
}
