package limit

import "time"

// An Account is what must be known of one provider to share its rate: two
// instants on one clock. It is the generic cell rate algorithm without a
// burst: after being idle the next grant is at once, the one after that a full
// interval later. The zero Account is that of a provider never asked.
type Account struct {
	Next   time.Time `json:"next"`         // the next request may go out from here on
	Paused time.Time `json:"paused_until"` // nor before this: the provider said so
}

// Book takes n grants, interval apart, and returns the account without them
// and the instant of the first. now is the latest that the clock may show; no
// grant is before it. A Next more than maxBacklog after now and the pause
// was written by a clock that has been set back since; it does not count.
func (a Account) Book(now time.Time, n int, interval time.Duration) (Account, time.Time) {
	first := now
	if paused := a.PausedUntil(now); paused.After(now) {
		first = paused
	}
	if ahead := a.Next.Sub(first); ahead > 0 && ahead <= max(maxBacklog, maxBacklogIntervals*interval) {
		first = a.Next
	}
	a.Next = first.Add(time.Duration(n) * interval)
	return a, first
}

// Pause puts the end of the pause off to until, if that is later; at most to
// maxPause after now, the latest that the clock may show.
func (a Account) Pause(now, until time.Time) Account {
	if most := now.Add(maxPause); until.After(most) {
		until = most
	}
	if until.After(a.PausedUntil(now)) {
		a.Paused = until
	}
	return a
}

// PausedUntil is the end of the last pause; zero without one, and for one that
// ends more than maxPause after now: a clock that has been set back since
// wrote it, and nobody could end it.
func (a Account) PausedUntil(now time.Time) time.Time {
	if a.Paused.Sub(now) > maxPause {
		return time.Time{}
	}
	return a.Paused
}
