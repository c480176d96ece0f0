package source

import (
	"context"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// leastAge is from how many sessions on a series is called old: providers need
// some time after a close, and one session without a trade is nothing odd.
const leastAge = 2

// aged warns of series whose newest bar is old by the exchange's calendar: a
// folder that nobody fills any longer, a share that is not traded. Whether they
// are of use all the same is for the reader to say.
type aged struct {
	market.Provider
	calendars calendar.Lookup
	now       func() time.Time
}

// Daily implements market.Provider.
func (a aged) Daily(ctx context.Context, name string, bars int) (market.Series, error) {
	series, err := a.Provider.Daily(ctx, name, bars)
	if err != nil || series.Synthetic || len(series.Bars) == 0 {
		return series, err
	}
	cal, known := a.calendars(ticker.ExchangeOf(series.Ticker).MIC)
	if !known {
		return series, nil
	}
	newest := series.Bars[len(series.Bars)-1].Date
	if missed := len(cal.Sessions(newest.AddDate(0, 0, 1), cal.LastClosed(a.now()))); missed >= leastAge {
		// The provider may keep the slice: a copy is made to add to.
		series.Warnings = append(series.Warnings[:len(series.Warnings):len(series.Warnings)],
			fmt.Sprintf("the newest bar, of %s, is %d sessions old", newest.Format(time.DateOnly), missed))
	}
	return series, nil
}
