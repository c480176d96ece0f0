package simulation_test

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A fate is what becomes of one request.
type fate int

// The fates.
const (
	fine        fate = iota
	lost             // the request never arrives
	answerLost       // it is carried out, the answer never comes
	late             // it arrives after its sender gave up
	twice            // it arrives a second time, seconds later
	refused          // nobody knows (10164, no leader), nothing happened
	full             // the clean refusal of a full stream (10077)
	failedAfter      // carried out and answered with an error (a lost COMMIT answer)
	serialized       // the database refuses it, nothing happened
	fates
)

var faultNames = [fates]string{"", "request lost", "answer lost", "late", "twice", "undecided", "full", "failed after it happened", "serialization failure"}

// stats is what happened in a run.
type stats struct {
	faults                                             [fates]int
	calls, kills, pauses, jumps, foreign, recreated    int
	lostDeliveries, lostAcks, lostWork, damage, cancel int
	skipped, outages                                   int
	commits, fenced                                    int
	virtual                                            time.Duration
	steps                                              int
	healing                                            []healing
}

func (s *stats) injected() (n int) {
	for _, count := range s.faults {
		n += count
	}
	return n + s.kills + s.pauses + s.jumps + s.foreign + s.recreated + s.lostDeliveries + s.lostAcks + s.lostWork + s.damage + s.skipped + s.outages
}

// A healing is how long a run took from its healing to the end of every job.
// Jobs without analyzers wait for their deadlines, so their runs have none.
type healing struct {
	took time.Duration
	seed uint64
}

// healed says how long runs took to heal.
func (s *stats) healed() string {
	if len(s.healing) == 0 {
		return ""
	}
	slices.SortFunc(s.healing, func(a, b healing) int { return cmp.Compare(a.took, b.took) })
	last := s.healing[len(s.healing)-1]
	return fmt.Sprintf("all ended after the healing: half within %s, 99 %% within %s, all within %s (seed %d)",
		s.healing[len(s.healing)/2].took, s.healing[len(s.healing)*99/100].took, last.took, last.seed)
}

// add sums runs up.
func (s *stats) add(w *world) {
	o := w.stats
	for i, n := range o.faults {
		s.faults[i] += n
	}
	s.calls += o.calls
	s.kills += o.kills
	s.pauses += o.pauses
	s.jumps += o.jumps
	s.foreign += o.foreign
	s.recreated += o.recreated
	s.lostDeliveries += o.lostDeliveries
	s.lostAcks += o.lostAcks
	s.lostWork += o.lostWork
	s.damage += o.damage
	s.skipped += o.skipped
	s.outages += o.outages
	s.cancel += o.cancel
	s.commits += o.commits
	s.fenced += o.fenced
	s.healing = append(s.healing, o.healing...)
	s.virtual += w.now.Sub(began)
	s.steps += w.steps
}

// rates are the probabilities of a run, drawn from its seed; all zero once it
// is healed.
type rates struct {
	crash, slow                           float64 // per step, per message
	lost, answerLost, late, twice, refuse float64 // per request to a stream
	full                                  float64 // per publish
	readLost                              float64 // per read of a stream
	dbBefore, dbAfter, dbHang             float64 // per call of the database
	delivery, ack                         float64 // lost, each
	pause, jump, recreate, loseWork       float64 // per second
	outage                                float64 // per second
	foreign                               float64 // per second
	provider                              float64 // share of attempts that fail
	hang                                  float64 // share of attempts that hang
	skip                                  float64 // share of messages that a tail leaves out
}

// drawRates makes each kind of fault absent in about half of the runs, so that
// each is also met alone.
func drawRates(r *random) rates {
	up := func(most float64) float64 {
		if r.chance(0.5) {
			return 0
		}
		return most * float64(r.below(1000)) / 1000
	}
	return rates{
		crash: up(0.01), slow: up(0.3),
		lost: up(0.15), answerLost: up(0.25), late: up(0.15), twice: up(0.15), refuse: up(0.3),
		full: up(0.15), readLost: up(0.1),
		dbBefore: up(0.15), dbAfter: up(0.15), dbHang: up(0.05),
		delivery: up(0.2), ack: up(0.3),
		pause: up(0.1), jump: up(0.05), recreate: up(0.05), loseWork: up(0.02), outage: up(0.04),
		foreign: up(0.5), provider: up(0.6), hang: up(0.1), skip: up(0.01),
	}
}

func (w *world) fateOfPublish() fate {
	r := &w.rates
	switch rnd := &w.rnd; {
	case w.healed:
		return fine
	case w.now.Before(w.streamsBack), rnd.chance(r.lost):
		return lost
	case rnd.chance(r.answerLost):
		return answerLost
	case rnd.chance(r.late):
		return late
	case rnd.chance(r.twice):
		return twice
	case rnd.chance(r.refuse):
		return refused
	case rnd.chance(r.full):
		return full
	}
	return fine
}

func (w *world) fateOfRead() fate {
	switch {
	case w.healed:
		return fine
	case w.now.Before(w.streamsBack), w.rnd.chance(w.rates.readLost):
		return lost
	case w.rnd.chance(w.rates.refuse / 4):
		return refused
	}
	return fine
}

func (w *world) fateOfStore() fate {
	r := &w.rates
	switch rnd := &w.rnd; {
	case w.healed:
		return fine
	case w.now.Before(w.databaseBack), rnd.chance(r.dbBefore):
		return serialized
	case rnd.chance(r.dbAfter):
		return failedAfter
	case rnd.chance(r.dbHang):
		if rnd.chance(0.5) {
			return answerLost
		}
		return late
	}
	return fine
}

// disturb lets the rarer things happen, second by second, until the healing.
func (w *world) disturb() {
	if w.healed {
		return
	}
	r, rnd := &w.rates, &w.rnd
	if rnd.chance(r.pause) {
		w.pause(oneOf(rnd, w.processes))
	}
	if rnd.chance(r.jump) {
		w.jump()
	}
	if rnd.chance(r.recreate) {
		w.rewindConsumer()
	}
	if rnd.chance(r.loseWork) {
		w.stats.lostWork++
		w.work.lose()
	}
	if rnd.chance(r.outage) {
		w.outage()
	}
	if rnd.chance(r.foreign) {
		w.stats.foreign++
		w.foreign.publish()
	}
	w.after(rnd.span(500*time.Millisecond, 1500*time.Millisecond), w.disturb)
}

// outage takes the streams or the database away for a while, or fills the tape.
func (w *world) outage() {
	w.stats.outages++
	n, d := w.rnd.below(3), w.rnd.span(500*time.Millisecond, 40*time.Second)
	w.note("world", [...]string{"streams away for", "database away for", "tape full for"}[n], uint64(d), "")
	switch n {
	case 0:
		w.streamsBack = w.now.Add(d)
	case 1:
		w.databaseBack = w.now.Add(d)
	case 2:
		w.tape.full = true
		w.after(d, func() { w.tape.full = false })
	}
}

func (w *world) pause(p *process) {
	if !p.alive {
		return
	}
	d := w.rnd.span(100*time.Millisecond, 60*time.Second)
	w.note(p.name, "stopped for", uint64(d), "")
	w.stats.pauses++
	p.resumes = w.now.Add(d)
}

// jump sets the clock of one process, or of the database.
func (w *world) jump() {
	d := w.rnd.span(-time.Hour, time.Hour)
	w.stats.jumps++
	n := w.rnd.below(len(w.processes) + 1)
	if n == len(w.processes) {
		w.note("database", "clock set", uint64(d), "")
		w.database.skew = d
		return
	}
	p := w.processes[n]
	w.note(p.name, "clock set", uint64(d), "")
	p.skew = d
}

// rewindConsumer makes a consumer anew: at an older position, so that what was
// acknowledged comes again, or at the end, so that what waits never comes.
func (w *world) rewindConsumer() {
	w.stats.recreated++
	c := w.tape.dispatch
	if n := w.rnd.below(5); n < 4 {
		c = w.work.lanes[n]
		w.note(c.name, "made anew", 0, "")
		c.rewind(0)
		return
	}
	at := w.tape.end()
	if w.rnd.chance(0.5) {
		at = uint64(w.rnd.below(int(at) + 1))
	}
	w.note(c.name, "made anew", at, "")
	c.rewind(at)
}

// damage takes from the tape what was stored: its end, as a power cut does where
// not every write is synced, or all of it. A recorder must stop loudly then, if
// what it recorded is not on the tape any more.
func (w *world) damage() {
	if w.rnd.chance(0.6) { // it takes the processes with it
		for _, p := range w.processes {
			p.kill()
		}
	}
	if w.rnd.chance(0.3) {
		w.tape.recreate()
		return
	}
	w.tape.loseTail(w.rnd.between(1, 12))
}

// heal ends all faults: what is down starts, what is stopped goes on, and all
// clocks are right.
func (w *world) heal() {
	w.note("world", "heals", 0, "")
	w.healed = true
	w.rates = rates{}
	w.tape.full = false
	w.database.skew = 0
	for _, p := range w.processes {
		p.resumes = time.Time{}
		p.skew = 0
	}
	if w.deserted {
		for _, a := range w.analyzers {
			a.stays = true
			a.end()
		}
	}
}
