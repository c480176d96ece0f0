package strategy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tapedeck/tapedeck/internal/strategy"
)

// problems returns what Parse says is wrong, "field message" each.
func problems(t *testing.T, raw string) []string {
	t.Helper()
	d, err := strategy.Parse([]byte(raw))
	if err == nil {
		return nil
	}
	if diff := cmp.Diff(strategy.Document{}, d); diff != "" {
		t.Errorf("Parse gave both an error and a document: %s", diff)
	}
	var invalid *strategy.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("Parse: %T %v", err, err)
	}
	var list []string
	for _, p := range invalid.Problems {
		list = append(list, p.Field+" "+p.Message)
	}
	return list
}

func TestBuiltins(t *testing.T) {
	type weights struct {
		Name                string
		Indicators          [12]float64
		Categories          [4]float64
		Method              string
		Stop, Target, Limit float64
		Trade               strategy.Trade
	}
	trade := func(most, cooldown int) strategy.Trade {
		return strategy.Trade{MaxBars: most, CooldownBars: cooldown, Sides: strategy.SidesLong, Exit: strategy.ExitOpposite}
	}
	want := []weights{
		{"balanced", [12]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, [4]float64{1, 1, 1, 1}, "fixed", 2, 4, 20, trade(20, 2)},
		{"trend_following", [12]float64{2.5, 2.5, 2, 1.5, .5, .5, .5, .5, .5, 1, 1, 1}, [4]float64{1.5, .7, .8, 1}, "fixed", 2.5, 7.5, 25, trade(25, 3)},
		{"mean_reversion", [12]float64{.5, .5, .5, .5, 2.5, 2, 1.5, 1.5, 2.5, 1, 1, 1}, [4]float64{.6, 1.5, 1.3, 1}, "fixed", 1.5, 2.25, 15, trade(10, 2)},
		{"momentum_breakout", [12]float64{1.5, 1.5, 1, 1, 2, 1.5, 1.5, 1, 1.5, 2, 2.5, 2.5}, [4]float64{1, 1.3, 1.2, 1.5}, "fixed", 3, 7.5, 20, trade(12, 2)},
		{"weekly_4", [12]float64{1.5, .5, .6, 1.2, 2, 2, 1.8, 1.6, 1.3, .8, 1.2, 1.2}, [4]float64{.5, 2, 1, .9}, "atr", 3, 4, 35, trade(15, 3)},
	}
	var got []weights
	for _, d := range strategy.Builtins() {
		in, c := d.Indicators, d.Categories
		got = append(got, weights{d.Name, [12]float64{in.MACD.Weight, in.ADX.Weight, in.EMA.Weight, in.PSAR.Weight, in.RSI.Weight, in.Stochastic.Weight,
			in.CCI.Weight, in.Williams.Weight, in.Bollinger.Weight, in.ATR.Weight, in.OBV.Weight, in.CMF.Weight},
			[4]float64{c.Trend, c.Momentum, c.Volatility, c.Volume}, d.Risk.Stop.Method, d.Risk.Stop.Percent, d.Risk.TargetPercent, d.Risk.PositionLimitPercent, d.Trade})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i, w := range want {
		byID, ok := strategy.BuiltinByID(i + 1)
		byName, also := strategy.Builtin(w.Name)
		id, known := strategy.BuiltinID(w.Name)
		if !ok || !also || !known || id != i+1 || byID != byName {
			t.Errorf("%s: id %d %v, %v %v", w.Name, id, known, ok, also)
		}
	}
	for _, id := range []int{-1, 0, 6} {
		if _, ok := strategy.BuiltinByID(id); ok {
			t.Errorf("there is a strategy %d", id)
		}
	}
	if _, ok := strategy.Builtin("../limits"); ok {
		t.Error("a path is a strategy")
	}
	if _, ok := strategy.Builtin(strategy.Default); !ok {
		t.Error("the default does not exist")
	}
}

// TestDefaults: a document that says only its name is balanced in all but words.
func TestDefaults(t *testing.T) {
	d, err := strategy.Parse([]byte(`{"name":"mine"}`))
	if err != nil {
		t.Fatal(err)
	}
	balanced, _ := strategy.Builtin("balanced")
	balanced.Name, balanced.Title, balanced.Description = "mine", "mine", ""
	if diff := cmp.Diff(balanced, d); diff != "" {
		t.Error(diff)
	}
}

func TestCanonicalAndHash(t *testing.T) {
	a, err := strategy.Parse([]byte(`{"name":"a<b"}`))
	if err == nil {
		t.Fatalf("a name with < passed: %v", a)
	}
	for _, d := range strategy.Builtins() {
		again, err := strategy.Parse(d.Canonical())
		if err != nil || again != d || !bytes.Equal(again.Canonical(), d.Canonical()) || again.Hash() != d.Hash() {
			t.Errorf("%s does not survive its canonical text: %v", d.Name, err)
		}
	}
	spelled, err := strategy.Parse([]byte(` {"categories":{"trend":1.0e0,"volume":1}, "name":"x", "quorum":{"agreeing":5.0}, "description":"<&>"} `))
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := strategy.Parse([]byte(`{"name":"x","description":"<&>"}`))
	if spelled.Hash() != plain.Hash() || len(plain.Hash()) != 64 || !bytes.Contains(plain.Canonical(), []byte("<&>")) {
		t.Errorf("hash depends on spelling: %s %s", spelled.Canonical(), plain.Canonical())
	}
	minus, _ := strategy.Parse([]byte(`{"name":"x","indicators":{"atr":{"weight":-0}}}`))
	zero, _ := strategy.Parse([]byte(`{"name":"x","indicators":{"atr":{"weight":0}}}`))
	if minus.Name == "" || minus.Hash() != zero.Hash() || zero.Hash() == plain.Hash() {
		t.Error("-0 and 0 have different hashes, or weights do not count")
	}
}

// top is what an unknown field of the document itself is told.
const top = "; a strategy has name, version, title, description, min_bars, indicators, categories, thresholds, quorum, risk, trade"

func TestParseRefuses(t *testing.T) {
	for raw, want := range map[string][]string{
		``:                                   {" is not JSON: it ends too early"},
		`[1]`:                                {" must be a JSON object"},
		`{"name":"x"} {}`:                    {" must be one JSON object, but something follows it"},
		`{"name":"x"`:                        {" is not JSON: it ends too early"},
		`{}`:                                 {"name is required"},
		`{"name":null}`:                      {"name must not be null; leave it out for its default"},
		`{"name":"X y"}`:                     {"name must be of a-z, 0-9 and _, a letter first"},
		`{"name":"x","Name":"y","name":"z"}`: {"Name is unknown" + top, "name is given twice"},
		`{"name":"x","nosuch":{"a":[{}]},"indicators":{"rsi":{"perod":1},"sma":1}}`: {
			"nosuch is unknown" + top, "indicators.rsi.perod is unknown; indicators.rsi has weight, period, oversold, overbought",
			"indicators.sma is unknown; indicators has macd, adx, ema, psar, supertrend, rsi, stochastic, cci, williams, bollinger, atr, obv, cmf"},
		`{"name":"x","indicators.rsi.period":3}`: {`"indicators.rsi.period" is unknown` + top},
		`{"name":"x","indicators":[1,[2]],"risk":{"stop":"tight"},"min_bars":{"a":{}}}`: {
			"indicators must be an object", "risk.stop must be an object", "min_bars must be a number"},
		`{"name":"x","min_bars":"50","title":3,"quorum":{"coverage":1e999,"agreeing":2.5}}`: {
			"min_bars must be a number", "title must be a text", "quorum.coverage is too large a number", "quorum.agreeing must be a whole number"},
		`{"name":"x","version":2,"min_bars":1,"categories":{"trend":-1},"indicators":{"rsi":{"period":1}},"risk":{"stop":{"method":"hope"}}}`: {
			"version must be 1, is 2", "min_bars must be from 2 to 5000, is 1", "indicators.rsi.period must be from 2 to 500, is 1",
			"categories.trend must be from 0 to 10, is -1", `risk.stop.method must be "fixed", "atr" or "structure", is "hope"`},
		`{"name":"x","trade":{"max_bars":501,"cooldown_bars":-1,"sides":"short","exit":""}}`: {
			"trade.max_bars must be from 0 to 500, is 501", "trade.cooldown_bars must be from 0 to 100, is -1",
			`trade.sides must be "long" or "both", is "short"`, `trade.exit must be "opposite" or "levels", is ""`},
		`{"name":"x","indicators":{"macd":{"fast":30},"ema":{"fast":200},"psar":{"step":0.5},"rsi":{"oversold":80},"stochastic":{"oversold":80},
		  "williams":{"oversold":-10}},"thresholds":{"buy":0.7,"sell":-0.7},"risk":{"stop":{"floor_percent":20}}}`: {
			"indicators.macd.fast must be below slow", "indicators.ema.fast must be below slow", "indicators.psar.step must not be above limit",
			"indicators.rsi.oversold must be below overbought", "indicators.stochastic.oversold must be below overbought",
			"indicators.williams.oversold must be below overbought", "thresholds.buy must not be above strong_buy",
			"thresholds.strong_sell must not be above sell", "risk.stop.floor_percent must not be above cap_percent"},
		`{"name":"x","categories":{"trend":0,"momentum":0,"volume":0},"indicators":{"bollinger":{"weight":0}}}`: {
			"indicators must leave at least one indicator that votes (any but atr) with a weight and a category's weight above 0"},
		"{\"name\":\"x\",\"title\":\"\xff\"}": {" must be valid UTF-8"},
		`{"name":"x","title":"a\u0000b"}`:     {"title must not hold control characters"},
	} {
		if diff := cmp.Diff(want, problems(t, raw)); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
}

func TestLimits(t *testing.T) {
	fill := func(n int) string {
		const frame = `{"name":"x"}`
		return frame[:1] + strings.Repeat(" ", n-len(frame)) + frame[1:]
	}
	if got := problems(t, fill(strategy.MaxBytes)); got != nil {
		t.Errorf("at the limit: %v", got)
	}
	if got := problems(t, fill(strategy.MaxBytes+1)); len(got) != 1 || !strings.Contains(got[0], "at most 65536 bytes") {
		t.Errorf("past the limit: %v", got)
	}
	for field, limit := range map[string]int{"name": strategy.MaxName, "title": strategy.MaxTitle, "description": strategy.MaxDescription} {
		doc := func(n int) string {
			return fmt.Sprintf(`{"name":"x",%q:%q}`, field, strings.Repeat("a", n))
		}
		if field == "name" {
			doc = func(n int) string { return fmt.Sprintf(`{"name":%q}`, strings.Repeat("a", n)) }
		}
		if got := problems(t, doc(limit)); field != "name" && got != nil || field == "name" && got != nil {
			t.Errorf("%s at its limit: %v", field, got)
		}
		if got := problems(t, doc(limit+1)); len(got) != 1 || !strings.HasPrefix(got[0], field+" must have at most") {
			t.Errorf("%s past its limit: %v", field, got)
		}
	}
	var many strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&many, `,"u%d%s":0`, i, strings.Repeat("z", 5))
	}
	if got := problems(t, `{"name":"x"`+many.String()+`}`); len(got) != strategy.MaxProblems {
		t.Errorf("%d problems", len(got))
	}
	deep := `{"name":"x","deep":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`
	if got := problems(t, deep); len(got) != 1 || !strings.Contains(got[0], "unknown") {
		t.Errorf("deep: %.200v", got)
	}
	long := problems(t, `{"name":"x","`+strings.Repeat("k", 9000)+`":0}`)
	if len(long) != 1 || len(long[0]) > 200 {
		t.Errorf("a long name is quoted whole")
	}
}

// TestValidate: documents made in Go are held to the same rules.
func TestValidate(t *testing.T) {
	d, _ := strategy.Builtin("balanced")
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	d.Risk.TargetPercent, d.Categories.Trend, d.Title = math.NaN(), math.Inf(1), "\xff"
	var invalid *strategy.InvalidError
	if err := d.Validate(); !errors.As(err, &invalid) || len(invalid.Problems) != 3 {
		t.Errorf("%v", err)
	}
	if err := (strategy.Document{}).Validate(); err == nil {
		t.Error("the zero document is valid")
	}
}

// TestSchema: the JSON Schema accepts the built-in documents, refuses unknown
// fields, and its ranges and defaults are those of Parse.
func TestSchema(t *testing.T) {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(strategy.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("strategy.schema.json", raw); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("strategy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	accepts := func(doc []byte) bool {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
		return err == nil && schema.Validate(value) == nil
	}
	for _, d := range strategy.Builtins() {
		if !accepts(d.Canonical()) {
			t.Errorf("the schema refuses %s", d.Name)
		}
	}
	for _, doc := range []string{`{}`, `{"name":"x","nosuch":1}`, `{"name":"x","risk":{"stop":{"method":"hope"}}}`, `{"name":"x","indicators":{"rsi":null}}`} {
		if accepts([]byte(doc)) {
			t.Errorf("the schema accepts %s", doc)
		}
	}
	base, _ := strategy.Parse([]byte(`{"name":"x"}`))
	leaves := 0
	eachLeaf(t, strategy.Schema(), nil, func(path []string, leaf map[string]any) {
		leaves++
		name := strings.Join(path, ".")
		if words, ok := leaf["enum"].([]any); ok {
			for _, word := range append(words, "hope") {
				_, err := strategy.Parse([]byte(documentText(path, strconv.Quote(word.(string)))))
				if known := word != "hope"; (err == nil) != known || accepts([]byte(documentText(path, strconv.Quote(word.(string))))) != known {
					t.Errorf("%s = %s: %v", name, word, err)
				}
			}
			if d, err := strategy.Parse([]byte(documentText(path, strconv.Quote(leaf["default"].(string))))); err != nil || d != base {
				t.Errorf("%s: the schema's default %v is not Parse's (%v)", name, leaf["default"], err)
			}
		}
		if leaf["type"] == "string" {
			return
		}
		for key, step := range map[string]float64{"minimum": -1, "maximum": 1} {
			limit := leaf[key].(float64)
			if mine := strings.Join(problems(t, document(path, limit)), "; "); strings.Contains(mine, name+" must be from") || strings.Contains(mine, "unknown") {
				t.Errorf("%s = %v: %s", name, limit, mine)
			}
			if mine := problems(t, document(path, limit+step)); len(mine) != 1 || !strings.HasPrefix(mine[0], name+" must be") {
				t.Errorf("%s = %v: %v", name, limit+step, mine)
			}
			if accepts([]byte(document(path, limit+step))) {
				t.Errorf("the schema accepts %s = %v", name, limit+step)
			}
		}
		if d, err := strategy.Parse([]byte(document(path, leaf["default"].(float64)))); err != nil || d != base {
			t.Errorf("%s: the schema's default %v is not Parse's (%v)", name, leaf["default"], err)
		}
	})
	if want := bytes.Count(base.Canonical(), []byte(":")) - bytes.Count(base.Canonical(), []byte("{")) + 1; leaves != want {
		t.Errorf("the schema has %d fields, the document %d", leaves, want)
	}
}

// eachLeaf visits the fields of a schema that are not objects.
func eachLeaf(t *testing.T, raw []byte, path []string, visit func([]string, map[string]any)) {
	t.Helper()
	var node struct{ Properties map[string]json.RawMessage }
	if err := json.Unmarshal(raw, &node); err != nil {
		t.Fatal(err)
	}
	if node.Properties == nil {
		var leaf map[string]any
		if err := json.Unmarshal(raw, &leaf); err != nil {
			t.Fatal(err)
		}
		visit(path, leaf)
		return
	}
	for name, child := range node.Properties {
		eachLeaf(t, child, append(path[:len(path):len(path)], name), visit)
	}
}

// document is the JSON text with value at path and a name.
func document(path []string, value float64) string { return documentText(path, fmt.Sprint(value)) }

func documentText(path []string, text string) string {
	for i := len(path) - 1; i >= 0; i-- {
		text = fmt.Sprintf(`{%q:%s}`, path[i], text)
	}
	return `{"name":"x",` + text[1:]
}

func FuzzParse(f *testing.F) {
	for _, d := range strategy.Builtins() {
		f.Add(d.Canonical())
	}
	f.Add([]byte(`{"name":"x","indicators":{"rsi":{"period":null}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := strategy.Parse(raw)
		if err != nil {
			var invalid *strategy.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if again, err := strategy.Parse(d.Canonical()); err != nil || again != d {
			t.Fatalf("%q: %v", d.Canonical(), err)
		}
	})
}
