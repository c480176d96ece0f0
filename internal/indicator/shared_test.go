package indicator_test

import (
	"encoding/csv"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/tapedeck/tapedeck/internal/indicator"
)

var update = flag.Bool("update", false, "write the golden files anew")

// bars are the columns that kernels read.
type bars struct{ high, low, closing, volume []float64 }

// cut returns the bars [from, to).
func (b bars) cut(from, to int) bars {
	return bars{b.high[from:to], b.low[from:to], b.closing[from:to], b.volume[from:to]}
}

// columns are the names of the reference's columns, in their order, and cmf20,
// which TA-Lib does not know.
var columns = []string{"sma20", "ema20", "ema50", "ema200", "rsi14", "macd", "macd_signal", "macd_hist", "adx14", "plus_di14",
	"minus_di14", "atr14", "bb_upper", "bb_middle", "bb_lower", "stoch_k", "stoch_d", "cci20", "obv", "psar", "willr14", "mfi14", "ad", "cmf20"}

// compute runs every kernel over b, by the names of columns.
func compute(b bars) map[string][]float64 {
	m := map[string][]float64{}
	m["sma20"] = indicator.SMA(b.closing, 20)
	m["ema20"], m["ema50"], m["ema200"] = indicator.EMA(b.closing, 20), indicator.EMA(b.closing, 50), indicator.EMA(b.closing, 200)
	m["rsi14"] = indicator.RSI(b.closing, 14)
	m["macd"], m["macd_signal"], m["macd_hist"] = indicator.MACD(b.closing, 12, 26, 9)
	m["adx14"], m["plus_di14"], m["minus_di14"] = indicator.ADX(b.high, b.low, b.closing, 14)
	m["atr14"] = indicator.ATR(b.high, b.low, b.closing, 14)
	m["bb_upper"], m["bb_middle"], m["bb_lower"] = indicator.BollingerBands(b.closing, 20, 2)
	m["stoch_k"], m["stoch_d"] = indicator.Stochastic(b.high, b.low, b.closing, 14, 3, 3)
	m["cci20"] = indicator.CCI(b.high, b.low, b.closing, 20)
	m["obv"] = indicator.OBV(b.closing, b.volume)
	m["psar"] = indicator.SAR(b.high, b.low, 0.02, 0.2)
	m["willr14"] = indicator.WilliamsR(b.high, b.low, b.closing, 14)
	m["mfi14"] = indicator.MFI(b.high, b.low, b.closing, b.volume, 14)
	m["ad"] = indicator.AD(b.high, b.low, b.closing, b.volume)
	m["cmf20"] = indicator.CMF(b.high, b.low, b.closing, b.volume, 20)
	return m
}

// warmUps are the indices of each column's first value.
var warmUps = map[string]int{"sma20": 19, "ema20": 19, "ema50": 49, "ema200": 199, "rsi14": 14, "macd": 33, "macd_signal": 33, "macd_hist": 33,
	"adx14": 27, "plus_di14": 14, "minus_di14": 14, "atr14": 14, "bb_upper": 19, "bb_middle": 19, "bb_lower": 19, "stoch_k": 17, "stoch_d": 17,
	"cci20": 19, "obv": 0, "psar": 1, "willr14": 13, "mfi14": 14, "ad": 0, "cmf20": 19}

// readTable returns the numeric columns of a CSV file by name, NaN where empty.
func readTable(t *testing.T, path string) map[string][]float64 {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	table := map[string][]float64{}
	for c, name := range rows[0] {
		for _, row := range rows[1:] {
			x, err := strconv.ParseFloat(row[c], 64)
			if row[c] == "" || name == "date" {
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

// shared returns the folder name of the shared data beside the project's root,
// or skips the test.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		t.Fatal("no go.mod above the test")
	}
	path := filepath.Join(filepath.Dir(dir), "shared", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED, NOT CHECKED: %s is not beside the project", filepath.Join("shared", name))
	}
	return path
}
