package stream_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

func items(job string, n int) []stream.Item {
	var list []stream.Item
	for i := range n {
		list = append(list, stream.Item{
			JobID: job, Ticker: fmt.Sprintf("T%d.NS", i), Lane: stream.LaneFor(n), Kind: events.KindAnalysis,
			StrategyHash: "h", Capital: 1, Deadline: epoch,
		})
	}
	return list
}

func TestLanes(t *testing.T) {
	for total, want := range map[int]string{1: "s", 50: "s", 51: "m", 500: "m", 501: "l", 2500: "l", 2501: "xl", 10000: "xl"} {
		if got := stream.LaneFor(total).Name(); got != want {
			t.Errorf("a job of %d is in lane %s, want %s", total, got, want)
		}
	}
	var weights []int
	for _, lane := range stream.Lanes() {
		weights = append(weights, lane.Weight())
	}
	if diff := cmp.Diff([]int{8, 4, 2, 1}, weights); diff != "" {
		t.Error(diff)
	}
}

func TestDispatch(t *testing.T) {
	s := streamtest.Server(t)
	work := s.Work(stream.RoleAnalyzer)
	list := items("j", 20)
	ok(t, work.Dispatch(ctx, list))
	wantErr(t, work.Dispatch(ctx, list[:1]), stream.ErrExists)
	moved := list[3]
	moved.Lane = stream.LaneHuge // outstanding in whatever lane
	wantErr(t, work.Dispatch(ctx, []stream.Item{moved, items("k", 1)[0]}), stream.ErrExists)
	lane, err := work.Lane(ctx, stream.LaneSmall)
	ok(t, err)
	msg, err := lane.Next(jetstream.FetchMaxWait(5 * time.Second))
	ok(t, err)
	item, err := stream.DecodeItem(msg.Data())
	ok(t, err)
	if diff := cmp.Diff(list[0], item); diff != "" || msg.Subject() != item.Subject() {
		t.Errorf("item on %s differs (-want +got):\n%s", msg.Subject(), diff)
	}
	outstanding, err := work.Outstanding(ctx, "j")
	ok(t, err)
	if len(outstanding) != 20 || !outstanding["T0.NS"] {
		t.Errorf("%d outstanding while one is in hand, want 20", len(outstanding))
	}
	ok(t, msg.DoubleAck(ctx))
	outstanding, err = work.Outstanding(ctx, "j")
	ok(t, err)
	if len(outstanding) != 19 || outstanding["T0.NS"] {
		t.Errorf("%d outstanding after an ack, want 19", len(outstanding))
	}
	ok(t, work.Purge(ctx, "j"))
	outstanding, err = work.Outstanding(ctx, "j")
	ok(t, err)
	if len(outstanding) != 0 {
		t.Errorf("%d outstanding after a purge", len(outstanding))
	}
	ok(t, work.Dispatch(ctx, list)) // at once, no window of ids swallows it
}

func TestDecodeItem(t *testing.T) {
	for _, bad := range []string{"", "{}", `{"job_id":"j","ticker":"A","lane":4}`, `{"job_id":"j","ticker":"A","lane":-1}`, `{"job_id":"","ticker":"A"}`} {
		if _, err := stream.DecodeItem([]byte(bad)); err == nil {
			t.Errorf("%q is taken for an item", bad)
		}
	}
}

func TestDispatchMissing(t *testing.T) {
	const total = 10000
	s := streamtest.Server(t)
	work := s.Work(stream.RoleAnalyzer)
	list := items("j", total)
	for i := 0; i < total; i += 2 * stream.MaxBatch { // every other chunk, and half of one
		ok(t, work.Dispatch(ctx, list[i:i+stream.MaxBatch]))
	}
	ok(t, work.Dispatch(ctx, list[stream.MaxBatch:stream.MaxBatch+500]))
	sent, err := work.DispatchMissing(ctx, list)
	ok(t, err)
	if sent != total/2-500 {
		t.Errorf("sent %d, want %d", sent, total/2-500)
	}
	outstanding, err := work.Outstanding(ctx, "j")
	ok(t, err)
	if len(outstanding) != total {
		t.Errorf("%d outstanding, want %d", len(outstanding), total)
	}
	sent, err = work.DispatchMissing(ctx, list)
	ok(t, err)
	if sent != 0 {
		t.Errorf("sent %d again", sent)
	}
}

// TestDispatchRace lets two dispatchers fill one job.
func TestDispatchRace(t *testing.T) {
	const total = 3000
	s := streamtest.Server(t)
	list := items("j", total)
	var wg sync.WaitGroup
	var sent [2]int
	for who, role := range []stream.Role{stream.RoleAnalyzer, stream.RoleRecorder} {
		work := s.Work(role)
		wg.Go(func() {
			var err error
			if sent[who], err = work.DispatchMissing(ctx, list); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	work, err := s.JetStream(streamtest.Admin).Stream(ctx, stream.Work)
	ok(t, err)
	if msgs := work.CachedInfo().State.Msgs; msgs != total || sent[0]+sent[1] != total {
		t.Errorf("%d messages, %d + %d sent, want %d", msgs, sent[0], sent[1], total)
	}
}

func TestEnsure(t *testing.T) {
	s := streamtest.Server(t)
	admin, work := s.JetStream(streamtest.Admin), s.Work(stream.RoleRecorder)
	ok(t, work.Ensure(ctx)) // nothing to do
	ok(t, admin.DeleteConsumer(ctx, stream.Work, stream.LaneLarge.Consumer()))
	ok(t, work.Ensure(ctx))
	ok(t, admin.DeleteStream(ctx, stream.Work))
	ok(t, work.Ensure(ctx))
	have, err := admin.Stream(ctx, stream.Work)
	ok(t, err)
	if diff := cmp.Diff(stream.DefaultWorkMaxBytes, int(have.CachedInfo().Config.MaxBytes)); diff != "" {
		t.Error(diff)
	}
	analyzer := s.Work(stream.RoleAnalyzer)
	for _, lane := range stream.Lanes() {
		if _, err := analyzer.Lane(ctx, lane); err != nil {
			t.Error(err)
		}
	}
	if _, err := analyzer.DispatchQueue(ctx); err != nil {
		t.Error(err)
	}
	if first := have.CachedInfo().State.FirstSeq; first < 1<<40 {
		t.Errorf("its sequences begin at %d, where the old one's may have been", first)
	}
	// Provision finds nothing to change in what Ensure made.
	ok(t, stream.Provision(ctx, s.JetStream(stream.RoleProvisioner), stream.Limits{}))
}

func TestProvisionTouchesOnlyWhatDiffers(t *testing.T) {
	s := streamtest.Server(t)
	nc := s.Conn(streamtest.Admin)
	updates, err := nc.SubscribeSync("$JS.EVENT.ADVISORY.>")
	ok(t, err)
	ok(t, nc.Flush())
	js := s.JetStream(stream.RoleProvisioner)
	ok(t, stream.Provision(ctx, js, stream.Limits{}))
	ok(t, nc.Flush())
	for {
		msg, err := updates.NextMsg(100 * time.Millisecond)
		if err != nil {
			break
		}
		if strings.HasPrefix(msg.Subject, "$JS.EVENT.ADVISORY.STREAM.UPDATED.") {
			t.Errorf("provisioning twice updated: %s", msg.Subject)
		}
	}
	ok(t, stream.Provision(ctx, js, stream.Limits{TapeMaxBytes: 1 << 20}))
	state, err := s.Tape(stream.RoleAPI).State(ctx)
	ok(t, err)
	if state.MaxBytes != 1<<20 {
		t.Errorf("max bytes %d after a change, want %d", state.MaxBytes, 1<<20)
	}
	tape, err := js.Stream(ctx, stream.Tape)
	ok(t, err)
	if err := tape.Purge(ctx); err == nil {
		t.Error("the tape was purged")
	}
	if err := tape.DeleteMsg(ctx, 1); err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("deleting a message of the tape: %v", err)
	}
}
