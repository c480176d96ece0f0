package limit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/limit"
)

// Callers who are refused together are not told to come back together: each
// gets a time of its own, an interval after the one before, and is served then.
func TestRefusedCallersComeBackOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := limit.New(limit.Config{Rate: 10})
		if err != nil {
			t.Fatal(err)
		}
		const callers, patience = 200, 2 * time.Second
		var mu sync.Mutex // guards waits and tries
		var waits []time.Duration
		tries := map[int]int{}
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for try := 1; ; try++ {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					err := l.Wait(ctx, "p")
					cancel()
					mu.Lock()
					fault, refused := errors.AsType[*market.Error](err)
					if refused && try == 1 {
						waits = append(waits, fault.RetryAfter)
					}
					if !refused {
						tries[try]++
					}
					mu.Unlock()
					if !refused {
						return
					}
					time.Sleep(fault.RetryAfter)
				}
			})
		}
		wg.Wait()
		slices.Sort(waits)
		for i := 1; i < len(waits); i++ {
			if waits[i]-waits[i-1] < 100*time.Millisecond-time.Microsecond {
				t.Fatalf("two come back after %s and %s; the interval is 100 ms", waits[i-1], waits[i])
			}
		}
		for try, n := range tries {
			if try > 3 {
				t.Errorf("%d callers were served at try %d", n, try)
			}
		}
	})
}
