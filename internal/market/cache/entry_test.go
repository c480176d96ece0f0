package cache_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/cache"
)

func TestEntryIsExact(t *testing.T) {
	bits := func(b market.Bar) [5]uint64 {
		return [5]uint64{math.Float64bits(b.Open), math.Float64bits(b.High), math.Float64bits(b.Low), math.Float64bits(b.Close), math.Float64bits(b.Volume)}
	}
	day := func(n int) time.Time { return time.Date(1969, 12, 30+n, 0, 0, 0, 0, time.UTC) }
	for name, want := range map[string]market.Series{
		"one bar":  {Ticker: "A", Provider: "p", Adjustment: market.AdjustmentNone, Bars: []market.Bar{{Date: day(0), Open: 1}}},
		"odd bits": {Ticker: "^X", Provider: "p", Bars: []market.Bar{{Date: day(0), Open: math.Copysign(0, -1), High: math.NaN(), Low: math.SmallestNonzeroFloat64, Close: 0.1 + 0.2, Volume: math.MaxFloat64}, {Date: day(1), Close: math.Inf(1)}, {Date: day(4000)}}},
		"all fields": {
			Ticker: "M&M.NS", Provider: "yahoo", Synthetic: true, Adjustment: market.AdjustmentSplits, Currency: "INR",
			Bars: []market.Bar{{Date: day(7)}}, Warnings: []string{"one", ""}, Notes: []string{"ein Bär"},
		},
	} {
		expires := time.Unix(1_800_000_000, 0)
		data, err := cache.Encode(want, expires)
		ok(t, err)
		got, until, err := cache.Decode(data)
		ok(t, err)
		if !until.Equal(expires) || len(got.Bars) != len(want.Bars) {
			t.Fatalf("%s: until %s, %d bars", name, until, len(got.Bars))
		}
		for i := range want.Bars {
			if bits(got.Bars[i]) != bits(want.Bars[i]) || got.Bars[i].Date != want.Bars[i].Date {
				t.Errorf("%s: bar %d is %v, want %v", name, i, got.Bars[i], want.Bars[i])
			}
		}
		got.Bars, want.Bars = nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	for name, bars := range map[string][]market.Bar{
		"not midnight": {{Date: day(0).Add(1)}}, "local": {{Date: day(0).In(time.FixedZone("IST", 19800))}},
		"twice": {{Date: day(3)}, {Date: day(3)}}, "backwards": {{Date: day(3)}, {Date: day(2)}},
	} {
		if _, err := cache.Encode(market.Series{Bars: bars}, time.Now()); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func TestEntrySize(t *testing.T) {
	series, err := invented(t).Daily(t.Context(), "TCS.NS", 400)
	ok(t, err)
	data, err := cache.Encode(series, time.Now())
	ok(t, err)
	t.Logf("400 bars take %d bytes", len(data))
	if len(data) > 12_000 {
		t.Errorf("400 bars take %d bytes", len(data))
	}
}

// FuzzDecode: no bytes break the reader, and what it takes it writes the same.
func FuzzDecode(f *testing.F) {
	for _, bars := range [][]market.Bar{nil, {{Date: time.Unix(0, 0).UTC(), Open: 1}}} {
		data, err := cache.Encode(market.Series{Ticker: "A", Bars: bars, Notes: []string{"n"}}, time.Unix(1, 0))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		series, expires, err := cache.Decode(data)
		if err != nil {
			return
		}
		again, err := cache.Encode(series, expires)
		if err != nil {
			return // dates that do not increase: decoded, refused by whoever validates
		}
		second, _, err := cache.Decode(again)
		ok(t, err)
		if len(second.Bars) != len(series.Bars) || second.Ticker != series.Ticker {
			t.Errorf("%+v, then %+v", series, second)
		}
	})
}
