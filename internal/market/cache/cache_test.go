package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/cache"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, provider market.Provider, cfg cache.Config) *cache.Provider {
	t.Helper()
	if cfg.Now == nil { // after the last day of the invented bars
		cfg.Now = func() time.Time { return noon }
	}
	c, err := cache.New(provider, cfg)
	ok(t, err)
	return c
}

func invented(t *testing.T) market.Provider {
	t.Helper()
	p, err := synthetic.New(synthetic.Config{})
	ok(t, err)
	return p
}

func codeOf(err error) market.Code {
	if fault, ok := errors.AsType[*market.Error](err); ok {
		return fault.Code
	}
	return ""
}

// A memory store is a shared store that counts, and fails or hangs to order.
type memoryStore struct {
	mu         sync.Mutex
	entries    map[string][]byte
	gets, puts int
	fail       error
	hang       bool
}

func (m *memoryStore) Get(ctx context.Context, key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	if m.hang {
		<-ctx.Done()
		return nil, false, ctx.Err()
	}
	data, found := m.entries[key]
	return data, found, m.fail
}

func (m *memoryStore) Put(_ context.Context, key string, data []byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	if m.entries == nil {
		m.entries = map[string][]byte{}
	}
	if m.fail == nil {
		m.entries[key] = data
	}
	return m.fail
}

func TestConforms(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) market.BarCache{
		"memory alone": func(*testing.T) market.BarCache { return nil },
		"files": func(t *testing.T) market.BarCache {
			return cache.NewFiles(t.TempDir(), 0)
		},
		"a store that fails": func(*testing.T) market.BarCache { return &memoryStore{fail: errors.New("broken")} },
	} {
		t.Run(name, func(t *testing.T) {
			markettest.Test(t, func(t *testing.T) markettest.Fixture {
				return markettest.Fixture{Provider: open(t, invented(t), cache.Config{Store: store(t)}), Known: "TCS.NS"}
			})
		})
	}
}

// What comes out of the cache is to the last bit what the provider delivered.
func TestSameAsTheProvider(t *testing.T) {
	provider := invented(t)
	store := &memoryStore{}
	first, second := open(t, provider, cache.Config{Store: store}), open(t, provider, cache.Config{Store: store})
	for _, bars := range []int{1, 250, 400, 401, 1000, math.MaxInt} {
		asked := map[int]int{1: 400, 250: 400, 400: 400, 401: 1000, 1000: 1000, math.MaxInt: math.MaxInt}[bars]
		want, err := provider.Daily(t.Context(), "TCS.NS", asked)
		ok(t, err)
		want.Bars = want.Bars[max(0, len(want.Bars)-bars):]
		for name, c := range map[string]*cache.Provider{"fetched or remembered": first, "from the store": second} {
			got, err := c.Daily(t.Context(), "TCS.NS", bars)
			ok(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d bars, %s (-want +got)\n%s", bars, name, diff)
			}
		}
	}
	if s := first.Stats(); s.Asked+s.Shared != 3 || s.Memory != 3 {
		t.Errorf("the first: %+v", s)
	}
	if a, b := first.Stats(), second.Stats(); a.Asked+b.Asked != 3 {
		t.Errorf("three ranges were asked for %d times", a.Asked+b.Asked)
	}
}

// Another provider, variant, ticker or range is another question.
func TestKeys(t *testing.T) {
	store := &memoryStore{}
	plain := markettest.Faulty(invented(t))
	ask := func(c *cache.Provider, ticker string, bars int) {
		t.Helper()
		_, err := c.Daily(t.Context(), ticker, bars)
		ok(t, err)
	}
	ask(open(t, plain, cache.Config{Store: store, Variant: "splits"}), "A", 10)
	ask(open(t, plain, cache.Config{Store: store, Variant: "splits"}), "A", 400)
	if plain.Calls("A") != 1 {
		t.Errorf("one question was asked %d times", plain.Calls("A"))
	}
	ask(open(t, plain, cache.Config{Store: store, Variant: "splits_dividends"}), "A", 10)
	ask(open(t, named{plain, "other"}, cache.Config{Store: store, Variant: "splits"}), "A", 10)
	ask(open(t, plain, cache.Config{Store: store, Variant: "splits"}), "A", 401)
	if plain.Calls("A") != 4 || len(store.entries) != 4 {
		t.Errorf("four questions were asked %d times, %d entries", plain.Calls("A"), len(store.entries))
	}
	ask(open(t, plain, cache.Config{Store: store, Variant: "splits"}), "A-USD", 10)
	if plain.Calls("A-USD") != 1 {
		t.Error("another ticker's bars were delivered")
	}
}

type named struct {
	market.Provider
	name string
}

func (n named) Name() string { return n.name }

// Many callers are one call; one who leaves does not take the others with it,
// and the last one does.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider := markettest.Faulty(invented(t), markettest.Fault{Do: markettest.Delay(10 * time.Second)})
		c := open(t, provider, cache.Config{})
		leaving, cancel := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			_, err := c.Daily(leaving, "A", 5)
			first <- err
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				series, err := c.Daily(t.Context(), "A", 5+i)
				if err != nil || len(series.Bars) != 5+i {
					t.Errorf("%d bars, %v", len(series.Bars), err)
				}
				clear(series.Bars)
			})
		}
		synctest.Wait()
		cancel()
		if err := <-first; codeOf(err) != market.CodeTimeout || !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves gets %v", err)
		}
		wg.Wait()
		if provider.Calls("A") != 1 || c.Stats().Joined != 20 {
			t.Errorf("%d calls, %+v", provider.Calls("A"), c.Stats())
		}

		hanging := markettest.Faulty(invented(t), markettest.Fault{First: 1, Last: 1, Do: markettest.Hang()})
		c = open(t, hanging, cache.Config{})
		leaving, cancel = context.WithCancel(t.Context())
		for range 2 {
			go func() {
				_, err := c.Daily(leaving, "A", 5)
				first <- err
			}()
		}
		synctest.Wait()
		cancel()
		<-first
		<-first
		_, err := c.Daily(t.Context(), "A", 5) // does not join what was left, and does not hang
		ok(t, err)
		if hanging.Calls("A") != 2 {
			t.Errorf("%d calls", hanging.Calls("A"))
		}
		synctest.Wait() // the bubble ends only when the cancelled call has
	})
}

// A caller with more time than the one who asks is not failed by its deadline.
func TestLongerDeadlineAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider := markettest.Faulty(invented(t), markettest.Fault{First: 1, Last: 1, Do: markettest.Hang()})
		c := open(t, provider, cache.Config{})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		refused := make(chan error)
		go func() {
			_, err := c.Daily(short, "A", 5)
			refused <- err
		}()
		synctest.Wait()
		long, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Daily(long, "A", 5)
		ok(t, err)
		if err := <-refused; codeOf(err) != market.CodeTimeout {
			t.Errorf("the short one got %v", err)
		}
		if provider.Calls("A") != 2 {
			t.Errorf("%d calls", provider.Calls("A"))
		}
	})
}

func TestErrorsAndPanicsAreNotKept(t *testing.T) {
	provider := markettest.Faulty(invented(t),
		markettest.Fault{First: 1, Last: 1, Do: markettest.Fail(market.CodeRateLimited)},
		markettest.Fault{First: 2, Last: 2, Do: markettest.Panic("boom")})
	store := &memoryStore{}
	c := open(t, provider, cache.Config{Store: store})
	if _, err := c.Daily(t.Context(), "A", 5); codeOf(err) != market.CodeRateLimited {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() {
			if cause := recover(); cause != "boom" {
				t.Errorf("recovered %v, want boom", cause)
			}
		}()
		_, _ = c.Daily(t.Context(), "A", 5)
	}()
	if len(store.entries) != 0 {
		t.Error("a failure was kept")
	}
	_, err := c.Daily(t.Context(), "A", 5)
	ok(t, err)
	if provider.Calls("A") != 3 {
		t.Errorf("%d calls", provider.Calls("A"))
	}
}

// lines is a log that can be read.
type lines struct {
	strings.Builder
	mu sync.Mutex
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(p)
}

// A store that fails costs requests, is said once, and is used when it is back.
func TestFailingStore(t *testing.T) {
	var now atomic.Int64
	clock := func() time.Time { return noon.Add(time.Duration(now.Load()) * time.Second) }
	var log lines
	store := &memoryStore{fail: errors.New("out of order")}
	provider := markettest.Faulty(invented(t))
	c := open(t, provider, cache.Config{Store: store, Now: clock, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ask := func(ticker string) {
		t.Helper()
		_, err := c.Daily(t.Context(), ticker, 5)
		ok(t, err)
	}
	for i := range 10 {
		ask(fmt.Sprintf("A%d", i))
	}
	if calls := store.gets + store.puts; calls != 1 {
		t.Errorf("a store that fails was called %d times within its rest", calls)
	}
	now.Store(6)
	ask("B")
	if got := c.Stats().StoreErrors; got != 2 {
		t.Errorf("%d errors counted, want 2", got)
	}
	store.fail = nil
	now.Store(12)
	ask("C")
	if len(store.entries) != 1 {
		t.Errorf("%d entries after it came back", len(store.entries))
	}
	if n, back := strings.Count(log.String(), "out of order"), strings.Count(log.String(), "works again"); n != 1 || back != 1 {
		t.Errorf("said %d times that it fails, %d times that it works:\n%s", n, back, log.String())
	}
}

// A store that hangs holds a caller for two seconds, and not the next one.
func TestHangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, invented(t), cache.Config{Store: &memoryStore{hang: true}})
		start := time.Now()
		for _, ticker := range []string{"A", "B"} {
			_, err := c.Daily(t.Context(), ticker, 5)
			ok(t, err)
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("took %s, want 2 s", got)
		}
	})
}

// What a store holds that is spoiled, out of date or another's is as not there.
func TestSpoiledStore(t *testing.T) {
	provider := markettest.Faulty(invented(t))
	store := &memoryStore{}
	_, err := open(t, provider, cache.Config{Store: store}).Daily(t.Context(), "A", 5)
	ok(t, err)
	for key, good := range store.entries {
		other, err := provider.Daily(t.Context(), "B", 400)
		ok(t, err)
		anothers, err := cache.Encode(other, noon.Add(time.Hour))
		ok(t, err)
		old, err := provider.Daily(t.Context(), "A", 400)
		ok(t, err)
		expired, err := cache.Encode(old, noon)
		ok(t, err)
		for name, bad := range map[string][]byte{
			"empty": {}, "cut": good[:len(good)-1], "flipped": append([]byte{good[0] ^ 1}, good[1:]...),
			"flipped inside": flip(good, len(good)/2), "another's": anothers, "expired": expired,
		} {
			before := provider.Calls("A")
			store.entries[key] = bad
			series, err := open(t, provider, cache.Config{Store: store}).Daily(t.Context(), "A", 5)
			if err != nil || series.Ticker != "A" || provider.Calls("A") != before+1 {
				t.Errorf("%s: %v, %d calls more", name, err, provider.Calls("A")-before)
			}
			if name != "expired" && string(store.entries[key]) == string(bad) {
				t.Errorf("%s: not replaced", name)
			}
		}
		break
	}
}

func flip(data []byte, i int) []byte {
	data = append([]byte(nil), data...)
	data[i] ^= 0x10
	return data
}
