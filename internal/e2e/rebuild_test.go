package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/client"
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
	first := d.submit(client.Submission{Tickers: synthetic("OLD", 400)})
	d.completed(first.JobID, time.Minute)
	jobs := []string{first.JobID}
	for i := range 3 {
		jobs = append(jobs, d.submit(client.Submission{Tickers: synthetic(fmt.Sprint("NEW", i), 800)}).JobID)
	}
	d.recorded(jobs[1], 10)

	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	polls := make([]poller, 2*len(jobs))
	for i := range polls {
		polls[i] = poller{client: d.client, id: jobs[i%len(jobs)]}
		readers.Go(func() { polls[i].run(ctx) })
	}
	for i := range 3 {
		t.Logf("rebuild %d: %s", i+1, d.operate("rebuild"))
		if i == 0 && d.unfinished(jobs) == 0 {
			t.Error("all jobs had ended with the first rebuild; they are too small")
		}
	}
	unfinished := d.unfinished(jobs)
	stop()
	readers.Wait()
	reads := 0
	for _, p := range polls {
		if reads += p.reads; p.wrong != nil {
			t.Errorf("after %d reads of job %s: %v", p.reads, p.id, p.wrong)
		}
	}
	t.Logf("%d reads; %d of %d jobs were still under way after the third rebuild", reads, unfinished, len(jobs))
	for _, id := range jobs {
		d.completed(id, time.Minute)
	}
	d.verified()
}

func (d *deck) unfinished(jobs []string) (n int) {
	d.t.Helper()
	for _, id := range jobs {
		if job, err := d.job(id); err != nil {
			d.t.Fatal(err)
		} else if !job.Status.Ended() {
			n++
		}
	}
	return n
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
const pollPause = 3 * time.Millisecond

func (p *poller) run(ctx context.Context) {
	for p.read(ctx) {
		select {
		case <-ctx.Done():
		case <-time.After(pollPause):
		}
	}
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
