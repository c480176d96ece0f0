package universe

import "time"

const (
	// MaxTickers is the most tickers that a list may hold: what a job may hold.
	// The longest list of an exchange has 5,000.
	MaxTickers = 10_000

	// MaxFileBytes is the longest file of tickers that ParseFile reads: MaxTickers
	// lines of a hundred bytes.
	MaxFileBytes = 1 << 20

	// maxAnswerBytes is the longest answer of an exchange's server that is read.
	// NASDAQ's directory has 500 KB, NSE's list of all equities 200 KB.
	maxAnswerBytes = 8 << 20

	// maxLineBytes is the longest line of a file or answer: names of companies
	// make lines of 300 bytes.
	maxLineBytes = 4096

	// maxFaults is how many illegal lines an error names: enough to see a
	// pattern, few enough for a terminal.
	maxFaults = 10

	// DefaultMaxAge is how old a fetched list may be. The exchanges publish daily
	// and change their indices twice a year.
	DefaultMaxAge = 24 * time.Hour

	// fetchTimeout bounds one fetch with everything in it: somebody waits for it
	// while submitting, and the files come within a second or not at all.
	fetchTimeout = 15 * time.Second

	// retryAfter is how long a failed fetch is remembered: submissions in a row
	// do not wait for the same dead server, and an exchange is not hammered.
	retryAfter = 2 * time.Minute

	// maxShrink is the smallest part of the cached list that a new one may have.
	// Exchanges delist a handful a week; a list that lost a twentieth was cut off,
	// and one cut is not to prepare for the next.
	maxShrink = 0.95
)
