package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
)

type analyzeCmd struct {
	server
	following
	Tickers  []string `arg:"" optional:"" name:"ticker" help:"Tickers, such as TCS.NS or AAPL."`
	Universe string   `placeholder:"NAME|@FILE" help:"A universe such as nifty50 instead of tickers, or a file with a ticker per line or a column of them."`
	Capital  *float64 `placeholder:"AMOUNT" help:"Capital for each plan, in the ticker's currency; the server's default is 100000."`
	Strategy string   `placeholder:"NAME|@FILE" help:"A strategy such as balanced, or a file with a strategy document (.yaml or .json)."`
	Key      string   `name:"idempotency-key" placeholder:"KEY" help:"The same key and request give the same job, however often they are sent."`
	Detach   bool     `help:"Print the job's id and do not follow it."`
}

// Run submits a job, follows it, and prints its verdicts.
func (cmd analyzeCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	submission, err := cmd.submission()
	if err != nil {
		return err
	}
	accepted, err := submit(a.ctx, func(ctx context.Context, key string) (client.Accepted, error) {
		if cmd.Key != "" {
			key = cmd.Key
		}
		return c.Submit(ctx, submission, key)
	})
	if err != nil {
		return err
	}
	a.warn(accepted.Warning)
	return a.accepted(c, accepted, cmd.Detach, output{json: cmd.JSON}, cmd.following)
}

func (cmd analyzeCmd) submission() (client.Submission, error) {
	s := client.Submission{Tickers: cmd.Tickers}
	if cmd.Capital != nil {
		if s.Capital = *cmd.Capital; !(s.Capital > 0) || math.IsInf(s.Capital, 1) {
			return s, usage("--capital must be a finite number above 0; leave it out for the server's default")
		}
	}
	if path, isFile := strings.CutPrefix(cmd.Universe, "@"); isFile {
		tickers, err := fileTickers(path)
		if err != nil {
			return s, err
		}
		s.Tickers = append(s.Tickers, tickers...)
	} else if s.Universe = cmd.Universe; s.Universe != "" && len(s.Tickers) > 0 {
		return s, usage("tickers and --universe exclude each other; a file of tickers, --universe @FILE, goes with them")
	}
	if len(s.Tickers) == 0 && s.Universe == "" {
		return s, usage("name tickers or a --universe; for example: TCS.NS INFY.NS")
	}
	if cmd.Strategy != "" {
		var err error
		if s.Strategy, err = strategyArgument(cmd.Strategy); err != nil {
			return s, err
		}
	}
	return s, nil
}

// submit sends until the server has answered for certain.
func submit(ctx context.Context, send func(ctx context.Context, key string) (client.Accepted, error)) (client.Accepted, error) {
	key := uuid.NewString()
	for try := 1; ; try++ {
		accepted, err := send(ctx, key)
		if err == nil || try == submitTries || !retriable(err) {
			return accepted, withFile(err)
		}
		select {
		case <-ctx.Done():
			return accepted, ctx.Err()
		case <-time.After(time.Duration(try) * time.Second):
		}
	}
}

// withFile says of a universe that the server cannot get that a file may stand
// in for it, which only this program reads.
func withFile(err error) error {
	var refused *client.Problem
	if errors.As(err, &refused) && refused.Code == "universe_unavailable" {
		return fmt.Errorf("%w, or give --universe @FILE with a ticker per line", err)
	}
	return err
}

// accepted follows a new job to its end, prints what it found and its failures,
// and gives the exit code.
func (a *app) accepted(c *client.Client, accepted client.Accepted, detach bool, as output, f following) error {
	if detach {
		if as.json {
			return printJSON(a.out, []client.Accepted{accepted})
		}
		fmt.Fprintln(a.out, accepted.JobID)
		return nil
	}
	job, err := a.follow(c, accepted.JobID, f)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			fmt.Fprintf(a.err, "job %s goes on; follow it with: tapedeck watch %s\n", accepted.JobID, accepted.JobID)
		}
		return err
	}
	if err := a.printFindings(c, job, as); err != nil {
		return err
	}
	if err := a.printFailures(c, job); err != nil {
		return err
	}
	return f.verdict(job)
}

// printFindings prints a job's results, or its backtests.
func (a *app) printFindings(c *client.Client, job client.Job, as output) error {
	if job.Kind == events.KindBacktest {
		return a.printBacktest(c, job.JobID, 0, as)
	}
	results, err := collect(a.ctx, url.Values{}, 0, func(ctx context.Context, query url.Values) (client.Page[client.Result], error) {
		return c.Results(ctx, job.JobID, query)
	})
	if err != nil {
		return err
	}
	return a.printResults(results, 0, as.json)
}

// printFailures lists the failed tickers with their reasons beside the results.
func (a *app) printFailures(c *client.Client, job client.Job) error {
	if job.Failed == 0 {
		return nil
	}
	query := url.Values{"status": {"failed"}}
	details, err := collect(a.ctx, query, defaultLimit, func(ctx context.Context, query url.Values) (client.Page[client.Detail], error) {
		return c.Details(ctx, job.JobID, query)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "\n%d of %d tickers failed:\n", job.Failed, job.Total)
	t := newTable("TICKER", "CODE", "MESSAGE")
	for _, d := range details {
		t.add(d.Ticker, string(d.Code), oneLine(d.ErrorMessage, 100))
	}
	t.write(a.err, nil)
	if job.Failed > len(details) {
		fmt.Fprintf(a.err, "... and %d more: tapedeck job %s --status failed\n", job.Failed-len(details), job.JobID)
	}
	return nil
}

// verdict is the exit code that a job's end asks for.
func (f following) verdict(job client.Job) error {
	failed := fmt.Sprintf("job %s: %s, %d of %d tickers failed", job.JobID, job.Status, job.Failed, job.Total)
	switch {
	case job.Status == events.StatusCancelled:
		return exitError{exitFailed, fmt.Sprintf("job %s was cancelled", job.JobID)}
	case f.FailOn == "any" && job.Failed > 0, f.FailOn == "all" && job.Failed == job.Total:
		return exitError{exitFailed, failed}
	}
	return nil
}
