package nse_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

func TestDividendsOfPurposes(t *testing.T) {
	for purpose, want := range map[string]float64{
		"Dividend - Rs 2 Per Share":                                                    2,
		"Interim Dividend - Rs 12.50 Per Share":                                        12.5,
		"Dividend - Re 0.50 Per Share":                                                 0.5,
		"Int Div-Rs.2.50 Per Sh":                                                       2.5,
		"Annual General Meeting/Dividend - Rs 3/- Per Share":                           3,
		"Interim Dividend - Rs 5 Per Share/Special Dividend - Rs 1,007.50":             1012.5,
		"Dividend - Rs 5 Per Share + Special Dividend - Rs 10 Per Share":               15,
		"Dividend - Rs 3 Per Share/Bonus 1:1":                                          3,
		"Dividend - 50%":                                                               0,
		"Annual General Meeting":                                                       0,
		"Rights 1:4 @ Premium Rs 8/-":                                                  0,
		"Face Value Split (Sub-Division) - From Rs 10/- Per Share To Rs 2/- Per Share": 0,
		"Interest Payment - Rs 9":                                                      0,
	} {
		if _, _, got, err := nse.PurposeRatio(purpose); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", purpose, got, err, want)
		}
	}
}

// lists writes what the exchange's list of corporate actions says of X.
func lists(t *testing.T, dir string, purposes ...string) {
	t.Helper()
	text := "SYMBOL,PURPOSE,EX-DATE\n"
	for _, purpose := range purposes {
		text += "X," + purpose + ",10-Jul-2024\n"
	}
	nsetest.Write(t, filepath.Join(dir, "CF-CA-1.csv"), []byte(text))
}

// A previous close that is another than the close before by more than 4 % needs
// a line, whatever its ratio; by less it needs one if it is exactly a bonus's.
func TestPreviousClosesThatNoLineExplains(t *testing.T) {
	for _, test := range []struct {
		name  string
		prev  float64
		lines []string
		want  string // of the error; "warned" or "noted" without one
	}{
		{"a bonus of 1:3 and a dividend", 74.5, nil, "X,2024-07-10,factor,7450:10000"},
		{"a bonus of 3:11", 78.55, nil, "X,2024-07-10,factor,7855:10000"},
		{"a bonus of 1:20", 95.25, nil, "split,21:20"},
		{"a bonus of 1:15", 93.75, nil, "split,16:15"},
		{"a bonus of 1:25", 96.15, nil, "split,26:25"},
		{"a bonus of 1:50", 98.05, nil, "split,51:50"},
		{"a consolidation of 4:5", 125, nil, "split,4:5"},
		{"a consolidation of 2:3", 150, nil, "X,2024-07-10,factor,15000:10000"},
		{"a demerger", 73.1, nil, "X,2024-07-10,factor,7310:10000"},
		{"rights", 87, nil, "X,2024-07-10,factor,8700:10000"},
		{"5 % up", 105.1, nil, "X,2024-07-10,factor,10510:10000"},
		{"3 %", 97.1, nil, "warned"},
		{"3 % up", 103.1, nil, "warned"},
		{"a demerger that is listed", 73.1, []string{"Demerger"}, "noted"},
		{"rights that are listed", 87, []string{"Rights 1:4 @ Premium Rs 8/-"}, "noted"},
		{"a demerger beyond 1.4", 70, []string{"Demerger"}, "X,2024-07-10,factor,7000:10000"},
		{"a dividend that is listed", 88, []string{"Dividend - Rs 12 Per Share"}, "noted"},
		{"a small one", 98.05, []string{"Interim Dividend - Rs 1.95 Per Share"}, "noted"},
		{"two in one line", 88, []string{"Dividend - Rs 7 Per Share/Special Dividend - Rs 5 Per Share"}, "noted"},
		{"two lines", 88, []string{"Interim Dividend - Rs 7 Per Share", "Dividend - Rs 5 Per Share"}, "noted"},
		{"a line and its correction", 93, []string{"Dividend - Rs 7 Per Share", "Dividend - Rs 7 Per Share (Revised)"}, "noted"},
		{"a dividend of another size", 75, []string{"Dividend - Rs 2 Per Share"}, "split,4:3"},
		{"a dividend of no size", 88, []string{"Dividend"}, "X,2024-07-10,factor,8800:10000"},
		{"a small one of another size", 97.1, []string{"Dividend - Rs 1 Per Share"}, "warned"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, name := crossing(t, test.prev, test.prev)
			if test.lines != nil {
				lists(t, dir, test.lines...)
			}
			series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
			if test.want != "warned" && test.want != "noted" {
				wantFault(t, err, market.CodeBadData, name+":2", test.want)
				wantFault(t, err, market.CodeBadData, name+":2", "X,2024-07-10,none, if prices really moved so")
				return
			}
			warned := slices.ContainsFunc(series.Warnings, func(w string) bool { return strings.Contains(w, "the exchange's previous close is") })
			noted := slices.ContainsFunc(series.Notes, func(n string) bool { return strings.Contains(n, " on 2024-07-10 left in the prices (CF-CA-1.csv:2)") })
			if err != nil || series.Bars[1].Close != 100 || noted != (test.want == "noted") || warned && test.want == "noted" && test.lines[0] != "Demerger" && !strings.HasPrefix(test.lines[0], "Rights") || !warned && test.want == "warned" {
				t.Errorf("%v, warnings %q, notes %q", err, series.Warnings, series.Notes)
			}
		})
	}
}

// A dividend whose previous close is the close before is nothing to speak of, and
// one without a date is none.
func TestDividendsAreNoNews(t *testing.T) {
	dir, _ := crossing(t, 98, 100)
	nsetest.Write(t, filepath.Join(dir, "CF-CA-1.csv"), []byte("SYMBOL,PURPOSE,EX-DATE\nX,Dividend - Rs 2 Per Share,10-Jul-2024\nX,Dividend - Rs 3 Per Share,-\n"))
	series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
	if err != nil || series.Notes != nil {
		t.Errorf("%v, %q", err, series.Notes)
	}
}

// An own line of a small bonus is believed where the previous close is silent,
// whatever the day's own move hides; one that the open cannot have is not.
func TestSmallBonusesByTheUsersWord(t *testing.T) {
	for _, test := range []struct {
		line   string
		price  float64
		factor float64 // 0: refused
		unsure bool
	}{
		{"bonus,1:10", 97, 1.1, true},
		{"bonus,1:5", 91.7, 1.2, true},
		{"bonus,1:4", 92, 1.25, true},
		{"split,9:10", 104, 0.9, true},
		{"bonus,1:10", 91, 1.1, false},
		{"bonus,1:10", 119, 0, false},
		{"bonus,1:3", 99, 0, false},
		{"split,3:4", 101, 0, false},
	} {
		dir, _ := crossing(t, test.price, 100)
		nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte("symbol,ex_date,kind,ratio\nX,2024-07-10,"+test.line+"\n"))
		series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
		if test.factor == 0 {
			wantFault(t, err, market.CodeBadData, "actions.csv:2", "contradicts the prices")
			continue
		}
		words := strings.Replace(test.line, ",", " ", 1)
		want := []string{words + " on 2024-07-10 taken out (actions.csv:2)"}
		if test.unsure {
			want = append(want, words+" on 2024-07-10: the prices neither confirm nor contradict it")
		}
		if err != nil || math.Abs(series.Bars[1].Close-100/test.factor) > 1e-9 {
			t.Errorf("%+v: %v", test, err)
		}
		if diff := cmp.Diff(want, series.Notes); diff != "" {
			t.Errorf("%+v: %s", test, diff)
		}
	}
	// The exchange's own line is held against the prices as ever: it may be of another day.
	dir, _ := crossing(t, 97, 100)
	lists(t, dir, "Bonus 1:10")
	_, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
	wantFault(t, err, market.CodeBadData, "CF-CA-1.csv:2", "contradicts the prices")
}

// A line that only the open can bear out may be of the wrong ratio: it is told of
// where a plain one is nearer, and refused where the exchange lets no price open.
func TestLinesOfTheWrongRatio(t *testing.T) {
	for _, test := range []struct {
		line  string
		price float64
		want  string // of the warning, or of the error that begins with !
	}{
		{"split,4:1", 20.1, "actions.csv:2: split 4:1 on 2024-07-10 leaves a step of -20 % from the close of 100 to the open of 20.1, and the exchange's previous close does not confirm it; 5:1 is nearer: look it up"},
		{"split,5:1", 23.5, "5:1 on 2024-07-10 leaves a step of +18 % from the close of 100 to the open of 23.5, and the exchange's previous close does not confirm it; 4:1 is nearer: look it up"},
		{"bonus,1:2", 54, "bonus 1:2 on 2024-07-10 leaves a step of -19 % from the close of 100 to the open of 54, and the exchange's previous close does not confirm it; 2:1 is nearer: look it up"},
		{"split,5:1", 20.1, ""},
		{"split,5:1", 18.2, ""}, // a fall of 9 %
		{"bonus,3:7", 68, ""},   // 10:7 and a fall of 3 %, though 3:2 is nearer
		{"bonus,1:4", 92, ""},
		{"split,4:1", 31, "!split 4:1 on 2024-07-10 contradicts the prices: a close of 100, then a previous close of 100 and an open of 31, to which 3:1 is nearer"},
		{"split,5:1", 24.5, "!an open of 24.5, to which 4:1 is nearer"},
		{"split,5:1", 15.9, "!an open of 15.9, to which 15:2 is nearer"},
		{"split,10:1", 20, "!an open of 20, to which 5:1 is nearer"},
		{"split,5:1", 100, "!an open of 100;"},
		{"bonus,1:1", 60.1, "!an open of 60.1, to which 3:2 is nearer"},
	} {
		dir, _ := crossing(t, test.price, 100)
		nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte("symbol,ex_date,kind,ratio\nX,2024-07-10,"+test.line+"\n"))
		series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
		if want, refused := strings.CutPrefix(test.want, "!"); refused {
			wantFault(t, err, market.CodeBadData, "actions.csv:2", want)
			continue
		}
		told := slices.IndexFunc(series.Warnings, func(w string) bool { return strings.Contains(w, "does not confirm it") })
		if err != nil || (told >= 0) != (test.want != "") || told >= 0 && !strings.Contains(series.Warnings[told], test.want) {
			t.Errorf("%+v: %q, %v", test, series.Warnings, err)
		}
	}
	// What the previous close bears out is not asked of the open.
	dir, _ := crossing(t, 20.1, 25)
	nsetest.Write(t, filepath.Join(dir, "actions.csv"), []byte("symbol,ex_date,kind,ratio\nX,2024-07-10,split,4:1\n"))
	if series, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9); err != nil || slices.ContainsFunc(series.Warnings, func(w string) bool { return strings.Contains(w, "nearer") }) {
		t.Errorf("%q, %v", series.Warnings, err)
	}
}

// Splits whose ex-date has no file show in the open and the close after it.
func TestSmallerStepsAcrossHoles(t *testing.T) {
	for _, test := range []struct {
		price float64
		to    string
		found bool
	}{
		{72, "2024-07-11", true},   // a bonus of 1:2 and a rise of 8 %
		{75, "2024-07-11", true},   // a bonus of 1:3
		{79, "2024-07-11", false},  // a bonus of 1:4
		{63.2, "2024-07-18", true}, // a bonus of 1:1 and a rise of 26 %, six sessions
		{70, "2024-07-18", false},
		{64, "2024-07-26", false}, // never more than a factor of 1.6
		{61, "2024-07-26", true},
	} {
		dir := t.TempDir()
		put(t, dir, "2024-07-08", rows("X EQ 100 102 98 101 99 1000"))
		put(t, dir, "2024-07-09", rows("X EQ 100 102 98 100 101 1000"))
		name := put(t, dir, test.to, rows(fmt.Sprintf("X EQ %v %v %v %[1]v %[1]v 5000", test.price, test.price*1.02, test.price*0.98)))
		_, err := open(t, nse.Config{Dir: dir}).Daily(t.Context(), "X.NS", 9)
		if !test.found {
			if err != nil {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		wantFault(t, err, market.CodeBadData, name+":2", "X,"+test.to+",none,")
	}
}
