package recorder

import (
	"errors"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Core decides what a recorder does next. It has three hands: one on the
// database, one on the tape (which reads ahead while the database commits) and
// one that announces. Step takes in what happened and returns what to do. It is
// pure: no goroutines, clock, I/O, or random but the seed.
type Core struct {
	owner  string
	random uint64 // state of the generator for jitter

	// The database.
	busy     bool           // a call is under way
	held     bool           // the lease was ours when last heard of
	lease    store.Lease    // Position is what the database has
	askedAt  time.Time      // when the call under way was made
	askedTTL time.Duration  // how long the lease is good for if that succeeds
	freshAt  time.Time      // when it was last lengthened: it is good for ttl from then, at least
	ttl      time.Duration  // leaseTTL, or for a pause pauseTTL
	retryAt  time.Time      // no Acquire before
	failed   int            // calls that failed in a row
	asked    []string       // jobs that a Load is under way for
	changes  *store.Changes // of the Commit under way

	// The tape.
	era      uint64 // of the tail; answers of older eras are ignored
	batch    *batcher
	checking bool           // a CheckTape is under way
	checkPos store.Position // what it is compared with
	checked  bool           // the tape fitted the checkpoint since the lease was taken
	checkAt  time.Time      // no CheckTape before
	last     uint64         // the tape's last sequence as last heard of
	reading  bool           // an Open or ReadTape is under way
	open     bool
	compare  bool // the tape holds the checkpoint's message: the tail begins with it, to be compared

	// The announcements.
	announcing bool
	telling    string           // the job of the Announce under way
	ended      []store.Progress // to be announced
	scan       bool             // the database may hold more of them
	announceAt time.Time        // no Announce before

	paused, pausing    bool
	stopping, finished bool
	fatal              error
	outputs            []Output
}

// NewCore makes the core of a recorder that holds its lease in the name of
// owner. Seed varies its waits, so that two recorders do not keep step.
func NewCore(owner string, seed uint64) *Core { return &Core{owner: owner, random: seed} }

// Step takes an input in and returns what to do now. now never goes back.
func (c *Core) Step(now time.Time, in Input) []Output {
	if c.finished {
		return nil
	}
	c.outputs = nil
	c.take(now, in)
	c.plan(now)
	return c.outputs
}

func (c *Core) take(now time.Time, in Input) {
	switch in := in.(type) {
	case Tick:
	case Stop:
		c.stopping = true
	case Pause:
		c.pausing = true
	case Resume:
		c.resume(now, in)
	case Acquired:
		c.acquired(now, in)
	case Renewed:
		c.busy = false
		c.answered(now, in.Err)
	case Released:
		c.busy, c.held = false, false
	case Loaded:
		c.loaded(now, in)
	case Committed:
		c.committed(now, in)
	case Scanned:
		c.scanned(now, in)
	case Announced:
		c.announced(now, in)
	case Checked:
		c.tapeChecked(now, in)
	case Opened:
		c.opened(now, in)
	case Arrived:
		c.arrived(now, in)
	}
}

// plan looks at where things stand and gives each idle hand its next work.
func (c *Core) plan(now time.Time) {
	if c.stopping || c.fatal != nil || !c.held {
		c.closeTail()
	}
	if !c.busy {
		c.planDatabase(now)
	}
	if c.finished || !c.held || c.stopping || c.fatal != nil {
		return
	}
	c.planTape(now)
	c.planAnnouncements(now)
	c.wake(earliest(now, c.freshAt.Add(renewEvery), c.freshAt.Add(c.ttl), c.checkAt, c.announceAt))
}

func (c *Core) planDatabase(now time.Time) {
	switch {
	case c.paused: // until Resume the tables are another's
	case !c.held && (c.stopping || c.fatal != nil):
		c.finished = true
		c.out(Finish{Err: c.fatal})
	case !c.held && now.Before(c.retryAt):
		c.wake(c.retryAt)
	case !c.held:
		c.call(now, Acquire{})
	case c.fatal != nil:
		c.call(now, Release{Lease: c.lease})
	case c.pausing && c.ttl < pauseTTL, !now.Before(c.freshAt.Add(renewEvery)):
		c.renew(now)
	case c.pausing && c.checked && !c.stopping:
		c.pausing, c.paused = false, true
		c.out(Paused{Lease: c.lease})
	case c.planBatch(now):
	case c.stopping:
		c.call(now, Release{Lease: c.lease})
	case c.scan && c.checked && len(c.ended) == 0 && !now.Before(c.announceAt):
		c.scan = false
		c.call(now, Scan{Limit: maxAnnouncements})
	}
}

// planBatch loads what the next batch needs, or commits it.
func (c *Core) planBatch(now time.Time) bool {
	if !c.checked || c.batch == nil || c.batch.waiting() == 0 {
		return false
	}
	batch, missing := c.batch.cut()
	if len(missing) > 0 {
		c.asked = missing
		c.call(now, Load{JobIDs: missing})
		return true
	}
	next, changes := c.batch.fold(batch)
	c.changes = &changes
	c.call(now, Commit{Lease: c.lease, Next: next, Changes: changes})
	return true
}

func (c *Core) planTape(now time.Time) {
	// A first check waits for a Commit or Load of before: it begins a new batcher.
	if !c.checking && !now.Before(c.checkAt) && (c.checked || !c.busy) {
		c.checking = true
		c.checkPos = c.lease.Position
		c.out(CheckTape{Era: c.era, Seq: c.checkPos.Seq})
	}
	if !c.checked || c.reading {
		return
	}
	if !c.open {
		from := c.lease.Position.Seq + 1
		if c.compare = c.compare && c.lease.Position.Anchor != ""; c.compare {
			from--
		}
		c.reading = true
		c.out(Open{Era: c.era, From: from})
		return
	}
	if room := c.batch.room(); room > 0 {
		c.reading = true
		c.out(ReadTape{Era: c.era, Max: room})
	}
}

func (c *Core) planAnnouncements(now time.Time) {
	if c.announcing || !c.checked || len(c.ended) == 0 || now.Before(c.announceAt) {
		return
	}
	p := c.ended[0]
	c.announcing, c.telling = true, p.JobID
	c.out(Announce{Event: events.New(source, now, &events.JobCompleted{
		JobID: p.JobID, Status: p.Status, Total: p.Total,
		Analyzed: p.Analyzed, Failed: p.Failed, Cancelled: p.Cancelled,
	})})
}

// source is who says what the recorder publishes.
const source = "tapedeck/recorder"

func (c *Core) out(o Output) { c.outputs = append(c.outputs, o) }

func (c *Core) wake(at time.Time) { c.out(Wake{At: at}) }

func (c *Core) call(now time.Time, o Output) {
	c.busy, c.askedAt, c.askedTTL = true, now, leaseTTL
	c.out(o)
}

// renew lengthens the lease, by more if commits are to pause.
func (c *Core) renew(now time.Time) {
	lease := c.lease
	lease.TTL = leaseTTL
	if c.pausing {
		lease.TTL = pauseTTL
	}
	c.call(now, Renew{Lease: lease})
	c.askedTTL = lease.TTL
}

// closeTail ends the tail, and with it what is read ahead of the next batch
// unless the recorder is only stopping: then that is still recorded.
func (c *Core) closeTail() {
	if !c.open && !c.reading {
		return
	}
	c.era++
	c.open, c.reading = false, false
	c.out(CloseTail{})
}

// reopen starts reading again from the checkpoint, after the tape is checked.
func (c *Core) reopen(at time.Time) {
	c.closeTail()
	c.checked, c.checking = false, false
	c.era++
	c.checkAt = at
}

// lose drops the lease and all that was known under it. Another may have it,
// or nobody knows: Acquire will tell, not before at.
func (c *Core) lose(at time.Time) {
	c.held, c.retryAt = false, at
	c.ended, c.scan = nil, false
	c.reopen(at)
	c.batch = nil
}

// stop ends the recorder loudly.
func (c *Core) stop(err error) {
	if c.fatal == nil {
		c.fatal = err
	}
}

// answered judges a database call. False: the lease is gone or in doubt.
func (c *Core) answered(now time.Time, err error) bool {
	switch {
	case err == nil:
		c.failed = 0
		c.freshAt, c.ttl = c.askedAt, c.askedTTL
		return true
	case errors.Is(err, store.ErrSchema), errors.Is(err, store.ErrNoDatabase):
		c.stop(err)
	case errors.Is(err, store.ErrFenced):
		c.lose(now.Add(c.jitter(standbyEvery)))
	default:
		c.lose(now.Add(c.backoff()))
	}
	return false
}

func (c *Core) acquired(now time.Time, in Acquired) {
	c.busy = false
	if in.Err != nil {
		if errors.Is(in.Err, store.ErrLeaseHeld) {
			c.failed = 0
			c.lose(now.Add(c.jitter(standbyEvery)))
			return
		}
		c.answered(now, in.Err)
		return
	}
	// No answered: a database that gives leases and takes no commit is failing still.
	c.held, c.lease, c.freshAt, c.ttl = true, in.Lease, c.askedAt, leaseTTL
	c.scan = true
	c.reopen(now)
}

func (c *Core) loaded(now time.Time, in Loaded) {
	c.busy = false
	asked := c.asked
	c.asked = nil
	if in.Err != nil {
		c.answered(now, in.Err)
		return
	}
	if c.batch != nil {
		c.batch.proj.Learn(asked, in.States)
	}
}

func (c *Core) committed(now time.Time, in Committed) {
	c.busy = false
	changes := c.changes
	c.changes = nil
	if errors.Is(in.Err, store.ErrConstraint) {
		if culprit := c.batch.refused(); culprit != nil {
			c.stop(fmt.Errorf("%w: sequence %d (%s): %w; report it with the event; nothing after it is recorded until a program that is mended runs",
				ErrEvent, culprit.Message.Seq, culprit.Message.Subject, in.Err))
		}
		return
	}
	if !c.answered(now, in.Err) {
		return
	}
	c.batch.committed()
	c.lease.Position = c.batch.pos
	c.last = max(c.last, c.lease.Position.Seq)
	for _, p := range changes.Progress {
		if p.Status.Ended() && p.AnnouncedSeq == 0 {
			c.announce(p)
		}
	}
}

func (c *Core) scanned(now time.Time, in Scanned) {
	c.busy = false
	if in.Err != nil {
		c.scan = true
		c.announceAt = now.Add(c.backoff()) // a read that failed says nothing of the lease
		return
	}
	for _, p := range in.Ended {
		c.announce(p)
	}
}

// announce queues the end of a job, once.
func (c *Core) announce(p store.Progress) {
	if len(c.ended) >= maxAnnouncements {
		c.scan = true // the database holds it
		return
	}
	for i := range c.ended {
		if c.ended[i].JobID == p.JobID {
			return
		}
	}
	c.ended = append(c.ended, p)
}

func (c *Core) announced(now time.Time, in Announced) {
	c.announcing = false
	if in.Err != nil && !errors.Is(in.Err, stream.ErrExists) {
		c.announceAt = now.Add(c.jitter(lastBackoff))
		return
	}
	if len(c.ended) > 0 && c.ended[0].JobID == c.telling { // not if the lease changed meanwhile
		c.ended = c.ended[1:]
	}
}

func (c *Core) tapeChecked(now time.Time, in Checked) {
	if in.Era != c.era || !c.checking {
		return
	}
	c.checking = false
	c.checkAt = now.Add(checkEvery)
	fresh := c.checkPos == (store.Position{})
	switch {
	case errors.Is(in.Err, stream.ErrNoStream) && fresh:
		c.checked = false
		c.checkAt = now.Add(c.jitter(standbyEvery)) // not provisioned yet
	case errors.Is(in.Err, stream.ErrNoStream):
		c.stop(lostTape(in.Err))
	case in.Err != nil:
		c.checkAt = now.Add(c.backoff())
	default:
		c.tapeFits(in)
	}
}

func (c *Core) tapeFits(in Checked) {
	if err := checkTape(c.checkPos, in); err != nil {
		c.stop(err)
		return
	}
	c.last = max(in.State.Last, c.lease.Position.Seq)
	if c.checked {
		return
	}
	c.checked = true
	c.batch = newBatcher(c.lease.Position, c.lease.Position.Seq+1)
	c.batch.stream, c.batch.created = in.State.Stream, in.State.Created
	c.compare = in.Held
}

func (c *Core) opened(now time.Time, in Opened) {
	if in.Era != c.era {
		return
	}
	c.reading = false
	if in.Err != nil {
		c.tailFailed(now, in.Err)
		return
	}
	c.open = true
}

func (c *Core) arrived(now time.Time, in Arrived) {
	if in.Era != c.era {
		return
	}
	c.reading = false
	messages := in.Messages
	if c.compare && len(messages) > 0 {
		c.compare = false
		first, pos := messages[0], c.lease.Position
		if first.Seq != pos.Seq || !stream.SameAnchor(first.Anchor(), pos.Anchor) {
			c.stop(fmt.Errorf("%w: at sequence %d; %s", ErrAnchor, pos.Seq, wayPast))
			return
		}
		messages = messages[1:]
	}
	if err := c.batch.add(messages); err != nil {
		c.stop(lostTape(err))
		return
	}
	if n := len(in.Messages); n > 0 {
		c.last = max(c.last, in.Messages[n-1].Seq)
	}
	if in.Err != nil {
		c.tailFailed(now, in.Err)
	}
}

func (c *Core) tailFailed(now time.Time, err error) {
	if errors.Is(err, stream.ErrGap) || errors.Is(err, stream.ErrNoStream) {
		c.stop(lostTape(err))
		return
	}
	c.reopen(now.Add(c.backoff()))
}

func (c *Core) resume(now time.Time, in Resume) {
	c.pausing = false
	if !c.paused {
		return
	}
	c.paused = false
	if in.Swapped {
		c.lose(now) // the same owner takes the lease again, and sees where the tables stand
	}
}
