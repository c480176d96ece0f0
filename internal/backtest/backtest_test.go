package backtest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/backtest"
	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// drawn draws what can be tested, or skips the draw: most windows have warm-up enough.
func drawn(t *rapid.T) (market.Series, strategy.Document, backtest.Params, backtest.Result) {
	s, d := drawSeries(t, 40, 160), drawStrategy(t)
	p := drawParams(t, s)
	r, err := backtest.Run(s, d, p)
	if errors.Is(err, analysis.ErrShortHistory) {
		t.Skip("too little history")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, d, p, r
}

// TestProperties: whatever the bars, the strategy and the parameters, the result
// keeps its promises; every kind of trade and of ending comes up.
func TestProperties(t *testing.T) {
	wanted := []string{"long", "short", "stop", "target", "opposite", "max_bars", "end_of_window"}
	seen := map[string]int{}
	for range 10 {
		rapid.Check(t, func(t *rapid.T) {
			s, d, p, r := drawn(t)
			checkResult(t, s, d, p, r)
			for _, x := range r.Trades {
				seen[x.Side]++
				seen[x.Reason]++
			}
		})
		if !slices.ContainsFunc(wanted, func(kind string) bool { return seen[kind] == 0 }) {
			break
		}
	}
	t.Log(seen)
	for _, kind := range wanted {
		if seen[kind] == 0 {
			t.Errorf("no trade with %s among the drawn", kind)
		}
	}
}

// TestSignalIsLive: the signal on day d equals a live analysis with data up to
// d: the verdict on every session of a window, and with it score, levels and
// size of every trade.
func TestSignalIsLive(t *testing.T) {
	enough(t, func(t *rapid.T) (trades int) {
		s, d, p, r := drawn(t)
		live := func(at int, capital float64) (analysis.Report, error) {
			upTo := market.Series{Ticker: s.Ticker, Provider: s.Provider, Synthetic: s.Synthetic, Bars: slices.Clone(s.Bars[:at+1])}
			upTo.Bars = upTo.Bars[max(0, len(upTo.Bars)-p.Bars):] // what a provider delivers that evening
			numbers := p.Params
			numbers.Capital = capital
			return analysis.Analyze(upTo, d, numbers)
		}
		at := map[string]int{}
		for i, b := range s.Bars {
			at[b.Date.String()] = i
		}
		equity := p.Capital
		for _, x := range r.Trades {
			report, err := live(at[x.SignalDay.String()], equity)
			if err != nil {
				t.Fatal(err)
			}
			plan := report.Plan
			if x.Verdict != string(report.Verdict) || x.Score != report.Score || x.Stop != plan.Stop || x.Target != plan.Target ||
				x.Size > plan.Size || p.PositionLimitPercent < 50 && p.CostPercent < 5 && p.SlippagePercent < 5 && x.Size != plan.Size {
				t.Fatalf("traded %+v\non a live %s %v %+v", x, report.Verdict, report.Score, plan)
			}
			equity += x.PnL
			trades++
		}
		// One session alone, any: its verdict is the live one.
		i := rapid.IntRange(0, len(s.Bars)-1).Draw(t, "day")
		report, err := live(i, p.Capital)
		p.From, p.To = s.Bars[i].Date, s.Bars[i].Date
		alone, runErr := backtest.Run(s, d, p)
		if (err == nil) != (runErr == nil) || err != nil && !errors.Is(runErr, analysis.ErrShortHistory) {
			t.Fatalf("live: %v; backtest: %v", err, runErr)
		}
		if err == nil && alone.Metrics.Days.Verdicts != one(report.Verdict) {
			t.Fatalf("live %s on %v, backtest %+v", report.Verdict, p.From, alone.Metrics.Days.Verdicts)
		}
		return trades
	})
}

// enough draws until check has compared a hundred trades.
func enough(t *testing.T, check func(*rapid.T) int) {
	t.Helper()
	compared := 0
	for range 20 {
		rapid.Check(t, func(t *rapid.T) { compared += check(t) })
		if compared >= 100 {
			return
		}
	}
	t.Errorf("only %d trades were compared", compared)
}

// one counts one verdict.
func one(v analysis.Verdict) (count measure.Verdicts) {
	switch v {
	case analysis.StrongBuy:
		count.StrongBuy++
	case analysis.Buy:
		count.Buy++
	case analysis.Hold:
		count.Hold++
	case analysis.Sell:
		count.Sell++
	case analysis.StrongSell:
		count.StrongSell++
	}
	return count
}

// TestVerdictsOfAWindow: the verdicts that are counted are those of live
// analyses, one for each session.
func TestVerdictsOfAWindow(t *testing.T) {
	s, d := invented(t, "TALLY.NS", 300), builtin(t, "balanced")
	p := whole(s, 100)
	p.Bars = 80
	r := run(t, s, d, p)
	var want measure.Verdicts
	for at := 100; at < len(s.Bars); at++ {
		upTo := s
		upTo.Bars = s.Bars[at-79 : at+1]
		report, err := analysis.Analyze(upTo, d, usual)
		if err != nil {
			t.Fatal(err)
		}
		add := one(report.Verdict)
		want.StrongBuy += add.StrongBuy
		want.Buy += add.Buy
		want.Hold += add.Hold
		want.Sell += add.Sell
		want.StrongSell += add.StrongSell
	}
	if r.Metrics.Days.Verdicts != want || r.Metrics.Days.Analyzed != 200 || want.Buy == 0 || want.Sell == 0 {
		t.Errorf("counted %+v, live %+v", r.Metrics.Days, want)
	}
}

// TestNoLookAhead: what comes later, cut off or changed, does not change what
// was traded before.
func TestNoLookAhead(t *testing.T) {
	enough(t, func(t *rapid.T) int {
		s, d, p, r := drawn(t)
		cut := rapid.IntRange(0, len(s.Bars)-1).Draw(t, "cut")
		until := s.Bars[cut].Date
		shorter, other := s, s
		shorter.Bars = s.Bars[:cut+1]
		other.Bars = slices.Clone(s.Bars)
		for i := cut + 1; i < len(other.Bars); i++ {
			b := &other.Bars[i]
			b.Open, b.High, b.Low, b.Close, b.Volume = b.Open*3, b.High*5, b.Low*0.2, b.Close*0.5, 7
		}
		before := func(trades []measure.Trade) (ended []measure.Trade) {
			for _, x := range trades {
				if !x.ExitDay.After(until) && x.Reason != measure.ReasonEndOfWindow {
					ended = append(ended, x)
				}
			}
			return ended
		}
		other.Warnings, _ = market.Validate(other.Ticker, other.Bars)
		want := before(r.Trades)
		for _, changed := range []market.Series{shorter, other} {
			again, err := backtest.Run(changed, d, p)
			if errors.Is(err, analysis.ErrShortHistory) && len(want) == 0 {
				continue // the window begins after the cut
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, before(again.Trades)); diff != "" {
				t.Fatalf("what came after %v changed what was before: %s", until, diff)
			}
			for i := range min(len(again.Curve.Equity), len(r.Curve.Equity)) {
				if last := len(again.Curve.Equity) - 1; r.Curve.Days()[i].Before(until) && i < last && again.Curve.Equity[i] != r.Curve.Equity[i] {
					t.Fatalf("equity of session %d: %v, then %v", i, r.Curve.Equity[i], again.Curve.Equity[i])
				}
			}
		}
		if p.From.After(until) {
			return len(want)
		}
		p.To = until // the whole result, with its warnings and its lineage
		one, errOne := backtest.Run(shorter, d, p)
		two, errTwo := backtest.Run(other, d, p)
		if diff := cmp.Diff(one, two); diff != "" || (errOne == nil) != (errTwo == nil) {
			t.Fatalf("what came after the window changed the result: %v, %v, %s", errOne, errTwo, diff)
		}
		return len(want)
	})
}

// TestOlderBarsDoNotMatter: bars that no signal of the window sees change nothing.
func TestOlderBarsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, d, p, r := drawn(t)
		first, _ := slices.BinarySearchFunc(s.Bars, p.From, func(b market.Bar, day time.Time) int { return b.Date.Compare(day) })
		s.Bars = s.Bars[max(0, first-(p.Bars-1)):]
		again, err := backtest.Run(s, d, p)
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}

// TestOnlyBarsInUseMatter: what is odd or bad outside of the window and of the
// bars that its first signal sees is neither warned of nor refused; what is
// within is. Other warnings of the provider stay.
func TestOnlyBarsInUseMatter(t *testing.T) {
	s, d := invented(t, "ABC.NS", 300), builtin(t, "balanced")
	p := whole(s, 150)
	p.To, p.Bars = s.Bars[250].Date, 100
	want := run(t, s, d, p)
	const first, last = 150 - 99, 250
	if len(want.Lineage.Warnings) != 0 || want.Lineage.Bars != last-first+1 || !want.Lineage.FirstBar.Equal(s.Bars[first].Date) {
		t.Fatalf("%+v", want.Lineage)
	}
	odd := func(at int) market.Series { // a jump, and half of it back
		other := s
		other.Bars = slices.Clone(s.Bars)
		for i := at; i < len(s.Bars); i++ {
			b := &other.Bars[i]
			b.Open, b.High, b.Low, b.Close = 3*b.Open, 3*b.High, 3*b.Low, 3*b.Close
		}
		other.Warnings, _ = market.Validate(s.Ticker, other.Bars)
		return other
	}
	for _, at := range []int{last + 1, last + 20} {
		if diff := cmp.Diff(want, run(t, odd(at), d, p)); diff != "" {
			t.Errorf("a jump on bar %d: %s", at, diff)
		}
	}
	if got := run(t, odd(first), d, p).Lineage.Warnings; len(got) != 0 { // the bar before it is out of sight
		t.Errorf("a jump to the first bar: %q", got)
	}
	for _, at := range []int{first + 1, last} {
		series := odd(at)
		series.Warnings = append(series.Warnings, "no file for 3 sessions")
		r := run(t, series, d, p)
		if got := r.Lineage.Warnings; len(got) != 2 || !strings.Contains(got[0], s.Bars[at].Date.Format(time.DateOnly)) || got[1] != "no file for 3 sessions" {
			t.Errorf("a jump on bar %d: %q", at, got)
		}
		if len(r.Warnings) == 0 || r.Warnings[0] != r.Lineage.Warnings[0] || slices.Contains(r.Warnings, "no file for 3 sessions") {
			t.Errorf("a jump on bar %d is not among the result's warnings: %q", at, r.Warnings)
		}
	}
	for at, bad := range map[int]bool{0: false, first - 1: false, first: true, last: true, last + 1: false, 299: false} {
		series := s
		series.Bars = slices.Clone(s.Bars)
		series.Bars[at].Low = 2 * series.Bars[at].High
		if _, err := backtest.Run(series, d, p); errors.Is(err, analysis.ErrBadData) != bad || !bad && err != nil {
			t.Errorf("bar %d is bad: %v", at, err)
		}
	}
}

// TestCostsOnlyTake: with the same fills, costs lower every trade's result; a
// backtest changes nothing that it is given and gives the same twice.
func TestCostsOnlyTake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, d, p, r := drawn(t)
		kept := slices.Clone(s.Bars)
		again, err := backtest.Run(s, d, p)
		if diff := cmp.Diff(r, again); err != nil || diff != "" || !slices.Equal(kept, s.Bars) {
			t.Fatalf("the second run: %v %s", err, diff)
		}
		dear := p
		dear.CostPercent += 1
		more, err := backtest.Run(s, d, dear)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Trades) == 0 || len(more.Trades) == 0 {
			return // a position of the whole capital may have room for no share and its costs
		}
		// The first trade has the same signal, whatever the costs; later ones differ in size.
		a, b := r.Trades[0], more.Trades[0]
		if a.EntryDay.Equal(b.EntryDay) && (b.ReturnPercent >= a.ReturnPercent || b.Size > a.Size || b.EntryPrice != a.EntryPrice) {
			t.Fatalf("dearer, but not worse:\n%+v\n%+v", a, b)
		}
		if more.Metrics.Hold.ReturnPercent >= r.Metrics.Hold.ReturnPercent {
			t.Fatalf("holding is dearer, but not worse: %v, %v", more.Metrics.Hold, r.Metrics.Hold)
		}
	})
}

// TestCostsOverAMarket: over many tickers, costs and slippage each make the sum worse.
func TestCostsOverAMarket(t *testing.T) {
	d := builtin(t, "momentum_breakout")
	total := func(cost, slippage float64) float64 {
		sum := 0.0
		for _, name := range []string{"A.NS", "B.NS", "C.NS", "D.NS"} {
			s := invented(t, name, 350)
			p := whole(s, 100)
			p.Bars, p.CostPercent, p.SlippagePercent = 100, cost, slippage
			r := run(t, s, d, p)
			checkResult(t, s, d, p, r)
			sum += r.Metrics.Growth.ReturnPercent
		}
		return sum
	}
	free, costs, slipping := total(0, 0), total(0.5, 0), total(0, 0.5)
	if costs >= free || slipping >= free {
		t.Errorf("free %v, with costs %v, with slippage %v", free, costs, slipping)
	}
}

// invented returns a series of the synthetic market.
func invented(t testing.TB, name string, n int) market.Series {
	t.Helper()
	provider, err := synthetic.New(synthetic.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := provider.Daily(t.Context(), name, n)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t testing.TB, s market.Series, d strategy.Document, p backtest.Params) backtest.Result {
	t.Helper()
	r, err := backtest.Run(s, d, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRefusals: what cannot be tested is refused with its sentinel and a text
// that says what to change.
func TestRefusals(t *testing.T) {
	s := invented(t, "ABC.NS", 200)
	late := day(10_000)
	for _, c := range []struct {
		name, text string
		is         error
		change     func(*market.Series, *strategy.Document, *backtest.Params)
	}{
		{"capital", "capital must be", analysis.ErrParameters, func(_ *market.Series, _ *strategy.Document, p *backtest.Params) { p.Capital = 0 }},
		{"dates", "midnight", analysis.ErrParameters, func(_ *market.Series, _ *strategy.Document, p *backtest.Params) { p.From = p.From.Add(1) }},
		{"no dates", "midnight", analysis.ErrParameters, func(_ *market.Series, _ *strategy.Document, p *backtest.Params) { p.From = p.From.Add(1) }},
		{"backwards", "to must not be before from", analysis.ErrParameters, func(_ *market.Series, _ *strategy.Document, p *backtest.Params) { p.From, p.To = p.To, p.From }},
		{"too many bars", "bars must be", analysis.ErrParameters, func(_ *market.Series, _ *strategy.Document, p *backtest.Params) { p.Bars = backtest.MaxBars + 1 }},
		{"too few bars", "below the 50", analysis.ErrParameters, func(_ *market.Series, _ *strategy.Document, p *backtest.Params) { p.Bars = 49 }},
		{"costs", "cost percent", analysis.ErrParameters, func(_ *market.Series, _ *strategy.Document, p *backtest.Params) { p.CostPercent = 10.1 }},
		{"slippage", "slippage percent", analysis.ErrParameters, func(_ *market.Series, _ *strategy.Document, p *backtest.Params) { p.SlippagePercent = -1 }},
		{"strategy", "max_bars", analysis.ErrParameters, func(_ *market.Series, d *strategy.Document, _ *backtest.Params) { d.Trade.MaxBars = -1 }},
		{"after the bars", "no session", analysis.ErrShortHistory, func(_ *market.Series, _ *strategy.Document, p *backtest.Params) { p.From, p.To = late, late }},
		{"no warm-up", "49 bars up to the end", analysis.ErrShortHistory,
			func(s *market.Series, _ *strategy.Document, p *backtest.Params) {
				p.From, p.To = s.Bars[0].Date, s.Bars[48].Date
			}},
		{"bad bar", "low", analysis.ErrBadData, func(s *market.Series, _ *strategy.Document, _ *backtest.Params) {
			s.Bars = slices.Clone(s.Bars)
			s.Bars[9].Low = 2 * s.Bars[9].High
		}},
		{"no bars", "no bars", analysis.ErrBadData, func(s *market.Series, _ *strategy.Document, _ *backtest.Params) { s.Bars = nil }},
	} {
		series, d, p := s, builtin(t, "balanced"), whole(s, 100)
		c.change(&series, &d, &p)
		if _, err := backtest.Run(series, d, p); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestShortWarmUp: sessions without bars enough before them have no signal, and
// the result says how many.
func TestShortWarmUp(t *testing.T) {
	s, d := invented(t, "ABC.NS", 200), builtin(t, "balanced")
	p := whole(s, 0)
	p.From = p.From.AddDate(0, -1, 0)
	p.To = p.To.AddDate(0, 1, 0)
	r := run(t, s, d, p)
	if got := r.Metrics.Days; got.Sessions != 200 || got.NoSignal != 49 || got.Analyzed != 151 || got.Partial != 150 {
		t.Errorf("%+v", got)
	}
	for i, want := range []string{"49 of 200 sessions have no signal", "150 of 151 signals lack", "but the bars on 2026-", "but the bars on 2026-10-30"} {
		if i >= len(r.Warnings) || !strings.Contains(r.Warnings[i], want) {
			t.Errorf("warning %d of %q is not %q", i, r.Warnings, want)
		}
	}
	p = whole(s, 199)
	if r := run(t, s, d, p); r.Metrics.Days.Sessions != 1 || len(r.Warnings) != 0 || r.Lineage.Bars != 200 || !r.Lineage.Synthetic || r.Lineage.Currency != "INR" {
		t.Errorf("%q %+v", r.Warnings, r.Lineage)
	}
}

func BenchmarkRun(b *testing.B) {
	s, d := invented(b, "ABC.NS", 900), builtin(b, "balanced")
	p := whole(s, 150)
	b.ReportAllocs()
	for b.Loop() {
		run(b, s, d, p)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/750, "µs/session")
}
