package limit

import "time"

const (
	// bookAhead is how much time's worth of grants is booked at once while
	// callers wait: a hundred waiting slots then write the shared account once
	// a second. What a process that dies has booked is lost.
	bookAhead = time.Second
	// maxBooked bounds that for high rates.
	maxBooked = 1000
	// maxBacklog is how far ahead the grants of all processes may be booked:
	// each books bookAhead and then waits, so that 300 processes come this far.
	maxBacklog = 5 * time.Minute
	// maxBacklogIntervals is that for rates so low that a few grants take longer.
	maxBacklogIntervals = 100
	// maxPause is the longest pause that counts: providers ask for an hour at
	// most, and an inexact comparison of clocks needs a little more.
	maxPause = time.Hour + 5*time.Minute
	// lateness is how long after its instant a grant may still be used where the
	// interval is shorter than that: asking whether there is a pause takes its
	// time over a network, and a rate of 1,000 would throw every grant away.
	lateness = 250 * time.Millisecond
	// maxRate is the highest rate that may be asked for, requests per second:
	// above it the limiter itself would be what limits.
	maxRate = 1000
	// accountBytes is more than an account with two instants takes as JSON.
	accountBytes = 128
	// lockRetry is the wait between two tries at a file that another process
	// holds for the time of a small write.
	lockRetry = 2 * time.Millisecond
)
