package backtest_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/backtest"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// fataler is what both testing.T and rapid.T are to a check.
type fataler interface{ Fatalf(string, ...any) }

// usual are the numbers of a job that says only its capital.
var usual = analysis.Params{Capital: 100000, RiskPercent: 2, PositionLimitPercent: 20, MinRiskReward: 1.5}

var firstDay = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func day(at int) time.Time { return firstDay.AddDate(0, 0, at) }

func builtin(t testing.TB, name string) strategy.Document {
	t.Helper()
	d, ok := strategy.Builtin(name)
	if !ok {
		t.Fatalf("no strategy %s", name)
	}
	return d
}

// whole is a window from the bar first to the last of series.
func whole(s market.Series, first int) backtest.Params {
	return backtest.Params{Params: usual, From: s.Bars[first].Date, To: s.Bars[len(s.Bars)-1].Date, Bars: 400}
}

// drawSeries draws valid bars with gaps, from hardly moving to wild.
func drawSeries(t *rapid.T, from, to int) market.Series {
	s := market.Series{Ticker: rapid.SampledFrom([]string{"ABC.NS", "ABC", "ABC.L"}).Draw(t, "ticker"), Provider: "drawn", Synthetic: true}
	price := math.Exp(rapid.Float64Range(1, 8).Draw(t, "log price"))
	swing := rapid.SampledFrom([]float64{0.002, 0.02, 0.05, 0.3}).Draw(t, "swing")
	gap := rapid.SampledFrom([]float64{0, 0.01, 0.1}).Draw(t, "gap")
	ghosts := rapid.SampledFrom([]int{0, 0, 3, 20}).Draw(t, "ghosts of 40 bars")
	for i := range rapid.IntRange(from, to).Draw(t, "bars") {
		if i > 0 && rapid.IntRange(0, 39).Draw(t, "ghost") < ghosts { // a day without a trade
			s.Bars = append(s.Bars, market.Bar{Date: day(i), Open: price, High: price, Low: price, Close: price})
			continue
		}
		opening := math.Max(0.05, price*math.Exp(gap*rapid.Float64Range(-1, 1).Draw(t, "open")))
		closing := math.Max(0.05, opening*math.Exp(swing*rapid.Float64Range(-1, 1).Draw(t, "move")))
		s.Bars = append(s.Bars, market.Bar{Date: day(i), Open: opening, Close: closing,
			High:   math.Max(opening, closing) * (1 + swing*rapid.Float64Range(0, 0.5).Draw(t, "up")),
			Low:    math.Min(opening, closing) * (1 - swing*rapid.Float64Range(0, 0.5).Draw(t, "down")),
			Volume: float64(rapid.SampledFrom([]int{0, 1000, 50000}).Draw(t, "volume"))})
		price = closing
	}
	return s
}

// drawStrategy draws a valid document, one that trades in most cases.
func drawStrategy(t *rapid.T) strategy.Document {
	all := strategy.Builtins()
	d := all[rapid.IntRange(0, len(all)-1).Draw(t, "strategy")]
	d.MinBars = rapid.IntRange(2, 30).Draw(t, "min bars")
	switch rapid.SampledFrom([]string{"", "often", "buy", "sell"}).Draw(t, "thresholds") {
	case "often":
		d.Thresholds = strategy.Thresholds{StrongBuy: 0.9, Buy: 0.02, Sell: -0.02, StrongSell: -0.9}
	case "buy":
		d.Thresholds = strategy.Thresholds{StrongBuy: 0.5, Buy: 0.01, Sell: -1, StrongSell: -1}
	case "sell":
		d.Thresholds = strategy.Thresholds{StrongBuy: 1, Buy: 1, Sell: -0.01, StrongSell: -0.5}
	}
	d.Risk.Stop.Method = rapid.SampledFrom([]string{strategy.StopFixed, strategy.StopATR}).Draw(t, "method")
	d.Risk.Stop.Percent = rapid.Float64Range(0.5, 20).Draw(t, "stop")
	d.Risk.TargetPercent = rapid.Float64Range(0.5, 30).Draw(t, "target")
	d.Trade = strategy.Trade{
		MaxBars:      rapid.SampledFrom([]int{0, 1, 2, 5, 20}).Draw(t, "max bars"),
		CooldownBars: rapid.IntRange(0, 3).Draw(t, "cooldown"),
		Sides:        rapid.SampledFrom([]string{strategy.SidesLong, strategy.SidesBoth}).Draw(t, "sides"),
		Exit:         rapid.SampledFrom([]string{strategy.ExitOpposite, strategy.ExitLevels}).Draw(t, "exit"),
	}
	return d
}

func drawParams(t *rapid.T, s market.Series) backtest.Params {
	from := rapid.IntRange(0, len(s.Bars)-1).Draw(t, "from")
	return backtest.Params{
		Params: analysis.Params{
			Capital:              rapid.SampledFrom([]float64{1000, 100000, 1e7}).Draw(t, "capital"),
			RiskPercent:          rapid.SampledFrom([]float64{0.5, 2, 100}).Draw(t, "risk"),
			PositionLimitPercent: rapid.SampledFrom([]float64{20, 100}).Draw(t, "limit"),
			MinRiskReward:        rapid.SampledFrom([]float64{0, 1.5}).Draw(t, "least ratio"),
		},
		From:            s.Bars[from].Date,
		To:              s.Bars[rapid.IntRange(from, len(s.Bars)-1).Draw(t, "to")].Date,
		Bars:            rapid.SampledFrom([]int{30, 60, 400}).Draw(t, "window"),
		CostPercent:     rapid.SampledFrom([]float64{0, 0.1, 5}).Draw(t, "cost"),
		SlippagePercent: rapid.SampledFrom([]float64{0, 0.05, 5}).Draw(t, "slippage"),
	}
}

// ghosts returns the days on which nothing was traded, as docs/BACKTEST.md has
// it, by the bars that a backtest sees.
func ghosts(s market.Series, p backtest.Params) map[time.Time]bool {
	first := slices.IndexFunc(s.Bars, func(b market.Bar) bool { return !b.Date.Before(p.From) })
	days, volumes := map[time.Time]bool{}, false
	for i := max(0, first-(p.Bars-1)); i < len(s.Bars); i++ {
		b := s.Bars[i]
		if i > 0 && volumes && b.Volume == 0 {
			last := s.Bars[i-1].Close
			days[b.Date] = max(b.Open, b.High, b.Low, b.Close)-last <= market.OHLCTolerance*last && last-min(b.Open, b.High, b.Low, b.Close) <= market.OHLCTolerance*last
		}
		volumes = volumes || b.Volume > 0
	}
	return days
}

// bars returns the series' bars by date.
func bars(s market.Series) map[time.Time]market.Bar {
	m := map[time.Time]market.Bar{}
	for _, b := range s.Bars {
		m[b.Date] = b
	}
	return m
}

// checkResult fails t unless the result keeps every promise of its types.
func checkResult(t fataler, s market.Series, d strategy.Document, p backtest.Params, r backtest.Result) {
	walk(t, "result", reflect.ValueOf(r))
	m := r.Metrics
	total, equity, previous := 0.0, p.Capital, time.Time{}
	at, dead := bars(s), ghosts(s, p)
	for i, x := range r.Trades {
		checkTrade(t, at, p, x)
		if atClose := x.Reason == measure.ReasonEndOfWindow || x.Reason == measure.ReasonRuin; dead[x.EntryDay] || dead[x.ExitDay] && !atClose {
			t.Fatalf("trade %d was filled on a day without a trade: %+v", i, x)
		}
		checkBetween(t, s, x)
		if cost := float64(x.Size) * x.EntryPrice * (1 + p.CostPercent/100); cost > equity*(1+1e-9) {
			t.Fatalf("trade %d: %v is paid out of %v", i, cost, equity)
		}
		// A position begins after the one before it has ended, on a signal of the evening.
		if x.SignalDay.Before(previous) {
			t.Fatalf("trade %d: the signal of %v is older than the exit of %v", i, x.SignalDay, previous)
		}
		if d.Trade.Sides == strategy.SidesLong && x.Side != measure.Long {
			t.Fatalf("trade %d: %s in a strategy that only buys", i, x.Side)
		}
		waited := 0 // for a trade, at its end
		for _, b := range s.Bars {
			if dead[b.Date] && b.Date.After(x.EntryDay) && !b.Date.After(x.ExitDay) {
				waited++
			}
		}
		if d.Trade.MaxBars > 0 && x.BarsHeld > d.Trade.MaxBars+waited {
			t.Fatalf("trade %d: held for %d bars, of which %d without a trade", i, x.BarsHeld, waited)
		}
		previous = x.ExitDay
		total += x.PnL
		equity += x.PnL
	}
	if math.Abs(m.FinalEquity-p.Capital-total) > 1e-9*(p.Capital+math.Abs(total)+m.Trading.Traded) {
		t.Fatalf("final equity %v is not the capital %v and the trades' %v", m.FinalEquity, p.Capital, total)
	}
	checkCounts(t, r)
}

// checkTrade fails t unless the trade could have been made.
func checkTrade(t fataler, at map[time.Time]market.Bar, p backtest.Params, x measure.Trade) {
	side := 1.0
	if x.Side == measure.Short {
		side = -1
	}
	entry, exit := at[x.EntryDay], at[x.ExitDay]
	close := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) }
	bad := func(why string) { t.Fatalf("%s: %+v\nentry %+v\nexit %+v", why, x, entry, exit) }
	raw := x.ExitPrice / (1 - side*p.SlippagePercent/100)
	levels := side*(x.EntryPrice/(1+side*p.SlippagePercent/100)-x.Stop) > 0 && side*(x.Target-x.EntryPrice) > 0
	switch {
	case x.SignalDay.Before(p.From) || x.ExitDay.After(p.To) || !x.SignalDay.Before(x.EntryDay) || x.ExitDay.Before(x.EntryDay):
		bad("the days are out of order or out of the window")
	case x.Size < 1 || x.Costs < 0 || x.Slippage < 0 || x.Risk <= 0:
		bad("an amount is impossible")
	case !levels:
		bad("entered at or beyond a level")
	case !close(x.EntryPrice, entry.Open*(1+side*p.SlippagePercent/100)):
		bad("not entered at the open with slippage")
	case math.Abs(x.PnL-(float64(x.Size)*side*(x.ExitPrice-x.EntryPrice)-x.Costs)) > 1e-9*x.Value():
		bad("the PnL does not follow from the prices")
	}
	within := raw >= exit.Low*(1-2e-6) && raw <= exit.High*(1+2e-6)
	switch x.Reason {
	case measure.ReasonStop:
		if x.Gap && (!close(raw, exit.Open) || side*(raw-x.Stop) >= 0) || !x.Gap && (!close(raw, x.Stop) || !within) {
			bad("not stopped at the stop, nor at an open beyond it")
		}
	case measure.ReasonTarget:
		if x.Gap && (!close(raw, exit.Open) || side*(raw-x.Target) <= 0) || !x.Gap && (!close(raw, x.Target) || !within) {
			bad("not ended at the target, nor at an open beyond it")
		}
	case measure.ReasonOpposite, measure.ReasonMaxBars:
		if !close(raw, exit.Open) {
			bad("not ended at the open")
		}
	case measure.ReasonEndOfWindow, measure.ReasonRuin:
		if !close(raw, exit.Close) {
			bad("not ended at the close")
		}
	default:
		bad("no such reason")
	}
}

// checkBetween fails t if the trade went on although a bar had reached a level:
// those before the exit's, and the exit's where it ended at the close.
func checkBetween(t fataler, s market.Series, x measure.Trade) {
	atClose := x.Reason == measure.ReasonEndOfWindow || x.Reason == measure.ReasonRuin
	for _, b := range s.Bars {
		if b.Date.Before(x.EntryDay) || b.Date.After(x.ExitDay) || b.Date.Equal(x.ExitDay) && !atClose {
			continue
		}
		low, high := x.Stop, x.Target
		if x.Side == measure.Short {
			low, high = x.Target, x.Stop
		}
		if b.Low <= low || b.High >= high {
			t.Fatalf("%+v\nreached a level before, on %+v", x, b)
		}
	}
}

// checkCounts fails t unless the figures fit each other.
func checkCounts(t fataler, r backtest.Result) {
	m, d := r.Metrics, r.Metrics.Days
	v := d.Verdicts
	g := m.Trading
	switch {
	case g.Trades != len(r.Trades) || g.Wins+g.Losses > g.Trades:
		t.Fatalf("%d trades, of which %+v", len(r.Trades), g)
	case d.Analyzed > d.Sessions-d.NoSignal || v.StrongBuy+v.Buy+v.Hold+v.Sell+v.StrongSell != d.Analyzed:
		t.Fatalf("%+v", d)
	case d.InMarket > d.Sessions || m.ExposurePercent < 0 || m.ExposurePercent > 100:
		t.Fatalf("exposure %v, %+v", m.ExposurePercent, d)
	case len(r.Curve.Equity) != d.Sessions || len(r.Curve.Hold) != d.Sessions || len(r.Curve.Steps) != d.Sessions-1:
		t.Fatalf("a curve of %d over %d sessions", len(r.Curve.Equity), d.Sessions)
	case math.Abs(r.Curve.Equity[d.Sessions-1]-m.FinalEquity/m.Capital) > 1e-6:
		t.Fatalf("the curve ends at %v, the equity at %v", r.Curve.Equity[d.Sessions-1], m.FinalEquity/m.Capital)
	case m.Growth.MaxDrawdownPercent < 0 || m.Growth.MaxDrawdownPercent > 0 == m.Growth.DrawdownTo.IsZero():
		t.Fatalf("%+v", m.Growth)
	}
}

// walk fails t at the first float that is no number and at the first nil slice.
func walk(t fataler, path string, v reflect.Value) {
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
	}
}
