package pubsub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// ErrClosed says that the subscriber or publisher was closed.
var ErrClosed = errors.New("closed")

// A Source is one durable pull consumer that a subscription draws from. It
// must acknowledge explicitly. It need not exist yet, nor for ever: the
// subscription asks until it does.
type Source struct {
	Stream   string
	Consumer string
	Weight   int // its share while all sources have messages, from 1
}

// TopicWork is the topic under which LaneTopics offers the lanes.
const TopicWork = "work"

// LaneTopics offers the work queue's lanes, by their weights, as TopicWork.
func LaneTopics(topic string) ([]Source, error) {
	if topic != TopicWork {
		return nil, fmt.Errorf("no topic %q; the lanes are %q", topic, TopicWork)
	}
	var sources []Source
	for _, lane := range stream.Lanes() {
		sources = append(sources, Source{Stream: stream.Work, Consumer: lane.Consumer(), Weight: lane.Weight()})
	}
	return sources, nil
}

// SubscriberConfig is what NewSubscriber needs.
type SubscriberConfig struct {
	// Conn is the connection; the subscriber never closes it.
	Conn *nats.Conn
	// Topics gives the sources of a topic, for example LaneTopics.
	Topics func(topic string) ([]Source, error)
	// Slots is how many messages of one subscription are in work at a time,
	// 1 to MaxSlots. With 1 and one source, messages come in order.
	Slots int
	// Heartbeat is how often a message in work is reported as such. It must be
	// well below the consumers' AckWait. Default: stream.HeartbeatInterval.
	Heartbeat time.Duration
	// Backoff is the wait before a message comes again after its Nack, given
	// its deliveries so far. Default: Backoff.
	Backoff func(attempts uint64) time.Duration
	// Grace is how long running handlers may take after Close, or after the
	// end of the context of Subscribe, before theirs is cancelled and their
	// message given back. Default: DefaultGrace.
	Grace time.Duration
	// Logger gets refusals of the server. Default: none.
	Logger *slog.Logger
}

// Backoff doubles from one second to one minute and takes a random share of
// that, so that what failed together does not come again together.
func Backoff(attempts uint64) time.Duration {
	wait := retryMax
	if attempts < 7 { // 1 s doubled six times is above a minute
		wait = min(retryMin<<max(attempts, 1)>>1, retryMax)
	}
	return rand.N(wait) + time.Millisecond
}

// A Subscriber is a message.Subscriber over pull consumers. See the package
// comment for how it pulls. Safe for concurrent use.
type Subscriber struct {
	cfg     SubscriberConfig
	closing chan struct{}
	pumps   sync.WaitGroup

	mu     sync.Mutex // guards closed, and pumps against Close
	closed bool
}

// NewSubscriber checks the config; it does not talk to the server.
func NewSubscriber(cfg SubscriberConfig) (*Subscriber, error) {
	if cfg.Conn == nil || cfg.Topics == nil {
		return nil, errors.New("making a subscriber: it needs a connection and topics")
	}
	if cfg.Slots < 1 || cfg.Slots > MaxSlots {
		return nil, fmt.Errorf("making a subscriber: %d slots, must be 1 to %d", cfg.Slots, MaxSlots)
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = stream.HeartbeatInterval
	}
	if cfg.Backoff == nil {
		cfg.Backoff = Backoff
	}
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Subscriber{cfg: cfg, closing: make(chan struct{})}, nil
}

// Subscribe draws from the sources of a topic until ctx ends or Close. The
// channel is closed then, at once; handlers that still run have the grace
// time. Messages carry the values of ctx, not its end.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	sources, err := s.cfg.Topics(topic)
	if err != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", topic, err)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("subscribing to %s: it has no sources", topic)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("subscribing to %s: %w", topic, ErrClosed)
	}
	p, err := newPump(ctx, s.cfg, sources)
	if err != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", topic, err)
	}
	s.pumps.Go(func() { p.run(ctx, s.closing) })
	return p.out, nil
}

// Close ends all subscriptions and returns when every message in hand was
// acknowledged or given back, at the latest a little after the grace time.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.pumps.Wait()
	return nil
}
