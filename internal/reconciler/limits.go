package reconciler

import "time"

const (
	// DefaultInterval is the time between rounds: what was lost stands still
	// for half a minute at most, and 200 jobs cost a second of small reads.
	DefaultInterval = 30 * time.Second

	// retryInterval is the time to the next round after one that failed.
	retryInterval = 5 * time.Second

	// grace is how young a job is left to its dispatcher, which needs a moment
	// for each thousand tickers; both at once would only get in each other's way.
	grace = 2 * time.Second

	// maxJobs is the most jobs of one round, the oldest first: a page of the database.
	maxJobs = 1000

	// chunk is the most items or outcomes that are published at a time: half
	// of what the stream takes at once.
	chunk = 500

	// reachTimeout is how long a round waits for the recorder to reach the end
	// of the tape. A recorder that is further behind makes outcomes count
	// soon enough; then the round is better tried again later.
	reachTimeout = 10 * time.Second

	// reachEvery is the time between two looks at how far the recorder is.
	reachEvery = 20 * time.Millisecond

	// publishRounds bounds how often a refused batch of outcomes is sent again
	// without those that exist; each refusal means that somebody else published.
	publishRounds = 10
)
