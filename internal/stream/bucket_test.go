package stream_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

func TestReplaceIsACompareAndSet(t *testing.T) {
	s := streamtest.Server(t)
	first, second := stream.NewMarketBucket(s.JetStream(stream.RoleAnalyzer), nil), stream.NewMarketBucket(s.JetStream(stream.RoleAnalyzer), nil)
	_, _, err := first.Get(ctx, "limit.a")
	wantErr(t, err, stream.ErrNotFound)
	one, err := first.Replace(ctx, "limit.a", []byte("one"), 0)
	ok(t, err)
	_, err = second.Replace(ctx, "limit.a", []byte("two"), 0)
	wantErr(t, err, stream.ErrExists)
	two, err := second.Replace(ctx, "limit.a", []byte("two"), one)
	ok(t, err)
	_, err = first.Replace(ctx, "limit.a", []byte("three"), one)
	wantErr(t, err, stream.ErrExists)
	data, revision, err := first.Get(ctx, "limit.a")
	ok(t, err)
	if string(data) != "two" || revision != two {
		t.Errorf("got %q at %d, want two at %d", data, revision, two)
	}
	// The tools of NATS see it as a key-value store.
	view, err := s.JetStream(streamtest.Admin).KeyValue(ctx, stream.MarketBucket)
	ok(t, err)
	entry, err := view.Get(ctx, "limit.a")
	ok(t, err)
	if string(entry.Value()) != "two" {
		t.Errorf("a key-value store reads %q", entry.Value())
	}
	// Another key has a revision of its own.
	_, err = first.Replace(ctx, "limit.b", []byte("b"), 0)
	ok(t, err)
	_, err = first.Replace(ctx, "limit.b", make([]byte, stream.MaxEntryBytes+1), 0)
	wantErr(t, err, stream.ErrTooLarge)
}

func TestKeepForItsTime(t *testing.T) {
	s := streamtest.Server(t)
	bars := stream.NewBarsBucket(s.JetStream(stream.RoleAnalyzer), nil)
	_, err := bars.Load(ctx, "v1.a")
	wantErr(t, err, stream.ErrNotFound)
	kept := time.Now()
	ok(t, bars.Keep(ctx, "v1.a", []byte("short"), 2900*time.Millisecond))
	got, err := bars.Load(ctx, "v1.a")
	if (err != nil || string(got) != "short") && time.Since(kept) < 2*time.Second { // the server counts whole seconds
		t.Errorf("%q, %v", got, err)
	}
	ok(t, bars.Keep(ctx, "v1.b", []byte("old"), time.Hour))
	ok(t, bars.Keep(ctx, "v1.b", []byte("new"), time.Hour))
	ok(t, bars.Keep(ctx, "v1.c", []byte("never"), 900*time.Millisecond))
	largest := bytes.Repeat([]byte{1}, stream.MaxEntryBytes)
	ok(t, bars.Keep(ctx, "v1.d", largest, time.Hour))
	wantErr(t, bars.Keep(ctx, "v1.d", append(largest, 1), time.Hour), stream.ErrTooLarge)
	for key, want := range map[string]string{"v1.b": "new", "v1.d": string(largest)} {
		got, err := bars.Load(ctx, key)
		ok(t, err)
		if string(got) != want {
			t.Errorf("%s: %.20q, want %.20q", key, got, want)
		}
	}
	_, err = bars.Load(ctx, "v1.c")
	wantErr(t, err, stream.ErrNotFound)
	if testing.Short() {
		return // what follows waits for the server's clock
	}
	s.Restart() // the time to live stands in the file
	deadline := time.Now().Add(patience)
	for {
		_, err := bars.Load(ctx, "v1.a")
		if errors.Is(err, stream.ErrNotFound) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there after its time: %v", err)
		}
		time.Sleep(10 * time.Millisecond) // poll: the server does not say when it drops
	}
	got, err = bars.Load(ctx, "v1.b")
	ok(t, err)
	if string(got) != "new" {
		t.Errorf("after a restart: %q", got)
	}
}

// TestFullBarsDropTheOldest: a cache that is full forgets, it does not refuse.
func TestFullBarsDropTheOldest(t *testing.T) {
	s := streamtest.Server(t, streamtest.WithLimits(stream.Limits{BarsMaxBytes: 64 << 10}))
	bars := stream.NewBarsBucket(s.JetStream(stream.RoleAnalyzer), nil)
	for i := range 20 {
		ok(t, bars.Keep(ctx, fmt.Sprintf("v1.%d", i), make([]byte, 8<<10), time.Hour))
	}
	_, err := bars.Load(ctx, "v1.0")
	wantErr(t, err, stream.ErrNotFound)
	_, err = bars.Load(ctx, "v1.19")
	ok(t, err)
}

func TestMissingBucketsSayProvision(t *testing.T) {
	s := streamtest.Server(t, streamtest.Bare())
	js := s.JetStream(stream.RoleAnalyzer)
	market, bars := stream.NewMarketBucket(js, nil), stream.NewBarsBucket(js, nil)
	_, _, get := market.Get(ctx, "limit.x")
	_, clock := market.Clock(ctx)
	wantErr(t, get, stream.ErrNoStream)
	wantErr(t, clock, stream.ErrNoStream)
	_, load := bars.Load(ctx, "v1.x")
	keep := bars.Keep(ctx, "v1.x", nil, time.Minute)
	_, list := stream.NewMarketBucket(s.JetStream(stream.RoleAPI), nil).Tickers(ctx)
	for what, err := range map[string]error{"get": get, "clock": clock, "load": load, "keep": keep, "list": list} {
		if err == nil || !strings.Contains(err.Error(), "tapedeck provision") {
			t.Errorf("%s: %v does not say what to do", what, err)
		}
	}
	// A deployment of before, provisioned again, has them.
	ok(t, stream.Provision(ctx, s.JetStream(stream.RoleProvisioner), stream.Limits{}))
	ok(t, bars.Keep(ctx, "v1.x", nil, time.Minute))
	_, err := market.Clock(ctx)
	ok(t, err)
}

// TestClockBracketsTheServers: the server of a test has this process's clock.
func TestClockBracketsTheServers(t *testing.T) {
	s := streamtest.Server(t)
	market := stream.NewMarketBucket(s.JetStream(stream.RoleAnalyzer), nil)
	clock, err := market.Clock(ctx)
	ok(t, err)
	for _, later := range []time.Duration{0, time.Second, time.Hour} {
		now := time.Now().Add(later)
		low, high := clock.Earliest(now), clock.Latest(now)
		if low.After(now) || high.Before(now) || high.Sub(low) > 5*time.Second {
			t.Errorf("%s is not within %s and %s", now, low, high)
		}
		if local := clock.Local(now); local.Before(now) || clock.Earliest(local).Before(now) {
			t.Errorf("at %s the server may not show %s yet", local, now)
		}
	}
	again, err := market.Clock(ctx)
	ok(t, err)
	if again != clock {
		t.Error("asked twice within half a minute")
	}
}

func TestListOfTickers(t *testing.T) {
	s := streamtest.Server(t)
	js := s.JetStream(stream.RoleAnalyzer)
	analyzer, api := stream.NewMarketBucket(js, nil), stream.NewMarketBucket(s.JetStream(stream.RoleAPI), nil)
	_, err := api.Tickers(ctx)
	wantErr(t, err, stream.ErrNotFound)
	market := make([]string, 10_000)
	for i := range market {
		market[i] = fmt.Sprintf("TICKER%05d.NS", i)
	}
	for _, list := range [][]string{{"A", "B"}, market, {"A"}} {
		for _, wantChange := range []bool{true, false} {
			changed, err := analyzer.PublishTickers(ctx, list)
			ok(t, err)
			if changed != wantChange {
				t.Errorf("list of %d: changed %v, want %v", len(list), changed, wantChange)
			}
		}
		got, err := api.Tickers(ctx)
		ok(t, err)
		if diff := cmp.Diff(list, got); diff != "" {
			t.Error(diff)
		}
	}
	// What cannot be read is an error for the api, and replaced by an analyzer.
	_, err = js.Publish(ctx, "$KV.market.list", []byte("spoiled"), jetstream.WithRetryAttempts(0))
	ok(t, err)
	if _, err := api.Tickers(ctx); err == nil {
		t.Error("a spoiled list was read")
	}
	if changed, err := analyzer.PublishTickers(ctx, market); err != nil || !changed {
		t.Errorf("a spoiled list was not replaced: %v", err)
	}
}

// TestListsGrowOld: a list that no analyzer stands by any longer is none.
func TestListsGrowOld(t *testing.T) {
	s := streamtest.Server(t)
	js := s.JetStream(stream.RoleAnalyzer)
	analyzer, api := stream.NewMarketBucket(js, nil), stream.NewMarketBucket(s.JetStream(stream.RoleAPI), nil)
	list := []string{"A", "B"}
	_, err := analyzer.PublishTickers(ctx, list)
	ok(t, err)
	now := time.Now()
	if got, err := api.TickersAt(ctx, now.Add(47*time.Hour)); err != nil || len(got) != 2 {
		t.Errorf("after 47 h: %v, %v", got, err)
	}
	_, err = api.TickersAt(ctx, now.Add(49*time.Hour))
	wantErr(t, err, stream.ErrNotFound)
	_, before, err := analyzer.Get(ctx, "list")
	ok(t, err)
	for after, written := range map[time.Duration]bool{5 * time.Hour: false, 7 * time.Hour: true} {
		changed, err := analyzer.PublishTickersAt(ctx, list, now.Add(after))
		ok(t, err)
		_, revision, err := analyzer.Get(ctx, "list")
		ok(t, err)
		if changed || (revision != before) != written {
			t.Errorf("after %s: changed %v, revision %d after %d", after, changed, revision, before)
		}
		before = revision
	}
}

func TestBucketToken(t *testing.T) {
	for text, want := range map[string]string{
		"v1/yahoo/1d/TCS.NS": "v1/yahoo/1d/TCS=2ENS", "M&M": "M=26M", "A=26": "A=3D26", "^x *>é": "=5Ex=20=2A=3E=C3=A9", "a-b_C": "a-b_C", ".": "=2E",
	} {
		if got := stream.BucketToken(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestClocksThatDiffer: three machines agree on an instant of the server's
// clock to a round trip, and none acts before it.
func TestClocksThatDiffer(t *testing.T) {
	server := epoch
	due := server.Add(10 * time.Second)
	for name, c := range map[string]struct{ ahead, there, back time.Duration }{
		"an hour behind": {-time.Hour, 5 * time.Millisecond, 40 * time.Millisecond},
		"exact":          {0, 0, 0},
		"days ahead":     {50 * time.Hour, 80 * time.Millisecond, time.Millisecond},
	} {
		clock := stream.MakeClock(server.Add(c.ahead-c.there), server.Add(c.ahead+c.back), server)
		really := clock.Local(due).Add(-c.ahead) // what the server shows when this machine acts
		if really.Before(due) || really.Sub(due) > c.there+c.back {
			t.Errorf("%s: acts when the server shows %s, due %s", name, really, due)
		}
		now := due.Add(c.ahead)
		if clock.Earliest(now).After(due) || clock.Latest(now).Before(due) || clock.Latest(now).Sub(clock.Earliest(now)) != c.there+c.back {
			t.Errorf("%s: the server shows %s, not within %s and %s", name, due, clock.Earliest(now), clock.Latest(now))
		}
	}
}
