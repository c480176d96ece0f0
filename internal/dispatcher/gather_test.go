package dispatcher_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/dispatcher"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

func items(job string, n int) []stream.Item {
	list := make([]stream.Item, n)
	for i := range list {
		list[i] = stream.Item{JobID: job, Ticker: fmt.Sprintf("T%d", i), Lane: stream.LaneSmall}
	}
	return list
}

// A counter is a work queue on a real server that counts its batches, and
// holds each until it is let go.
type counter struct {
	*stream.WorkClient
	hold    chan struct{} // nil holds nothing
	mu      sync.Mutex    // guards batches
	batches [][]string    // the jobs of each, in order
}

func (c *counter) Dispatch(ctx context.Context, items []stream.Item) error {
	if c.hold != nil {
		<-c.hold
	}
	var jobs []string
	for _, item := range items {
		if len(jobs) == 0 || jobs[len(jobs)-1] != item.JobID {
			jobs = append(jobs, item.JobID)
		}
	}
	c.mu.Lock()
	c.batches = append(c.batches, jobs)
	c.mu.Unlock()
	if c.WorkClient == nil {
		return nil
	}
	return c.WorkClient.Dispatch(ctx, items)
}

// TestGather: what is offered while a batch is on its way goes out together,
// but neither more than a batch may hold nor two chunks of one job.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		work := &counter{hold: make(chan struct{})}
		gather := dispatcher.NewGather(work)
		var running sync.WaitGroup
		running.Go(func() { gather.Run(ctx) })
		offers := [][]stream.Item{
			items("first", 5), // goes out by itself
			items("a", 500), items("b", 300), items("c", 200),
			items("d", 1000), items("e", 1), items("e", 2), items("f", 1),
		}
		var waiting sync.WaitGroup
		for _, offer := range offers {
			waiting.Go(func() {
				if err := gather.Send(ctx, offer); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // so that they stand in line in this order
		}
		close(work.hold)
		waiting.Wait()
		want := [][]string{{"first"}, {"a", "b", "c"}, {"d"}, {"e"}, {"e", "f"}}
		if diff := cmp.Diff(want, work.batches); diff != "" {
			t.Errorf("jobs of each batch (-want +got):\n%s", diff)
		}
		stop()
		running.Wait()
		if err := gather.Send(ctx, items("late", 1)); err == nil {
			t.Error("something was sent after the end")
		}
	})
}

// TestGatherOutstanding: a batch in which something is outstanding is refused
// whole by the server; then every job gets what it misses, and nothing twice.
func TestGatherOutstanding(t *testing.T) {
	s := streamtest.Server(t)
	client := s.Work(stream.RoleAnalyzer)
	if err := client.Dispatch(t.Context(), items("half", 5)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	work := &counter{WorkClient: client, hold: make(chan struct{})}
	gather := dispatcher.NewGather(work)
	var running, waiting sync.WaitGroup
	running.Go(func() { gather.Run(ctx) })
	sizes := map[string]int{"half": 10, "whole": 7, "other": 3}
	for job, n := range sizes {
		waiting.Go(func() {
			if err := gather.Send(ctx, items(job, n)); err != nil {
				t.Error(err)
			}
		})
	}
	close(work.hold)
	waiting.Wait()
	stop()
	running.Wait()
	for job, n := range sizes {
		outstanding, err := client.Outstanding(t.Context(), job)
		if err != nil || len(outstanding) != n {
			t.Errorf("job %s: %d items, want %d, %v", job, len(outstanding), n, err)
		}
	}
	state, err := s.JetStream(streamtest.Admin).Stream(t.Context(), stream.Work)
	if err != nil {
		t.Fatal(err)
	}
	if n := state.CachedInfo().State.Msgs; n != 20 {
		t.Errorf("%d messages in the work queue, want 20", n)
	}
}
