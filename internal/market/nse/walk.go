package nse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A walk collects one symbol's bars from the newest day of a snapshot back.
type walk struct {
	*view
	ticker string
	symbol string
	list   []action // of the symbol
	id     uint32   // of the symbol, once a file with it has been read
	known  bool

	found  []traded // newest first
	ghosts []date   // dropped ones between the days found
	short  []string // files with far fewer shares than the day before
	torn   []string // rows of nobody knows whom, on days without a row of this symbol
	holes  holes
	// behind is how many sessions newer than the newest found have a file.
	behind int
	issuer string // in the ISINs of the oldest days found; empty: they have none
	cut    string // why the symbol's older days are another company's, once that is so

	// What was met since the last day found: it matters if an older one comes.
	pendingGhosts []date
	pendingTorn   []string
	pendingShort  []string
	pendingHoles  holes
	pendingFault  error
}

// traded is one session of the symbol, as the file has it.
type traded struct {
	day    *day
	line   uint32
	isin   uint32
	volume float64
	prices
	holes int // sessions without a file between this one and the next older one found
}

// holes are sessions without a file.
type holes struct {
	count int
	after date // the newest day with a file before one of them
}

// collect walks until it has the bars asked for or the days are at their end.
func (w *walk) collect(ctx context.Context, bars int) error {
	for i := len(w.days) - 1; i >= 0 && len(w.found) < bars && w.cut == ""; i-- {
		if err := market.ContextError(ctx, w.ticker); err != nil {
			return err
		}
		missing, err := w.visit(i)
		if err != nil {
			return err
		}
		if missing > 0 {
			w.pendingHoles.count += missing
			w.pendingHoles.after = w.days[i-1].date
		}
	}
	if len(w.found) == 0 && w.pendingFault != nil {
		return w.pendingFault
	}
	return nil
}

// visit looks at one day. It returns how many sessions right before it have no
// file, by the calendar or by the day's own previous closes.
func (w *walk) visit(i int) (missing int, err error) {
	missing = w.snapshot.holes[i]
	d := w.days[i]
	c, err := w.load(i)
	if err != nil {
		if !isBadData(err) {
			return missing, withTicker(err, w.ticker)
		}
		if w.pendingFault == nil {
			w.pendingFault = withTicker(err, w.ticker)
		}
		return missing, nil
	}
	toBefore := w.relation(i, c)
	if toBefore.skips {
		missing = max(missing, 1)
	}
	if toBefore.repeats {
		w.pendingGhosts = append(w.pendingGhosts, d.date)
		return missing, nil
	}
	if toBefore.lost > 0 {
		w.pendingShort = append(w.pendingShort, fmt.Sprintf("%s (%d after %d)", d.name, len(c.rows), toBefore.lost))
	}
	if !w.known {
		w.id, w.known = w.decoder.symbols.find(w.symbol)
	}
	if !w.known {
		w.pass()
		return missing, nil
	}
	if why, bad := c.bad[w.id]; bad {
		return missing, badData(w.ticker, fmt.Sprintf("%s:%d", d.name, why.line), why)
	}
	r := c.find(w.id)
	if r == nil {
		w.pass()
		for _, why := range c.broken {
			w.pendingTorn = append(w.pendingTorn, fmt.Sprintf("%s:%d", d.name, why.line))
		}
		return missing, nil
	}
	if w.cut = w.another(d.date, r.isin); w.cut != "" {
		return 0, nil
	}
	if w.pendingFault != nil { // an unusable day lies within the window
		return missing, w.pendingFault
	}
	w.add(traded{day: d, line: r.line, isin: r.isin, volume: r.volume, prices: c.prices(w.id)})
	return missing, nil
}

// add takes a session, and with it what was met on the way to it.
func (w *walk) add(t traded) {
	if n := len(w.found); n > 0 {
		w.found[n-1].holes = w.pendingHoles.count
	}
	if len(w.found) > 0 {
		w.ghosts = append(w.ghosts, w.pendingGhosts...)
		w.torn = append(w.torn, w.pendingTorn...)
		w.holes.count += w.pendingHoles.count
		if w.pendingHoles.count > 0 {
			w.holes.after = w.pendingHoles.after
		}
	}
	w.short = append(w.short, w.pendingShort...) // also those newer than all found
	w.pendingGhosts, w.pendingTorn, w.pendingShort, w.pendingHoles = nil, nil, nil, holes{}
	w.found = append(w.found, t)
}

// pass goes past a session on which the symbol was not traded.
func (w *walk) pass() {
	if len(w.found) == 0 {
		w.behind++
	}
}

// another says that a day with this ISIN is another company's than the days
// found, which are newer, or is empty. A user's line of the first day after it
// says that it is one.
func (w *walk) another(d date, isin uint32) string {
	text := w.decoder.isins.text(isin)
	issuer, ok := issuerOf(text)
	if !ok {
		return ""
	}
	was := w.issuer
	w.issuer = issuer
	if was == "" || was == issuer {
		return ""
	}
	newer := w.found[len(w.found)-1]
	if slices.ContainsFunc(during(w.list, d, newer.day.date), func(a action) bool { return a.own && a.wrong == "" }) {
		return ""
	}
	first := newer.day.date
	return fmt.Sprintf("the symbol was another company's before %s: ISIN %s until %s, then %s; bars before are left out (if it is one company, add %s,%s,none, to actions.csv)",
		first, text, d, w.decoder.isins.text(newer.isin), w.symbol, first)
}

// issuerOf is the part of a share's ISIN that names the company: what changes
// with a face value comes after it.
func issuerOf(isin string) (string, bool) {
	if len(isin) != len(sharePrefix)+9 || !strings.HasPrefix(isin, sharePrefix) {
		return "", false
	}
	return isin[len(sharePrefix) : len(sharePrefix)+4], true
}

// stale says that a symbol has not been traded for some sessions, or is empty.
func (w *walk) stale() string {
	if w.behind == 0 {
		return ""
	}
	return fmt.Sprintf("last traded on %s, %d sessions before the newest file", w.found[0].day.date, w.behind)
}
