package universe_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/referencedata"
	"github.com/tapedeck/tapedeck/internal/universe"
)

// TestEquityList: series, placeholders, symbols with marks, the spaces that the
// exchange writes into its header.
func TestEquityList(t *testing.T) {
	var b strings.Builder
	b.WriteString("SYMBOL,NAME OF COMPANY, SERIES, DATE OF LISTING, PAID UP VALUE, MARKET LOT, ISIN NUMBER, FACE VALUE\n")
	for _, row := range []string{"M&M,Mahindra,EQ", "BAJAJ-AUTO,Bajaj,BE", "OLD,Old,BZ", "SMALL,Small,SM", "DUMMYREL,Demerged,EQ", "M&M,Mahindra again,BE"} {
		b.WriteString(row + ",06-OCT-2008,5,1,INE144J01027,5\n")
	}
	for i := range 1500 {
		fmt.Fprintf(&b, "S%d,Company,EQ,06-OCT-2008,5,1,INE144J01027,5\n", i)
	}
	e := newExchange(t)
	e.answers(b.String())
	list := must(t, open(e, "", newClock()), "nse_equity")
	if diff := cmp.Diff([]string{"M&M.NS", "BAJAJ-AUTO.NS", "OLD.NS", "S0.NS"}, list.Tickers[:4]); diff != "" || len(list.Tickers) != 1503 {
		t.Errorf("%d tickers: %s", len(list.Tickers), diff)
	}
}

const nasdaqHeader = "Symbol|Security Name|Market Category|Test Issue|Financial Status|Round Lot Size|ETF|NextShares\r\n"

func TestNASDAQDirectory(t *testing.T) {
	rows := strings.Join([]string{
		"AAPL|Apple Inc. - Common Stock|Q|N|N|100|N|N",
		"FUNC|First United Corporation - Common Stock|Q|N|N|100|N|N",
		"ASML|ASML Holding N.V. - New York Registry Shares|Q|N|N|100|N|N",
		"PDD|PDD Holdings Inc. - American Depositary Shares|Q|N|N|100|N|N",
		"QQQ|Invesco QQQ Trust, Series 1|G|N|N|100|Y|N",
		"ZVZZT|NASDAQ TEST STOCK|G|Y|N|100|N|N",
		"ABCDW|Some \"Odd\" Acquisition Corp. - Warrant|S|N|N|100|N|N",
		"ABCDU|Some Acquisition Corp. - Unit|S|N|N|100|N|N",
		"ABCDR|Some Acquisition Corp. - Rights|S|N|N|100|N|N",
		"AGNCP|AGNC Investment Corp. - Depositary Shares Series F|Q|N|N|100|N|N",
		"AFGB|Some Corp. - 5.875% Notes due 2059|Q|N|N|100|N|N",
	}, "\r\n") + "\r\n"
	for i := range 1500 {
		rows += fmt.Sprintf("X%c%c%c|Company - Common Stock|Q|N|N|100|N|N\r\n", 'A'+i%26, 'A'+i/26%26, 'A'+i/676)
	}
	e := newExchange(t)
	e.answers(nasdaqHeader + rows + "File Creation Time: 1125202618:01|||||||\r\n")
	list := must(t, open(e, "", newClock()), "nasdaq_listed")
	if diff := cmp.Diff([]string{"AAPL", "FUNC", "ASML", "PDD", "XAAA"}, list.Tickers[:5]); diff != "" || len(list.Tickers) != 1504 {
		t.Errorf("%d tickers: %s", len(list.Tickers), diff)
	}

	e.answers(nasdaqHeader + rows) // cut off at a line's end
	if _, err := open(e, "", newClock()).Tickers(t.Context(), "nasdaq_listed"); err == nil || !strings.Contains(err.Error(), "it was cut off") {
		t.Errorf("without its last line: %v", err)
	}
}

func TestNYSEDirectory(t *testing.T) {
	rows := strings.Join([]string{
		"IBM|International Business Machines Corporation Common Stock|N|IBM|N|100|N|IBM",
		"BRK.B|Berkshire Hathaway Inc. Class B|N|BRK.B|N|100|N|BRK.B",
		"ET|Energy Transfer LP Common Units|N|ET|N|100|N|ET",
		"ITUB|Itau Unibanco American Depositary Shares (Each repstg one Preferred share)|N|ITUB|N|100|N|ITUB",
		"IMO|Imperial Oil Limited Common Stock|A|IMO|N|100|N|IMO",
		"SPY|SPDR S&P 500 ETF Trust|P|SPY|Y|100|N|SPY",
		"ARCA|A Share on Arca|P|ARCA|N|100|N|ARCA",
		"ABR$D|Arbor Realty Trust Preferred Stock|N|ABRpD|N|100|N|ABR-D",
		"XYZ.U|XYZ Holdings Units, each consisting of one share|N|XYZ.U|N|100|N|XYZ=",
		"XYZ.W|XYZ Holdings Warrants|N|XYZ.WS|N|100|N|XYZ+",
		"XYZ.WS|XYZ Holdings Warrants|N|XYZ.WS|N|100|N|XYZ+",
		"XYZN|Example Corp 4.5% Senior Notes due 2030|N|XYZN|N|100|N|XYZN",
		"NTEST|NYSE Test|N|NTEST|N|100|Y|NTEST",
	}, "\n") + "\n"
	for i := range 1200 {
		rows += fmt.Sprintf("X%c%c%c|Company Common Stock|N|X|N|100|N|X\n", 'A'+i%26, 'A'+i/26%26, 'A'+i/676)
	}
	e := newExchange(t)
	e.answers("ACT Symbol|Security Name|Exchange|CQS Symbol|ETF|Round Lot Size|Test Issue|NASDAQ Symbol\n" + rows + "File Creation Time: 1125202618:01|||||||\n")
	list := must(t, open(e, "", newClock()), "nyse_listed")
	if diff := cmp.Diff([]string{"IBM", "BRK-B", "ET", "ITUB", "IMO", "XAAA"}, list.Tickers[:6]); diff != "" || len(list.Tickers) != 1205 {
		t.Errorf("%d tickers: %s", len(list.Tickers), diff)
	}
}

// TestRealLists: the files as the exchange published them.
func TestRealLists(t *testing.T) {
	e := newExchange(t)
	e.answers(string(referencedata.Read(t, "universes/nifty500_2026-03-05.csv")))
	if list := must(t, open(e, "", newClock()), "nifty500"); len(list.Tickers) != 500 {
		t.Errorf("nifty500: %d tickers", len(list.Tickers))
	}

	// As @file, the same file is NSE's, too.
	for file, want := range map[string]int{"nifty500_2026-03-05.csv": 500, "nifty50_2026-06-21.csv": 50, "nse_all_2025-11-14.csv": 2192} {
		tickers, err := universe.ParseFile(bytes.NewReader(referencedata.Read(t, "universes/"+file)), file)
		if err != nil || len(tickers) != want || !strings.HasSuffix(tickers[0], ".NS") {
			t.Errorf("%s: %d tickers, %v", file, len(tickers), err)
		}
	}

	// The equity list's shape around the real 2,192 symbols.
	rows := referencedata.Rows(t, referencedata.Path(t, "universes/nse_all_2025-11-14.csv"))
	var b strings.Builder
	b.WriteString("SYMBOL,NAME OF COMPANY, SERIES\n")
	out := csv.NewWriter(&b)
	for _, row := range rows[1:] {
		if err := out.Write([]string{row[0], row[1], "EQ"}); err != nil {
			t.Fatal(err)
		}
	}
	out.Flush()
	e.answers(b.String())
	if list := must(t, open(e, "", newClock()), "nse"); len(list.Tickers) != 2192 {
		t.Errorf("nse: %d tickers", len(list.Tickers))
	}
}
