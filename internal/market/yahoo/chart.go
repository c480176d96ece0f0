package yahoo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// chart is the one result of an answer, as Yahoo writes it. Columns hold nulls.
type chart struct {
	Meta struct {
		Symbol               string `json:"symbol"`
		Currency             string `json:"currency"`
		ExchangeTimezoneName string `json:"exchangeTimezoneName"`
		DataGranularity      string `json:"dataGranularity"`
		FirstTradeDate       *int64 `json:"firstTradeDate"`
		CurrentTradingPeriod struct {
			Regular period `json:"regular"`
		} `json:"currentTradingPeriod"`
	} `json:"meta"`
	Timestamp []int64 `json:"timestamp"`
	Events    struct {
		Dividends map[string]dividend `json:"dividends"`
		Splits    map[string]split    `json:"splits"`
	} `json:"events"`
	Indicators struct {
		Quote []struct {
			Open   []*float64 `json:"open"`
			High   []*float64 `json:"high"`
			Low    []*float64 `json:"low"`
			Close  []*float64 `json:"close"`
			Volume []*float64 `json:"volume"`
		} `json:"quote"`
		AdjClose []struct {
			AdjClose []*float64 `json:"adjclose"`
		} `json:"adjclose"`
	} `json:"indicators"`
}

// A period is the regular session of today, or the one next to it, in Unix seconds.
type period struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

type dividend struct {
	Date int64 `json:"date"`
}

type split struct {
	Date        int64   `json:"date"`
	Numerator   float64 `json:"numerator"`
	Denominator float64 `json:"denominator"`
}

// ratio is how many shares became of one.
func (s split) ratio() float64 { return s.Numerator / s.Denominator }

func (s split) String() string { return fmt.Sprintf("%g:%g", s.Numerator, s.Denominator) }

// splits are the chart's splits, oldest first, the same whatever the order of the map.
func (c *chart) splits() []split {
	list := slices.Collect(maps.Values(c.Events.Splits))
	slices.SortFunc(list, func(a, b split) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.ratio(), b.ratio()))
	})
	return list
}

// columns checks that the columns are as long as the timestamps, and returns
// the adjusted closes, nil when the answer has none.
func (c *chart) columns() (adjusted []*float64, err error) {
	n := len(c.Timestamp)
	if len(c.Indicators.Quote) != 1 {
		return nil, fmt.Errorf("%d tables of quotes; there should be one", len(c.Indicators.Quote))
	}
	quote := &c.Indicators.Quote[0]
	lengths := []struct {
		name string
		n    int
	}{
		{"open", len(quote.Open)}, {"high", len(quote.High)}, {"low", len(quote.Low)},
		{"close", len(quote.Close)}, {"volume", len(quote.Volume)},
	}
	if len(c.Indicators.AdjClose) > 0 {
		adjusted = c.Indicators.AdjClose[0].AdjClose
		lengths = append(lengths, struct {
			name string
			n    int
		}{"adjclose", len(adjusted)})
	}
	for _, column := range lengths {
		if column.n != n {
			return nil, fmt.Errorf("%d values of %s for %d dates", column.n, column.name, n)
		}
	}
	return adjusted, nil
}

// dateOf is the calendar date of an instant in zone, as midnight UTC.
func dateOf(unix int64, zone *time.Location) time.Time {
	year, month, day := time.Unix(unix, 0).In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
