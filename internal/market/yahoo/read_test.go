package yahoo_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/yahoo"
	"github.com/tapedeck/tapedeck/internal/market/yahoo/yahootest"
	"github.com/tapedeck/tapedeck/internal/referencedata"
)

// recorded serves one of Yahoo's own answers, which are kept beside the project.
func recorded(t *testing.T, name string) string {
	t.Helper()
	text := referencedata.Read(t, "yahoo/"+name)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil // the tests set the clock
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		_, _ = w.Write(text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestRecordedAnswers(t *testing.T) {
	p := open(t, time.Date(2025, 2, 22, 0, 0, 0, 0, time.UTC), nil, recorded(t, "raw_historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json"))
	series := bars(t, p, "NVDA", 252)
	if diff := cmp.Diff([]string{"yahoo reports a split 4:1 on 2021-07-20, already taken out"}, series.Notes); diff != "" {
		t.Errorf("notes (-want +got)\n%s", diff)
	}
	if len(series.Bars) != 252 || last(series) != "2022-01-28" || series.Currency != "USD" || series.Adjustment != market.AdjustmentSplits {
		t.Errorf("%d bars up to %s in %q, adjusted for %s", len(series.Bars), last(series), series.Currency, series.Adjustment)
	}
	if got := bars(t, p, "NVDA", 100); got.Notes != nil {
		t.Errorf("the split is before the bars, but the notes say %q", got.Notes)
	}

	apple := recorded(t, "raw_chart-AAPL-2020-08-31-to-2020-11-07.json")
	series = bars(t, open(t, time.Date(2025, 2, 22, 0, 0, 0, 0, time.UTC), nil, apple), "AAPL", 49)
	want := market.Bar{
		Date: day(2020, 11, 6), Open: 118.31999969482422, High: 119.19999694824219, Low: 116.12999725341797,
		Close: 118.69000244140625, Volume: 114457900,
	}
	if diff := cmp.Diff(want, series.Bars[48]); diff != "" {
		t.Errorf("the last bar (-want +got)\n%s", diff)
	}
	adjusted := bars(t, open(t, time.Date(2025, 2, 22, 0, 0, 0, 0, time.UTC),
		func(c *yahoo.Config) { c.Adjustment = market.AdjustmentSplitsDividends }, apple), "AAPL", 49)
	if got := adjusted.Bars[48]; adjusted.Adjustment != market.AdjustmentSplitsDividends || got.Close != 115.93415069580078 ||
		got.High/got.Close != want.High/want.Close && abs(got.High/got.Close-want.High/want.Close) > 1e-12 {
		t.Errorf("adjusted for %s the last bar is %v", adjusted.Adjustment, got)
	}
	if diff := cmp.Diff([]string{"1 dividends taken out by yahoo's adjusted closes"}, adjusted.Notes); diff != "" {
		t.Errorf("notes (-want +got)\n%s", diff)
	}

	for _, name := range []string{"raw_chart-AAPL-2025-02-01-to-2025-02-02-includePrePost-false-interval-1m.json", "raw_chart-TSLA-2025-01-01-to-2025-01-02-interval-1h.fake.json"} {
		ticker := strings.Split(name, "-")[1]
		_, err := open(t, friday, nil, recorded(t, name)).Daily(t.Context(), ticker, 1)
		wantError(t, err, market.CodeBadData, "asked for daily bars")
	}
}

func abs(x float64) float64 { return max(x, -x) }

// odd serves five days of X, changed by edit, at the end of the last.
func odd(t *testing.T, ticker string, edit func(*yahootest.Chart)) (market.Series, error) {
	t.Helper()
	var week []yahootest.Bar
	for i := range 5 {
		price := 100 + float64(i)
		week = append(week, yahootest.NewBar(day(2026, 8, 24+i), [4]float64{price, price + 2, price - 2, price + 1}, 1000+float64(i)))
	}
	s := yahootest.New(t, yahootest.Config{
		Now: fixed(friday), Bars: map[string][]yahootest.Bar{ticker: week},
		Edit: func(_ string, c *yahootest.Chart) { edit(c) },
	})
	series, err := open(t, friday, nil, s.URL).Daily(t.Context(), ticker, 5)
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests, want one: another would be answered the same", n)
	}
	if fault, ok := err.(*market.Error); ok && fault.Where != s.URL+"/v8/finance/chart/"+ticker {
		t.Errorf("the place is %q", fault.Where)
	}
	return series, err
}

func TestNullsAndRepeats(t *testing.T) {
	pointer := func(x float64) *float64 { return &x }
	cases := []struct {
		name     string
		edit     func(c *yahootest.Chart)
		dates    string // days of August
		warnings []string
	}{
		{"nothing odd", func(*yahootest.Chart) {}, "24 25 26 27 28", nil},
		{"a close is null", func(c *yahootest.Chart) { c.Indicators.Quote[0].Close[1] = nil }, "24 26 27 28", []string{"1 days without prices left out: 2026-08-25"}},
		{"an open is null", func(c *yahootest.Chart) { c.Indicators.Quote[0].Open[3] = nil }, "24 25 26 28", []string{"1 days without prices left out: 2026-08-27"}},
		{"the newest is null", func(c *yahootest.Chart) { c.Indicators.Quote[0].High[4] = nil }, "24 25 26 27", []string{"1 days without prices left out: 2026-08-28"}},
		{"nulls before the first are no gap", func(c *yahootest.Chart) { c.Indicators.Quote[0].Low[0] = nil }, "25 26 27 28", nil},
		{"a volume is null", func(c *yahootest.Chart) { c.Indicators.Quote[0].Volume[2] = nil }, "24 25 26 27 28",
			[]string{"1 of 5 days without volume", "1 days without a volume, taken as 0: 2026-08-26"}},
		{"volumes are null", func(c *yahootest.Chart) { clear(c.Indicators.Quote[0].Volume[:4]) }, "24 25 26 27 28",
			[]string{"4 of 5 days without volume", "4 days without a volume, taken as 0: 2026-08-24, 2026-08-25, 2026-08-26, ..."}},
		{"the last day stands twice", func(c *yahootest.Chart) {
			repeat(c, 4, pointer(1004))
		}, "24 25 26 27 28", nil},
		{"the second of two has no prices", func(c *yahootest.Chart) {
			repeat(c, 4, pointer(5000))
			c.Indicators.Quote[0].Close[5] = nil
		}, "24 25 26 27 28", nil},
		{"the first of two has no prices", func(c *yahootest.Chart) {
			repeat(c, 4, pointer(1004))
			c.Indicators.Quote[0].Close[4], c.Indicators.Quote[0].Volume[4] = nil, pointer(5000)
		}, "24 25 26 27 28", nil},
	}
	whole, err := odd(t, "X", func(*yahootest.Chart) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := odd(t, "X", c.edit)
			if err != nil {
				t.Fatal(err)
			}
			var dates []string
			for _, bar := range got.Bars {
				dates = append(dates, bar.Date.Format("2"))
				if want := whole.Bars[bar.Date.Day()-24]; bar.Open != want.Open || bar.Close != want.Close || (bar.Volume != want.Volume && bar.Volume != 0) {
					t.Errorf("a bar is %v, was %v", bar, want)
				}
			}
			if strings.Join(dates, " ") != c.dates {
				t.Errorf("bars of %v, want %s", dates, c.dates)
			}
			if diff := cmp.Diff(c.warnings, got.Warnings); diff != "" {
				t.Errorf("warnings (-want +got)\n%s", diff)
			}
		})
	}
	_, err = odd(t, "X", func(c *yahootest.Chart) { clear(c.Indicators.Quote[0].Close) })
	wantError(t, err, market.CodeNoData, "no bars")
}

// repeat adds a live row of the last day after row i, an hour later, with a volume.
func repeat(c *yahootest.Chart, i int, volume *float64) {
	q := &c.Indicators.Quote[0]
	c.Timestamp = append(c.Timestamp, c.Timestamp[i]+3600)
	q.Open, q.High, q.Low = append(q.Open, q.Open[i]), append(q.High, q.High[i]), append(q.Low, q.Low[i])
	q.Close, q.Volume = append(q.Close, q.Close[i]), append(q.Volume, volume)
	c.Indicators.AdjClose[0].AdjClose = append(c.Indicators.AdjClose[0].AdjClose, q.Close[i])
}

// Of two rows of one day the fuller one counts, wherever it stands.
func TestRepeatedDayKeepsTheFuller(t *testing.T) {
	for _, first := range []bool{true, false} {
		got, err := odd(t, "X", func(c *yahootest.Chart) {
			repeat(c, 4, new(float64))
			less, half := 4, 500.0
			if first {
				less = 5
			}
			price := 103.5
			c.Indicators.Quote[0].Close[less], c.Indicators.Quote[0].Volume[less] = &price, &half
			if !first {
				more := 1004.0
				c.Indicators.Quote[0].Volume[5] = &more
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if bar := got.Bars[4]; bar.Close != 105 || bar.Volume != 1004 {
			t.Errorf("the fuller row first: %v: got %v", first, bar)
		}
	}
}

// A day on which the exchange was shut is no bar, unless something was traded.
func TestDaysWithoutASession(t *testing.T) {
	labor := func(volume float64) []yahootest.Bar { // Labor Day is 2025-09-01
		return []yahootest.Bar{
			yahootest.NewBar(day(2025, 8, 29), [4]float64{10, 11, 9, 10}, 5), yahootest.NewBar(day(2025, 9, 1), [4]float64{10, 10, 10, 10}, volume), yahootest.NewBar(day(2025, 9, 2), [4]float64{10, 11, 9, 10}, 5),
		}
	}
	ask := func(bars []yahootest.Bar) market.Series {
		s := yahootest.New(t, yahootest.Config{Now: fixed(day(2025, 9, 5)), Bars: map[string][]yahootest.Bar{"X": bars}})
		series, err := open(t, day(2025, 9, 5), nil, s.URL).Daily(t.Context(), "X", 3)
		if err != nil {
			t.Fatal(err)
		}
		return series
	}
	quiet := ask(labor(0))
	if diff := cmp.Diff([]string{"1 days without a session, which had prices but no volume, left out: 2025-09-01"}, quiet.Warnings); diff != "" || len(quiet.Bars) != 2 {
		t.Errorf("%d bars, warnings (-want +got)\n%s", len(quiet.Bars), diff)
	}
	if traded := ask(labor(7)); len(traded.Bars) != 3 || traded.Warnings != nil {
		t.Errorf("with volume: %d bars, warnings %q", len(traded.Bars), traded.Warnings)
	}
	empty := labor(0)
	empty[1] = yahootest.Bar{Date: empty[1].Date}
	if got := ask(empty); len(got.Bars) != 2 || got.Warnings != nil {
		t.Errorf("nulls on a holiday: %d bars, warnings %q", len(got.Bars), got.Warnings)
	}
}

func TestAnswersThatCannotBe(t *testing.T) {
	short := func(column *[]*float64) { *column = (*column)[1:] }
	for name, c := range map[string]struct {
		edit func(c *yahootest.Chart)
		code market.Code
		says string
	}{
		"fewer opens":     {func(c *yahootest.Chart) { short(&c.Indicators.Quote[0].Open) }, market.CodeBadData, "4 values of open for 5 dates"},
		"fewer highs":     {func(c *yahootest.Chart) { short(&c.Indicators.Quote[0].High) }, market.CodeBadData, "4 values of high"},
		"fewer lows":      {func(c *yahootest.Chart) { short(&c.Indicators.Quote[0].Low) }, market.CodeBadData, "4 values of low"},
		"fewer closes":    {func(c *yahootest.Chart) { short(&c.Indicators.Quote[0].Close) }, market.CodeBadData, "4 values of close"},
		"no volumes":      {func(c *yahootest.Chart) { c.Indicators.Quote[0].Volume = nil }, market.CodeBadData, "0 values of volume"},
		"fewer adjusted":  {func(c *yahootest.Chart) { short(&c.Indicators.AdjClose[0].AdjClose) }, market.CodeBadData, "4 values of adjclose"},
		"fewer dates":     {func(c *yahootest.Chart) { c.Timestamp = c.Timestamp[1:] }, market.CodeBadData, "for 4 dates"},
		"no table":        {func(c *yahootest.Chart) { c.Indicators.Quote = []yahootest.Quote{} }, market.CodeBadData, "0 tables"},
		"no dates":        {func(c *yahootest.Chart) { c.Timestamp = nil }, market.CodeNoData, "no bars"},
		"another ticker":  {func(c *yahootest.Chart) { c.Meta.Symbol = "Y" }, market.CodeBadData, `asked for X, yahoo answered about "Y"`},
		"other bars":      {func(c *yahootest.Chart) { c.Meta.DataGranularity = "1mo" }, market.CodeBadData, `with "1mo"`},
		"unknown zone":    {func(c *yahootest.Chart) { c.Meta.ExchangeTimezoneName = "Mars/Olympus" }, market.CodeBadData, "Mars/Olympus"},
		"no zone":         {func(c *yahootest.Chart) { c.Meta.ExchangeTimezoneName = "" }, market.CodeBadData, "time zone"},
		"this machine's":  {func(c *yahootest.Chart) { c.Meta.ExchangeTimezoneName = "Local" }, market.CodeBadData, "time zone"},
		"high below low":  {func(c *yahootest.Chart) { *c.Indicators.Quote[0].High[3] = 90 }, market.CodeBadData, "2026-08-27: low 101 is above high 90"},
		"no order":        {func(c *yahootest.Chart) { c.Timestamp[2], c.Timestamp[3] = c.Timestamp[3], c.Timestamp[2] }, market.CodeBadData, "comes after"},
		"a price of zero": {func(c *yahootest.Chart) { *c.Indicators.Quote[0].Open[0] = 0 }, market.CodeBadData, "2026-08-24: open 0"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := odd(t, "X", c.edit)
			wantError(t, err, c.code, c.says)
		})
	}
}

func TestCurrencies(t *testing.T) {
	for _, c := range []struct{ ticker, said, want, bad string }{
		{"X", "USD", "USD", ""}, {"X", "", "", ""}, {"X", "Points", "", ""}, {"X", "usd", "", ""},
		{"X.NS", "INR", "INR", ""}, {"X.NS", "", "INR", ""}, {"X.NS", "USD", "", "currency is INR"}, {"X.DE", "EUR", "EUR", ""},
	} {
		got, err := odd(t, c.ticker, func(chart *yahootest.Chart) { chart.Meta.Currency = c.said })
		if c.bad != "" {
			wantError(t, err, market.CodeBadData, c.bad)
			continue
		}
		if err != nil || got.Currency != c.want || got.Bars[0].Open != 100 || got.Notes != nil {
			t.Errorf("%s quoted in %q: %q, %v, %q", c.ticker, c.said, got.Currency, err, got.Notes)
		}
	}
	got, err := odd(t, "X", func(chart *yahootest.Chart) { chart.Meta.Currency = "GBp" })
	if err != nil || got.Currency != "GBP" || got.Bars[0] != (market.Bar{Date: day(2026, 8, 24), Open: 1, High: 1.02, Low: 0.98, Close: 1.01, Volume: 1000}) {
		t.Errorf("pence: %q, %v, %v", got.Currency, got.Bars, err)
	}
	if diff := cmp.Diff([]string{"yahoo quotes in GBp, turned into GBP"}, got.Notes); diff != "" {
		t.Error(diff)
	}
}

// Yahoo drops a leading USD of a pair of currencies as it likes.
func TestPairsOfCurrencies(t *testing.T) {
	if _, err := odd(t, "USDINR=X", func(c *yahootest.Chart) { c.Meta.Symbol = "INR=X" }); err != nil {
		t.Error(err)
	}
	_, err := odd(t, "EURINR=X", func(c *yahootest.Chart) { c.Meta.Symbol = "INR=X" })
	wantError(t, err, market.CodeBadData, "yahoo answered about")
}

func TestSplits(t *testing.T) {
	split := func(date time.Time, numerator, denominator float64, leftIn bool) []yahootest.Split {
		return []yahootest.Split{{Date: date, Numerator: numerator, Denominator: denominator, LeftIn: leftIn}}
	}
	friday27 := day(2026, 8, 28)
	for _, c := range []struct {
		name   string
		now    time.Time
		splits []yahootest.Split
		bars   int
		notes  []string
		bad    string
	}{
		{"taken out", friday, split(day(2026, 3, 12), 4, 1, false), 250, []string{"yahoo reports a split 4:1 on 2026-03-12, already taken out"}, ""},
		{"reverse", friday, split(day(2026, 3, 12), 1, 10, false), 250, []string{"yahoo reports a split 1:10 on 2026-03-12, already taken out"}, ""},
		{"left in", friday, split(day(2026, 3, 12), 4, 1, true), 250, nil, "a split 4:1 on 2026-03-12, but its prices still step from"},
		{"bonus left in", friday, split(day(2026, 3, 12), 3, 2, true), 250, nil, "3:2 on 2026-03-12"},
		{"reverse left in", friday, split(day(2026, 3, 12), 1, 10, true), 250, nil, "1:10 on 2026-03-12"},
		{"left in, today, live", friday.Add(-5 * time.Hour), split(friday27, 2, 1, true), 250, nil, "2:1 on 2026-08-28"},
		{"taken out today, live", friday.Add(-5 * time.Hour), split(friday27, 2, 1, false), 250, []string{"yahoo reports a split 2:1 on 2026-08-28, already taken out"}, ""},
		{"left in, before the bars", friday, split(day(2026, 3, 12), 4, 1, true), 50, nil, ""},
		{"small", friday, split(day(2026, 3, 12), 11, 10, false), 250,
			[]string{"yahoo reports a split 11:10 on 2026-03-12, already taken out by its word; it is too small to be told from a day's move"}, ""},
		{"nonsense", friday, split(day(2026, 3, 12), 0, 1, false), 250, nil, "a split of 0:1 on 2026-03-12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, p := serve(t, c.now, yahootest.Config{Splits: map[string][]yahootest.Split{"AAPL": c.splits}})
			series, err := p.Daily(t.Context(), "AAPL", c.bars)
			if c.bad != "" {
				wantError(t, err, market.CodeBadData, c.bad)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.notes, series.Notes); diff != "" {
				t.Errorf("notes (-want +got)\n%s", diff)
			}
		})
	}
	// A split after the newest row, as when the first session after it is null.
	got, err := odd(t, "X", func(c *yahootest.Chart) {
		c.Indicators.Quote[0].Close[4] = nil
		c.Events = &yahootest.Events{Splits: map[string]yahootest.SplitEvent{"a": {Date: c.Timestamp[4], Numerator: 2, Denominator: 1}}}
	})
	if err != nil || len(got.Notes) != 1 || got.Notes[0] != "yahoo reports a split 2:1 on 2026-08-28, after the newest bar" {
		t.Errorf("notes %q, %v", got.Notes, err)
	}
}

// Dividends come out of all prices of a bar alike, and only when asked for.
func TestDividends(t *testing.T) {
	s := yahootest.New(t, yahootest.Config{Now: fixed(friday), Dividends: map[string][]yahootest.Dividend{
		"AAPL": {{Date: day(2026, 8, 20), Amount: 50}, {Date: day(2026, 3, 20), Amount: 50}}, // the second before the bars
	}})
	plain := bars(t, open(t, friday, nil, s.URL), "AAPL", 100)
	if plain.Adjustment != market.AdjustmentSplits || plain.Notes != nil {
		t.Errorf("adjusted for %s, notes %q", plain.Adjustment, plain.Notes)
	}
	less := bars(t, open(t, friday, func(c *yahoo.Config) { c.Adjustment = market.AdjustmentSplitsDividends }, s.URL), "AAPL", 100)
	if diff := cmp.Diff([]string{"1 dividends taken out by yahoo's adjusted closes"}, less.Notes); diff != "" || less.Adjustment != market.AdjustmentSplitsDividends {
		t.Errorf("adjusted for %s, notes (-want +got)\n%s", less.Adjustment, diff)
	}
	factor := 1.0
	for i := 99; i >= 0; i-- {
		a, b := plain.Bars[i], less.Bars[i]
		for _, pair := range [][2]float64{{a.Open, b.Open}, {a.High, b.High}, {a.Low, b.Low}, {a.Close, b.Close}} {
			if abs(pair[1]/pair[0]-factor) > 1e-6 {
				t.Fatalf("%s: %v became %v, want a factor of %v", a.Date.Format(time.DateOnly), a, b, factor)
			}
		}
		if a.Volume != b.Volume {
			t.Errorf("the volume changed from %v to %v", a.Volume, b.Volume)
		}
		if a.Date.Equal(day(2026, 8, 20)) {
			factor = 1 - 50/plain.Bars[i-1].Close
		}
	}
	if factor == 1 {
		t.Error("the dividend's day was not among the bars")
	}
	s = yahootest.New(t, yahootest.Config{Now: fixed(friday), Edit: func(_ string, c *yahootest.Chart) { c.Indicators.AdjClose = nil }})
	_, err := open(t, friday, func(c *yahoo.Config) { c.Adjustment = market.AdjustmentSplitsDividends }, s.URL).Daily(t.Context(), "AAPL", 10)
	wantError(t, err, market.CodeBadData, "no adjusted closes")
	s2 := yahootest.New(t, yahootest.Config{Now: fixed(friday), Edit: func(_ string, c *yahootest.Chart) {
		column := c.Indicators.AdjClose[0].AdjClose
		column[len(column)-2] = nil
	}})
	gap := bars(t, open(t, friday, func(c *yahoo.Config) { c.Adjustment = market.AdjustmentSplitsDividends }, s2.URL), "AAPL", 10)
	if diff := cmp.Diff([]string{"1 days without prices left out: 2026-08-27"}, gap.Warnings); diff != "" {
		t.Errorf("an adjusted close is null: warnings (-want +got)\n%s", diff)
	}
	if _, err := open(t, friday, nil, s.URL).Daily(t.Context(), "AAPL", 10); err != nil {
		t.Errorf("without adjusted closes, which are not needed: %v", err)
	}
}
