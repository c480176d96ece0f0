package cache

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A storeGuard calls the store while it works. When it fails it is left alone
// for a moment and tried again; the change is logged, each failure counted.
type storeGuard struct {
	store  market.BarCache // nil: there is none
	now    func() time.Time
	log    *slog.Logger
	errors *atomic.Int64

	mu      sync.Mutex // guards what follows
	failing bool
	resting time.Time // no calls before
	failed  int       // calls since it began to fail
}

func (g *storeGuard) get(ctx context.Context, key string) ([]byte, bool) {
	if !g.usable() {
		return nil, false
	}
	short, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	data, found, err := g.store.Get(short, key)
	g.note(ctx, err)
	return data, found && err == nil
}

func (g *storeGuard) put(ctx context.Context, key string, data []byte, expires time.Time) {
	if !g.usable() {
		return
	}
	// The bars have arrived: that a caller leaves is no reason to lose them.
	ctx = context.WithoutCancel(ctx)
	short, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	g.note(ctx, g.store.Put(short, key, data, expires))
}

func (g *storeGuard) usable() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.store != nil && !g.now().Before(g.resting)
}

// note takes the outcome of a call in. That the caller's own context ended says
// nothing about the store.
func (g *storeGuard) note(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		if g.failing {
			g.log.Info("the shared cache of bars works again", "stage", "cache", "attempt", g.failed+1)
		}
		g.failing, g.failed, g.resting = false, 0, time.Time{}
		return
	}
	g.errors.Add(1)
	g.failed++
	g.resting = g.now().Add(storeRest)
	if !g.failing {
		g.failing = true
		g.log.Warn("the shared cache of bars fails; going on without it, and asking the provider instead", "stage", "cache", "err", err)
	}
}
