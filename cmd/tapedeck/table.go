package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// A table is columns of text; numbers stand to the right.
type table struct {
	head  []string
	right []bool
	rows  [][]string
}

// newTable takes the column titles; those that begin with ">" stand to the right.
func newTable(titles ...string) *table {
	t := &table{}
	for _, title := range titles {
		name, right := strings.CutPrefix(title, ">")
		t.head = append(t.head, name)
		t.right = append(t.right, right)
	}
	return t
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table; paint colours a cell after it was padded.
func (t *table) write(w io.Writer, paint func(column int, cell, padded string) string) {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			padded := cell + pad
			if t.right[i] {
				padded = pad + cell
			}
			if paint != nil && n > 0 {
				padded = paint(i, cell, padded)
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(padded)
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// write prints a table that was cut at limit rows (0: not at all), and says so.
func (a *app) write(t *table, limit int) {
	if len(t.rows) == 0 {
		fmt.Fprintln(a.err, "nothing to show")
		return
	}
	t.write(a.out, a.paintVerdict)
	if limit > 0 && len(t.rows) == limit {
		fmt.Fprintf(a.err, "the first %d; --limit 0 prints all\n", limit)
	}
}

// printResults prints verdicts as a table, or as JSON lines.
func (a *app) printResults(results []client.Result, limit int, asJSON bool) error {
	if asJSON {
		return printJSON(a.out, results)
	}
	t := newTable("TICKER", "DAY", "VERDICT", ">SCORE", ">CLOSE", ">ENTRY", ">STOP", ">TARGET", ">SIZE", "DATA")
	held, doubted := false, false
	for _, r := range results {
		verdict := string(r.Verdict)
		if heldBack(r) {
			verdict, held = verdict+heldMark, true
		}
		data := "real"
		if r.Synthetic {
			data = "synthetic"
		}
		if len(r.Lineage.Warnings) > 0 {
			data, doubted = data+doubtMark, true
		}
		t.add(r.Ticker, r.TradingDay, verdict, fmt.Sprintf("%+.3f", r.Score), quoted(r.Ticker, r.Numbers.Close),
			priceAt(r.Ticker, r.Plan.Entry), priceAt(r.Ticker, r.Plan.Stop), priceAt(r.Ticker, r.Plan.Target), fmt.Sprint(r.Plan.Size), data)
	}
	a.write(t, limit)
	if held {
		fmt.Fprintf(a.err, "%s held back by the quorum of the strategy: too little votes, agrees, or had enough bars; tapedeck explain TICKER tells\n", heldMark)
	}
	if doubted {
		fmt.Fprintf(a.err, "%s the bars have warnings, such as old ones or a split that may be left in; tapedeck explain TICKER tells\n", doubtMark)
	}
	return nil
}

// doubtMark stands behind the data of a result whose bars have warnings.
const doubtMark = " !"

// heldMark stands behind a verdict that the strategy's quorum held back.
const heldMark = " *"

// heldBack reports whether the quorum made a Strong verdict of r a plain one, or
// any a Hold; the report says so in words: "Buy, not Strong Buy: ...".
func heldBack(r client.Result) bool {
	for _, warning := range r.Warnings {
		if strings.HasPrefix(warning, string(r.Verdict)+", not ") {
			return true
		}
	}
	return false
}

// paintVerdict colours the verdict's column green or red.
func (a *app) paintVerdict(_ int, cell, padded string) string {
	if !a.color {
		return padded
	}
	switch events.Verdict(strings.TrimSuffix(cell, heldMark)) {
	case events.StrongBuy:
		return "\x1b[1;32m" + padded + "\x1b[0m"
	case events.Buy:
		return "\x1b[32m" + padded + "\x1b[0m"
	case events.Sell:
		return "\x1b[31m" + padded + "\x1b[0m"
	case events.StrongSell:
		return "\x1b[1;31m" + padded + "\x1b[0m"
	}
	return padded
}

// printJSON prints each item on a line of its own.
func printJSON[T any](w io.Writer, items []T) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, item := range items {
		if err := encoder.Encode(item); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	}
	return nil
}

func number(v *float64) string {
	if v == nil {
		return "-"
	}
	return price(*v)
}

func price(v float64) string { return fmt.Sprintf("%.2f", v) }

// priceAt writes a price of a ticker on its exchange's tick.
func priceAt(name string, v float64) string { return fmt.Sprintf("%.*f", decimals(name, v), v) }

func quoted(name string, v *float64) string {
	if v == nil {
		return "-"
	}
	return priceAt(name, *v)
}

// decimals is how many a price of a ticker is written with: as many as its tick
// has, at least 2. Without a tick a price below 1 has 4, as at the US exchanges. A
// price that lies off its tick, as a level does for which there is no room on
// them, has as many as show wantDigits of its digits, or it would look like one that
// can be ordered.
func decimals(name string, v float64) int {
	tick := ticker.ExchangeOf(name).TickAt(v)
	if tick == 0 && v < 1 {
		return significant(v, 4)
	}
	n := 2
	for n < 8 && tick > 0 && math.Abs(tick*math.Pow10(n)-math.Round(tick*math.Pow10(n))) > 1e-6 {
		n++
	}
	if tick > 0 && math.Abs(v/tick-math.Round(v/tick)) > offTick {
		return significant(v, n)
	}
	return n
}

const (
	// wantDigits of a small price tell a level from its neighbours of a percent.
	wantDigits = 4
	// offTick is the part of a tick up to which a price is on it, but for the noise
	// of a provider's numbers.
	offTick = 0.01
	// mostDecimals are those of the smallest price that a bar may have.
	mostDecimals = 15
)

// significant is how many decimals, at least least, show wantDigits digits of v
// but for zeros at their end.
func significant(v float64, least int) int {
	if !(v > 0) {
		return least
	}
	n := min(mostDecimals, wantDigits-1-int(math.Floor(math.Log10(v))))
	for n > least && math.Mod(math.Round(v*math.Pow10(n)), 10) == 0 {
		n--
	}
	return max(least, n)
}

func clock(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func oneLine(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, unicode.IsControl), " ")
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
