package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

// TestRebuildWhileReading makes the tables anew, three times, while jobs run
// and readers poll: no read fails, and none sees less than one before it.
func TestRebuildWhileReading(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		long(t)
		t.Parallel()
		d := startUp(t, "synthetic", slow...)
		testRebuild(t, &d.deck)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		long(t)
		t.Parallel()
		r := onPostgres(t)
		r.migrate()
		r.recorder("recorder", r.owner)
		r.api()
		r.analyzer("analyzer", slow...)
		testRebuild(t, &r.deck)
	})
}

func testRebuild(t *testing.T, d *deck) {
	t.Helper()
	first := d.submit(client.Submission{Tickers: synthetic("OLD", 200)})
	d.completed(first.JobID, time.Minute)
	second := d.submit(client.Submission{Tickers: synthetic("NEW", 200)})
	processes.Until(d.t, time.Minute, "the second job to be recorded", func() error {
		_, err := d.job(second.JobID)
		return err
	})

	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	jobs := feeder{client: d.client, jobs: []string{first.JobID, second.JobID}}
	work.Go(func() { jobs.run(ctx) })
	polls := make([]poller, 6)
	for i := range polls {
		polls[i] = poller{client: d.client, id: jobs.jobs[i%2]}
		work.Go(func() { polls[i].run(ctx) })
	}
	// Only a rebuild during which something was recorded counts.
	for during := 0; during < 3; {
		before := d.seq(second.JobID)
		said := d.operate("rebuild")
		if after := d.seq(second.JobID); after > before {
			during++
			t.Logf("from %d to %d: %s", before, after, said)
		}
	}
	stop()
	work.Wait()
	if jobs.wrong != nil {
		t.Errorf("job %d: %v", len(jobs.jobs), jobs.wrong)
	}
	reads := 0
	for _, p := range polls {
		if reads += p.reads; p.wrong != nil {
			t.Errorf("after %d reads of job %s: %v", p.reads, p.id, p.wrong)
		}
	}
	t.Logf("%d reads, %d jobs", reads, len(jobs.jobs))
	for _, id := range jobs.jobs {
		d.completed(id, time.Minute)
	}
	d.verified()
}

// seq tells to which sequence the tables were made, by a read of a job.
func (d *deck) seq(id string) uint64 {
	d.t.Helper()
	job, err := d.job(id)
	if err != nil {
		d.t.Fatal(err)
	}
	return job.AsOfSeq
}

// A feeder submits one job after another, each when the one before has ended,
// so that one is always under way.
type feeder struct {
	client *client.Client
	jobs   []string
	wrong  error
}

func (f *feeder) run(ctx context.Context) {
	last := poller{client: f.client, id: f.jobs[len(f.jobs)-1]}
	for {
		for !last.last.Status.Ended() {
			if !last.step(ctx) {
				f.wrong = last.wrong
				return
			}
		}
		job, err := f.client.Submit(ctx, client.Submission{Tickers: synthetic(fmt.Sprint("NEXT", len(f.jobs), "X"), 200)}, "")
		if err != nil {
			if ctx.Err() == nil {
				f.wrong = err
			}
			return
		}
		f.jobs = append(f.jobs, job.JobID)
		last = poller{client: f.client, id: job.JobID}
	}
}

// A poller reads one job again and again, and notes the first read that fails
// or goes backwards.
type poller struct {
	client *client.Client
	id     string
	// excused tells that a read may fail now; nil: none may.
	excused func() bool
	last    client.Job
	reads   int
	wrong   error
}

// pollPause leaves the processes under test something of the processors.
const pollPause = 20 * time.Millisecond

func (p *poller) run(ctx context.Context) {
	for p.step(ctx) {
	}
}

// step reads once and pauses.
func (p *poller) step(ctx context.Context) bool {
	if !p.read(ctx) {
		return false
	}
	select {
	case <-ctx.Done():
	case <-time.After(pollPause):
	}
	return true
}

// read reads once; false when ctx has ended or something is wrong.
func (p *poller) read(ctx context.Context) bool {
	excused := p.excused != nil && p.excused()
	job, err := p.client.Job(ctx, p.id)
	if ctx.Err() != nil {
		return false
	}
	last := p.last
	switch {
	case err != nil && !client.IsNotFound(err) && (excused || p.excused != nil && p.excused()):
		return true
	case err != nil:
		p.wrong = err
	case job.AsOfSeq < last.AsOfSeq:
		p.wrong = fmt.Errorf("as of %d, after %d", job.AsOfSeq, last.AsOfSeq)
	case last.JobID != "" && job.Pending > last.Pending || job.Analyzed < last.Analyzed || last.Status.Ended() && !job.Status.Ended():
		p.wrong = fmt.Errorf("%+v, after %+v", job, last)
	case job.Analyzed+job.Failed+job.Cancelled+job.Pending != job.Total:
		p.wrong = fmt.Errorf("%+v does not add up", job)
	}
	if p.wrong != nil {
		return false
	}
	p.reads++
	p.last = job
	return true
}
