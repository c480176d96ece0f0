package simulation_test

import (
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// A consumer is a simulated durable pull consumer with explicit acks: it hands
// messages out in the order of the stream, and again when no ack comes within
// AckWait or a Nak's delay has passed, and counts deliveries.
type consumer struct {
	w         *world
	name      string
	most      int                          // MaxAckPending
	message   func(seq uint64) *nats.Msg   // nil: not there any more
	following func(seq uint64) uint64      // the next of its messages after seq; 0: none yet
	acked     func(seq uint64, meant bool) // may be nil; meant: it is the message that the client had

	at        uint64 // handed out up to here for the first time
	pending   []*handedOut
	delivered map[uint64]int
	waiting   []func()
	armed     time.Time // a timer is set for then
}

// A handedOut message is not acknowledged yet.
type handedOut struct {
	seq   uint64
	again time.Time // when it is handed out again
}

// A delivery is a message in the hands of a client.
type delivery struct {
	from  *consumer
	seq   uint64
	count int // from 1
	msg   *nats.Msg
}

func newConsumer(w *world, name string, most int) *consumer {
	return &consumer{w: w, name: name, most: most, delivered: map[uint64]int{}}
}

// rewind makes it anew, at a position: all counts begin again.
func (c *consumer) rewind(at uint64) {
	c.at, c.pending, c.delivered = at, nil, map[uint64]int{}
	c.notify()
}

// take hands at most n messages out.
func (c *consumer) take(n int) []delivery {
	var list []delivery
	c.pending = slices.DeleteFunc(c.pending, func(h *handedOut) bool { return c.message(h.seq) == nil })
	for _, h := range c.pending {
		if len(list) < n && !c.w.now.Before(h.again) {
			list = append(list, c.hand(h))
		}
	}
	for len(list) < n && len(c.pending) < c.most {
		seq := c.following(c.at)
		if seq == 0 {
			break
		}
		c.at = seq
		h := &handedOut{seq: seq}
		c.pending = append(c.pending, h)
		list = append(list, c.hand(h))
	}
	c.arm()
	return list
}

func (c *consumer) hand(h *handedOut) delivery {
	h.again = c.w.now.Add(stream.AckWait)
	c.delivered[h.seq]++
	return delivery{c, h.seq, c.delivered[h.seq], c.message(h.seq)}
}

// ack ends a message, whichever of its deliveries it answers; also that of
// another stream of this name which had the sequence before, as the server does.
func (c *consumer) ack(seq uint64, had *nats.Msg) {
	msg := c.message(seq)
	n := len(c.pending)
	c.pending = slices.DeleteFunc(c.pending, func(h *handedOut) bool { return h.seq == seq })
	if n == len(c.pending) {
		return
	}
	delete(c.delivered, seq)
	c.w.note(c.name, "acked", seq, "")
	if c.acked != nil {
		c.acked(seq, msg == had)
	}
	c.notify() // there is room
}

// postpone is a Nak with a delay, or a heartbeat with AckWait.
func (c *consumer) postpone(seq uint64, d time.Duration) {
	for _, h := range c.pending {
		if h.seq == seq {
			h.again = c.w.now.Add(d)
			c.arm()
		}
	}
}

// arm sets a timer for the next message that is to be handed out again.
func (c *consumer) arm() {
	var first time.Time
	for _, h := range c.pending {
		if h.again.After(c.w.now) && (first.IsZero() || h.again.Before(first)) {
			first = h.again
		}
	}
	if first.IsZero() || c.armed.After(c.w.now) && !first.Before(c.armed) {
		return
	}
	c.armed = first
	c.w.after(first.Sub(c.w.now), func() {
		if c.armed.Equal(first) {
			c.armed = time.Time{}
			c.notify()
			c.arm()
		}
	})
}

// notify tells those that wait that it may have something.
func (c *consumer) notify() {
	waiting := c.waiting
	c.waiting = nil
	for _, tell := range waiting {
		c.w.after(c.w.latency(), tell)
	}
}

// idle reports whether everything that it has is acknowledged.
func (c *consumer) idle() bool { return len(c.pending) == 0 && c.following(c.at) == 0 }
