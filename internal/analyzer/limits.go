package analyzer

import "time"

const (
	// MaxAttempts is how often a ticker is tried while its failures may pass.
	MaxAttempts = 5
	// MaxDeliveries is how often a work item may be delivered without any
	// outcome (analyzers that die with it in hand) before it fails as
	// attempts_exhausted. Above MaxAttempts, so that restarts alone do not
	// spend a ticker's attempts.
	MaxDeliveries = 20
	// AttemptTime is how long one attempt may take to get its bars: a slow answer
	// with its own retries fits in, a hang does not hold a slot for ever.
	AttemptTime = 60 * time.Second

	// MaxBacktestBars is the most bars that a backtest asks of a provider, those
	// before its window included: twenty years of sessions.
	MaxBacktestBars = 5000
	// spareSessions is how many more bars than weekdays are asked for: exchanges
	// open on a few Saturdays and Sundays in twenty years.
	spareSessions = 10

	// BatchMessages is the most outcomes in one atomic batch: half the
	// server's limit, committed in about 10 ms.
	BatchMessages = 500
	// BatchBytes is the most bytes of outcomes in one atomic batch: what a batch
	// may have (stream.MaxBatchBytes, 4 MiB), less 2 KiB for each one's guard.
	BatchBytes = 3 << 20
	// CommitRetryBase is the wait before an unanswered batch is sent again.
	CommitRetryBase = 100 * time.Millisecond
	// CommitRetryMax bounds that wait: a server restart takes a few seconds.
	CommitRetryMax = 5 * time.Second
	// CommitTime is how long one publish of a batch may take.
	CommitTime = 10 * time.Second
	// MaxRefusals is how often a refused batch is cleaned of what is taken
	// before its outcomes go out one by one.
	MaxRefusals = 3

	// CancelCheck is how old an answer to 'is this job cancelled' may be: one
	// small read per job and analyzer in this time, and at most this much work
	// for nothing after a cancel.
	CancelCheck = 2 * time.Second
	// CachedJobs is how many jobs' strategies are kept: more than are active
	// at once, 64 KiB each at the worst.
	CachedJobs = 256
	// StopTime is how long the Router waits for its handlers at the end: above
	// the subscriber's grace time, which ends them, and within what the budget
	// of a stop leaves to each part.
	StopTime = 3250 * time.Millisecond
)
