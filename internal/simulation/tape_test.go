package simulation_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// dedupeWindow is that of the product's streams.
const dedupeWindow = 2 * time.Minute

// An entry is one message of the simulated tape.
type entry struct {
	stream.Message
	foreign bool // published by nobody of ours
	poison  bool // and it is not an event, or not one of the job's
	lost    bool // it was on the tape, until that lost it
	read    recorder.Entry
	isRead  bool
}

// entry is the message decoded, once.
func (e *entry) entry() recorder.Entry {
	if !e.isRead {
		e.read, e.isRead = recorder.Read(e.Message), true
	}
	return e.read
}

// A tape is the simulated stream TAPE, as the product relies on it: sequences
// from 1 without gaps, guards, a window of message ids, atomic batches that are
// checked against the state before them and refused whole, a limit that refuses.
// Its methods are what happens at the server, at once.
type tape struct {
	w        *world
	created  time.Time
	entries  []*entry          // entries[i] has sequence i+1
	last     map[string]uint64 // sequence of the last message of a subject
	guards   map[string]uint64 // and of those under a filter with wildcards
	ids      map[string]stamped
	full     bool       // over its limit
	damaged  bool       // something that was stored is not there any more
	before   [][]*entry // what it held before each damage
	adding   entry      // the marks of what is stored next
	follow   []func()
	dispatch *consumer
}

type stamped struct {
	seq uint64
	at  time.Time
}

func newTape(w *world) *tape {
	t := &tape{w: w, created: w.now}
	t.clear()
	t.dispatch = newConsumer(w, "dispatch", 64)
	t.dispatch.message = func(seq uint64) *nats.Msg {
		if seq > t.end() {
			return nil
		}
		m := t.entries[seq-1]
		return &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}
	}
	t.dispatch.acked = func(seq uint64, _ bool) {
		if seq <= t.end() {
			w.check.dispatched(t.entries[seq-1])
		}
	}
	t.dispatch.following = func(seq uint64) uint64 {
		for seq++; seq <= t.end(); seq++ {
			if s := t.entries[seq-1].Subject; strings.HasPrefix(s, "tape.job.") && strings.HasSuffix(s, ".queued") {
				return seq
			}
		}
		return 0
	}
	return t
}

func (t *tape) clear() {
	t.entries = nil
	t.last, t.guards, t.ids = map[string]uint64{}, map[string]uint64{}, map[string]stamped{}
}

func (t *tape) end() uint64 { return uint64(len(t.entries)) }

// jobFilterOf is the filter of everything of a job that a subject matches, or "".
func jobFilterOf(subject string) string {
	tokens := strings.SplitN(subject, ".", 4)
	if len(tokens) < 4 {
		return ""
	}
	return "tape.*." + tokens[2] + ".>"
}

// filterOf is the filter of outcomes that a subject matches, or "".
func filterOf(subject string) string {
	if !strings.HasPrefix(subject, "tape.ticker.") {
		return ""
	}
	return subject[:strings.LastIndexByte(subject, '.')+1] + "*"
}

// refused is why the server would not store a message now, or nil.
func (t *tape) refused(msg *nats.Msg) error {
	if filter := msg.Header.Get(jetstream.ExpectedLastSubjSeqSubjHeader); filter != "" {
		if msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader) != "0" {
			return fmt.Errorf("the simulated tape knows only the guard 0")
		}
		if t.guards[filter] > 0 || t.last[filter] > 0 {
			return stream.ErrExists // 10071
		}
	}
	if id := msg.Header.Get(nats.MsgIdHdr); id != "" {
		if seen, ok := t.ids[id]; ok && t.w.now.Sub(seen.at) < dedupeWindow {
			return stream.ErrExists // an ack with Duplicate, in a batch 10201
		}
	}
	if t.full {
		return stream.ErrFull // 10077
	}
	return nil
}

// publish stores one message.
func (t *tape) publish(msg *nats.Msg) (uint64, error) {
	if err := t.refused(msg); err != nil {
		return 0, err
	}
	return t.store(msg), nil
}

// publishBatch stores all messages or none.
func (t *tape) publishBatch(msgs []*nats.Msg) error {
	ids := map[string]bool{}
	for _, msg := range msgs {
		if err := t.refused(msg); err != nil {
			return err
		}
		if id := msg.Header.Get(nats.MsgIdHdr); id != "" {
			if ids[id] {
				return stream.ErrExists
			}
			ids[id] = true
		}
	}
	for _, msg := range msgs {
		t.store(msg)
	}
	return nil
}

func (t *tape) store(msg *nats.Msg) uint64 {
	seq := t.end() + 1
	t.entries = append(t.entries, &entry{Message: stream.Message{
		Subject: msg.Subject, Header: msg.Header, Data: msg.Data,
		Seq: seq, At: t.w.now.UTC().Truncate(time.Millisecond),
	}, foreign: t.adding.foreign, poison: t.adding.poison})
	t.w.check.stored(t.entries[seq-1]) // before it counts for the guards
	t.index(t.entries[seq-1], t.w.now)
	t.w.note("tape", "stores", seq, msg.Subject)
	t.notify()
	return seq
}

func (t *tape) index(e *entry, at time.Time) {
	t.last[e.Subject] = e.Seq
	if filter := filterOf(e.Subject); filter != "" {
		t.guards[filter] = e.Seq
	}
	if filter := jobFilterOf(e.Subject); filter != "" {
		t.guards[filter] = e.Seq
	}
	if id := e.Header.Get(nats.MsgIdHdr); id != "" {
		t.ids[id] = stamped{e.Seq, at}
	}
}

// notify tells those that follow that there is something new.
func (t *tape) notify() {
	waiting := t.follow
	t.follow = nil
	for _, tell := range waiting {
		t.w.after(t.w.latency(), tell)
	}
	t.dispatch.notify()
}

func (t *tape) state() stream.TapeState {
	return stream.TapeState{Stream: stream.Tape, Created: t.created, First: 1, Last: t.end(), Messages: t.end(), MaxBytes: -1}
}

func (t *tape) at(seq uint64) (stream.Message, error) {
	if seq == 0 || seq > t.end() {
		return stream.Message{}, stream.ErrNotFound
	}
	return t.entries[seq-1].Message, nil
}

func (t *tape) lastOf(subject string) (stream.Message, error) { return t.at(t.last[subject]) }

// loseTail is what a power cut does to a tape that is not on the disk yet.
func (t *tape) loseTail(n int) {
	kept := max(len(t.entries)-n, 0)
	t.w.note("tape", "LOSES ITS TAIL", uint64(n), "")
	old := t.entries
	t.before = append(t.before, old)
	t.clear()
	t.damaged = true
	for i, e := range old {
		if e.lost = i >= kept; !e.lost {
			t.entries = append(t.entries, e)
			t.index(e, e.At)
		}
	}
	t.dispatch.rewind(min(t.dispatch.at, t.end()))
	t.lostSome()
}

// recreate is what an operator does who takes the wrong stream away.
func (t *tape) recreate() {
	t.w.note("tape", "MADE ANEW", 0, "")
	t.before = append(t.before, t.entries)
	for _, e := range t.entries {
		e.lost = true
	}
	t.clear()
	t.damaged = true
	t.created = t.w.now
	t.dispatch.rewind(0)
	t.lostSome()
}

func (t *tape) lostSome() {
	t.w.stats.damage++
	t.w.check.known = nil
	for _, e := range t.entries {
		t.w.check.queued(e)
	}
	t.notify()
}

// A tail is an open reading of the tape, with the checks of stream.Tail: after
// each interruption it compares the tape with what it returned last.
type tail struct {
	t       *tape
	created time.Time
	last    uint64
	anchor  string
	closed  bool
	skipped bool // a message was left out: its reader has to notice
	wake    func()
}

// next returns what has arrived, or nothing: wait and ask again.
func (l *tail) next(most int) ([]stream.Message, error) {
	switch {
	case !l.t.created.Equal(l.created):
		return nil, fmt.Errorf("%w: another tape", stream.ErrGap)
	case l.anchor != "" && l.t.end() < l.last:
		return nil, fmt.Errorf("%w: it ends at %d, %d was read before", stream.ErrGap, l.t.end(), l.last)
	case l.anchor != "" && l.t.entries[l.last-1].Anchor() != l.anchor:
		return nil, fmt.Errorf("%w: message %d is another", stream.ErrGap, l.last)
	}
	var batch []stream.Message
	for l.last < l.t.end() && len(batch) < most {
		l.last++
		if w := l.t.w; l.last < l.t.end() && !w.healed && w.rnd.chance(w.rates.skip) { // the tail's own check failed
			w.stats.skipped++
			w.note("tape", "a tail skips", l.last, "")
			l.skipped = true
			l.last++
		}
		batch = append(batch, l.t.entries[l.last-1].Message)
	}
	if len(batch) > 0 {
		l.anchor = batch[len(batch)-1].Anchor()
	}
	return batch, nil
}
