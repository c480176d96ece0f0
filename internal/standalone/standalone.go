// Package standalone runs all roles in one process: the embedded NATS server
// and SQLite in a data directory, unless addresses say otherwise. Each role
// has a connection of its own with its own rights, as it has in a process of
// its own; what differs is only what is wired here.
package standalone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/analyzer"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/daemon"
	"github.com/tapedeck/tapedeck/internal/dispatcher"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/shared"
	"github.com/tapedeck/tapedeck/internal/market/source"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/pubsub"
	"github.com/tapedeck/tapedeck/internal/universe"
)

// Config is what a deck is made of. Log, DataDir, Listener, and Provider or
// OpenMarket are needed.
type Config struct {
	Log *slog.Logger
	// DataDir holds the tape and the database unless addresses say otherwise.
	DataDir  string
	Listener net.Listener // the api's
	// OpenMarket opens the market once it is known what it shares its rate and
	// its bars with: files in DataDir, or the buckets of the external server.
	OpenMarket func(context.Context, source.Ports) (*source.Market, error)
	// Provider is used instead of OpenMarket where that is nil.
	Provider market.Provider
	// ListsTickers says that Provider knows all its tickers: then "all
	// symbols" on the predecessor's URL means those, else the NIFTY 50.
	ListsTickers bool
	Slots        int // tickers in hand at a time
	// ReconcileEvery is the time between two looks for work that went missing.
	ReconcileEvery time.Duration
	AllowedHosts   []string
	// APILimits are the limits of the api that a deployment changes.
	APILimits api.Limits
	// Strategies are the users' own; nil: only those built in.
	Strategies *folder.Folder
	// Universes says where lists of tickers are fetched; they are kept in the
	// data directory unless it names another.
	Universes universe.Config

	// NATSListen opens the embedded server to other programs; empty keeps it shut.
	NATSListen string
	// NATSURL is an external server; empty embeds one. Passwords are those of
	// its roles.
	NATSURL   string
	Passwords map[stream.Role]string
	// Monitor asks the external server what it does not tell clients; AcceptLoss
	// records although it is known to lose acknowledged events with the power.
	Monitor    stream.Monitor
	AcceptLoss bool
	// DatabaseURL is sqlite:PATH or postgres://...; empty is SQLite in DataDir.
	DatabaseURL string
}

// DatabaseFile is the name of the SQLite database in the data directory.
const DatabaseFile = "tapedeck.db"

// UniverseDir is the name of the folder of fetched universes in the data directory.
const UniverseDir = "universes"

// A Deck is everything in one process. Make it with Open, run it once.
type Deck struct {
	cfg     Config
	log     *slog.Logger
	server  *natsd.Server // nil with an external one
	writer  store.Recording
	reading store.Reading
	conns   []*nats.Conn
	market  *source.Market
	lister  *shared.Lister // nil where nobody else needs the list of tickers
}

// Open starts the embedded server, opens the database and brings both up to
// this program. Nothing is worked on before Run. Close it in any case.
func Open(ctx context.Context, cfg Config) (*Deck, error) {
	d := &Deck{cfg: cfg, log: cfg.Log}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Deck) open(ctx context.Context) (err error) {
	if err := os.MkdirAll(d.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if err := d.openMarket(ctx); err != nil {
		return err
	}
	if d.cfg.NATSURL == "" {
		if d.server, err = natsd.Start(natsd.Config{DataDir: d.cfg.DataDir, Listen: d.cfg.NATSListen, Logger: d.log}); err != nil {
			return err
		}
		js, err := d.connect(ctx, stream.RoleProvisioner)
		if err != nil {
			return err
		}
		if err := stream.Provision(ctx, js, stream.Limits{}); err != nil {
			return err
		}
	}
	address := d.DatabaseURL()
	if d.writer, err = dsn.OpenWriter(address, dsn.Options{Logger: d.log}); err != nil {
		return err
	}
	if err := d.writer.Migrate(ctx, func(line string) { d.log.Info(line) }); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	d.reading, err = dsn.OpenReader(address, dsn.Options{Logger: d.log})
	return err
}

// openMarket opens the market before anything is changed, so that a wrong
// setting costs nothing.
func (d *Deck) openMarket(ctx context.Context) error {
	if d.cfg.OpenMarket == nil {
		d.market = &source.Market{Provider: d.cfg.Provider, Lists: d.cfg.ListsTickers}
		return nil
	}
	ports := source.Embedded(d.cfg.DataDir, d.log)
	var rates *stream.Bucket
	if d.cfg.NATSURL != "" {
		js, err := d.connect(ctx, stream.RoleAnalyzer)
		if err != nil {
			return err
		}
		rates = stream.NewMarketBucket(js, d.log)
		ports = source.Cluster(rates, stream.NewBarsBucket(js, d.log), d.cfg.DataDir, d.log)
	}
	opened, err := d.cfg.OpenMarket(ctx, ports)
	if err != nil {
		return err
	}
	d.market = opened
	if rates != nil && d.market.Lists {
		d.lister = shared.NewLister(d.log, rates, d.market)
	}
	return nil
}

// DatabaseURL is where results are recorded.
func (d *Deck) DatabaseURL() string {
	if d.cfg.DatabaseURL != "" {
		return d.cfg.DatabaseURL
	}
	return "sqlite:" + filepath.Join(d.cfg.DataDir, DatabaseFile)
}

// NATSURL is where other programs reach the tape; empty if they cannot.
func (d *Deck) NATSURL() string {
	if d.server != nil {
		return d.server.URL()
	}
	return d.cfg.NATSURL
}

// connect opens a role's own connection.
func (d *Deck) connect(ctx context.Context, role stream.Role) (jetstream.JetStream, error) {
	config := stream.ConnectConfig{URL: d.cfg.NATSURL, Role: role, Password: d.cfg.Passwords[role], Logger: d.log}
	if d.server != nil {
		config.InProcess, config.Password = d.server, d.server.Password(role)
	}
	nc, err := stream.ConnectContext(ctx, config)
	if err != nil {
		return nil, err
	}
	d.conns = append(d.conns, nc)
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	return js, nil
}

// Run works until ctx ends, then stops in order: the api takes nothing more
// in, the analyzers finish what they hold, the recorder records it.
func (d *Deck) Run(ctx context.Context) error {
	apiPart, err := d.api(ctx)
	if err != nil {
		return err
	}
	analyzerParts, err := d.analyzer(ctx)
	if err != nil {
		return err
	}
	recorderParts, err := d.recorder(ctx)
	if err != nil {
		return err
	}
	parts := append([]daemon.Part{apiPart}, analyzerParts...)
	parts = append(parts, recorderParts...)
	if d.server != nil {
		parts = append(parts, daemon.Part{Name: "disk", Run: d.server.Watch})
	}
	return daemon.Run(ctx, parts...)
}

// Close ends the market, the connections, the database and the server, in this
// order, however long that takes.
func (d *Deck) Close() error {
	var errs []error
	for _, thing := range d.closings() {
		errs = append(errs, thing.Close())
	}
	return errors.Join(errs...)
}

// CloseInTime is Close for a process that ends: what has not closed in time
// (daemon.ErrLate) goes with it.
func (d *Deck) CloseInTime() error { return daemon.Close(d.closings()...) }

func (d *Deck) closings() []daemon.Closing {
	var things []daemon.Closing
	if d.market != nil {
		things = append(things, daemon.Closing{Name: "the market", Close: d.market.Close})
	}
	things = append(things, daemon.Closing{Name: "the connections", Close: func() error {
		for _, nc := range d.conns {
			nc.Close()
		}
		return nil
	}})
	if d.reading != nil {
		things = append(things, daemon.Closing{Name: "the database to read", Close: d.reading.Close})
	}
	if d.writer != nil {
		things = append(things, daemon.Closing{Name: "the database to record", Close: d.writer.Close})
	}
	if d.server != nil {
		things = append(things, daemon.Closing{Name: "the NATS server", Close: func() error {
			d.server.Shutdown()
			return nil
		}})
	}
	return things
}

func (d *Deck) api(ctx context.Context) (daemon.Part, error) {
	js, err := d.connect(ctx, stream.RoleAPI)
	if err != nil {
		return daemon.Part{}, err
	}
	tape := stream.NewTape(js, d.log)
	config := api.Config{
		Logger: d.log,
		Tape:   tape,
		Reader: d.reading,
		Hosts:  d.cfg.AllowedHosts,
		Limits: d.cfg.APILimits,

		Strategies: d.cfg.Strategies,
	}
	if d.server != nil {
		config.SyncProfile = stream.SyncAlways // nats.conf says so, and a test holds it to that
		config.Storing = d.server.Storing
	} else if config.SyncProfile, err = tape.SyncProfile(ctx, d.cfg.Monitor); err != nil {
		d.log.Warn("it is not known whether the tape keeps what it acknowledged", "err", err)
	}
	if d.market.Lists {
		config.Lister = d.market.Tickers
	}
	lists := d.cfg.Universes
	lists.Lister, lists.Log = config.Lister, d.log
	if lists.Dir == "" {
		lists.Dir = filepath.Join(d.cfg.DataDir, UniverseDir)
	}
	config.Universes = universe.Open(lists)
	server := api.New(config)
	return daemon.Part{Name: "api", Run: func(ctx context.Context) error { return server.Run(ctx, d.cfg.Listener) }}, nil
}

func (d *Deck) analyzer(ctx context.Context) ([]daemon.Part, error) {
	js, err := d.connect(ctx, stream.RoleAnalyzer)
	if err != nil {
		return nil, err
	}
	items, err := pubsub.NewSubscriber(pubsub.SubscriberConfig{Conn: js.Conn(), Topics: pubsub.LaneTopics, Slots: d.cfg.Slots, Logger: d.log})
	if err != nil {
		return nil, err
	}
	const name = "analyzer-embedded"
	tape, work := stream.NewTape(js, d.log), stream.NewWork(js, d.log)
	dispatch := dispatcher.New(d.log, tape, work, "tapedeck/"+name)
	analyze := analyzer.New(analyzer.Config{Log: d.log, Tape: tape, Work: work, Items: items, Provider: d.market, Name: name})
	parts := []daemon.Part{{Name: "dispatcher", Run: dispatch.Run}, {Name: "analyzer", Run: analyze.Run}, {Name: "market", Run: d.market.Run}}
	if d.lister != nil {
		parts = append(parts, daemon.Part{Name: "lister", Run: d.lister.Run})
	}
	return parts, nil
}
