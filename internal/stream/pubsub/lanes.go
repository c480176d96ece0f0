package pubsub

import "time"

// lanes is what the pump knows of its consumers: a pure state machine, fed
// with deliveries, statuses and the time, that says which requests to make and
// which held messages to hand out. Owned by the pump.
type lanes struct {
	wheel *wheel
	list  []lane
	free  int // slots that are neither occupied nor promised to a request
	next  int // id of the next request
}

type laneMode int

const (
	laneReady   laneMode = iota // believed to have messages; no request is open
	laneProbing                 // a request that does not wait is open
	laneWaiting                 // a request for the next message is open
	laneRefused                 // the server said no; ask again at the deadline
)

type lane struct {
	mode     laneMode
	request  int        // id of the open request
	promised int        // slots that the open probe may still fill
	deadline time.Time  // when the open request counts as lost, or a refused lane asks again
	held     []delivery // arrived without a slot
}

// A request is one pull to send.
type request struct {
	lane, id int
	batch    int
	wait     bool
}

func newLanes(weights []int, slots int) *lanes {
	return &lanes{wheel: newWheel(weights), list: make([]lane, len(weights)), free: slots}
}

// deal gives the free slots away: held messages to hand out and requests to
// send. It deals only when no probe is open, so that each round knows which
// lanes are empty and the weights hold exactly.
func (l *lanes) deal(now time.Time) (out []delivery, ask []request) {
	for i := range l.list {
		if l.list[i].mode == laneProbing {
			return nil, nil
		}
	}
	probe := make([]int, len(l.list))
	for l.free > 0 {
		i := l.wheel.next(func(i int) bool { return len(l.list[i].held) > 0 || l.list[i].mode == laneReady })
		if i < 0 {
			break
		}
		l.free--
		if held := l.list[i].held; len(held) > 0 {
			out = append(out, held[0])
			l.list[i].held = held[1:]
			continue
		}
		probe[i]++
	}
	for i, batch := range probe {
		if batch > 0 {
			ask = append(ask, l.open(i, laneProbing, batch, now.Add(probeTimeout)))
		}
	}
	return out, ask
}

func (l *lanes) open(i int, mode laneMode, batch int, deadline time.Time) request {
	l.next++
	ln := &l.list[i]
	ln.mode, ln.request, ln.deadline = mode, l.next, deadline
	if mode == laneProbing {
		ln.promised = batch
	}
	return request{lane: i, id: l.next, batch: batch, wait: mode == laneWaiting}
}

// arrived takes a delivery; true: it has a slot, hand it out.
func (l *lanes) arrived(i int, d delivery) bool {
	ln := &l.list[i]
	switch {
	case ln.mode == laneProbing && ln.promised > 0:
		if ln.promised--; ln.promised == 0 {
			ln.mode = laneReady // all that was asked for came: there may be more
		}
		return true
	case ln.mode == laneWaiting:
		ln.mode = laneReady
	}
	if l.free > 0 {
		l.free--
		return true
	}
	ln.held = append(ln.held, d)
	return false
}

// released gives a slot back.
func (l *lanes) released() { l.free++ }

// status takes the server's word on a request. A probe that ends has found the
// lane empty, and the lane waits from then on; a waiting request that ends is
// made again.
func (l *lanes) status(i, id int, code string, now time.Time) (ask []request) {
	ln := &l.list[i]
	if id != ln.request || ln.mode == laneReady || ln.mode == laneRefused {
		return nil // the end of an older request
	}
	switch code {
	case statusHeartbeat:
		ln.deadline = now.Add(waitSilence)
		return nil
	case statusNoMessages, statusTimeout:
		return []request{l.wait(i, now)}
	}
	l.release(i)
	ln.mode, ln.deadline = laneRefused, now.Add(refusedWait)
	return nil
}

func (l *lanes) wait(i int, now time.Time) request {
	l.release(i)
	return l.open(i, laneWaiting, 1, now.Add(waitSilence))
}

func (l *lanes) release(i int) {
	l.free += l.list[i].promised
	l.list[i].promised = 0
}

// tick asks again where nothing was heard for too long. What a lost request
// still delivers is held like any other message.
func (l *lanes) tick(now time.Time) (ask []request) {
	for i := range l.list {
		if ln := &l.list[i]; ln.mode != laneReady && !now.Before(ln.deadline) {
			ask = append(ask, l.wait(i, now))
		}
	}
	return ask
}

// reconnected asks again everywhere: a new connection has no open requests.
func (l *lanes) reconnected(now time.Time) (ask []request) {
	for i := range l.list {
		if l.list[i].mode != laneReady {
			ask = append(ask, l.wait(i, now))
		}
	}
	return ask
}

// drop takes all held messages out.
func (l *lanes) drop() []delivery {
	var all []delivery
	for i := range l.list {
		all = append(all, l.list[i].held...)
		l.list[i].held = nil
	}
	return all
}
