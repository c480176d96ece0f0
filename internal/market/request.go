package market

import (
	"context"
	"fmt"
	"strings"
)

// CheckRequest is what every provider asks before it works: an *Error with
// CodeTimeout around ctx's error when ctx has ended (errors.Is finds
// context.Canceled and context.DeadlineExceeded), with CodeInvalid when ticker
// is not legal or bars is below 1, else nil.
func CheckRequest(ctx context.Context, ticker string, bars int) error {
	if !LegalTicker(ticker) {
		return &Error{Code: CodeInvalid, Ticker: ticker, Err: fmt.Errorf("not a legal ticker")}
	}
	if bars < 1 {
		return &Error{Code: CodeInvalid, Ticker: ticker, Err: fmt.Errorf("%d bars asked for; at least 1", bars)}
	}
	return ContextError(ctx, ticker)
}

// ContextError returns nil while ctx lives, else an *Error with CodeTimeout
// around ctx's error. Ticker may be empty.
func ContextError(ctx context.Context, ticker string) error {
	if err := ctx.Err(); err != nil {
		return &Error{Code: CodeTimeout, Ticker: ticker, Err: err}
	}
	return nil
}

// LegalTicker reports whether ticker is canonical as package ticker defines
// it: ^[A-Z0-9^][A-Z0-9.&^=_/-]{0,31}$. Providers ask because a ticker
// becomes a file's name or an address.
func LegalTicker(ticker string) bool {
	if ticker == "" || len(ticker) > maxTickerLength {
		return false
	}
	for i := range len(ticker) {
		c := ticker[i]
		switch {
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '^':
		case i > 0 && strings.IndexByte(".&=_/-", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// ListingCurrency is the ISO 4217 currency that a ticker's exchange suffix
// fixes: INR for .NS (NSE) and .BO (BSE); empty when the suffix does not say.
func ListingCurrency(ticker string) string {
	if strings.HasSuffix(ticker, ".NS") || strings.HasSuffix(ticker, ".BO") {
		return "INR"
	}
	return ""
}
