package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
)

// server is where the commands of users find the api, and how they print.
type server struct {
	Server string `default:"http://127.0.0.1:8080" placeholder:"URL" help:"Address of the api."`
	JSON   bool   `name:"json" help:"Print JSON, an object per line."`
}

func (s server) client() (*client.Client, error) {
	c, err := client.New(s.Server)
	if err != nil {
		return nil, exitError{exitUsage, err.Error()}
	}
	return c, nil
}

// defaultLimit is how many rows a list prints unless it is told otherwise.
const defaultLimit = 50

// page is the largest page that the server gives.
const page = 1000

type jobsCmd struct {
	server
	Status string `enum:",queued,running,completed,failed,cancelled" default:"" help:"Only jobs in this state."`
	Limit  int    `default:"50" help:"Most jobs to print; 0 prints all."`
}

// Run prints jobs, newest first.
func (cmd jobsCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	query := url.Values{}
	if cmd.Status != "" {
		query.Set("status", cmd.Status)
	}
	jobs, err := collect(a.ctx, query, cmd.Limit, c.Jobs)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.out, jobs)
	}
	t := newTable("JOB", "KIND", "STATUS", ">TOTAL", ">ANALYZED", ">FAILED", ">CANCELLED", "STRATEGY", "CREATED")
	for _, j := range jobs {
		t.add(j.JobID, string(j.Kind), string(j.Status), strconv.Itoa(j.Total), strconv.Itoa(j.Analyzed), strconv.Itoa(j.Failed),
			strconv.Itoa(j.Cancelled), j.Strategy, clock(j.CreatedAt))
	}
	a.write(t, cmd.Limit)
	return nil
}

type jobCmd struct {
	server
	ID     string `arg:"" name:"job" help:"Id of the job."`
	Status string `enum:",pending,analyzed,failed,cancelled" default:"" help:"Only tickers in this state."`
}

// Run prints a job and the outcome of each of its tickers.
func (cmd jobCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	job, err := c.Job(a.ctx, cmd.ID)
	if err != nil {
		return err
	}
	query := url.Values{}
	if cmd.Status != "" {
		query.Set("status", cmd.Status)
	}
	details, err := collect(a.ctx, query, 0, func(ctx context.Context, query url.Values) (client.Page[client.Detail], error) {
		return c.Details(ctx, cmd.ID, query)
	})
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.out, []any{struct {
			client.Job
			Details []client.Detail `json:"details"`
		}{job, details}})
	}
	a.printJob(job)
	fmt.Fprintln(a.out)
	t := newTable("TICKER", "STATUS", "CODE", ">ATTEMPTS", "MESSAGE")
	for _, d := range details {
		t.add(d.Ticker, d.Status, string(d.Code), strconv.Itoa(d.Attempts), oneLine(d.ErrorMessage, 100))
	}
	t.write(a.out, nil)
	return nil
}

func (a *app) printJob(j client.Job) {
	fmt.Fprintf(a.out, "job        %s\nstatus     %s, %.1f %%\ntickers    %d: %d analyzed, %d failed, %d cancelled, %d pending\nstrategy   %s, capital %.2f\ncreated    %s\nstarted    %s\ncompleted  %s\ndeadline   %s\n",
		j.JobID, j.Status, j.ProgressPercent, j.Total, j.Analyzed, j.Failed, j.Cancelled, j.Pending, j.Strategy, j.Capital,
		clock(j.CreatedAt), clock(j.StartedAt), clock(j.CompletedAt), clock(j.Deadline))
	if j.Universe != "" {
		fmt.Fprintf(a.out, "universe   %s\n", oneLine(j.Universe, 60))
	}
	if j.ParentJobID != "" {
		fmt.Fprintf(a.out, "retries    %s\n", j.ParentJobID)
	}
}

type cancelCmd struct {
	server
	ID string `arg:"" name:"job" help:"Id of the job."`
}

// Run asks the server to stop a job.
func (cmd cancelCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	job, err := c.Cancel(a.ctx, cmd.ID)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.out, []client.Job{job})
	}
	fmt.Fprintf(a.out, "job %s: cancel accepted\n", cmd.ID)
	return nil
}

type retryCmd struct {
	server
	following
	ID     string `arg:"" name:"job" help:"Id of the job whose failed tickers are tried again."`
	Detach bool   `help:"Do not follow the new job."`
}

// Run submits the failed tickers of a job as a new job and follows it.
func (cmd retryCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	accepted, err := submit(a.ctx, func(ctx context.Context, key string) (client.Accepted, error) {
		return c.Retry(ctx, cmd.ID, key)
	})
	if err != nil {
		return err
	}
	return a.accepted(c, accepted, cmd.Detach, output{json: cmd.JSON}, cmd.following)
}

type resultsCmd struct {
	server
	ID      string `arg:"" optional:"" name:"job" help:"Id of the job; without it, the screen of the newest day."`
	Verdict string `enum:",strong-buy,buy,hold,sell,strong-sell" default:"" help:"Only this verdict."`
	Class   string `enum:"real,synthetic" default:"real" help:"For the screen: real data, or synthetic."`
	Limit   int    `default:"0" help:"Most results to print; 0 prints all."`
}

// Run prints results, best score first.
func (cmd resultsCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	query := url.Values{}
	if cmd.Verdict != "" {
		query.Set("verdict", string(verdictOf(cmd.Verdict)))
	}
	list := c.Screen
	if cmd.ID != "" {
		list = func(ctx context.Context, query url.Values) (client.Page[client.Result], error) {
			return c.Results(ctx, cmd.ID, query)
		}
	} else if cmd.Class == "synthetic" {
		query.Set("class", cmd.Class)
	}
	results, err := collect(a.ctx, query, cmd.Limit, list)
	if isBacktest(err) {
		return a.printBacktest(c, cmd.ID, cmd.Limit, output{json: cmd.JSON})
	}
	if err != nil {
		return err
	}
	return a.printResults(results, cmd.Limit, cmd.JSON)
}

func verdictOf(flag string) events.Verdict {
	words := strings.Split(flag, "-")
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return events.Verdict(strings.Join(words, " "))
}

type historyCmd struct {
	server
	Ticker string `arg:"" help:"Ticker, such as TCS.NS or AAPL."`
	Daily  bool   `help:"Only the answer of each day."`
	Limit  int    `default:"50" help:"Most results to print; 0 prints all."`
}

// Run prints the results of a ticker, newest first.
func (cmd historyCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	query := url.Values{}
	if cmd.Daily {
		query.Set("daily", "true")
	}
	results, err := collect(a.ctx, query, cmd.Limit, func(ctx context.Context, query url.Values) (client.Page[client.Result], error) {
		return c.History(ctx, cmd.Ticker, query)
	})
	if err != nil {
		return err
	}
	return a.printResults(results, cmd.Limit, cmd.JSON)
}

// collect reads a list to its end or to limit items; 0 means no limit.
func collect[T any](ctx context.Context, query url.Values, limit int, list func(context.Context, url.Values) (client.Page[T], error)) ([]T, error) {
	if limit < 0 {
		return nil, usage("--limit must not be negative")
	}
	query.Set("limit", strconv.Itoa(page))
	if limit > 0 {
		query.Set("limit", strconv.Itoa(min(limit, page)))
	}
	var items []T
	err := client.All(ctx, query, list, func(item T) bool {
		items = append(items, item)
		return limit == 0 || len(items) < limit
	})
	return slices.Clip(items), err
}

// submitTries is how often a submission whose outcome is unknown is repeated.
// Each carries the same key, so there is one job however often it arrives.
const submitTries = 5

// patience is the longest Retry-After, in seconds, that a submission waits
// for: what takes longer is told to the user.
const patience = 10

func retriable(err error) bool {
	var refused *client.Problem
	if !errors.As(err, &refused) {
		return true
	}
	if wait, err := strconv.Atoi(refused.RetryAfter); err == nil && wait > patience {
		return false
	}
	return refused.Status == 503 || refused.Status == 429
}
