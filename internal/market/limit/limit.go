// Package limit grants requests to providers' servers at a rate: the
// market.Limiter of analyzers. Limiter queues the callers of one process,
// first come, first served; where the account of each provider stands, in
// this process or shared by many, is behind Books.
//
// It is not golang.org/x/time/rate because the same rule must also work on a
// value that processes compare and set (Account), and a pause must hold for
// callers that wait already.
package limit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// Books keep the accounts of the providers. All instants that go in and come
// out are of this process's clock; an implementation that shares accounts
// translates. Safe for concurrent use.
type Books interface {
	// Book takes n grants (>= 1) of provider, interval apart, and returns when
	// the first is due: not before now, nor within a pause.
	Book(ctx context.Context, provider string, n int, interval time.Duration) (first time.Time, err error)
	// Pause makes sure that no grant booked from now on is due before until.
	Pause(ctx context.Context, provider string, until time.Time) error
	// Paused returns the end of the last pause that anybody asked for; zero
	// without one.
	Paused(ctx context.Context, provider string) (time.Time, error)
}

// Config is what a Limiter is made of. Rate is needed.
type Config struct {
	// Rate is the most requests per second to each provider, above 0, at most
	// 1,000; below 1 is legal (0.2: one request in 5 s). There is no burst.
	Rate float64
	// Books hold the accounts. Default: this process's own (NewMemory).
	Books Books
}

// A Limiter is a market.Limiter. A booked grant is used at its instant, or up
// to an interval later (a quarter of a second, where an interval is shorter),
// else thrown away: so in any time t at most Rate x t + 2 requests go out from
// all who share the Books, whatever they and the Books did before; above 4 per
// second at most Rate x (t + 0.25 s) + 1.
type Limiter struct {
	interval time.Duration
	books    Books

	mu    sync.Mutex // guards lines
	lines map[string]*line
}

var _ market.Limiter = (*Limiter)(nil)

// A line is the queue of one provider in this process.
type line struct {
	// turn is a token: who holds it is served, the others queue for it in the
	// order in which they came. Its holder owns due and booked.
	turn   chan struct{}
	due    time.Time // of the next booked grant
	booked int       // grants booked and not used

	mu       sync.Mutex // guards what follows
	waiting  int        // callers in the queue, the one served included
	next     time.Time  // when the one served gets its grant, as far as known
	promised time.Time  // up to here those who were sent away have turns to come back at
	paused   time.Time  // the end of the last known pause; written by the turn's holder
	failedAt time.Time  // when the Books last failed, and how: whoever queued
	failure  error      // before then gets the same answer
}

// New returns a limiter; an error if the rate is not within its bounds.
func New(cfg Config) (*Limiter, error) {
	if !(cfg.Rate > 0 && cfg.Rate <= maxRate) { // also true for NaN
		return nil, fmt.Errorf("a rate of %v requests per second is not above 0 and at most %d", cfg.Rate, maxRate)
	}
	interval := time.Duration(math.MaxInt64 / (4 * maxBacklogIntervals)) // for rates that no clock can tell from 0
	if exact := float64(time.Second) / cfg.Rate; exact < float64(interval) {
		interval = time.Duration(math.Ceil(exact))
	}
	if cfg.Books == nil {
		cfg.Books = NewMemory()
	}
	return &Limiter{interval: interval, books: cfg.Books, lines: map[string]*line{}}, nil
}

// Wait implements market.Limiter. It does not wait in vain: a caller whose
// grant would come after ctx's deadline, because of a pause or because so many
// are before it, gets CodeRateLimited at once, with RetryAfter.
func (l *Limiter) Wait(ctx context.Context, provider string) error {
	if err := market.ContextError(ctx, ""); err != nil {
		return err
	}
	ln := l.line(provider)
	came := time.Now()
	ahead, next, paused := ln.enter()
	defer ln.leave()
	if err := tooLate(ctx, provider, next.Add(time.Duration(ahead)*l.interval), paused); err != nil && ahead > 0 {
		return ln.sendAway(err, l.interval)
	}
	select {
	case ln.turn <- struct{}{}:
		defer func() { <-ln.turn }()
	case <-ctx.Done():
		return market.ContextError(ctx, "")
	}
	if err := ln.failedSince(came); err != nil {
		return err
	}
	err := l.serve(ctx, provider, ln)
	if err != nil && ctx.Err() != nil {
		return market.ContextError(ctx, "")
	}
	return err
}

// serve waits for the next grant, holding the turn. What it does not use is
// left for the next in the queue.
func (l *Limiter) serve(ctx context.Context, provider string, ln *line) error {
	for {
		if err := l.book(ctx, provider, ln); err != nil {
			return err
		}
		if err := tooLate(ctx, provider, ln.due, ln.paused); err != nil {
			return ln.sendAway(err, l.interval)
		}
		if err := sleepUntil(ctx, ln.due); err != nil {
			return err
		}
		// Somebody may have been told to pause since the grant was booked.
		paused, err := l.books.Paused(ctx, provider)
		if err != nil {
			return ln.fail(ctx, provider, err)
		}
		if time.Now().Before(paused) {
			ln.booked = 0
			continue
		}
		// The answer may have taken long: all who waited for it would go together.
		if time.Since(ln.due) > l.late() {
			continue
		}
		ln.booked--
		ln.due = ln.due.Add(l.interval)
		return nil
	}
}

// book makes sure that there is a booked grant whose time has not gone by.
func (l *Limiter) book(ctx context.Context, provider string, ln *line) error {
	for ; ln.booked > 0 && time.Since(ln.due) > l.late(); ln.booked-- {
		ln.due = ln.due.Add(l.interval)
	}
	if ln.booked == 0 {
		n := ln.want(l.interval)
		due, err := l.books.Book(ctx, provider, n, l.interval)
		if err != nil {
			return ln.fail(ctx, provider, err)
		}
		paused, err := l.books.Paused(ctx, provider)
		if err != nil {
			return ln.fail(ctx, provider, err)
		}
		ln.due, ln.booked = due, n
		ln.mu.Lock()
		ln.paused = paused
		ln.mu.Unlock()
	}
	ln.mu.Lock()
	ln.next = ln.due
	ln.mu.Unlock()
	return nil
}

// late is how long after its instant a grant may be used.
func (l *Limiter) late() time.Duration { return max(l.interval, lateness) }

// Pause implements market.Limiter.
func (l *Limiter) Pause(ctx context.Context, provider string, until time.Time) error {
	if err := l.books.Pause(ctx, provider, until); err != nil {
		if ctx.Err() != nil {
			return market.ContextError(ctx, "")
		}
		return &market.Error{Code: market.CodeUnavailable, Err: fmt.Errorf("pausing requests to %s: %w", provider, err)}
	}
	return nil
}

func (l *Limiter) line(provider string) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines[provider] == nil {
		l.lines[provider] = &line{turn: make(chan struct{}, 1)}
	}
	return l.lines[provider]
}

// enter counts a caller in; it returns how many are before it, when the first
// of them is due at the earliest, and the end of the last known pause.
func (ln *line) enter() (ahead int, next, paused time.Time) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ahead, next, paused = ln.waiting, ln.next, ln.paused
	ln.waiting++
	if now := time.Now(); next.Before(now) {
		next = now
	}
	return ahead, next, paused
}

// sendAway gives each caller that is refused a time of its own to come back at,
// an interval after the one before: told the same time they would come together,
// most in vain again, and spend their attempts on it.
func (ln *line) sendAway(refusal *market.Error, interval time.Duration) error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	now := time.Now()
	if back := now.Add(refusal.RetryAfter); back.After(ln.promised) {
		ln.promised = back
	}
	refusal.RetryAfter = ln.promised.Sub(now)
	ln.promised = ln.promised.Add(interval)
	return refusal
}

func (ln *line) leave() {
	ln.mu.Lock()
	ln.waiting--
	ln.mu.Unlock()
}

// want is how many grants are worth booking together.
func (ln *line) want(interval time.Duration) int {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return max(1, min(ln.waiting, int(bookAhead/interval), maxBooked))
}

// fail turns a failure of the Books into the caller's answer, and that of all
// who queue behind it. That ctx ended is its caller's alone.
func (ln *line) fail(ctx context.Context, provider string, err error) error {
	if ctx.Err() != nil {
		return market.ContextError(ctx, "")
	}
	failure := &market.Error{Code: market.CodeUnavailable, Err: fmt.Errorf("asking for leave to call %s: %w", provider, err)}
	ln.mu.Lock()
	ln.failedAt, ln.failure = time.Now(), failure
	ln.mu.Unlock()
	return failure
}

func (ln *line) failedSince(came time.Time) error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.failure != nil && ln.failedAt.After(came) {
		return ln.failure
	}
	return nil
}

// errLimited is why a caller's grant comes too late for it.
var errLimited = errors.New("the request rate leaves no room in time")

// tooLate refuses a caller whose grant is due after ctx's deadline. Behind a
// pause asking again is in vain until it is over; behind a queue it makes sense
// when half of that is served, so that the queue never runs dry meanwhile.
func tooLate(ctx context.Context, provider string, due, paused time.Time) *market.Error {
	deadline, ok := ctx.Deadline()
	if !ok || !due.After(deadline) {
		return nil
	}
	wait, why := time.Until(due)/2, "that many requests come first"
	if paused.After(deadline) {
		wait, why = time.Until(paused), "it asked for a pause"
	}
	return &market.Error{
		Code: market.CodeRateLimited, RetryAfter: max(wait, time.Millisecond),
		Err: fmt.Errorf("%w: %s may be asked again in %s: %s", errLimited, provider, time.Until(due).Round(time.Millisecond), why),
	}
}

// sleepUntil returns at the instant at, or ctx's error when that ends first.
func sleepUntil(ctx context.Context, at time.Time) error {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
