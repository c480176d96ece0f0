package strategy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/strategy"
)

// said returns what ParseFile says is wrong with a file, "line: field message" each.
func said(t *testing.T, name, raw string) []string {
	t.Helper()
	d, err := strategy.ParseFile(name, []byte(raw))
	if err == nil {
		return nil
	}
	var invalid *strategy.InvalidError
	if !errors.As(err, &invalid) || d != (strategy.Document{}) {
		t.Fatalf("%T %v, %+v", err, err, d)
	}
	var list []string
	for _, p := range invalid.Problems {
		list = append(list, fmt.Sprintf("%d: %s", p.Line, strings.TrimSpace(p.Field+" "+p.Message)))
	}
	return list
}

// TestYAMLIsJSON: both languages give the same document, whichever the style.
func TestYAMLIsJSON(t *testing.T) {
	for _, d := range strategy.Builtins() {
		block, err := yaml.JSONToYAML(d.Canonical())
		if err != nil {
			t.Fatal(err)
		}
		for style, raw := range map[string][]byte{"block": block, "flow": d.Canonical()} {
			got, err := strategy.ParseYAML(raw)
			if err != nil {
				t.Fatalf("%s in %s style: %v", d.Name, style, err)
			}
			if diff := cmp.Diff(d, got); diff != "" {
				t.Errorf("%s in %s style: %s", d.Name, style, diff)
			}
		}
	}
	got, err := strategy.ParseFile("mine.yml", []byte(`# a comment
---
name: mine
title: "4 % a week"   # another
description: >-
  Buys what
  fell.
indicators:
  rsi: {period: 10, oversold: 2.5e1}
  supertrend:
    weight: +1
    multiplier: .5
quorum: {agreeing: 3.0}
`))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := strategy.Parse([]byte(`{"name":"mine","title":"4 % a week","description":"Buys what fell.","indicators":{"rsi":{"period":10,"oversold":25},
		"supertrend":{"weight":1,"multiplier":0.5}},"quorum":{"agreeing":3}}`))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestYAMLRefuses(t *testing.T) {
	for raw, want := range map[string][]string{
		"":                             {"0: is not YAML: there is nothing in it"},
		"# only a comment\n":           {"0: is not YAML: there is nothing in it"},
		"just text":                    {"1: must be a YAML mapping"},
		"- name: x":                    {"1: must not hold lists"},
		"name: x\nindicators: [1]":     {"2: must not hold lists"},
		"name: x\n---\nname: y\n":      {"3: must be one YAML document, but another follows it"},
		"name: &a x\ntitle: *a":        {"1: must not use anchors (&)"},
		"name: x\ntitle: *a":           {"2: must not use aliases (*)"},
		"name: x\n<<: {min_bars: 60}":  {"2: must not use merge keys (<<)"},
		"name: !!str x":                {"1: must not use tags (!)"},
		"%YAML 1.2\n---\nname: x":      {"1: must not use directives (%)"},
		"name: x\n? title\n: y":        {"2: must not use complex keys (?)"},
		"name: x\n\nname: y\nname: z":  {"3: name is given twice", "4: name is given twice"},
		"name: x\nnosuch: {a: {b: 1}}": {"2: nosuch is unknown" + top},
		"name: x\nindicators:\n  rsi:\n    perod: 3\n    period: 1\n": {
			"4: indicators.rsi.perod is unknown; indicators.rsi has weight, period, oversold, overbought",
			"5: indicators.rsi.period must be from 2 to 500, is 1"},
		"name: x\nindicators.rsi.period: 3":                  {`2: "indicators.rsi.period" is unknown` + top},
		"name: x\nmin_bars:\ntitle: ~\nrisk: null":           {"2: min_bars must not be null; leave it out for its default", "3: title must not be null; leave it out for its default", "4: risk must be an object"},
		"name: x\nmin_bars: 0x40\nversion: 01":               {"2: min_bars must be a number", "3: version must be a number"},
		"name: x\nmin_bars: 1_000\nquorum: {coverage: .inf}": {"2: min_bars must be a number", "3: quorum.coverage must be a number"},
		"name: x\nmin_bars: \"60\"\ntitle: 2024\ntrade: {sides: on}": {
			"2: min_bars must be a number", "3: title must be a text", `4: trade.sides must be "long" or "both", is "on"`},
		"name: x\nindicators:\n  macd:\n    fast: 30": {"4: indicators.macd.fast must be below slow"},
		"name: x\n  title: y\n":                       {"1: is not YAML: mapping value is not allowed in this context"},
		"name: 'x":                                    {"1: is not YAML: could not find end character of single-quoted text"},
		"1: 2\nname: x":                               {"1: 1 is unknown" + top},
	} {
		if diff := cmp.Diff(want, said(t, "x.yaml", raw)); diff != "" {
			t.Errorf("%q: %s", raw, diff)
		}
	}
}

// TestLines: a problem of a JSON text names its line too.
func TestLines(t *testing.T) {
	for raw, want := range map[string][]string{
		"{\n \"name\": \"x\",\n \"min_bars\": 1,\n \"indicators\": {\n  \"macd\": {\"fast\": null},\n  \"sma\": {}\n }\n}": {
			"5: indicators.macd.fast must not be null; leave it out for its default",
			"6: indicators.sma is unknown; indicators has macd, adx, ema, psar, supertrend, rsi, stochastic, cci, williams, bollinger, atr, obv, cmf",
			"3: min_bars must be from 2 to 5000, is 1"},
		"{\"name\":\n\"x\",\n\"risk\": {\"stop\":{\n\"floor_percent\": 20}}}": {"4: risk.stop.floor_percent must not be above cap_percent"},
		"{\n\n\"name\": \"x\"\n": {"3: is not JSON: it ends too early"},
	} {
		if diff := cmp.Diff(want, said(t, "x.json", raw)); diff != "" {
			t.Errorf("%q: %s", raw, diff)
		}
	}
	_, err := strategy.ParseYAML([]byte("name: x\nmin_bars: 1\n"))
	if text := "invalid strategy: line 2: min_bars must be from 2 to 5000, is 1"; err == nil || err.Error() != text {
		t.Errorf("%v", err)
	}
	if got := said(t, "a/x.txt", "name: x"); len(got) != 1 || got[0] != `0: must be a file .json, .yaml or .yml, is "x.txt"` {
		t.Errorf("%q", got)
	}
}

// TestYAMLBombs: what makes the parser work for long is refused before it runs.
// The parser would say of most that it is not YAML; of the lists after a minute.
func TestYAMLBombs(t *testing.T) {
	fill := func(unit string) string { return strings.Repeat(unit, strategy.MaxBytes/len(unit)) }
	for name, bomb := range map[string]struct{ raw, want string }{
		"lists": {fill("["), "1: must not hold lists"}, "entries": {fill("- "), "1: must not hold lists"},
		"braces": {fill("{"), "1: must not nest more than 8 braces"}, "nested": {fill("{a: "), "1: must not nest more than 8 braces"},
		"anchors": {fill("&a "), "1: must not use anchors (&)"}, "laughs": {"a: &a {b: 1}\nc: &c {d: *a, e: *a}\nf: {g: *c, h: *c}\n", "1: must not use anchors (&)"},
		"tags": {fill("!a "), "1: must not use tags (!)"}, "complex": {fill("? "), "1: must not use complex keys (?)"},
		"keys": {fill("a: "), "1: must have at most 4000 tokens, has 43690"}, "colons": {fill(": "), "1: must have at most 4000 tokens, has 32768"},
		"flow": {"{" + fill("a: 1,")[1:], "1: must have at most 4000 tokens, has 52428"}, "lines": {fill("a: 1\n"), "1334: must have at most 4000 tokens, has 39321"},
		"documents": {fill("---\n"), "4001: must have at most 4000 tokens, has 16384"},
	} {
		if diff := cmp.Diff([]string{bomb.want}, said(t, "x.yaml", bomb.raw)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	braces := func(n int) string { return "name: x\nno: " + strings.Repeat("{a: ", n) + "1" + strings.Repeat("}", n) }
	if got := said(t, "x.yaml", braces(strategy.MaxDepth)); len(got) != 1 || !strings.Contains(got[0], "no is unknown") {
		t.Errorf("at the depth: %q", got)
	}
	if got := said(t, "x.yaml", braces(strategy.MaxDepth+1)); len(got) != 1 || !strings.Contains(got[0], "2: must not nest more than 8 braces") {
		t.Errorf("past the depth: %q", got)
	}
	comments := func(n int) string { return strings.Repeat("#\n", n-3) + "name: x\n" } // a comment is a token, the last line three
	if got := said(t, "x.yaml", comments(strategy.MaxTokens)); got != nil {
		t.Errorf("at the tokens: %q", got)
	}
	if got := said(t, "x.yaml", comments(strategy.MaxTokens+1)); len(got) != 1 || !strings.Contains(got[0], "at most 4000 tokens") {
		t.Errorf("past the tokens: %q", got)
	}
}

// TestYAMLPanic: a panic of the library becomes a problem of the document.
func TestYAMLPanic(t *testing.T) {
	problem := strategy.Guarded(func() *strategy.Problem { panic("a fault of the library") })
	if problem == nil || problem.Message != "is not YAML that can be read" {
		t.Errorf("%+v", problem)
	}
}

func FuzzParseYAML(f *testing.F) {
	for _, d := range strategy.Builtins() {
		block, err := yaml.JSONToYAML(d.Canonical())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(block)
	}
	f.Add([]byte("name: x\nindicators: {rsi: {period: 0x1F}}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := strategy.ParseYAML(raw)
		var invalid *strategy.InvalidError
		switch {
		case err == nil:
			if again, err := strategy.Parse(d.Canonical()); err != nil || again != d {
				t.Fatalf("%q: %v", d.Canonical(), err)
			}
		case !errors.As(err, &invalid) || len(invalid.Problems) == 0:
			t.Fatalf("%T %v", err, err)
		}
	})
}

// TestByteOrderMark: some editors begin a file with one; it means nothing.
func TestByteOrderMark(t *testing.T) {
	for file, text := range map[string]string{"a.yaml": "name: mine\n", "a.json": `{"name":"mine"}`} {
		d, err := strategy.ParseFile(file, []byte("\ufeff"+text))
		if err != nil || d.Name != "mine" {
			t.Errorf("%s: %v", file, err)
		}
		if _, err := strategy.ParseFile(file, []byte("\ufeff\ufeff"+text)); err == nil {
			t.Errorf("%s: two are taken", file)
		}
	}
}
