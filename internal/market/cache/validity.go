package cache

import (
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// keepUntil says until when a series that was delivered at now is up to date,
// and whether it may be kept at all.
//
// With a calendar it is so until the next session has closed and the provider
// has had the time to settle. Where the newest session that should be there is
// not (a late provider, a suspended share), it is worth asking again soon.
// Of other exchanges nobody knows when they close, and some do at midnight UTC
// (coins): these are kept for an hour, and not across it. A series whose last bar belongs to a
// session that may still be open is not kept: complete bars are the provider's
// duty, and a partial one that got through must not stay.
func (c *Provider) keepUntil(series market.Series, now time.Time) (expires time.Time, keep bool) {
	if len(series.Bars) == 0 {
		return time.Time{}, false
	}
	last := series.Bars[len(series.Bars)-1].Date
	cal, known := c.cfg.Calendars(ticker.ExchangeOf(series.Ticker).MIC)
	if !known {
		today := now.UTC().Truncate(24 * time.Hour)
		expires, midnight := now.Add(unknownTime), today.AddDate(0, 0, 1)
		if midnight.Before(expires) {
			expires = midnight
		}
		return expires, last.Before(today)
	}
	if last.After(cal.LastClosed(now)) {
		return time.Time{}, false
	}
	settled := now.Add(-c.cfg.Settle)
	expires = cal.NextClose(settled).Add(c.cfg.Settle)
	if soon := now.Add(lateTime); last.Before(cal.LastClosed(settled)) && soon.Before(expires) {
		expires = soon
	}
	return expires, true
}
