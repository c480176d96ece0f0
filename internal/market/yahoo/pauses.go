package yahoo

import (
	"sync"
	"time"
)

// pauses says how long everybody is to pause after a refusal: first, then
// twice as long for each refusal of a request that went out after a pause,
// until one such is answered.
type pauses struct {
	first, longest time.Duration

	mu     sync.Mutex // guards length and until
	length time.Duration
	until  time.Time
}

// refused is told of a refusal of a request sent at sent, with the wait that
// Yahoo asked for, or 0. It returns the pause's end and whether it is a new one:
// what was under way when a pause began does not lengthen it.
func (p *pauses) refused(sent, now time.Time, asked time.Duration) (until time.Time, fresh bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sent.Before(p.until) {
		return p.until, false
	}
	p.length = min(max(2*p.length, p.first), p.longest)
	p.until = now.Add(max(p.length, min(asked, longestAsked)))
	return p.until, true
}

// answered is told that a request sent at sent was not refused.
func (p *pauses) answered(sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !sent.Before(p.until) {
		p.length = 0
	}
}

// rest is how long the pause still lasts at now; 0 when there is none.
func (p *pauses) rest(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, p.until.Sub(now))
}
