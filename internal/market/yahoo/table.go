package yahoo

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// A table is what an answer says, row by row, sorted by what a row is.
type table struct {
	ticker     string
	where      string
	adjustment market.Adjustment
	currency   string
	minor      string // the minor unit in which Yahoo quotes, or ""
	first      *int64 // when trading began, Unix seconds; nil when not said

	priced   []row       // every row with prices, one for each date, also those not delivered
	complete []row       // of closed sessions: what may be delivered
	empty    []time.Time // closed sessions without prices
	ghosts   []time.Time // days without a session that have prices, but no volume

	splits    []dated
	dividends []time.Time
}

// A row is a bar as Yahoo has it.
type row struct {
	market.Bar
	priced       bool // open, high, low and close are there
	volumeAbsent bool // null, so that Volume is 0
}

// A dated split is one with its date on the exchange.
type dated struct {
	date time.Time
	split
}

// minorUnits are the fractions of a currency in which Yahoo quotes, constant.
var minorUnits = map[string]struct {
	currency string
	parts    float64
}{
	"GBp": {"GBP", 100}, "GBX": {"GBP", 100}, "ZAc": {"ZAR", 100}, "ILA": {"ILS", 100}, "KWF": {"KWD", 1000},
}

// read turns an answer to q into a table, or says why it cannot be one.
func read(c *chart, q question, adjustment market.Adjustment, calendars calendar.Lookup) (table, error) {
	t := table{ticker: q.ticker, adjustment: adjustment, first: c.Meta.FirstTradeDate}
	zone, err := t.readMeta(c, q)
	if err != nil || len(c.Timestamp.all) == 0 { // no range at all: whatever else stands there has no date
		return t, err
	}
	rows, err := t.readRows(c, zone)
	if err != nil {
		return t, err
	}
	if err := t.readEvents(c, zone); err != nil {
		return t, err
	}
	latest := dateOf(q.now.Unix(), zone).AddDate(0, 0, 1) // a clock may be a little behind
	for i := range rows {
		if rows[i].Date.After(latest) {
			return t, fmt.Errorf("a bar of %s, which has not come yet at %s; a wrong answer, or this machine's clock is behind",
				rows[i].Date.Format(time.DateOnly), q.now.UTC().Format(time.RFC3339))
		}
	}
	t.sort(rows, c.made, sessionsOf(q.symbol, zone, c.Meta.CurrentTradingPeriod.Regular, calendars))
	return t, nil
}

// readMeta checks that the answer is to the question, and returns its time zone.
func (t *table) readMeta(c *chart, q question) (*time.Location, error) {
	meta := &c.Meta
	if !sameSymbol(q.symbol, meta.Symbol) {
		return nil, fmt.Errorf("asked for %s, yahoo answered about %q", q.symbol, excerpt([]byte(meta.Symbol)))
	}
	if meta.DataGranularity != "1d" {
		return nil, fmt.Errorf("asked for daily bars, yahoo answered with %q", excerpt([]byte(meta.DataGranularity)))
	}
	zone, err := time.LoadLocation(meta.ExchangeTimezoneName)
	if err != nil || meta.ExchangeTimezoneName == "" || meta.ExchangeTimezoneName == "Local" {
		return nil, fmt.Errorf("the exchange's time zone %q is not known", excerpt([]byte(meta.ExchangeTimezoneName)))
	}
	t.currency = meta.Currency
	if unit, ok := minorUnits[meta.Currency]; ok {
		t.currency, t.minor = unit.currency, meta.Currency
	}
	listing := market.ListingCurrency(t.ticker)
	switch {
	case listing != "" && meta.Currency != "" && t.currency != listing:
		return nil, fmt.Errorf("quoted in %q, but its exchange's currency is %s", excerpt([]byte(meta.Currency)), listing)
	case listing != "":
		t.currency = listing
	case len(t.currency) != 3 || strings.ToUpper(t.currency) != t.currency:
		t.currency = ""
	}
	return zone, nil
}

// readRows returns one row for each date, in the order of the answer.
func (t *table) readRows(c *chart, zone *time.Location) ([]row, error) {
	adjusted, err := c.columns()
	if err != nil {
		return nil, err
	}
	if t.adjustment != market.AdjustmentSplitsDividends {
		adjusted = nil
	} else if adjusted == nil {
		return nil, errors.New("no adjusted closes, so that dividends cannot be taken out")
	}
	parts := 1.0
	if unit, ok := minorUnits[t.minor]; ok {
		parts = unit.parts
	}
	rows := make([]row, 0, len(c.Timestamp.all))
	for i, unix := range c.Timestamp.all {
		next := rowAt(c, i, adjusted, parts)
		next.Date = dateOf(unix, zone)
		if last := len(rows) - 1; last >= 0 && rows[last].Date.Equal(next.Date) {
			rows[last] = fuller(rows[last], next)
			continue
		}
		rows = append(rows, next)
	}
	return rows, nil
}

// rowAt is the i-th row, without its date. With adjusted closes all its prices
// are adjusted as the close is.
func rowAt(c *chart, i int, adjusted []*float64, parts float64) row {
	quote := &c.Indicators.Quote.first
	opens, high, low, closes, volume := quote.Open.all[i], quote.High.all[i], quote.Low.all[i], quote.Close.all[i], quote.Volume.all[i]
	var r row
	if r.volumeAbsent = volume == nil; !r.volumeAbsent {
		r.Volume = *volume
	}
	if opens == nil || high == nil || low == nil || closes == nil || (adjusted != nil && adjusted[i] == nil) {
		return r
	}
	factor := 1.0
	if adjusted != nil {
		factor = *adjusted[i] / *closes
	}
	r.priced = true
	r.Open, r.High, r.Low, r.Close = *opens/parts*factor, *high/parts*factor, *low/parts*factor, *closes/parts*factor
	return r
}

// fuller is the more complete of two rows of one date: Yahoo repeats a day as
// a live row. Prices count before none, more volume (it only grows during a
// day) before less; of equals the later one is the newer.
func fuller(a, b row) row {
	if a.priced != b.priced {
		if a.priced {
			return a
		}
		return b
	}
	if a.Volume > b.Volume {
		return a
	}
	return b
}

func (t *table) readEvents(c *chart, zone *time.Location) error {
	for _, s := range c.splits() {
		if !(s.Numerator > 0 && s.Denominator > 0) {
			return fmt.Errorf("a split of %s on %s", s, dateOf(s.Date, zone).Format(time.DateOnly))
		}
		t.splits = append(t.splits, dated{dateOf(s.Date, zone), s})
	}
	for _, d := range c.Events.Dividends.all {
		t.dividends = append(t.dividends, dateOf(d.Date, zone))
	}
	return nil
}

// sort puts each row of an answer of then where it belongs. The row of a session
// that had not closed and settled is delivered nowhere.
func (t *table) sort(rows []row, made time.Time, s sessions) {
	for _, r := range rows {
		if r.priced {
			t.priced = append(t.priced, r)
		}
		switch {
		case s.closes(r.Date).Add(SettleTime).After(made):
		case r.priced && r.Volume == 0 && s.shut(r.Date):
			t.ghosts = append(t.ghosts, r.Date)
		case r.priced:
			t.complete = append(t.complete, r)
		case !s.shut(r.Date):
			t.empty = append(t.empty, r.Date)
		}
	}
}

// olderThan reports whether the ticker traded, for all that is known, before at.
func (t *table) olderThan(at time.Time) bool { return t.first == nil || *t.first < at.Unix() }

// sessions says when the sessions of a ticker's exchange close.
type sessions struct {
	calendar calendar.Calendar
	known    bool
	zone     *time.Location
	regular  period
}

// sessionsOf goes by the calendar of the exchange that the symbol names only
// where the answer is in that calendar's zone: else it is of something else,
// such as a coin against what nobody here knows as a currency.
func sessionsOf(symbol string, zone *time.Location, regular period, calendars calendar.Lookup) sessions {
	s := sessions{zone: zone, regular: regular}
	s.calendar, s.known = calendars(ticker.ExchangeOf(symbol).MIC)
	s.known = s.known && sameZone(s.calendar.Location(), zone)
	return s
}

// sameZone also knows a zone by its older name: Asia/Calcutta is Asia/Kolkata.
func sameZone(a, b *time.Location) bool {
	for month := time.January; month <= time.December; month++ {
		at := time.Date(2024, month, 15, 0, 0, 0, 0, time.UTC)
		_, first := at.In(a).Zone()
		if _, second := at.In(b).Zone(); first != second {
			return false
		}
	}
	return true
}

// closes is the instant at which the session of date ends: by the calendar, by
// the trading period that the answer names for its own day, else with the day.
func (s sessions) closes(date time.Time) time.Time {
	if s.known {
		if _, closes, ok := s.calendar.Hours(date); ok {
			return closes
		}
	}
	if s.regular.End > s.regular.Start && dateOf(s.regular.Start, s.zone).Equal(date) {
		return time.Unix(s.regular.End, 0)
	}
	year, month, day := date.Date()
	return time.Date(year, month, day+1, 0, 0, 0, 0, s.zone)
}

// shut reports whether the exchange surely had no session on date.
func (s sessions) shut(date time.Time) bool {
	if !s.known {
		return false
	}
	from, to := s.calendar.Known()
	return !date.Before(from) && !date.After(to) && !s.calendar.IsSession(date)
}
