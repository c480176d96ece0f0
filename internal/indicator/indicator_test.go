package indicator_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/indicator"
	"github.com/tapedeck/tapedeck/internal/referencedata"
)

// tolerance is the largest difference to the reference, relative to its value.
const tolerance = 1e-9

// TestTALib compares every column of the reference with the kernels, on every
// bar, and prints the table of docs/ANALYSIS.md.
func TestTALib(t *testing.T) {
	files := referencedata.Files(t, "reference/talib")
	worst, rows := map[string]float64{}, map[string]int{}
	for _, file := range files {
		want := readTable(t, file)
		got := compute(barsOf(want))
		for name := range want {
			if !slices.Contains(columns, name) && !slices.Contains([]string{"date", "open", "high", "low", "close", "volume"}, name) {
				t.Errorf("%s: column %s is not checked", filepath.Base(file), name)
			}
		}
		for _, name := range columns {
			if slices.Contains(beyondTALib, name) {
				continue
			}
			worst[name] = max(worst[name], compare(t, filepath.Base(file)+" "+name, want[name], got[name]))
			for _, x := range want[name] {
				if !math.IsNaN(x) {
					rows[name]++
				}
			}
		}
	}
	for _, name := range columns {
		if !slices.Contains(beyondTALib, name) {
			t.Logf("| %-11s | %5d | %7.1e |", name, rows[name], worst[name])
		}
	}
}

// compare fails t at the first bar where got differs from want, and returns the
// greatest relative difference.
func compare(t *testing.T, name string, want, got []float64) float64 {
	t.Helper()
	worst := 0.0
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return worst
	}
	for i := range want {
		if math.IsNaN(want[i]) && math.IsNaN(got[i]) || want[i] == got[i] {
			continue
		}
		relative := math.Abs(got[i]-want[i]) / math.Abs(want[i])
		if !(relative <= tolerance) {
			t.Errorf("%s: bar %d is %v, want %v", name, i, got[i], want[i])
			return math.Inf(1)
		}
		worst = max(worst, relative)
	}
	return worst
}

// TestGolden holds the kernels to the slow formulas of naive_test.go on bars of
// our own making. To write the files anew, by those formulas: go test -update.
func TestGolden(t *testing.T) {
	for name, b := range map[string]bars{"synthetic": syntheticBars(260), "jumpy": jumpyBars(260)} {
		path := filepath.Join("testdata", name+".golden.csv")
		if *update {
			if err := os.WriteFile(path, golden(b, naive(b)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want := readTable(t, path)
		if diff := cmp.Diff(b, barsOf(want), cmp.AllowUnexported(bars{})); diff != "" {
			t.Fatalf("%s was made from other bars: %s", path, diff)
		}
		got := compute(b)
		for _, column := range columns {
			compare(t, name+" "+column, want[column], got[column])
		}
	}
}

// jumpyBars are a random walk by a generator of one line: gaps, limit days on
// which the price had no range, days without volume.
func jumpyBars(n int) bars {
	var b bars
	state, price := uint32(42), 250.0
	draw := func() float64 { state = state*1664525 + 1013904223; return float64(state>>8) / (1 << 24) }
	round := func(x float64) float64 { return math.Round(x*20) / 20 }
	for range n {
		price *= 1 + (draw()-0.5)*0.06
		if draw() < 0.05 {
			price *= 1 + (draw()-0.4)*0.3
		}
		up, down, volume := draw()*0.03, draw()*0.03, math.Round(draw()*2e6)
		if draw() < 0.05 {
			up, down = 0, 0
		}
		if draw() < 0.05 {
			volume = 0
		}
		b.closing, b.volume = append(b.closing, round(price)), append(b.volume, volume)
		b.high, b.low = append(b.high, round(price*(1+up))), append(b.low, round(price*(1-down)))
	}
	return b
}

// syntheticBars are made by hand: two waves, a trend, a jump, a flat stretch and
// days without volume; no random, so that they are the same for ever.
func syntheticBars(n int) bars {
	var b bars
	for i := range n {
		x := float64(i)
		price := 100 + 0.05*x + 8*math.Sin(x/9) + 3*math.Sin(x/2.3)
		if i > 120 {
			price += 15
		}
		spread := 1 + math.Abs(math.Sin(x*1.7))
		volume := 10000 + 4000*math.Cos(x/3)
		switch {
		case i >= 180 && i < 200:
			price, spread = 120, 0
		case i%37 == 36:
			volume = 0
		}
		round := func(x float64) float64 { return math.Round(x*100) / 100 }
		b.closing = append(b.closing, round(price))
		b.high = append(b.high, round(price+spread*0.6))
		b.low = append(b.low, round(price-spread*0.4))
		b.volume = append(b.volume, math.Round(volume))
	}
	return b
}

// golden writes bars and values as CSV.
func golden(b bars, values map[string][]float64) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "high,low,close,volume,%s\n", strings.Join(columns, ","))
	for i := range b.closing {
		row := []float64{b.high[i], b.low[i], b.closing[i], b.volume[i]}
		for _, name := range columns {
			row = append(row, values[name][i])
		}
		for c, x := range row {
			if c > 0 {
				out.WriteByte(',')
			}
			if !math.IsNaN(x) {
				out.WriteString(strconv.FormatFloat(x, 'g', -1, 64))
			}
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// drawBars draws valid bars.
func drawBars(t *rapid.T, atLeast, atMost int) bars {
	n := rapid.IntRange(atLeast, atMost).Draw(t, "bars")
	var b bars
	price := rapid.Float64Range(1, 5000).Draw(t, "first")
	for range n {
		price = math.Max(0.01, price*(1+rapid.Float64Range(-0.08, 0.08).Draw(t, "move")))
		b.closing = append(b.closing, price)
		b.high = append(b.high, price*(1+rapid.Float64Range(0, 0.05).Draw(t, "up")))
		b.low = append(b.low, price*(1-rapid.Float64Range(0, 0.05).Draw(t, "down")))
		b.volume = append(b.volume, float64(rapid.IntRange(0, 1e7).Draw(t, "volume")))
	}
	return b
}

// bits compares floats by their bits, so that NaN equals NaN.
var bits = cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b })

// TestNoLookAhead: later bars never change an earlier value, not by one bit.
func TestNoLookAhead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawBars(t, 2, 260)
		n := rapid.IntRange(1, len(all.closing)).Draw(t, "cut")
		early, late := compute(all.cut(0, n)), compute(all)
		for _, name := range columns {
			if diff := cmp.Diff(early[name], late[name][:n], bits); diff != "" {
				t.Fatalf("%s changed: %s", name, diff)
			}
		}
	})
}

// TestShortInput: every length from none on gives NaN up to the warm-up's end
// and a number from there on.
func TestShortInput(t *testing.T) {
	all := syntheticBars(210)
	for n := range 210 {
		for name, values := range compute(all.cut(0, n)) {
			if len(values) != n {
				t.Fatalf("%s of %d bars has %d values", name, n, len(values))
			}
			for i, x := range values {
				if math.IsNaN(x) != (i < warmUps[name]) || math.IsInf(x, 0) {
					t.Fatalf("%s of %d bars: bar %d is %v", name, n, i, x)
				}
			}
		}
	}
}

// TestGap: a NaN or infinite input spoils its own bar and one warm-up; after
// that the values are those of a series that begins behind it.
func TestGap(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		all := syntheticBars(260)
		const at = 40
		all.high[at], all.low[at], all.closing[at], all.volume[at] = bad, bad, bad, bad
		got, before, after := compute(all), compute(all.cut(0, at)), compute(all.cut(at+1, 260))
		for _, name := range columns {
			if diff := cmp.Diff(before[name], got[name][:at], bits); diff != "" {
				t.Errorf("%s before %v: %s", name, bad, diff)
			}
			if !math.IsNaN(got[name][at]) {
				t.Errorf("%s at %v is %v", name, bad, got[name][at])
			}
			if diff := cmp.Diff(after[name], got[name][at+1:], bits); diff != "" {
				t.Errorf("%s after %v: %s", name, bad, diff)
			}
		}
	}
}

// TestRanges: what is bounded by definition stays in its bounds.
func TestRanges(t *testing.T) {
	bounds := map[string][2]float64{"rsi14": {0, 100}, "adx14": {0, 100}, "plus_di14": {0, 100}, "minus_di14": {0, 100}, "stoch_k": {0, 100},
		"stoch_d": {0, 100}, "willr14": {-100, 0}, "mfi14": {0, 100}, "cmf20": {-1, 1}}
	rapid.Check(t, func(t *rapid.T) {
		values := compute(drawBars(t, 30, 120))
		for name, limits := range bounds {
			for i, x := range values[name] {
				if x < limits[0]-1e-9 || x > limits[1]+1e-9 {
					t.Fatalf("%s at bar %d is %v", name, i, x)
				}
			}
		}
	})
}

// TestCloseOutsideItsBar: the rounding of adjusted prices leaves closes a hair
// outside their bars; they count as at its end, also where the bar is as narrow.
func TestCloseOutsideItsBar(t *testing.T) {
	const n = 40
	for end, want := range map[float64][3]float64{100.00009: {100, 0, 1}, 99.99991: {0, -100, -1}} {
		high, low, closing, volume := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range n {
			high[i], low[i], closing[i], volume[i] = 100.000001, 100, end, 1000
		}
		k, d := indicator.Stochastic(high, low, closing, 14, 3, 3)
		got := [3]float64{k[n-1], indicator.WilliamsR(high, low, closing, 14)[n-1], indicator.CMF(high, low, closing, volume, 20)[n-1]}
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-6)); diff != "" || math.Abs(d[n-1]-want[0]) > 1e-6 {
			t.Errorf("closes at %v: %s, %%D %v", end, diff, d[n-1])
		}
	}
}

// TestFlat: a price that never moves gives TA-Lib's zeros, never NaN.
func TestFlat(t *testing.T) {
	var b bars
	for range 220 {
		b.high, b.low, b.closing, b.volume = append(b.high, 50), append(b.low, 50), append(b.closing, 50), append(b.volume, 0)
	}
	want := map[string]float64{"sma20": 50, "ema20": 50, "ema50": 50, "ema200": 50, "bb_upper": 50, "bb_middle": 50, "bb_lower": 50, "psar": 50,
		"supertrend": 50, "trend": -1}
	for name, values := range compute(b) {
		if got := values[219]; got != want[name] {
			t.Errorf("%s is %v, want %v", name, got, want[name])
		}
	}
}

// TestSillyParameters: periods that make no sense and columns of unequal length
// give NaN, never a panic.
func TestSillyParameters(t *testing.T) {
	b := syntheticBars(60)
	short := b.volume[:20]
	for _, p := range []int{math.MinInt, -3, 0, 1 << 40, math.MaxInt} {
		b.closing[1] = math.NaN() // so that runs begin behind an offset, which must not overflow
		k, d := indicator.Stochastic(b.high, b.low, b.closing, p, p, p)
		line, signal, histogram := indicator.MACD(b.closing, p, p, p)
		upper, middle, lower := indicator.BollingerBands(b.closing, p, 2)
		adx, plus, minus := indicator.ADX(b.high, b.low, b.closing, p)
		super, trend := indicator.Supertrend(b.high, b.low, b.closing, p, 3)
		noBand, _ := indicator.Supertrend(b.high, b.low, b.closing, 10, -math.Abs(float64(p)))
		for i, values := range [][]float64{k, d, line, signal, histogram, upper, middle, lower, adx, plus, minus, super, trend, noBand,
			indicator.SMA(b.closing, p), indicator.EMA(b.closing, p), indicator.RSI(b.closing, p), indicator.ATR(b.high, b.low, b.closing, p),
			indicator.CCI(b.high, b.low, b.closing, p), indicator.WilliamsR(b.high, b.low, b.closing, p),
			indicator.MFI(b.high, b.low, b.closing, b.volume, p), indicator.CMF(b.high, b.low, b.closing, b.volume, p),
			indicator.SAR(b.high, b.low, -float64(p), math.NaN())} {
			for _, x := range values {
				if !math.IsNaN(x) {
					t.Fatalf("period %d, result %d: %v", p, i, x)
				}
			}
		}
	}
	if n := len(indicator.CMF(b.high, b.low, b.closing, short, 5)); n != 20 {
		t.Errorf("CMF of unequal columns has %d values", n)
	}
	if n := len(indicator.MFI(b.high, b.low, b.closing, short, 5)); n != 20 {
		t.Errorf("MFI of unequal columns has %d values", n)
	}
}

func BenchmarkAll250Bars(b *testing.B) {
	all := syntheticBars(250)
	b.ReportAllocs()
	for b.Loop() {
		compute(all)
	}
}
