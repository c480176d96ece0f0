package events

// A FailureCode says why a ticker failed. The list is closed: readers take a
// code that they do not know as FailureInternal (see Known).
type FailureCode string

// The codes.
const (
	FailureUnknownTicker       FailureCode = "unknown_ticker"
	FailureNoData              FailureCode = "no_data"
	FailureShortHistory        FailureCode = "short_history"
	FailureBadData             FailureCode = "bad_data"
	FailureInvalidParameters   FailureCode = "invalid_parameters"
	FailureProviderUnavailable FailureCode = "provider_unavailable"
	FailureRateLimited         FailureCode = "rate_limited"
	FailureTimeout             FailureCode = "timeout"
	FailurePanic               FailureCode = "panic"
	FailureAttemptsExhausted   FailureCode = "attempts_exhausted"
	FailureDeadline            FailureCode = "deadline"
	FailureInternal            FailureCode = "internal"
)

// A Failure is one row of the table of failure codes.
type Failure struct {
	Code      FailureCode
	Retriable bool   // the analyzer tries again before it gives up
	Meaning   string // what happened, for people
	Remedy    string // what to do about it
}

// Failures is the table of failure codes, in the order of the documentation.
func Failures() []Failure {
	return []Failure{
		{FailureUnknownTicker, false, "the provider does not have this ticker", "check the spelling and the suffix of the exchange, or name another market"},
		{FailureNoData, false, "the provider has the ticker but no bars of it", "check the provider's data for this ticker"},
		{FailureShortHistory, false, "there are fewer bars than the strategy needs", "wait for more sessions, or use a strategy with a smaller min_bars"},
		{FailureBadData, false, "a bar is malformed or impossible", "mend the row that the message names"},
		{FailureInvalidParameters, false, "the job's parameters cannot be carried out for this ticker", "submit the job again with other parameters"},
		{FailureProviderUnavailable, true, "the provider did not answer, or answered that it is down", "retry the failed tickers later"},
		{FailureRateLimited, true, "the provider refused more requests", "retry the failed tickers later, or ask for fewer at a time"},
		{FailureTimeout, true, "the ticker took longer than one attempt may", "retry the failed tickers; look at the provider's speed"},
		{FailurePanic, false, "the analysis crashed on this ticker", "report it with the ticker, the job and the message"},
		{FailureAttemptsExhausted, false, "the work item was delivered again and again without an outcome", "look at the analyzers' logs for crashes on this ticker"},
		{FailureDeadline, false, "the job's deadline passed before this ticker had an outcome", "retry the failed tickers with more analyzers or a later deadline"},
		{FailureInternal, false, "an error of tapedeck itself", "report it with the ticker, the job and the message"},
	}
}

// Known returns the code itself if it stands in the table, else FailureInternal.
func (c FailureCode) Known() FailureCode {
	for _, f := range Failures() {
		if f.Code == c {
			return c
		}
	}
	return FailureInternal
}

// Retriable reports whether an analyzer tries again after this failure.
func (c FailureCode) Retriable() bool {
	return c == FailureProviderUnavailable || c == FailureRateLimited || c == FailureTimeout
}
