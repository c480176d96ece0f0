package market

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// A BarError says which bar of a series is wrong and why. Providers that know
// where the bar came from (a file's line) find it with errors.As in what
// Validate returned and put the place in Error.Where.
type BarError struct {
	Index  int       // the bar's place in the slice, from 0
	Date   time.Time // the bar's date as it stands there, wrong or not
	Reason string    // what is wrong, with the values
}

// Error implements error.
func (e *BarError) Error() string { return e.Reason }

// Validate checks that bars can be analysed: at least one; dates at midnight
// UTC and strictly increasing; prices finite and within [MinPrice, MaxPrice];
// low <= open, close <= high but for OHLCTolerance; volume finite, within
// [0, MaxVolume]. Nothing is repaired: a bar within the tolerance stays as
// delivered (a clamped price would be one that nobody quoted), one outside it
// makes the whole series unusable, because a verdict on a gap is a guess.
//
// The error is an *Error: CodeNoData without bars, else CodeBadData around a
// *BarError for the first wrong bar. The warnings name what is odd but usable:
// more than ZeroVolumeShare of the days without volume, and closes that moved
// by more than a factor of JumpFactor, up or down.
func Validate(ticker string, bars []Bar) (warnings []string, err error) {
	if len(bars) == 0 {
		return nil, &Error{Code: CodeNoData, Ticker: ticker, Err: errors.New("no bars")}
	}
	for i := range bars {
		reason := faultOf(&bars[i])
		if reason == "" && i > 0 {
			reason = orderFault(bars[i-1].Date, bars[i].Date)
		}
		if reason != "" {
			return nil, &Error{
				Code:   CodeBadData,
				Ticker: ticker,
				Where:  fmt.Sprintf("bar %d (%s)", i+1, bars[i].Date.Format(time.DateOnly)),
				Err:    &BarError{Index: i, Date: bars[i].Date, Reason: reason},
			}
		}
	}
	return oddities(bars), nil
}

// CheckDates checks that none of bars, oldest first, is dated after today, the
// exchange's calendar date as midnight UTC: such a bar would be the newest, day
// after day, until its date has come. It stands outside Validate because it
// needs a clock. The error is an *Error with CodeBadData around a *BarError for
// the first such bar.
func CheckDates(ticker string, bars []Bar, today time.Time) error {
	for i := range bars {
		if !bars[i].Date.After(today) {
			continue
		}
		date := bars[i].Date.Format(time.DateOnly)
		return &Error{
			Code:   CodeBadData,
			Ticker: ticker,
			Where:  fmt.Sprintf("bar %d (%s)", i+1, date),
			Err: &BarError{Index: i, Date: bars[i].Date, Reason: fmt.Sprintf(
				"date %s has not come yet, it is %s at most; a wrong date, or this machine's clock is behind", date, today.Format(time.DateOnly))},
		}
	}
	return nil
}

// orderFault says why date may not follow previous, or nothing.
func orderFault(previous, date time.Time) string {
	switch {
	case date.Equal(previous):
		return fmt.Sprintf("date %s stands twice", date.Format(time.DateOnly))
	case date.Before(previous):
		return fmt.Sprintf("date %s comes after %s; sort oldest first",
			date.Format(time.DateOnly), previous.Format(time.DateOnly))
	}
	return ""
}

// faultOf says what is wrong with a bar taken alone, or nothing.
func faultOf(b *Bar) string {
	if b.Date.Location() != time.UTC || b.Date.Unix()%secondsPerDay != 0 || b.Date.Nanosecond() != 0 {
		return fmt.Sprintf("date %s is not midnight UTC", b.Date.Format(time.RFC3339Nano))
	}
	if reason := priceFault(b); reason != "" {
		return reason
	}
	if !(b.Volume >= 0 && b.Volume <= MaxVolume) { // also true for NaN
		return fmt.Sprintf("volume %v is not within 0 and %v", b.Volume, float64(MaxVolume))
	}
	slack := OHLCTolerance * math.Max(math.Abs(b.High), math.Abs(b.Low))
	switch {
	case b.Low > b.High+slack:
		return fmt.Sprintf("low %v is above high %v", b.Low, b.High)
	case outside(b.Open, b, slack):
		return fmt.Sprintf("open %v is outside low %v and high %v", b.Open, b.Low, b.High)
	case outside(b.Close, b, slack):
		return fmt.Sprintf("close %v is outside low %v and high %v", b.Close, b.Low, b.High)
	}
	return ""
}

const secondsPerDay = 24 * 60 * 60

// priceFault says which price is no price, or nothing.
func priceFault(b *Bar) string {
	for _, price := range [...]struct {
		name  string
		value float64
	}{{"open", b.Open}, {"high", b.High}, {"low", b.Low}, {"close", b.Close}} {
		if !(price.value >= MinPrice && price.value <= MaxPrice) { // also true for NaN
			return fmt.Sprintf("%s %v is not within %v and %v", price.name, price.value, MinPrice, float64(MaxPrice))
		}
	}
	return ""
}

func outside(price float64, b *Bar, slack float64) bool {
	return price < b.Low-slack || price > b.High+slack
}

// oddities lists what a reader of the analysis should know about valid bars.
func oddities(bars []Bar) []string {
	var silent, jumps int
	widest, worst := JumpFactor, 0.0
	var worstDate time.Time
	for i := range bars {
		if bars[i].Volume == 0 {
			silent++
		}
		if i == 0 {
			continue
		}
		change := bars[i].Close / bars[i-1].Close
		factor := math.Max(change, 1/change)
		if factor <= JumpFactor {
			continue
		}
		jumps++
		if factor > widest {
			widest, worst, worstDate = factor, change-1, bars[i].Date
		}
	}
	var warnings []string
	if float64(silent) > ZeroVolumeShare*float64(len(bars)) {
		warnings = append(warnings, fmt.Sprintf("%d of %d days without volume", silent, len(bars)))
	}
	if jumps > 0 {
		warnings = append(warnings, fmt.Sprintf(
			"%d daily moves beyond a factor of %g, the largest %+.0f %% on %s; a split that was not taken out?",
			jumps, JumpFactor, worst*100, worstDate.Format(time.DateOnly)))
	}
	return warnings
}

// IsOddity reports whether a warning of a series is one of Validate's, which are
// about the very bars that it was given: who uses a part of them asks anew. It
// knows those of earlier releases too, which caches and archives may hold.
func IsOddity(warning string) bool {
	return strings.HasSuffix(warning, " days without volume") ||
		strings.Contains(warning, " daily moves beyond a factor of ") || strings.Contains(warning, " daily moves above ")
}
