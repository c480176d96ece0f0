package dispatcher

import "time"

const (
	// ChunkItems is how many work items go out in one atomic batch: the
	// server's own limit of a batch.
	ChunkItems = 1000
	// Concurrency is how many jobs one dispatcher sends at a time: as many atomic
	// batches as a stream may have open, 50, with two to spare. A dispatch is
	// five waits for the server and hardly any work of ours: of 200 jobs
	// submitted at once the last was queued for 2.2 s with 8, 1.1 s with 32,
	// 0.6 s with 48 and with 64.
	Concurrency = 48
	// RetryBase is the wait before a failed dispatch is tried again, doubled
	// with each delivery: short, because most failures are a server restart.
	RetryBase = 250 * time.Millisecond
	// RetryMax bounds that wait; the reconciler finds what is left meanwhile.
	RetryMax = 15 * time.Second
	// RestartWait is the pause before the queue is opened again after it
	// failed: long enough not to hammer a server that is starting.
	RestartWait = time.Second
)
