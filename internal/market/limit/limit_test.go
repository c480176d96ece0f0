package limit_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/limit"
)

func limiter(t *testing.T, rate float64) *limit.Limiter {
	t.Helper()
	l, err := limit.New(limit.Config{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wantCode(t *testing.T, err error, code market.Code) *market.Error {
	t.Helper()
	fault, ok := errors.AsType[*market.Error](err)
	if !ok || fault.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return fault
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestRates(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1), 1000.1} {
		if _, err := limit.New(limit.Config{Rate: rate}); err == nil {
			t.Errorf("a rate of %v was taken", rate)
		}
	}
	for _, rate := range []float64{math.SmallestNonzeroFloat64, 0.001, 3, 1000} {
		l := limiter(t, rate)
		if err := l.Wait(context.Background(), "p"); err != nil {
			t.Errorf("rate %v: the first grant: %v", rate, err)
		}
	}
}

// Grants are exactly an interval apart, providers do not wait for each other,
// and idle time is not saved up.
func TestGrantsAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := limiter(t, 4), time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		var at []time.Duration
		for range 10 {
			wg.Go(func() {
				if err := l.Wait(context.Background(), "a"); err != nil {
					t.Error(err)
				}
				mu.Lock()
				at = append(at, time.Since(start))
				mu.Unlock()
			})
		}
		wg.Wait()
		slices.Sort(at)
		for i, got := range at {
			if want := time.Duration(i) * 250 * time.Millisecond; got != want {
				t.Errorf("grant %d after %s, want %s", i, got, want)
			}
		}
		if err := l.Wait(within(t, 0), "b"); err == nil {
			t.Error("granted in an ended context")
		}
		before := time.Now()
		if err := l.Wait(within(t, time.Nanosecond), "b"); err != nil || time.Since(before) != 0 {
			t.Errorf("another provider waited %s: %v", time.Since(before), err)
		}
		time.Sleep(time.Hour)
		for i := range 3 {
			before = time.Now()
			if err := l.Wait(context.Background(), "a"); err != nil {
				t.Error(err)
			}
			if want := 250 * time.Millisecond * time.Duration(min(i, 1)); time.Since(before) != want {
				t.Errorf("after an hour, grant %d waited %s, want %s", i, time.Since(before), want)
			}
		}
	})
}

// A caller is granted up to its very deadline; one that would be later is told
// at once, and takes nothing from those who wait on.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := limiter(t, 1), time.Now()
		ok := func(ctx context.Context) {
			t.Helper()
			if err := l.Wait(ctx, "p"); err != nil {
				t.Fatal(err)
			}
		}
		ok(context.Background())
		fault := wantCode(t, l.Wait(within(t, 999*time.Millisecond), "p"), market.CodeRateLimited)
		if time.Since(start) != 0 || fault.RetryAfter != 500*time.Millisecond {
			t.Errorf("told after %s, try again in %s", time.Since(start), fault.RetryAfter)
		}
		ok(within(t, time.Second))
		if time.Since(start) != time.Second {
			t.Errorf("the second grant after %s", time.Since(start))
		}
		// A queue: the fourth of four would come too late.
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := l.Wait(context.Background(), "p"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		fault = wantCode(t, l.Wait(within(t, 3999*time.Millisecond), "p"), market.CodeRateLimited)
		if time.Since(start) != time.Second || fault.RetryAfter != 2*time.Second {
			t.Errorf("told after %s, try again in %s", time.Since(start), fault.RetryAfter)
		}
		ok(within(t, 4*time.Second))
		wg.Wait()
		if time.Since(start) != 5*time.Second {
			t.Errorf("all of the queue after %s, want 5 s", time.Since(start))
		}
	})
}

// A cancelled caller's grant goes to the next one.
func TestCancelledCallersGrantIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := limiter(t, 1), time.Now()
		if err := l.Wait(context.Background(), "p"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		refused := make(chan error, 2)
		for range 2 { // one is served, one queues
			go func() { refused <- l.Wait(ctx, "p") }()
		}
		synctest.Wait()
		granted := make(chan error, 1)
		go func() { granted <- l.Wait(context.Background(), "p") }()
		synctest.Wait()
		cancel()
		for range 2 {
			fault := wantCode(t, <-refused, market.CodeTimeout)
			if !errors.Is(fault, context.Canceled) {
				t.Errorf("%v does not wrap context.Canceled", fault)
			}
		}
		if err := <-granted; err != nil || time.Since(start) != time.Second {
			t.Errorf("granted after %s, %v; want 1 s", time.Since(start), err)
		}
	})
}

// A pause holds for all, also for those who wait already; after it the rate is
// the usual one.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := limiter(t, 2), time.Now()
		pause := func(until time.Duration) {
			t.Helper()
			if err := l.Pause(context.Background(), "p", start.Add(until)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Wait(context.Background(), "p"); err != nil {
			t.Fatal(err)
		}
		at := make(chan time.Duration, 3)
		for range 3 {
			go func() {
				if err := l.Wait(context.Background(), "p"); err != nil {
					t.Error(err)
				}
				at <- time.Since(start)
			}()
		}
		synctest.Wait()
		pause(time.Minute)
		pause(30 * time.Second) // an earlier end changes nothing
		for i := range 3 {
			if got, want := <-at, time.Minute+time.Duration(i)*500*time.Millisecond; got != want {
				t.Errorf("grant %d after %s, want %s", i, got, want)
			}
		}
		pause(2 * time.Minute)
		before := time.Now()
		fault := wantCode(t, l.Wait(within(t, 58*time.Second), "p"), market.CodeRateLimited)
		if time.Since(before) != 0 || fault.RetryAfter != 59*time.Second || !strings.Contains(fault.Error(), "pause") {
			t.Errorf("told after %s, try again in %s: %v", time.Since(before), fault.RetryAfter, fault)
		}
		if err := l.Wait(within(t, time.Nanosecond), "q"); err != nil {
			t.Errorf("another provider is paused too: %v", err)
		}
	})
}

// broken are Books that answer when told to, with an error.
type broken struct{ answer chan error }

func (b broken) Book(ctx context.Context, _ string, _ int, _ time.Duration) (time.Time, error) {
	select {
	case err := <-b.answer:
		return time.Time{}, err
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
}
func (b broken) Pause(context.Context, string, time.Time) error { return <-b.answer }
func (b broken) Paused(context.Context, string) (time.Time, error) {
	return time.Time{}, nil
}

// Without Books no grant; who queued meanwhile need not find out one by one.
func TestBrokenBooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		books := broken{make(chan error)}
		l, err := limit.New(limit.Config{Rate: 1, Books: books})
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, l.Wait(within(t, time.Second), "p"), market.CodeTimeout)
		refused := make(chan error)
		for range 5 {
			go func() { refused <- l.Wait(context.Background(), "p") }()
		}
		synctest.Wait()
		time.Sleep(time.Second)
		lost := errors.New("gone")
		books.answer <- lost
		for range 5 {
			if err := <-refused; !errors.Is(err, lost) {
				t.Errorf("%v does not say why", err)
			} else {
				wantCode(t, err, market.CodeUnavailable)
			}
		}
		go func() { books.answer <- lost }()
		wantCode(t, l.Pause(context.Background(), "p", time.Now()), market.CodeUnavailable)
	})
}

func TestAccount(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	for name, test := range map[string]struct {
		account     limit.Account
		n           int
		first, next time.Time
	}{
		"never asked":           {limit.Account{}, 1, now, at(time.Second)},
		"idle for long":         {limit.Account{Next: at(-time.Hour), Paused: at(-time.Hour)}, 3, now, at(3 * time.Second)},
		"booked ahead":          {limit.Account{Next: at(5 * time.Second)}, 2, at(5 * time.Second), at(7 * time.Second)},
		"paused":                {limit.Account{Next: at(time.Second), Paused: at(time.Hour)}, 1, at(time.Hour), at(time.Hour + time.Second)},
		"booked behind a pause": {limit.Account{Next: at(time.Hour + time.Second), Paused: at(time.Hour)}, 1, at(time.Hour + time.Second), at(time.Hour + 2*time.Second)},
		"clock set back":        {limit.Account{Next: at(time.Hour)}, 1, now, at(time.Second)},
		"the longest pause":     {limit.Account{Paused: at(65 * time.Minute)}, 1, at(65 * time.Minute), at(65*time.Minute + time.Second)},
		"a pause past it":       {limit.Account{Paused: at(65*time.Minute + 1)}, 1, now, at(time.Second)},
		"the most in hand":      {limit.Account{Next: at(5 * time.Minute)}, 1, at(5 * time.Minute), at(5*time.Minute + time.Second)},
		"one past the most":     {limit.Account{Next: at(5*time.Minute + 1)}, 1, now, at(time.Second)},
	} {
		next, first := test.account.Book(now, test.n, time.Second)
		if !first.Equal(test.first) || !next.Next.Equal(test.next) || next.Paused != test.account.Paused {
			t.Errorf("%s: first %s, then %+v", name, first, next)
		}
	}
}

// What was booked for callers that left is not saved up for a burst.
func TestBookedGrantsGoBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, 4)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { _ = l.Wait(ctx, "p") })
		}
		time.Sleep(300 * time.Millisecond) // two granted, of the second booking of four one
		cancel()
		wg.Wait()
		time.Sleep(time.Hour)
		for i := range 4 {
			before := time.Now()
			if err := l.Wait(context.Background(), "p"); err != nil {
				t.Error(err)
			}
			if want := 250 * time.Millisecond * time.Duration(min(i, 1)); time.Since(before) != want {
				t.Errorf("grant %d waited %s, want %s", i, time.Since(before), want)
			}
		}
	})
}
