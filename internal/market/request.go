package market

import (
	"context"
	"fmt"
	"strings"

	"github.com/tapedeck/tapedeck/internal/ticker"
)

// CheckRequest is what every provider asks before it works: an *Error with
// CodeTimeout around ctx's error when ctx has ended (errors.Is finds
// context.Canceled and context.DeadlineExceeded), with CodeInvalid when name
// is no ticker in canonical spelling or bars is below 1, else nil.
func CheckRequest(ctx context.Context, name string, bars int) error {
	// An illegal name stands in the cause alone, quoted and cut short: it may be anything.
	canonical, err := ticker.Parse(name)
	if err == nil && canonical != name {
		err = fmt.Errorf("%q is not a ticker's canonical spelling; write %s", name, canonical)
	}
	if err != nil {
		return &Error{Code: CodeInvalid, Err: err}
	}
	if bars < 1 {
		return &Error{Code: CodeInvalid, Ticker: name, Err: fmt.Errorf("%d bars asked for; at least 1", bars)}
	}
	return ContextError(ctx, name)
}

// ContextError returns nil while ctx lives, else an *Error with CodeTimeout
// around ctx's error. The ticker's name may be empty.
func ContextError(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return &Error{Code: CodeTimeout, Ticker: name, Err: err}
	}
	return nil
}

// LegalTicker reports whether name is a ticker in its canonical spelling, as
// ticker.Parse returns it. Providers ask because it becomes a file's name or
// an address.
func LegalTicker(name string) bool {
	canonical, err := ticker.Parse(name)
	return err == nil && canonical == name
}

// ListingCurrency is the ISO 4217 currency that a ticker's exchange suffix
// fixes: INR for .NS (NSE) and .BO (BSE); empty when the suffix does not say.
func ListingCurrency(name string) string {
	if strings.HasSuffix(name, ".NS") || strings.HasSuffix(name, ".BO") {
		return "INR"
	}
	return ""
}
