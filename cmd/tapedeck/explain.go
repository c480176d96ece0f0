package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"golang.org/x/term"

	"github.com/tapedeck/tapedeck/client"
)

type explainCmd struct {
	server
	following
	Ticker   string   `arg:"" help:"Ticker, such as TCS.NS or AAPL."`
	Strategy string   `placeholder:"NAME|@FILE" help:"The result of this strategy; with --analyze the strategy to use."`
	Job      string   `placeholder:"ID" help:"The result of this job."`
	Day      string   `placeholder:"DATE" help:"The answer of this trading day, such as 2026-01-31."`
	Analyze  bool     `help:"Analyse the ticker first, as a job of its own."`
	Capital  *float64 `placeholder:"AMOUNT" help:"With --analyze, the capital for the plan."`
}

// Run shows how a result came about.
func (cmd explainCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	if err := cmd.check(); err != nil {
		return err
	}
	query := url.Values{}
	name, err := cmd.strategyName()
	if err != nil {
		return err
	}
	for key, value := range map[string]string{"strategy": name, "job": cmd.Job, "day": cmd.Day} {
		if value != "" {
			query.Set(key, value)
		}
	}
	if cmd.Analyze {
		job, err := cmd.analyze(a, c)
		if err != nil {
			return err
		}
		query = url.Values{"job": {job.JobID}}
	}
	e, err := c.Explain(a.ctx, cmd.Ticker, query)
	if client.IsNotFound(err) && cmd.Day != "" {
		return fmt.Errorf("%w\nNo verdict of %s is recorded, and a new analysis is of the newest day; what there is: tapedeck explain %s", err, cmd.Day, cmd.Ticker)
	}
	if client.IsNotFound(err) && cmd.Job == "" {
		return fmt.Errorf("%w\nAnalyse it now: tapedeck explain %s --analyze", err, cmd.Ticker)
	}
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.out, []client.Explanation{e})
	}
	if e, err = printable(e); err != nil {
		return err
	}
	newSheet(a, widthOf(a)).explain(e)
	return nil
}

func (cmd explainCmd) check() error {
	if cmd.Analyze && (cmd.Job != "" || cmd.Day != "") {
		return usage("--analyze makes a new result; it goes with neither --job nor --day")
	}
	if cmd.Capital != nil && !cmd.Analyze {
		return usage("--capital is for a new plan; it needs --analyze")
	}
	if cmd.Day != "" {
		if _, err := time.Parse(time.DateOnly, cmd.Day); err != nil {
			return usage("--day %q is not a day such as 2026-01-31", cmd.Day)
		}
	}
	return nil
}

// strategyName is the name of the strategy that is asked for; a file says its own.
func (cmd explainCmd) strategyName() (string, error) {
	path := strategyFile(cmd.Strategy)
	if path == "" || cmd.Analyze {
		return cmd.Strategy, nil
	}
	document, err := readStrategy(path)
	return document.Name, err
}

// analyze runs a job over the ticker; one that fails is told as by analyze.
func (cmd explainCmd) analyze(a *app, c *client.Client) (client.Job, error) {
	submission, err := analyzeCmd{Tickers: []string{cmd.Ticker}, Capital: cmd.Capital, Strategy: cmd.Strategy}.submission()
	if err != nil {
		return client.Job{}, err
	}
	accepted, err := submit(a.ctx, func(ctx context.Context, key string) (client.Accepted, error) { return c.Submit(ctx, submission, key) })
	if err != nil {
		return client.Job{}, err
	}
	job, err := a.follow(c, accepted.JobID, cmd.following)
	if err != nil {
		return job, err
	}
	if job.Analyzed == 0 {
		if err := a.printFailures(c, job); err != nil {
			return job, err
		}
		return job, exitError{exitFailed, fmt.Sprintf("job %s: %s could not be analysed, there is nothing to explain", job.JobID, cmd.Ticker)}
	}
	return job, nil
}

// The widths of what is printed in paragraphs.
const (
	narrowest = 80
	widest    = 120
)

// widthOf is how wide to print: the terminal's width, or what COLUMNS says,
// within what reads well.
func widthOf(a *app) int {
	width := narrowest
	if file, ok := a.out.(*os.File); ok && a.outTTY {
		if w, _, err := term.GetSize(int(file.Fd())); err == nil {
			width = w
		}
	} else if w, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil {
		width = w
	}
	return max(narrowest, min(widest, width))
}
