package simulation_test

import (
	"time"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// A pump draws messages from consumers for the free slots of a process, in the
// consumers' order, and reports what is in work every third of AckWait.
type pump struct {
	p      *process
	free   int
	from   []*consumer
	handle func(c *coroutine, d delivery)
	asks   int // the number of the request that counts
	asking bool
}

func newPump(p *process, slots int, from []*consumer, handle func(*coroutine, delivery)) *pump {
	return &pump{p: p, free: slots, from: from, handle: handle}
}

// ask sends a pull request for the free slots. An answer with nothing in it
// waits at the server until there is something.
func (u *pump) ask() {
	w := u.p.w
	if u.free == 0 || u.asking {
		return
	}
	u.asks++
	u.asking = true
	n, life := u.asks, u.p.life
	u.p.after(pollEvery, func() { // unanswered, or nothing for long
		if n == u.asks {
			u.asking = false
			u.ask()
		}
	})
	broken := w.sweep.next("pull")
	if broken.before() || !w.healed && w.rnd.chance(w.rates.readLost) {
		return
	}
	var serve func()
	serve = func() {
		if u.p.life != life || n != u.asks { // nobody waits for it any more
			return
		}
		var list []delivery
		for _, c := range u.from {
			list = append(list, c.take(u.free-len(list))...)
		}
		if len(list) == 0 {
			told := false // by one of them is enough
			tell := func() {
				if !told {
					told = true
					serve()
				}
			}
			for _, c := range u.from {
				c.waiting = append(c.waiting, tell)
			}
			return
		}
		u.p.after(w.latency(), func() {
			if n == u.asks {
				u.asking = false
			}
			u.ask()
		})
		u.free -= len(list)
		for _, d := range list {
			if broken != nil {
				u.p.after(0, u.freed) // it never arrives, and comes again
				continue
			}
			u.deliver(d)
		}
	}
	w.after(w.latency(), serve)
}

func (u *pump) deliver(d delivery) {
	w := u.p.w
	if !w.healed && w.rnd.chance(w.rates.delivery) {
		w.stats.lostDeliveries++
		w.note(u.p.name, "delivery lost", d.seq, d.msg.Subject)
		u.p.after(0, u.freed)
		return
	}
	u.p.after(w.latency(), func() {
		w.note(u.p.name, "takes", d.seq, d.msg.Subject)
		done := false
		u.p.spawn(func(c *coroutine) {
			u.handle(c, d)
			done = true
			u.p.after(0, u.freed)
		})
		var beat func()
		beat = func() {
			if !done {
				w.after(w.latency(), func() { d.from.postpone(d.seq, stream.AckWait) })
				u.p.after(stream.HeartbeatInterval, beat)
			}
		}
		u.p.after(stream.HeartbeatInterval, beat)
	})
}

func (u *pump) freed() {
	u.free++
	u.ask()
}

// ack and nak go out without an answer, so they can be lost.
func (u *pump) ack(d delivery) { u.settle(d, "acks", func() { d.from.ack(d.seq, d.msg) }) }

func (u *pump) nak(d delivery, wait time.Duration) {
	u.settle(d, "naks", func() { d.from.postpone(d.seq, wait) })
}

func (u *pump) settle(d delivery, what string, do func()) {
	w := u.p.w
	w.note(u.p.name, what, d.seq, d.msg.Subject)
	if broken := w.sweep.next("ack"); broken != nil || !w.healed && w.rnd.chance(w.rates.ack) {
		w.stats.lostAcks++
		return
	}
	w.after(w.latency(), do)
}
