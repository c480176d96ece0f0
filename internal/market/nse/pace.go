package nse

import "time"

// pace measures how fast days are fetched, so that who cannot wait for one can
// be told when to come back. It goes by the machine's clock, and the queue's
// lock guards it.
type pace struct {
	began time.Time // when there was something to fetch again
	ended int       // days since then, whatever became of them
	// halted is how much of the time since then the server asked to be left
	// alone, up to until, which may lie ahead.
	halted time.Duration
	until  time.Time
}

// start begins to measure.
func (p *pace) start(now time.Time) { *p = pace{began: now, until: p.until} }

// halt notes that nothing is fetched for a while from now on. Pauses overlap:
// several requests are refused at the same time.
func (p *pace) halt(now time.Time, pause time.Duration) {
	from := now
	if p.until.After(from) {
		from = p.until
	}
	if until := now.Add(pause); until.After(from) {
		p.halted += until.Sub(from)
		p.until = until
	}
}

// left is how long the next n days will take, as those before them did; 0 when
// nothing is known.
func (p *pace) left(now time.Time, n int) time.Duration {
	ahead := max(0, p.until.Sub(now))
	if p.ended == 0 {
		return ahead
	}
	worked := max(0, now.Sub(p.began)-(p.halted-ahead))
	return ahead + worked*time.Duration(n)/time.Duration(p.ended)
}
