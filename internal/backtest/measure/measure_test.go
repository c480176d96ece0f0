package measure_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tapedeck/tapedeck/internal/backtest/measure"
)

func date(text string) time.Time {
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return d
}

// days returns n days from the first of March 2024 on.
func days(n int) []time.Time {
	list := make([]time.Time, n)
	for i := range list {
		list[i] = date("2024-03-01").AddDate(0, 0, i)
	}
	return list
}

func is(x float64) *float64 { return &x }

// near is how close a figure worked out by hand to six digits can be.
var near = cmpopts.EquateApprox(0, 5e-6)

// TestTradingByHand: four trades, worked out by hand.
func TestTradingByHand(t *testing.T) {
	trades := []measure.Trade{
		{Side: measure.Long, Size: 10, EntryPrice: 100, ExitPrice: 110, PnL: 97.9, Costs: 2.1, Slippage: 1, ReturnPercent: 9.79, R: 1.958, BarsHeld: 4},
		{Side: measure.Short, Size: 5, EntryPrice: 50, ExitPrice: 52, PnL: -10.51, Costs: 0.51, ReturnPercent: -4.204, R: -1.051, BarsHeld: 0},
		{Side: measure.Long, Size: 1, EntryPrice: 20, ExitPrice: 20, BarsHeld: 20},
		{Side: measure.Long, Size: 2, EntryPrice: 10, ExitPrice: 5, PnL: -10, ReturnPercent: -50, R: -2, BarsHeld: 1},
	}
	want := measure.Trading{
		Trades: 4, Wins: 1, Losses: 2, Shorts: 1, Won: 97.9, Lost: 20.51, Costs: 2.61, Slippage: 1,
		Traded:         10*210 + 5*102 + 40 + 30,
		WinRatePercent: is(25), ProfitFactor: is(4.773281), Expectancy: is(19.3475), AverageWin: is(97.9), AverageLoss: is(-10.255),
		ExpectancyPercent: is(-11.1035), ExpectancyR: is(-0.27325), AverageBarsHeld: is(6.25),
	}
	if diff := cmp.Diff(want, measure.TradingOf(trades), near); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(measure.Trading{}, measure.TradingOf(nil)); diff != "" {
		t.Errorf("no trades: %s", diff)
	}
	won := measure.TradingOf(trades[:1])
	if won.ProfitFactor != nil || won.AverageLoss != nil || *won.WinRatePercent != 100 {
		t.Errorf("no loss: %+v", won)
	}
}

// TestGrowthByHand: 100, 110, 99, 104.5, 93.5, 121 after a start of 100. Returns
// 0, 10 %, -10 %, 5.555556 %, -10.526316 %, 29.411765 %: mean 4.073501 %,
// deviation 14.880584 %; the deepest fall is from 110 to 93.5, 15 %.
func TestGrowthByHand(t *testing.T) {
	list := days(6)
	want := measure.Growth{ReturnPercent: 21, Sharpe: is(4.345583), MaxDrawdownPercent: 15, DrawdownFrom: list[1], DrawdownTo: list[4]}
	got := measure.GrowthOf(100, list, []float64{100, 110, 99, 104.5, 93.5, 121})
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Error(diff)
	}
	if got := measure.GrowthOf(100, list[:3], []float64{90, 80, 85}); math.Abs(got.MaxDrawdownPercent-20) > 1e-9 || got.DrawdownFrom != list[0] {
		t.Errorf("a fall from the start: %+v", got)
	}
	if got := measure.GrowthOf(7, list[:3], []float64{7, 7, 7}); got != (measure.Growth{}) {
		t.Errorf("nothing moved: %+v", got)
	}
	if got := measure.GrowthOf(7, nil, nil); got != (measure.Growth{}) {
		t.Errorf("no session: %+v", got)
	}
	if got := measure.GrowthOf(100, list[:4], []float64{50, -20, -20, -20}); got.Sharpe == nil || math.Abs(got.MaxDrawdownPercent-120) > 1e-9 || math.Abs(got.ReturnPercent+120) > 1e-9 {
		t.Errorf("ruin: %+v", got)
	}
}

// TestCAGR: 1.5 times in 730 days is 22.49 % a year; under a year nothing is said.
func TestCAGR(t *testing.T) {
	for _, c := range []struct {
		factor   float64
		from, to string
		want     *float64
	}{
		{1.5, "2021-03-01", "2023-03-01", is(22.491495)}, // 730 days: 1.5^(365.25/730)
		{0.25, "2021-01-01", "2025-01-01", is(-29.289322)},
		{1, "2021-01-01", "2025-01-01", is(0)},
		{2, "2024-01-02", "2024-12-31", is(100.476630)}, // the sessions of a year: 364 days
		{2, "2024-01-02", "2024-12-16", nil},            // 349 days
		{0, "2021-01-01", "2025-01-01", is(-100)},
		{-0.5, "2021-01-01", "2025-01-01", is(-100)},
	} {
		if diff := cmp.Diff(c.want, measure.CAGR(c.factor, date(c.from), date(c.to)), near); diff != "" {
			t.Errorf("%v from %s to %s: %s", c.factor, c.from, c.to, diff)
		}
	}
}

// TestCurve: days go in and come out, values are rounded, and the text is small.
func TestCurve(t *testing.T) {
	list := []time.Time{date("2024-02-28"), date("2024-02-29"), date("2024-03-04"), date("2025-01-01")}
	c := measure.CurveOf(1000, list, []float64{1000, 1234.5678, 999.9994, 1.0 / 3}, []float64{990, 1, 2, 3})
	want := measure.Curve{First: list[0], Steps: []int{1, 4, 303}, Equity: []float64{1, 1.234568, 0.999999, 0.000333}, Hold: []float64{0.99, 0.001, 0.002, 0.003}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(list, c.Days()); diff != "" {
		t.Error(diff)
	}
	var values []float64
	for range 750 {
		values = append(values, 100000*(1+rand.Float64()))
	}
	text, err := json.Marshal(measure.CurveOf(100000, days(750), values, values))
	if err != nil || len(text) > 16<<10 {
		t.Errorf("%v: three years are %d bytes", err, len(text))
	}
}

func member(ticker string, capital float64, trading measure.Trading, list []time.Time, equity, hold []float64) measure.Member {
	m := measure.Metrics{Capital: capital, FinalEquity: equity[len(equity)-1], ExposurePercent: 40, Trading: trading,
		Days: measure.Days{Sessions: len(list), Skipped: measure.Skipped{Cooldown: 1}, Verdicts: measure.Verdicts{Hold: len(list)}}}
	return measure.Member{Ticker: ticker, Metrics: m, Curve: measure.CurveOf(capital, list, equity, hold)}
}

// TestPortfolioByHand: two tickers with other sessions, other capitals, added
// with equal weights.
func TestPortfolioByHand(t *testing.T) {
	list := days(4)
	a := member("A", 100, measure.TradingOf([]measure.Trade{
		{PnL: 30, ReturnPercent: 20, R: 2, BarsHeld: 3, Costs: 1, Slippage: 2, Size: 1, EntryPrice: 150, ExitPrice: 150},
		{PnL: -10, ReturnPercent: -5, R: -1, BarsHeld: 1}}), list[:3], []float64{100, 130, 120}, []float64{100, 100, 90})
	b := member("B", 1000, measure.TradingOf([]measure.Trade{{Side: measure.Short, PnL: -100, ReturnPercent: -50, R: -1, BarsHeld: 5}}),
		[]time.Time{list[1], list[3]}, []float64{1000, 900}, []float64{1000, 1200})
	got := measure.Portfolio([]measure.Member{b, a})
	want := measure.Pooled{
		Tickers: 2, Profitable: 1, From: list[0], To: list[3], Sessions: 4, ExposurePercent: 40,
		Days: measure.Days{Sessions: 5, Skipped: measure.Skipped{Cooldown: 2}, Verdicts: measure.Verdicts{Hold: 5}},
		// In percent of each one's capital: 30 won, 10 + 10 lost.
		Trading: measure.Trading{Trades: 3, Wins: 1, Losses: 2, Shorts: 1, Won: 30, Lost: 20, Costs: 1, Slippage: 2, Traded: 300,
			WinRatePercent: is(33.333333), ProfitFactor: is(1.5), Expectancy: is(3.333333), AverageWin: is(30), AverageLoss: is(-10),
			ExpectancyPercent: is(-11.666667), ExpectancyR: is(0), AverageBarsHeld: is(3)},
		// 1, 1.15, 1.10, 1.05: returns 0, 15 %, -4.347826 %, -4.545455 %.
		Growth: measure.Growth{ReturnPercent: 5, Sharpe: is(2.627441), MaxDrawdownPercent: 8.695652, DrawdownFrom: list[1], DrawdownTo: list[3]},
		Hold:   measure.Growth{ReturnPercent: 5, Sharpe: is(3.355416), MaxDrawdownPercent: 5, DrawdownFrom: list[0], DrawdownTo: list[2]},
		Curve:  measure.Curve{First: list[0], Steps: []int{1, 1, 1}, Equity: []float64{1, 1.15, 1.1, 1.05}, Hold: []float64{1, 1, 0.95, 1.05}},
	}
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(got, measure.Portfolio([]measure.Member{a, b})); diff != "" {
		t.Errorf("the order matters: %s", diff)
	}
}

// TestPortfolioOfOne is the ticker itself; that of none is nothing.
func TestPortfolioOfOne(t *testing.T) {
	list := days(500)
	values := make([]float64, len(list))
	for i := range values {
		values[i] = 50_000 * (1 + 0.1*math.Sin(float64(i)/30))
	}
	m := member("A", 50_000, measure.TradingOf([]measure.Trade{{PnL: 5, ReturnPercent: 5, Size: 1, EntryPrice: 1, ExitPrice: 1}}), list, values, values)
	got := measure.Portfolio([]measure.Member{m})
	if diff := cmp.Diff(m.Curve, got.Curve); diff != "" {
		t.Error(diff)
	}
	want := measure.GrowthOf(50_000, list, values)
	if diff := cmp.Diff(want, got.Growth, cmpopts.EquateApprox(0, 0.001)); diff != "" {
		t.Errorf("of the rounded curve: %s", diff)
	}
	none := measure.Portfolio(nil)
	if none.Tickers != 0 || none.Growth != (measure.Growth{}) || none.Curve.Equity == nil {
		t.Errorf("%+v", none)
	}
	if _, err := json.Marshal(none); err != nil {
		t.Error(err)
	}
}

// TestEqualCapitalIsTheSum: with equal capitals the portfolio's value is the sum
// of the tickers' equities.
func TestEqualCapitalIsTheSum(t *testing.T) {
	list := days(300)
	var members, turned []measure.Member
	sum := make([]float64, len(list))
	random := rand.New(rand.NewPCG(1, 2))
	for _, ticker := range strings.Split("ABCDEFGHIJ", "") {
		values, value := make([]float64, len(list)), 1000.0
		for i := range list {
			value *= 1 + 0.02*(random.Float64()-0.5)
			values[i] = value
			sum[i] += value
		}
		trading := measure.TradingOf([]measure.Trade{{PnL: random.Float64(), ReturnPercent: random.Float64(), R: random.Float64()}})
		members = append(members, member(ticker, 1000, trading, list, values, values))
		turned = append([]measure.Member{members[len(members)-1]}, turned...)
	}
	if diff := cmp.Diff(measure.Portfolio(members), measure.Portfolio(turned)); diff != "" {
		t.Errorf("the order matters: %s", diff)
	}
	want := measure.GrowthOf(10_000, list, sum)
	if diff := cmp.Diff(want, measure.Portfolio(members).Growth, cmpopts.EquateApprox(0, 0.002)); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkPortfolio adds up a whole exchange over three years.
func BenchmarkPortfolio(b *testing.B) {
	list := days(750)
	values := make([]float64, len(list))
	for i := range values {
		values[i] = 1000 + float64(i%17)
	}
	members := make([]measure.Member, 2192)
	for i := range members {
		members[i] = member(string(rune('A'+i%26)), 1000, measure.Trading{}, list, values, values)
	}
	b.ReportAllocs()
	for b.Loop() {
		measure.Portfolio(members)
	}
}
