package shared_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/shared"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func codeOf(err error) market.Code {
	if fault, ok := errors.AsType[*market.Error](err); ok {
		return fault.Code
	}
	return ""
}

// books are those of an analyzer with a connection of its own.
func books(t *testing.T, s *streamtest.Embedded) *shared.Books {
	t.Helper()
	nc := s.JetStream(stream.RoleAnalyzer)
	return shared.NewBooks(stream.NewMarketBucket(nc, nil))
}

func limiter(t *testing.T, rate float64, books limit.Books) *limit.Limiter {
	t.Helper()
	l, err := limit.New(limit.Config{Rate: rate, Books: books})
	ok(t, err)
	return l
}

// A grantLog notes when each grant came.
type grantLog struct {
	mu sync.Mutex
	at []time.Time
}

func (g *grantLog) note() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = append(g.at, time.Now())
}

// grants takes grants until ctx ends.
func (g *grantLog) grants(ctx context.Context, t *testing.T, l *limit.Limiter) {
	for {
		switch err := l.Wait(ctx, "yahoo"); codeOf(err) {
		case "":
			g.note()
		case market.CodeTimeout, market.CodeRateLimited:
			return // the span is over
		default:
			t.Errorf("no grant: %v", err)
			return
		}
	}
}

// Three processes with 40 callers each never exceed the one rate, and use it.
func TestOneRateForAllProcesses(t *testing.T) {
	const rate, span, processes, callers = 200, time.Second, 3, 40
	s := streamtest.Server(t)
	var log grantLog
	var limiters []*limit.Limiter
	for range processes {
		limiters = append(limiters, limiter(t, rate, books(t, s)))
	}
	start := time.Now()
	// On a machine that stands still for a whole span there may be no grant in
	// it; where they stand in each other's way there is none in any.
	for len(log.at) == 0 && time.Since(start) < 20*span {
		var wg sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), span)
		for i := range processes * callers {
			wg.Go(func() { log.grants(ctx, t, limiters[i%processes]) })
		}
		wg.Wait()
		cancel()
	}
	elapsed := time.Since(start)
	if most := int(rate*elapsed.Seconds()) + 2; len(log.at) > most {
		t.Errorf("%d grants in %s, at most %d", len(log.at), elapsed, most)
	}
	t.Logf("%d grants in %s from %d processes", len(log.at), elapsed.Round(time.Millisecond), processes)
	if len(log.at) == 0 {
		t.Error("no grant: the processes stand in each other's way")
	}
}

// No two bookings overlap, whoever makes them: the claim itself, without time.
func TestBookingsDoNotOverlap(t *testing.T) {
	const processes, rounds, interval = 4, 15, 500 * time.Millisecond
	s := streamtest.Server(t)
	type booking struct {
		first time.Time
		n     int
	}
	var mu sync.Mutex
	var all []booking
	var inexact time.Duration // the worst comparison with the server's clock
	var wg sync.WaitGroup
	for p := range processes {
		bucket := stream.NewMarketBucket(s.JetStream(stream.RoleAnalyzer), nil)
		clock, err := bucket.Clock(t.Context())
		ok(t, err)
		inexact = max(inexact, clock.Latest(time.Now()).Sub(clock.Earliest(time.Now())))
		b := shared.NewBooks(bucket)
		wg.Go(func() {
			for round := range rounds {
				n := 1 + (p+round)%4
				first, err := b.Book(t.Context(), "p", n, interval)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				all = append(all, booking{first, n})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b booking) int { return a.first.Compare(b.first) })
	for i := 1; i < len(all); i++ {
		end := all[i-1].first.Add(time.Duration(all[i-1].n) * interval)
		if gap := all[i].first.Sub(end); gap < -inexact-time.Millisecond {
			t.Errorf("booking %d begins %s before the one before it ends", i, -gap)
		}
	}
}

// A pause that one process is told holds for the others, at once, and beyond a
// restart of the server.
func TestPauseHoldsForAll(t *testing.T) {
	s := streamtest.Server(t)
	theirs := books(t, s)
	first, second := limiter(t, 100, books(t, s)), limiter(t, 100, theirs)
	until := time.Now().Add(time.Hour)
	ok(t, first.Pause(t.Context(), "yahoo", until))
	ok(t, first.Pause(t.Context(), "yahoo", until.Add(-time.Minute))) // an earlier end changes nothing
	got, err := theirs.Paused(t.Context(), "yahoo")
	ok(t, err)
	if off := got.Sub(until); off < 0 || off > 10*time.Second {
		t.Errorf("the others learn of an end %s after the real one", off)
	}
	for _, restart := range []bool{false, true} {
		if restart {
			s.Restart()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := second.Wait(ctx, "yahoo")
		if fault, is := errors.AsType[*market.Error](err); !is || fault.Code != market.CodeRateLimited || ctx.Err() != nil || fault.RetryAfter < 59*time.Minute {
			t.Errorf("after a restart %v: %v, want rate_limited at once", restart, err)
		}
	}
	ok(t, second.Wait(t.Context(), "nse")) // another provider goes on
	until = time.Now().Add(300 * time.Millisecond)
	ok(t, first.Pause(t.Context(), "nse", until))
	ok(t, second.Wait(t.Context(), "nse"))
	if time.Now().Before(until) {
		t.Errorf("granted %s before the end of the pause", time.Until(until))
	}
}

// Without the server there is no grant, and when it is back there are again.
func TestNoServerNoGrant(t *testing.T) {
	s := streamtest.Server(t)
	l := limiter(t, 1000, books(t, s))
	ok(t, l.Wait(t.Context(), "yahoo"))
	s.Stop()
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := l.Wait(short, "yahoo"); codeOf(err) != market.CodeTimeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("granted, or refused wrongly: %v", err)
	}
	s.Start()
	ok(t, l.Wait(t.Context(), "yahoo"))
}

func TestMissingBucketSaysProvision(t *testing.T) {
	s := streamtest.Server(t, streamtest.Bare())
	b := books(t, s)
	l := limiter(t, 1, b)
	for what, err := range map[string]error{
		"check": b.Check(t.Context()), "wait": l.Wait(t.Context(), "yahoo"), "pause": l.Pause(t.Context(), "yahoo", time.Now()),
	} {
		if err == nil || !errors.Is(err, stream.ErrNoStream) || !strings.Contains(err.Error(), "tapedeck provision") {
			t.Errorf("%s: %v", what, err)
		}
		if what != "check" && codeOf(err) != market.CodeUnavailable {
			t.Errorf("%s: code %q", what, codeOf(err))
		}
	}
	js := s.JetStream(stream.RoleAnalyzer)
	c := shared.NewCache(stream.NewBarsBucket(js, nil))
	if _, found, err := c.Get(t.Context(), "k"); err == nil || found || !strings.Contains(err.Error(), "tapedeck provision") {
		t.Errorf("get: %v", err)
	}
}

// What nobody can read does not stop the rate for ever.
func TestSpoiledAccount(t *testing.T) {
	s := streamtest.Server(t)
	js := s.JetStream(streamtest.Admin)
	_, err := js.Publish(t.Context(), "$KV.market.limit.yahoo", []byte("spoiled"))
	ok(t, err)
	l := limiter(t, 100, books(t, s))
	ok(t, l.Wait(t.Context(), "yahoo"))
	ok(t, l.Wait(t.Context(), "yahoo"))
}

func TestCacheIsShared(t *testing.T) {
	s := streamtest.Server(t)
	open := func() market.BarCache {
		return shared.NewCache(stream.NewBarsBucket(s.JetStream(stream.RoleAnalyzer), nil))
	}
	first, second := open(), open()
	for i, key := range []string{"v1/yahoo/1d/M&M.NS", "v1/yahoo/1d/^NSEI", "a b*>"} {
		if _, found, err := second.Get(t.Context(), key); err != nil || found {
			t.Errorf("%q before it was put: %v, %v", key, found, err)
		}
		want := []byte(fmt.Sprint("value ", i))
		ok(t, first.Put(t.Context(), key, want, time.Now().Add(time.Hour)))
		got, found, err := second.Get(t.Context(), key)
		ok(t, err)
		if !found || cmp.Diff(want, got) != "" {
			t.Errorf("%q: %q, %v", key, got, found)
		}
	}
	ok(t, first.Put(t.Context(), "past", []byte("x"), time.Now().Add(-time.Hour)))
	if _, found, err := second.Get(t.Context(), "past"); err != nil || found {
		t.Errorf("what expired an hour ago: %v, %v", found, err)
	}
	if err := first.Put(t.Context(), "large", make([]byte, stream.MaxEntryBytes+1), time.Now().Add(time.Hour)); !errors.Is(err, stream.ErrTooLarge) {
		t.Errorf("one byte too large: %v", err)
	}
}

// A market lists what it is told, or cannot.
type lists struct {
	market.Provider
	tickers []string
	err     error
}

func (p *lists) Tickers(context.Context) ([]string, error) { return p.tickers, p.err }

func TestLister(t *testing.T) {
	s := streamtest.Server(t)
	api := stream.NewMarketBucket(s.JetStream(stream.RoleAPI), nil)
	provider := &lists{err: &market.Error{Code: market.CodeInvalid, Err: errors.New("any ticker")}}
	l := shared.NewLister(slog.New(slog.DiscardHandler), stream.NewMarketBucket(s.JetStream(stream.RoleAnalyzer), nil), provider)
	ok(t, l.Look(t.Context())) // one that cannot list publishes nothing
	if _, err := api.Tickers(t.Context()); !errors.Is(err, stream.ErrNotFound) {
		t.Errorf("a list of a market that has none: %v", err)
	}
	provider.err = &market.Error{Code: market.CodeUnavailable, Err: errors.New("down")}
	if err := l.Look(t.Context()); codeOf(err) != market.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	provider.tickers, provider.err = []string{"A.NS", "B.NS"}, nil
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	deadline := time.Now().Add(time.Minute)
	for {
		got, err := api.Tickers(t.Context())
		if err == nil && cmp.Diff(provider.tickers, got) == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the list did not arrive: %v, %v", got, err)
		}
		time.Sleep(time.Millisecond) // poll: nothing announces it
	}
	cancel()
	ok(t, <-done)
}
