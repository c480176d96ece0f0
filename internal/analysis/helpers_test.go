package analysis_test

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/number"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// usual are the numbers of a job that says only its capital.
var usual = analysis.Params{Capital: 100000, RiskPercent: 2, PositionLimitPercent: 20, MinRiskReward: 1.5}

var firstDay = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// wave is a series made by hand: a trend, two waves, varying volume. The sign
// of drift decides which way it goes; no random, the same for ever.
func wave(ticker string, n int, drift float64) market.Series {
	s := market.Series{Ticker: ticker, Provider: "handmade", Synthetic: true, Adjustment: market.AdjustmentSplits}
	round := func(x float64) float64 { return math.Round(x*100) / 100 }
	for i := range n {
		x := float64(i)
		closing := 400 * math.Exp(drift*x) * (1 + 0.04*math.Sin(x/11) + 0.01*math.Sin(x/2.7))
		spread := closing * (0.006 + 0.004*math.Abs(math.Sin(x*1.7)))
		s.Bars = append(s.Bars, market.Bar{Date: firstDay.AddDate(0, 0, i), Open: round(closing - spread/3), High: round(closing + spread),
			Low: round(closing - spread*0.8), Close: round(closing), Volume: math.Round(1e5 * (1.2 + math.Sin(x/5)))})
	}
	return s
}

// flat is a series whose price never moves.
func flat(n int, price, volume float64) market.Series {
	s := market.Series{Ticker: "FLAT.NS", Provider: "handmade", Synthetic: true, Adjustment: market.AdjustmentNone, Currency: "INR"}
	for i := range n {
		s.Bars = append(s.Bars, market.Bar{Date: firstDay.AddDate(0, 0, i), Open: price, High: price, Low: price, Close: price, Volume: volume})
	}
	return s
}

// drawSeries draws valid bars, from hardly moving to wild, of any price.
func drawSeries(t *rapid.T) market.Series {
	names := []string{"ABC.NS", "ABC.BO", "ABC", "ABC.L"}
	s := market.Series{Ticker: rapid.SampledFrom(names).Draw(t, "ticker"), Provider: "drawn", Synthetic: true}
	price := math.Exp(rapid.Float64Range(-6, 12).Draw(t, "log price"))
	swing := rapid.SampledFrom([]float64{0, 1e-12, 0.001, 0.02, 0.3}).Draw(t, "swing")
	for i := range rapid.IntRange(50, 230).Draw(t, "bars") {
		price *= math.Exp(swing * rapid.Float64Range(-1, 1).Draw(t, "move"))
		price = math.Min(math.Max(price, 1e-9), 1e11)
		up, down := swing*rapid.Float64Range(0, 1).Draw(t, "up"), swing*rapid.Float64Range(0, 0.9).Draw(t, "down")
		s.Bars = append(s.Bars, market.Bar{Date: firstDay.AddDate(0, 0, i), Open: price, High: price * (1 + up), Low: price * (1 - down), Close: price,
			Volume: float64(rapid.SampledFrom([]int{0, 1, 50000, 1e9}).Draw(t, "volume"))})
	}
	return s
}

// force makes a strategy hear the RSI alone and take nearly every value of it
// for a reason to buy, or to sell.
func force(d *strategy.Document, side string) {
	in := &d.Indicators
	for _, weight := range []*float64{&in.MACD.Weight, &in.ADX.Weight, &in.EMA.Weight, &in.PSAR.Weight, &in.Supertrend.Weight, &in.Stochastic.Weight,
		&in.CCI.Weight, &in.Williams.Weight, &in.Bollinger.Weight, &in.OBV.Weight, &in.CMF.Weight} {
		*weight = 0
	}
	in.RSI.Weight, in.RSI.Oversold, in.RSI.Overbought = 1, 98, 99
	if side == analysis.SideSell {
		in.RSI.Oversold, in.RSI.Overbought = 1, 2
	}
}

// drawStrategy draws a valid document; of many, some give every verdict.
func drawStrategy(t *rapid.T) strategy.Document {
	all := strategy.Builtins()
	d := all[rapid.IntRange(0, len(all)-1).Draw(t, "strategy")]
	d.MinBars = 2
	if side := rapid.SampledFrom([]string{"", "buy", "sell"}).Draw(t, "forced"); side != "" {
		force(&d, side)
	}
	d.Risk.Stop.Method = rapid.SampledFrom([]string{strategy.StopFixed, strategy.StopATR, strategy.StopStructure}).Draw(t, "method")
	d.Risk.Stop.Lookback = rapid.IntRange(2, 250).Draw(t, "lookback")
	d.Risk.Stop.BufferATR = rapid.SampledFrom([]float64{0, 0.1, 1, 5}).Draw(t, "buffer")
	d.Risk.Stop.FloorPercent = rapid.Float64Range(0.1, 50).Draw(t, "floor")
	d.Risk.Stop.CapPercent = rapid.Float64Range(d.Risk.Stop.FloorPercent, 50).Draw(t, "cap")
	d.Indicators.Supertrend.Weight = rapid.SampledFrom([]float64{0, 1, 10}).Draw(t, "supertrend")
	d.Risk.Stop.Percent = rapid.Float64Range(0.1, 50).Draw(t, "stop")
	d.Risk.TargetPercent = rapid.Float64Range(0.1, 95).Draw(t, "target")
	d.Quorum.Conviction = rapid.SampledFrom([]float64{0, 0.05, 0.2}).Draw(t, "conviction")
	d.Quorum.Agreeing = rapid.IntRange(0, 12).Draw(t, "agreeing")
	return d
}

func drawParams(t *rapid.T) analysis.Params {
	return analysis.Params{
		Capital:              math.Exp(rapid.Float64Range(0, 27).Draw(t, "log capital")),
		RiskPercent:          rapid.Float64Range(0.01, 100).Draw(t, "risk"),
		PositionLimitPercent: rapid.Float64Range(0.1, 100).Draw(t, "limit"),
		MinRiskReward:        rapid.Float64Range(0, 10).Draw(t, "least ratio"),
	}
}

// checkReport fails t unless the report keeps every promise of its type.
func checkReport(t interface{ Fatalf(string, ...any) }, r analysis.Report, p analysis.Params) {
	walk(t, "report", reflect.ValueOf(r))
	sum, votes, total, all := 0.0, 0.0, 0.0, 0.0
	for _, one := range r.Indicators {
		sum += one.Contribution
		votes += float64(one.Vote) * (one.Weight * one.StrategyWeight)
		total += one.Weight * one.StrategyWeight
		all += one.StrategyWeight
		if one.Vote < -1 || one.Vote > 1 || one.Weight < 0 || one.Weight > 1 || one.Certainty < 0 || one.Certainty > 1 || one.Note == "" ||
			one.Vote == 0 && (one.Weight != 0 || one.Contribution != 0) || !one.Available && (one.Vote != 0 || len(one.Values) > 0) {
			t.Fatalf("%s: %+v", r.Ticker, one)
		}
	}
	if len(r.Indicators) != 13 || math.Abs(sum-r.Score) > 1e-12 || math.Abs(r.Score) > 1 || r.Coverage < 0 || r.Coverage > 1 {
		t.Fatalf("%s: %d indicators, contributions %v, score %v, coverage %v", r.Ticker, len(r.Indicators), sum, r.Score, r.Coverage)
	}
	if total > 0 && r.Score != votes/total || total == 0 && r.Score != 0 {
		t.Fatalf("%s: the score %v is not %v / %v", r.Ticker, r.Score, votes, total)
	}
	if r.Conviction != total/all {
		t.Fatalf("%s: the conviction %v is not %v / %v", r.Ticker, r.Conviction, total, all)
	}
	checkPlan(t, r, p)
}

// checkPlan fails t unless the plan is one that can be traded, or none.
func checkPlan(t interface{ Fatalf(string, ...any) }, r analysis.Report, p analysis.Params) {
	plan := r.Plan
	risk := number.Apart(plan.Entry, plan.Stop)
	rising, falling := plan.Stop < plan.Entry && plan.Entry < plan.Target, plan.Target < plan.Entry && plan.Entry < plan.Stop
	buy, sell := r.Verdict == analysis.Buy || r.Verdict == analysis.StrongBuy, r.Verdict == analysis.Sell || r.Verdict == analysis.StrongSell
	ok := math.Min(plan.Stop, plan.Target) > 0 && math.Abs(plan.RiskReward-number.Apart(plan.Target, plan.Entry)/risk) < 1e-12*plan.RiskReward
	switch plan.Side {
	case analysis.SideBuy:
		ok = ok && buy && rising
	case analysis.SideSell:
		ok = ok && sell && falling
	default:
		ok = ok && plan.Side == analysis.SideNone && rising && plan.Size == 0 && plan.Value == 0 && plan.RiskAmount == 0
		ok = ok && (!buy && !sell || len(r.Warnings) > 0)
	}
	if plan.Side != analysis.SideNone && plan.RiskReward < p.MinRiskReward*(1-1e-6) {
		ok = false
	}
	size := float64(plan.Size)
	if size*math.Abs(plan.Entry-plan.Stop) > p.Capital*p.RiskPercent/100*(1+1e-11) { // as float64 has it, but for its noise
		ok = false
	}
	if plan.Size < 0 || size*risk > p.Capital*p.RiskPercent/100 || size*plan.Entry > p.Capital || size*plan.Entry > p.Capital*p.PositionLimitPercent/100 ||
		plan.RiskAmount != size*risk || plan.Value != size*plan.Entry {
		ok = false
	}
	if !ok {
		t.Fatalf("%s %s: inconsistent plan %+v under %+v; %q", r.Ticker, r.Verdict, plan, p, r.Warnings)
	}
}

// walk fails t at the first float that is no number and at the first nil slice or map.
func walk(t interface{ Fatalf(string, ...any) }, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Float64:
		if x := v.Float(); math.IsNaN(x) || math.IsInf(x, 0) || x == 0 && math.Signbit(x) {
			t.Fatalf("%s is %v", path, x)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			walk(t, path, v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			walk(t, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		if v.IsNil() {
			t.Fatalf("%s is nil", path)
		}
		for i := range v.Len() {
			walk(t, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Map:
		if v.IsNil() {
			t.Fatalf("%s is nil", path)
		}
		for _, key := range v.MapKeys() {
			walk(t, path+"["+key.String()+"]", v.MapIndex(key))
		}
	}
}
