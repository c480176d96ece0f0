package market

import "time"

// A Code says why a provider did not deliver. The values are the same words
// as the failure codes of the events, so the mapping is by name.
type Code string

// The reasons. Unavailable, RateLimited and Timeout may pass; the others will not.
const (
	CodeUnknownTicker Code = "unknown_ticker"
	CodeNoData        Code = "no_data"
	CodeBadData       Code = "bad_data"
	CodeInvalid       Code = "invalid_parameters"
	CodeUnavailable   Code = "provider_unavailable"
	CodeRateLimited   Code = "rate_limited"
	CodeTimeout       Code = "timeout"
)

// An Error says what a provider could not deliver, why, and where the fault is.
type Error struct {
	Code   Code
	Ticker string
	Where  string // file and line, or address; empty when there is no place
	Err    error  // the cause; never nil
	// RetryAfter is how long, from now, asking again is in vain: the rest of a
	// rate limit's pause, or of an open circuit breaker. 0 when not known.
	RetryAfter time.Duration
}

// Error implements error: "ticker: where: cause".
func (e *Error) Error() string {
	text := e.Err.Error()
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	if e.Ticker != "" {
		text = e.Ticker + ": " + text
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
