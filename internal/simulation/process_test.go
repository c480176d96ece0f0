package simulation_test

import (
	"iter"
	"time"
)

// A process is one program: it can be killed and started again at any step,
// stopped for a while, and its clock can be wrong.
type process struct {
	w       *world
	name    string
	life    int  // incarnations so far
	alive   bool // killed ones start again after a while
	skew    time.Duration
	resumes time.Time // stopped until then
	running []*coroutine

	start func() // begins a life
	ended func() // what is left to do after a kill; may be nil
	stays bool   // it stopped for good, and rightly so
}

// wall is what the process takes for the time.
func (p *process) wall() time.Time { return p.w.now.Add(p.skew) }

// begin starts the process.
func (p *process) begin() {
	p.life++
	p.alive = true
	p.w.note(p.name, "starts", uint64(p.life), "")
	p.start()
}

// kill ends the process between two steps: what it had in hand is gone, what
// it sent may still arrive.
func (p *process) kill() {
	if !p.alive {
		return
	}
	p.w.note(p.name, "killed", uint64(p.life), "")
	p.w.stats.kills++
	p.end()
	p.w.after(p.w.rnd.span(50*time.Millisecond, 8*time.Second), func() {
		if !p.alive && !p.stays {
			p.begin()
		}
	})
}

func (p *process) end() {
	p.alive = false
	p.resumes = time.Time{}
	running := p.running
	p.running = nil
	for _, c := range running {
		c.stop()
	}
	if p.ended != nil {
		p.ended()
	}
}

// after has do called in this life when d has passed and the process is not
// stopped. Instead of it the process may be killed.
func (p *process) after(d time.Duration, do func()) {
	life := p.life
	var step func()
	step = func() {
		switch {
		case p.life != life || !p.alive:
			return
		case p.w.now.Before(p.resumes):
			p.w.after(p.resumes.Sub(p.w.now), step)
			return
		case p.w.rnd.chance(p.w.rates.crash):
			p.kill()
			return
		}
		do()
	}
	p.w.after(d, step)
}

// A coroutine runs product code that blocks. Only one runs at a time: it runs
// until it waits for something, and the loop resumes it when that has come.
type coroutine struct {
	p     *process
	next  func() (struct{}, bool)
	halt  func()
	yield func(struct{}) bool
	dead  bool
	parks int // so far
}

// killed unwinds a coroutine whose process was killed.
type killed struct{}

// spawn starts a coroutine, at once.
func (p *process) spawn(do func(c *coroutine)) *coroutine {
	c := &coroutine{p: p}
	c.next, c.halt = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if cause := recover(); cause != nil {
				if _, ok := cause.(killed); !ok {
					panic(cause)
				}
			}
		}()
		c.yield = yield
		do(c)
	})
	p.running = append(p.running, c)
	c.resume()
	return c
}

// resume lets it run until it waits again. Only the loop calls it.
func (c *coroutine) resume() {
	if c.dead {
		return
	}
	before := c.p.w.cur
	c.p.w.cur = c
	_, more := c.next()
	c.p.w.cur = before
	if !more {
		c.remove()
	}
}

// stop unwinds it where it waits.
func (c *coroutine) stop() {
	if c.dead {
		return
	}
	before := c.p.w.cur
	c.p.w.cur = c
	c.dead = true
	c.halt()
	c.p.w.cur = before
	c.remove()
}

func (c *coroutine) remove() {
	c.dead = true
	for i, other := range c.p.running {
		if other == c {
			c.p.running = append(c.p.running[:i], c.p.running[i+1:]...)
			return
		}
	}
}

// park waits until a waker that was made before is called.
func (c *coroutine) park() {
	if c.dead || !c.yield(struct{}{}) {
		c.dead = true
		panic(killed{})
	}
	c.parks++
}

// waker returns what ends the next park, and no other. Only the loop calls it.
func (c *coroutine) waker() func() {
	n := c.parks
	return func() {
		if c.parks == n {
			c.resume()
		}
	}
}

// sleep lets time pass.
func (c *coroutine) sleep(d time.Duration) {
	c.p.after(d, c.waker())
	c.park()
}
