package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNotSubscribed says that the subscriber's consumer is not on the tape:
// it was never added, or it was removed.
var ErrNotSubscribed = errors.New("no such subscriber on the tape")

// SubscribeConfig says who subscribes and how patiently.
type SubscribeConfig struct {
	// Name is the subscriber's, as given to 'tapedeck subscriber add NAME'.
	// That command chooses which events come, and where they begin.
	Name string
	// Logger gets failed handlers, malformed events and lost connections;
	// nil means slog.Default.
	Logger *slog.Logger
	// OnMalformed is called for a message that is not an event. nil logs it
	// as an error. Either way it is then set aside for this subscriber and
	// never blocks what follows, unless OnMalformed returns an error: then
	// it comes again like an event whose handler failed.
	OnMalformed func(context.Context, Malformed) error
	// MinBackoff and MaxBackoff bound the wait until an event whose handler
	// failed comes again: it doubles with each attempt, half of it random.
	// 0 means 1 s and 1 min.
	MinBackoff, MaxBackoff time.Duration
	// Grace is how long the handler in work may go on after the stop until
	// its context ends. 0 means 5 s.
	Grace time.Duration
}

// Subscribe calls the handlers for the events of the tape, from where this
// subscriber stopped last, until ctx ends; then it lets the handler in work
// finish and returns nil. Each event comes at least once. With a consumer of
// one event in flight (max_ack_pending 1) they come strictly in the order of
// the tape, and one that fails holds up those behind it; with more in flight,
// others pass by while it waits, and the order may break after a crash.
//
// Several programs may subscribe under one name: they share the events.
//
// Restarts of the server and lost connections are survived. It returns
// ErrNotSubscribed when the consumer does not exist (any more), and an error
// when the connection is closed or, at the start, the server does not answer.
// A handler in work is reported to the server, so it may take as long as it
// needs. nc stays open; make it with Connect.
func Subscribe(ctx context.Context, nc *nats.Conn, config SubscribeConfig, handlers Handlers) error {
	s, err := newSubscriber(nc, config, handlers)
	if err != nil {
		return err
	}
	consumer, err := s.first(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	working, stop := withGrace(ctx, s.config.Grace)
	defer stop()
	if err := s.run(ctx, working, consumer); err != nil {
		return err
	}
	s.flush()
	return nil
}

// A subscriber is one running Subscribe. All fields are set before it runs.
type subscriber struct {
	config   SubscribeConfig
	handlers Handlers
	durable  string
	nc       *nats.Conn
	js       jetstream.JetStream
	log      *slog.Logger
}

func newSubscriber(nc *nats.Conn, config SubscribeConfig, handlers Handlers) (*subscriber, error) {
	durable, err := DurableName(config.Name)
	if err != nil {
		return nil, err
	}
	if handlers.empty() {
		return nil, fmt.Errorf("subscribing as %q: no handler is set, every event would be lost", config.Name)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("subscribing as %q: %w", config.Name, err)
	}
	config.MinBackoff = orDefault(config.MinBackoff, defaultMinBackoff)
	config.MaxBackoff = max(orDefault(config.MaxBackoff, defaultMaxBackoff), config.MinBackoff)
	config.Grace = orDefault(config.Grace, defaultGrace)
	log := config.Logger
	if log == nil {
		log = slog.Default()
	}
	return &subscriber{
		config: config, handlers: handlers, durable: durable,
		nc: nc, js: js, log: log.With("stage", durable),
	}, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// withGrace gives a context that ends grace after ctx.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-working.Done():
		}
	})
	return working, func() { unhook(); cancel() }
}

// first finds the consumer at the start, when a mistake in the name or the
// credentials is likely: what cannot mend itself is said at once.
func (s *subscriber) first(ctx context.Context) (jetstream.Consumer, error) {
	for failures := 1; ; failures++ {
		consumer, err := s.lookup(ctx)
		if err == nil {
			return consumer, nil
		}
		refused := errors.Is(s.nc.LastError(), nats.ErrPermissionViolation)
		if refused {
			err = fmt.Errorf("%w (%w)", err, s.nc.LastError())
		}
		if refused || errors.Is(err, ErrNotSubscribed) || s.nc.IsClosed() || failures == maxLookups {
			return nil, err
		}
		if !sleep(ctx, backoff(minRetry, maxRetry, failures)) {
			return nil, ctx.Err()
		}
	}
}

// lookup asks for the durable's consumer: its permissions allow no more.
func (s *subscriber) lookup(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	consumer, err := s.js.Consumer(ctx, StreamName, s.durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, fmt.Errorf("%w: %s: run 'tapedeck subscriber add %s': %w", ErrNotSubscribed, s.durable, s.config.Name, err)
	case err != nil:
		return nil, fmt.Errorf("asking for the consumer %s: %w", s.durable, err)
	}
	return consumer, nil
}

// run pulls until ctx ends. Each request of its own is bounded and watched by
// heartbeats, so nothing can stall for longer than one.
func (s *subscriber) run(ctx, working context.Context, consumer jetstream.Consumer) error {
	failures, missing := 0, 0
	for ctx.Err() == nil {
		err := s.pull(ctx, working, consumer)
		if err == nil {
			failures = 0
			continue
		}
		if s.nc.IsClosed() {
			return fmt.Errorf("subscribing as %q: %w", s.config.Name, err)
		}
		failures++
		s.log.Warn("pulling events failed; trying again", "attempt", failures, "err", err)
		if !sleep(ctx, backoff(minRetry, maxRetry, failures)) {
			return nil
		}
		found, err := s.lookup(ctx)
		switch {
		case err == nil:
			consumer, missing = found, 0
		case errors.Is(err, ErrNotSubscribed):
			if missing++; missing == maxLookups {
				return err
			}
		}
	}
	return nil
}

// flush sees that the last answers leave: without them, events would come again.
func (s *subscriber) flush() {
	if err := s.nc.FlushTimeout(flushTimeout); err != nil && !s.nc.IsClosed() {
		s.log.Warn("the last acknowledgements may be lost; their events will come again", "err", err)
	}
}

// sleep waits, and reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// backoff doubles from lo with each attempt (from 1) up to hi; half of it is
// random, so that many who failed together do not come again together.
func backoff(lo, hi time.Duration, attempt int) time.Duration {
	d := lo
	for range attempt - 1 {
		if d >= hi/2 {
			d = hi
			break
		}
		d *= 2
	}
	half := min(d, hi) / 2
	return half + rand.N(half+1)
}
