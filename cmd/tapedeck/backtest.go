package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
)

type backtestCmd struct {
	server
	following
	Tickers  []string `arg:"" optional:"" name:"ticker" help:"Tickers, such as TCS.NS or AAPL; each has the whole capital for itself."`
	Universe string   `placeholder:"NAME|@FILE" help:"A universe such as nifty50 instead of tickers, or a file with a ticker per line or a column of them."`
	Strategy string   `placeholder:"NAME|@FILE" help:"A strategy such as balanced, or a file with a strategy document (.yaml or .json)."`
	From     string   `placeholder:"DATE" help:"First day of the window, such as 2024-01-31; three years before its last by default."`
	To       string   `placeholder:"DATE" help:"Last day of the window; yesterday by default."`
	Capital  *float64 `placeholder:"AMOUNT" help:"Capital of each ticker, in its currency; the server's default is 100000."`
	Cost     *float64 `placeholder:"PERCENT" help:"Commission and taxes of each side of a trade, in percent of its value; the server's default is 0.1."`
	Slippage *float64 `placeholder:"PERCENT" help:"How much worse than its price each side is filled, in percent; the server's default is 0.05."`
	CSV      bool     `name:"csv" help:"Print the metrics of each ticker as CSV."`
	Key      string   `name:"idempotency-key" placeholder:"KEY" help:"The same key and request give the same job, however often they are sent."`
	Detach   bool     `help:"Print the job's id and do not follow it."`
}

// Run submits a backtest, follows it, and prints what each ticker came to.
func (cmd backtestCmd) Run(a *app) error {
	if cmd.CSV && cmd.JSON {
		return usage("--csv and --json exclude each other")
	}
	c, err := cmd.client()
	if err != nil {
		return err
	}
	submission, err := analyzeCmd{Tickers: cmd.Tickers, Universe: cmd.Universe, Capital: cmd.Capital, Strategy: cmd.Strategy}.submission()
	if err != nil {
		return err
	}
	accepted, err := submit(a.ctx, func(ctx context.Context, key string) (client.Accepted, error) {
		if cmd.Key != "" {
			key = cmd.Key
		}
		return c.SubmitBacktest(ctx, client.BacktestSubmission{
			Submission: submission, From: cmd.From, To: cmd.To, CostPercent: cmd.Cost, SlippagePercent: cmd.Slippage,
		}, key)
	})
	if err != nil {
		return err
	}
	a.warn(accepted.Warning)
	return a.accepted(c, accepted, cmd.Detach, output{cmd.JSON, cmd.CSV}, cmd.following)
}

// An output is how a job's results are printed: as a table unless one is set.
type output struct{ json, csv bool }

// printBacktest prints a backtest's tickers and their equal-weight sum.
func (a *app) printBacktest(c *client.Client, jobID string, limit int, as output) error {
	if as.csv {
		return c.BacktestCSV(a.ctx, jobID, a.out)
	}
	var job client.Job
	var sum *client.EqualWeight
	items, err := collect(a.ctx, url.Values{}, limit, func(ctx context.Context, query url.Values) (client.Page[client.TickerBacktest], error) {
		page, err := c.Backtest(ctx, jobID, query)
		if job = page.Job; page.EqualWeight != nil {
			sum = page.EqualWeight
		}
		return client.Page[client.TickerBacktest]{Items: page.Items, NextCursor: page.NextCursor, AsOfSeq: page.AsOfSeq}, err
	})
	if err != nil {
		return err
	}
	if as.json {
		if err := printJSON(a.out, items); err != nil || sum == nil {
			return err
		}
		return printJSON(a.out, []any{map[string]any{"equal_weight": sum}})
	}
	if len(items) == 0 {
		fmt.Fprintln(a.err, "nothing to show")
		return nil
	}
	backtestTable(items, sum).write(a.out, nil)
	if limit > 0 && len(items) == limit {
		fmt.Fprintf(a.err, "the first %d; --limit 0 prints all\n", limit)
	}
	explainBacktest(a.err, job, sum)
	warnBacktest(a.err, items)
	return nil
}

func backtestTable(items []client.TickerBacktest, sum *client.EqualWeight) *table {
	t := newTable("TICKER", ">TRADES", ">WIN%", ">FACTOR", ">EXPECT.R", ">RETURN%", ">CAGR%", ">SHARPE", ">DRAWDOWN%", ">EXPOSURE%", ">HOLD%", "DATA")
	for _, b := range items {
		data := "real"
		if b.Synthetic {
			data = "synthetic"
		}
		m := b.Metrics
		t.add(append(backtestCells(b.Ticker, m.Trading, m.Growth, m.ExposurePercent), price(m.Hold.ReturnPercent), data)...)
	}
	if sum != nil {
		t.add(append(backtestCells("= equal weight", sum.Trading, sum.Growth, sum.ExposurePercent), price(sum.Hold.ReturnPercent), "")...)
		h := sum.Hold
		t.add("= buy and hold", "", "", "", "", price(h.ReturnPercent), number(h.CAGRPercent), number(h.Sharpe), price(h.MaxDrawdownPercent), "", "", "")
	}
	return t
}

func backtestCells(name string, t events.Trading, g events.Growth, exposure float64) []string {
	return []string{
		name, strconv.Itoa(t.Trades), number(t.WinRatePercent), number(t.ProfitFactor), number(t.ExpectancyR), price(g.ReturnPercent),
		number(g.CAGRPercent), number(g.Sharpe), price(g.MaxDrawdownPercent), price(exposure),
	}
}

// explainBacktest says what the figures are of.
func explainBacktest(w io.Writer, job client.Job, sum *client.EqualWeight) {
	if job.Backtest != nil {
		fmt.Fprintf(w, "strategy %s from %s to %s, costs %g %% and slippage %g %% a side, capital %s for each ticker\n",
			job.Strategy, job.Backtest.From, job.Backtest.To, job.Backtest.CostPercent, job.Backtest.SlippagePercent, strconv.FormatFloat(job.Capital, 'f', -1, 64))
	}
	if sum == nil {
		fmt.Fprintln(w, "the tickers are too many to be added up")
		return
	}
	fmt.Fprintf(w, "equal weight: the sum of %d tickers, each with the same capital for itself; %d of them ended above it\n", sum.Tickers, sum.Profitable)
	if sum.Untradable > 0 {
		fmt.Fprintf(w, "%d of them could not trade at all, and count with a return of 0: no whole share, or no order, was within the limits of their capital; a larger --capital may help\n", sum.Untradable)
	}
}

// warnBacktest shows what there is to know about the figures: of each kind of
// warning, which differ by numbers and days only, the first.
func warnBacktest(w io.Writer, items []client.TickerBacktest) {
	type kind struct {
		first   string
		tickers int
	}
	var order []string
	kinds := map[string]*kind{}
	for _, b := range items {
		seen := map[string]bool{}
		for _, text := range b.Warnings {
			name := numbers.ReplaceAllString(text, "#")
			if kinds[name] == nil {
				kinds[name] = &kind{first: b.Ticker + ": " + text}
				order = append(order, name)
			}
			if !seen[name] {
				kinds[name].tickers++
			}
			seen[name] = true
		}
	}
	for _, name := range order[:min(len(order), shownWarnings)] {
		one := kinds[name]
		more := ""
		if n := one.tickers - 1; n > 0 {
			more = fmt.Sprintf(" (and %d more likewise)", n)
		}
		fmt.Fprintf(w, "%s%s\n", oneLine(one.first, 200), more)
	}
	if len(order) > shownWarnings {
		fmt.Fprintf(w, "... and %d more kinds of warning\n", len(order)-shownWarnings)
	}
	if len(order) > 0 {
		fmt.Fprintln(w, "--json or --csv shows every warning of every ticker")
	}
}

// numbers are what warnings of one kind differ by.
var numbers = regexp.MustCompile(`[-+]?[0-9][0-9.,-]*`)

// shownWarnings is how many kinds of warnings a table is followed by: all that
// a backtest has, and a provider's own.
const shownWarnings = 12

// isBacktest reports whether the server says that a job is of that kind.
func isBacktest(err error) bool {
	var refused *client.Problem
	return errors.As(err, &refused) && refused.Status == http.StatusConflict && refused.Code == "job_is_backtest"
}
