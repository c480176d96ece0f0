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
	// maxRate is the highest rate that may be asked for, requests per second:
	// above it the limiter itself would be what limits.
	maxRate = 1000
)
