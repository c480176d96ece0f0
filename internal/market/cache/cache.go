// Package cache keeps the bars of a provider that is asked over a network: in
// memory, and in a store that all analyzers share (market.BarCache), until the
// exchange's next session has closed. Of callers who want the same bars at the
// same time one asks, and all get what it got.
//
// csvdir and synthetic need no cache: reading a file is cheaper than keeping
// it twice, and a changed file must be seen; invented bars cost nothing. nse has
// its own archive. yahoo is cached.
package cache

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/lru"
)

// Config says how to keep. The zero Config keeps in memory alone.
type Config struct {
	// Store is shared with other processes; nil: none. While it fails the cache
	// goes on without it.
	Store market.BarCache
	// Variant is what is set of the provider that changes its bars, such as the
	// adjustment: series of different variants are never mixed up.
	Variant string
	// Settle is how long after a session's close the provider needs until it
	// delivers the session's bar; 0 means DefaultSettle.
	Settle time.Duration
	// MemoryBytes is what the series in memory may take; 0 means DefaultMemoryBytes.
	MemoryBytes int
	// Calendars are those by which sessions close; nil means calendar.For.
	Calendars calendar.Lookup
	// Now is the clock that decides what is out of date; nil means time.Now.
	Now func() time.Time
	// Logger hears when the store begins to fail and when it is back; nil means silence.
	Logger *slog.Logger
}

// A Provider is another provider with a cache. It asks that one for at least
// 400 bars (see rangeOf) and delivers the newest of them that were wanted; the
// series' warnings and notes are those of what it asked for. Two callers with
// the same question get the same answer, whatever others asked before: a
// series of 5,000 bars does not serve one of 400, because it has other
// warnings. Errors are not kept. Safe for concurrent use.
type Provider struct {
	provider market.Provider
	cfg      Config
	prefix   string
	store    *storeGuard
	codec    codec
	counts   counts

	mu      sync.Mutex // guards memory and flights
	memory  *lru.Map[string, kept]
	flights map[string]*flight
}

var _ market.Provider = (*Provider)(nil)

// kept is an encoded series and the end of its validity.
type kept struct {
	data    []byte
	expires time.Time
}

type counts struct{ memory, shared, asked, joined, unkept, storeErrors atomic.Int64 }

// Stats count what happened since New.
type Stats struct {
	Memory      int64 // served from memory
	Shared      int64 // served from the store
	Asked       int64 // calls of the provider
	Joined      int64 // callers who shared another's call
	Unkept      int64 // series delivered but not kept, because their last bar's session may not have closed
	StoreErrors int64 // calls of the store that failed
}

// New puts a cache in front of provider.
func New(provider market.Provider, cfg Config) (*Provider, error) {
	if cfg.Settle <= 0 {
		cfg.Settle = DefaultSettle
	}
	if cfg.MemoryBytes <= 0 {
		cfg.MemoryBytes = DefaultMemoryBytes
	}
	if cfg.Calendars == nil {
		cfg.Calendars = calendar.For
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	c := &Provider{
		provider: provider, cfg: cfg, codec: codec,
		prefix:  strings.Join([]string{"v" + strconv.Itoa(formatVersion), provider.Name(), cfg.Variant, "1d"}, "/") + "/",
		memory:  lru.New[string, kept](cfg.MemoryBytes),
		flights: map[string]*flight{},
	}
	c.store = &storeGuard{store: cfg.Store, now: cfg.Now, log: cfg.Logger, errors: &c.counts.storeErrors}
	return c, nil
}

// Name implements market.Provider: the name of the provider behind.
func (c *Provider) Name() string { return c.provider.Name() }

// Tickers implements market.Provider; lists are not kept.
func (c *Provider) Tickers(ctx context.Context) ([]string, error) { return c.provider.Tickers(ctx) }

// Stats returns the counts up to now.
func (c *Provider) Stats() Stats {
	return Stats{
		Memory: c.counts.memory.Load(), Shared: c.counts.shared.Load(), Asked: c.counts.asked.Load(),
		Joined: c.counts.joined.Load(), Unkept: c.counts.unkept.Load(), StoreErrors: c.counts.storeErrors.Load(),
	}
}

// ranges are the numbers of bars that providers are asked for: the usual
// analysis, a backtest over three years, over ten, the most that a job may
// want. Few, so that near questions share their answer.
var ranges = [...]int{400, 1000, 2500, 5000}

// rangeOf is the number of bars that a question is rounded up to.
func rangeOf(bars int) int {
	for _, most := range ranges {
		if bars <= most {
			return most
		}
	}
	return math.MaxInt
}

func (c *Provider) key(ticker string, asked int) string {
	text := "all"
	if asked < math.MaxInt {
		text = strconv.Itoa(asked)
	}
	return c.prefix + text + "/" + ticker
}

// Daily implements market.Provider.
func (c *Provider) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if err := market.CheckRequest(ctx, ticker, bars); err != nil {
		return market.Series{}, err
	}
	asked := rangeOf(bars)
	key := c.key(ticker, asked)
	for {
		if data, ok := c.remembered(key); ok {
			c.counts.memory.Add(1)
			return c.newest(data, bars)
		}
		f, leads := c.join(ctx, key, ticker, asked)
		select {
		case <-f.done:
		case <-ctx.Done():
			c.leave(f)
			return market.Series{}, market.ContextError(ctx, ticker)
		}
		if f.panicked != nil {
			panic(f.panicked) // in the callers' goroutines, who know how to handle it
		}
		if f.err != nil && !leads && f.endedEarly(ctx) {
			continue // the one who asked had less time than this caller
		}
		if f.err != nil {
			return market.Series{}, f.err
		}
		return c.series(f, bars)
	}
}

func (c *Provider) remembered(key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.memory.Get(key)
	if ok && !c.cfg.Now().Before(k.expires) {
		c.memory.Delete(key)
		return nil, false
	}
	return k.data, ok
}

func (c *Provider) remember(key string, k kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.memory.Put(key, k, len(k.data)+len(key)+entryOverhead)
}

// fetch gets a series from the store, else from the provider, and keeps it. It
// is the work of one flight.
func (c *Provider) fetch(ctx context.Context, key, ticker string, asked int) (result, error) {
	if k, ok := c.load(ctx, key, ticker); ok {
		c.counts.shared.Add(1)
		c.remember(key, k)
		return result{data: k.data}, nil
	}
	c.counts.asked.Add(1)
	series, err := c.provider.Daily(ctx, ticker, asked)
	if err != nil {
		return result{}, err
	}
	now := c.cfg.Now()
	expires, keep := c.keepUntil(series, now)
	data, err := c.codec.encode(series, expires)
	if err != nil { // a provider's fault that the analysis will judge
		return result{plain: series}, nil //nolint:nilerr // it is not kept, that is all
	}
	if !keep {
		c.counts.unkept.Add(1)
		return result{data: data}, nil
	}
	c.remember(key, kept{data, expires})
	if len(data) <= MaxStored {
		c.store.put(ctx, key, data, expires)
	}
	return result{data: data}, nil
}

// load gets a series from the store. What cannot be read, or is another's, is
// as not there and will be replaced.
func (c *Provider) load(ctx context.Context, key, ticker string) (kept, bool) {
	data, found := c.store.get(ctx, key)
	if !found {
		return kept{}, false
	}
	series, expires, err := c.codec.decode(data)
	if err != nil || series.Ticker != ticker || !c.cfg.Now().Before(expires) {
		c.cfg.Logger.Debug("a shared series is not usable", "stage", "cache", "ticker", ticker, "err", err)
		return kept{}, false
	}
	return kept{data, expires}, true
}

// newest decodes a series that this process encoded or checked, cut to its
// newest bars: the caller's own copy.
func (c *Provider) newest(data []byte, bars int) (market.Series, error) {
	series, _, err := c.codec.decode(data)
	if err != nil {
		return market.Series{}, fmt.Errorf("reading a series that was just kept: %w", err)
	}
	return cut(series, bars), nil
}

func cut(series market.Series, bars int) market.Series {
	series.Bars = series.Bars[max(0, len(series.Bars)-bars):]
	return series
}
