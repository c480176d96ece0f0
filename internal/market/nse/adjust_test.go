package nse_test

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

func TestPurposes(t *testing.T) {
	for purpose, want := range map[string]string{
		"Bonus 1:1":    "bonus 1:1 = 2",
		"Bonus- 1:2":   "bonus 1:2 = 1.5",
		"BONUS 4 : 1":  "bonus 4:1 = 5",
		"Bonus 1: 1":   "bonus 1:1 = 2",
		" Bonus  3:1 ": "bonus 3:1 = 4",
		"Annual General Meeting/Dividend - Rs 3 Per Share/Bonus 1:1 (Revised)": "bonus 1:1 = 2",
		"Bonus Issue Of 2:1":               "bonus 2:1 = 3",
		"Bonus Issue In The Ratio Of 2:3 ": "bonus 2:3 = 1.6666666666666667",
		"Face Value Split (Sub-Division) - From Rs 10/- Per Share To Rs 2/- Per Share":                                  "split 5:1 = 5",
		"Face Value Split (Sub-Division) - From Rs 5/- Per Share To Rs 2/- Per Share":                                   "split 5:2 = 2.5",
		"Face Value Split (Sub-Division) - From Rs10/- Per Share To Re 1/- Per Share":                                   "split 10:1 = 10",
		"Face Value Split (Sub-Division) - From Rs 10 /- Per Share To Re 1/- Per Share":                                 "split 10:1 = 10",
		"Face Value Split From Rs.10/- To Rs.2/-":                                                                       "split 5:1 = 5",
		" Fv Splt Frm Rs 10 To Re 1":                                                                                    "split 10:1 = 10",
		"Consolidation Of Equity Shares From Re 1 Per Share To Rs 10 Per Share":                                         "split 1:10 = 0.1",
		"Face Value Split (Sub-Division) - From Rs 1/- Per Share To Re 0.50/- Per Share":                                "split 2:1 = 2",
		"Bonus 1:1/Face Value Split (Sub-Division) - From Rs 10/- Per Share To Rs 5/- Per S":                            "bonus 1:1, split 2:1 = 4",
		"Interim Div - Rs 5/- Per Share + Face Value Split (Sub-Division) - From Rs 10/- Per Share To Re 1/- Per Share": "split 10:1 = 10",
		"Dividend - Rs 2.50 Per Share":                                                                                  " = 1",
		"Annual General Meeting":                                                                                        " = 1",
		"Bonus Ncrps 1:1":                                                                                               " = 1",
		"Scheme Of Arangement- Bonus - 1 Debenture For 1 Equity Sh":                                                     " = 1",
		"Rights 1:4 @ Premium Rs 8/-":                                                                                   "Rights 1:4 @ Premium Rs 8/- = 1",
		"Demerger":                                                                                                      "Demerger = 1",
		"Face Value Split":                                                                                              "error",
		"Face Value Split From Rs 10 To Rs 2/Consolidation From Rs 2 To Rs 10":                                          "error",
		"Bonus issue":             "error",
		"Bonus 1:0":               "error",
		"Bonus 1:1 Cancelled":     "error",
		"Bonus 1:1 and Bonus 2:1": "error",
		"Capital Reduction Rs 10 To Rs 1 / Consolidation Rs 1 To Rs.10":                "error",
		"Face Value Split (Sub-Division) - From Rs 2/- Per Share To Rs 2/- Per Share":  "error",
		"Face Value Split (Sub-Division) - From Rs 10/- Per Share To Rs 0/- Per Share": "error",
	} {
		texts, factor, _, err := nse.PurposeRatio(purpose)
		got := fmt.Sprintf("%s = %v", strings.Join(texts, ", "), factor)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %s (%v), want %s", purpose, got, err, want)
		}
	}
}

func TestSimpleRatios(t *testing.T) {
	all := nse.SimpleRatios()
	for _, ratio := range []string{"2:1", "3:2", "5:1", "10:1", "5:2", "20:1", "100:1", "4:3", "6:5", "11:10", "7:5", "1:10", "1:2", "1:3", "15:2", "3:1"} {
		if _, ok := all[ratio]; !ok {
			t.Errorf("%s is missing", ratio)
		}
	}
	for _, ratio := range []string{"1:1", "75:14", "17:9"} {
		if _, ok := all[ratio]; ok {
			t.Errorf("%s is no plain split", ratio)
		}
	}
}

// crossing is an archive of X around 2024-07-10: two days at 100, then two days
// after what happened, with the previous close that the exchange gives.
func crossing(t *testing.T, price, prev float64) (dir, name string) {
	t.Helper()
	dir = t.TempDir()
	put(t, dir, "2024-07-08", rows("X EQ 100 102 98 101 99 1000"))
	put(t, dir, "2024-07-09", rows("X EQ 100 102 98 100 101 1000"))
	name = put(t, dir, "2024-07-10", rows(fmt.Sprintf("X EQ %v %v %v %v %v 5000", price, price*1.02, price*0.98, price*1.01, prev)))
	put(t, dir, "2024-07-11", rows(fmt.Sprintf("X EQ %v %v %v %v %v 5000", price, price*1.02, price*0.98, price, price*1.01)))
	return dir, name
}

func TestActionsAreTakenOut(t *testing.T) {
	const header = "symbol,ex_date,kind,ratio\n"
	const exchange = "SYMBOL,COMPANY NAME,SERIES,PURPOSE,FACE VALUE,EX-DATE,RECORD DATE,BOOK CLOSURE START DATE,BOOK CLOSURE END DATE\n"
	for _, test := range []struct {
		name, file, text string
		price, prev      float64
		factor           float64
		note             string
	}{
		{"split", "actions.csv", header + "X,2024-07-10,split,5:1\n", 20.1, 20, 5, "split 5:1 on 2024-07-10 taken out (actions.csv:2)"},
		{"bonus", "actions.csv", header + "\nX.NS,10-Jul-2024,Bonus,1:2\n", 66, 66.65, 1.5, "bonus 1:2 on 2024-07-10 taken out (actions.csv:3)"},
		{"consolidation", "actions.csv", header + "X,2024-07-10,split,1:10\n", 1010, 1000, 0.1, "split 1:10 on 2024-07-10 taken out (actions.csv:2)"},
		{"the exchange's list", "CF-CA-equities-2024.csv", exchange +
			`X,X Limited,EQ,"Face Value Split (Sub-Division) - From Rs 10/- Per Share To Rs 2/- Per Share",10,10-Jul-2024,10-Jul-2024,-,-` + "\n" +
			`X,X Limited,BE,"Face Value Split (Sub-Division) - From Rs 10/- Per Share To Rs 2/- Per Share",10,10-Jul-2024,10-Jul-2024,-,-` + "\n" +
			"X,X Limited,EQ,Dividend - Rs 2 Per Share,10,11-Jul-2024,-,-,-\n", 20.1, 20, 5, "split 5:1 on 2024-07-10 taken out (CF-CA-equities-2024.csv:2)"},
		{"an ex-date that is no session", "actions.csv", header + "X,2024-07-10,split,5:1\nX,2024-07-06,split,2:1\n", 20.1, 20, 5, "split 5:1 on 2024-07-10 taken out (actions.csv:2)"},
		{"a silent previous close", "actions.csv", header + "X,2024-07-10,split,5:1\n", 20.1, 100, 5, "split 5:1 on 2024-07-10 taken out (actions.csv:2)"},
		{"a dividend of the same day", "actions.csv", header + "X,2024-07-10,split,5:1\n", 20.1, 19.7, 5, "split 5:1 on 2024-07-10 taken out (actions.csv:2)"},
		{"rights", "CF-CA-2024.csv", exchange + "X,X Limited,EQ,Rights 1:4 @ Premium Rs 8/-,10,10-Jul-2024,-,-,-,\n", 98, 97.6, 1,
			"Rights 1:4 @ Premium Rs 8/- on 2024-07-10 left in the prices (CF-CA-2024.csv:2)"},
		{"nothing, by the user's word", "actions.csv", header + "X,2024-07-10,none,\n", 50, 50, 1, "2024-07-10: nothing taken out (actions.csv:2)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, _ := crossing(t, test.price, test.prev)
			nsetest.Write(t, filepath.Join(dir, test.file), []byte(test.text))
			series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{test.note}, series.Notes); diff != "" {
				t.Error(diff)
			}
			want := market.Bar{Date: day("2024-07-09"), Open: 100 / test.factor, High: 102 / test.factor, Low: 98 / test.factor, Close: 100 / test.factor, Volume: 1000 * test.factor}
			if diff := cmp.Diff(want, series.Bars[1]); diff != "" {
				t.Error(diff)
			}
			if series.Bars[2].Open != test.price || series.Bars[2].Volume != 5000 {
				t.Errorf("the ex-date itself was changed: %+v", series.Bars[2])
			}
			// Two bars from the ex-date on need no action at all.
			if series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 2); err != nil || series.Notes != nil {
				t.Errorf("%q, %v", series.Notes, err)
			}
		})
	}
}

func TestUnexplainedSplitsAreNoVerdict(t *testing.T) {
	for _, test := range []struct {
		price, prev float64
		ratio       string
	}{
		{20.1, 20, "5:1"}, {50, 50, "2:1"}, {66.5, 66.65, "3:2"}, {10.2, 10, "10:1"}, {1000, 1000, "1:10"}, {40, 40, "5:2"}, {75, 75, "4:3"}, {26, 25, "4:1"}, {91, 90.9, "11:10"},
		{25, 25, "4:1"}, {13.35, 13.35, "15:2"},
		{50, 0, "2:1"}, // no previous close: the open speaks
	} {
		dir, name := crossing(t, test.price, test.prev)
		p := open(t, nse.Config{Dir: dir})
		_, err := p.Daily(t.Context(), "X.NS", 9)
		wantFault(t, err, market.CodeBadData, name+":2", fmt.Sprintf("ratio %s on 2024-07-10", test.ratio))
		wantFault(t, err, market.CodeBadData, name+":2", fmt.Sprintf("X,2024-07-10,split,%s to actions.csv", test.ratio))
		if _, err := p.Daily(t.Context(), "X.NS", 2); err != nil {
			t.Errorf("%s before the window: %v", test.ratio, err)
		}
		// What the error says to do helps, without a restart.
		nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte("symbol,ex_date,kind,ratio\nX,2024-07-10,split,"+test.ratio+"\n"))
		if _, err := p.Daily(t.Context(), "X.NS", 9); err != nil {
			t.Errorf("%s, explained: %v", test.ratio, err)
		}
	}
}

// Among many shares of which nothing is to be said, a small bonus of one shows.
func TestAnUnexplainedBonusAmongMany(t *testing.T) {
	dir := t.TempDir()
	sessions := nsetest.Weekdays(20, friday)
	nsetest.Archive(t, dir, nsetest.Config{Symbols: 60, Names: []string{"X", "Y"}, Sessions: sessions, Splits: []nsetest.Split{
		{Symbol: "X", Session: 10, Num: 11, Den: 10, Unexplained: true}, {Symbol: "Y", Session: 10, Num: 11, Den: 10},
	}})
	p := open(t, nse.Config{Dir: dir})
	_, err := p.Daily(t.Context(), "X.NS", 20)
	wantFault(t, err, market.CodeBadData, nse.FileName(sessions[10])+":2", "ratio 11:10 on "+sessions[10].Format(time.DateOnly))
	for _, ticker := range []string{"Y.NS", "SYNTH00002.NS"} {
		if _, err := p.Daily(t.Context(), ticker, 20); err != nil {
			t.Error(err)
		}
	}
}

func TestRealMovesAreNoSplits(t *testing.T) {
	for _, test := range []struct {
		price, prev float64
		warning     string
	}{
		{80, 100, ""}, {120, 100, ""}, {100, 100.45, ""},
		{97, 97.1, "2024-07-10: the exchange's previous close is 97.1 after a close of 100; a demerger"},
	} {
		dir, _ := crossing(t, test.price, test.prev)
		series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
		if err != nil {
			t.Errorf("%v: %v", test, err)
			continue
		}
		told := slices.IndexFunc(series.Warnings, func(w string) bool { return strings.HasPrefix(w, "2024-07-10") })
		if test.warning == "" && told >= 0 || test.warning != "" && (told < 0 || !strings.HasPrefix(series.Warnings[told], test.warning)) {
			t.Errorf("%v: warnings %q", test, series.Warnings)
		}
		if series.Bars[1].Close != 100 {
			t.Errorf("%v: the close became %v", test, series.Bars[1].Close)
		}
	}
}

// A wild open alone is only warned about.
func TestAWildOpenIsWarnedAbout(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "2024-07-09", rows("X EQ 100 102 98 100 101 1000"))
	put(t, dir, "2024-07-10", rows("X EQ 75 97 74 95 100 5000"))
	series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
	const want = "2024-07-10: opened at 75 after 100, further than the exchange lets a price move"
	if err != nil || !slices.ContainsFunc(series.Warnings, func(w string) bool { return strings.HasPrefix(w, want) }) {
		t.Errorf("%v, warnings %q", err, series.Warnings)
	}
}

// Whatever the exchange makes of its previous close, a step too large for a day
// is no verdict: the message names only ratios that are plain, and the line that
// says otherwise.
func TestUnexplainedStepsAreNoVerdict(t *testing.T) {
	number := regexp.MustCompile(`(split|bonus),[0-9]`)
	for _, test := range []struct {
		name        string
		price, prev float64
		line        string // that the message offers
		left        bool   // whether the exchange's list says Demerger
	}{
		{"a dividend in the previous close", 20.1, 19.8, "split,5:1", false},
		{"a previous close that is not adjusted", 20, 100, "split,5:1", false},
		{"that and a rise of 5 %", 10.5, 100, "split,10:1", false},
		{"that and a rise of 3 %", 51.5, 100, "split,2:1", false},
		{"that and a rise of 18 %", 59, 100, "factor,A:B", false},
		{"a bonus of 1:2 with it", 66, 100, "split,3:2", false},
		{"a bonus of 1:3 with it", 75.5, 100, "factor,A:B", false},
		{"a consolidation with it", 980, 100, "split,1:10", false},
		{"a bonus and a demerger", 37.2, 37, "factor,3700:10000", false},
		{"the same where a line says half of it", 37.2, 37, "factor,3700:10000", true},
		{"a split and rights", 18.8, 18.7, "factor,1870:10000", false},
		{"no previous close", 21.3, 0, "factor,A:B", false},
		{"a demerger in the open alone", 60, 100, "factor,A:B", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, name := crossing(t, test.price, test.prev)
			if test.left {
				nsetest.Write(t, filepath.Join(dir, "CF-CA-1.csv"), []byte("SYMBOL,PURPOSE,EX-DATE\nX,Demerger,10-Jul-2024\n"))
			}
			p := open(t, nse.Config{Dir: dir})
			_, err := p.Daily(t.Context(), "X.NS", 9)
			wantFault(t, err, market.CodeBadData, name+":2", "X,2024-07-10,"+test.line)
			wantFault(t, err, market.CodeBadData, name+":2", "X,2024-07-10,none, if prices really moved so")
			if offered := number.MatchString(err.Error()); offered != strings.HasPrefix(test.line, "split") {
				t.Errorf("a ratio is offered: %v", err)
			}
			nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte("symbol,ex_date,kind,ratio\nX,2024-07-10,none,\n"))
			if series, err := p.Daily(t.Context(), "X.NS", 9); err != nil || series.Bars[1].Close != 100 {
				t.Errorf("by the user's word nothing happened: %v", err)
			}
		})
	}
}

// The file of the ex-date may be the one that is missing.
func TestUnexplainedStepsAcrossHoles(t *testing.T) {
	for _, test := range []struct {
		price, factor float64
		found         bool
	}{
		{20, 5, true}, {20.2, 5, true}, {20.4, 5, true}, {51, 2, true}, {46, 2, true}, {65, 1.5, true}, {85, 1, false}, {115, 1, false},
	} {
		for _, prev := range []float64{100, 100 / test.factor, test.price, 0} { // of the day after the hole, whatever it is
			dir := t.TempDir()
			put(t, dir, "2024-07-08", rows("X EQ 100 102 98 101 99 1000"))
			put(t, dir, "2024-07-09", rows("X EQ 100 102 98 100 101 1000"))
			name := put(t, dir, "2024-07-11", rows(fmt.Sprintf("X EQ %v %v %v %[1]v %v 5000", test.price, test.price*1.02, test.price*0.98, prev)))
			p := open(t, nse.Config{Dir: dir})
			_, err := p.Daily(t.Context(), "X.NS", 9)
			if !test.found {
				if err != nil {
					t.Errorf("%+v, previous close %v: %v", test, prev, err)
				}
				continue
			}
			wantFault(t, err, market.CodeBadData, name+":2", "X,2024-07-11,none,")
			nsetest.Write(t, filepath.Join(dir, "actions.csv"), fmt.Appendf(nil, "symbol,ex_date,kind,ratio\nX,2024-07-10,split,%d:10\n", int(test.factor*10)))
			if series, err := p.Daily(t.Context(), "X.NS", 9); err != nil || series.Bars[1].Close != 100/test.factor {
				t.Errorf("%+v, previous close %v, explained: %v", test, prev, err)
			}
		}
	}
}

// Lines of one day multiply, and a factor changes prices but no volume.
func TestSeveralActionsOfOneDay(t *testing.T) {
	for _, test := range []struct {
		lines         []string
		price, prev   float64
		close, volume float64
	}{
		{[]string{"bonus,1:1", "factor,74:100"}, 37.2, 37, 37, 2000},
		{[]string{"split,5:1", "factor,935:1000"}, 18.8, 18.7, 18.7, 5000},
		{[]string{"split,5:1", "bonus,1:1"}, 10.1, 10, 10, 10000},
		{[]string{"factor,3700:10000"}, 37.2, 37, 37, 1000},
	} {
		dir, _ := crossing(t, test.price, test.prev)
		text := "symbol,ex_date,kind,ratio\n"
		for _, line := range test.lines {
			text += "X,2024-07-10," + line + "\n"
		}
		nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte(text))
		series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
		if err != nil || math.Abs(series.Bars[1].Close-test.close) > 1e-9 || series.Bars[1].Volume != test.volume || len(series.Notes) != len(test.lines) {
			t.Errorf("%q: %+v, %q, %v", test.lines, series.Bars, series.Notes, err)
		}
		// Not with one of them alone.
		if len(test.lines) > 1 {
			nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte(strings.Join(strings.SplitAfter(text, "\n")[:2], "")))
			if _, err = open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9); err == nil {
				t.Errorf("%s alone explains %q", test.lines[0], test.lines)
			}
		}
	}
}

func TestContradictionsAreNoVerdict(t *testing.T) {
	for _, test := range []struct {
		line        string
		price, prev float64
	}{
		{"split,5:1", 100, 100},  // nothing happened
		{"split,10:1", 20, 20},   // it was five for one
		{"bonus,1:1", 66, 66.65}, // it was one for two
		{"split,5:1", 50, 50},
		{"split,1:5", 20, 20},
		{"split,10:1", 20, 100}, // the open says five
	} {
		dir, _ := crossing(t, test.price, test.prev)
		nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte("symbol,ex_date,kind,ratio\nX,2024-07-10,"+test.line+"\n"))
		_, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
		wantFault(t, err, market.CodeBadData, "actions.csv:2", "contradicts the prices: a close of 100")
	}
}

func TestFaultsOfActionFiles(t *testing.T) {
	const header = "symbol,ex_date,kind,ratio\n"
	const exchange = "SYMBOL,COMPANY NAME,SERIES,PURPOSE,FACE VALUE,EX-DATE\n"
	for _, test := range []struct {
		name, text, where, reason string
		others                    bool // whether other tickers suffer too
	}{
		{"no header", "X,2024-07-10,split,5:1\n", "actions.csv:1", "the header is neither", true},
		{"torn line", header + "X,2024-07-10\n", "actions.csv:2", "2 fields instead of 4", true},
		{"no symbol", header + ",2024-07-10,split,5:1\n", "actions.csv:2", "the symbol is empty", true},
		{"a quote", header + "X,\"2024-07-10,split,5:1\n", "actions.csv:2", "quote", true},
		{"kind", header + "X,2024-07-10,splat,5:1\n", "actions.csv:2", `kind "splat" is not split`, false},
		{"ratio", header + "X,2024-07-10,split,5\n", "actions.csv:2", `ratio "5" is not two whole numbers`, false},
		{"zero", header + "X,2024-07-10,split,5:0\n", "actions.csv:2", "not two whole numbers", false},
		{"date", header + "X,10/07/2024,split,5:1\n", "actions.csv:2", `the ex-date "10/07/2024"`, false},
		{"purpose", exchange + "X,X Limited,EQ,Bonus Issue,10,10-Jul-2024\n", "actions.csv:2", `the purpose "Bonus Issue" speaks of a split or bonus`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, _ := crossing(t, 100, 100)
			for _, session := range []string{"2024-07-10", "2024-07-11"} {
				put(t, dir, session, rows("X EQ 100 102 98 100 100 9", "Y EQ 100 102 98 100 100 9"))
			}
			p := open(t, nse.Config{Dir: dir})
			nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte(test.text))
			_, err := p.Daily(t.Context(), "X.NS", 9)
			wantFault(t, err, market.CodeBadData, test.where, test.reason)
			if _, err := p.Daily(t.Context(), "Y.NS", 9); (err != nil) != test.others {
				t.Errorf("another ticker: %v", err)
			}
			if _, err := nse.New(nse.Config{Dir: dir}); (err != nil) != test.others {
				t.Errorf("opening: %v", err)
			}
		})
	}
	t.Run("overridden by the user's line", func(t *testing.T) {
		dir, _ := crossing(t, 50, 50)
		nsetest.Write(t, filepath.Join(dir, "CF-CA-2024.csv"), []byte(exchange+"X,X Limited,EQ,Bonus Issue,10,10-Jul-2024\n"))
		nsetest.Write(t, filepath.Join(dir, "mine.csv"), []byte(header+"X,2024-07-10,bonus,1:1\n"))
		series, err := open(t, nse.Config{Dir: dir, ActionsFile: filepath.Join(dir, "mine.csv")}).Daily(t.Context(), "X.NS", 9)
		if err != nil || !slices.Equal(series.Notes, []string{"bonus 1:1 on 2024-07-10 taken out (mine.csv:2)"}) {
			t.Errorf("%q, %v", series.Notes, err)
		}
	})
	t.Run("without a date", func(t *testing.T) {
		dir, _ := crossing(t, 100, 100)
		nsetest.Write(t, filepath.Join(dir, "CF-CA-2024.csv"), []byte(exchange+"X,X Limited,EQ,Bonus 1:1,10,-\n"))
		p := open(t, nse.Config{Dir: dir})
		_, err := p.Daily(t.Context(), "X.NS", 9)
		wantFault(t, err, market.CodeBadData, "CF-CA-2024.csv:2", "add the line X,-,none, to actions.csv")
		nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte(header+"X,-,none,\n"))
		if series, err := p.Daily(t.Context(), "X.NS", 9); err != nil || series.Notes != nil {
			t.Errorf("%q, %v", series.Notes, err)
		}
		nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte(header+"X,-,split,5:1\n"))
		_, err = p.Daily(t.Context(), "X.NS", 9)
		wantFault(t, err, market.CodeBadData, "actions.csv:2", `the ex-date "-"`)
	})
	t.Run("before the window", func(t *testing.T) {
		dir, _ := crossing(t, 100, 100)
		nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte(exchange+"X,X Limited,EQ,Bonus Issue,10,10-Jul-2024\n"))
		if _, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 1); err != nil {
			t.Error(err)
		}
	})
}

// After adjustment every bar is, to rounding to the tick, on one scale: the
// invented market has small moves only, so a factor left in or out would show.
func TestSeveralSplitsOnOneScale(t *testing.T) {
	dir := t.TempDir()
	sessions := nsetest.Weekdays(250, friday)
	nsetest.Archive(t, dir, nsetest.Config{Symbols: 30, Names: []string{"X"}, Sessions: sessions, Splits: []nsetest.Split{
		{Symbol: "X", Session: 40, Num: 2, Den: 1}, {Symbol: "X", Session: 41, Num: 3, Den: 2}, {Symbol: "X", Session: 200, Num: 1, Den: 5},
	}})
	series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 250)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(series.Bars); i++ {
		if move := math.Abs(series.Bars[i].Close/series.Bars[i-1].Close - 1); move > 0.06 {
			t.Errorf("%s: %.1f %%", series.Bars[i].Date.Format(time.DateOnly), 100*move)
		}
	}
	if len(series.Notes) != 3 || !strings.HasPrefix(series.Notes[0], "split 2:1 on "+sessions[40].Format(time.DateOnly)) {
		t.Errorf("notes %q", series.Notes)
	}
}

func TestISINChangeIsNoted(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "2024-07-11", rows("X EQ 100 102 98 100 100 9"))
	after := rows("X EQ 100 102 98 100 100 9")
	after[0].ISIN = "INE000000002"
	put(t, dir, "2024-07-12", after)
	series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
	if err != nil || !slices.Equal(series.Notes, []string{"the ISIN became INE000000002 on 2024-07-12, before it was INE000000001"}) {
		t.Errorf("%q, %v", series.Notes, err)
	}
}
