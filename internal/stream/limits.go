package stream

import (
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// The limits of the streams. A full stream refuses new messages (ErrFull) and
// never drops old ones; only the cache of bars drops.
const (
	// DefaultTapeMaxBytes holds about 1.5 million outcomes of 5 KB each: two
	// years of one run over the whole market a day.
	DefaultTapeMaxBytes = 8 << 30
	// DefaultWorkMaxBytes holds about two million outstanding work items, two
	// hundred jobs of the largest size.
	DefaultWorkMaxBytes = 1 << 30
	// DefaultBarsMaxBytes holds the bars of about 50,000 tickers: 400 bars of
	// one take 6 to 10 KB. It is the one stream that drops: its oldest entries.
	DefaultBarsMaxBytes = 512 << 20
	// marketMaxBytes is far above a handful of rates and one list of tickers.
	marketMaxBytes = 16 << 20
	// MaxEntryBytes is the largest value in a bucket: what a message may have,
	// less its headers.
	MaxEntryBytes = MaxEventBytes
	// MaxEventBytes is the largest body of one event.
	MaxEventBytes = events.MaxBodyBytes
	// MaxBatch is the most messages of one atomic batch: the server's default.
	MaxBatch = 1000
	// MaxBatchBytes is the largest atomic batch. The server keeps an open batch
	// aside until its commit, for up to 50 batches at a time.
	MaxBatchBytes = 4 << 20
	// duplicateWindow is how long a stream remembers message ids. The guards
	// hold for ever; the window only saves work, and each id in it costs the
	// server about 200 bytes.
	duplicateWindow = 2 * time.Minute
)

// The limits of the consumers.
const (
	// AckWait is how long a delivered message may stay without an ack or a
	// heartbeat before it is delivered again. Handlers beat every third of it.
	AckWait = 30 * time.Second
	// dispatchMaxPending bounds the jobs in the hands of all dispatchers.
	dispatchMaxPending = 64
	// laneMaxPending bounds the items of a lane in the hands of all analyzers.
	// Items that wait for a retry count too, hence ten times the slots of
	// several analyzers.
	laneMaxPending = 4096
	// subscriberMaxPending bounds what one subscriber holds without an ack.
	subscriberMaxPending = 1000
)

// The waits of the clients.
const (
	// attemptTimeout is one request's wait for its answer. An fsync on a busy
	// disk takes tens of milliseconds, a cluster's election a few seconds.
	attemptTimeout = 5 * time.Second
	// publishPatience bounds the retries of one publish whose caller set no
	// deadline of its own.
	publishPatience = 30 * time.Second
	// retryMin and retryMax bound the jittered, doubling wait between attempts:
	// from a cluster's race, decided in milliseconds, to a server's restart.
	retryMin = 10 * time.Millisecond
	retryMax = 1 * time.Second
	// reconnectWait is short because the server is near and restarts in a second.
	reconnectWait = 250 * time.Millisecond
	// connectTimeout is for one dial; a server that rescans its files after a
	// hard kill listens only when it is done, and the dial is refused until then.
	connectTimeout = 5 * time.Second
)

// The waits of the buckets.
const (
	// clockAge is how long a comparison of clocks is used. Two clocks part by
	// less than 100 millionths, in this time by 3 ms.
	clockAge = 30 * time.Second
	// minTTL is the shortest life of a message that the server knows; whole seconds above.
	minTTL = time.Second
)

// The limits of reading.
const (
	// listRenew is how old a list of tickers may be before it is written down
	// again although it still holds, and listAge how old before it is believed no
	// more: the analyzers have stopped, or have another market.
	listRenew = 6 * time.Hour
	listAge   = 48 * time.Hour
	// maxListBytes is the largest list of tickers, expanded: 40 times what the
	// tickers of the largest job take.
	maxListBytes = 16 << 20
	// maxMonitorBytes is far above what a server says of itself.
	maxMonitorBytes = 1 << 20
	// maxStackBytes has room for the stacks of some fifty thousand goroutines.
	maxStackBytes = 64 << 20
	// maxGetSubjects is how many outcomes one multi-get asks for. The server
	// refuses more than 1,024.
	maxGetSubjects = 1000
	// lastBytes is where the server cuts the answer to a multi-get: its own
	// default, 64 MB, is what a client holds before it drops messages.
	lastBytes = 8 << 20
	// tailWindow and tailWindowBytes are what a tail prefetches: enough to keep
	// the next batch of 500 ready while the database commits the last one.
	tailWindow      = 1024
	tailWindowBytes = 16 << 20
	// tailHeartbeat is how often an idle server says that it is there.
	tailHeartbeat = 2 * time.Second
	// tailExpires is the life of one pull request.
	tailExpires = 30 * time.Second
	// tailInactive is when the server drops the consumer of a tail that died
	// without a word. A live tail renews it with each pull.
	tailInactive = 2 * time.Minute
	// watchInterval is how long a tail stays silent before it asks the stream
	// whether that is right.
	watchInterval = 3 * time.Second
)
