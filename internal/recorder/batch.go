package recorder

import (
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A batcher gathers messages in the order of the tape, cuts them into batches
// and folds them. One batch at a time is in hand: folded, and its commit not
// yet answered; its entries stay in front of those that wait. Pure, like the
// Projection inside it.
type batcher struct {
	proj    *Projection
	stream  string         // the tape's identity,
	created time.Time      // which every new checkpoint carries
	pos     store.Position // the last that was committed
	entries []Entry        // those in hand, then those that wait
	bytes   int            // of the bodies of all entries
	next    uint64         // the sequence that the next message must have
	limit   int            // most events of the next batch: maxBatch, less while the event is sought that breaks a constraint
	chosen  int            // entries of the next batch, while its jobs are being learned; 0: not chosen
	inHand  int            // entries of the batch in hand; 0 is none
	target  store.Position // where the checkpoint stands when the batch in hand is committed
}

// newBatcher goes on behind pos, with the message next (pos.Seq+1 but on a
// tape that lost its start).
func newBatcher(pos store.Position, next uint64) *batcher {
	return &batcher{
		proj: NewProjection(), stream: pos.Stream, created: pos.Created,
		pos: pos, next: next, limit: maxBatch,
	}
}

// waiting is how many entries are read and not folded.
func (b *batcher) waiting() int { return len(b.entries) - b.inHand }

// add takes the next messages. Anything but the very next sequence is stream.ErrGap.
func (b *batcher) add(messages []stream.Message) error {
	for _, msg := range messages {
		if msg.Seq != b.next {
			return fmt.Errorf("%w: message %d came where %d was due", stream.ErrGap, msg.Seq, b.next)
		}
		b.next++
		b.bytes += len(msg.Data)
		b.entries = append(b.entries, Read(msg))
	}
	return nil
}

// room is how many messages may be read ahead: at most a batch beside the one in hand.
func (b *batcher) room() int {
	if b.bytes >= 2*maxBatchBytes {
		return 0
	}
	return max(maxBatch-b.waiting(), 0)
}

// cut returns the next batch, empty if there is none or one is in hand, and
// the jobs that must be learned before it can be folded.
func (b *batcher) cut() (batch []Entry, missing []string) {
	if b.inHand > 0 {
		return nil, nil
	}
	if b.chosen == 0 {
		b.chosen = b.choose()
	}
	batch = b.entries[:b.chosen]
	return batch, b.proj.Missing(batch)
}

// choose is how many entries the next batch has.
func (b *batcher) choose() int {
	count, bytes := 0, 0
	for count < len(b.entries) && count < b.limit && (count == 0 || bytes < maxBatchBytes) {
		bytes += len(b.entries[count].Message.Data)
		count++
	}
	missing := b.proj.Missing(b.entries[:count])
	if len(missing) <= maxLoads {
		return count
	}
	beyond := missing[maxLoads] // the batch ends before the first event of the first job that is too many
	for i := range count {
		if b.entries[i].jobID() == beyond {
			return i
		}
	}
	return count
}

// fold takes a batch that cut returned in hand.
func (b *batcher) fold(batch []Entry) (store.Position, store.Changes) {
	last := batch[len(batch)-1].Message
	b.target = store.Position{Stream: b.stream, Created: b.created, Seq: last.Seq, Anchor: last.Anchor()}
	b.inHand, b.chosen = len(batch), 0
	return b.target, b.proj.Fold(batch)
}

// committed: the batch in hand is recorded.
func (b *batcher) committed() {
	for i := range b.inHand {
		b.bytes -= len(b.entries[i].Message.Data)
	}
	kept := copy(b.entries, b.entries[b.inHand:])
	clear(b.entries[kept:])
	b.entries = b.entries[:kept]
	b.pos, b.inHand = b.target, 0
	b.limit = min(b.limit*2, maxBatch)
	b.proj.Settle()
}

// refused: the commit of the batch in hand broke a constraint. The next batch
// is half of it; an event that stands alone is returned as the culprit.
func (b *batcher) refused() (culprit *Entry) {
	if b.inHand == 1 {
		return &b.entries[0]
	}
	b.limit = b.inHand / 2
	b.inHand = 0
	b.proj.Reset()
	return nil
}
