package yahootest

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// A Chart is the one result of an answer, in the endpoint's own shape.
type Chart struct {
	Meta       Meta       `json:"meta"`
	Timestamp  []int64    `json:"timestamp,omitempty"`
	Events     *Events    `json:"events,omitempty"`
	Indicators Indicators `json:"indicators"`
}

// Meta is what the endpoint says of a ticker.
type Meta struct {
	Currency             string   `json:"currency"`
	Symbol               string   `json:"symbol"`
	ExchangeName         string   `json:"exchangeName"`
	InstrumentType       string   `json:"instrumentType"`
	FirstTradeDate       *int64   `json:"firstTradeDate"`
	RegularMarketTime    int64    `json:"regularMarketTime"`
	GMTOffset            int      `json:"gmtoffset"`
	Timezone             string   `json:"timezone"`
	ExchangeTimezoneName string   `json:"exchangeTimezoneName"`
	PriceHint            int      `json:"priceHint"`
	CurrentTradingPeriod Periods  `json:"currentTradingPeriod"`
	DataGranularity      string   `json:"dataGranularity"`
	Range                string   `json:"range"`
	ValidRanges          []string `json:"validRanges"`
}

// Periods are the trading periods of the session that is open, or comes next.
type Periods struct {
	Regular Period `json:"regular"`
}

// A Period is from when to when, in Unix seconds.
type Period struct {
	Timezone  string `json:"timezone"`
	Start     int64  `json:"start"`
	End       int64  `json:"end"`
	GMTOffset int    `json:"gmtoffset"`
}

// Events are keyed by their date in Unix seconds.
type Events struct {
	Dividends map[string]DividendEvent `json:"dividends,omitempty"`
	Splits    map[string]SplitEvent    `json:"splits,omitempty"`
}

// A DividendEvent is a dividend as the endpoint writes it.
type DividendEvent struct {
	Amount float64 `json:"amount"`
	Date   int64   `json:"date"`
}

// A SplitEvent is a split as the endpoint writes it.
type SplitEvent struct {
	Date        int64   `json:"date"`
	Numerator   float64 `json:"numerator"`
	Denominator float64 `json:"denominator"`
	SplitRatio  string  `json:"splitRatio"`
}

// Indicators are the columns.
type Indicators struct {
	Quote    []Quote    `json:"quote"`
	AdjClose []AdjClose `json:"adjclose,omitempty"`
}

// A Quote is the table of quotes; nil is null.
type Quote struct {
	Open   []*float64 `json:"open,omitempty"`
	High   []*float64 `json:"high,omitempty"`
	Low    []*float64 `json:"low,omitempty"`
	Close  []*float64 `json:"close,omitempty"`
	Volume []*float64 `json:"volume,omitempty"`
}

// An AdjClose is the column of closes adjusted for dividends too.
type AdjClose struct {
	AdjClose []*float64 `json:"adjclose"`
}

// A venue is where a ticker trades.
type venue struct {
	calendar calendar.Calendar
	allDay   bool // every day from 00:00 to 23:59, as coins do
	zone     *time.Location
	currency string
	name     string
}

// venueOf knows NSE, BSE, the United States, coins, and takes .DE for every
// other exchange: weekdays from 09:00 to 17:30 in Berlin.
func venueOf(symbol string) venue {
	exchange := ticker.ExchangeOf(symbol)
	if c, ok := calendar.For(exchange.MIC); ok {
		name := map[string]string{"XNSE": "NSI", "XBOM": "BSE"}[exchange.MIC]
		if name == "" {
			name = "NMS"
		}
		return venue{calendar: c, zone: c.Location(), currency: exchange.Currency, name: name}
	}
	if strings.HasSuffix(symbol, "-USD") {
		return venue{allDay: true, zone: time.UTC, currency: "USD", name: "CCC"}
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err) // the calendar package links the zones in
	}
	return venue{zone: zone, currency: "EUR", name: "GER"}
}

// hours are when the session of date, midnight UTC, is open, and whether there is one.
func (v venue) hours(date time.Time) (opens, closes time.Time, ok bool) {
	year, month, day := date.Date()
	at := func(hour, minute int) time.Time { return time.Date(year, month, day, hour, minute, 0, 0, v.zone) }
	switch {
	case v.allDay:
		return at(0, 0), at(23, 59), true
	case v.name == "GER":
		weekday := date.Weekday()
		return at(9, 0), at(17, 30), weekday != time.Saturday && weekday != time.Sunday
	}
	if opens, closes, ok = v.calendar.Hours(date); ok {
		return opens, closes, ok
	}
	return at(9, 30), at(16, 0), false // for rows on days without a session
}

// next is the session that is open at now, or the first one after.
func (v venue) next(now time.Time) (opens, closes time.Time) {
	year, month, day := now.In(v.zone).Date()
	for i := 0; ; i++ {
		opens, closes, ok := v.hours(time.Date(year, month, day+i, 0, 0, 0, 0, time.UTC))
		if ok && (closes.After(now) || i == 0) { // today's stays until the day is over
			return opens, closes
		}
	}
}

func (s *Server) meta(symbol string) Meta {
	now := s.cfg.Now()
	v := venueOf(symbol)
	opens, closes := v.next(now)
	zone, offset := now.In(v.zone).Zone()
	m := Meta{
		Currency: v.currency, Symbol: symbol, ExchangeName: v.name, InstrumentType: "EQUITY",
		RegularMarketTime: min(now.Unix(), closes.Unix()), GMTOffset: offset, Timezone: zone,
		ExchangeTimezoneName: v.zone.String(), PriceHint: 2, DataGranularity: "1d",
		CurrentTradingPeriod: Periods{Regular: Period{Timezone: zone, Start: opens.Unix(), End: closes.Unix(), GMTOffset: offset}},
		ValidRanges:          []string{"1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"},
	}
	if bars := s.walks.of(symbol); len(bars) > 0 {
		opens, _, _ := v.hours(bars[0].Date)
		first := opens.Unix()
		m.FirstTradeDate = &first
	}
	return m
}

// build makes the chart of a range of Unix seconds.
func (s *Server) build(symbol string, from, to int64) *Chart {
	c := &Chart{Meta: s.meta(symbol), Indicators: Indicators{Quote: []Quote{{}}}}
	now := s.cfg.Now()
	v := venueOf(symbol)
	adjusted := s.adjusted(symbol)
	for i, bar := range s.walks.of(symbol) {
		opens, closes, _ := v.hours(bar.Date)
		switch {
		case now.Before(opens):
			if s.cfg.NullToday && sameDay(now.In(v.zone), bar.Date) {
				c.add(opens.Unix(), Bar{}, nil)
			}
			return c.finish(s, symbol, v, from, to)
		case now.Before(closes): // the live row comes also past the range
			part := partial(bar, float64(now.Sub(opens))/float64(closes.Sub(opens)))
			if s.cfg.RepeatToday {
				c.add(opens.Unix(), partial(bar, 0.01), bar.Open)
			}
			c.add(now.Unix(), part, part.Close)
		case opens.Unix() < from || opens.Unix() > to:
		case now.Before(closes.Add(lateness)):
			if s.cfg.RepeatToday {
				c.add(opens.Unix(), partial(bar, 0.5), bar.Open)
			}
			c.add(closes.Unix(), bar, adjusted[i])
		default:
			c.add(opens.Unix(), bar, adjusted[i])
		}
	}
	return c.finish(s, symbol, v, from, to)
}

func sameDay(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

func (c *Chart) add(unix int64, bar Bar, adjusted *float64) {
	q := &c.Indicators.Quote[0]
	if len(c.Indicators.AdjClose) == 0 {
		c.Indicators.AdjClose = []AdjClose{{}}
	}
	c.Timestamp = append(c.Timestamp, unix)
	q.Open, q.High, q.Low = append(q.Open, bar.Open), append(q.High, bar.High), append(q.Low, bar.Low)
	q.Close, q.Volume = append(q.Close, bar.Close), append(q.Volume, bar.Volume)
	c.Indicators.AdjClose[0].AdjClose = append(c.Indicators.AdjClose[0].AdjClose, adjusted)
}

// finish adds the events of the range, but only to a chart that has one.
func (c *Chart) finish(s *Server, symbol string, v venue, from, to int64) *Chart {
	if len(c.Timestamp) == 0 {
		return c
	}
	events := &Events{Dividends: map[string]DividendEvent{}, Splits: map[string]SplitEvent{}}
	stamp := func(date time.Time) (int64, bool) {
		opens, _, _ := v.hours(date)
		unix := opens.Unix()
		return unix, unix >= from && unix <= to && !opens.After(s.cfg.Now())
	}
	for _, d := range s.cfg.Dividends[symbol] {
		if unix, ok := stamp(d.Date); ok {
			events.Dividends[strconv.FormatInt(unix, 10)] = DividendEvent{d.Amount, unix}
		}
	}
	for _, d := range s.cfg.Splits[symbol] {
		if unix, ok := stamp(d.Date); ok {
			ratio := strconv.FormatFloat(d.Numerator, 'g', -1, 64) + ":" + strconv.FormatFloat(d.Denominator, 'g', -1, 64)
			events.Splits[strconv.FormatInt(unix, 10)] = SplitEvent{unix, d.Numerator, d.Denominator, ratio}
		}
	}
	if len(events.Dividends)+len(events.Splits) > 0 {
		c.Events = events
	}
	return c
}

// adjusted are the closes of a ticker's whole history, dividends taken out:
// each multiplies the closes before it by 1 - amount/close of the day before.
func (s *Server) adjusted(symbol string) []*float64 {
	bars := s.walks.of(symbol)
	list := make([]*float64, len(bars))
	factor := 1.0
	for i := len(bars) - 1; i >= 0; i-- {
		if bars[i].Close == nil {
			continue
		}
		value := float64(float32(*bars[i].Close * factor))
		list[i] = &value
		for _, d := range s.cfg.Dividends[symbol] {
			if d.Date.Equal(bars[i].Date) && i > 0 && bars[i-1].Close != nil {
				factor *= 1 - d.Amount / *bars[i-1].Close
			}
		}
	}
	return list
}

// partial is a bar as it is seen when a part of its session is over.
func partial(b Bar, part float64) Bar {
	if b.Open == nil || b.Close == nil || b.High == nil || b.Low == nil {
		return b
	}
	at := func(from, to float64) *float64 {
		value := float64(float32(from + part*(to-from)))
		return &value
	}
	live := Bar{Date: b.Date, Open: b.Open, High: at(*b.Open, *b.High), Low: at(*b.Open, *b.Low), Close: at(*b.Open, *b.Close)}
	if b.Volume != nil {
		volume := math.Floor(part * *b.Volume)
		live.Volume = &volume
	}
	return live
}
