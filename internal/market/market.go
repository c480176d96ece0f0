// Package market says what market data is: bars, series with their lineage,
// and the ports through which analyzers get them. It holds no provider; each
// has a package of its own below this one, and all of them pass markettest.
package market

import (
	"context"
	"time"
)

// A Bar is one trading session of one ticker. Prices are in the currency of
// the exchange, Volume in shares. Date is the session's calendar date in the
// exchange's time zone, held as midnight UTC so that equal dates are equal values.
type Bar struct {
	Date   time.Time
	Open   float64
	High   float64
	Low    float64
	Close  float64
	Volume float64
}

// An Adjustment says what has been taken out of a series' prices.
type Adjustment string

// The adjustments that providers deliver.
const (
	// AdjustmentUnknown is what a provider says whose source does not say it.
	AdjustmentUnknown         Adjustment = "unknown"
	AdjustmentNone            Adjustment = "none"
	AdjustmentSplits          Adjustment = "splits"
	AdjustmentSplitsDividends Adjustment = "splits_dividends"
)

// A Series is the daily bars of one ticker, oldest first, dates strictly
// increasing, every bar complete and valid (see Validate), with its lineage.
type Series struct {
	Ticker     string
	Provider   string // the provider's name: "csvdir", "synthetic", ...
	Synthetic  bool   // generated, not observed: marked wherever it is shown
	Adjustment Adjustment
	Currency   string // ISO 4217; empty when the provider does not say
	Bars       []Bar
	Warnings   []string // odd but usable, such as "17 zero-volume days"
	// Notes say what was done to get these bars, in order: the splits that were
	// taken out and by whose word, the providers that were asked first.
	Notes []string
}

// A Provider delivers series. Implementations are safe for concurrent use,
// honour ctx, and return the newest `bars` complete bars (fewer if the ticker
// has fewer). Errors are *Error; the caller decides on retries by its Code.
type Provider interface {
	// Name is the provider's name as it stands in a result's lineage.
	Name() string
	// Daily returns at most bars (>= 1) of the newest daily bars of ticker.
	Daily(ctx context.Context, ticker string, bars int) (Series, error)
	// Tickers lists every ticker that the provider can deliver, sorted; an
	// *Error with CodeInvalid when it cannot list (any legal ticker works).
	Tickers(ctx context.Context) ([]string, error)
}
