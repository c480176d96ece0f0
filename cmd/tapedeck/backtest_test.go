package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/client"
)

// TestBacktest goes the way of a user: submit, follow, the table; the same as
// CSV and JSON; the job among the others; its results by the other command.
func TestBacktest(t *testing.T) {
	base := deck(t)
	run := func(args ...string) said { return command(t, append(args, "--server", base)...) }
	window := []string{"--from", "2025-06-01", "--to", "2025-12-31"}

	table := run(append([]string{"backtest", "TCS.NS", "INFY.NS", "--progress", "plain"}, window...)...)
	table.want(t, 0, "2 analyzed, 0 failed", "from 2025-06-01 to 2025-12-31", "costs 0.1 % and slippage 0.05 %", "sum of 2 tickers")
	lines := strings.Split(strings.TrimSpace(table.out), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "TICKER") || !strings.Contains(lines[1], "synthetic") ||
		!strings.HasPrefix(lines[3], "= equal weight") || !strings.HasPrefix(lines[4], "= buy and hold") {
		t.Errorf("table:\n%s", table.out)
	}
	rows, err := csv.NewReader(strings.NewReader(run(append([]string{"backtest", "TCS.NS", "--csv", "--cost", "0", "--slippage", "0"}, window...)...).want(t, 0).out)).ReadAll()
	if err != nil || len(rows) != 2 || rows[0][0] != "ticker" || rows[1][0] != "TCS.NS" {
		t.Errorf("csv %q, %v", rows, err)
	}
	for i, name := range rows[0] {
		if name == "costs" && rows[1][i] != "0" || name == "slippage" && rows[1][i] != "0" {
			t.Errorf("%s is %s", name, rows[1][i])
		}
	}
	asJSON := strings.Split(strings.TrimSpace(run(append([]string{"backtest", "INFY.NS", "--json", "--strategy", "mean_reversion"}, window...)...).want(t, 0).out), "\n")
	var one client.TickerBacktest
	var sum struct {
		EqualWeight client.EqualWeight `json:"equal_weight"`
	}
	if len(asJSON) != 2 || json.Unmarshal([]byte(asJSON[0]), &one) != nil || json.Unmarshal([]byte(asJSON[1]), &sum) != nil ||
		one.Ticker != "INFY.NS" || one.Strategy != "mean_reversion" || sum.EqualWeight.Tickers != 1 || sum.EqualWeight.Sessions != one.Metrics.Days.Sessions {
		t.Errorf("json %s", asJSON)
	}

	dear := run(append([]string{"backtest", "TCS.NS", "INFY.NS", "--capital", "0.5"}, window...)...).want(t, 0, "capital 0.5 for each ticker", "2 of them could not trade at all", "no whole share within the position limit")
	if !strings.Contains(dear.err, "signals were not traded") || !strings.Contains(dear.err, "and 1 more likewise") {
		t.Errorf("notes:\n%s", dear.err)
	}

	id := strings.TrimSpace(run(append([]string{"backtest", "TCS.NS", "--detach"}, window...)...).want(t, 0).out)
	run("watch", id).want(t, 0)
	run("jobs").want(t, 0, id, "backtest")
	run("results", id).want(t, 0, "TCS.NS", "= equal weight")
	run("job", id).want(t, 0, "TCS.NS", "analyzed")
}

// TestBacktestWarnings: each kind of warning is shown once, however many tickers
// have it, so that none is lost among those of another kind.
func TestBacktestWarnings(t *testing.T) {
	var items []client.TickerBacktest
	for i := range 30 {
		items = append(items, client.TickerBacktest{Ticker: fmt.Sprintf("T%d", i), Warnings: []string{
			fmt.Sprintf("%d of 200 signals lack indicators that need more bars: the coverage is partial", 100+i),
		}})
	}
	split := "1 daily moves beyond a factor of 1.4, the largest -50 % on 2025-06-03; a split that was not taken out?"
	items[20].Warnings = append(items[20].Warnings, split)
	items[21].Warnings = append(items[21].Warnings, "2 daily moves beyond a factor of 1.4, the largest +52 % on 2025-07-03; a split that was not taken out?")
	var out strings.Builder
	warnBacktest(&out, items)
	want := "T0: 100 of 200 signals lack indicators that need more bars: the coverage is partial (and 29 more likewise)\n" +
		"T20: " + split + " (and 1 more likewise)\n" +
		"--json or --csv shows every warning of every ticker\n"
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}

// TestBacktestFails: what cannot be tested is said, and ends with 3.
func TestBacktestFails(t *testing.T) {
	base := deck(t)
	run := func(args ...string) said { return command(t, append(args, "--server", base)...) }
	run("backtest", "TCS.NS", "--from", "2025-06-07", "--to", "2025-06-08").want(t, 3, "short_history", "no session within the window")
	run("backtest", "TCS.NS", "--from", "2025-06-07", "--to", "2025-06-08", "--fail-on", "never").want(t, 0)
	run("backtest", "TCS.NS", "--from", "soon").want(t, 1, "body.from")
	run("backtest", "TCS.NS", "--json", "--csv").want(t, 2)
	run("backtest").want(t, 2)
	for _, command := range []string{"analyze", "backtest"} {
		for _, capital := range []string{"0", "-3", "NaN"} {
			run(command, "TCS.NS", "--capital="+capital).want(t, 2, "--capital must be a finite number above 0")
		}
		run(command, "TCS.NS", "--universe", "nope").want(t, 2, "exclude each other")
	}
}
