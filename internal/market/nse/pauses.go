package nse

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// pauses says how long everybody is to stay away after a refusal that does not
// say so: refusedPause, and twice as long for each refusal of a request that
// went out after a pause, until one such is answered.
type pauses struct {
	mu     sync.Mutex // guards what follows
	length time.Duration
	until  time.Time
}

// refused is told of a refusal of a request that went out at sent, with the wait
// that the server asked for, or 0, and returns the pause from now on. What was
// under way when a pause began does not lengthen the next.
func (p *pauses) refused(sent, now time.Time, asked time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !sent.Before(p.until) {
		p.length = min(max(2*p.length, refusedPause), maxRefusedPause)
	}
	pause := p.length
	if asked > 0 {
		pause = asked
	} else if left := p.until.Sub(now); sent.Before(p.until) && left > 0 {
		return left
	}
	p.until = now.Add(pause)
	return pause
}

// answered is told that a request that went out at sent was not refused.
func (p *pauses) answered(sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !sent.Before(p.until) {
		p.length = 0
	}
}

// askedPause reads a Retry-After header, seconds or a date: no longer than
// maxRefusedPause, and 0 when it says nothing.
func askedPause(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return min(max(0, time.Duration(seconds)), maxRefusedPause/time.Second) * time.Second
	}
	if until, err := http.ParseTime(text); err == nil {
		return min(max(0, until.Sub(now)), maxRefusedPause)
	}
	return 0
}
