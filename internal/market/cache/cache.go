// Package cache remembers what a slow market.Provider delivered, and asks it
// once when many ask at the same time. Fast providers (csvdir, synthetic) are
// better left alone.
package cache

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/lru"
)

const (
	// DefaultMaxEntries holds a large universe's series once: at 300 bars of
	// 64 bytes each, about 40 MB.
	DefaultMaxEntries = 2_000
	// DefaultTTL is short against a trading day, so that a new session's bar
	// is seen soon, and long against a job, whose retries it serves.
	DefaultTTL = 15 * time.Minute
)

// Config bounds what is remembered. The zero Config is the usual one.
type Config struct {
	// MaxEntries is the most series held; the longest unused goes first. 0
	// and below mean DefaultMaxEntries.
	MaxEntries int
	// TTL is how long a series is served after it was asked for; at TTL it
	// is asked for again. 0 and below mean DefaultTTL.
	TTL time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// A Provider is another provider with a memory. It is safe for concurrent use;
// each caller gets a copy of its own.
//
// Series are remembered per provider, ticker and number of bars; errors never.
// Concurrent requests for one of them share one call, its error, and its
// panic. The call is not bound to any one caller: it goes on when a caller's
// ctx ends, and is cancelled when nobody waits for it any more.
type Provider struct {
	provider market.Provider
	ttl      time.Duration
	now      func() time.Time

	mu      sync.Mutex // guards all below, and the waiters of flights
	entries *lru.Map[key, entry]
	flights map[key]*flight
}

// key is all that a series depends on. One cache has one provider, but the
// name stands here so that no later sharing of entries can forget it.
type key struct {
	provider string
	ticker   string
	bars     int
}

type entry struct {
	series  market.Series
	expires time.Time
}

// A flight is one call of the wrapped provider. golang.org/x/sync/singleflight
// is not used because it cannot cancel a call that all have left, and ends the
// process when the call panics.
type flight struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{} // closed when the fields below are set

	series   market.Series
	err      error
	panicked *Panic
}

// A Panic is what Daily panics with when the wrapped provider panicked, which
// it did on another goroutine than the caller's.
type Panic struct {
	Provider string // the wrapped provider's name
	Value    any    // what it panicked with
	Stack    []byte // where
}

// Error implements error, without the stack.
func (p *Panic) Error() string {
	return fmt.Sprintf("market provider %s panicked: %v", p.Provider, p.Value)
}

// New returns provider with a memory.
func New(provider market.Provider, cfg Config) *Provider {
	if cfg.MaxEntries <= 0 {
		cfg.MaxEntries = DefaultMaxEntries
	}
	if cfg.TTL <= 0 {
		cfg.TTL = DefaultTTL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Provider{
		provider: provider, ttl: cfg.TTL, now: cfg.Now,
		entries: lru.New[key, entry](cfg.MaxEntries),
		flights: map[key]*flight{},
	}
}

// Name implements market.Provider: the wrapped provider's name, because that
// is where the bars come from.
func (p *Provider) Name() string { return p.provider.Name() }

// Tickers implements market.Provider. It is not remembered.
func (p *Provider) Tickers(ctx context.Context) ([]string, error) { return p.provider.Tickers(ctx) }

// Daily implements market.Provider.
func (p *Provider) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if err := market.CheckRequest(ctx, ticker, bars); err != nil {
		return market.Series{}, err
	}
	k := key{p.provider.Name(), ticker, bars}
	series, f := p.find(ctx, k)
	if f == nil {
		return copied(series), nil
	}
	select {
	case <-f.done:
		p.leave(k, f)
		if f.panicked != nil {
			panic(f.panicked)
		}
		return copied(f.series), f.err
	case <-ctx.Done():
		p.leave(k, f)
		return market.Series{}, market.ContextError(ctx, ticker)
	}
}

// find returns a remembered series, or a flight to wait for and then to leave.
func (p *Provider) find(ctx context.Context, k key) (market.Series, *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.entries.Get(k); ok {
		if p.now().Before(e.expires) {
			return e.series, nil
		}
		p.entries.Delete(k)
	}
	f, ok := p.flights[k]
	if !ok {
		flying, cancel := context.WithCancel(context.WithoutCancel(ctx))
		f = &flight{cancel: cancel, done: make(chan struct{})}
		p.flights[k] = f
		go p.fly(flying, k, f)
	}
	f.waiters++
	return market.Series{}, f
}

// fly makes the call and publishes what came of it.
func (p *Provider) fly(ctx context.Context, k key, f *flight) {
	asked := p.now()
	func() {
		defer func() {
			if value := recover(); value != nil {
				f.panicked = &Panic{Provider: k.provider, Value: value, Stack: debug.Stack()}
			}
		}()
		f.series, f.err = p.provider.Daily(ctx, k.ticker, k.bars)
	}()
	p.mu.Lock()
	if f.err == nil && f.panicked == nil {
		p.entries.Put(k, entry{f.series, asked.Add(p.ttl)}, 1)
	}
	p.forget(k, f)
	p.mu.Unlock()
	f.cancel()
	close(f.done)
}

// leave ends one caller's interest; the last one cancels the call, and the
// next caller begins another.
func (p *Provider) leave(k key, f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.cancel()
		p.forget(k, f)
	}
}

// forget takes a flight off the list, unless another has taken its place.
// The caller holds mu.
func (p *Provider) forget(k key, f *flight) {
	if p.flights[k] == f {
		delete(p.flights, k)
	}
}

// copied returns the series with slices of its own.
func copied(s market.Series) market.Series {
	s.Bars = slices.Clone(s.Bars)
	s.Warnings = slices.Clone(s.Warnings)
	return s
}
