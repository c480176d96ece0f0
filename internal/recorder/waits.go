package recorder

import "time"

// backoff is the wait after one more failure: doubling, with jitter.
func (c *Core) backoff() time.Duration {
	c.failed++
	wait := lastBackoff
	if c.failed < 7 {
		wait = min(firstBackoff<<(c.failed-1), lastBackoff)
	}
	return c.jitter(wait)
}

// jitter varies a wait by a quarter up and down (SplitMix64).
func (c *Core) jitter(wait time.Duration) time.Duration {
	c.random += 0x9e3779b97f4a7c15
	z := c.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return wait*3/4 + time.Duration(z%uint64(wait/2+1))
}

func earliest(now time.Time, times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if first.IsZero() {
		return now.Add(renewEvery)
	}
	return first
}
