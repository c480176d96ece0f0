package simulation_test

import (
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A work is the simulated stream WORK: a work queue, so an ack takes the item
// out, and a guard of last sequence 0 means "not outstanding".
type work struct {
	w     *world
	gone  bool // deleted
	last  uint64
	items map[uint64]*nats.Msg
	order []uint64          // sequences, those of items that are gone among them
	held  map[string]uint64 // "<job>.<ticker>" of the items
	lanes []*consumer
}

func newWork(w *world) *work {
	q := &work{w: w}
	q.clear()
	for _, lane := range stream.Lanes() {
		c := newConsumer(w, lane.Consumer(), 4096)
		prefix := "work." + lane.Name() + "."
		c.message = func(seq uint64) *nats.Msg { return q.items[seq] }
		c.following = func(at uint64) uint64 {
			for _, seq := range q.order {
				if msg := q.items[seq]; seq > at && msg != nil && strings.HasPrefix(msg.Subject, prefix) {
					return seq
				}
			}
			return 0
		}
		c.acked = func(seq uint64, meant bool) {
			if msg := q.items[seq]; msg != nil {
				if !meant {
					w.broken("I1: an ack of another queue's item takes %s out", msg.Subject)
				}
				w.check.done(msg)
				q.remove(seq)
			}
		}
		q.lanes = append(q.lanes, c)
	}
	return q
}

func (q *work) clear() {
	q.items, q.held, q.order = map[uint64]*nats.Msg{}, map[string]uint64{}, nil
}

// lose deletes the stream with all that is in it.
func (q *work) lose() {
	q.w.note("work", "DELETED", uint64(len(q.items)), "")
	q.clear()
	q.gone = true // the one that is made anew goes on with higher sequences
	for _, c := range q.lanes {
		c.rewind(0)
	}
}

// keyOf is what an item's guard is about: "<job>.<ticker>".
func workKey(subject string) string {
	_, rest, _ := strings.Cut(subject, ".")
	_, key, _ := strings.Cut(rest, ".")
	return key
}

func (q *work) publishBatch(msgs []*nats.Msg) error {
	if q.gone {
		return stream.ErrNoStream
	}
	for _, msg := range msgs {
		filter := msg.Header.Get(jetstream.ExpectedLastSubjSeqSubjHeader)
		if filter != "" && q.held[strings.TrimPrefix(filter, "work.*.")] > 0 {
			return stream.ErrExists
		}
	}
	for _, msg := range msgs {
		if q.held[workKey(msg.Subject)] > 0 {
			q.w.broken("I2: two work items of one ticker are outstanding: %s", msg.Subject)
		}
		q.last++
		q.items[q.last] = msg
		q.order = append(q.order, q.last)
		q.held[workKey(msg.Subject)] = q.last
	}
	q.w.note("work", "stores", q.last, msgs[0].Subject)
	for _, c := range q.lanes {
		c.notify()
	}
	return nil
}

func (q *work) remove(seq uint64) {
	if msg := q.items[seq]; msg != nil {
		if key := workKey(msg.Subject); q.held[key] == seq {
			delete(q.held, key)
		}
		delete(q.items, seq)
	}
	for len(q.order) > 0 && q.items[q.order[0]] == nil {
		q.order = q.order[1:]
	}
}

func (q *work) outstanding(jobID string) (map[string]bool, error) {
	if q.gone {
		return nil, stream.ErrNoStream
	}
	tickers := map[string]bool{}
	prefix := events.EncodeToken(jobID) + "."
	for _, seq := range q.order {
		if msg := q.items[seq]; msg != nil {
			if token, ok := strings.CutPrefix(workKey(msg.Subject), prefix); ok {
				if ticker, err := events.DecodeToken(token); err == nil {
					tickers[ticker] = true
				}
			}
		}
	}
	return tickers, nil
}

func (q *work) purge(jobID string) error {
	if q.gone {
		return stream.ErrNoStream
	}
	prefix := events.EncodeToken(jobID) + "."
	for _, seq := range append([]uint64(nil), q.order...) {
		if msg := q.items[seq]; msg != nil && strings.HasPrefix(workKey(msg.Subject), prefix) {
			q.remove(seq)
		}
	}
	q.w.note("work", "purged", 0, jobID)
	return nil
}

func (q *work) idle() bool { return len(q.items) == 0 }
