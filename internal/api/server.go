package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api/ui"
	"github.com/tapedeck/tapedeck/internal/live"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/universe"
)

// source is who the api's events say they come from.
const source = "tapedeck/api"

// Tape is what the api needs of the tape; *stream.TapeClient has it, with the
// errors of package stream.
type Tape interface {
	// Publish stores an event under its guard, durably; ErrExists, ErrFull, ErrUnavailable.
	Publish(ctx context.Context, event events.Event) (seq uint64, err error)
	// JobEvent returns a job's queued, started, cancelled or completed event; ErrNotFound.
	JobEvent(ctx context.Context, jobID, what string) (events.Recorded, error)
	// State tells the tape's last sequence and fill.
	State(ctx context.Context) (stream.TapeState, error)
}

// Reader is what the api needs of the database; store.Reading has it.
type Reader interface {
	store.Reader
	store.BacktestReader
}

// Config is what a Server is made of. Logger, Tape and Reader are required.
type Config struct {
	Logger *slog.Logger
	// Clock is the time of submissions, deadlines and rates; default time.Now.
	Clock func() time.Time
	Tape  Tape
	// Reader is the database as last recorded; a user that can only read is enough.
	Reader Reader
	// Lister lists every ticker of the market's provider: the meaning of the
	// predecessor's submission without symbols. Nil, or an error that matches
	// universe.ErrCannotList: Universe stands for it.
	Lister func(ctx context.Context) ([]string, error)
	// Universe is the universe used without a Lister; default nifty50.
	Universe string
	// Universes says which tickers a universe holds; default one that keeps what
	// it fetches in memory and lists what Lister lists.
	Universes *universe.Source
	// Strategies are the users' own strategies, as they stand at each request;
	// nil: only those built in.
	Strategies *folder.Folder
	// Hosts are the names under which the api may be called besides loopback
	// names and the addresses that it is reached at: pages of other sites
	// cannot make a browser call it under a name of theirs.
	Hosts []string
	// SyncProfile is what is known of how the NATS server writes its stream
	// ("always" is the one that keeps acknowledged jobs on power failure);
	// shown by /readyz. Empty: unknown.
	SyncProfile string
	// Storing says why nothing should be given to the tape to store now (its
	// server's disk is full, or nearly); then new jobs are refused. It answers at
	// once. Nil: it is not known, as of an external server.
	Storing func() error
	// Metrics is where the server's metrics are registered and what /metrics
	// shows; one server has one. Default: a registry of its own, with those of
	// the process beside them.
	Metrics *prometheus.Registry
	Limits  Limits
}

// A Server is the api. Make it with New, run it with Run once.
type Server struct {
	config  Config
	log     *slog.Logger
	limits  Limits
	app     *fiber.App
	hub     *live.Hub
	page    *ui.Page
	metrics *metrics
	rates   *rates
	streams *streams
	fill    *tapeFill
	pools   *pools
	local   map[string]bool // Host names that are ours

	unanswered *unanswered

	base context.Context // of all requests; set by Run before it serves
	stop chan struct{}   // closed when streams must end
}

// New makes a server; nothing runs yet.
func New(config Config) *Server {
	if config.Clock == nil {
		config.Clock = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Universe == "" {
		config.Universe = "nifty50"
	}
	if config.Universes == nil {
		config.Universes = universe.Open(universe.Config{Lister: config.Lister, Now: config.Clock, Log: config.Logger})
	}
	if config.Metrics == nil {
		config.Metrics = prometheus.NewRegistry()
		config.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	limits := config.Limits.withDefaults()
	s := &Server{
		config: config, log: config.Logger, limits: limits,
		hub:     live.New(live.Config{Logger: config.Logger, Reader: config.Reader, Encode: encodeLive}),
		page:    ui.New(),
		metrics: newMetrics(config.Metrics),
		rates:   newRates(limits.SubmitRate, limits.SubmitBurst, config.Clock),
		streams: newStreams(limits.Streams, limits.StreamsPerIP),
		fill:    newTapeFill(config.Tape, config.Reader, config.Clock),
		pools:   newPools(),
		local:   localNames(config.Hosts),
		base:    context.Background(),
		stop:    make(chan struct{}),

		unanswered: &unanswered{now: config.Clock},
	}
	s.app = s.newApp()
	config.Metrics.MustRegister(standing{s})
	s.routes()
	s.app.Server().Handler = strictly(s.app.Server().Handler)
	s.app.Server().HeaderReceived = announced
	s.app.Server().MaxConnsPerIP = limits.ConnectionsPerIP
	return s
}

func (s *Server) newApp() *fiber.App {
	return fiber.New(fiber.Config{
		Immutable:                    true, // fasthttp reuses its buffers
		BodyLimit:                    bodyLimit,
		StreamRequestBody:            true, // else memory for a body is taken when it is announced
		Concurrency:                  s.limits.Concurrency,
		ReadBufferSize:               readBuffer,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		DisablePreParseMultipartForm: true, // no route takes a form
		EnableTrustedProxyCheck:      true, // no proxy is trusted: X-Forwarded-* are anyone's words
		ErrorHandler:                 s.sendError,
		DisableStartupMessage:        true,
	})
}

// Run serves on listener until ctx ends, then ends the streams and lets open
// requests finish for a few seconds. It closes the listener. It returns nil on
// a wanted stop.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.base = base
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { s.hub.Run(base) })
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(listener) }()
	s.log.Info("listening", "stage", "api", "address", listener.Addr().String())
	select {
	case err := <-served:
		close(s.stop)
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}
	close(s.stop)
	if err := s.app.ShutdownWithTimeout(s.limits.Shutdown); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stopping HTTP: %w", err)
	}
	_ = listener.Close() // a stop that came before Fiber began to serve has not closed it
	cancel()
	<-served
	return nil
}
