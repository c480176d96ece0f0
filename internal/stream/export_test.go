package stream

import "time"

// MakeClock is a comparison with a server whose clock is not this machine's.
func MakeClock(sent, received, server time.Time) Clock {
	return Clock{sent: sent, received: received, server: server}
}
