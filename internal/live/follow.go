package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
)

// A Stream is one client's place in a job's outcomes or in those of all jobs.
// One goroutine uses it; Close it.
type Stream struct {
	hub     *Hub
	id      string // of the job; empty: all
	job     *jobFeed
	all     *allFeed
	after   uint64       // everything up to here was given
	caught  bool         // the window serves from here on
	cursor  store.Cursor // of the read that catches up
	since   uint64       // and where that read began
	version int          // of the progress that was given
	lost    bool         // the place is not on this tape
}

// Job follows a job from after a sequence, 0 for its beginning. It may be a
// job that is not recorded yet.
func (h *Hub) Job(ctx context.Context, id string, after uint64) (*Stream, error) {
	position, err := h.config.Reader.Position(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.jobs[id]
	if f == nil { // what is recorded by now is caught up with, what comes is told
		f = &jobFeed{feed: feed{limit: jobWindow, floor: position.Seq, head: position.Seq}, changed: make(chan struct{})}
		h.jobs[id] = f
	}
	f.followers++
	h.nudge()
	return &Stream{hub: h, id: id, job: f, after: after, since: after}, nil
}

// All follows all jobs from after a sequence, 0 for now. active are the jobs
// that are active as of a sequence, newest first, at most store.MaxPage.
func (h *Hub) All(ctx context.Context, after uint64) (s *Stream, active []store.JobView, asOf uint64, err error) {
	list, err := h.config.Reader.Jobs(ctx, store.JobsQuery{Active: true, Limit: store.MaxPage})
	if err != nil {
		return nil, nil, 0, fmt.Errorf("listing active jobs: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = &allFeed{
			feed:   feed{limit: allWindow, floor: list.AsOf, head: list.AsOf},
			active: map[string]bool{}, changed: make(chan struct{}),
		}
		for _, v := range list.Items {
			h.all.active[v.ID] = true
		}
	}
	h.all.followers++
	if after == 0 {
		after = min(h.all.head, list.AsOf) // what the list shows may be told again, nothing is missed
	}
	h.nudge()
	return &Stream{hub: h, all: h.all, after: after, lost: after > max(h.all.head, list.AsOf)}, list.Items, list.AsOf, nil
}

// nudge wakes Run. The caller holds mu.
func (h *Hub) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Close ends the stream.
func (s *Stream) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.all != nil {
		s.all.followers--
		s.all.left = time.Now()
		return
	}
	if s.job.followers--; s.job.followers == 0 {
		delete(s.hub.jobs, s.id)
	}
}

// Next returns the next events, encoded, as soon as there is one. It returns
// io.EOF after a job's end was given, and ctx's error when that ends.
func (s *Stream) Next(ctx context.Context) ([][]byte, error) {
	for {
		if s.job != nil && !s.caught {
			texts, err := s.catchUp(ctx)
			if err != nil || len(texts) > 0 {
				return texts, err
			}
			continue
		}
		texts, done, changed := s.window()
		if len(texts) > 0 {
			return texts, nil
		}
		if done {
			return nil, io.EOF
		}
		if changed == nil {
			continue // fell out of the window
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// catchUp gives the next page of a job's outcomes from the database.
func (s *Stream) catchUp(ctx context.Context) ([][]byte, error) {
	select {
	case s.hub.catchUp <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.hub.catchUp }()
	s.hub.mu.Lock()
	floor := s.job.floor // recorded by now, so the read below sees it
	s.hub.mu.Unlock()
	list, err := s.hub.config.Reader.Details(ctx, store.DetailsQuery{
		JobID: s.id, SinceSeq: s.since, BySeq: true, After: s.cursor, Limit: page,
	})
	if isNotFound(err) { // not recorded yet: nothing to catch up with
		s.caught, s.after = true, max(s.after, floor)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading details of job %s: %w", s.id, err)
	}
	events := outcomes(list.Items, s.since, list.AsOf)
	texts := make([][]byte, len(events))
	for i, e := range events {
		texts[i] = s.hub.config.Encode(e)
	}
	cancelled := len(events) > 0 && events[len(events)-1].Kind == KindCancelled
	if s.cursor = list.Next; s.cursor == "" || cancelled {
		s.caught, s.after = true, max(s.after, list.AsOf)
	}
	return texts, nil
}

// window gives what the shared window holds after the stream's place. No
// texts and no channel: the stream fell out of it and must catch up.
func (s *Stream) window() (texts [][]byte, done bool, changed <-chan struct{}) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.all != nil {
		frames, behind := s.all.since(s.after)
		if behind || s.lost {
			s.after, s.lost = s.all.head, false
			return [][]byte{s.hub.config.Encode(Event{Kind: KindResync, AsOf: s.all.head})}, false, s.all.changed
		}
		s.after = max(s.after, s.all.head)
		return textsOf(frames), false, s.all.changed
	}
	f := s.job
	frames, behind := f.since(s.after)
	if behind {
		s.caught, s.since, s.cursor = false, s.after, ""
		return nil, false, nil
	}
	texts = textsOf(frames)
	s.after = max(s.after, f.head)
	if s.version < f.version && f.end == nil {
		s.version = f.version
		texts = append(texts, f.progress)
	}
	if f.end != nil && s.version >= 0 {
		s.version = -1
		return append(texts, f.end), false, f.changed
	}
	return texts, f.end != nil, f.changed
}

func textsOf(frames []frame) [][]byte {
	if len(frames) == 0 {
		return nil
	}
	texts := make([][]byte, len(frames))
	for i, f := range frames {
		texts[i] = f.text
	}
	return texts
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
