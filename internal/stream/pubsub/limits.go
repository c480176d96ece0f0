package pubsub

import "time"

const (
	// DefaultGrace is how long Close lets running handlers finish: an analysis
	// takes milliseconds, a provider's answer up to a few seconds, and a drain
	// must stay within what the budget of a stop leaves to each part.
	DefaultGrace = 3 * time.Second
	// MaxSlots bounds the messages in work at a time: each costs a goroutine
	// and its heartbeats.
	MaxSlots = 1024
	// probeTimeout is how long an answer to a request that does not wait may
	// take before it counts as lost with its connection.
	probeTimeout = 5 * time.Second
	// waitExpires is the life of a request that waits for the next message.
	waitExpires = 30 * time.Second
	// waitHeartbeat is how often the server says that such a request lives;
	// after two and a half without one it is made again.
	waitHeartbeat = 2 * time.Second
	waitSilence   = waitHeartbeat*2 + waitHeartbeat/2
	// refusedWait is the pause after a refused request (the consumer is gone,
	// the server restarts, a permission is missing).
	refusedWait = 500 * time.Millisecond
	// tick is how often the pump looks at its clocks.
	tick = 250 * time.Millisecond
	// closeFlush bounds the round trip by which Close learns that nothing more
	// is under way from the server.
	closeFlush = 2 * time.Second
	// retryMin and retryMax bound the wait before a message comes again after
	// a Nack: doubling with each attempt, the whole of it jittered.
	retryMin = 1 * time.Second
	retryMax = 60 * time.Second
	// publishTimeout bounds a Publish, whose interface has no context of its own.
	publishTimeout = 30 * time.Second
)
