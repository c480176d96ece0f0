package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrGap says that events that were asked for are not on the tape any
	// more, or that the tape jumped over some.
	ErrGap = errors.New("events are missing on the tape")
	// ErrNoJob says that the tape holds no event of a job.
	ErrNoJob = errors.New("the tape holds no such job")
)

// ReplayConfig says which part of the tape to replay. The zero value is all of it.
type ReplayConfig struct {
	// FromSeq is the first sequence, from 1; 0 means 1. Not with FromTime.
	FromSeq uint64
	// FromTime is the tape's time from which on events come. Not with FromSeq.
	FromTime time.Time
	// JobID leaves only the events of one job; empty means all jobs.
	JobID string
	// ToSeq is the last sequence; 0, or one that lies in the future, means
	// the last that the tape holds when Replay starts.
	ToSeq uint64
	// OnMalformed is called for a message that is not an event; an error
	// ends the replay. nil ends it with ErrMalformed.
	OnMalformed func(Malformed) error
}

// Replay calls fn for events of the tape in their order, each once, and
// returns nil when all that were asked for have been. It ends at the last
// event as of its start and never waits for new ones. An error of fn ends it
// and is returned. ErrGap says that a part of what was asked for is gone,
// ErrNoJob that the job was never there; whatever else stops it names the
// sequence after which to go on.
//
// It keeps no state on the server and needs a user who may read the stream's
// info and create consumers on the tape: a subscriber's may not.
func Replay(ctx context.Context, nc *nats.Conn, config ReplayConfig, fn func(Recorded) error) error {
	if config.FromSeq > 0 && !config.FromTime.IsZero() {
		return errors.New("replaying: FromSeq and FromTime exclude each other")
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("replaying: %w", err)
	}
	r := &replay{config: config, fn: fn, js: js, next: max(config.FromSeq, 1)}
	if config.JobID != "" {
		token := EncodeToken(config.JobID)
		r.filters = []string{"tape.job." + token + ".>", "tape.ticker." + token + ".>"}
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	return r.run(ctx)
}

// A replay is one running Replay; its fields belong to that call.
type replay struct {
	config  ReplayConfig
	fn      func(Recorded) error
	js      jetstream.JetStream
	filters []string
	next    uint64 // the sequence to go on from
	last    uint64 // the sequence to end at
	seen    int    // events given to fn
	done    bool
	err     error // why it is done; nil when nothing is left
}

// whole reports whether the caller asked for a job from its beginning.
func (r *replay) whole() bool {
	return r.config.JobID != "" && r.config.FromSeq == 0 && r.config.FromTime.IsZero()
}

// open notes where the tape ends, and refuses to begin where it is cut off.
// The server would begin with the next event that is left, without a word.
func (r *replay) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := r.js.Stream(ctx, StreamName)
	if err != nil {
		return fmt.Errorf("replaying: asking for the tape: %w", err)
	}
	state := stream.CachedInfo().State
	r.last = state.LastSeq
	if r.config.ToSeq > 0 {
		r.last = min(r.last, r.config.ToSeq)
	}
	switch {
	case state.FirstSeq <= 1, r.whole():
	case !r.config.FromTime.IsZero():
		if r.config.FromTime.Before(state.FirstTime) {
			return fmt.Errorf("%w: it begins at %s", ErrGap, state.FirstTime.UTC().Format(time.RFC3339Nano))
		}
	case r.next < state.FirstSeq:
		return fmt.Errorf("%w: it begins at sequence %d", ErrGap, state.FirstSeq)
	}
	r.done = r.next > r.last
	return nil
}

func (r *replay) run(ctx context.Context) error {
	for failures := 0; !r.done; {
		before := r.next
		err := r.round(ctx)
		if r.done {
			break
		}
		if r.next > before {
			failures = 0
		}
		failures++
		if err == nil {
			err = errors.New("the server stopped delivering")
		}
		if ctx.Err() != nil || failures == maxReplayFailures || r.js.Conn().IsClosed() {
			return fmt.Errorf("replaying: stopped before sequence %d: %w", r.next, errors.Join(ctx.Err(), err))
		}
		sleep(ctx, backoff(minRetry, maxRetry, failures))
	}
	if r.err == nil && r.seen == 0 && r.whole() && r.config.ToSeq == 0 {
		return fmt.Errorf("%w: %s", ErrNoJob, r.config.JobID)
	}
	return r.err
}

// round makes a consumer at the next sequence and reads from it until the end
// or until something is not as it should be; then the next round goes on.
func (r *replay) round(ctx context.Context) error {
	consumer, err := r.create(ctx)
	if err != nil {
		return err
	}
	defer r.drop(ctx, consumer)
	pending := consumer.CachedInfo().NumPending
	for delivered := uint64(0); pending > 0 && !r.done; {
		batch, stop, err := fetch(ctx, consumer, int(min(pending, replaySize)))
		if err != nil {
			return err
		}
		before := delivered
		for msg := range batch.Messages() {
			meta, err := msg.Metadata()
			if ctx.Err() != nil || err != nil {
				stop()
				return errors.Join(ctx.Err(), err)
			}
			if meta.Sequence.Consumer != delivered+1 {
				stop()
				return fmt.Errorf("delivery %d was lost on the way", delivered+1)
			}
			delivered, pending = delivered+1, meta.NumPending
			if r.take(msg, meta.Sequence.Stream); r.done {
				break
			}
		}
		stop()
		if err := batch.Error(); err != nil && !r.done {
			return err
		}
		if delivered == before {
			return nil
		}
	}
	if !r.done {
		r.finish(r.checkEnd())
	}
	return nil
}

// checkEnd is asked when the server has nothing more to deliver. Without a
// filter the last sequence must have come by then, unless nothing is as late
// as the time asked for.
func (r *replay) checkEnd() error {
	nothingSoLate := !r.config.FromTime.IsZero() && r.seen == 0
	if r.config.JobID == "" && !nothingSoLate && r.next <= r.last {
		return fmt.Errorf("%w: it ended at sequence %d and ends before %d now", ErrGap, r.last, r.next)
	}
	return nil
}

func (r *replay) create(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	config := jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       r.next,
		AckPolicy:         jetstream.AckNonePolicy,
		FilterSubjects:    r.filters,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: time.Minute, // the server drops it when we die
	}
	if r.seen == 0 && !r.config.FromTime.IsZero() {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartTimePolicy, 0
		config.OptStartTime = &r.config.FromTime
	}
	consumer, err := r.js.CreateConsumer(ctx, StreamName, config)
	if err != nil {
		return nil, fmt.Errorf("creating a consumer: %w", err)
	}
	return consumer, nil
}

// drop spares the server an idle consumer; it would drop it by itself.
func (r *replay) drop(ctx context.Context, consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	_ = r.js.DeleteConsumer(ctx, StreamName, consumer.CachedInfo().Name)
}

// take gives one message to fn, or ends the replay.
func (r *replay) take(msg jetstream.Msg, seq uint64) {
	if seq > r.last {
		r.done = true
		return
	}
	byTime := !r.config.FromTime.IsZero() && r.seen == 0
	if r.config.JobID == "" && !byTime && seq != r.next {
		r.finish(fmt.Errorf("%w: sequence %d is followed by %d", ErrGap, r.next-1, seq))
		return
	}
	recorded, err := FromMessage(msg)
	switch {
	case err != nil && r.config.OnMalformed != nil:
		err = r.config.OnMalformed(newMalformed(msg, recorded, err))
	case err != nil:
		err = fmt.Errorf("replaying sequence %d: %w", seq, err)
	case r.seen == 0 && r.whole() && recorded.Data.EventType() != TypeJobQueued:
		err = fmt.Errorf("%w: job %s begins with %s at sequence %d", ErrGap, r.config.JobID, recorded.Data.EventType(), seq)
	default:
		err = r.fn(recorded)
	}
	if err != nil {
		r.finish(err)
		return
	}
	r.seen++
	r.next = seq + 1
	r.done = seq == r.last
}

func (r *replay) finish(err error) { r.done, r.err = true, err }
