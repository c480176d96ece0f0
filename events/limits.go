package events

import "time"

// Limits of the wire. They are part of v1: a reader refuses what lies beyond.
const (
	// MaxBodyBytes is the largest body of an event. NATS carries 1 MiB by
	// default, headers included; the rest is room for headers and a guard.
	// 10,000 tickers of 32 bytes and a strategy of 64 KiB fit.
	MaxBodyBytes = 900 << 10
	// MaxTextBytes is what CleanText leaves of a text: enough for an error
	// with its causes, small against a report.
	MaxTextBytes = 2 << 10
	// MaxHeaderBytes is the longest value of one envelope header: a job id,
	// a slash and a ticker fit many times over.
	MaxHeaderBytes = 512
)

// Limits of Subscribe and Replay.
const (
	// maxNameBytes keeps a subscriber's name readable in listings; the
	// server itself would take 255.
	maxNameBytes = 32
	// requestTimeout bounds one question to the server: generous for a
	// loaded one, short for somebody who waits for an error message.
	requestTimeout = 5 * time.Second
	// flushTimeout bounds how long a stop waits until the last answers have
	// left; a lost one only means that an event comes again.
	flushTimeout = 2 * time.Second
	// pullSize is how many events one request of Subscribe asks for. They
	// stay unacknowledged while they wait, so it is small.
	pullSize = 64
	// replaySize is how many events one request of Replay asks for:
	// measured, more gains nothing.
	replaySize = 500
	// pullHeartbeat is how often the server says that it still knows a
	// request; after two silent ones the request is made anew. So a stalled
	// consumer or a restarted server costs at most about 4 s.
	pullHeartbeat = 2 * time.Second
	// defaultMinBackoff and defaultMaxBackoff bound the wait before an event
	// whose handler failed comes again.
	defaultMinBackoff = time.Second
	defaultMaxBackoff = time.Minute
	// minRetry and maxRetry bound the wait between two requests that failed.
	minRetry = 250 * time.Millisecond
	maxRetry = 5 * time.Second
	// defaultGrace is how long a handler may go on after the stop: an
	// orderly stop of a container allows 10 s.
	defaultGrace = 5 * time.Second
	// defaultAckWait is the server's own, for a consumer that states none.
	defaultAckWait = 30 * time.Second
	// heartbeatsPerAckWait is how often a handler in work is reported within
	// the time after which the server would deliver its event again.
	heartbeatsPerAckWait = 3
	// maxLookups is how often in a row a consumer that was there before may
	// be missing (a server that restarts) until it counts as deleted.
	maxLookups = 5
	// maxReplayFailures is how often in a row Replay may ask without getting
	// one event until it gives up: about half a minute with maxRetry.
	maxReplayFailures = 10
)
