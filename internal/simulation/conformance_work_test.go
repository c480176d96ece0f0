package simulation_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// outstanding compares the job's tickers in the queue.
func outstanding(t *testing.T, s server, job string, want ...string) {
	t.Helper()
	got, err := s.Outstanding(context.Background(), job)
	must(t, err)
	set := map[string]bool{}
	for _, ticker := range want {
		set[ticker] = true
	}
	if diff := cmp.Diff(set, got); diff != "" {
		t.Errorf("outstanding (-want +got):\n%s", diff)
	}
}

var workStatements = []statement{
	{"items come in order, for each lane by itself", func(t *testing.T, s server) {
		ctx := context.Background()
		must(t, s.Dispatch(ctx, items("j", "B", "A")))
		must(t, s.Dispatch(ctx, []stream.Item{itemOf("k", "C", stream.LaneHuge)}))
		pulls(t, s, 9, "j.B#1", "j.A#1")
		if list := s.pull("lane-xl", 9); len(list) != 1 || workKey(list[0].subject) != "k.C" {
			t.Errorf("lane xl: %v", got(list))
		}
	}},
	{"what is outstanding refuses a second item, whole batches of them", func(t *testing.T, s server) {
		ctx := context.Background()
		must(t, s.Dispatch(ctx, items("j", "A")))
		pulls(t, s, 1, "j.A#1")
		fails(t, s.Dispatch(ctx, items("j", "B", "A")), stream.ErrExists)
		outstanding(t, s, "j", "A")
		sent, err := s.DispatchMissing(ctx, items("j", "B", "A", "C"))
		must(t, err)
		if sent != 2 {
			t.Errorf("%d were sent", sent)
		}
		outstanding(t, s, "j", "A", "B", "C")
	}},
	{"also in another lane", func(t *testing.T, s server) {
		ctx := context.Background()
		must(t, s.Dispatch(ctx, items("j", "A")))
		fails(t, s.Dispatch(ctx, []stream.Item{itemOf("j", "A", stream.LaneHuge)}), stream.ErrExists)
		must(t, s.Dispatch(ctx, []stream.Item{itemOf("jj", "A", stream.LaneHuge)}))
	}},
	{"an ack takes the item out, and it can be queued again at once", func(t *testing.T, s server) {
		ctx := context.Background()
		must(t, s.Dispatch(ctx, items("j", "A", "B")))
		pulls(t, s, 1, "j.A#1")[0].ack()
		s.pass(100 * time.Millisecond)
		outstanding(t, s, "j", "B")
		must(t, s.Dispatch(ctx, items("j", "A")))
		pulls(t, s, 9, "j.B#1", "j.A#1")
	}},
	{"a purge takes out one job, also what is in somebody's hands", func(t *testing.T, s server) {
		ctx := context.Background()
		must(t, s.Dispatch(ctx, items("j", "A", "B")))
		must(t, s.Dispatch(ctx, items("jj", "A")))
		pulls(t, s, 1, "j.A#1")
		must(t, s.Purge(ctx, "j"))
		outstanding(t, s, "j")
		outstanding(t, s, "jj", "A")
		s.pass(s.ackWait() * 3 / 2)
		pulls(t, s, 9, "jj.A#1")
		must(t, s.Dispatch(ctx, items("j", "A")))
		pulls(t, s, 9, "j.A#1")
	}},
	{"without an ack it comes again and is counted", func(t *testing.T, s server) {
		must(t, s.Dispatch(context.Background(), items("j", "A", "B")))
		list := pulls(t, s, 9, "j.A#1", "j.B#1")
		pulls(t, s, 9)
		list[1].ack()
		s.pass(s.ackWait() * 3 / 2)
		pulls(t, s, 9, "j.A#2")
		s.pass(s.ackWait() * 3 / 2)
		pulls(t, s, 9, "j.A#3")
	}},
	{"a heartbeat puts that off", func(t *testing.T, s server) {
		must(t, s.Dispatch(context.Background(), items("j", "A")))
		list := pulls(t, s, 9, "j.A#1")
		for range 3 {
			s.pass(s.ackWait() / 2)
			list[0].beat()
		}
		pulls(t, s, 9)
		s.pass(s.ackWait() * 3 / 2)
		pulls(t, s, 9, "j.A#2")
	}},
	{"what is given back comes again after its wait", func(t *testing.T, s server) {
		must(t, s.Dispatch(context.Background(), items("j", "A")))
		pulls(t, s, 9, "j.A#1")[0].nak(s.ackWait() / 2)
		pulls(t, s, 9)
		s.pass(s.ackWait() * 3 / 4)
		pulls(t, s, 9, "j.A#2")[0].nak(2 * s.ackWait())
		s.pass(s.ackWait() * 3 / 2)
		pulls(t, s, 9)
		s.pass(s.ackWait())
		pulls(t, s, 9, "j.A#3")
	}},
	{"an ack counts whichever delivery it answers", func(t *testing.T, s server) {
		must(t, s.Dispatch(context.Background(), items("j", "A")))
		first := pulls(t, s, 9, "j.A#1")
		s.pass(s.ackWait() * 3 / 2)
		pulls(t, s, 9, "j.A#2")
		first[0].ack()
		s.pass(s.ackWait() * 3 / 2)
		pulls(t, s, 9)
		outstanding(t, s, "j")
	}},
	{"so much and no more is out at a time", func(t *testing.T, s server) {
		s.limitPending(smallLane, 2)
		must(t, s.Dispatch(context.Background(), items("j", "A", "B", "C", "D")))
		list := pulls(t, s, 9, "j.A#1", "j.B#1")
		list[0].nak(10 * s.ackWait()) // what waits to come again counts too
		list[1].ack()
		s.pass(100 * time.Millisecond)
		pulls(t, s, 9, "j.C#1")
		pulls(t, s, 9)
	}},
	{"a consumer made anew begins again, and counts anew", func(t *testing.T, s server) {
		must(t, s.Dispatch(context.Background(), items("j", "A", "B", "C")))
		pulls(t, s, 2, "j.A#1", "j.B#1")[1].ack()
		s.pass(100 * time.Millisecond)
		s.remakeConsumer(smallLane)
		pulls(t, s, 9, "j.A#1", "j.C#1")
	}},
	{"a queue that is gone is made again, and no ack of the old one means anything there", func(t *testing.T, s server) {
		ctx := context.Background()
		must(t, s.Dispatch(ctx, items("j", "A")))
		old := pulls(t, s, 9, "j.A#1")
		s.loseWork()
		_, err := s.Outstanding(ctx, "j")
		fails(t, err, stream.ErrNoStream)
		must(t, s.Ensure(ctx))
		outstanding(t, s, "j")
		must(t, s.Dispatch(ctx, items("k", "B")))
		list := pulls(t, s, 9, "k.B#1")
		if list[0].seq <= old[0].seq {
			t.Errorf("sequence %d, was %d", list[0].seq, old[0].seq)
		}
		old[0].ack() // with its sequence: the server would take it for an item's of the same one
		s.pass(100 * time.Millisecond)
		outstanding(t, s, "k", "B")
	}},
}
