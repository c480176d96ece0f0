// Package analyzer takes work items from the lanes, analyses or
// backtests each ticker, and publishes exactly one outcome for it. Any number of analyzers run side by
// side; what keeps an outcome single is the tape's guard, not they.
//
// A message goes handler, publish, ack, in that order, on Watermill's Router:
// an item is acknowledged only when an outcome of its ticker stands on the
// tape. What to do with a failure is decided in decide.go, how outcomes are
// gathered into batches in commit.go; both without goroutines, clock or I/O.
package analyzer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/stream/pubsub"
)

// Tape is what an analyzer needs of the tape, with the errors of package stream.
type Tape interface {
	Publish(ctx context.Context, event events.Event) (seq uint64, err error)
	PublishBatch(ctx context.Context, batch []events.Event) error
	Taken(ctx context.Context, outcomes []events.Data) ([]bool, error)
	JobEvents
}

// Work is what an analyzer needs of the work queue besides its messages.
type Work interface {
	Purge(ctx context.Context, jobID string) error
}

// Config is what an analyzer is made of. Clock and AttemptTime may be zero.
type Config struct {
	Log      *slog.Logger
	Tape     Tape
	Work     Work
	Items    message.Subscriber // of pubsub.TopicWork
	Provider market.Provider
	Name     string // of this process, in outcomes: "analyzer-host-1234"

	Clock       func() time.Time // default time.Now; stamps outcomes, and tells how far back a backtest must ask
	AttemptTime time.Duration    // default AttemptTime
}

// Analyzer turns work items into outcomes.
type Analyzer struct {
	log         *slog.Logger
	items       message.Subscriber
	provider    market.Provider
	handler     *Handler
	outbox      *outbox
	now         func() time.Time
	attemptTime time.Duration
	turns       chan struct{} // holds one token for each backtest that is being worked out
}

// New wires an analyzer; nothing runs yet.
func New(cfg Config) *Analyzer {
	log := cfg.Log.With("stage", "analyzer")
	a := &Analyzer{
		log:         log,
		items:       cfg.Items,
		provider:    cfg.Provider,
		outbox:      newOutbox(cfg.Tape, log),
		now:         cfg.Clock,
		attemptTime: cfg.AttemptTime,
		turns:       make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.attemptTime == 0 {
		a.attemptTime = AttemptTime
	}
	a.handler = NewHandler(HandlerConfig{
		Log: log, Tape: cfg.Tape, Work: cfg.Work, Name: cfg.Name, Now: a.now,
		Analyze: a.analyze, Backtest: a.backtestOf, Store: a.outbox.store,
	})
	return a
}

// Run works until ctx ends, lets the tickers in hand finish within the
// subscriber's grace time, gives the others back, and returns nil.
func (a *Analyzer) Run(ctx context.Context) error {
	outboxCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer func() { stop(); <-a.outbox.done }()
	go a.outbox.run(outboxCtx)

	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: StopTime}, routerLog(a.log))
	if err != nil {
		return fmt.Errorf("making the router: %w", err)
	}
	router.AddMiddleware(middleware.CorrelationID, middleware.Recoverer)
	router.AddConsumerHandler("analyze", pubsub.TopicWork, a.items, a.handle)
	if err := router.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("working the lanes: %w", err)
	}
	if ctx.Err() == nil {
		return errors.New("working the lanes: the router stopped")
	}
	return nil
}

// handle takes one message of the work queue. The Router acknowledges it when
// nil is returned, and gives it back for another attempt otherwise.
func (a *Analyzer) handle(msg *message.Message) error {
	retryAfter, err := a.handler.Handle(msg.Context(), msg.Payload, pubsub.Attempts(msg))
	if err != nil {
		pubsub.RetryAfter(msg, retryAfter)
	}
	return err
}

// routerLog shows the Router's lines one level lower than it writes them: what
// it calls an error is an attempt that will be repeated.
func routerLog(log *slog.Logger) watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(log, map[slog.Level]slog.Level{
		slog.LevelError: slog.LevelWarn,
		slog.LevelInfo:  slog.LevelDebug,
	})
}
