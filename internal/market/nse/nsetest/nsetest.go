// Package nsetest makes archives of invented bhavcopy files and stands in for
// the exchange's server, for the tests of those that read them. No price in it
// was ever quoted.
package nsetest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/nse"
)

// A Row is one share's session as a file has it.
type Row struct {
	Symbol, Series, ISIN         string
	Open, High, Low, Close, Prev float64 // rupees; Prev is the exchange's previous close
	Volume                       int64
}

// A Split is a split or bonus of one symbol.
type Split struct {
	Symbol  string
	Session int // place among the archive's sessions of the ex-date, from 0
	// Num shares are what Den were before.
	Num, Den int
	// Unexplained leaves it out of actions.csv.
	Unexplained bool
}

// Config says what an archive holds.
type Config struct {
	// Symbols is how many shares there are; Names are those of the first ones,
	// the others are made up.
	Symbols int
	Names   []string
	// Sessions are the dates, oldest first.
	Sessions []time.Time
	Splits   []Split
	// Edit may change what a day's file holds before it is written, or return
	// nil to leave the file out.
	Edit func(session int, rows []Row) []Row
	// Plain writes CSV files instead of packed ones.
	Plain bool
}

// Weekdays are n weekdays, the last not after until, oldest first.
func Weekdays(n int, until time.Time) []time.Time {
	days := make([]time.Time, n)
	for i := n - 1; i >= 0; until = until.AddDate(0, 0, -1) {
		if day := until.Weekday(); day != time.Saturday && day != time.Sunday {
			days[i] = until
			i--
		}
	}
	return days
}

// symbols are the names of an archive's shares.
func (c Config) symbols() []string {
	names := append([]string(nil), c.Names[:min(len(c.Names), c.Symbols)]...)
	for i := len(names); i < c.Symbols; i++ {
		names = append(names, fmt.Sprintf("SYNTH%05d", i))
	}
	return names
}

// Archive writes the files of an invented market into dir, with an actions.csv
// for the splits that are explained, and returns the symbols. The same Config
// gives the same files.
func Archive(tb testing.TB, dir string, cfg Config) []string {
	tb.Helper()
	names := cfg.symbols()
	walks := make([]walk, len(names))
	for i, name := range names {
		walks[i] = newWalk(name)
	}
	splits := map[string]map[int]float64{}
	lines := "symbol,ex_date,kind,ratio\n"
	for _, s := range cfg.Splits {
		if splits[s.Symbol] == nil {
			splits[s.Symbol] = map[int]float64{}
		}
		splits[s.Symbol][s.Session] = float64(s.Num) / float64(s.Den)
		if !s.Unexplained {
			lines += fmt.Sprintf("%s,%s,split,%d:%d\n", s.Symbol, cfg.Sessions[s.Session].Format(time.DateOnly), s.Num, s.Den)
		}
	}
	if len(cfg.Splits) > 0 {
		Write(tb, filepath.Join(dir, "actions.csv"), []byte(lines))
	}
	for i, session := range cfg.Sessions {
		rows := make([]Row, len(names))
		for k := range walks {
			rows[k] = walks[k].step(splits[names[k]][i])
		}
		if cfg.Edit != nil {
			rows = cfg.Edit(i, rows)
		}
		if rows == nil {
			continue
		}
		if cfg.Plain {
			Write(tb, filepath.Join(dir, strings.TrimSuffix(nse.FileName(session), ".zip")), File(session, rows))
		} else {
			Write(tb, filepath.Join(dir, nse.FileName(session)), Zip(session, File(session, rows)))
		}
	}
	return names
}

// Write writes a file beside its place and renames it there.
func Write(tb testing.TB, path string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(path+".part", data, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		tb.Fatal(err)
	}
}

const (
	udiffHeader = "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,FininstrmActlXpryDt,StrkPric,OptnTp,FinInstrmNm," +
		"OpnPric,HghPric,LwPric,ClsPric,LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,TtlTradgVol,TtlTrfVal," +
		"TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4\n"
	legacyHeader = "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES,ISIN,\n"
)

// File is the text of a session's file, in the format of its date.
func File(session time.Time, rows []Row) []byte {
	udiff := strings.HasPrefix(nse.FileName(session), "BhavCopy")
	text := make([]byte, 0, 200*len(rows)+600)
	if udiff {
		text = append(text, udiffHeader...)
	} else {
		text = append(text, legacyHeader...)
	}
	for i, r := range rows {
		if udiff {
			text = udiffRow(text, session, i, r)
		} else {
			text = legacyRow(text, session, r)
		}
	}
	return text
}

func udiffRow(text []byte, session time.Time, i int, r Row) []byte {
	day := session.Format(time.DateOnly)
	text = fmt.Appendf(text, "%s,%s,CM,NSE,STK,%d,%s,%s,%s,,,,,%s LIMITED,", day, day, 1000+i, r.ISIN, r.Symbol, r.Series, r.Symbol)
	for _, price := range [...]float64{r.Open, r.High, r.Low, r.Close, r.Close, r.Prev} {
		text = append(strconv.AppendFloat(text, price, 'f', 2, 64), ',')
	}
	return fmt.Appendf(text, ",%.2f,,,%d,%.2f,%d,F1,1,,,,,\n", r.Close, r.Volume, r.Close*float64(r.Volume), r.Volume/40+1)
}

func legacyRow(text []byte, session time.Time, r Row) []byte {
	text = fmt.Appendf(text, "%s,%s,", r.Symbol, r.Series)
	for _, price := range [...]float64{r.Open, r.High, r.Low, r.Close, r.Close, r.Prev} {
		text = append(strconv.AppendFloat(text, price, 'f', -1, 64), ',')
	}
	return fmt.Appendf(text, "%d,%.2f,%s,%d,%s,\n", r.Volume, r.Close*float64(r.Volume),
		strings.ToUpper(session.Format("02-Jan-2006")), r.Volume/40+1, r.ISIN)
}

// Zip packs a session's file as the exchange does.
func Zip(session time.Time, text []byte) []byte {
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	file, err := w.Create(strings.TrimSuffix(nse.FileName(session), ".zip"))
	if err == nil {
		_, err = file.Write(text)
	}
	if closing := w.Close(); err == nil {
		err = closing
	}
	if err != nil {
		panic(err) // into memory: it cannot fail
	}
	return packed.Bytes()
}

// A walk is one share between two sessions.
type walk struct {
	name, isin string
	source     *rand.PCG
	close      float64
	volume     float64
}

func newWalk(name string) walk {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	w := walk{name: name, source: rand.NewPCG(hash.Sum64(), 1)}
	w.isin = fmt.Sprintf("INE%08d1", hash.Sum64()%100_000_000)
	w.close = tick(math.Ldexp(1+w.uniform(), 6+int(w.source.Uint64()%5)))
	w.volume = math.Ldexp(1+w.uniform(), 14+int(w.source.Uint64()%8))
	return w
}

func (w *walk) uniform() float64 { return float64(w.source.Uint64()>>11) / (1 << 53) }

// step makes the next session, on which factor shares are what one was before
// (0: nothing happened).
func (w *walk) step(factor float64) Row {
	if factor > 0 {
		w.close = tick(w.close / factor)
		w.volume *= factor
	}
	prev := w.close
	open := tick(prev * (1 + 0.01*(w.uniform()-0.5)))
	drift := 0.0005
	if prev < 20 { // away from where ticks are coarse
		drift = 0.01
	}
	w.close = tick(open * (1 + drift + 0.04*(w.uniform()-0.5)))
	high := tick(math.Max(open, w.close) * (1 + 0.01*w.uniform()))
	low := tick(math.Min(open, w.close) * (1 - 0.01*w.uniform()))
	return Row{
		Symbol: w.name, Series: "EQ", ISIN: w.isin,
		Open: open, High: math.Max(high, math.Max(open, w.close)), Low: math.Min(low, math.Min(open, w.close)), Close: w.close, Prev: prev,
		Volume: int64(w.volume * (0.5 + w.uniform())),
	}
}

// tick rounds to the exchange's step of 5 paise.
func tick(price float64) float64 { return math.Max(math.Round(price*20)*5, 5) / 100 }
