package yahoo

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// chart is the one result of an answer, as Yahoo writes it. Columns hold nulls.
type chart struct {
	// made is when the answer was made: by its server's clock or by this
	// machine's, whichever is behind. A clock that is fast would else take the
	// bar of an open session for one that is over.
	made time.Time
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
	Timestamp bounded[[]int64] `json:"timestamp"`
	Events    struct {
		Dividends bounded[map[string]dividend] `json:"dividends"`
		Splits    bounded[map[string]split]    `json:"splits"`
	} `json:"events"`
	Indicators struct {
		Quote single[struct {
			Open   column `json:"open"`
			High   column `json:"high"`
			Low    column `json:"low"`
			Close  column `json:"close"`
			Volume column `json:"volume"`
		}] `json:"quote"`
		AdjClose single[struct {
			AdjClose column `json:"adjclose"`
		}] `json:"adjclose"`
	} `json:"indicators"`
}

type column = bounded[[]*float64]

// single is a list of which the first element is kept. An answer of 8 MiB can
// hold millions of empty ones, each of which would cost hundreds of bytes.
type single[T any] struct {
	first T
	more  bool // there are others
	any   bool // there is one
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *single[T]) UnmarshalJSON(data []byte) error {
	*s = single[T]{}
	if string(data) == "null" {
		return nil
	}
	if data[0] != '[' {
		return errors.New("no list where one should be")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil { // the bracket
		return err
	}
	if s.any = decoder.More(); !s.any {
		return nil
	}
	if err := decoder.Decode(&s.first); err != nil {
		return err
	}
	s.more = decoder.More()
	return nil
}

// n is how many elements there are: 2 stands for any number above 1.
func (s *single[T]) n() int {
	switch {
	case s.more:
		return 2
	case s.any:
		return 1
	}
	return 0
}

// bounded is a value of at most maxRows rows, of flat objects of a few fields
// at most: counting commas is cheap, and done before any memory is taken.
type bounded[T any] struct{ all T }

// UnmarshalJSON implements json.Unmarshaler.
func (b *bounded[T]) UnmarshalJSON(data []byte) error {
	most := maxRows
	if data[0] == '{' {
		most *= maxFields
	}
	if n := bytes.Count(data, []byte{','}); n >= most {
		return fmt.Errorf("more than %d rows", maxRows)
	}
	return json.Unmarshal(data, &b.all)
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
	list := slices.Collect(maps.Values(c.Events.Splits.all))
	slices.SortFunc(list, func(a, b split) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.ratio(), b.ratio()))
	})
	return list
}

// columns checks that the columns are as long as the timestamps, and returns
// the adjusted closes, nil when the answer has none.
func (c *chart) columns() (adjusted []*float64, err error) {
	n := len(c.Timestamp.all)
	if tables := c.Indicators.Quote.n(); tables != 1 {
		return nil, fmt.Errorf("%d tables of quotes; there should be one", tables)
	}
	quote := &c.Indicators.Quote.first
	lengths := []struct {
		name string
		n    int
	}{
		{"open", len(quote.Open.all)}, {"high", len(quote.High.all)}, {"low", len(quote.Low.all)},
		{"close", len(quote.Close.all)}, {"volume", len(quote.Volume.all)},
	}
	if c.Indicators.AdjClose.any {
		adjusted = c.Indicators.AdjClose.first.AdjClose.all
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
