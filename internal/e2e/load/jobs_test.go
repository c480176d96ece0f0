package load_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
)

const (
	// jobTime is how long a job may take; it bounds the test, not the speed.
	jobTime = 10 * time.Minute
	// lookEvery is the pause between two looks at a big job, so that looking
	// costs nothing beside it.
	lookEvery = 200 * time.Millisecond
)

// A sample is one job's way, by the job's own times and as a client saw it
// that followed its events. All are counted from the submission.
type sample struct {
	answered     time.Duration // the answer of POST
	running      time.Duration // started_at - created_at
	completed    time.Duration // completed_at - created_at
	sawRunning   time.Duration
	sawCompleted time.Duration
}

// submit submits a job of n tickers.
func (d *deck) submit(n int) (string, error) {
	accepted, err := d.client.Submit(d.t.Context(), client.Submission{Tickers: tickers(n)}, "")
	if err != nil {
		return "", err
	}
	d.ledger.mu.Lock()
	defer d.ledger.mu.Unlock()
	d.ledger.jobs[accepted.JobID] = n
	return accepted.JobID, nil
}

// run submits a job of n tickers and follows it to its end.
func (d *deck) run(n int) (sample, error) {
	var s sample
	begin := time.Now()
	id, err := d.submit(n)
	if err != nil {
		return s, err
	}
	s.answered = time.Since(begin)
	seen := newFollowed(begin)
	if err := d.client.Follow(d.t.Context(), id, seen.take); err != nil {
		return s, err
	}
	job, err := d.ended(id)
	if err != nil {
		return s, err
	}
	s.running, s.completed = job.StartedAt.Sub(*job.CreatedAt), job.CompletedAt.Sub(*job.CreatedAt)
	s.sawRunning, s.sawCompleted = seen.running, seen.end
	return s, seen.whole(n)
}

// ended reads a job that must have completed with every ticker analysed.
func (d *deck) ended(id string) (client.Job, error) {
	job, err := d.client.Job(d.t.Context(), id)
	if err == nil && (job.Status != events.StatusCompleted || job.Analyzed != job.Total) {
		err = fmt.Errorf("job %s is %s with %d of %d analysed, %d failed", id, job.Status, job.Analyzed, job.Total, job.Failed)
	}
	return job, err
}

// completed waits until a job has ended, and fails the test unless every
// ticker was analysed.
func (d *deck) completed(id string) client.Job {
	d.t.Helper()
	deadline := time.Now().Add(jobTime)
	for {
		job, err := d.client.Job(d.t.Context(), id)
		if err != nil {
			d.t.Fatalf("reading job %s: %v", id, err)
		}
		if job.Status.Ended() {
			break
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("job %s has not ended: %d of %d pending", id, job.Pending, job.Total)
		}
		time.Sleep(lookEvery) // between two looks at real state; the deadline decides
	}
	job, err := d.ended(id)
	if err != nil {
		d.t.Error(err)
	}
	return job
}

// A followed is what a client got that followed a job.
type followed struct {
	begin   time.Time
	running time.Duration // when it first heard that the job runs; its end at the latest
	end     time.Duration
	last    string // id of the newest event
	tickers map[string]int
	wrong   error // the first event that was not in order
}

func newFollowed(begin time.Time) *followed {
	return &followed{begin: begin, tickers: map[string]int{}}
}

// take is given to client.Follow.
func (f *followed) take(event client.Event) bool {
	var data struct {
		Ticker string        `json:"ticker"`
		Status events.Status `json:"status"`
	}
	if err := json.Unmarshal(event.Data, &data); err != nil {
		f.wrong = fmt.Errorf("event %s is %q: %w", event.Name, event.Data, err)
		return false
	}
	if event.Name == "ticker" {
		f.tickers[data.Ticker]++
		if !follows(event.ID, f.last) && f.wrong == nil {
			f.wrong = fmt.Errorf("event %s came after %s", event.ID, f.last)
		}
		f.last = event.ID
	}
	if f.running == 0 && (event.Name == "ticker" || data.Status != events.StatusQueued) {
		f.running = time.Since(f.begin)
	}
	if event.Name == "end" {
		f.end = time.Since(f.begin)
	}
	return true
}

// follows compares two sequences as texts.
func follows(id, last string) bool {
	return len(id) > len(last) || len(id) == len(last) && id > last
}

// whole holds that each of n tickers came once and in order, and the end.
func (f *followed) whole(n int) error {
	if f.wrong != nil {
		return f.wrong
	}
	if len(f.tickers) != n || f.end == 0 {
		return fmt.Errorf("the events told of %d tickers of %d, ended: %t", len(f.tickers), n, f.end > 0)
	}
	for ticker, times := range f.tickers {
		if times != 1 {
			return fmt.Errorf("the events told %d times of %s", times, ticker)
		}
	}
	return nil
}
