// Package dispatcher turns one JobQueued into one work item per ticker. It
// runs inside the analyzer process, any number of them side by side: they
// share the durable consumer "dispatch", and guards make a second dispatch of
// the same job harmless. What it decides stands in core.go; this file carries
// it out.
package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Tape is what a dispatcher needs of the tape. Publish returns
// stream.ErrExists for a fact that stands there already, JobEvent
// stream.ErrNotFound for one that does not.
type Tape interface {
	Publish(ctx context.Context, event events.Event) (seq uint64, err error)
	JobEvent(ctx context.Context, jobID, what string) (events.Recorded, error)
}

// Work is what a dispatcher needs of the work queue. Dispatch sends all items
// or none: stream.ErrExists if one is outstanding. DispatchMissing sends those
// items, of one job, that are not outstanding; it may be called again.
type Work interface {
	Queue
	Purge(ctx context.Context, jobID string) error
	DispatchQueue(ctx context.Context) (jetstream.Consumer, error)
}

// Dispatcher carries jobs from the tape to the work queue.
type Dispatcher struct {
	log    *slog.Logger
	tape   Tape
	work   Work
	source string
}

// New returns a dispatcher. source is the ce-source of its events.
func New(log *slog.Logger, tape Tape, work Work, source string) *Dispatcher {
	return &Dispatcher{log: log.With("stage", "dispatcher"), tape: tape, work: work, source: source}
}

// Run dispatches until ctx ends, then finishes the chunk in hand and returns
// nil. A queue that fails is opened again.
func (d *Dispatcher) Run(ctx context.Context) error {
	for {
		err := d.consume(ctx)
		if ctx.Err() != nil {
			return nil
		}
		d.log.Warn("dispatch queue failed, opening it again", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(RestartWait):
		}
	}
}

func (d *Dispatcher) consume(ctx context.Context) error {
	queue, err := d.work.DispatchQueue(ctx)
	if err != nil {
		return fmt.Errorf("opening the dispatch queue: %w", err)
	}
	messages, err := queue.Messages(jetstream.PullMaxMessages(Concurrency))
	if err != nil {
		return fmt.Errorf("reading the dispatch queue: %w", err)
	}
	patience, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stop := context.AfterFunc(ctx, func() {
		messages.Drain()                 // what has arrived is still read, and given back
		time.AfterFunc(StopTime, giveUp) // of a server that does not answer the library waits longer
	})
	defer stop()
	defer messages.Stop()
	gathering, end := context.WithCancel(ctx)
	defer end()
	chunks := newGather(d.work)
	go chunks.run(gathering)
	var busy sync.WaitGroup
	defer busy.Wait()
	slots := make(chan struct{}, Concurrency)
	for {
		msg, err := messages.Next(jetstream.NextContext(patience))
		if err != nil {
			return fmt.Errorf("reading the dispatch queue: %w", err)
		}
		if ctx.Err() != nil {
			d.settle(d.log, msg.NakWithDelay(time.Millisecond))
			continue
		}
		slots <- struct{}{}
		busy.Go(func() {
			defer func() { <-slots }()
			d.deliver(ctx, msg, chunks)
		})
	}
}

// deliver takes one JobQueued through the core and settles its message.
func (d *Dispatcher) deliver(ctx context.Context, msg jetstream.Msg, chunks *gather) {
	meta, err := msg.Metadata()
	if err != nil {
		d.log.Error("message without metadata on the dispatch queue", "err", err)
		return
	}
	log := d.log.With("seq", meta.Sequence.Stream, "attempt", meta.NumDelivered)
	event, err := events.Decode(msg.Subject(), msg.Headers(), msg.Data())
	if err != nil { // the recorder sets it aside as poison; here there is nothing to dispatch
		log.Error("not a JobQueued, skipped", "err", err)
		d.settle(log, msg.TermWithReason("malformed"))
		return
	}
	job, ok := event.Data.(*events.JobQueued)
	if !ok {
		log.Warn("unknown kind of event on the dispatch queue, skipped", "type", event.Data.EventType())
		d.settle(log, msg.Ack())
		return
	}
	log = log.With("job_id", job.JobID)
	began := time.Now()
	end := d.dispatch(ctx, Begin{Job: job, Try: int(meta.NumDelivered)}, chunks, func() { d.settle(log, msg.InProgress()) })
	if end.Err != nil {
		if ctx.Err() == nil {
			log.Warn("job not dispatched, trying again", "retry", end.Retry, "err", end.Err)
		}
		d.settle(log, msg.NakWithDelay(end.Retry))
		return
	}
	d.settle(log, msg.DoubleAck(context.WithoutCancel(ctx)))
	log.Debug("job dispatched", "tickers", len(job.Tickers), "elapsed", time.Since(began))
}

// dispatch runs the core to its end. alive is called while it works.
func (d *Dispatcher) dispatch(ctx context.Context, begin Begin, chunks *gather, alive func()) Finish {
	var core Core
	in := Input(begin)
	for {
		switch out := core.Step(time.Now(), in).(type) {
		case Look:
			ended, err := d.ended(ctx, out.JobID)
			in = Looked{Ended: ended, Err: err}
		case Start:
			_, err := d.tape.Publish(ctx, events.New(d.source, time.Now(), out.Event))
			if errors.Is(err, stream.ErrExists) {
				err = nil
			}
			in = Done{wrap("publishing JobStarted", err)}
		case Send:
			in = Done{wrap("sending work items", chunks.send(ctx, out.Items))}
		case Purge:
			in = Done{wrap("purging work items", d.work.Purge(ctx, out.JobID))}
		case Finish:
			return out
		}
		alive()
	}
}

// ended looks for a cancel and for an announced end of the job, both at once:
// that neither is there, the usual answer, takes longest to learn.
func (d *Dispatcher) ended(ctx context.Context, jobID string) (bool, error) {
	answers := make([]error, len(Ends))
	var asked sync.WaitGroup
	for i, what := range Ends {
		asked.Go(func() { _, answers[i] = d.tape.JobEvent(ctx, jobID, what) })
	}
	asked.Wait()
	ended, err := Ended(answers)
	return ended, wrap("looking whether job "+jobID+" has ended", err)
}

// settle notes an acknowledgement that could not be sent: the message comes
// again, and its guards make that harmless.
func (d *Dispatcher) settle(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("dispatch queue not answered", "err", err)
	}
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
