package e2e_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
)

// TestRealInput analyses a folder of CSV files in one process: what is no
// ticker refuses the whole submission with its place, what has no file or too
// few bars fails by its code, and the rest is analysed.
func TestRealInput(t *testing.T) {
	dir, listed := marketFolder(t)
	writeBars(t, dir, "YOUNG.NS", 20)
	d := startUp(t, "csv:"+dir)

	endless := strings.Repeat("A", 200)
	asked := append(slices.Clone(listed), "NOSUCH.NS", "*", "A.B.C", "", endless, "YOUNG.NS")
	_, err := d.client.Submit(t.Context(), client.Submission{Tickers: asked}, "")
	var refused *client.Problem
	if !errors.As(err, &refused) || refused.Status != http.StatusUnprocessableEntity {
		t.Fatalf("a submission with what is no ticker is answered %v", err)
	}
	var places []string
	for _, wrong := range refused.Errors {
		places = append(places, wrong.Location)
	}
	n := len(listed)
	if diff := cmp.Diff([]string{place(n + 1), place(n + 3), place(n + 4)}, places); diff != "" {
		t.Errorf("the illegal tickers' places (-want +got):\n%s", diff)
	}
	if jobs, err := d.client.Jobs(t.Context(), url.Values{}); err != nil || len(jobs.Items) != 0 {
		t.Errorf("after the refusal there are %d jobs, %v", len(jobs.Items), err)
	}

	legal := slices.DeleteFunc(asked, func(s string) bool { return s == "*" || s == "" || s == endless })
	job := d.ended(d.submit(client.Submission{Tickers: legal}).JobID, time.Minute)
	if job.Status != events.StatusCompleted || job.Total != n+3 || job.Analyzed != n || job.Failed != 3 {
		t.Errorf("the job ended as %+v", job)
	}
	codes := map[string]events.FailureCode{}
	for ticker, detail := range d.details(job.JobID, "failed") {
		codes[ticker] = detail.Code
	}
	want := map[string]events.FailureCode{
		"NOSUCH.NS": events.FailureUnknownTicker, "A.B.C": events.FailureUnknownTicker, "YOUNG.NS": events.FailureShortHistory,
	}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	results := d.results(job.JobID)
	for _, ticker := range []string{"M&M.NS", "BAJAJ-AUTO.NS"} {
		if result, ok := results[ticker]; !ok || result.Synthetic || result.Verdict == "" || result.Numbers.Close == nil {
			t.Errorf("the result of %s is %+v", ticker, result)
		}
	}
	if len(results) != n {
		t.Errorf("%d results, %d tickers analysed", len(results), n)
	}
	d.oneOutcomeEach(job.JobID, legal)
	d.verified()
	d.predecessor(n + 1)
	d.up.Stop()
}

func place(i int) string { return "body.tickers[" + jsonText(i) + "]" }

func jsonText(v any) string {
	text, _ := json.Marshal(v) // of numbers and texts
	return string(text)
}

// predecessor uses the three URLs of the system before; listed is the number
// of tickers that its market lists.
func (d *deck) predecessor(listed int) {
	t := d.t
	t.Helper()
	var accepted struct {
		JobID   string `json:"job_id"`
		Status  string `json:"status"`
		Started bool   `json:"thread_started"`
		Count   int    `json:"count"`
	}
	d.call(http.MethodPost, "/api/stocks/analyze-all-stocks", `{"symbols":["TCS","M&M"]}`, http.StatusCreated, &accepted)
	if accepted.Count != 2 || accepted.Status != "queued" || !accepted.Started {
		t.Errorf("analyze-all-stocks answers %+v", accepted)
	}
	d.completed(accepted.JobID, time.Minute)
	d.call(http.MethodPost, "/api/stocks/analyze-all-stocks", `{}`, http.StatusCreated, &accepted)
	if accepted.Count != listed {
		t.Errorf("without symbols %d tickers are analysed, the market lists %d", accepted.Count, listed)
	}
	d.ended(accepted.JobID, time.Minute)
	var progress struct {
		Analyzing bool `json:"is_analyzing"`
		Jobs      []struct {
			JobID  string `json:"job_id"`
			Status string `json:"status"`
		} `json:"jobs"`
	}
	for _, path := range []string{"/api/all-stocks/progress", "/api/stocks/all-stocks/progress"} {
		d.call(http.MethodGet, path, "", http.StatusOK, &progress)
		if progress.Analyzing || len(progress.Jobs) != 3 || progress.Jobs[0].Status != "completed" {
			t.Errorf("%s answers %+v", path, progress)
		}
	}
	var history struct {
		Symbol  string `json:"symbol"`
		History []struct {
			Ticker string  `json:"ticker"`
			Score  float64 `json:"score"`
		} `json:"history"`
	}
	d.call(http.MethodGet, "/api/analysis-history/TCS", "", http.StatusOK, &history)
	if history.Symbol != "TCS" || len(history.History) != 3 || history.History[0].Ticker != "TCS.NS" {
		t.Errorf("analysis-history answers %+v", history)
	}
}

// call sends a request and reads the JSON of an answer with a status.
func (d *deck) call(method, path, body string, status int, out any) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, d.base+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		d.t.Fatalf("%s %s answers %s, %v: %s", method, path, response.Status, err, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		d.t.Fatalf("%s %s answers %s: %v", method, path, text, err)
	}
}
