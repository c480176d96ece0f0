package analysis_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

var update = flag.Bool("update", false, "write the golden files anew")

func builtin(t testing.TB, name string) strategy.Document {
	t.Helper()
	d, ok := strategy.Builtin(name)
	if !ok {
		t.Fatalf("no strategy %s", name)
	}
	return d
}

func analyze(t testing.TB, s market.Series, d strategy.Document, p analysis.Params) analysis.Report {
	t.Helper()
	r, err := analysis.Analyze(s, d, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestProperties: whatever the bars, the strategy and the parameters. It draws
// until each kind of plan has come up under each method of a stop.
func TestProperties(t *testing.T) {
	seen := map[string]int{}
	kinds := []string{"none"}
	for _, side := range []string{"buy", "sell"} {
		for _, method := range []string{strategy.StopFixed, strategy.StopATR, strategy.StopStructure} {
			kinds = append(kinds, "sized "+side+" "+method)
		}
	}
	missing := func(kind string) bool { return seen[kind] == 0 }
	for range 40 {
		rapid.Check(t, func(t *rapid.T) {
			s, d, p := drawSeries(t), drawStrategy(t), drawParams(t)
			r, err := analysis.Analyze(s, d, p)
			if err != nil {
				t.Fatal(err)
			}
			checkReport(t, r, p)
			switch {
			case r.Plan.Side == analysis.SideNone:
				seen["none"]++
			case r.Plan.Size > 0:
				seen["sized "+r.Plan.Side+" "+d.Risk.Stop.Method]++
			}
		})
		if !slices.ContainsFunc(kinds, missing) {
			return
		}
	}
	t.Errorf("not every kind of plan was drawn: %v", seen)
}

// TestIndependence: a report does not depend on what was analysed before it, or
// beside it.
func TestIndependence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSeries(t), drawSeries(t)
		docA, docB, p := drawStrategy(t), drawStrategy(t), drawParams(t)
		alone, err := analysis.Analyze(b, docB, p)
		if err != nil {
			t.Fatal(err)
		}
		after := make([]analysis.Report, 2)
		var wg sync.WaitGroup
		for i := range after {
			wg.Go(func() {
				_, _ = analysis.Analyze(a, docA, p) // its outcome does not matter here
				after[i], _ = analysis.Analyze(b, docB, p)
			})
		}
		wg.Wait()
		for _, r := range after {
			if diff := cmp.Diff(alone, r); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// TestNoLookAhead: bars that come later change nothing once they are cut off,
// and nothing that is given is changed or kept.
func TestNoLookAhead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, d := drawSeries(t), drawStrategy(t)
		n := rapid.IntRange(2, len(s.Bars)).Draw(t, "cut")
		early := s
		early.Bars = slices.Clone(s.Bars[:n])
		want, err := analysis.Analyze(early, d, usual)
		if err != nil {
			t.Fatal(err)
		}
		whole := slices.Clone(s.Bars)
		if _, err := analysis.Analyze(s, d, usual); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, s.Bars); diff != "" {
			t.Fatalf("the bars were changed: %s", diff)
		}
		s.Bars = s.Bars[:n]
		got, err := analysis.Analyze(s, d, usual)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestRefuses(t *testing.T) {
	doc, good := builtin(t, "balanced"), wave("ABC.NS", 60, 0)
	spoil := func(change func(*market.Bar)) market.Series {
		s := good
		s.Bars = slices.Clone(good.Bars)
		change(&s.Bars[30])
		return s
	}
	broken := doc
	broken.Indicators.RSI.Period = 0
	for name, c := range map[string]struct {
		series market.Series
		doc    strategy.Document
		params analysis.Params
		want   error
		text   string
	}{
		"short":        {wave("ABC.NS", 49, 0), doc, usual, analysis.ErrShortHistory, "49 bars, 50 needed"},
		"none":         {market.Series{Ticker: "ABC.NS"}, doc, usual, analysis.ErrShortHistory, "0 bars, 50 needed"},
		"nan":          {spoil(func(b *market.Bar) { b.Close = math.NaN() }), doc, usual, analysis.ErrBadData, "bar 31"},
		"inf":          {spoil(func(b *market.Bar) { b.High = math.Inf(1) }), doc, usual, analysis.ErrBadData, "high"},
		"negative":     {spoil(func(b *market.Bar) { b.Low = -1 }), doc, usual, analysis.ErrBadData, "low"},
		"upside down":  {spoil(func(b *market.Bar) { b.High, b.Low = b.Low, b.High }), doc, usual, analysis.ErrBadData, "above high"},
		"volume":       {spoil(func(b *market.Bar) { b.Volume = -5 }), doc, usual, analysis.ErrBadData, "volume"},
		"twice":        {spoil(func(b *market.Bar) { b.Date = good.Bars[29].Date }), doc, usual, analysis.ErrBadData, "twice"},
		"strategy":     {good, broken, usual, analysis.ErrParameters, "indicators.rsi.period"},
		"parameters":   {good, doc, analysis.Params{RiskPercent: 101, PositionLimitPercent: -1, MinRiskReward: 11}, analysis.ErrParameters, "capital must be above 0 and at most 1e+12, is 0; risk percent must be above 0 and at most 100, is 101; position limit percent must be above 0 and at most 100, is -1; minimum risk:reward must be from 0 to 10, is 11"},
		"nan capital":  {good, doc, analysis.Params{Capital: math.NaN(), RiskPercent: 1, PositionLimitPercent: 1}, analysis.ErrParameters, "capital"},
		"past capital": {good, doc, analysis.Params{Capital: analysis.MaxCapital * 1.01, RiskPercent: 1, PositionLimitPercent: 1}, analysis.ErrParameters, "capital"},
	} {
		r, err := analysis.Analyze(c.series, c.doc, c.params)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || r.Ticker != "" {
			t.Errorf("%s: %v; want %v with %q", name, err, c.want, c.text)
		}
	}
	limits := analysis.Params{Capital: analysis.MaxCapital, RiskPercent: 100, PositionLimitPercent: 100, MinRiskReward: analysis.MaxRiskReward}
	checkReport(t, analyze(t, good, doc, limits), limits)
}

// TestGolden holds whole reports still. To write them anew: go test -update.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name, strategy string
		series         market.Series
	}{
		{"rising", "balanced", wave("RISING.NS", 400, 0.0012)},
		{"falling", "weekly_4", wave("FALLING", 120, -0.002)},
		{"flat", "mean_reversion", flat(60, 100.1, 0)},
	} {
		r := analyze(t, c.series, builtin(t, c.strategy), usual)
		checkReport(t, r, usual)
		got, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", c.name+".golden.json")
		if *update {
			if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestFlat: a price that stands still votes for nothing, not by float noise either.
func TestFlat(t *testing.T) {
	for _, volume := range []float64{0, 12345} {
		for _, price := range []float64{100.1, 0.07, 33333.35} {
			r := analyze(t, flat(260, price, volume), builtin(t, "balanced"), usual)
			checkReport(t, r, usual)
			for _, one := range r.Indicators {
				if one.Vote != 0 || !one.Available {
					t.Errorf("price %v: %+v", price, one)
				}
			}
			if r.Verdict != analysis.Hold || r.Score != 0 || r.Coverage != 1 || !slices.Contains(r.Warnings, "no indicator votes") {
				t.Errorf("price %v: %s %v %v %q", price, r.Verdict, r.Score, r.Coverage, r.Warnings)
			}
		}
	}
}

// TestAvailability: each indicator speaks from the bar on that its warm-up ends
// with, and the coverage counts what cannot.
func TestAvailability(t *testing.T) {
	need := map[string]int{"rsi": 15, "stochastic": 18, "cci": 20, "williams": 14, "macd": 34, "adx": 28, "psar": 2, "ema": 200, "supertrend": 11,
		"bollinger": 20, "atr": 15, "obv": 11, "cmf": 20}
	doc := builtin(t, "trend_following")
	doc.MinBars = 2
	all := wave("ABC.NS", 201, 0.001)
	for n := 2; n <= 201; n++ {
		s := all
		s.Bars = all.Bars[:n]
		r := analyze(t, s, doc, usual)
		checkReport(t, r, usual)
		covered, total := 0.0, 0.0
		for _, one := range r.Indicators {
			total += one.StrategyWeight
			if one.Available {
				covered += one.StrategyWeight
			}
			if one.Available != (n >= need[one.Name]) || one.NeedBars != need[one.Name] {
				t.Fatalf("%d bars: %+v", n, one)
			}
			if !one.Available && one.Note != fmt.Sprintf("needs %d bars, has %d", need[one.Name], n) {
				t.Fatalf("%d bars: note %q", n, one.Note)
			}
		}
		if math.Abs(r.Coverage-covered/total) > 1e-12 || (r.Coverage < 1) != strings.HasPrefix(strings.Join(r.Warnings, "|"), "coverage") {
			t.Fatalf("%d bars: coverage %v, %q", n, r.Coverage, r.Warnings)
		}
	}
}

// TestDocumented: docs/ANALYSIS.md has a row for each indicator, with its
// category and the bars that it needs by default, in the order of a report.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ANALYSIS.md"))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, one := range analyze(t, wave("ABC.NS", 250, 0), builtin(t, "balanced"), usual).Indicators {
		row := fmt.Sprintf("\n| `%s` | %s | %d | ", one.Name, one.Category, one.NeedBars)
		next := strings.Index(string(text)[at:], row)
		if next < 0 {
			t.Fatalf("no row %q, or not in its place", row)
		}
		at += next
	}
}

// TestNeutralIsDecidedUnrounded: a reading on its level does not vote, one a
// hair past it does, with a weight that is tiny but not rounded away.
func TestNeutralIsDecidedUnrounded(t *testing.T) {
	s, doc := wave("ABC.NS", 120, 0), builtin(t, "balanced")
	rsi := func(r analysis.Report) analysis.Indicator { return r.Indicators[0] }
	x := rsi(analyze(t, s, doc, usual)).Values["rsi"]
	for _, c := range []struct {
		oversold, overbought float64
		vote                 int
	}{{x, 99, 0}, {x + 1e-7, 99, 1}, {1, x, 0}, {1, x - 1e-7, -1}} {
		doc.Indicators.RSI.Oversold, doc.Indicators.RSI.Overbought = c.oversold, c.overbought
		one := rsi(analyze(t, s, doc, usual))
		if one.Vote != c.vote || (one.Weight > 0) != (c.vote != 0) || one.Weight > 1e-6 || strings.HasPrefix(one.Note, "neutral") != (c.vote == 0) {
			t.Errorf("levels %v %v: %+v", c.oversold, c.overbought, one)
		}
	}
}

// TestVerdictIsDecidedUnrounded: a score at a threshold gives its verdict, one a
// single bit short of it does not.
func TestVerdictIsDecidedUnrounded(t *testing.T) {
	doc := builtin(t, "balanced")
	doc.Quorum = strategy.Quorum{}
	for _, drift := range []float64{0.004, -0.004} {
		s := wave("ABC.NS", 150, drift)
		score := analyze(t, s, doc, usual).Score
		if math.Abs(score) <= 0.02 || math.Abs(score) >= 0.98 || (score > 0) != (drift > 0) {
			t.Fatalf("score %v", score)
		}
		more, less := math.Nextafter(score, math.Copysign(1, score)), math.Nextafter(score, 0)
		for _, c := range []struct {
			strong, plain float64
			buy, sell     analysis.Verdict
		}{
			{math.Copysign(1, score), score, analysis.Buy, analysis.Sell}, {math.Copysign(1, score), more, analysis.Hold, analysis.Hold},
			{score, less, analysis.StrongBuy, analysis.StrongSell}, {more, score, analysis.Buy, analysis.Sell},
		} {
			want := c.buy
			doc.Thresholds = strategy.Thresholds{StrongBuy: c.strong, Buy: c.plain, Sell: -1, StrongSell: -1}
			if drift < 0 {
				want = c.sell
				doc.Thresholds = strategy.Thresholds{StrongBuy: 1, Buy: 1, Sell: c.plain, StrongSell: c.strong}
			}
			if r := analyze(t, s, doc, usual); r.Verdict != want {
				t.Errorf("%+v: %s at a score of %v", c, r.Verdict, r.Score)
			}
		}
	}
}

// TestSupertrendOptsIn: it is shown always, and counts when a strategy gives it
// a weight.
func TestSupertrendOptsIn(t *testing.T) {
	s, doc := wave("ABC.NS", 250, 0.001), builtin(t, "balanced")
	find := func(r analysis.Report) analysis.Indicator {
		return r.Indicators[slices.IndexFunc(r.Indicators, func(one analysis.Indicator) bool { return one.Name == "supertrend" })]
	}
	without := analyze(t, s, doc, usual)
	if one := find(without); !one.Available || one.Vote == 0 || one.StrategyWeight != 0 || one.Contribution != 0 {
		t.Errorf("without a weight: %+v", one)
	}
	doc.Indicators.Supertrend.Weight = 3
	with := analyze(t, s, doc, usual)
	checkReport(t, with, usual)
	if one := find(with); one.StrategyWeight != 3 || one.Contribution == 0 || (one.Contribution > 0) != (one.Vote > 0) || with.Score == without.Score {
		t.Errorf("with a weight: %+v, score %v and %v", one, with.Score, without.Score)
	}
}

// TestQuorum: a Strong verdict needs enough coverage and enough voices.
func TestQuorum(t *testing.T) {
	s, doc := wave("ABC.NS", 150, 0.004), builtin(t, "balanced")
	doc.Thresholds = strategy.Thresholds{StrongBuy: 0.02, Buy: 0.01, Sell: -0.01, StrongSell: -0.02}
	doc.Quorum = strategy.Quorum{}
	if r := analyze(t, s, doc, usual); r.Verdict != analysis.StrongBuy {
		t.Fatalf("%s %v", r.Verdict, r.Score)
	}
	for _, q := range []strategy.Quorum{{Agreeing: 12}, {Coverage: 0.95}} {
		doc.Quorum = q
		r := analyze(t, s, doc, usual)
		checkReport(t, r, usual)
		if r.Verdict != analysis.Buy || !strings.Contains(strings.Join(r.Warnings, "|"), "Buy, not Strong Buy") {
			t.Errorf("%+v: %s %q", q, r.Verdict, r.Warnings)
		}
	}
	doc.Quorum = strategy.Quorum{Agreeing: 12}
	if r := analyze(t, wave("ABC.NS", 150, -0.004), doc, usual); r.Verdict != analysis.Sell || !strings.Contains(strings.Join(r.Warnings, "|"), "Sell, not Strong Sell") {
		t.Errorf("%s %q", r.Verdict, r.Warnings)
	}
}

// TestLineage: the report says what it was made from, in memory of its own, and
// the exchange's currency when the provider says none.
func TestLineage(t *testing.T) {
	s := wave("ABC.NS", 60, 0)
	s.Warnings, s.Notes = []string{"17 zero-volume days"}, []string{"asked nse first: no such ticker", "split 1:2 of 2024-02-01 taken out"}
	r := analyze(t, s, builtin(t, "balanced"), usual)
	want := analysis.Lineage{Provider: "handmade", Synthetic: true, Adjustment: market.AdjustmentSplits, Currency: "INR", Bars: 60,
		FirstBar: s.Bars[0].Date, LastBar: s.Bars[59].Date, Warnings: []string{"17 zero-volume days"},
		Notes: []string{"asked nse first: no such ticker", "split 1:2 of 2024-02-01 taken out"}}
	s.Warnings[0], s.Notes[0] = "changed", "changed"
	if diff := cmp.Diff(want, r.Lineage); diff != "" {
		t.Error(diff)
	}
	for ticker, currency := range map[string]string{"ABC.BO": "INR", "ABC": "USD", "ABC.L": ""} {
		if r := analyze(t, wave(ticker, 60, 0), builtin(t, "balanced"), usual); r.Lineage.Currency != currency || len(r.Lineage.Notes) != 0 {
			t.Errorf("%s: %+v", ticker, r.Lineage)
		}
	}
	s.Currency = "USD"
	if r := analyze(t, s, builtin(t, "balanced"), usual); r.Lineage.Currency != "USD" {
		t.Errorf("the provider's currency: %+v", r.Lineage)
	}
}

// TestSilence: what a strategy leaves out does not count.
func TestSilence(t *testing.T) {
	s, doc := wave("ABC.NS", 120, 0.002), builtin(t, "balanced")
	doc.Categories = strategy.Categories{Trend: 1}
	doc.Indicators.EMA.Weight = 0
	r := analyze(t, s, doc, usual)
	checkReport(t, r, usual)
	if r.Coverage != 1 {
		t.Errorf("coverage %v", r.Coverage)
	}
	for _, one := range r.Indicators {
		if heard := one.Category == "trend" && one.Name != "ema" && one.Name != "supertrend"; !heard && one.Contribution != 0 || heard != (one.StrategyWeight > 0) {
			t.Errorf("%+v", one)
		}
	}
}

// TestUnanimous: when all that vote go one way the score is 1, or -1, to the last
// bit, and so reaches a threshold of 1.
func TestUnanimous(t *testing.T) {
	found := map[float64]int{}
	for i := range 400 {
		drift := 0.008 - 0.016*float64(i%2) + 0.00001*float64(i-200)
		doc := strategy.Builtins()[i%5]
		doc.Quorum = strategy.Quorum{}
		doc.Thresholds.StrongBuy, doc.Thresholds.StrongSell = 1, -1
		doc.Categories = strategy.Categories{Trend: 1.1, Volume: 0.3} // whose indicators agree more often
		doc.Indicators.Supertrend.Weight, doc.Indicators.CMF.Weight = 0.7, 0
		r := analyze(t, wave("ABC.NS", 60+i%97, drift), doc, usual)
		checkReport(t, r, usual)
		sides := map[int]bool{}
		for _, one := range r.Indicators {
			if one.Weight*one.StrategyWeight > 0 {
				sides[one.Vote] = true
			}
		}
		if len(sides) != 1 {
			continue
		}
		side := 1.0
		if sides[-1] {
			side = -1
		}
		found[side]++
		if strong := r.Verdict == analysis.StrongBuy || r.Verdict == analysis.StrongSell; r.Score != side || !strong {
			t.Errorf("%s, drift %v: all vote %v, the score is %v, %s", doc.Name, drift, side, r.Score, r.Verdict)
		}
	}
	if found[1] == 0 || found[-1] == 0 {
		t.Errorf("unanimous: %v", found)
	}
}

func BenchmarkAnalyze250Bars(b *testing.B) {
	s, doc := wave("ABC.NS", 250, 0.001), builtin(b, "balanced")
	b.ReportAllocs()
	for b.Loop() {
		analyze(b, s, doc, usual)
	}
}
