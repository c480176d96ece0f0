package markettest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A Behaviour is what happens in place of a call, or before it: an error is
// returned to the caller; nil lets the call go on to the real provider. It may
// panic, and it may take its time.
type Behaviour func(ctx context.Context, ticker string) error

// A Fault is a behaviour and the calls that meet it. The calls of Daily are
// counted per ticker, from 1.
type Fault struct {
	Ticker string // the ticker whose calls are meant; empty: every ticker's
	First  int    // the first call that meets it; 0: the first of all
	Last   int    // the last call that meets it; 0: no end
	Do     Behaviour
}

// meets reports whether the call-th call for ticker is meant.
func (f Fault) meets(ticker string, call int) bool {
	return (f.Ticker == "" || f.Ticker == ticker) && call >= f.First && (f.Last == 0 || call <= f.Last)
}

// Fail returns an *Error with the code.
func Fail(code market.Code) Behaviour {
	return func(_ context.Context, ticker string) error {
		return &market.Error{Code: code, Ticker: ticker, Err: errors.New("a planned fault")}
	}
}

// Panic panics with value.
func Panic(value any) Behaviour {
	return func(context.Context, string) error { panic(value) }
}

// Hang waits until ctx ends, as a provider without a timeout of its own does.
func Hang() Behaviour { return Until(nil) }

// Until waits for gate to be closed (nil: for ever) or ctx to end, whichever
// is first, and lets the call go on, or fails as an ended context does.
func Until(gate <-chan struct{}) Behaviour {
	return func(ctx context.Context, ticker string) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return market.ContextError(ctx, ticker)
		}
	}
}

// Delay waits for d, or until ctx ends, and lets the call go on, or fails as
// an ended context does. Inside a testing/synctest bubble it takes no time.
func Delay(d time.Duration) Behaviour {
	return func(ctx context.Context, ticker string) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return market.ContextError(ctx, ticker)
		}
	}
}

// A FaultyProvider is a provider that misbehaves as planned. It is safe for
// concurrent use; the numbers of concurrent calls for one ticker are given in
// the order in which they arrive.
type FaultyProvider struct {
	provider market.Provider
	plan     []Fault

	mu    sync.Mutex // guards calls
	calls map[string]int
}

// Faulty wraps provider. Each call of Daily meets the first fault of the plan
// that is meant for it; with an empty plan it is provider, counted. Name and
// Tickers are provider's.
func Faulty(provider market.Provider, plan ...Fault) *FaultyProvider {
	return &FaultyProvider{provider: provider, plan: plan, calls: map[string]int{}}
}

// Name implements market.Provider: the wrapped provider's name.
func (p *FaultyProvider) Name() string { return p.provider.Name() }

// Tickers implements market.Provider: the wrapped provider's tickers.
func (p *FaultyProvider) Tickers(ctx context.Context) ([]string, error) {
	return p.provider.Tickers(ctx)
}

// Daily implements market.Provider, but for what is planned.
func (p *FaultyProvider) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	p.mu.Lock()
	p.calls[ticker]++
	call := p.calls[ticker]
	p.mu.Unlock()
	for _, fault := range p.plan {
		if !fault.meets(ticker, call) {
			continue
		}
		if err := fault.Do(ctx, ticker); err != nil {
			return market.Series{}, err
		}
		break
	}
	return p.provider.Daily(ctx, ticker, bars)
}

// Calls is how often Daily was called for ticker, also when it then failed,
// panicked or still waits.
func (p *FaultyProvider) Calls(ticker string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[ticker]
}
