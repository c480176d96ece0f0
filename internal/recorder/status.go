package recorder

import (
	"context"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
)

// A Role is what a recorder does among those of one database.
type Role string

// The roles.
const (
	RoleLeading Role = "leading" // it holds the lease and records
	RoleStandby Role = "standby" // it waits for the lease
)

// Status is what readiness and doctor need to know of a recorder.
type Status struct {
	Role       Role           `json:"role"`
	Position   store.Position `json:"position"`    // where the database stands; of a standby: when it last led
	Lag        uint64         `json:"lag"`         // events on the tape that are not recorded, as of the last look (at most 5 s ago)
	LastCommit time.Time      `json:"last_commit"` // by this process's clock; zero if none
	Poisoned   int            `json:"poisoned"`    // events set aside by this process
	Err        error          `json:"-"`           // the trouble that it is in, or why it stopped; nil if none
	until      time.Time      // the lease is certain until then
}

// Status tells how things stand.
func (r *Recorder) Status() Status {
	s := *r.status.Load()
	if s.Role == RoleLeading && !r.cfg.Now().Before(s.until) {
		s.Role = RoleStandby
	}
	return s
}

// publish makes the status of what the core knows; stopped is why Run ends.
func (d *driver) publish(stopped error) {
	now := d.cfg.Now()
	s := Status{
		Role: RoleStandby, Position: d.core.Position(), Lag: d.core.Lag(),
		LastCommit: d.lastAt, Poisoned: d.poisoned, Err: d.trouble, until: d.core.freshAt.Add(d.core.ttl),
	}
	if stopped != nil {
		s.Err = stopped
	}
	leading := d.core.Leading(now)
	if leading {
		s.Role = RoleLeading
	}
	d.status.Store(&s)
	if leading != d.leading {
		d.leading = leading
		d.log.Info("recorder is "+string(s.Role), "owner", d.cfg.Owner, "epoch", d.core.lease.Epoch, "seq", s.Position.Seq)
	}
	d.lead.set(leading)
}

// Leading reports whether the lease is held at a time: for certain, as the
// time of its last lengthening is taken from before the call.
func (c *Core) Leading(now time.Time) bool {
	return c.held && !c.finished && now.Before(c.freshAt.Add(c.ttl))
}

// Position is where the database stands, as far as this recorder knows.
func (c *Core) Position() store.Position { return c.lease.Position }

// Lag is how many events of the tape are not recorded yet, as last heard of.
func (c *Core) Lag() uint64 {
	if c.last < c.lease.Position.Seq {
		return 0
	}
	return c.last - c.lease.Position.Seq
}

// WhileLeading calls run each time this recorder has come to hold the lease,
// with a context that ends when it loses it, and returns nil when ctx ends. An
// error of run ends it. It is for what only one process may do: the
// reconciler, the answers to control requests.
func (r *Recorder) WhileLeading(ctx context.Context, run func(ctx context.Context) error) error {
	for {
		if !r.lead.await(ctx, true) {
			return nil
		}
		term, cancel := context.WithCancel(ctx)
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			r.lead.await(term, false)
			cancel()
		}()
		err := run(term)
		lost := term.Err() != nil
		cancel()
		<-watched
		if err != nil && !lost {
			return err
		}
		if !lost { // it returned by itself: once is enough
			return nil
		}
	}
}

// leadership tells waiters when the lease comes and goes.
type leadership struct {
	mu      sync.Mutex // guards the fields below
	leading bool
	changed chan struct{} // closed at the next change
}

func (l *leadership) set(leading bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leading != leading {
		l.leading = leading
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// await waits until leading is as wanted; false when ctx ended first.
func (l *leadership) await(ctx context.Context, wanted bool) bool {
	for {
		l.mu.Lock()
		leading, changed := l.leading, l.changed
		l.mu.Unlock()
		if ctx.Err() != nil {
			return false
		}
		if leading == wanted {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}
