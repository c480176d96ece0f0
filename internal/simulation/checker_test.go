package simulation_test

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A checker sees what really happened, which no process does, and holds it
// against the invariants: at once where it can, and whole at the end.
type checker struct {
	w     *world
	known []*events.JobQueued // jobs on the tape, in its order

	promised map[string]promise // by job: what users were told
	order    []string           // of promised
	bodies   map[string]string  // idempotency key to the request that it stands for

	folded   []*entry // what the database was recorded from, in order
	at       store.Position
	fold     *recorder.Projection
	progress map[string]store.Progress
}

// A promise is a 2xx.
type promise struct {
	sha string
	seq uint64
}

func newChecker(w *world) *checker {
	return &checker{
		w: w, promised: map[string]promise{}, bodies: map[string]string{},
		fold: recorder.NewProjection(), progress: map[string]store.Progress{},
	}
}

// stored: a message is on the tape.
func (c *checker) stored(e *entry) {
	if e.foreign {
		return
	}
	if filter := filterOf(e.Subject); filter != "" && c.w.tape.guards[filter] > 0 {
		c.w.broken("I2: we published a second outcome, %s at %d after %d", e.Subject, e.Seq, c.w.tape.guards[filter])
	}
	if c.w.tape.last[e.Subject] > 0 {
		c.w.broken("I2: we published %s twice, at %d and %d", e.Subject, c.w.tape.last[e.Subject], e.Seq)
	}
	read := e.entry()
	if read.Err != nil {
		c.w.broken("one of ours published what is no event, at %d: %v", e.Seq, read.Err)
		return
	}
	c.announced(e)
	c.queued(e)
}

// announced: the end of a job is told only when whoever hears of it can read it.
func (c *checker) announced(e *entry) {
	completed, ok := e.entry().Event.Data.(*events.JobCompleted)
	if !ok || c.w.tape.damaged {
		return
	}
	view, _, err := c.w.database.read.Job(context.Background(), completed.JobID)
	if err != nil || !view.Progress.Status.Ended() {
		c.w.broken("I1: the end of job %s is announced at %d, and it reads %+v, %v", completed.JobID, e.Seq, view.Progress, err)
	}
}

// queued notes a job of ours.
func (c *checker) queued(e *entry) {
	if queued, ok := e.entry().Event.Data.(*events.JobQueued); ok && !e.foreign {
		c.known = append(c.known, queued)
	}
}

// accepted: an api answers 2xx. (I1, I3, I12, I13)
func (c *checker) accepted(s *submission, a api.Accepted) {
	c.w.note("user", "accepted", a.Seq, a.Job.JobID)
	msg, err := c.w.tape.at(a.Seq)
	if c.w.tape.damaged {
		return
	}
	if err != nil || msg.Subject != events.JobSubject(s.job.JobID, "queued") {
		c.w.broken("I13: job %s is accepted with sequence %d, which is not its JobQueued", s.job.JobID, a.Seq)
		return
	}
	event, err := msg.Decode()
	if queued, ok := event.Data.(*events.JobQueued); err != nil || !ok || queued.RequestSHA256 != s.job.RequestSHA256 {
		c.w.broken("I12: job %s is accepted, on the tape is another request", s.job.JobID)
		return
	}
	if before, again := c.promised[s.job.JobID]; again && (before.seq != a.Seq || before.sha != s.job.RequestSHA256) {
		c.w.broken("I12: job %s is accepted twice, with sequences %d and %d", s.job.JobID, before.seq, a.Seq)
		return
	} else if !again {
		c.order = append(c.order, s.job.JobID)
		c.promised[s.job.JobID] = promise{sha: s.job.RequestSHA256, seq: a.Seq}
	}
	if s.key != "" {
		if body, used := c.bodies[s.key]; used && body != s.job.RequestSHA256 {
			c.w.broken("I12: key %s stands for two requests", s.key)
		}
		c.bodies[s.key] = s.job.RequestSHA256
	}
}

// conflict: an api answers 422, so another request must have the key. (I12)
func (c *checker) conflict(s *submission) {
	msg, err := c.w.tape.lastOf(events.JobSubject(s.job.JobID, "queued"))
	if c.w.tape.damaged {
		return
	}
	event, _ := msg.Decode()
	queued, ok := event.Data.(*events.JobQueued)
	if err != nil || s.key == "" || ok && queued.RequestSHA256 == s.job.RequestSHA256 {
		c.w.broken("I12: job %s is refused as another request's, and there is none", s.job.JobID)
	}
}

// taken: an api answers 409, so the tape holds something of the job, and no
// submission. On a damaged tape another attempt of the same user may come
// between the refusal and the look at what was in its way.
func (c *checker) taken(s *submission) {
	if c.w.tape.damaged {
		return
	}
	something := c.w.tape.guards[jobFilterOf(s.job.NATSSubject())] > 0
	if c.w.tape.last[s.job.NATSSubject()] > 0 || !something {
		c.w.broken("I12: job %s is refused for what nobody published", s.job.JobID)
	}
}

// cancelled: an api answers 2xx to a cancel. (I3)
func (c *checker) cancelled(jobID string, seq uint64) {
	msg, err := c.w.tape.at(seq)
	if !c.w.tape.damaged && (err != nil || msg.Subject != events.JobSubject(jobID, "cancelled")) {
		c.w.broken("I13: the cancel of job %s is accepted with sequence %d, which is not it", jobID, seq)
	}
	c.w.note("user", "cancel accepted", seq, jobID)
}

// done: an item of the work queue is acknowledged, so its ticker must have an
// outcome on the tape, unless its job was cancelled. (I1, I3)
func (c *checker) done(msg *nats.Msg) {
	item, err := stream.DecodeItem(msg.Data)
	if err != nil || c.w.tape.damaged {
		return
	}
	outcome := c.w.tape.guards[events.TickerSubject(item.JobID, item.Ticker, "*")]
	if outcome == 0 && c.w.tape.last[events.JobSubject(item.JobID, "cancelled")] == 0 {
		c.w.broken("I1: the work item of %s in job %s is acknowledged, and there is no outcome", item.Ticker, item.JobID)
	}
}

// dispatched: a JobQueued is acknowledged, so each of its tickers must be in the
// work queue, or have an outcome, or its job must have ended. (I1)
func (c *checker) dispatched(e *entry) {
	t := c.w.tape
	queued, ok := e.entry().Event.Data.(*events.JobQueued)
	if !ok || t.damaged || c.w.stats.lostWork > 0 || !c.w.now.Before(queued.Deadline.Add(-2*time.Hour)) {
		return // nothing to do, or nobody can tell: clocks are an hour off at most
	}
	if t.last[events.JobSubject(queued.JobID, "cancelled")] > 0 || t.last[events.JobSubject(queued.JobID, "completed")] > 0 {
		return
	}
	for _, ticker := range queued.Tickers {
		key := events.EncodeToken(queued.JobID) + "." + events.EncodeToken(ticker)
		if t.guards[events.TickerSubject(queued.JobID, ticker, "*")] == 0 && c.w.work.held[key] == 0 {
			c.w.broken("I1: the JobQueued of %s is acknowledged, and nobody works on %s", queued.JobID, ticker)
			return
		}
	}
}

// committed: the database has recorded a batch. It must be what the product's
// fold makes of the very next events of the tape. (I4..I10)
func (c *checker) committed(next store.Position, changes store.Changes) {
	batch := c.batch(next)
	if batch == nil {
		c.w.broken("I10: the database went from %d to %d (%s), which does not follow on the tape", c.at.Seq, next.Seq, next.Anchor)
		return
	}
	list := make([]recorder.Entry, len(batch))
	for i, e := range batch {
		list[i] = e.entry()
	}
	c.fold.Learn(c.fold.Missing(list), nil)
	want := c.fold.Fold(list)
	c.fold.Settle()
	if what := difference(want, changes); what != "" {
		c.w.broken("I5: the batch %d..%d is not the fold of its events: %s", c.at.Seq+1, next.Seq, what)
		return
	}
	c.folded = append(c.folded, batch...)
	c.at = next
	c.poisoned(batch, changes.Poison)
	c.counted(changes.Progress)
	if c.w.rnd.chance(0.01) {
		c.rebuilt()
	}
}

// batch is the messages behind the checkpoint up to next, from the tape as it
// is or as it was before it was damaged.
func (c *checker) batch(next store.Position) []*entry {
	from := uint64(len(c.folded))
	if from != c.at.Seq || next.Seq <= from {
		return nil
	}
	for _, tape := range append([][]*entry{c.w.tape.entries}, c.w.tape.before...) {
		if uint64(len(tape)) < next.Seq || tape[next.Seq-1].Anchor() != next.Anchor {
			continue
		}
		if from > 0 && tape[from-1].Anchor() != c.at.Anchor {
			continue
		}
		return tape[from:next.Seq:next.Seq]
	}
	return nil
}

// poisoned: what is no event is set aside, and nothing of ours is. (I9)
func (c *checker) poisoned(batch []*entry, rows []store.Poison) {
	aside := map[uint64]bool{}
	for _, row := range rows {
		aside[row.Seq] = true
	}
	for _, e := range batch {
		if e.poison && !aside[e.Seq] {
			c.w.broken("I9: the poison at %d is not set aside", e.Seq)
		}
		if !e.foreign && aside[e.Seq] && !c.w.tape.damaged {
			c.w.broken("I9: our own event at %d (%s) is set aside", e.Seq, e.Subject)
		}
	}
}

// counted: progress equals the details, and never goes backwards. (I7, I8)
func (c *checker) counted(rows []store.Progress) {
	ctx := context.Background()
	for _, row := range rows {
		before := c.progress[row.JobID]
		c.progress[row.JobID] = row
		if row.Analyzed < before.Analyzed || row.Failed < before.Failed || row.Cancelled < before.Cancelled ||
			before.Status.Ended() && row.Status != before.Status || before.Status == events.StatusRunning && row.Status == events.StatusQueued {
			c.w.broken("I8: job %s went back from %+v to %+v", row.JobID, before, row)
		}
		view, _, err := c.w.database.read.Job(ctx, row.JobID)
		if err != nil || view.Progress != row {
			c.w.broken("I8: the progress of job %s is recorded as %+v, read as %+v, %v", row.JobID, row, view.Progress, err)
			continue
		}
		pending, _, err := c.w.database.read.Outstanding(ctx, row.JobID)
		if err != nil || row.Pending() != len(pending) || row.Pending() < 0 {
			c.w.broken("I7: job %s has %d tickers pending, the details say %d, %v", row.JobID, row.Pending(), len(pending), err)
		}
	}
}

// rebuilt folds all that was recorded into a new database, cut in other
// batches, and compares the dumps. (I4)
func (c *checker) rebuilt() {
	ctx := context.Background()
	rows := memory.New(func() time.Time { return c.w.now })
	w := rows.OpenWriter()
	if err := w.Migrate(ctx, func(string) {}); err != nil {
		c.w.broken("migrating: %v", err)
		return
	}
	lease, err := w.Acquire(ctx, "checker", time.Hour)
	if err != nil {
		c.w.broken("acquiring: %v", err)
		return
	}
	fold := recorder.NewProjection()
	for from := 0; from < len(c.folded); {
		to := min(from+c.w.rnd.between(1, 200), len(c.folded))
		list := make([]recorder.Entry, to-from)
		for i, e := range c.folded[from:to] {
			list[i] = e.entry()
		}
		missing := fold.Missing(list)
		states, err := w.Load(ctx, missing)
		if err != nil {
			c.w.broken("loading: %v", err)
			return
		}
		fold.Learn(missing, states)
		last := list[len(list)-1].Message
		next := store.Position{Stream: c.at.Stream, Created: c.at.Created, Seq: last.Seq, Anchor: last.Anchor()}
		if err := w.Commit(ctx, lease, next, fold.Fold(list)); err != nil {
			c.w.broken("I4: folding %d..%d again: %v", from+1, to, err)
			return
		}
		fold.Settle()
		lease.Position, from = next, to
	}
	live, _, at, err := store.HashDump(ctx, c.w.database.read)
	again, _, _, err2 := store.HashDump(ctx, w.Reading())
	if err != nil || err2 != nil || live != again || at.Seq != c.at.Seq {
		c.w.broken("I4: at %d the tables are not the fold of the tape: %s, %s, %v, %v\n%s", c.at.Seq, live, again, err, err2,
			differences(c.w.database.read, w.Reading()))
	}
}

func differences(a, b store.Dumper) (text string) {
	_ = store.Compare(context.Background(), a, b, func(d store.Difference) { text += d.String() + "\n" })
	return text
}

// difference says in what two batches of changes differ, or nothing.
func difference(want, got store.Changes) string {
	if len(want.Jobs) != len(got.Jobs) || len(want.Results) != len(got.Results) || len(want.Indicators) != len(got.Indicators) ||
		len(want.Backtests) != len(got.Backtests) {
		return fmt.Sprintf("%d jobs, %d results, want %d and %d", len(got.Jobs), len(got.Results), len(want.Jobs), len(want.Results))
	}
	for i := range want.Jobs {
		if want.Jobs[i].ID != got.Jobs[i].ID || want.Jobs[i].Seq != got.Jobs[i].Seq {
			return fmt.Sprintf("job %+v, want %+v", got.Jobs[i], want.Jobs[i])
		}
	}
	for i := range want.Results {
		a, b := &want.Results[i], &got.Results[i]
		if a.JobID != b.JobID || a.Ticker != b.Ticker || a.Seq != b.Seq || a.Score != b.Score {
			return fmt.Sprintf("result %+v, want %+v", b, a)
		}
	}
	for i := range want.Poison {
		if len(got.Poison) <= i || want.Poison[i].Seq != got.Poison[i].Seq || want.Poison[i].Reason != got.Poison[i].Reason {
			return fmt.Sprintf("poison %+v, want %+v", got.Poison, want.Poison)
		}
	}
	if what := unequal("progress", want.Progress, got.Progress); what != "" {
		return what
	}
	if what := unequal("detail", want.Details, got.Details); what != "" {
		return what
	}
	return unequal("day", want.Days, got.Days)
}

func unequal[T comparable](what string, want, got []T) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("no %s %+v", what, want[i])
		case i >= len(want):
			return fmt.Sprintf("a %s too many: %+v", what, got[i])
		case want[i] != got[i]:
			return fmt.Sprintf("%s %+v, want %+v", what, got[i], want[i])
		}
	}
	return ""
}
