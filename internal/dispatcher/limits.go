package dispatcher

import "time"

const (
	// ChunkItems is how many work items go out in one atomic batch, of one job
	// or of several: the server's own limit of a batch.
	ChunkItems = 1000
	// Concurrency is how many jobs one dispatcher has in hand: all that the
	// server lets out unacknowledged, since nearly all of a dispatch is waiting,
	// and what waits together goes out in one batch.
	Concurrency = 64
	// RetryBase is the wait before a failed dispatch is tried again, doubled
	// with each delivery: short, because most failures are a server restart.
	RetryBase = 250 * time.Millisecond
	// RetryMax bounds that wait; the reconciler finds what is left meanwhile.
	RetryMax = 15 * time.Second
	// RestartWait is the pause before the queue is opened again after it
	// failed: long enough not to hammer a server that is starting.
	RestartWait = time.Second
	// StopTime is how long a stopping dispatcher waits for what the server has
	// under way to it: a round trip, unless the server does not answer.
	StopTime = 2 * time.Second
)
