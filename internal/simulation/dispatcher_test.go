package simulation_test

import (
	"context"
	"errors"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/dispatcher"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A gathering is the dispatcher's one sender of batches.
type gathering struct {
	waiting []offered
	sending bool
}

type offered struct {
	items []stream.Item
	done  func(error)
}

// dispatch takes one JobQueued through the product's core.
func (a *analysing) dispatch(c *coroutine, d delivery) {
	ctx := context.Background()
	event, err := events.Decode(d.msg.Subject, d.msg.Header, d.msg.Data)
	job, ok := event.Data.(*events.JobQueued)
	if err != nil || !ok {
		a.jobs.ack(d) // Term, which is an ack here
		return
	}
	streams := client{a.process, publishPatience}
	var core dispatcher.Core
	var in dispatcher.Input = dispatcher.Begin{Job: job, Try: d.count}
	for {
		switch out := core.Step(a.wall(), in).(type) {
		case dispatcher.Look:
			answers := make([]error, len(dispatcher.Ends))
			for i, what := range dispatcher.Ends {
				_, answers[i] = streams.JobEvent(ctx, out.JobID, what)
			}
			ended, err := dispatcher.Ended(answers)
			in = dispatcher.Looked{Ended: ended, Err: err}
		case dispatcher.Start:
			_, err := streams.Publish(ctx, events.New("tapedeck/"+a.name, a.wall(), out.Event))
			if errors.Is(err, stream.ErrExists) {
				err = nil
			}
			in = dispatcher.Done{Err: err}
		case dispatcher.Send:
			in = dispatcher.Done{Err: a.send(c, out.Items)}
		case dispatcher.Purge:
			in = dispatcher.Done{Err: streams.Purge(ctx, out.JobID)}
		case dispatcher.Finish:
			if out.Err != nil {
				a.w.note(a.name, "not dispatched", d.seq, out.Err.Error())
				a.jobs.nak(d, out.Retry)
				return
			}
			a.jobs.ack(d)
			return
		}
	}
}

// send offers a chunk and waits until it is sent.
func (a *analysing) send(c *coroutine, items []stream.Item) (err error) {
	wake := c.waiter()
	a.gather.waiting = append(a.gather.waiting, offered{items, func(e error) { err = e; wake() }})
	a.after(0, a.sendBatch)
	c.park()
	return err
}

// sendBatch sends what waits, cut by the product's rule.
func (a *analysing) sendBatch() {
	g := &a.gather
	if g.sending || len(g.waiting) == 0 {
		return
	}
	g.sending = true
	chunks := make([][]stream.Item, len(g.waiting))
	for i, o := range g.waiting {
		chunks[i] = o.items
	}
	n := dispatcher.Cut(chunks)
	batch := g.waiting[:n:n]
	g.waiting = append([]offered(nil), g.waiting[n:]...)
	a.spawn(func(*coroutine) {
		for i, err := range dispatcher.SendBatch(context.Background(), client{a.process, publishPatience}, chunks[:n]) {
			batch[i].done(err)
		}
		a.after(0, func() {
			g.sending = false
			a.sendBatch()
		})
	})
}
