package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/events"
)

// TestPage: it shows jobs and results, marks synthetic ones, holds nothing
// inline and nothing from elsewhere, and texts of others stay texts.
func TestPage(t *testing.T) {
	r := newRig(t)
	if text := string(r.get("/").want(http.StatusOK).Body); !strings.Contains(text, "No job yet") {
		t.Errorf("%s", text)
	}
	id := r.submit(`{"tickers":["M&M.NS","EUR/USD","NOSUCH"],"strategy":{"name":"own","title":"<img src=x onerror=alert(1)>"}}`)
	outcome := r.analyzed(id, "M&M.NS", 0.5, events.Buy)
	outcome.Report.Lineage.Synthetic = true
	outcome.Report.TradingDay = "2026-11-20"
	r.publish(outcome, r.analyzed(id, "EUR/USD", 0.1, events.Hold), r.failed(id, "NOSUCH", events.FailureUnknownTicker))
	r.record()
	answer := r.get("/").want(http.StatusOK)
	text := string(answer.Body)
	for _, part := range []string{id, "M&amp;M.NS", "<strong>synthetic</strong>", "Synthetic data:", "&#43;0.50", "completed",
		`href="/api/v1/tickers/M&amp;M.NS/history"`, `href="/api/v1/tickers/EUR%2FUSD/history"`, `details?status=failed">1</a>`} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in\n%s", part, text)
		}
	}
	for _, pattern := range []string{`<script>`, `<style`, ` style=`, ` on\w+=`, `https?://`, `<img`} {
		if found := regexp.MustCompile(pattern).FindString(text); found != "" {
			t.Errorf("the page holds %q", found)
		}
	}
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers: %v", answer.Header)
	}
	for path, kind := range map[string]string{"/ui/app.mjs": "text/javascript", "/ui/style.css": "text/css"} {
		file := r.get(path).want(http.StatusOK)
		if !strings.HasPrefix(file.Header.Get("Content-Type"), kind) || strings.Contains(string(file.Body), "http://") {
			t.Errorf("%s: %v", path, file.Header)
		}
	}
	if tickers := r.get("/api/v1/tickers/EUR%2FUSD/history").want(http.StatusOK).column("ticker"); len(tickers) != 1 || tickers[0] != "EUR/USD" {
		t.Errorf("the page's link leads to %v", tickers)
	}
	tested := r.post("/api/v1/backtests", `{"tickers":["A"],"from":"2025-01-06","to":"2025-12-31"}`).want(http.StatusAccepted).text("job_id")
	r.record()
	for _, part := range []string{"<td>backtest</td>", `href="/api/v1/backtests/` + tested + `"`, "<td>analysis</td>", `href="/api/v1/jobs/` + id + `/results"`} {
		if text := string(r.get("/").want(http.StatusOK).Body); !strings.Contains(text, part) {
			t.Errorf("no %s in\n%s", part, text)
		}
	}
	r.get("/ui/page.html").want(http.StatusNotFound)
}
