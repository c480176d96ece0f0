package chain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/chain"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
)

// A shelf is a provider of a few tickers, each with as many bars as it says.
type shelf struct {
	name  string
	bars  map[string]int
	fails map[string]*market.Error // by ticker, "" for Tickers
	notes []string
}

func (s *shelf) Name() string { return s.name }

func (s *shelf) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if err := market.CheckRequest(ctx, ticker, bars); err != nil {
		return market.Series{}, err
	}
	if fault := s.fails[ticker]; fault != nil {
		return market.Series{}, fault
	}
	n, known := s.bars[ticker]
	if !known {
		return market.Series{}, &market.Error{Code: market.CodeUnknownTicker, Ticker: ticker, Where: "shelf " + s.name, Err: errors.New("not on it")}
	}
	if n == 0 {
		return market.Series{}, &market.Error{Code: market.CodeNoData, Ticker: ticker, Err: errors.New("an empty box")}
	}
	series := market.Series{Ticker: ticker, Provider: s.name, Adjustment: market.AdjustmentNone, Notes: s.notes}
	for i := max(0, n-bars); i < n; i++ {
		series.Bars = append(series.Bars, market.Bar{
			Date: time.Date(2024, 1, 1+i, 0, 0, 0, 0, time.UTC), Open: 1, High: 2, Low: 1, Close: 1 + float64(i)/1000, Volume: 1,
		})
	}
	return series, nil
}

func (s *shelf) Tickers(ctx context.Context) ([]string, error) {
	if err := market.ContextError(ctx, ""); err != nil {
		return nil, err
	}
	if fault := s.fails[""]; fault != nil {
		return nil, fault
	}
	var list []string
	for _, ticker := range []string{"A", "B", "C"} {
		if _, ok := s.bars[ticker]; ok {
			list = append(list, ticker)
		}
	}
	return list, nil
}

func fault(code market.Code) *market.Error {
	return &market.Error{Code: code, Err: fmt.Errorf("for %s", code)}
}

func open(t *testing.T, providers ...market.Provider) *chain.Provider {
	t.Helper()
	c, err := chain.New(providers...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConforms(t *testing.T) {
	markettest.Test(t, func(t *testing.T) markettest.Fixture {
		return markettest.Fixture{
			Provider: open(t, &shelf{name: "first", bars: map[string]int{"A": 0, "C": 3}}, &shelf{name: "second", bars: map[string]int{"B": 400}}),
			Known:    "B", Unknown: "X", Lists: true, Delivers: "second",
		}
	})
}

func TestOnlyHasNotGoesOn(t *testing.T) {
	second := &shelf{name: "second", bars: map[string]int{"A": 5}, notes: []string{"its own"}}
	for _, code := range []market.Code{
		market.CodeUnknownTicker, market.CodeNoData, market.CodeBadData, market.CodeInvalid,
		market.CodeUnavailable, market.CodeRateLimited, market.CodeTimeout,
	} {
		first := &shelf{name: "first", fails: map[string]*market.Error{"A": fault(code)}}
		series, err := open(t, first, second).Daily(t.Context(), "A", 3)
		if code != market.CodeUnknownTicker && code != market.CodeNoData {
			if !errors.Is(err, first.fails["A"]) {
				t.Errorf("%s of the first: got %v, %v", code, series, err)
			}
			continue
		}
		if err != nil || series.Provider != "second" || len(series.Bars) != 3 {
			t.Errorf("%s of the first: got %v, %v", code, series, err)
		}
		if diff := cmp.Diff([]string{"first was asked first: " + string(code), "its own"}, series.Notes); diff != "" {
			t.Error(diff)
		}
	}
	// The first that has it is not asked twice, nor the second at all.
	series, err := open(t, second, &shelf{name: "third", fails: map[string]*market.Error{"A": fault(market.CodeBadData)}}).Daily(t.Context(), "A", 3)
	if err != nil || series.Provider != "second" || cmp.Diff([]string{"its own"}, series.Notes) != "" {
		t.Errorf("got %v, %v", series, err)
	}
	if second.notes[0] != "its own" || len(second.notes) != 1 {
		t.Errorf("the provider's own notes became %q", second.notes)
	}
}

func TestNobodyHasIt(t *testing.T) {
	unknown, empty := &shelf{name: "one"}, &shelf{name: "two", bars: map[string]int{"A": 0}}
	for _, test := range []struct {
		chain *chain.Provider
		code  market.Code
		text  string
	}{
		{open(t, unknown, unknown), market.CodeUnknownTicker, "A: one: shelf one: not on it; one: shelf one: not on it"},
		{open(t, unknown, empty), market.CodeNoData, "A: one: shelf one: not on it; two: an empty box"},
		{open(t, empty, unknown), market.CodeNoData, "A: two: an empty box; one: shelf one: not on it"},
		{open(t, unknown), market.CodeUnknownTicker, "A: shelf one: not on it"},
	} {
		_, err := test.chain.Daily(t.Context(), "A", 1)
		got, ok := errors.AsType[*market.Error](err)
		if !ok || got.Code != test.code || got.Error() != test.text || got.Ticker != "A" {
			t.Errorf("%s: got %v, want %s %q", test.chain.Name(), err, test.code, test.text)
		}
	}
	if _, err := chain.New(); err == nil {
		t.Error("a chain of nobody")
	}
}

func TestTickersOfThoseThatList(t *testing.T) {
	ab, bc := &shelf{name: "ab", bars: map[string]int{"A": 1, "B": 1}}, &shelf{name: "bc", bars: map[string]int{"B": 1, "C": 1}}
	cannot := &shelf{name: "any", fails: map[string]*market.Error{"": fault(market.CodeInvalid)}}
	down := &shelf{name: "down", fails: map[string]*market.Error{"": fault(market.CodeUnavailable)}}
	for _, test := range []struct {
		chain *chain.Provider
		want  string
		code  market.Code
	}{
		{open(t, bc, ab), "A B C", ""},
		{open(t, ab, cannot), "A B", ""},
		{open(t, cannot, bc), "B C", ""},
		{open(t, cannot, cannot), "", market.CodeInvalid},
		{open(t, ab, down), "", market.CodeUnavailable},
	} {
		tickers, err := test.chain.Tickers(t.Context())
		var code market.Code
		if got, ok := errors.AsType[*market.Error](err); ok {
			code = got.Code
		}
		if got := strings.Join(tickers, " "); got != test.want || code != test.code {
			t.Errorf("%s: %q, %v", test.chain.Name(), got, err)
		}
	}
}
