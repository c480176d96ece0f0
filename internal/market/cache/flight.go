package cache

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A flight is one call of the provider with all who wait for it. It has the
// deadline of the caller that began it, and is cancelled only when the last
// has left.
type flight struct {
	key      string
	deadline time.Time // zero: none
	cancel   context.CancelFunc
	waiting  int // guarded by Provider.mu

	done chan struct{} // closed when what follows is set
	result
	err      error
	panicked any
}

// A result is an encoded series, or a plain one where it cannot be encoded.
type result struct {
	data  []byte
	plain market.Series
}

// join enters the flight for key, and begins one where there is none.
func (c *Provider) join(ctx context.Context, key, ticker string, asked int) (f *flight, leads bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[key]; f != nil {
		f.waiting++
		c.counts.joined.Add(1)
		return f, false
	}
	f = &flight{key: key, waiting: 1, done: make(chan struct{})}
	own := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		f.deadline = deadline
		own, f.cancel = context.WithDeadline(own, deadline)
	} else {
		own, f.cancel = context.WithCancel(own)
	}
	c.flights[key] = f
	go c.fly(own, f, ticker, asked)
	return f, true
}

// fly carries a flight out. A panic of the provider is handed to the callers.
func (c *Provider) fly(ctx context.Context, f *flight, ticker string, asked int) {
	defer func() {
		f.panicked = recover()
		f.cancel()
		c.land(f)
		close(f.done)
	}()
	f.result, f.err = c.fetch(ctx, f.key, ticker, asked)
}

// land takes the flight out, so that the next caller begins a new one.
func (c *Provider) land(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[f.key] == f {
		delete(c.flights, f.key)
	}
}

// leave is what a caller does whose own context has ended.
func (c *Provider) leave(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.waiting--
	if f.waiting > 0 {
		return
	}
	f.cancel()
	if c.flights[f.key] == f { // nobody may join what is being cancelled
		delete(c.flights, f.key)
	}
}

// endedEarly reports whether the flight failed for want of time that this
// caller still has.
func (f *flight) endedEarly(ctx context.Context) bool {
	fault, ok := errors.AsType[*market.Error](f.err)
	if !ok || f.deadline.IsZero() || fault.Code != market.CodeTimeout && fault.Code != market.CodeRateLimited {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || deadline.After(f.deadline)
}

// series is one caller's own copy of what a flight brought.
func (c *Provider) series(f *flight, bars int) (market.Series, error) {
	if f.data != nil {
		return c.newest(f.data, bars)
	}
	series := f.plain
	series.Bars = slices.Clone(series.Bars)
	series.Warnings, series.Notes = slices.Clone(series.Warnings), slices.Clone(series.Notes)
	return cut(series, bars), nil
}
