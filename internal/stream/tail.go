package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// A Tail follows the tape from a sequence, in order and without a gap, and
// never acknowledges. It prefetches while its reader works. It outlives lost
// connections and restarts of the server: it reopens at the last message that
// it returned, and checks by its fingerprint that it is still the same tape.
// Only one goroutine may call Next and Stop.
type Tail struct {
	js      jetstream.JetStream
	log     *slog.Logger
	created time.Time // of the tape that it was opened on
	last    uint64    // the last sequence returned; from-1 at first
	anchor  string    // of the message last, "" before the first
	pull    *pull     // nil while closed
}

// A pull is one ephemeral consumer and its prefetched messages.
type pull struct {
	msgs      chan jetstream.Msg
	errs      chan error    // the last thing that went wrong; looked at only when msgs is empty
	stop      chan struct{} // closed by close
	name      string
	ctx       jetstream.ConsumeContext
	overlap   bool   // the first delivery should be the last message returned before
	delivered uint64 // deliveries seen, to compare with the consumer's numbers
}

// Tail opens a tail whose first message is the one with sequence from (>= 1),
// which may not be written yet. ErrNoStream when there is no tape; ErrGap when
// the tape begins after from.
func (c *TapeClient) Tail(ctx context.Context, from uint64) (*Tail, error) {
	if from == 0 {
		return nil, errors.New("opening a tail: sequences begin at 1, not 0")
	}
	t := &Tail{js: c.js, log: c.log, last: from - 1}
	err := retry(ctx, c.js.Conn(), c.log, "opening a tail", func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, Tape)
		if err != nil {
			return err
		}
		t.created = s.CachedInfo().Created
		return t.open(ctx)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Next waits for at least one message, then returns what has arrived, at most
// max, without waiting for more. Each sequence is one above the one before.
// Errors: that of ctx; ErrGap when the tape does not continue what was read;
// ErrNoStream when it is gone. After ErrGap the tail is of no more use. While
// the server is away Next waits, for as long as ctx lets it.
func (t *Tail) Next(ctx context.Context, max int) ([]Message, error) {
	for {
		msg, err := t.wait(ctx)
		if err != nil {
			return nil, err
		}
		batch, err := t.gather(msg, max)
		if err != nil || len(batch) > 0 {
			return batch, err
		}
	}
}

// Stop closes the tail. It does not wait for the server.
func (t *Tail) Stop() { t.close() }

// wait returns the next delivered message, reopening as often as it takes.
func (t *Tail) wait(ctx context.Context) (jetstream.Msg, error) {
	watch := time.NewTicker(watchInterval)
	defer watch.Stop()
	delay := retryMin
	for {
		if t.pull == nil {
			err := t.reopen(ctx)
			if err != nil && !errors.Is(err, ErrUnavailable) {
				return nil, err
			}
			if err != nil {
				t.log.Debug("the tape does not answer, trying again", "seq", t.last, "err", err)
				if err := sleep(ctx, delay); err != nil {
					return nil, err
				}
				delay = min(2*delay, retryMax)
				continue
			}
		}
		select {
		case msg := <-t.pull.msgs:
			return msg, nil
		default:
		}
		select {
		case msg := <-t.pull.msgs:
			return msg, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for message %d: %w", t.last+1, ctx.Err())
		case err := <-t.pull.errs:
			t.log.Debug("a tail was interrupted, reopening", "seq", t.last, "err", err)
			t.close()
		case <-watch.C:
			if err := t.watch(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// watch runs when nothing came for a while: it closes the pull when the tape
// has more than was delivered, and finds out when the tape was replaced.
func (t *Tail) watch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	s, err := t.js.Stream(ctx, Tape)
	if err != nil {
		if err = classify(err); errors.Is(err, ErrNoStream) {
			return fmt.Errorf("following the tape: %w", err)
		}
		return nil // not reachable: the pull's own heartbeat will tell
	}
	if err := t.checkTape(s.CachedInfo()); err != nil {
		return err
	}
	if s.CachedInfo().State.LastSeq > t.last && len(t.pull.msgs) == 0 {
		t.log.Debug("the tape went on and nothing came, reopening", "seq", t.last)
		t.close()
	}
	return nil
}

func (t *Tail) checkTape(info *jetstream.StreamInfo) error {
	switch {
	case !info.Created.Equal(t.created):
		return fmt.Errorf("%w: it was created at %s, the one read before at %s", ErrGap, info.Created.UTC(), t.created.UTC())
	case t.anchor != "" && info.State.LastSeq < t.last:
		return fmt.Errorf("%w: it ends at %d, %d was read before", ErrGap, info.State.LastSeq, t.last)
	case info.State.FirstSeq > t.last+1:
		return fmt.Errorf("%w: it begins at %d, the next to read is %d", ErrGap, info.State.FirstSeq, t.last+1)
	}
	return nil
}

// gather takes what has arrived, beginning with first. An empty batch without
// an error means: look again. A batch before a gap is good; the gap is found
// again by the next call.
func (t *Tail) gather(first jetstream.Msg, max int) ([]Message, error) {
	var batch []Message
	for next := first; ; {
		msg, err := t.check(next)
		if err != nil && len(batch) == 0 {
			return nil, err
		}
		if err == nil && msg.Seq > t.last {
			batch = append(batch, msg)
			t.last = msg.Seq
		}
		if err != nil || t.pull == nil || len(batch) >= max {
			break
		}
		select {
		case next = <-t.pull.msgs:
			continue
		default:
		}
		break
	}
	if len(batch) > 0 {
		t.anchor = batch[len(batch)-1].Anchor()
	}
	return batch, nil
}

// check decides about a delivered message: a new one (its sequence is above
// t.last), nothing to keep (it is not), or ErrGap. The consumer numbers its
// deliveries: a hole in those numbers was made on the way, and the pull is
// closed to ask again from what is known; a hole in the tape's sequences
// without one is a hole in the tape.
func (t *Tail) check(delivery jetstream.Msg) (Message, error) {
	meta, err := delivery.Metadata()
	if err != nil {
		return Message{}, fmt.Errorf("following the tape: %w", err)
	}
	t.pull.delivered++
	if meta.Sequence.Consumer != t.pull.delivered {
		t.log.Debug("messages were lost on the way, reopening", "seq", t.last)
		t.close()
		return Message{}, nil
	}
	msg := messageOf(delivery, meta)
	overlap := t.pull.overlap && t.pull.delivered == 1
	want := t.last + 1
	if overlap {
		want = t.last
	}
	if msg.Seq != want {
		t.close()
		return Message{}, fmt.Errorf("%w: message %d came where %d belongs", ErrGap, msg.Seq, want)
	}
	if overlap && msg.Anchor() != t.anchor {
		t.close()
		return Message{}, fmt.Errorf("%w: message %d is not the one that was read before", ErrGap, msg.Seq)
	}
	return msg, nil
}

// reopen opens a pull after the first one was closed.
func (t *Tail) reopen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	s, err := t.js.Stream(ctx, Tape)
	if err != nil {
		return fmt.Errorf("following the tape: %w", classify(err))
	}
	if err := t.checkTape(s.CachedInfo()); err != nil {
		return err
	}
	return classify(t.open(ctx))
}

// open makes a consumer that begins at the last message returned, or at the
// first to return, and starts to prefetch. It is an ordered consumer of our
// own: the library's recreates itself at the next message, where nobody
// compares what the tape holds at the one before.
func (t *Tail) open(ctx context.Context) error {
	p := &pull{
		msgs: make(chan jetstream.Msg, tailWindow), errs: make(chan error, 1), stop: make(chan struct{}),
		name: "tail-" + nuid.Next(), overlap: t.anchor != "",
	}
	start := t.last + 1
	if p.overlap {
		start = t.last
	}
	consumer, err := t.js.CreateConsumer(ctx, Tape, jetstream.ConsumerConfig{
		Name: p.name, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: start,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: tailInactive,
	})
	if err != nil {
		return fmt.Errorf("creating a consumer of the tape: %w", err)
	}
	p.ctx, err = consumer.Consume(p.deliver,
		jetstream.PullMaxMessagesWithBytesLimit(tailWindow, tailWindowBytes),
		jetstream.PullHeartbeat(tailHeartbeat), jetstream.PullExpiry(tailExpires),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { p.fail(err) }))
	if err != nil {
		return fmt.Errorf("pulling from the tape: %w", err)
	}
	t.pull = p
	return nil
}

// deliver blocks while the reader is behind; the server then sends no more
// than the window.
func (p *pull) deliver(msg jetstream.Msg) {
	select {
	case p.msgs <- msg:
	case <-p.stop:
	}
}

func (p *pull) fail(err error) {
	select {
	case p.errs <- err:
	default:
	}
}

// close ends the pull, if there is one, and asks the server to drop its
// consumer; should that not arrive, the consumer ends after tailInactive.
func (t *Tail) close() {
	if t.pull == nil {
		return
	}
	close(t.pull.stop)
	t.pull.ctx.Stop()
	if err := t.js.Conn().Publish("$JS.API.CONSUMER.DELETE."+Tape+"."+t.pull.name, nil); err != nil {
		t.log.Debug("a tail's consumer stays until it expires", "err", err)
	}
	t.pull = nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
