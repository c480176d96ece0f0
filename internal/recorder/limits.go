package recorder

import "time"

// The batch.
const (
	// maxBatch is the most events that one commit records: the knee of the
	// measured curve, above which only the wait for a commit grows.
	maxBatch = 500

	// maxBatchBytes is the most bytes of event bodies in one commit. Ten full
	// JobQueued fit; without it 500 of them would be 450 MB.
	maxBatchBytes = 8 << 20

	// maxLoads is the most jobs whose state is loaded for one batch, so that a
	// batch that touches 500 jobs of 10,000 tickers does not load them all at once.
	maxLoads = 64

	// maxCachedTickers bounds the states that are kept between batches, by
	// the tickers of their jobs: 25 jobs of the largest size, or thousands of
	// small ones, in about 30 MB.
	maxCachedTickers = 250_000
)

// The lease.
const (
	// leaseTTL is how long a dead recorder keeps the others out, its own
	// successor too: short enough that a restarted one records within five
	// seconds on a machine that is busy too. A database that does not answer for longer costs the lease and
	// nothing else: who takes it goes on from the checkpoint, and the fence
	// refuses what the other still sends.
	leaseTTL = 3 * time.Second

	// renewEvery is a third of leaseTTL, so that two lost renewals do no harm.
	renewEvery = leaseTTL / 3

	// standbyEvery is how often a standby asks for the lease: with leaseTTL it
	// has it within 3.32 seconds of a kill. An ask in vain writes nothing.
	standbyEvery = 250 * time.Millisecond

	// pauseTTL is how long the lease is taken for when commits pause for a swap,
	// which on a busy disk takes seconds. Meanwhile nobody could record anyway.
	// It is less than store.LongestLease.
	pauseTTL = 6 * time.Second
)

// Patience.
const (
	// firstBackoff and lastBackoff bound the wait after a failed call, which
	// doubles from the one to the other: a blip costs nothing, and a database
	// that is away for minutes is not hammered.
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second

	// checkEvery is how often a running recorder looks whether the tape is
	// still the one that it records: one small request, and the lag with it.
	checkEvery = 5 * time.Second

	// databaseTimeout ends a call that a database that hangs would never
	// answer; far above the worst commit, so that it never ends a slow one.
	databaseTimeout = 30 * time.Second

	// tapeTimeout ends a request to the stream that stays unanswered.
	tapeTimeout = 5 * time.Second

	// StopTime is how long a stopping recorder may commit what it has in hand
	// and give up the lease: what the budget of a stop leaves to each part.
	StopTime = 3 * time.Second
)

// Announcements.
const (
	// maxAnnouncements is the most ends that wait in memory to be announced;
	// beyond it they are found again in the database.
	maxAnnouncements = 1000
)

// Lengths and ranges of what an event may carry. The fold decides by them, so
// both databases take the same events; changing one is a new projection version.
const (
	maxJobTickers   = 10_000
	maxTickerBytes  = 32
	maxIDBytes      = 64
	maxNameBytes    = 256
	maxTextBytes    = 4096
	maxStrategy     = 64 << 10
	maxListLength   = 1024
	maxAttempts     = 1_000_000
	maxPoisonText   = 512
	firstLegalYear  = 1970
	lastLegalYear   = 9999
	maxBarsOfOption = 1_000_000
	maxSessions     = 10_000  // of a backtest: twice what an event has room for
	maxStepDays     = 100_000 // between two sessions of a backtest
)
