package yahoo

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// series is the newest bars of a table, checked, with what is to be said of them.
func (t *table) series(bars int) (market.Series, error) {
	tail := t.complete[max(0, len(t.complete)-bars):]
	list := make([]market.Bar, len(tail))
	for i := range tail {
		list[i] = tail[i].Bar
	}
	warnings, err := market.Validate(t.ticker, list)
	if err != nil {
		return market.Series{}, t.place(err)
	}
	s := market.Series{
		Ticker: t.ticker, Provider: ProviderName, Adjustment: t.adjustment, Currency: t.currency,
		Bars: list, Warnings: append(warnings, t.warnings(tail)...),
	}
	if s.Notes, err = t.notes(tail[0].Date); err != nil {
		return market.Series{}, &market.Error{Code: market.CodeBadData, Ticker: t.ticker, Where: t.where, Err: err}
	}
	return s, nil
}

// place puts the address before the bar in an error of market.Validate.
func (t *table) place(err error) error {
	fault, ok := errors.AsType[*market.Error](err)
	if !ok {
		return err
	}
	placed := *fault
	placed.Where = t.where
	if bar, ok := errors.AsType[*market.BarError](err); ok {
		placed.Err = fmt.Errorf("%s: %w", bar.Date.Format(time.DateOnly), bar)
	} else {
		placed.Err = errNothing
	}
	return &placed
}

// warnings say what is missing within the bars that are delivered.
func (t *table) warnings(tail []row) []string {
	since := func(date time.Time) bool { return !date.Before(tail[0].Date) }
	var list []string
	add := func(dates []time.Time, text string) {
		if len(dates) > 0 {
			list = append(list, fmt.Sprintf("%d %s: %s", len(dates), text, named(dates)))
		}
	}
	add(filter(t.empty, since), "days without prices left out")
	add(filter(t.ghosts, since), "days without a session, which had prices but no volume, left out")
	var absent []time.Time
	for i := range tail {
		if tail[i].volumeAbsent {
			absent = append(absent, tail[i].Date)
		}
	}
	add(absent, "days without a volume, taken as 0")
	return list
}

// notes say what was done to the prices from the first date on. It fails when
// a split that Yahoo reports is still in them.
func (t *table) notes(first time.Time) ([]string, error) {
	var list []string
	if t.minor != "" {
		list = append(list, fmt.Sprintf("yahoo quotes in %s, turned into %s", t.minor, t.currency))
	}
	for _, s := range t.splits {
		if !s.date.After(first) {
			continue
		}
		state, err := t.verify(s)
		if err != nil {
			return nil, err
		}
		list = append(list, fmt.Sprintf("yahoo reports a split %s on %s, %s", s.split, s.date.Format(time.DateOnly), state))
	}
	if t.adjustment == market.AdjustmentSplitsDividends {
		paid := filter(t.dividends, first.Before)
		list = append(list, fmt.Sprintf("%d dividends taken out by yahoo's adjusted closes", len(paid)))
	}
	return list, nil
}

// verify holds a split against the step from the bar before it to its own. It
// fails when both the open and the close stepped as the split alone would do.
func (t *table) verify(s dated) (state string, err error) {
	i := slices.IndexFunc(t.priced, func(r row) bool { return !r.Date.Before(s.date) })
	if i <= 0 { // the row before is there, because the first bar is
		return "after the newest bar", nil
	}
	size := math.Abs(math.Log(s.ratio()))
	if size < math.Log(surestSplit) {
		return "already taken out by its word; it is too small to be told from a day's move", nil
	}
	before, after := t.priced[i-1].Close, t.priced[i]
	near := func(price float64) bool {
		return math.Abs(math.Log(before/price)-math.Log(s.ratio())) < splitNearness*size
	}
	if near(after.Open) && near(after.Close) {
		return "", fmt.Errorf("yahoo reports a split %s on %s, but its prices still step from %g to %g there",
			s.split, s.date.Format(time.DateOnly), before, after.Close)
	}
	return "already taken out", nil
}

func filter(dates []time.Time, keep func(time.Time) bool) []time.Time {
	return slices.DeleteFunc(slices.Clone(dates), func(date time.Time) bool { return !keep(date) })
}

// named is the first few of some dates, and that there are more.
func named(dates []time.Time) string {
	var words []string
	for _, date := range dates[:min(len(dates), maxNamedDates)] {
		words = append(words, date.Format(time.DateOnly))
	}
	if len(dates) > maxNamedDates {
		words = append(words, "...")
	}
	return strings.Join(words, ", ")
}
