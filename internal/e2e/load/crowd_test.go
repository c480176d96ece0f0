package load_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The crowd: jobs that are active at once, and clients that look at them.
const (
	crowdJobs      = 200
	crowdTickers   = 100
	crowdPollers   = 100
	crowdFollowers = 100
	crowdPollEvery = 250 * time.Millisecond
	// crowdSubmitters submit at a time, so that the jobs come within moments.
	crowdSubmitters = 8
)

// crowd is many jobs at once with many clients that poll and follow them.
func crowd(d *deck, sheet *sheet) {
	const scenario = "d. 200 jobs of 100, 100 pollers, 100 followers"
	meter := d.start()
	begin := time.Now()
	ids := make([]string, crowdJobs)
	polling, stop := context.WithCancel(d.t.Context())
	defer stop()
	var pollers, followers sync.WaitGroup
	polls := newPolls()
	d.submitAll(ids, func(i int) {
		switch {
		case i < crowdPollers:
			pollers.Go(func() { d.poll(polling, ids[i], polls) })
		case i < crowdPollers+crowdFollowers:
			followers.Go(func() { d.follow(ids[i]) })
		}
	})
	accepted := time.Since(begin)
	active := 0
	for _, id := range ids {
		if job, err := d.client.Job(d.t.Context(), id); err != nil {
			d.t.Error(err)
		} else if !job.Status.Ended() {
			active++
		}
	}
	var queued, took []time.Duration
	for _, id := range ids {
		job := d.completed(id)
		queued = append(queued, job.StartedAt.Sub(*job.CreatedAt))
		took = append(took, job.CompletedAt.Sub(*job.CreatedAt))
	}
	total := time.Since(begin)
	followers.Wait()
	stop()
	pollers.Wait()
	sheet.add(scenario, "all accepted after, active then", fmt.Sprintf("%s, %d", show(accepted), active))
	sheet.add(scenario, "all completed after", show(total))
	sheet.addTimes(scenario, "queued to running", queued)
	sheet.addTimes(scenario, "queued to completed", took)
	sheet.add(scenario, "tickers/s", fmt.Sprintf("%.0f", crowdJobs*crowdTickers/total.Seconds()))
	sheet.add(scenario, "polls, p50, p99", fmt.Sprintf("%d, %s, %s", len(polls.times), show(quantile(polls.times, 0.5)), show(quantile(polls.times, 0.99))))
	meter.stop(sheet, scenario, crowdJobs*crowdTickers)
}

// submitAll submits a job for each place of ids and calls accepted for it.
func (d *deck) submitAll(ids []string, accepted func(i int)) {
	d.t.Helper()
	places := make(chan int, len(ids))
	for i := range ids {
		places <- i
	}
	close(places)
	var submitters sync.WaitGroup
	for range crowdSubmitters {
		submitters.Go(func() {
			for i := range places {
				id, err := d.submit(crowdTickers)
				if err != nil {
					d.t.Errorf("submitting: %v", err)
					continue
				}
				ids[i] = id
				accepted(i)
			}
		})
	}
	submitters.Wait()
	if d.t.Failed() {
		d.t.FailNow()
	}
}

// polls are how long polls took.
type polls struct {
	mu    sync.Mutex // guards times
	times []time.Duration
}

func newPolls() *polls { return &polls{} }

// poll asks for a job again and again until ctx ends; it is found every time.
func (d *deck) poll(ctx context.Context, id string, polls *polls) {
	ticker := time.NewTicker(crowdPollEvery)
	defer ticker.Stop()
	for {
		begin := time.Now()
		_, err := d.client.Job(ctx, id)
		took := time.Since(begin)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !errors.Is(err, context.Canceled):
			d.t.Errorf("polling: %v", err)
			return
		}
		polls.mu.Lock()
		polls.times = append(polls.times, took)
		polls.mu.Unlock()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// follow follows a job and holds that it hears of each ticker once, in order,
// and of the end.
func (d *deck) follow(id string) {
	followed := newFollowed(time.Now())
	err := d.client.Follow(d.t.Context(), id, followed.take)
	if err == nil {
		err = followed.whole(crowdTickers)
	}
	if err != nil {
		d.t.Errorf("following job %s: %v", id, err)
	}
}
