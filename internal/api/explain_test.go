package api_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// explained reads an explanation as the commands do.
func (r *rig) explained(path string) client.Explanation {
	r.t.Helper()
	var e client.Explanation
	if err := json.Unmarshal(r.get(path).want(http.StatusOK).Body, &e); err != nil {
		r.t.Fatal(err)
	}
	return e
}

// real publishes what the analysis itself finds of invented bars.
func (r *rig) real(jobID string, tickers []string, bars int) {
	r.t.Helper()
	q := r.queued(jobID)
	document, err := strategy.Parse(q.Strategy)
	if err != nil {
		r.t.Fatal(err)
	}
	provider, err := synthetic.New(synthetic.Config{})
	if err != nil {
		r.t.Fatal(err)
	}
	for i, ticker := range tickers {
		series, err := provider.Daily(r.t.Context(), ticker, bars+i)
		if err != nil {
			r.t.Fatal(err)
		}
		report, err := analysis.Analyze(series, document, analysis.Params{
			Capital: q.Capital, RiskPercent: q.Options.RiskPercent, PositionLimitPercent: q.Options.PositionLimitPercent, MinRiskReward: q.Options.MinRiskReward,
		})
		if err != nil {
			r.t.Fatal(err)
		}
		event := r.analyzed(jobID, ticker, report.Score, events.Verdict(report.Verdict))
		event.Report.Coverage, event.Report.Regime, event.Report.Warnings = report.Coverage, report.Regime, report.Warnings
		event.Report.Plan = events.Plan(report.Plan)
		event.Report.Lineage.Synthetic, event.Report.Lineage.Provider = true, "synthetic"
		text, err := json.Marshal(report.Indicators)
		if err != nil {
			r.t.Fatal(err)
		}
		event.Report.Indicators = nil
		if err := json.Unmarshal(text, &event.Report.Indicators); err != nil {
			r.t.Fatal(err)
		}
		r.publish(event)
	}
}

// TestContributionsSumToTheScore analyses invented tickers, with enough bars
// and with few, under the five strategies, and takes the score apart as it is
// read over HTTP: every number must follow from the others.
func TestContributionsSumToTheScore(t *testing.T) {
	r := newRig(t)
	const each = 20
	for _, document := range strategy.Builtins() {
		tickers := make([]string, each)
		for i := range tickers {
			tickers[i] = fmt.Sprintf("%s%d", strings.ToUpper(document.Name[:3]), i)
		}
		list, err := json.Marshal(tickers)
		if err != nil {
			t.Fatal(err)
		}
		id := r.submit(fmt.Sprintf(`{"tickers":%s,"strategy":%q}`, list, document.Name))
		r.real(id, tickers[:each/2], 55)
		r.real(id, tickers[each/2:], 400)
		r.record()
		for _, ticker := range tickers {
			e := r.explained("/api/v1/tickers/" + ticker + "/explain?job=" + id)
			checkArithmetic(t, e)
			checkDecision(t, e)
			checkSizing(t, e)
		}
	}
}

func checkArithmetic(t *testing.T, e client.Explanation) {
	t.Helper()
	sum, votes, total := 0.0, 0.0, 0.0
	for _, one := range e.Indicators {
		sum += one.Contribution
		votes += float64(one.Vote) * one.Weight * one.StrategyWeight
		total += one.Weight * one.StrategyWeight
		if want := float64(one.Vote) * one.Weight * one.StrategyWeight; math.Abs(one.Contribution*e.Arithmetic.TotalWeight-want) > 1e-12 {
			t.Errorf("%s: %s contributes %v, vote x weight is %v of %v", e.Ticker, one.Name, one.Contribution, want, e.Arithmetic.TotalWeight)
		}
		if one.NeedBars < 1 {
			t.Errorf("%s: %s needs %d bars", e.Ticker, one.Name, one.NeedBars)
		}
	}
	categories := 0.0
	for _, one := range e.Arithmetic.Categories {
		categories += one.Contribution
	}
	for name, got := range map[string]float64{"indicators": sum, "categories": categories, "sum": e.Arithmetic.Sum, "arithmetic": e.Arithmetic.Score} {
		if math.Abs(got-e.Score) > 1e-12 {
			t.Errorf("%s: %s add up to %v, the score is %v", e.Ticker, name, got, e.Score)
		}
	}
	if total > 0 && math.Abs(votes/total-e.Score) > 1e-12 {
		t.Errorf("%s: %v of %v is not %v", e.Ticker, votes, total, e.Score)
	}
	if len(e.Indicators) < 12 {
		t.Errorf("%s: %d indicators", e.Ticker, len(e.Indicators))
	}
}

func checkDecision(t *testing.T, e client.Explanation) {
	t.Helper()
	d := e.Decision
	held := false
	for _, warning := range e.Warnings {
		held = held || strings.HasPrefix(warning, string(e.Verdict)+", not ")
	}
	whole := 0.0
	for _, one := range e.Indicators {
		whole += one.StrategyWeight
	}
	if math.Abs(d.Conviction*whole-e.Arithmetic.TotalWeight) > 1e-12 {
		t.Errorf("%s: the conviction %v is not %v of %v", e.Ticker, d.Conviction, e.Arithmetic.TotalWeight, whole)
	}
	if d.Conviction < 0.05 && d.Verdict != events.Hold || d.Quorum.Conviction != 0.05 {
		t.Errorf("%s: %s on a conviction of %v, of %v", e.Ticker, d.Verdict, d.Conviction, d.Quorum.Conviction)
	}
	if d.Verdict != e.Verdict || d.HeldBack != held || (d.ByScore == d.Verdict) == held {
		t.Errorf("%s: %+v of %s with warnings %q", e.Ticker, d, e.Verdict, e.Warnings)
	}
	if held && d.Conviction >= d.Quorum.Conviction && d.Coverage >= d.Quorum.Coverage && d.Agreeing >= d.Quorum.Agreeing {
		t.Errorf("%s was held back although the quorum is there: %+v", e.Ticker, d)
	}
}

func checkSizing(t *testing.T, e client.Explanation) {
	t.Helper()
	s := e.Sizing
	if s == nil {
		if e.Plan.Side != "none" {
			t.Errorf("%s: no sizing of %+v", e.Ticker, e.Plan)
		}
		return
	}
	if e.Plan.Size != min(s.SharesByRisk, s.SharesByPosition) || (s.BoundBy == "risk") != (s.SharesByRisk <= s.SharesByPosition) {
		t.Errorf("%s: size %d of %+v", e.Ticker, e.Plan.Size, s)
	}
	if float64(s.SharesByRisk)*s.RiskPerShare > s.MayLose || float64(s.SharesByPosition)*e.Plan.Entry > s.MayTake {
		t.Errorf("%s: %+v allows too much", e.Ticker, s)
	}
}

// TestExplainWithoutConviction: a result of before there was a quorum of
// conviction is not explained by one.
func TestExplainWithoutConviction(t *testing.T) {
	r := newRig(t)
	id := r.submit(`{"tickers":["OLD.NS"]}`)
	old := r.analyzed(id, "OLD.NS", 0.3, events.Buy)
	old.Report.Indicators = []events.Indicator{
		{Name: "rsi", Category: "momentum", Available: true, Values: map[string]float64{}, Vote: 1, Weight: 0.01, StrategyWeight: 1, Contribution: 0.3},
		{Name: "atr", Category: "volatility", Available: true, Values: map[string]float64{}, StrategyWeight: 1},
	}
	r.publish(old)
	r.record()
	d := r.explained("/api/v1/tickers/OLD.NS/explain").Decision
	if d.Conviction != 0.005 || d.Quorum.Conviction != 0 || d.HeldBack || d.Quorum.Agreeing != 5 {
		t.Errorf("%+v", d)
	}
}

// TestExplain reads the newest result, that of a job and that of a day.
func TestExplain(t *testing.T) {
	r := newRig(t)
	first := r.finished()
	second := r.finished()
	path := "/api/v1/tickers/TCS.NS/explain"
	for query, job := range map[string]string{
		"": second, "?strategy=balanced": second, "?job=" + first: first, "?day=2026-11-20": second, "?class=real": second,
		"?job=" + first + "&day=2026-11-20&strategy=balanced": first,
	} {
		if e := r.explained(path + query); e.JobID != job || e.Ticker != "TCS.NS" || len(e.Indicators) != 1 {
			t.Errorf("%s: job %s, ticker %s, %d indicators; want job %s", query, e.JobID, e.Ticker, len(e.Indicators), job)
		}
	}
	if e := r.explained("/api/v1/tickers/M%26M/explain"); e.Ticker != "M&M.NS" || e.Links["self"] == "" {
		t.Errorf("looked up without its suffix: %s, links %v", e.Ticker, e.Links)
	} else if again := r.explained(e.Links["self"]); again.Seq != e.Seq {
		t.Errorf("%s is result %d, not %d", e.Links["self"], again.Seq, e.Seq)
	}
	tag := r.get(path).Header.Get("ETag")
	r.get(path, "If-None-Match", tag).want(http.StatusNotModified)
}

// TestExplanationReachesTheClientWhole compares what the server sends with
// what the client's types keep of it.
func TestExplanationReachesTheClientWhole(t *testing.T) {
	r := newRig(t)
	id := r.submit(`{"tickers":["WHOLE1","WHOLE2","WHOLE3"]}`)
	r.real(id, []string{"WHOLE1", "WHOLE2", "WHOLE3"}, 300)
	r.record()
	for _, ticker := range []string{"WHOLE1", "WHOLE2", "WHOLE3"} {
		answer := r.get("/api/v1/tickers/" + ticker + "/explain").want(http.StatusOK)
		var kept client.Explanation
		if err := json.Unmarshal(answer.Body, &kept); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(kept)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(answer.json(), (reply{t: t, Body: text}).json(), sameTimes); diff != "" {
			t.Errorf("the client's types (-sent +kept):\n%s", diff)
		}
	}
}

// sameTimes takes a time for the same however many zeros end its text.
var sameTimes = cmp.Transformer("time", func(text string) string {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.UTC().Format(time.RFC3339Nano)
	}
	return text
})

func TestNothingToExplain(t *testing.T) {
	r := newRig(t)
	id := r.finished()
	for path, want := range map[string]string{
		"/api/v1/tickers/NEVER.NS/explain":                    `POST /api/v1/jobs {\"tickers\":[\"NEVER.NS\"]}`,
		"/api/v1/tickers/TCS.NS/explain?strategy=weekly_4":    "without it the newest result counts",
		"/api/v1/tickers/TCS.NS/explain?day=2020-01-31":       "without it the newest result counts",
		"/api/v1/tickers/NOSUCH.NS/explain?job=" + id:         "/api/v1/jobs/" + id + "/details",
		"/api/v1/tickers/TCS.NS/explain?job=" + newUUID:       "no such job",
		"/api/v1/jobs/" + id + "/results/NOSUCH.NS":           "/api/v1/jobs/" + id + "/details",
		"/api/v1/jobs/" + newUUID + "/results/TCS.NS":         "no such job",
		"/api/v1/jobs/" + id + "/results/TCS.NS?include=":     "",
		"/api/v1/tickers/TCS.NS/explain?class=real&min_seq=1": "",
	} {
		answer := r.get(path)
		if want == "" {
			answer.want(http.StatusOK)
			continue
		}
		if answer.Status != http.StatusNotFound || !strings.Contains(string(answer.Body), want) {
			t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
		}
	}
	for path, location := range map[string]string{
		"/api/v1/tickers/TCS.NS/explain?job=1":                      "query.job",
		"/api/v1/tickers/TCS.NS/explain?day=2026-02-30":             "query.day",
		"/api/v1/tickers/TCS.NS/explain?date=2026-02-03":            "query.date",
		"/api/v1/tickers/%2A/explain":                               "path.ticker",
		"/api/v1/jobs/" + id + "/results/TCS.NS?include=everything": "query.include",
	} {
		answer := r.get(path)
		if answer.Status != http.StatusBadRequest || !strings.Contains(string(answer.Body), `"location":"`+location+`"`) {
			t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
		}
	}
}

// newUUID is the id of no job.
const newUUID = "01900000-0000-7000-8000-000000000000"

func TestOneResult(t *testing.T) {
	r := newRig(t)
	path := "/api/v1/jobs/" + r.finished() + "/results/TCS.NS"
	if plain := r.get(path).want(http.StatusOK).json(); plain["indicators"] != nil || plain["ticker"] != "TCS.NS" || plain["as_of_seq"] == nil {
		t.Errorf("%v", plain)
	}
	whole := r.get(path + "?include=indicators").want(http.StatusOK).json()
	if list, _ := whole["indicators"].([]any); len(list) != 1 {
		t.Errorf("indicators: %v", whole["indicators"])
	}
	if other := r.get(strings.TrimSuffix(path, ".NS")).want(http.StatusOK).text("ticker"); other != "TCS.NS" {
		t.Errorf("without its suffix: %s", other)
	}
}
