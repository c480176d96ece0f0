package cache_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/cache"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func faulty(t *testing.T, plan ...markettest.Fault) *markettest.FaultyProvider {
	t.Helper()
	p, err := synthetic.New(synthetic.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return markettest.Faulty(p, plan...)
}

func daily(t *testing.T, p market.Provider, ticker string, bars int) market.Series {
	t.Helper()
	series, err := p.Daily(context.Background(), ticker, bars)
	if err != nil {
		t.Fatal(err)
	}
	if len(series.Bars) != bars {
		t.Fatalf("%d bars of %s, want %d", len(series.Bars), ticker, bars)
	}
	return series
}

func TestConformance(t *testing.T) {
	markettest.Test(t, func(t *testing.T) markettest.Fixture {
		return markettest.Fixture{Provider: cache.New(faulty(t), cache.Config{}), Known: "TCS.NS"}
	})
}

func TestRemembersByTickerAndBarsUntilTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := faulty(t, markettest.Fault{Do: markettest.Delay(time.Second)})
		p := cache.New(slow, cache.Config{TTL: time.Minute})
		daily(t, p, "A", 10)
		daily(t, p, "A", 10)
		if got := slow.Calls("A"); got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
		if got := len(daily(t, p, "A", 11).Bars); got != 11 || slow.Calls("A") != 2 {
			t.Errorf("%d bars after %d calls; another number of bars is another series", got, slow.Calls("A"))
		}
		time.Sleep(58*time.Second - 1) // the first call was made a minute less a nanosecond ago
		daily(t, p, "A", 10)
		if got := slow.Calls("A"); got != 2 {
			t.Errorf("%d calls just before TTL, want 2", got)
		}
		time.Sleep(1)
		daily(t, p, "A", 10)
		if got := slow.Calls("A"); got != 3 {
			t.Errorf("%d calls at TTL, want 3", got)
		}
	})
}

func TestHoldsAtMostMaxEntries(t *testing.T) {
	counted := faulty(t)
	p := cache.New(counted, cache.Config{MaxEntries: 2})
	for _, ticker := range []string{"A", "B", "A", "C", "A", "B"} {
		daily(t, p, ticker, 10)
	}
	for ticker, want := range map[string]int{"A": 1, "B": 2, "C": 1} {
		if got := counted.Calls(ticker); got != want {
			t.Errorf("%d calls for %s, want %d", got, ticker, want)
		}
	}
}

func TestErrorsAreNotRemembered(t *testing.T) {
	failing := faulty(t, markettest.Fault{Last: 2, Do: markettest.Fail(market.CodeRateLimited)})
	p := cache.New(failing, cache.Config{})
	for range 2 {
		_, err := p.Daily(context.Background(), "A", 10)
		if fault, ok := errors.AsType[*market.Error](err); !ok || fault.Code != market.CodeRateLimited {
			t.Errorf("got %v, want rate_limited", err)
		}
	}
	daily(t, p, "A", 10)
	daily(t, p, "A", 10)
	if got := failing.Calls("A"); got != 3 {
		t.Errorf("%d calls, want 3: two errors and one series", got)
	}
}

func TestConcurrentCallersShareOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		gated := faulty(t, markettest.Fault{Do: markettest.Until(gate)})
		p := cache.New(gated, cache.Config{})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				series, err := p.Daily(context.Background(), "A", 10)
				if err != nil || len(series.Bars) != 10 || series.Bars[9].Close <= 0 {
					t.Errorf("%d bars, %v", len(series.Bars), err)
				}
				clear(series.Bars)
			})
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		if got := gated.Calls("A"); got != 1 {
			t.Errorf("%d calls for 20 callers, want 1", got)
		}
	})
}

// The caller that began the call leaves; the others get their series.
func TestOneCallersEndIsNotTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		gated := faulty(t, markettest.Fault{Do: markettest.Until(gate)})
		p := cache.New(gated, cache.Config{})
		first, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := p.Daily(first, "A", 10); !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled caller got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := p.Daily(context.Background(), "A", 10); err != nil {
				t.Errorf("the other caller got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		wg.Wait()
		if got := gated.Calls("A"); got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
	})
}

// When the last caller leaves, the call is cancelled (synctest would report
// the goroutine that hangs), and the next caller begins anew.
func TestCallNobodyWaitsForIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := faulty(t, markettest.Fault{Last: 1, Do: markettest.Hang()})
		p := cache.New(hanging, cache.Config{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := p.Daily(ctx, "A", 10)
				fault, ok := errors.AsType[*market.Error](err)
				if !ok || fault.Code != market.CodeTimeout || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want timeout", err)
				}
			})
		}
		wg.Wait()
		daily(t, p, "A", 10)
		if got := hanging.Calls("A"); got != 2 {
			t.Errorf("%d calls, want 2", got)
		}
	})
}

// A call that all have left, but that does not heed its ctx, ends while the
// next one is under way: that one is still shared.
func TestCallThatOutlivesItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stubborn, second := make(chan struct{}), make(chan struct{})
		slow := faulty(t,
			markettest.Fault{Last: 1, Do: func(context.Context, string) error { <-stubborn; return nil }},
			markettest.Fault{First: 2, Do: markettest.Until(second)})
		p := cache.New(slow, cache.Config{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := p.Daily(ctx, "A", 10); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		var wg sync.WaitGroup
		ask := func() {
			if _, err := p.Daily(context.Background(), "A", 10); err != nil {
				t.Error(err)
			}
		}
		wg.Go(ask)
		synctest.Wait()
		close(stubborn)
		synctest.Wait()
		wg.Go(ask)
		synctest.Wait()
		close(second)
		wg.Wait()
		if got := slow.Calls("A"); got != 2 {
			t.Errorf("%d calls, want 2", got)
		}
	})
}

// A panic reaches the callers, where it can be recovered, and is not remembered.
func TestPanicIsTheCallers(t *testing.T) {
	panicking := faulty(t, markettest.Fault{Last: 1, Do: markettest.Panic("boom")})
	p := cache.New(panicking, cache.Config{})
	func() {
		defer func() {
			value, ok := recover().(*cache.Panic)
			if !ok || value.Value != "boom" || value.Error() != "market provider synthetic panicked: boom" {
				t.Fatalf("recovered %v", value)
			}
			if !strings.Contains(string(value.Stack), "faulty.go") {
				t.Errorf("the stack does not show where:\n%s", value.Stack)
			}
		}()
		_, err := p.Daily(context.Background(), "A", 10)
		t.Errorf("no panic, but %v", err)
	}()
	daily(t, p, "A", 10)
}
