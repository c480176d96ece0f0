package simulation_test

import (
	"context"
	"slices"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// end checks the whole at the end of a run: what users were told has come
// true, and the rows are those of a model that knows nothing of the product's fold.
func (c *checker) end() {
	c.rebuilt()
	if c.w.stopped() > 0 {
		return // the tape is damaged; that the tables are the fold of what was there is all that can be asked
	}
	c.kept()
	c.modelled()
}

// gone reports whether the tape does not hold any more what was recorded last:
// then the recorders must stop. (I10)
func (c *checker) gone() bool {
	n := len(c.folded)
	return n > 0 && (len(c.w.tape.entries) < n || c.w.tape.entries[n-1].Anchor() != c.at.Anchor)
}

// kept: every accepted job has ended, and its end was announced once. (I1)
func (c *checker) kept() {
	if c.w.tape.damaged {
		return
	}
	ctx := context.Background()
	for _, id := range c.order {
		view, _, err := c.w.database.read.Job(ctx, id)
		switch p := view.Progress; {
		case err != nil:
			c.w.broken("I1: the accepted job %s is not recorded: %v", id, err)
		case !p.Status.Ended():
			c.w.broken("I1: the accepted job %s has not ended: %+v", id, p)
		case view.Seq != c.promised[id].seq || view.RequestSHA256 != c.promised[id].sha:
			c.w.broken("I12: job %s is recorded from sequence %d, accepted with %d", id, view.Seq, c.promised[id].seq)
		}
	}
}

// A modelJob is what must be recorded of a job, by the rules of the design:
// the first outcome of a ticker stands, none counts after a cancel.
type modelJob struct {
	queued   *events.JobQueued
	outcomes map[string]modelOutcome
	progress store.Progress
	told     int // JobCompleted of ours
}

type modelOutcome struct {
	status string
	seq    uint64
}

// modelled holds the rows against the model. (I2, I16)
func (c *checker) modelled() {
	jobs, order := c.model()
	for _, id := range order {
		c.compare(id, jobs[id])
	}
}

func (c *checker) model() (map[string]*modelJob, []string) {
	jobs, order := map[string]*modelJob{}, []string{}
	for _, e := range c.folded {
		id, ticker, what, err := events.ParseSubject(e.Subject)
		if err != nil {
			continue
		}
		if what == "queued" && !e.poison {
			queued, _ := e.entry().Event.Data.(*events.JobQueued)
			jobs[id] = &modelJob{queued: queued, outcomes: map[string]modelOutcome{}, progress: store.Progress{
				JobID: id, Status: events.StatusQueued, Total: len(queued.Tickers), LastSeq: e.Seq,
			}}
			order = append(order, id)
			continue
		}
		job := jobs[id]
		if job == nil {
			continue
		}
		switch {
		case ticker != "":
			job.outcome(e, ticker, what)
		case e.poison:
		case what == "started":
			job.begin(e)
		case what == "cancelled" && !job.progress.Status.Ended():
			job.progress.Cancelled = len(job.queued.Tickers) - len(job.outcomes)
			job.progress.CancelSeq = e.Seq
			job.end(events.StatusCancelled, e)
		case what == "completed":
			job.told++
			job.progress.AnnouncedSeq, job.progress.LastSeq = e.Seq, e.Seq
		}
	}
	return jobs, order
}

func (j *modelJob) begin(e *entry) {
	if j.progress.Status == events.StatusQueued {
		j.progress.Status, j.progress.StartedAt, j.progress.LastSeq = events.StatusRunning, e.At, e.Seq
	}
}

func (j *modelJob) end(status events.Status, e *entry) {
	j.progress.Status, j.progress.CompletedAt, j.progress.LastSeq = status, e.At, e.Seq
}

func (j *modelJob) outcome(e *entry, ticker, what string) {
	if !slices.Contains(j.queued.Tickers, ticker) {
		return
	}
	p := &j.progress
	p.LastSeq = e.Seq
	if p.Status == events.StatusCancelled {
		p.Late++
		return
	}
	if _, taken := j.outcomes[ticker]; taken {
		p.Duplicates++
		return
	}
	j.begin(e)
	if what == "analyzed" && !e.poison {
		j.outcomes[ticker] = modelOutcome{store.DetailAnalyzed, e.Seq}
		p.Analyzed++
	} else {
		j.outcomes[ticker] = modelOutcome{store.DetailFailed, e.Seq}
		p.Failed++
	}
	switch {
	case len(j.outcomes) < len(j.queued.Tickers):
	case p.Analyzed > 0:
		j.end(events.StatusCompleted, e)
	default:
		j.end(events.StatusFailed, e)
	}
}

func (c *checker) compare(id string, job *modelJob) {
	ctx := context.Background()
	view, _, err := c.w.database.read.Job(ctx, id)
	if err != nil || view.Progress != job.progress {
		c.w.broken("I5: job %s is recorded as %+v, on the tape it is %+v, %v", id, view.Progress, job.progress, err)
		return
	}
	page, err := c.w.database.read.Details(ctx, store.DetailsQuery{JobID: id, Limit: store.MaxPage})
	if err != nil || len(page.Items) != len(job.queued.Tickers) {
		c.w.broken("I2: job %s has %d details, %v", id, len(page.Items), err)
		return
	}
	for _, row := range page.Items {
		want, ok := job.outcomes[row.Ticker]
		if !ok && job.progress.CancelSeq > 0 {
			want = modelOutcome{store.DetailCancelled, job.progress.CancelSeq}
		}
		if got := (modelOutcome{row.Status, row.Seq}); got != want {
			c.w.broken("I2: %s of job %s is recorded as %+v, on the tape it is %+v", row.Ticker, id, got, want)
		}
	}
	if job.told != 1 {
		c.w.broken("I1: the end of job %s was announced %d times", id, job.told)
	}
	c.w.note("check", string(job.progress.Status), uint64(len(page.Items)), id)
}
