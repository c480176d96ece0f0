package client

import "time"

const (
	// CallTime is how long one call may take; the server's own limits are shorter.
	CallTime = 30 * time.Second
	// MaxAnswerBytes bounds what is read of one answer: a page of a thousand results is 3 MiB.
	MaxAnswerBytes = 64 << 20
	// MaxEventBytes bounds one server-sent event: a snapshot of a job is small.
	MaxEventBytes = 1 << 20
	// ReconnectWait is the pause before a broken event stream is opened again.
	ReconnectWait = 500 * time.Millisecond
)
