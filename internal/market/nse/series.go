package nse

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tapedeck/tapedeck/internal/market"
)

// series makes the series of what was found. A symbol that has not been traded
// for long is CodeNoData: its last bars are no market.
func (w *walk) series() (market.Series, error) {
	stale := w.stale()
	if w.behind >= maxBehind {
		return market.Series{}, &market.Error{Code: market.CodeNoData, Ticker: w.ticker, Err: fmt.Errorf("%s: suspended, delisted or renamed?", stale)}
	}
	slices.Reverse(w.found) // and holes now lie before each one
	bars := make([]market.Bar, len(w.found))
	for i, t := range w.found {
		bars[i] = market.Bar{Date: t.day.date.time(), Open: t.open, High: t.high, Low: t.low, Close: t.close, Volume: t.volume}
	}
	if _, err := market.Validate(w.ticker, bars); err != nil {
		return market.Series{}, w.placed(err)
	}
	s := market.Series{
		Ticker: w.ticker, Provider: providerName, Adjustment: market.AdjustmentSplits,
		Currency: market.ListingCurrency(w.ticker), Bars: bars,
	}
	odd, err := w.adjust(&s, w.list)
	if err != nil {
		return market.Series{}, err
	}
	warnings, err := market.Validate(w.ticker, bars) // what adjustment made of them is valid too
	if err != nil {
		return market.Series{}, w.placed(err)
	}
	s.Warnings = slices.Concat(warnings, odd, w.warnings())
	if stale != "" {
		s.Warnings = append(s.Warnings, stale)
	}
	s.Notes = append(s.Notes, w.isins()...)
	return s, nil
}

// placed says in which file and line the bar stands that err is about.
func (w *walk) placed(err error) error {
	bar, ok := errors.AsType[*market.BarError](err)
	if !ok {
		return err
	}
	t := w.found[bar.Index]
	return badData(w.ticker, fmt.Sprintf("%s:%d", t.day.name, t.line), bar)
}

// adjust takes splits and bonuses out of the bars before them, and holds each
// against the prices. The warnings are what is odd and no sign of one.
func (w *walk) adjust(s *market.Series, list []action) (warnings []string, err error) {
	for _, a := range list {
		if a.wrong != "" && (a.ex == everyDay || a.ex > w.found[0].day.date && a.ex <= w.found[len(w.found)-1].day.date) {
			return nil, badData(w.ticker, a.where, errors.New(a.wrong))
		}
	}
	price, shares := ratio{1, 1}, ratio{1, 1} // what later actions divide this bar's prices by, and multiply its volume by
	for i := len(w.found) - 1; i >= 0; i-- {
		scale(&s.Bars[i], price, shares)
		if i == 0 {
			break
		}
		here := during(list, w.found[i-1].day.date, w.found[i].day.date)
		judged, err := w.check(i, here)
		if err != nil {
			return nil, err
		}
		if judged.warning != "" {
			warnings = append(warnings, judged.warning)
		}
		s.Notes = append(s.Notes, judged.notes...)
		for _, a := range slices.Backward(here) {
			if a.kind == kindDividend {
				continue
			}
			if price, shares = price.times(a.ratio), shares.times(a.shares()); price.huge() || shares.huge() {
				return nil, badData(w.ticker, a.where, errors.New("the corporate actions of this ticker multiply beyond all measure"))
			}
			s.Notes = append(s.Notes, a.note())
		}
	}
	slices.Reverse(s.Notes)
	slices.Reverse(warnings)
	return warnings, nil
}

// A judgement is what is to be said of a step that is no fault.
type judgement struct {
	warning string
	notes   []string
}

// check holds the actions between two neighbouring bars, which may be none,
// against what the later one says.
func (w *walk) check(i int, here []action) (judgement, error) {
	older, newer := w.found[i-1], w.found[i]
	s := step{close: older.close, prev: newer.prev, open: newer.open, last: newer.close, holes: newer.holes}
	factor, said, left, own := ratio{1, 1}, false, false, true
	var texts []string
	var paid dividends
	for _, a := range here {
		if factor = factor.times(a.ratio); factor.huge() {
			return judgement{}, badData(w.ticker, a.where, errors.New("the corporate actions of this day multiply beyond all measure"))
		}
		switch a.kind {
		case kindLeft:
			left = true
		case kindDividend:
			paid = append(paid, a)
		default:
			said, own = true, own && a.own
			texts = append(texts, a.text)
		}
	}
	if said {
		if factor.num == factor.den {
			return judgement{}, nil
		}
		what := fmt.Sprintf("%s on %s", strings.Join(texts, " and "), here[0].ex)
		if s.agrees(factor.float()) {
			return judgement{warning: s.doubt(here[0].where+": "+what, factor.float())}, nil
		}
		if own && s.bears(factor.float()) {
			return judgement{notes: []string{what + ": the prices neither confirm nor contradict it"}}, nil
		}
		near := ""
		if r := s.nearer(factor.float()); r.den > 0 {
			near = fmt.Sprintf(", to which %s is nearer", r)
		}
		return judgement{}, badData(w.ticker, here[0].where, fmt.Errorf(
			"%s contradicts the prices: a close of %g, then a previous close of %g and an open of %g%s; correct the line, or say otherwise in actions.csv",
			what, s.close, s.prev, s.open, near))
	}
	explained := paid.explain(s)
	if sign, found := s.suspect(left, explained != nil); found {
		return judgement{}, badData(w.ticker, fmt.Sprintf("%s:%d", newer.day.name, newer.line), errors.New(w.unexplained(s, sign, newer.day.date)))
	}
	if explained != nil && !s.silent() {
		var notes []string
		for _, a := range explained {
			notes = append(notes, a.note())
		}
		return judgement{notes: notes}, nil
	}
	return judgement{warning: s.oddity(newer.day.date)}, nil
}

// unexplained says what is suspected and which lines settle it. A ratio is only
// offered where it is plain: a wrong one would make wrong bars.
func (w *walk) unexplained(s step, sign suspicion, on date) string {
	line := strings.TrimSuffix(w.ticker, tickerSuffix) + "," + on.String() + ","
	prices := fmt.Sprintf("a close of %g, then a previous close of %g and an open of %g", s.close, s.prev, s.open)
	if s.prev == 0 {
		prices = fmt.Sprintf("a close of %g, then no previous close and an open of %g", s.close, s.open)
	}
	if s.holes > 0 {
		prices += fmt.Sprintf(", with no file for %d sessions between", s.holes)
	}
	if sign.ratio.den > 0 {
		return fmt.Sprintf("a split or bonus of ratio %[1]s on %[2]s that no file of corporate actions explains: %[3]s; look it up, and add the line "+
			"%[4]ssplit,%[1]s to actions.csv, or %[4]snone, if prices really moved so", sign.ratio, on, prices, line)
	}
	factor := "A:B"
	if sign.factor > 0 {
		factor = fmt.Sprintf("%.0f:10000", sign.factor*10000)
	}
	return fmt.Sprintf("a step on %s that no file of corporate actions explains: %s; look up what happened and say it in actions.csv: "+
		"%[3]ssplit,A:B or %[3]sbonus,A:B where shares were divided or given, %[3]sfactor,%[4]s for a demerger or rights issue alone (lines of one day multiply), "+
		"or %[3]snone, if prices really moved so", on, prices, line, factor)
}

// note says what was done about an action.
func (a action) note() string {
	switch a.kind {
	case kindNone:
		return fmt.Sprintf("%s: nothing taken out (%s)", a.ex, a.where)
	case kindLeft, kindDividend:
		return fmt.Sprintf("%s on %s left in the prices (%s)", a.text, a.ex, a.where)
	}
	return fmt.Sprintf("%s on %s taken out (%s)", a.text, a.ex, a.where)
}

// during returns the actions whose ex-date lies after one day and not after another.
func during(list []action, after, upTo date) []action {
	from, _ := slices.BinarySearchFunc(list, after+1, func(a action, d date) int { return int(int64(a.ex) - int64(d)) })
	to, _ := slices.BinarySearchFunc(list, upTo+1, func(a action, d date) int { return int(int64(a.ex) - int64(d)) })
	return list[from:to]
}

// scale divides a bar's prices by one factor and multiplies its volume by
// another. Nothing is rounded.
func scale(bar *market.Bar, price, shares ratio) {
	if factor := price.float(); factor != 1 {
		bar.Open /= factor
		bar.High /= factor
		bar.Low /= factor
		bar.Close /= factor
	}
	bar.Volume *= shares.float()
}

// warnings are what is odd about the days between the bars.
func (w *walk) warnings() []string {
	var list []string
	if w.cut != "" {
		list = append(list, w.cut)
	}
	if n := len(w.ghosts); n > 0 {
		list = append(list, fmt.Sprintf("%d days that only repeat the day before were dropped, the first %s", n, slices.Min(w.ghosts)))
	}
	if w.holes.count > 0 {
		list = append(list, fmt.Sprintf("no file for %d sessions, the first after %s", w.holes.count, w.holes.after))
	}
	if n := len(w.short); n > 0 {
		list = append(list, fmt.Sprintf("%d files hold less than %.0f %% of the shares of the day before, the first %s; are they whole?", n, 100*wholeShare, w.short[n-1]))
	}
	if n := len(w.torn); n > 0 {
		list = append(list, fmt.Sprintf("%d unreadable rows, perhaps of this ticker, on days without a bar, the first %s", n, w.torn[n-1]))
	}
	return list
}

// isins notes where the symbol's ISIN changed, as it does with the face value.
func (w *walk) isins() []string {
	var notes []string
	for i := 1; i < len(w.found); i++ {
		before := w.decoder.isins.text(w.found[i-1].isin)
		after := w.decoder.isins.text(w.found[i].isin)
		if before != after && before != "" && after != "" {
			notes = append(notes, fmt.Sprintf("the ISIN became %s on %s, before it was %s", after, w.found[i].day.date, before))
		}
	}
	return notes
}

func badData(ticker, where string, err error) error {
	return &market.Error{Code: market.CodeBadData, Ticker: ticker, Where: where, Err: err}
}

func isBadData(err error) bool {
	met, ok := errors.AsType[*market.Error](err)
	return ok && met.Code == market.CodeBadData
}
