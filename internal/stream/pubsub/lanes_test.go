package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/pubsub"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func dispatch(t *testing.T, s *streamtest.Embedded, job string, lane stream.Lane, n int) {
	t.Helper()
	var items []stream.Item
	for i := range n {
		items = append(items, stream.Item{JobID: job, Ticker: fmt.Sprint("T", i), Lane: lane, Kind: events.KindAnalysis})
	}
	_, err := s.Work(stream.RoleAnalyzer).DispatchMissing(context.Background(), items)
	ok(t, err)
}

func subscribe(t *testing.T, s *streamtest.Embedded, cfg pubsub.SubscriberConfig) (*pubsub.Subscriber, <-chan *message.Message) {
	t.Helper()
	if cfg.Grace == 0 {
		cfg.Grace = 100 * time.Millisecond // what a test leaves in hand need not be waited for
	}
	cfg.Conn, cfg.Topics = s.Conn(stream.RoleAnalyzer), pubsub.LaneTopics
	sub, err := pubsub.NewSubscriber(cfg)
	ok(t, err)
	t.Cleanup(func() { ok(t, sub.Close()) })
	messages, err := sub.Subscribe(context.Background(), pubsub.TopicWork)
	ok(t, err)
	return sub, messages
}

func next(t *testing.T, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case msg, open := <-messages:
		if !open {
			t.Fatal("the subscription has ended")
		}
		return msg
	case <-time.After(patience):
		t.Fatal("no message came")
	}
	return nil
}

// held is the number of messages that a lane's consumer has delivered and that
// wait for an ack.
func held(t *testing.T, s *streamtest.Embedded) int {
	t.Helper()
	n := 0
	for _, lane := range stream.Lanes() {
		c, err := s.JetStream(streamtest.Admin).Consumer(context.Background(), stream.Work, lane.Consumer())
		ok(t, err)
		n += c.CachedInfo().NumAckPending
	}
	return n
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
		time.Sleep(5 * time.Millisecond) // poll: the server sends no word of it
	}
}

// TestLanesByWeight fills all lanes and works them with one slot: the shares
// are those of the weights.
func TestLanesByWeight(t *testing.T) {
	s := streamtest.Server(t)
	for _, lane := range stream.Lanes() {
		dispatch(t, s, "job-"+lane.Name(), lane, 100)
	}
	_, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 1})
	counts := map[stream.Lane]int{}
	for range 150 {
		msg := next(t, messages)
		item, err := stream.DecodeItem(msg.Payload)
		ok(t, err)
		counts[item.Lane]++
		msg.Ack()
	}
	for _, lane := range stream.Lanes() {
		if want := 10 * lane.Weight(); counts[lane] != want {
			t.Errorf("lane %s had %d of 150 turns, want %d", lane.Name(), counts[lane], want)
		}
	}
}

// TestSmallJobDoesNotWait starts a small job while a huge one holds all slots:
// it takes the next turns.
func TestSmallJobDoesNotWait(t *testing.T) {
	s := streamtest.Server(t)
	dispatch(t, s, "huge", stream.LaneHuge, 500)
	_, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 4})
	working := make(chan *message.Message, 4)
	for range 4 {
		working <- next(t, messages)
	}
	dispatch(t, s, "small", stream.LaneSmall, 10)
	eventually(t, "the first small item arrives", func() bool { return held(t, s) == 5 })
	huge := 0
	for small := 0; small < 10; {
		(<-working).Ack()
		msg := next(t, messages)
		working <- msg
		item, err := stream.DecodeItem(msg.Payload)
		ok(t, err)
		if item.JobID == "small" {
			small++
			continue
		}
		huge++
	}
	if huge > 4 {
		t.Errorf("%d items of the huge job went before the small job's ten", huge)
	}
}

// TestHoldsNoMoreThanItsSlots has every lane full and slow handlers.
func TestHoldsNoMoreThanItsSlots(t *testing.T) {
	const slots = 7
	s := streamtest.Server(t)
	for _, lane := range stream.Lanes() {
		dispatch(t, s, "job-"+lane.Name(), lane, 50)
	}
	_, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: slots})
	for range slots {
		next(t, messages)
	}
	select {
	case <-messages:
		t.Errorf("more than %d messages in work", slots)
	case <-time.After(300 * time.Millisecond): // nothing tells that nothing comes
	}
	if n := held(t, s); n != slots {
		t.Errorf("%d messages are out, want %d", n, slots)
	}
}

// TestAllSlotsWork has work in the slowest lane only: no slot idles for the
// others.
func TestAllSlotsWork(t *testing.T) {
	s := streamtest.Server(t)
	_, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 16})
	dispatch(t, s, "huge", stream.LaneHuge, 100)
	for range 16 {
		next(t, messages)
	}
}

// TestClose gives everything back at once but what a handler finishes within
// the grace time.
func TestClose(t *testing.T) {
	const grace = 2 * time.Second
	s := streamtest.Server(t)
	left := 0 // items without an ack
	for _, lane := range stream.Lanes() {
		dispatch(t, s, "job-"+lane.Name(), lane, 50)
		left += 50
	}
	sub, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 32, Grace: grace})
	var finish, abandoned *message.Message
	for range 50 {
		next(t, messages).Ack()
		left--
	}
	finish, abandoned = next(t, messages), next(t, messages)
	closed := make(chan error)
	begin := time.Now()
	go func() { closed <- sub.Close() }()
	eventually(t, "the channel is closed", func() bool {
		select {
		case msg, open := <-messages:
			if open {
				msg.Ack()
				left--
			}
			return !open
		default:
			return false
		}
	})
	if finish.Context().Err() != nil && time.Since(begin) < grace {
		t.Error("a running handler is interrupted before the grace time is over")
	}
	finish.Ack()
	left--
	<-abandoned.Context().Done()
	ok(t, <-closed)
	// Another takes all the rest, well within the AckWait of what was in hand.
	_, messages = subscribe(t, s, pubsub.SubscriberConfig{Slots: 4})
	begin = time.Now()
	for range left {
		next(t, messages).Ack()
	}
	if wait := time.Since(begin); wait > stream.AckWait/2 {
		t.Errorf("the rest took %s to come", wait)
	}
	if _, err := sub.Subscribe(context.Background(), pubsub.TopicWork); !errors.Is(err, pubsub.ErrClosed) {
		t.Errorf("subscribing after Close: %v", err)
	}
}

// TestCloseGivesBackHeld closes while a message waits for a slot.
func TestCloseGivesBackHeld(t *testing.T) {
	s := streamtest.Server(t)
	sub, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 1})
	dispatch(t, s, "a", stream.LaneSmall, 1)
	next(t, messages)
	dispatch(t, s, "b", stream.LaneMedium, 1)
	eventually(t, "the second item arrives", func() bool { return held(t, s) == 2 })
	ok(t, sub.Close())
	_, messages = subscribe(t, s, pubsub.SubscriberConfig{Slots: 2})
	next(t, messages).Ack() // sooner than AckWait: patience is shorter
	next(t, messages).Ack()
}

// TestHeartbeats works longer than AckWait, in hand and held back.
func TestHeartbeats(t *testing.T) {
	t.Parallel()                    // it waits most of the time
	const ackWait = 2 * time.Second // far above what a busy machine is late with a heartbeat
	s := streamtest.Server(t)
	admin := s.JetStream(streamtest.Admin)
	for _, lane := range stream.Lanes() {
		c, err := admin.Consumer(context.Background(), stream.Work, lane.Consumer())
		ok(t, err)
		cfg := c.CachedInfo().Config
		cfg.AckWait = ackWait
		_, err = admin.UpdateConsumer(context.Background(), stream.Work, cfg)
		ok(t, err)
	}
	_, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 1, Heartbeat: 100 * time.Millisecond})
	dispatch(t, s, "a", stream.LaneSmall, 1)
	first := next(t, messages)
	dispatch(t, s, "b", stream.LaneMedium, 1) // arrives and waits for the slot
	eventually(t, "the second item arrives", func() bool { return held(t, s) == 2 })
	_, idle := subscribe(t, s, pubsub.SubscriberConfig{Slots: 1}) // would get what the server takes for abandoned
	select {
	case msg := <-idle:
		t.Errorf("%s came again while it is in hand or held", pubsub.Subject(msg))
	case <-time.After(2 * ackWait): // time itself is what is tested
	}
	first.Ack()
	second := next(t, messages)
	second.Ack()
	eventually(t, "both are acknowledged", func() bool { return held(t, s) == 0 })
	for _, msg := range []*message.Message{first, second} {
		if n := pubsub.Attempts(msg); n != 1 {
			t.Errorf("%s was delivered %d times", pubsub.Subject(msg), n)
		}
	}
	select {
	case msg := <-messages:
		t.Errorf("%s came again", pubsub.Subject(msg))
	case <-time.After(ackWait / 2): // nothing tells that nothing comes
	}
}

// TestNack brings a message again after a wait, and counts.
func TestNack(t *testing.T) {
	s := streamtest.Server(t)
	dispatch(t, s, "a", stream.LaneSmall, 1)
	var mu sync.Mutex
	var asked []uint64
	_, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 2, Backoff: func(attempts uint64) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, attempts)
		return 200 * time.Millisecond
	}})
	msg := next(t, messages)
	if pubsub.Attempts(msg) != 1 || pubsub.Seq(msg) != 1 || pubsub.Subject(msg) != "work.s.a.T0" || msg.UUID != "WORK-1" {
		t.Errorf("message %s, attempt %d, sequence %d, on %s", msg.UUID, pubsub.Attempts(msg), pubsub.Seq(msg), pubsub.Subject(msg))
	}
	begin := time.Now()
	msg.Nack()
	msg = next(t, messages)
	if wait := time.Since(begin); wait < 200*time.Millisecond {
		t.Errorf("it came again after %s", wait)
	}
	if pubsub.Attempts(msg) != 2 {
		t.Errorf("attempt %d, want 2", pubsub.Attempts(msg))
	}
	begin = time.Now()
	pubsub.RetryAfter(msg, 300*time.Millisecond)
	msg.Nack()
	msg = next(t, messages)
	if wait := time.Since(begin); wait < 500*time.Millisecond {
		t.Errorf("it came again after %s, before what was asked for", wait)
	}
	msg.Ack()
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 2 || asked[0] != 1 || asked[1] != 2 {
		t.Errorf("the wait was asked for with %v deliveries", asked)
	}
}

func TestBackoff(t *testing.T) {
	for attempts, most := range map[uint64]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 8: time.Minute, 1 << 40: time.Minute} {
		for range 100 {
			if d := pubsub.Backoff(attempts); d <= 0 || d > most+time.Millisecond {
				t.Errorf("wait of %s after %d deliveries, want up to %s", d, attempts, most)
			}
		}
	}
}

// TestQueueIsRebuilt deletes the whole work queue under a subscription.
func TestQueueIsRebuilt(t *testing.T) {
	s := streamtest.Server(t)
	dispatch(t, s, "a", stream.LaneSmall, 1)
	_, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 4})
	next(t, messages).Ack()
	ok(t, s.JetStream(streamtest.Admin).DeleteStream(context.Background(), stream.Work))
	ok(t, s.Work(stream.RoleRecorder).Ensure(context.Background()))
	dispatch(t, s, "b", stream.LaneSmall, 10)
	for range 10 {
		next(t, messages).Ack()
	}
}

// TestServerRestarts restarts the server under a subscription.
func TestServerRestarts(t *testing.T) {
	s := streamtest.Server(t)
	dispatch(t, s, "a", stream.LaneSmall, 1)
	_, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 4})
	next(t, messages).Ack()
	s.Restart()
	dispatch(t, s, "b", stream.LaneLarge, 10)
	for range 10 {
		next(t, messages).Ack()
	}
}

// TestGivenBackOutlivesRestart restarts the server after a Close, as the stop and
// start of all roles in one process does: what was given back comes at once.
func TestGivenBackOutlivesRestart(t *testing.T) {
	s := streamtest.Server(t)
	dispatch(t, s, "a", stream.LaneSmall, 8)
	sub, messages := subscribe(t, s, pubsub.SubscriberConfig{Slots: 8})
	next(t, messages).Ack()
	next(t, messages) // the grace time does not suffice for this one
	eventually(t, "all others are in hand", func() bool { return held(t, s) == 7 })
	ok(t, sub.Close())
	held(t, s) // a question after what was given back, so that the server has seen that
	s.Restart()
	_, messages = subscribe(t, s, pubsub.SubscriberConfig{Slots: 8})
	for range 7 {
		next(t, messages).Ack() // sooner than AckWait: patience is shorter
	}
}
