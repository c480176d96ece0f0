package indicator_test

import (
	"flag"
	"math"
	"strconv"
	"testing"

	"github.com/tapedeck/tapedeck/internal/indicator"
	"github.com/tapedeck/tapedeck/internal/referencedata"
)

var update = flag.Bool("update", false, "write the golden files anew")

// bars are the columns that kernels read.
type bars struct{ high, low, closing, volume []float64 }

// cut returns the bars [from, to).
func (b bars) cut(from, to int) bars {
	return bars{b.high[from:to], b.low[from:to], b.closing[from:to], b.volume[from:to]}
}

// A kernel is one exported function of the package as the tests run it.
type kernel struct {
	name    string   // the function's
	columns []string // the names of its results; the reference's where it has them
	working int      // slices that it allocates besides its results
	window  int      // bars that its last value depends on; 0: all of them
	run     func(bars) [][]float64
}

// kernels are all of them; TestEveryKernelIsTested holds the table complete.
var kernels = []kernel{
	{"SMA", []string{"sma20"}, 0, 20, func(b bars) [][]float64 { return [][]float64{indicator.SMA(b.closing, 20)} }},
	{"EMA", []string{"ema20"}, 0, 0, func(b bars) [][]float64 { return [][]float64{indicator.EMA(b.closing, 20)} }},
	{"EMA", []string{"ema50"}, 0, 0, func(b bars) [][]float64 { return [][]float64{indicator.EMA(b.closing, 50)} }},
	{"EMA", []string{"ema200"}, 0, 0, func(b bars) [][]float64 { return [][]float64{indicator.EMA(b.closing, 200)} }},
	{"RSI", []string{"rsi14"}, 0, 0, func(b bars) [][]float64 { return [][]float64{indicator.RSI(b.closing, 14)} }},
	{"MACD", []string{"macd", "macd_signal", "macd_hist"}, 1, 0, func(b bars) [][]float64 {
		line, signal, histogram := indicator.MACD(b.closing, 12, 26, 9)
		return [][]float64{line, signal, histogram}
	}},
	{"ADX", []string{"adx14", "plus_di14", "minus_di14"}, 0, 0, func(b bars) [][]float64 {
		adx, plus, minus := indicator.ADX(b.high, b.low, b.closing, 14)
		return [][]float64{adx, plus, minus}
	}},
	{"ATR", []string{"atr14"}, 0, 0, func(b bars) [][]float64 { return [][]float64{indicator.ATR(b.high, b.low, b.closing, 14)} }},
	{"BollingerBands", []string{"bb_upper", "bb_middle", "bb_lower"}, 0, 20, func(b bars) [][]float64 {
		upper, middle, lower := indicator.BollingerBands(b.closing, 20, 2)
		return [][]float64{upper, middle, lower}
	}},
	{"Stochastic", []string{"stoch_k", "stoch_d"}, 1, 18, func(b bars) [][]float64 {
		k, d := indicator.Stochastic(b.high, b.low, b.closing, 14, 3, 3)
		return [][]float64{k, d}
	}},
	{"CCI", []string{"cci20"}, 1, 20, func(b bars) [][]float64 { return [][]float64{indicator.CCI(b.high, b.low, b.closing, 20)} }},
	{"OBV", []string{"obv"}, 0, 0, func(b bars) [][]float64 { return [][]float64{indicator.OBV(b.closing, b.volume)} }},
	{"SAR", []string{"psar"}, 0, 0, func(b bars) [][]float64 { return [][]float64{indicator.SAR(b.high, b.low, 0.02, 0.2)} }},
	{"WilliamsR", []string{"willr14"}, 0, 14, func(b bars) [][]float64 { return [][]float64{indicator.WilliamsR(b.high, b.low, b.closing, 14)} }},
	{"MFI", []string{"mfi14"}, 1, 15, func(b bars) [][]float64 { return [][]float64{indicator.MFI(b.high, b.low, b.closing, b.volume, 14)} }},
	{"AD", []string{"ad"}, 0, 0, func(b bars) [][]float64 { return [][]float64{indicator.AD(b.high, b.low, b.closing, b.volume)} }},
	{"CMF", []string{"cmf20"}, 0, 20, func(b bars) [][]float64 { return [][]float64{indicator.CMF(b.high, b.low, b.closing, b.volume, 20)} }},
	{"Supertrend", []string{"supertrend", "trend"}, 0, 0, func(b bars) [][]float64 {
		line, trend := indicator.Supertrend(b.high, b.low, b.closing, 10, 3)
		return [][]float64{line, trend}
	}},
}

// columns are the names of all results, in the order of kernels.
var columns = func() (names []string) {
	for _, k := range kernels {
		names = append(names, k.columns...)
	}
	return names
}()

// beyondTALib are the columns that TA-Lib does not know.
var beyondTALib = []string{"cmf20", "supertrend", "trend"}

// compute runs every kernel over b, by the names of columns.
func compute(b bars) map[string][]float64 {
	m := map[string][]float64{}
	for _, k := range kernels {
		for i, values := range k.run(b) {
			m[k.columns[i]] = values
		}
	}
	return m
}

// warmUps are the indices of each column's first value.
var warmUps = map[string]int{"sma20": 19, "ema20": 19, "ema50": 49, "ema200": 199, "rsi14": 14, "macd": 33, "macd_signal": 33, "macd_hist": 33,
	"adx14": 27, "plus_di14": 14, "minus_di14": 14, "atr14": 14, "bb_upper": 19, "bb_middle": 19, "bb_lower": 19, "stoch_k": 17, "stoch_d": 17,
	"cci20": 19, "obv": 0, "psar": 1, "willr14": 13, "mfi14": 14, "ad": 0, "cmf20": 19, "supertrend": 9, "trend": 9}

// readTable returns the numeric columns of a CSV file by name, NaN where empty.
func readTable(t *testing.T, path string) map[string][]float64 {
	t.Helper()
	rows := referencedata.Rows(t, path)
	table := map[string][]float64{}
	for c, name := range rows[0] {
		for _, row := range rows[1:] {
			x, err := strconv.ParseFloat(row[c], 64)
			if row[c] == "" || name == "date" || name == "Date" {
				x = math.NaN()
			} else if err != nil {
				t.Fatal(err)
			}
			table[name] = append(table[name], x)
		}
	}
	return table
}

func barsOf(table map[string][]float64) bars {
	return bars{table["high"], table["low"], table["close"], table["volume"]}
}
