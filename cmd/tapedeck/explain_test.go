package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/market/csvdir"
	"github.com/tapedeck/tapedeck/internal/standalone"
)

// sample is an explanation in which each part has something to say.
func sample() client.Explanation {
	recorded := time.Date(2026, 11, 20, 12, 0, 0, 0, time.Local)
	closed, change := 3450.0, -1.25
	return client.Explanation{
		JobID: "0193a7c0-0000-7000-8000-000000000000", Ticker: "M&M.NS", TradingDay: "2026-11-20", Verdict: events.Buy, Score: 0.65,
		Synthetic: true, Coverage: 0.9166666, Regime: "weak_trend",
		Warnings: []string{"Buy, not Strong Buy: 2 indicators agree, the quorum is 5", "Buy against an overbought RSI of 71.2, which is a long sentence that has to be broken at the width"},
		Plan: events.Plan{
			Side: "buy", Entry: 3450, Stop: 3381, Target: 3600, RiskReward: 2.173913, Size: 5, RiskAmount: 345, Value: 17250,
			Adjustments: []string{"stop and target rounded to ticks of 0.05", "target moved from 3588 to 3600: risk:reward 2.00 was below 2.1"},
		},
		Numbers: events.Numbers{Close: &closed, ChangePercent: &change},
		Lineage: events.Lineage{
			Provider: "synthetic", Synthetic: true, Adjustment: "splits", Currency: "INR", Bars: 150, FirstBar: "2026-04-01", LastBar: "2026-11-20",
			Notes: []string{"split 1:2 on 2026-06-01 taken out, from the user's file"}, Warnings: []string{"17 days without volume"},
		},
		Strategy: "balanced", StrategyTitle: "Balanced", RecordedAt: &recorded, Seq: 42,
		Indicators: []events.Indicator{
			{Name: "rsi", Category: "momentum", Available: true, Values: map[string]float64{"rsi": 71.2}, Vote: -1, Certainty: 0.04, Weight: 0.04, StrategyWeight: 1, Contribution: -0.02, NeedBars: 15, Note: "overbought: RSI 71.20 is above 70"},
			{Name: "macd", Category: "trend", Available: true, Values: map[string]float64{"macd": 12.5, "signal": 0.000123, "histogram": 1234567.8}, Vote: 1, Certainty: 1, Weight: 1, StrategyWeight: 1.5, Contribution: 0.67, NeedBars: 34, Note: "MACD is above its signal"},
			{Name: "ema", Category: "trend", StrategyWeight: 1, NeedBars: 200, Note: "needs 200 bars, has 150"},
		},
		Arithmetic: client.Arithmetic{VotesSum: 1.3, TotalWeight: 2, Sum: 0.65, Score: 0.65, Categories: []client.Category{
			{Category: "momentum", Contribution: -0.02, Selling: 1, Indicators: 1}, {Category: "trend", Contribution: 0.67, Buying: 1, Indicators: 2},
		}},
		Decision: client.Decision{
			Verdict: events.Buy, ByScore: events.StrongBuy, HeldBack: true, Thresholds: client.Thresholds{StrongBuy: 0.6, Buy: 0.2, Sell: -0.2, StrongSell: -0.6},
			Quorum: client.Quorum{Coverage: 0.7, Agreeing: 5, Conviction: 0.05}, Coverage: 0.9166666, Conviction: 0.174, Agreeing: 1, Missing: []string{"ema"}, Regime: "weak_trend",
		},
		Sizing: &client.Sizing{
			Capital: 100000, RiskPercent: 2, MayLose: 2000, RiskPerShare: 69, SharesByRisk: 28, PositionLimitPercent: 20, MayTake: 20000,
			SharesByPosition: 5, MinRiskReward: 2.1, BoundBy: "position",
		},
	}
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestExplainLayout holds the printed sheet, plain and in colours, and no line
// of it wider than what was asked for.
func TestExplainLayout(t *testing.T) {
	watch := sample()
	watch.Plan = events.Plan{Side: "none", Entry: 100, Stop: 98, Target: 104, RiskReward: 2}
	watch.Numbers.Close = new(float64)
	*watch.Numbers.Close = 100.02 // not on a tick of 0.05
	watch.Sizing, watch.Synthetic, watch.Warnings, watch.Lineage.Synthetic = nil, false, nil, false
	for name, one := range map[string]struct {
		explanation client.Explanation
		width       int
		color       bool
	}{"explain_80.txt": {sample(), 80, false}, "explain_120.txt": {sample(), 120, false}, "explain_color.txt": {sample(), 80, true}, "explain_hold.txt": {watch, 80, false}} {
		var out bytes.Buffer
		(&sheet{out: &out, width: one.width, color: one.color}).explain(one.explanation)
		golden(t, name, out.String())
		for line := range strings.Lines(out.String()) {
			plain := escape.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
			if utf8.RuneCountInString(plain) > one.width || strings.HasSuffix(plain, " ") && !one.color {
				t.Errorf("%s: %d characters, want at most %d and no spaces at the end: %q", name, utf8.RuneCountInString(plain), one.width, plain)
			}
		}
		if one.color != strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: colours are not as asked for", name)
		}
	}
}

// TestSheetTakesNoControls sees to it that a server's text cannot steer the terminal.
func TestSheetTakesNoControls(t *testing.T) {
	bad := sample()
	const evil = "a\x1b[2Jb\x07c\rd\u009b2J"
	bad.Warnings, bad.Lineage.Provider, bad.Lineage.Notes, bad.Indicators[0].Note = []string{evil}, evil, []string{evil}, evil
	bad.Ticker, bad.StrategyTitle, bad.Strategy, bad.Lineage.Currency, bad.JobID, bad.Indicators[0].Name = evil, evil, evil, evil, evil, evil
	bad.TradingDay, bad.Regime, bad.Lineage.FirstBar, bad.Lineage.LastBar, bad.Verdict = evil, evil, evil, evil, evil
	bad.Indicators[0].Category, bad.Arithmetic.Categories[0].Category, bad.Decision.ByScore, bad.Plan.Side = evil, evil, evil, evil
	bad.Indicators[0].Values, bad.Decision.Missing, bad.Plan.Adjustments = map[string]float64{evil: 1}, []string{evil}, []string{evil}
	bad, err := printable(bad)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	(&sheet{out: &out, width: 80}).explain(bad)
	if strings.Count(out.String(), "2J") < 15 {
		t.Errorf("the texts are not there: %s", out.String())
	}
	for _, r := range out.String() {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
			t.Fatalf("%U is in %q", r, out.String())
		}
	}
}

// TestExplainCommand runs the command against a whole deck.
func TestExplainCommand(t *testing.T) {
	server := "--server=" + deck(t)
	command(t, "explain", "TCS.NS", server).want(t, exitFailure, "nothing is recorded of TCS.NS", "tapedeck explain TCS.NS --analyze")
	command(t, "explain", "TCS.NS", server, "--analyze", "--strategy=weekly_4", "--capital=5000").want(t, exitOK, "TCS.NS", "SYNTHETIC DATA", "strategy weekly_4", "INDICATORS", "rsi", "sum of vote")
	command(t, "explain", "TCS", server).want(t, exitOK, "TCS.NS", "strategy weekly_4") // looked up with its suffix
	command(t, "explain", "TCS.NS", server, "--strategy=balanced").want(t, exitFailure, "that fits the query")
	command(t, "explain", "TCS.NS", server, "--day=2001-02-30").want(t, exitUsage, "2001-02-30")
	command(t, "explain", "TCS.NS", server, "--day=2001-02-03", "--analyze").want(t, exitUsage, "--analyze")
	command(t, "explain", "TCS.NS", server, "--capital=7").want(t, exitUsage, "--analyze")
	if said := command(t, "explain", "TCS.NS", server, "--day=2001-02-03").want(t, exitFailure, "No verdict of 2001-02-03"); strings.Contains(said.err, "--analyze") {
		t.Errorf("a new analysis is suggested, which gives no other day: %s", said.err)
	}
	var e client.Explanation
	text := command(t, "explain", "TCS.NS", server, "--json").want(t, exitOK).out
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	if e.Ticker != "TCS.NS" || len(e.Indicators) < 12 || !e.Synthetic || strings.Count(text, "\n") != 1 {
		t.Errorf("as JSON: %s", text)
	}
	command(t, "explain", "TCS.NS", server, "--job="+e.JobID).want(t, exitOK, e.JobID)
}

// TestExplainNothing asks to analyse what the market does not have.
func TestExplainNothing(t *testing.T) {
	empty, err := csvdir.New(csvdir.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	server := "--server=" + deck(t, func(c *standalone.Config) { c.Provider = empty })
	failed := command(t, "explain", "NOSUCH.NS", "--analyze", server).want(t, exitFailed, "unknown_ticker", "nothing to explain")
	if failed.out != "" {
		t.Errorf("on standard output: %s", failed.out)
	}
}

// TestDecimals: a price is written with as many as its tick has.
func TestDecimals(t *testing.T) {
	for _, c := range []struct {
		name  string
		price float64
		want  string
	}{
		{"TCS.NS", 3450, "3450.00"}, {"TCS.NS", 0.85, "0.85"}, {"AAPL", 190.5, "190.50"}, {"SNDL", 0.1234, "0.1234"}, {"SNDL", 1, "1.00"},
		{"ABC.L", 12.5, "12.50"}, {"ABC.L", 0.0625, "0.0625"},
		{"TCS.NS", 0.0098, "0.0098"}, {"TCS.NS", 0.010392, "0.01039"}, {"TCS.NS", 0.01, "0.01"}, // off the tick of 0.01, and on it
		{"TCS.NS", 3450.000049, "3450.00"}, {"TCS.NS", 3450.0212, "3450.02"}, {"ABC.L", 0.0000123456, "0.00001235"}, {"BTC-USD", 1e-12, "0.000000000001"}, {"BTC-USD", 0, "0.0000"},
	} {
		if got := priceAt(c.name, c.price); got != c.want {
			t.Errorf("%s at %v: %s, want %s", c.name, c.price, got, c.want)
		}
	}
}

// TestHeldBack: the table marks what the quorum changed, and nothing else.
func TestHeldBack(t *testing.T) {
	for warning, want := range map[string]bool{
		"Hold, not Buy: only 2.4 % of the strategy's weight votes, the quorum is 5 %": true,
		"Buy, not Strong Buy: 2 indicators agree, the quorum is 5":                    false, // of another verdict
		"no indicator votes": false,
	} {
		if got := heldBack(client.Result{Verdict: events.Hold, Warnings: []string{warning}}); got != want {
			t.Errorf("%q: %v", warning, got)
		}
	}
	if !heldBack(client.Result{Verdict: events.Buy, Warnings: []string{"Buy, not Strong Buy: 2 indicators agree, the quorum is 5"}}) {
		t.Error("a Strong verdict that was made a plain one is not marked")
	}
}
