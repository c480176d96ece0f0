package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
)

// following is how a command shows a job's progress and what its end means.
type following struct {
	Progress string `enum:"auto,bar,plain,json,none" default:"auto" help:"Progress on standard error: bar, plain, json or none; auto is bar in a terminal and plain elsewhere."`
	FailOn   string `enum:"never,any,all" default:"any" help:"Exit with 3 when this many tickers failed: never, any or all."`
}

// A progress shows how far a job has come. show is called with each news of
// it, done once at the end.
type progress interface {
	show(job client.Job)
	done(job client.Job)
}

// follow shows a job's progress until it ends and returns it as it ended.
func (a *app) follow(c *client.Client, jobID string, f following) (client.Job, error) {
	shown := a.progress(f.Progress)
	var job client.Job
	var broken error
	err := c.Follow(a.ctx, jobID, func(event client.Event) bool {
		switch event.Name {
		case "snapshot", "progress", "end":
			if broken = json.Unmarshal(event.Data, &job); broken != nil {
				return false
			}
			shown.show(job)
		}
		return true
	})
	switch {
	case broken != nil:
		return job, fmt.Errorf("reading the job's progress: %w", broken)
	case err != nil:
		return job, err
	case !job.Status.Ended():
		return job, fmt.Errorf("the server ended the stream of job %s before the job ended; see: tapedeck job %s", jobID, jobID)
	}
	shown.done(job)
	return job, nil
}

func (a *app) progress(kind string) progress {
	if kind == "auto" {
		kind = "plain"
		if a.errTTY {
			kind = "bar"
		}
	}
	switch kind {
	case "bar":
		return &barProgress{app: a}
	case "json":
		return jsonProgress{a}
	case "none":
		return noProgress{}
	}
	return &plainProgress{app: a, last: -1}
}

// barProgress is a bar that stays on one line of a terminal.
type barProgress struct {
	app *app
	bar *progressbar.ProgressBar
}

func (p *barProgress) show(job client.Job) {
	if p.bar == nil {
		p.bar = progressbar.NewOptions(job.Total,
			progressbar.OptionSetWriter(p.app.err),
			progressbar.OptionSetDescription(job.JobID),
			progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(65*time.Millisecond),
			progressbar.OptionUseANSICodes(true),
		)
	}
	if err := p.bar.Set(job.Total - job.Pending); err != nil {
		p.app.log.Debug("progress bar", "err", err) // a bar that cannot be drawn stops nothing
	}
}

func (p *barProgress) done(job client.Job) {
	if err := p.bar.Finish(); err != nil {
		p.app.log.Debug("progress bar", "err", err)
	}
	fmt.Fprintln(p.app.err)
	p.app.ended(job)
}

// plainProgress is a line when the job starts, at each tenth, and at its end.
type plainProgress struct {
	app  *app
	last int // tenth that was shown last
}

func (p *plainProgress) show(job client.Job) {
	tenth := 0
	if job.Total > 0 {
		tenth = 10 * (job.Total - job.Pending) / job.Total
	}
	if tenth == p.last {
		return
	}
	p.last = tenth
	fmt.Fprintf(p.app.err, "job %s: %s, %d/%d (%d %%), %d failed\n", job.JobID, job.Status, job.Total-job.Pending, job.Total, 100*(job.Total-job.Pending)/max(job.Total, 1), job.Failed)
}

func (p *plainProgress) done(job client.Job) { p.app.ended(job) }

// jsonProgress is the job as JSON, a line for each news of it.
type jsonProgress struct{ app *app }

func (p jsonProgress) show(job client.Job) {
	if err := printJSON(p.app.err, []client.Job{job}); err != nil {
		p.app.log.Debug("progress", "err", err)
	}
}

func (p jsonProgress) done(client.Job) {}

type noProgress struct{}

func (noProgress) show(client.Job) {}
func (noProgress) done(client.Job) {}

// ended says how a job ended and how long it took.
func (a *app) ended(job client.Job) {
	took := ""
	if job.CreatedAt != nil && job.CompletedAt != nil {
		took = fmt.Sprintf(" in %s", job.CompletedAt.Sub(*job.CreatedAt).Round(time.Millisecond))
	}
	fmt.Fprintf(a.err, "job %s: %s%s: %d analyzed, %d failed, %d cancelled\n", job.JobID, job.Status, took, job.Analyzed, job.Failed, job.Cancelled)
}

type watchCmd struct {
	server
	following
	ID string `arg:"" optional:"" name:"job" help:"Id of the job; without it, everything that happens."`
}

// Run follows a job to its end, or everything until it is interrupted.
func (cmd watchCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	if cmd.ID != "" && !cmd.JSON {
		job, err := a.follow(c, cmd.ID, cmd.following)
		if err != nil {
			return err
		}
		return cmd.following.verdict(job)
	}
	job, err := a.stream(c, cmd.ID, cmd.JSON)
	if err != nil || cmd.ID == "" {
		return err
	}
	return cmd.following.verdict(job)
}

// stream prints each event on a line, and returns the job of the last "end".
func (a *app) stream(c *client.Client, jobID string, asJSON bool) (job client.Job, err error) {
	var failed error
	err = c.Follow(a.ctx, jobID, func(event client.Event) bool {
		if event.Name == "end" {
			if failed = json.Unmarshal(event.Data, &job); failed != nil {
				return false
			}
		}
		if asJSON {
			failed = printJSON(a.out, []any{struct {
				Seq   string          `json:"seq,omitempty"`
				Event string          `json:"event"`
				Data  json.RawMessage `json:"data"`
			}{event.ID, event.Name, event.Data}})
			return failed == nil
		}
		if line := lineOf(event); line != "" {
			fmt.Fprintln(a.out, line)
		}
		return true
	})
	if failed != nil {
		return job, fmt.Errorf("following: %w", failed)
	}
	if a.ctx.Err() != nil {
		return job, context.Canceled
	}
	return job, err
}

// lineOf is an event in words; empty for those that only help a display.
func lineOf(event client.Event) string {
	switch event.Name {
	case "ticker":
		var d struct {
			JobID string `json:"job_id"`
			client.Detail
		}
		if json.Unmarshal(event.Data, &d) != nil {
			break
		}
		if d.Code != "" {
			return fmt.Sprintf("%s  %s  %s  %s: %s", event.ID, d.JobID, d.Ticker, d.Code, oneLine(d.ErrorMessage, 100))
		}
		return fmt.Sprintf("%s  %s  %s  %s", event.ID, d.JobID, d.Ticker, d.Status)
	case "queued", "cancelled", "end":
		var job client.Job
		if json.Unmarshal(event.Data, &job) != nil {
			break
		}
		if job.Status == "" {
			job.Status = events.StatusCancelled
		}
		return fmt.Sprintf("%s  %s  job %s", event.ID, job.JobID, job.Status)
	case "progress", "snapshot":
		return ""
	}
	return fmt.Sprintf("%s  %s %s", event.ID, event.Name, event.Data)
}
