package load_test

import (
	"fmt"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

const (
	runs  = 10     // of a job whose times are a median
	big   = 10_000 // tickers: the most that a job may have
	small = 20
)

// latency is how long jobs take that have the machine to themselves.
func latency(d *deck, sheet *sheet) {
	if _, err := d.run(small); err != nil { // connections, caches
		d.t.Fatal(err)
	}
	for _, n := range []int{1, 100} {
		scenario := fmt.Sprintf("a. %d ticker(s) alone, %d runs", n, runs)
		d.repeat(sheet, scenario, n, runs)
	}
}

// repeat runs jobs of n tickers one after the other, and returns how long they
// took from queued to completed.
func (d *deck) repeat(sheet *sheet, scenario string, n, times int) {
	d.t.Helper()
	var answered, running, completed, sawRunning, sawCompleted []time.Duration
	for range times {
		s, err := d.run(n)
		if err != nil {
			d.t.Fatalf("a job of %d: %v", n, err)
		}
		answered, running, completed = append(answered, s.answered), append(running, s.running), append(completed, s.completed)
		sawRunning, sawCompleted = append(sawRunning, s.sawRunning), append(sawCompleted, s.sawCompleted)
	}
	sheet.addTimes(scenario, "POST answered", answered)
	sheet.addTimes(scenario, "queued to running", running)
	sheet.addTimes(scenario, "queued to completed", completed)
	sheet.addTimes(scenario, "client: POST to seen running", sawRunning)
	sheet.addTimes(scenario, "client: POST to seen completed", sawCompleted)
}

// throughput is one big job alone.
func throughput(d *deck, sheet *sheet) {
	const scenario = "b. one job of 10,000"
	meter := d.start()
	id, err := d.submit(big)
	if err != nil {
		d.t.Fatal(err)
	}
	job := d.completed(id)
	meter.stop(sheet, scenario, big)
	took := job.CompletedAt.Sub(*job.CreatedAt)
	sheet.add(scenario, "queued to running", show(job.StartedAt.Sub(*job.CreatedAt)))
	sheet.add(scenario, "queued to completed", show(took))
	sheet.add(scenario, "tickers/s", fmt.Sprintf("%.0f", big/took.Seconds()))
	sheet.add(scenario, "events recorded/s", fmt.Sprintf("%.0f", (big+2)/took.Seconds())) // queued, started
}

// fairness is how long jobs of several sizes take beside two big jobs and a
// hundred small ones, and beside the big ones once the small are done.
func fairness(d *deck, sheet *sheet) {
	sizes := []int{20, 60, 500}
	for _, n := range sizes {
		d.repeat(sheet, fmt.Sprintf("c. %d tickers, alone", n), n, 3)
	}
	bigs := []string{d.begun(big), d.begun(big)}
	smalls := make([]string, 100)
	for i := range smalls {
		var err error
		if smalls[i], err = d.submit(small); err != nil {
			d.t.Fatal(err)
		}
	}
	d.together(sheet, "with 2 of 10,000 and 100 of 20", sizes)
	for _, id := range smalls {
		d.completed(id)
	}
	d.together(sheet, "with 2 of 10,000", sizes)
	for i, id := range bigs {
		job, err := d.client.Job(d.t.Context(), id)
		if err != nil {
			d.t.Fatal(err)
		}
		sheet.add("c. the big jobs", fmt.Sprintf("job %d: pending when the last of the others ended", i+1), fmt.Sprint(job.Pending))
	}
	for _, id := range bigs {
		d.completed(id)
	}
}

// begun submits a job and waits until it runs.
func (d *deck) begun(n int) string {
	d.t.Helper()
	id, err := d.submit(n)
	if err != nil {
		d.t.Fatal(err)
	}
	processes.Until(d.t, readyTime, "a job to run", func() error {
		job, err := d.client.Job(d.t.Context(), id)
		if err == nil && job.Status == events.StatusQueued {
			err = fmt.Errorf("it is %s", job.Status)
		}
		return err
	})
	return id
}

// together runs jobs of several sizes at once.
func (d *deck) together(sheet *sheet, beside string, sizes []int) {
	d.t.Helper()
	var running sync.WaitGroup
	for _, n := range sizes {
		running.Go(func() { d.besides(sheet, fmt.Sprintf("c. %d tickers, %s", n, beside), n) })
	}
	running.Wait()
}

func (d *deck) besides(sheet *sheet, scenario string, n int) {
	s, err := d.run(n)
	if err != nil {
		d.t.Errorf("a job of %d: %v", n, err)
		return
	}
	sheet.add(scenario, "queued to running", show(s.running))
	sheet.add(scenario, "queued to completed", show(s.completed))
	sheet.add(scenario, "client: POST to seen completed", show(s.sawCompleted))
}
