package yahootest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
	"github.com/tapedeck/tapedeck/internal/referencedata"
)

var friday = time.Date(2026, 8, 28, 22, 0, 0, 0, time.UTC)

func now() time.Time { return friday }

// get asks for a month of a ticker as a browser does.
func get(t *testing.T, s *yahootest.Server, symbol string) (status int, body []byte) {
	t.Helper()
	query := "?interval=1d&events=div,splits&period1=" + strconv.FormatInt(friday.AddDate(0, -1, 0).Unix(), 10) + "&period2=" + strconv.FormatInt(friday.Unix(), 10)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v8/finance/chart/"+symbol+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", "Mozilla/5.0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

func TestQuotaSticks(t *testing.T) {
	s := yahootest.New(t, yahootest.Config{Now: now, Quota: &yahootest.Quota{Requests: 3, Per: time.Hour}, Sticky: time.Hour})
	var statuses []int
	for range 5 {
		status, _ := get(t, s, "X")
		statuses = append(statuses, status)
	}
	if diff := cmp.Diff([]int{200, 200, 200, 429, 429}, statuses); diff != "" {
		t.Error(diff)
	}
	if n := s.Busiest(time.Hour); n != 5 {
		t.Errorf("the busiest hour had %d requests, want 5", n)
	}
	s.Clear()
	if status, _ := get(t, s, "Y"); status != 429 || s.Calls("Y") != 1 {
		t.Errorf("a cleared log ended what sticks: %d, %d calls", status, s.Calls("Y"))
	}
}

func TestChancesAreTheSeeds(t *testing.T) {
	chances := []yahootest.Chance{{Kind: yahootest.RateLimited, Share: 0.1}, {Kind: yahootest.ServerError, Share: 0.3}}
	counts := func(seed uint64) map[yahootest.Kind]int {
		s := yahootest.New(t, yahootest.Config{Now: now, Seed: seed, Chances: chances, First: friday.AddDate(0, -1, 0).Truncate(24 * time.Hour)})
		for range 500 {
			get(t, s, "X")
		}
		return s.Counts()
	}
	first := counts(1)
	if diff := cmp.Diff(first, counts(1)); diff != "" {
		t.Errorf("one seed gave two histories\n%s", diff)
	}
	if n := first[yahootest.RateLimited]; n < 30 || n > 70 {
		t.Errorf("%d of 500 were refused, want about 50", n)
	}
	if n := first[yahootest.ServerError]; n < 120 || n > 180 {
		t.Errorf("%d of 500 failed, want about 150", n)
	}
}

func TestPricesAreTheTickersOwn(t *testing.T) {
	one, two := yahootest.New(t, yahootest.Config{Now: now}), yahootest.New(t, yahootest.Config{Now: now})
	_, a := get(t, one, "A")
	get(t, two, "B")
	if _, again := get(t, two, "A"); string(a) != string(again) {
		t.Error("A has other prices after B was asked for")
	}
	if _, b := get(t, one, "B"); string(a) == string(b) {
		t.Error("A and B have the same prices")
	}
}

// Every field that the stand-in writes stands in an answer that Yahoo gave.
func TestFieldsAreYahoos(t *testing.T) {
	text := referencedata.Read(t, "yahoo/raw_chart-AAPL-2020-08-31-to-2020-11-07.json")
	date := time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC)
	s := yahootest.New(t, yahootest.Config{
		Now: now, Splits: map[string][]yahootest.Split{"AAPL": {{Date: date, Numerator: 4, Denominator: 1}}},
		Dividends: map[string][]yahootest.Dividend{"AAPL": {{Date: date, Amount: 0.2}}},
	})
	_, body := get(t, s, "AAPL")
	theirs := fields(t, text)
	for _, field := range fields(t, body) {
		if !slices.Contains(theirs, field) {
			t.Errorf("Yahoo writes no field %s", field)
		}
	}
	if len(fields(t, body)) < 40 {
		t.Errorf("only %d fields: %v", len(fields(t, body)), fields(t, body))
	}
}

// fields lists the paths of all fields; dates as keys are one.
func fields(t *testing.T, text []byte) []string {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	var list []string
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, below := range value {
				if _, err := strconv.Atoi(key); err == nil {
					key = "<date>"
				}
				list = append(list, path+"."+key)
				walk(path+"."+key, below)
			}
		case []any:
			if len(value) > 0 {
				walk(path+"[]", value[0])
			}
		}
	}
	walk("", value)
	slices.Sort(list)
	return slices.Compact(list)
}
