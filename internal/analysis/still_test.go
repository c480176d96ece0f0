package analysis_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// everyVoice is a strategy in which the Supertrend votes too.
func everyVoice(t *testing.T) strategy.Document {
	d := builtin(t, "balanced")
	d.Indicators.Supertrend.Weight = 1
	return d
}

// votesOf returns the names of the indicators that vote.
func votesOf(r analysis.Report) (names []string) {
	for _, one := range r.Indicators {
		if one.Vote != 0 {
			names = append(names, one.Name)
		}
	}
	return names
}

// TestStill: a price that has stood for 250 sessions after one tick is neither
// overbought nor in a trend, whatever Wilder's averages remember of that tick.
func TestStill(t *testing.T) {
	for _, to := range []float64{99.95, 100.05} {
		for _, volume := range []float64{0, 1000} {
			s := flat(400, 100, volume)
			for i := 150; i < len(s.Bars); i++ {
				b := &s.Bars[i]
				b.Open, b.High, b.Low, b.Close = to, to, to, to
			}
			r := analyze(t, s, everyVoice(t), usual)
			checkReport(t, r, usual)
			for _, one := range r.Indicators {
				if remembers := one.Name == "ema" || one.Name == "psar" || one.Name == "macd"; one.Vote != 0 && !remembers || one.Weight > 0.001 {
					t.Errorf("to %v: %+v", to, one)
				}
				if says := one.Name == "rsi" || one.Name == "adx" || one.Name == "supertrend"; says && one.Note != "neutral: the price does not move" {
					t.Errorf("to %v: %+v", to, one)
				}
			}
			if r.Regime != analysis.RegimeUnknown || strings.Contains(strings.Join(r.Warnings, "|"), "RSI") {
				t.Errorf("to %v: %s, %q", to, r.Regime, r.Warnings)
			}
		}
	}
}

// TestStillIsNoOrder: what averages still remember of the last tick is too little
// for a verdict, under no strategy; without the quorum it would be one.
func TestStillIsNoOrder(t *testing.T) {
	orders := 0
	for _, d := range strategy.Builtins() {
		for _, to := range []float64{99.95, 100.05} {
			s := flat(400, 100, 1000)
			for i := 150; i < len(s.Bars); i++ {
				b := &s.Bars[i]
				b.Open, b.High, b.Low, b.Close = to, to, to, to
			}
			r := analyze(t, s, d, usual)
			checkReport(t, r, usual)
			if r.Verdict != analysis.Hold || r.Plan.Side != analysis.SideNone || r.Conviction > 0.001 || !strings.Contains(strings.Join(r.Warnings, "|"), "the quorum is 5 %") {
				t.Errorf("%s to %v: %s, conviction %v, %q", d.Name, to, r.Verdict, r.Conviction, r.Warnings)
			}
			d.Quorum.Conviction = 0
			if analyze(t, s, d, usual).Plan.Side != analysis.SideNone {
				orders++
			}
			d.Quorum.Conviction = 0.05
		}
	}
	if orders == 0 {
		t.Error("no order without the quorum: the test shows nothing")
	}
}

// TestStillEnds: one close that moves by a tick within the last period is heard.
func TestStillEnds(t *testing.T) {
	s := flat(300, 100, 1000)
	for i := 299 - 13; i < len(s.Bars); i++ { // the 14th change from the end
		b := &s.Bars[i]
		b.High, b.Low, b.Close = 100.05, 100, 100.05
	}
	if r := analyze(t, s, everyVoice(t), usual); !slices.Contains(votesOf(r), "rsi") || !slices.Contains(votesOf(r), "adx") || r.Regime != analysis.RegimeTrending {
		t.Errorf("%s, votes of %v", r.Regime, votesOf(r))
	}
}

// TestNoise: what differs by float noise only votes for nothing, in no voice.
func TestNoise(t *testing.T) {
	up := math.Nextafter(100, 200)
	for name, change := range map[string]func(i int, b *market.Bar){
		"a price one bit up": func(i int, b *market.Bar) {
			if i >= 150 {
				b.Open, b.High, b.Low, b.Close = up, up, up, up
			}
		},
		"highs and closes one bit up": func(i int, b *market.Bar) {
			if i >= 250 {
				b.High, b.Close = up, up
			}
		},
		"closes and bars that tremble": func(i int, b *market.Bar) {
			p := 100 + 1e-12*float64(i%3)
			b.Open, b.High, b.Low, b.Close = p, p, p, p
		},
		"a trembling rise": func(i int, b *market.Bar) {
			p := 100 + 1e-12*float64(i)
			b.Open, b.High, b.Low, b.Close = p, p, p, p
		},
		"bars with a range, at whose middle the close trembles": func(i int, b *market.Bar) {
			b.High, b.Low = 101, 99
			if i%7 == 5 {
				b.Close = up
			}
		},
		"bars with a range that tremble": func(i int, b *market.Bar) {
			b.High, b.Low = 101, 99
			if i >= 290 {
				b.High = math.Nextafter(101, 200)
			}
		},
	} {
		s := flat(300, 100, 1000)
		for i := range s.Bars {
			change(i, &s.Bars[i])
		}
		r := analyze(t, s, everyVoice(t), usual)
		checkReport(t, r, usual)
		for _, voted := range votesOf(r) {
			if voted != "psar" || r.Numbers.ATR14 == nil || *r.Numbers.ATR14 < 1 { // a SAR that is a range away is no noise
				t.Errorf("%s: %s votes, %s", name, voted, r.Verdict)
			}
		}
	}
}
