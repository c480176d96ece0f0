package limit_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/limit"
)

// stalled are Books that answer late when asked for a pause within a span, as
// while a server restarts.
type stalled struct {
	limit.Books
	from, to time.Time
}

func (s *stalled) Paused(ctx context.Context, provider string) (time.Time, error) {
	if now := time.Now(); now.After(s.from) && now.Before(s.to) {
		time.Sleep(s.to.Sub(now))
	}
	return s.Books.Paused(ctx, provider)
}

// When Books answer again that were silent, those who waited do not go at once.
func TestStalledBooksKeepTheRate(t *testing.T) {
	for rate, most := range map[float64]int{2: 4, 4: 6, 100: 126} {
		synctest.Test(t, func(t *testing.T) {
			memory, start := limit.NewMemory(), time.Now()
			var mu sync.Mutex // guards at
			var at []time.Time
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			for range 8 { // analyzers with callers each
				books := &stalled{memory, start.Add(5 * time.Second), start.Add(10 * time.Second)}
				l, err := limit.New(limit.Config{Rate: rate, Books: books})
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					wg.Go(func() {
						for l.Wait(ctx, "p") == nil {
							mu.Lock()
							at = append(at, time.Now())
							mu.Unlock()
						}
					})
				}
			}
			wg.Wait()
			slices.SortFunc(at, time.Time.Compare)
			first := 0
			for i := range at {
				for at[i].Sub(at[first]) >= time.Second {
					first++
				}
				if n := i - first + 1; n > most {
					t.Fatalf("rate %v: %d grants within a second, %s after the start; at most %d", rate, n, at[i].Sub(start), most)
				}
			}
			if rest := at[len(at)-1].Sub(start); rest < 15*time.Second {
				t.Errorf("rate %v: no grant after %s", rate, rest)
			}
		})
	}
}

// Books that are slow, but answer, do not starve anybody at a high rate.
func TestSlowBooksStillGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := limit.New(limit.Config{Rate: 1000, Books: slow{limit.NewMemory()}})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if err := l.Wait(within(t, time.Second), "p"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

type slow struct{ limit.Books }

func (s slow) Paused(ctx context.Context, provider string) (time.Time, error) {
	time.Sleep(20 * time.Millisecond)
	return s.Books.Paused(ctx, provider)
}

// A pause that a clock wrote which was a year ahead ends nobody's requests.
func TestPauseOfAClockAhead(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	a := limit.Account{Paused: now.AddDate(1, 0, 0)}
	if got := a.PausedUntil(now); !got.IsZero() {
		t.Errorf("paused until %s", got)
	}
	if got := a.Pause(now, now.Add(time.Minute)).Paused; !got.Equal(now.Add(time.Minute)) {
		t.Errorf("a new pause ends at %s", got)
	}
	if got := (limit.Account{}).Pause(now, now.AddDate(1, 0, 0)).PausedUntil(now); !got.Equal(now.Add(65 * time.Minute)) {
		t.Errorf("a pause of a year ends at %s", got)
	}
}
