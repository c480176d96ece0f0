package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
)

// TestAnalyzersShareTheMarket runs two analyzers' programs against the
// stand-in for Yahoo: together they keep to one rate and ask for each ticker
// once, also in a second job, and the api learns from them what the market
// lists.
func TestAnalyzersShareTheMarket(t *testing.T) {
	const rate = 40
	r := onSQLite(t)
	r.migrate()
	r.recorder("recorder", r.owner)
	r.api()
	all := func(want int) {
		t.Helper()
		var accepted struct {
			JobID string `json:"job_id"`
			Count int    `json:"count"`
		}
		r.call(http.MethodPost, "/api/stocks/analyze-all-stocks", "{}", http.StatusCreated, &accepted)
		if accepted.Count != want {
			t.Errorf("all symbols are %d, want %d", accepted.Count, want)
		}
	}
	all(50) // nobody has said what the market lists: the NIFTY 50
	yahoo := yahootest.New(t, yahootest.Config{})
	folder := t.TempDir()
	for i := range 7 {
		writeBars(t, folder, fmt.Sprintf("OWN%d.NS", i), 300)
	}
	market := []string{"--market", "csv:" + folder + ",yahoo", "--market-rate", fmt.Sprint(rate), "--yahoo-url", yahoo.URL}
	r.analyzer("analyzer-1", market...)
	r.analyzer("analyzer-2", market...)
	tickers := append(synthetic("SHARED", 60), "OWN3.NS")
	for range 2 {
		job := r.completed(r.submit(client.Submission{Tickers: tickers}).JobID, time.Minute)
		r.oneOutcomeEach(job.JobID, tickers)
	}
	asked := map[string]int{}
	for _, request := range yahoo.Requests() {
		asked[request.Symbol]++
	}
	for _, ticker := range tickers[:60] {
		if asked[ticker] != 1 {
			t.Errorf("%s was asked for %d times", ticker, asked[ticker])
		}
	}
	if asked["OWN3.NS"] != 0 {
		t.Error("Yahoo was asked for what the folder has")
	}
	if busiest, most := yahoo.Busiest(time.Second), rate+rate/4+2; busiest > most { // a quarter of a second for what is late
		t.Errorf("%d requests within a second, at most %d", busiest, most)
	}
	all(7)
}
