// Package markettest says by tests what a market.Provider is. Every provider
// runs Test on itself; Faulty is a provider that misbehaves to order, for the
// tests of those that use one.
package markettest

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
)

// history is how many bars Fixture.Known has at least.
const history = 300

// A Fixture is one provider with what the suite must know of it.
type Fixture struct {
	Provider market.Provider
	// Known is a ticker with at least 300 bars.
	Known string
	// Unknown is a legal ticker that the provider does not have; empty when
	// it has every legal ticker.
	Unknown string
	// Lists says whether Tickers works; else it must fail with CodeInvalid.
	Lists bool
	// Delivers is the provider that stands in the series of Known where that is
	// not the provider itself (a chain); empty: Provider's name.
	Delivers string
}

// A Factory opens a new provider over the same data each time.
type Factory func(t *testing.T) Fixture

// Test runs the suite; each part gets a provider of its own.
func Test(t *testing.T, open Factory) {
	parts := []struct {
		name string
		run  func(t *testing.T, f Fixture)
	}{
		{"newest bars", testNewest},
		{"lineage", testLineage},
		{"own copy", testOwnCopy},
		{"refusals", testRefusals},
		{"ended context", testEndedContext},
		{"list", testList},
		{"concurrency", testConcurrency},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
	t.Run("same again", func(t *testing.T) {
		first, second := open(t), open(t)
		want := daily(t, first, history)
		if diff := cmp.Diff(want, daily(t, second, history)); diff != "" {
			t.Errorf("two providers over the same data differ (-first +second)\n%s", diff)
		}
		if diff := cmp.Diff(want, daily(t, first, history)); diff != "" {
			t.Errorf("asking again differs (-first +second)\n%s", diff)
		}
	})
}

// daily asks for the known ticker and fails the test on an error or on bars
// that are not valid.
func daily(t *testing.T, f Fixture, bars int) market.Series {
	t.Helper()
	series, err := f.Provider.Daily(t.Context(), f.Known, bars)
	if err != nil {
		t.Fatalf("%d bars of %s: %v", bars, f.Known, err)
	}
	if _, err := market.Validate(f.Known, series.Bars); err != nil {
		t.Fatalf("%d bars of %s are not valid: %v", bars, f.Known, err)
	}
	return series
}

// Fewer bars are the tail of more bars, to the last bit.
func testNewest(t *testing.T, f Fixture) {
	all := daily(t, f, math.MaxInt).Bars
	if len(all) < history {
		t.Fatalf("%s has %d bars; the suite needs %d", f.Known, len(all), history)
	}
	for _, n := range []int{1, 2, 50, history - 1, history, len(all)} {
		got := daily(t, f, n).Bars
		if len(got) != n {
			t.Errorf("asked for %d bars, got %d", n, len(got))
			continue
		}
		if diff := cmp.Diff(all[len(all)-n:], got); diff != "" {
			t.Errorf("%d bars are not the tail of all (-tail +got)\n%s", n, diff)
		}
	}
}

func testLineage(t *testing.T, f Fixture) {
	if f.Provider.Name() == "" {
		t.Error("the provider has no name")
	}
	series := daily(t, f, history)
	if series.Ticker != f.Known {
		t.Errorf("series of %q, asked for %q", series.Ticker, f.Known)
	}
	want := f.Provider.Name()
	if f.Delivers != "" {
		want = f.Delivers
	}
	if series.Provider != want {
		t.Errorf("series by %q, the provider is %q", series.Provider, want)
	}
	switch series.Adjustment {
	case market.AdjustmentUnknown, market.AdjustmentNone, market.AdjustmentSplits, market.AdjustmentSplitsDividends:
	default:
		t.Errorf("adjustment %q is none of the four", series.Adjustment)
	}
	if n := len(series.Currency); n != 0 && n != 3 {
		t.Errorf("currency %q is not ISO 4217", series.Currency)
	}
}

// What a caller does with its series is its own affair.
func testOwnCopy(t *testing.T, f Fixture) {
	mine := daily(t, f, history)
	want := slices.Clone(mine.Bars)
	clear(mine.Bars)
	_ = append(mine.Bars[:0], market.Bar{Close: -1})
	if diff := cmp.Diff(want, daily(t, f, history).Bars); diff != "" {
		t.Errorf("one caller's change reached the next (-want +got)\n%s", diff)
	}
}

func testRefusals(t *testing.T, f Fixture) {
	for _, ticker := range []string{"", "*", "../X", "/X", ".", "x", "A B", "A\x00B", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456"} {
		_, err := f.Provider.Daily(t.Context(), ticker, 1)
		wantCode(t, err, market.CodeInvalid, "illegal ticker "+ticker)
	}
	for _, bars := range []int{0, -1, math.MinInt} {
		_, err := f.Provider.Daily(t.Context(), f.Known, bars)
		wantCode(t, err, market.CodeInvalid, "too few bars asked for")
	}
	if f.Unknown != "" {
		_, err := f.Provider.Daily(t.Context(), f.Unknown, 1)
		fault := wantCode(t, err, market.CodeUnknownTicker, "unknown ticker "+f.Unknown)
		if fault != nil && fault.Ticker != f.Unknown {
			t.Errorf("the error is about %q, asked for %q", fault.Ticker, f.Unknown)
		}
	}
}

func testEndedContext(t *testing.T, f Fixture) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Provider.Daily(ended, f.Known, 1)
	wantCode(t, err, market.CodeTimeout, "ended context")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap context.Canceled", err)
	}
	if f.Lists {
		if _, err := f.Provider.Tickers(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Tickers: %v does not wrap context.Canceled", err)
		}
	}
}

func testList(t *testing.T, f Fixture) {
	tickers, err := f.Provider.Tickers(t.Context())
	if !f.Lists {
		wantCode(t, err, market.CodeInvalid, "Tickers of a provider that cannot list")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, ticker := range tickers {
		if !market.LegalTicker(ticker) {
			t.Errorf("%q is not a legal ticker", ticker)
		}
		if i > 0 && tickers[i-1] >= ticker {
			t.Errorf("%q stands before %q", tickers[i-1], ticker)
		}
	}
	if !slices.Contains(tickers, f.Known) {
		t.Errorf("%s is not among the %d listed", f.Known, len(tickers))
	}
	if f.Unknown != "" && slices.Contains(tickers, f.Unknown) {
		t.Errorf("%s is listed, but unknown", f.Unknown)
	}
}

// Worth most under the race detector.
func testConcurrency(t *testing.T, f Fixture) {
	const callers, rounds = 8, 5
	want := daily(t, f, history).Bars
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				n := 1 + (caller*rounds+round)%history
				series, err := f.Provider.Daily(t.Context(), f.Known, n)
				if err != nil {
					t.Errorf("%d bars: %v", n, err)
					return
				}
				if diff := cmp.Diff(want[history-n:], series.Bars); diff != "" {
					t.Errorf("%d bars differ (-want +got)\n%s", n, diff)
					return
				}
				clear(series.Bars)
				if f.Lists {
					if _, err := f.Provider.Tickers(t.Context()); err != nil {
						t.Errorf("Tickers: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// wantCode fails the test unless err is an *Error with the code; it returns
// the *Error, or nil.
func wantCode(t *testing.T, err error, code market.Code, when string) *market.Error {
	t.Helper()
	fault, ok := errors.AsType[*market.Error](err)
	if !ok {
		t.Errorf("%s: got %v, want a *market.Error", when, err)
		return nil
	}
	if fault.Code != code {
		t.Errorf("%s: got %s (%v), want %s", when, fault.Code, err, code)
	}
	if fault.Err == nil {
		t.Errorf("%s: an *Error without a cause", when)
	}
	return fault
}
