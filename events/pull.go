package events

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// fetch asks a consumer for up to n events. The request ends with ctx, which
// then closes the channel behind what has arrived.
func fetch(ctx context.Context, consumer jetstream.Consumer, n int) (jetstream.MessageBatch, context.CancelFunc, error) {
	// The client derives the request's expiry from a context's deadline;
	// ours must not depend on the caller's, so only its end is passed on.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, cancel)
	stop := func() { unhook(); cancel() }
	batch, err := consumer.Fetch(n, jetstream.FetchContext(own), jetstream.FetchHeartbeat(pullHeartbeat))
	if err != nil {
		stop()
		return nil, nil, err
	}
	return batch, stop, nil
}

// pull makes one request and handles what comes of it, in order.
func (s *subscriber) pull(ctx, working context.Context, consumer jetstream.Consumer) error {
	batch, stop, err := fetch(ctx, consumer, pullSize)
	if err != nil {
		return err
	}
	defer stop()
	ackWait := defaultAckWait
	if info := consumer.CachedInfo(); info != nil && info.Config.AckWait > 0 {
		ackWait = info.Config.AckWait
	}
	hold := newHold(batch.Messages(), ackWait/heartbeatsPerAckWait)
	defer hold.close()
	for msg := range hold.out {
		if ctx.Err() != nil {
			// At once, not after a wait: it was never tried, and the
			// next to pull shall have it.
			s.answered(msg, msg.Nak())
			continue
		}
		s.deliver(ctx, working, msg)
	}
	if err := batch.Error(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// deliver handles one message and answers it.
func (s *subscriber) deliver(ctx, working context.Context, msg jetstream.Msg) {
	attempt := 1
	if meta, err := msg.Metadata(); err == nil {
		attempt = int(min(meta.NumDelivered, 1<<30))
	}
	recorded, err := FromMessage(msg)
	started := time.Now()
	handling := context.WithValue(working, attemptKey{}, attempt)
	isMalformed := err != nil
	if isMalformed {
		err = s.malformed(handling, newMalformed(msg, recorded, err))
	} else {
		err = s.handlers.handle(handling, recorded)
	}
	switch {
	case err == nil && isMalformed:
		s.answered(msg, msg.TermWithReason("malformed event"))
	case err == nil:
		s.answered(msg, msg.Ack())
	case ctx.Err() != nil: // interrupted by the stop: the next to start shall have it at once
		s.log.Warn("a handler failed during the stop; its event will come again", "seq", recorded.Seq, "attempt", attempt, "err", err)
		s.answered(msg, msg.Nak())
	default:
		delay := backoff(s.config.MinBackoff, s.config.MaxBackoff, attempt)
		s.log.Warn("a handler failed; its event will come again", "seq", recorded.Seq, "attempt", attempt,
			"elapsed", time.Since(started), "delay", delay, "err", err)
		s.answered(msg, msg.NakWithDelay(delay))
	}
}

func (s *subscriber) malformed(ctx context.Context, m Malformed) error {
	if s.config.OnMalformed != nil {
		return s.config.OnMalformed(ctx, m)
	}
	s.log.Error("setting a malformed event aside", "seq", m.Seq, "err", m.Err)
	return nil
}

func (s *subscriber) answered(msg jetstream.Msg, err error) {
	if err != nil && !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		s.log.Warn("answering the server failed; the event will come again", "err", err)
	}
}

// A hold keeps the events that were delivered and not yet answered, and tells
// the server about them: it would deliver them again after its ack wait, which
// runs from the delivery and not from when their handler begins.
type hold struct {
	out  chan jetstream.Msg // in order; closed behind the last
	stop chan struct{}
	done chan struct{}
}

func newHold(in <-chan jetstream.Msg, every time.Duration) *hold {
	h := &hold{out: make(chan jetstream.Msg), stop: make(chan struct{}), done: make(chan struct{})}
	go h.run(in, every)
	return h
}

// close ends the reports; call it when the last event is answered.
func (h *hold) close() {
	close(h.stop)
	<-h.done
}

func (h *hold) run(in <-chan jetstream.Msg, every time.Duration) {
	defer close(h.done)
	beat := time.NewTicker(max(every, time.Millisecond))
	defer beat.Stop()
	var inHand jetstream.Msg // given out, perhaps answered by now
	var queue []jetstream.Msg
	out := h.out
	for {
		var next jetstream.Msg
		var give chan<- jetstream.Msg
		if len(queue) > 0 {
			next, give = queue[0], out
		} else if in == nil && out != nil {
			close(out)
			out = nil
		}
		select {
		case msg, ok := <-in:
			if !ok {
				in = nil
				continue
			}
			queue = append(queue, msg)
		case give <- next:
			inHand, queue = next, queue[1:]
		case <-beat.C:
			report(append(queue[:len(queue):len(queue)], inHand))
		case <-h.stop:
			return
		}
	}
}

// report says that these are still in work. An answered one refuses it, and a
// lost report only means that the event comes again.
func report(msgs []jetstream.Msg) {
	for _, msg := range msgs {
		if msg != nil {
			_ = msg.InProgress()
		}
	}
}
