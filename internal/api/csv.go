package api

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/internal/store"
)

const csvType = "text/csv; charset=utf-8"

// wantsCSV reports whether a request asks for CSV: format=csv, or an Accept
// header that prefers it to JSON.
func wantsCSV(c *fiber.Ctx) (bool, error) {
	format, err := queryOneOf(c, "format", "json", "csv")
	if err != nil || format != "" {
		return format == "csv", err
	}
	c.Vary(fiber.HeaderAccept)
	return c.Accepts(fiber.MIMEApplicationJSON, "text/csv") == "text/csv", nil
}

// sendCSV sends a table as a file (RFC 4180, names in the first row). No cell
// is a formula to who opens it in a spreadsheet.
func sendCSV(c *fiber.Ctx, name string, head []string, rows [][]string) error {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.UseCRLF = true
	for _, row := range rows {
		for i, cell := range row {
			row[i] = inert(cell)
		}
	}
	if err := w.WriteAll(append([][]string{head}, rows...)); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	c.Set(fiber.HeaderContentType, csvType)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+fileName(name)+`.csv"`)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Status(http.StatusOK)
	return c.Send(text.Bytes())
}

// inert puts a ' before what a spreadsheet would take for a formula, also in
// full width; numbers stay what they are. Texts of providers reach a table.
func inert(cell string) string {
	if !strings.ContainsAny(firstOf(cell), "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20") {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
}

func firstOf(text string) string {
	_, size := utf8.DecodeRuneInString(text)
	return text[:size]
}

// fileName keeps what is harmless in a header and in a file system.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, name)
}

// sendBacktestsCSV sends the metrics of every ticker of a job, a row each.
func (s *Server) sendBacktestsCSV(c *fiber.Ctx, q store.BacktestsQuery) error {
	if q.After != "" {
		return badQuery("query.cursor", "is not of CSV, which gives every ticker at once", "")
	}
	var rows [][]string
	for q.Limit = store.MaxPage; ; {
		page, err := s.config.Reader.Backtests(c.UserContext(), q)
		if err != nil && !errors.Is(err, store.ErrNotFound) { // not found: the job is on the tape, and not recorded yet
			return fmt.Errorf("reading backtests: %w", err)
		}
		for _, b := range page.Items {
			rows = append(rows, metricsRow(b))
		}
		if q.After = page.Next; q.After == "" {
			return sendCSV(c, "backtest-"+q.JobID, metricsHead(), rows)
		}
	}
}

func metricsHead() []string {
	return strings.Fields(`ticker currency synthetic first_day last_day sessions capital final_equity return_percent cagr_percent
		sharpe max_drawdown_percent exposure_percent trades wins losses shorts win_rate_percent profit_factor expectancy
		expectancy_percent expectancy_r average_bars_held costs slippage hold_return_percent hold_cagr_percent hold_sharpe
		hold_max_drawdown_percent warnings`)
}

func metricsRow(b store.Backtest) []string {
	m := b.Metrics
	t, g, h := m.Trading, m.Growth, m.Hold
	return []string{
		b.Ticker, b.Lineage.Currency, strconv.FormatBool(b.Lineage.Synthetic), b.FirstDay, b.LastDay, strconv.Itoa(m.Days.Sessions),
		decimal(m.Capital), decimal(m.FinalEquity), decimal(g.ReturnPercent), optional(g.CAGRPercent), optional(g.Sharpe),
		decimal(g.MaxDrawdownPercent), decimal(m.ExposurePercent), strconv.Itoa(t.Trades), strconv.Itoa(t.Wins), strconv.Itoa(t.Losses),
		strconv.Itoa(t.Shorts), optional(t.WinRatePercent), optional(t.ProfitFactor), optional(t.Expectancy), optional(t.ExpectancyPercent),
		optional(t.ExpectancyR), optional(t.AverageBarsHeld), decimal(t.Costs), decimal(t.Slippage), decimal(h.ReturnPercent),
		optional(h.CAGRPercent), optional(h.Sharpe), decimal(h.MaxDrawdownPercent), strings.Join(b.Warnings, "; "),
	}
}

func tradesHead() []string {
	return strings.Fields(`ticker side signal_day entry_day exit_day verdict score entry_price exit_price stop target size reason gap
		bars_held risk gross costs slippage pnl return_percent r`)
}

func tradesRows(w store.BacktestWhole) [][]string {
	rows := make([][]string, len(w.Trades))
	for i, t := range w.Trades {
		rows[i] = []string{
			w.Ticker, t.Side, t.SignalDay, t.EntryDay, t.ExitDay, string(t.Verdict), decimal(t.Score), decimal(t.EntryPrice),
			decimal(t.ExitPrice), decimal(t.Stop), decimal(t.Target), strconv.FormatInt(t.Size, 10), t.Reason, strconv.FormatBool(t.Gap),
			strconv.Itoa(t.BarsHeld), decimal(t.Risk), decimal(t.Gross), decimal(t.Costs), decimal(t.Slippage), decimal(t.PnL),
			decimal(t.ReturnPercent), decimal(t.R),
		}
	}
	return rows
}

func equityHead() []string { return []string{"ticker", "day", "equity", "hold"} }

func equityRows(w store.BacktestWhole) [][]string {
	points := toPoints(toCurve(w.Curve))
	rows := make([][]string, len(points))
	for i, p := range points {
		rows[i] = []string{w.Ticker, p.Day, decimal(p.Equity), decimal(p.Hold)}
	}
	return rows
}

// number rounds to ten significant digits: a reader of a table needs no more.
func decimal(f float64) string {
	short, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 10, 64), 64)
	if err != nil || math.IsInf(short, 0) {
		short = f
	}
	return strconv.FormatFloat(short, 'f', -1, 64)
}

// optional is empty where there is no number.
func optional(f *float64) string {
	if f == nil {
		return ""
	}
	return decimal(*f)
}
