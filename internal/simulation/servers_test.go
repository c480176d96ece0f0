package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// A simulated server is a world in which nothing happens but what a test does.
type simulated struct {
	t *testing.T
	w *world
	p *process
}

func newSimulated(t *testing.T) server {
	w := &world{now: began, rnd: random{1}, healed: true}
	w.check = newChecker(w)
	w.tape, w.work = newTape(w), newWork(w)
	w.tape.damaged = true // the checker has no say in what tests publish
	p := &process{w: w, name: "test", alive: true}
	return &simulated{t, w, p}
}

// on has product code run in the loop until it is done.
func on[T any](s *simulated, do func(cl client) (T, error)) (value T, err error) {
	ended := false
	s.p.spawn(func(*coroutine) {
		value, err = do(client{s.p, publishPatience})
		ended = true
	})
	s.w.run(func() bool { return ended })
	s.w.violation = nil
	return value, err
}

func onOnly(s *simulated, do func(cl client) error) error {
	_, err := on(s, func(cl client) (struct{}, error) { return struct{}{}, do(cl) })
	return err
}

func (s *simulated) Publish(ctx context.Context, ev events.Event) (uint64, error) {
	return on(s, func(cl client) (uint64, error) { return cl.Publish(ctx, ev) })
}

func (s *simulated) PublishBatch(ctx context.Context, evs []events.Event) error {
	return onOnly(s, func(cl client) error { return cl.PublishBatch(ctx, evs) })
}

func (s *simulated) Taken(ctx context.Context, outcomes []events.Data) ([]bool, error) {
	return on(s, func(cl client) ([]bool, error) { return cl.Taken(ctx, outcomes) })
}

func (s *simulated) JobEvent(ctx context.Context, jobID, what string) (events.Recorded, error) {
	return on(s, func(cl client) (events.Recorded, error) { return cl.JobEvent(ctx, jobID, what) })
}

func (s *simulated) At(ctx context.Context, seq uint64) (stream.Message, error) {
	return on(s, func(cl client) (stream.Message, error) { return cl.At(ctx, seq) })
}

func (s *simulated) State(ctx context.Context) (stream.TapeState, error) {
	return on(s, func(cl client) (stream.TapeState, error) { return cl.State(ctx) })
}

func (s *simulated) Dispatch(ctx context.Context, items []stream.Item) error {
	return onOnly(s, func(cl client) error { return cl.Dispatch(ctx, items) })
}

func (s *simulated) DispatchMissing(ctx context.Context, items []stream.Item) (int, error) {
	return on(s, func(cl client) (int, error) { return cl.DispatchMissing(ctx, items) })
}

func (s *simulated) Outstanding(ctx context.Context, jobID string) (map[string]bool, error) {
	return on(s, func(cl client) (map[string]bool, error) { return cl.Outstanding(ctx, jobID) })
}

func (s *simulated) Purge(ctx context.Context, jobID string) error {
	return onOnly(s, func(cl client) error { return cl.Purge(ctx, jobID) })
}

func (s *simulated) Ensure(ctx context.Context) error {
	return onOnly(s, func(cl client) error { return cl.Ensure(ctx) })
}

func (s *simulated) raw(msgs ...*nats.Msg) error {
	s.w.tape.adding.foreign = true
	defer func() { s.w.tape.adding.foreign = false }()
	if len(msgs) == 1 {
		_, err := s.w.tape.publish(msgs[0])
		return err
	}
	return s.w.tape.publishBatch(msgs)
}

func (s *simulated) consumer(name string) *consumer {
	for _, c := range append(s.w.work.lanes, s.w.tape.dispatch) {
		if c.name == name {
			return c
		}
	}
	s.t.Fatalf("no consumer %s", name)
	return nil
}

func (s *simulated) pull(name string, n int) (list []pulled) {
	for _, d := range s.consumer(name).take(n) {
		list = append(list, pulled{
			subject: d.msg.Subject, seq: d.seq, count: d.count,
			ack:  func() { d.from.ack(d.seq, d.msg) },
			beat: func() { d.from.postpone(d.seq, stream.AckWait) },
			nak:  func(wait time.Duration) { d.from.postpone(d.seq, wait) },
		})
	}
	return list
}

func (s *simulated) tail(from uint64) (follower, error) {
	return simulatedTail{s, &tail{t: s.w.tape, created: s.w.tape.created, last: from - 1}}, nil
}

type simulatedTail struct {
	s    *simulated
	tail *tail
}

func (l simulatedTail) next(most int) ([]stream.Message, error) { return l.tail.next(most) }

func (s *simulated) pass(d time.Duration) {
	over := false
	s.w.after(d, func() { over = true })
	s.w.run(func() bool { return over })
}

func (s *simulated) ackWait() time.Duration { return stream.AckWait }
func (s *simulated) window() time.Duration  { return dedupeWindow }

func (s *simulated) limitPending(name string, most int) { s.consumer(name).most = most }
func (s *simulated) remakeConsumer(name string)         { s.consumer(name).rewind(0) }
func (s *simulated) loseWork()                          { s.w.work.lose() }
func (s *simulated) fill()                              { s.w.tape.full = true }

func (s *simulated) remakeTape() {
	s.pass(time.Second)
	s.w.tape.recreate()
}

// A real server is a nats-server with the product's streams, but that its
// consumers wait for shortTime and its window is as short.
type real struct {
	*stream.TapeClient
	*stream.WorkClient
	t  *testing.T
	js jetstream.JetStream
}

// The times of a real server: long enough that a slow machine does not take
// the one for the other.
const (
	shortTime = 1500 * time.Millisecond
	pullTime  = 250 * time.Millisecond
)

// newReal makes the streams of an embedded server anew.
func newReal(t *testing.T, s *streamtest.Embedded) server {
	r := &real{s.Tape(streamtest.Admin), s.Work(streamtest.Admin), t, s.JetStream(streamtest.Admin)}
	for _, name := range []string{stream.Tape, stream.Work} {
		if err := r.js.DeleteStream(t.Context(), name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Fatal(err)
		}
	}
	must(t, stream.Provision(t.Context(), r.js, stream.Limits{TapeMaxBytes: 4 << 20}))
	r.shorten()
	return r
}

func (r *real) shorten() {
	for _, name := range []string{smallLane, "lane-xl"} {
		r.configure(stream.Work, name, func(c *jetstream.ConsumerConfig) { c.AckWait = shortTime })
	}
	r.configure(stream.Tape, stream.DispatchConsumer, func(c *jetstream.ConsumerConfig) { c.AckWait = shortTime })
	tape, err := r.js.Stream(r.t.Context(), stream.Tape)
	must(r.t, err)
	config := tape.CachedInfo().Config
	config.Duplicates = shortTime
	_, err = r.js.UpdateStream(r.t.Context(), config)
	must(r.t, err)
}

func (r *real) configure(name, consumer string, change func(*jetstream.ConsumerConfig)) {
	r.t.Helper()
	c, err := r.js.Consumer(r.t.Context(), name, consumer)
	must(r.t, err)
	config := c.CachedInfo().Config
	change(&config)
	_, err = r.js.UpdateConsumer(r.t.Context(), name, config)
	must(r.t, err)
}

func (r *real) raw(msgs ...*nats.Msg) error {
	return stream.PublishAtomic(r.t.Context(), r.js, nil, msgs)
}

func (r *real) home(consumer string) string {
	if consumer == stream.DispatchConsumer {
		return stream.Tape
	}
	return stream.Work
}

func (r *real) pull(name string, n int) (list []pulled) {
	c, err := r.js.Consumer(r.t.Context(), r.home(name), name)
	must(r.t, err)
	// Not without a wait: the consumer learns of new messages a moment after
	// their ack, and where MaxAckPending is reached such a request would stay.
	batch, err := c.Fetch(n, jetstream.FetchMaxWait(pullTime))
	must(r.t, err)
	for msg := range batch.Messages() {
		meta, err := msg.Metadata()
		must(r.t, err)
		list = append(list, pulled{
			subject: msg.Subject(), seq: meta.Sequence.Stream, count: int(meta.NumDelivered),
			ack:  func() { r.sent(msg.Ack()) },
			beat: func() { r.sent(msg.InProgress()) },
			nak:  func(wait time.Duration) { r.sent(msg.NakWithDelay(wait)) },
		})
	}
	must(r.t, batch.Error())
	return list
}

// sent waits until the server has what goes out without an answer.
func (r *real) sent(err error) {
	r.t.Helper()
	must(r.t, err)
	must(r.t, r.js.Conn().Flush())
}

func (r *real) tail(from uint64) (follower, error) {
	tail, err := r.TapeClient.Tail(r.t.Context(), from)
	if err == nil {
		r.t.Cleanup(tail.Stop)
	}
	return realTail{r.t, tail}, err
}

type realTail struct {
	t    *testing.T
	tail *stream.Tail
}

func (l realTail) next(most int) ([]stream.Message, error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 300*time.Millisecond)
	defer cancel()
	batch, err := l.tail.Next(ctx, most)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, nil
	}
	return batch, err
}

// pass really waits: that time passes is what is tested.
func (r *real) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.t.Context().Done():
	}
}

func (r *real) ackWait() time.Duration { return shortTime }
func (r *real) window() time.Duration  { return shortTime }

func (r *real) limitPending(name string, most int) {
	r.configure(r.home(name), name, func(c *jetstream.ConsumerConfig) { c.MaxAckPending = most })
}

func (r *real) remakeConsumer(name string) {
	c, err := r.js.Consumer(r.t.Context(), r.home(name), name)
	must(r.t, err)
	must(r.t, r.js.DeleteConsumer(r.t.Context(), r.home(name), name))
	_, err = r.js.CreateConsumer(r.t.Context(), r.home(name), c.CachedInfo().Config)
	must(r.t, err)
}

func (r *real) loseWork() { must(r.t, r.js.DeleteStream(r.t.Context(), stream.Work)) }

func (r *real) remakeTape() {
	must(r.t, r.js.DeleteStream(r.t.Context(), stream.Tape))
	must(r.t, stream.Provision(r.t.Context(), r.js, stream.Limits{}))
}

func (r *real) fill() {
	for size := 512 << 10; size > 64; size /= 2 {
		for i := 0; ; i++ {
			msg := plain(fmt.Sprintf("tape.fill.%d.%d", size, i), "")
			msg.Data = make([]byte, size)
			if err := r.raw(msg); errors.Is(err, stream.ErrFull) {
				break
			} else if err != nil {
				r.t.Fatal(err)
			}
		}
	}
}
