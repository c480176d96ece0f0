package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Reader is the part of store.Reader that the hub needs.
type Reader interface {
	Position(ctx context.Context) (store.Position, error)
	Job(ctx context.Context, id string) (store.JobView, uint64, error)
	Jobs(ctx context.Context, q store.JobsQuery) (store.Page[store.JobView], error)
	Details(ctx context.Context, q store.DetailsQuery) (store.Page[store.Detail], error)
}

// Config is what a Hub is made of; all fields are required.
type Config struct {
	Logger *slog.Logger
	Reader Reader
	// Encode writes an event as it goes to clients. It is called once per
	// event and job, not per client, and must be safe for concurrent use.
	Encode func(Event) []byte
}

// A Hub serves the streams of one process. Make it with New; Run looks while
// anybody follows.
type Hub struct {
	config  Config
	wake    chan struct{} // one token: somebody came
	catchUp chan struct{} // one token per client that reads from the database

	mu     sync.Mutex // guards all below, and what they point to
	jobs   map[string]*jobFeed
	all    *allFeed // nil while nobody follows all jobs
	latest uint64   // the checkpoint of the last look
}

// A jobFeed is what the followers of one job share.
type jobFeed struct {
	feed
	followers int
	read      bool   // looked at once
	lastSeq   uint64 // of the view that was told
	progress  []byte // the newest, encoded
	version   int    // of progress; grows
	end       []byte // not nil: the job has ended
	changed   chan struct{}
}

// An allFeed is what the followers of all jobs share.
type allFeed struct {
	feed
	followers int
	left      time.Time // when the last follower left
	active    map[string]bool
	changed   chan struct{}
}

// New makes a hub.
func New(config Config) *Hub {
	return &Hub{
		config: config, wake: make(chan struct{}, 1), catchUp: make(chan struct{}, catchUps),
		jobs: map[string]*jobFeed{},
	}
}

// Run looks at the database while anybody follows, until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	failing := false
	for {
		pause := pollEvery
		if h.idle() {
			select {
			case <-h.wake:
			case <-ctx.Done():
				return
			}
		}
		err := h.look(ctx)
		if err != nil && ctx.Err() == nil {
			pause = pollFailing
			if !failing {
				h.config.Logger.Warn("live: streams stand still until the database answers", "stage", "live", "err", err)
			}
		}
		failing = err != nil
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// idle reports whether nobody follows; it drops the feed of all jobs that
// nobody came back to.
func (h *Hub) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all != nil && h.all.followers == 0 && time.Since(h.all.left) > allLinger {
		h.all = nil
	}
	return len(h.jobs) == 0 && h.all == nil
}

// look reads what changed since the last look and tells it.
func (h *Hub) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	position, err := h.config.Reader.Position(ctx)
	if err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	plan := h.plan(position.Seq)
	if !plan.due {
		return nil
	}
	views, asOf, err := h.views(ctx, plan)
	if err != nil {
		return err
	}
	readings, err := h.readings(ctx, plan, views)
	if err != nil {
		return err
	}
	h.tell(readings, asOf)
	h.mu.Lock()
	h.latest = position.Seq
	h.mu.Unlock()
	return nil
}

// A plan is what a look must find, copied from the feeds.
type plan struct {
	due    bool
	jobs   map[string]planned // followed jobs that have not ended
	all    bool
	allAt  uint64          // head of the feed of all jobs
	active map[string]bool // jobs that were active at the last look
}

type planned struct {
	head, lastSeq uint64
	read          bool
}

func (h *Hub) plan(checkpoint uint64) plan {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := plan{due: checkpoint != h.latest, jobs: map[string]planned{}}
	for id, f := range h.jobs {
		if f.end == nil {
			p.jobs[id] = planned{f.head, f.lastSeq, f.read}
			p.due = p.due || !f.read
		}
	}
	if h.all != nil {
		p.all, p.allAt = true, h.all.head
		p.active = make(map[string]bool, len(h.all.active))
		for id := range h.all.active {
			p.active[id] = true
		}
	}
	return p
}

// since tells from which sequence on a job's details must be read, and whether at all.
func (p plan) since(id string, view store.JobView) (since uint64, wanted bool) {
	job, followed := p.jobs[id]
	followed = followed && (!job.read || view.Progress.LastSeq > job.lastSeq)
	inAll := p.all && view.Progress.LastSeq > p.allAt
	switch {
	case followed && inAll:
		return min(job.head, p.allAt), true
	case followed:
		return job.head, true
	}
	return p.allAt, inAll
}

// views finds the jobs of a plan: all active ones, those that were, the
// followed ones, and for the feed of all jobs those that came and went since
// the last look. asOf is the lowest checkpoint that they were read at.
func (h *Hub) views(ctx context.Context, p plan) (views map[string]store.JobView, asOf uint64, err error) {
	views = map[string]store.JobView{}
	asOf, err = h.list(ctx, store.JobsQuery{Active: true, Limit: page}, views, func(store.JobView) bool { return true })
	if err != nil {
		return nil, 0, err
	}
	if p.all {
		var known time.Time // jobs of one millisecond stand in the order of their ids, not of their sequences
		_, err := h.list(ctx, store.JobsQuery{Limit: newPage}, views, func(v store.JobView) bool {
			if known.IsZero() && v.Seq <= p.allAt {
				known = v.CreatedAt
			}
			return known.IsZero() || v.CreatedAt.Equal(known)
		})
		if err != nil {
			return nil, 0, err
		}
	}
	for id := range p.active {
		if err := h.find(ctx, id, views); err != nil {
			return nil, 0, err
		}
	}
	for id := range p.jobs {
		if err := h.find(ctx, id, views); err != nil {
			return nil, 0, err
		}
	}
	return views, asOf, nil
}

// list adds jobs of a query to views while want agrees.
func (h *Hub) list(ctx context.Context, q store.JobsQuery, views map[string]store.JobView, want func(store.JobView) bool) (asOf uint64, err error) {
	for first := true; ; first = false {
		list, err := h.config.Reader.Jobs(ctx, q)
		if err != nil {
			return 0, fmt.Errorf("listing jobs: %w", err)
		}
		if first {
			asOf = list.AsOf
		}
		for _, v := range list.Items {
			if !want(v) {
				return asOf, nil
			}
			if _, known := views[v.ID]; !known {
				views[v.ID] = v
			}
		}
		if q.After = list.Next; q.After == "" {
			return asOf, nil
		}
	}
}

func (h *Hub) find(ctx context.Context, id string, views map[string]store.JobView) error {
	if _, known := views[id]; known {
		return nil
	}
	view, _, err := h.config.Reader.Job(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // on the tape, not recorded yet
	}
	if err != nil {
		return fmt.Errorf("reading job %s: %w", id, err)
	}
	view.Tickers, view.Strategy = nil, nil
	views[id] = view
	return nil
}

// readings reads the details of the jobs of views that changed, several jobs
// at a time: where requests queue for the database, reads one after another
// would each wait their turn.
func (h *Hub) readings(ctx context.Context, p plan, views map[string]store.JobView) (map[string]reading, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	var mu sync.Mutex // guards found
	found := make(map[string]reading, len(views))
	turns := make(chan struct{}, lookReads)
	for id, view := range views {
		since, wanted := p.since(id, view)
		if !wanted {
			continue
		}
		turns <- struct{}{}
		running.Go(func() {
			defer func() { <-turns }()
			r, err := h.read(ctx, view, since)
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[id] = r
		})
	}
	running.Wait()
	return found, context.Cause(ctx)
}

// read reads the details of a job after a sequence.
func (h *Hub) read(ctx context.Context, view store.JobView, since uint64) (reading, error) {
	r := reading{view: view, since: since}
	q := store.DetailsQuery{JobID: view.ID, SinceSeq: since, BySeq: true, Limit: page}
	for {
		list, err := h.config.Reader.Details(ctx, q)
		if err != nil {
			return r, fmt.Errorf("reading details of job %s: %w", view.ID, err)
		}
		r.rows, r.asOf = append(r.rows, list.Items...), list.AsOf
		q.After = list.Next
		if q.After == "" || list.Items[len(list.Items)-1].Status == store.DetailCancelled {
			return r, nil
		}
	}
}

// tell puts what was read into the feeds and wakes their followers.
func (h *Hub) tell(readings map[string]reading, asOf uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, r := range readings {
		if f := h.jobs[id]; f != nil && f.end == nil && r.since <= f.head {
			h.tellJob(f, r)
		}
	}
	if h.all != nil {
		h.tellAll(readings, asOf)
	}
}

func (h *Hub) tellJob(f *jobFeed, r reading) {
	if f.read && r.view.Progress.LastSeq <= f.lastSeq {
		return
	}
	f.add(h.encode(outcomes(r.rows, f.head, r.asOf)), r.asOf)
	f.read, f.lastSeq = true, r.view.Progress.LastSeq
	text := h.config.Encode(Event{Kind: standingKind(r.view), JobID: r.view.ID, Job: r.view, AsOf: r.asOf})
	if r.view.Progress.Status.Ended() {
		f.end = text
	} else {
		f.progress = text
		f.version++
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

func (h *Hub) tellAll(readings map[string]reading, asOf uint64) {
	f := h.all
	if asOf <= f.head {
		return
	}
	list := make([]reading, 0, len(readings))
	for id, r := range readings {
		if r.since > f.head || r.view.Progress.LastSeq <= f.head {
			continue
		}
		list = append(list, r)
		if r.view.Progress.Status.Ended() && r.view.Progress.LastSeq <= asOf {
			delete(f.active, id)
		} else {
			f.active[id] = true
		}
	}
	frames := h.encode(merged(list, f.head, asOf))
	for i := range frames {
		if frames[i].seq == 0 {
			frames[i].seq = asOf
		}
	}
	f.add(frames, asOf)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (h *Hub) encode(list []Event) []frame {
	frames := make([]frame, len(list))
	for i, e := range list {
		frames[i] = frame{e.Seq, h.config.Encode(e)}
	}
	return frames
}
