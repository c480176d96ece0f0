package markettest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
)

func faulty(t *testing.T, plan ...markettest.Fault) *markettest.FaultyProvider {
	t.Helper()
	p, err := synthetic.New(synthetic.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return markettest.Faulty(p, plan...)
}

func codeOf(err error) market.Code {
	if fault, ok := errors.AsType[*market.Error](err); ok {
		return fault.Code
	}
	return ""
}

func TestFaultyWithoutAPlanConforms(t *testing.T) {
	markettest.Test(t, func(t *testing.T) markettest.Fixture {
		return markettest.Fixture{Provider: faulty(t), Known: "TCS.NS"}
	})
}

func TestFaultsMeetTheirCalls(t *testing.T) {
	p := faulty(t,
		markettest.Fault{Ticker: "A", First: 2, Last: 3, Do: markettest.Fail(market.CodeRateLimited)},
		markettest.Fault{Ticker: "A", First: 3, Do: markettest.Fail(market.CodeUnavailable)},
		markettest.Fault{Ticker: "B", Do: markettest.Fail(market.CodeNoData)},
	)
	for ticker, want := range map[string][]market.Code{
		"A": {"", market.CodeRateLimited, market.CodeRateLimited, market.CodeUnavailable, market.CodeUnavailable},
		"B": {market.CodeNoData, market.CodeNoData},
		"C": {"", ""},
	} {
		for i, code := range want {
			series, err := p.Daily(t.Context(), ticker, 5)
			if got := codeOf(err); got != code {
				t.Errorf("%s, call %d: %v, want %q", ticker, i+1, err, code)
			}
			if (err == nil) != (len(series.Bars) == 5) {
				t.Errorf("%s, call %d: %d bars, %v", ticker, i+1, len(series.Bars), err)
			}
		}
		if got := p.Calls(ticker); got != len(want) {
			t.Errorf("%s: %d calls counted, made %d", ticker, got, len(want))
		}
	}
}

func TestPanic(t *testing.T) {
	defer func() {
		if value := recover(); value != "boom" {
			t.Errorf("recovered %v, want boom", value)
		}
	}()
	_, err := faulty(t, markettest.Fault{Do: markettest.Panic("boom")}).Daily(t.Context(), "A", 1)
	t.Errorf("no panic, but %v", err)
}

func TestHangAndDelayHonourTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		for name, do := range map[string]markettest.Behaviour{
			"hang": markettest.Hang(), "delay": markettest.Delay(time.Hour), "until": markettest.Until(make(chan struct{})),
		} {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			_, err := faulty(t, markettest.Fault{Do: do}).Daily(ctx, "A", 1)
			cancel()
			if codeOf(err) != market.CodeTimeout || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: got %v, want timeout", name, err)
			}
		}
		if got := time.Since(start); got != 3*time.Minute {
			t.Errorf("took %s, want 3 minutes", got)
		}
		if _, err := faulty(t, markettest.Fault{Do: markettest.Delay(time.Hour)}).Daily(context.Background(), "A", 1); err != nil {
			t.Errorf("after a delay: %v", err)
		}
		if got := time.Since(start); got != time.Hour+3*time.Minute {
			t.Errorf("took %s, want an hour more", got)
		}
	})
}
