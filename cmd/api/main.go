// Command api accepts jobs over HTTP and shows what was recorded. It publishes
// to NATS and reads the database; it never writes there.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/daemon"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/universe"
)

type settings struct {
	config.Log
	config.NATS
	config.Monitor
	config.Database
	config.HTTP
	config.Symbols
	config.Strategies
	config.Universes
}

func main() {
	ctx, stop := daemon.Signals(context.Background())
	defer stop()
	var s settings
	config.Parse(&s, "api", "Accept jobs over HTTP and show what was recorded.")
	os.Exit(daemon.Main(ctx, s.Logger(slog.LevelInfo), "api", func() error { return run(ctx, s) }))
}

func run(ctx context.Context, s settings) error {
	log := s.Logger(slog.LevelInfo)
	if err := config.Require(s.NATSURL, "nats-url", "TAPEDECK_NATS_URL", "--nats-url nats://127.0.0.1:4222"); err != nil {
		return err
	}
	if err := config.Require(s.DatabaseURL.Reveal(), "database-url", "TAPEDECK_DATABASE_URL", "--database-url postgres://reader@127.0.0.1/tapedeck"); err != nil {
		return err
	}
	listener, err := s.HTTP.Listen()
	if err != nil {
		return err
	}
	nc, js, err := stream.OpenContext(ctx, stream.ConnectConfig{
		URL: s.NATSURL, Role: stream.RoleAPI, User: s.NATSUser, Password: s.NATSPassword.Reveal(), Logger: log,
	})
	if err != nil {
		return err
	}
	defer nc.Close()
	reading, err := dsn.OpenReader(s.DatabaseURL.Reveal(), dsn.Options{Logger: log})
	if err != nil {
		return err
	}
	defer reading.Close()
	tape := stream.NewTape(js, log)
	profile, err := tape.SyncProfile(ctx, stream.Monitor{URLs: s.NATSMonitor})
	if err != nil {
		log.Warn("it is not known whether the tape keeps what it acknowledged", "err", err)
	}
	config := api.Config{
		Logger: log, Tape: tape, SyncProfile: profile, Reader: reading, Universe: s.SymbolsUniverse, Hosts: s.AllowedHosts,
		Limits: api.Limits{ConnectionsPerIP: int(s.ConnectionsPerAddress)},
		Lister: lister(stream.NewMarketBucket(js, log)),
	}
	config.Universes = universe.Open(universe.Config{
		Dir: s.UniverseDir, NSEURL: s.UniverseNSEURL, NASDAQURL: s.UniverseNASDAQURL, Lister: config.Lister, Log: log,
	})
	if s.Strategies.Strategies != "" {
		if config.Strategies, err = folder.Open(s.Strategies.Strategies); err != nil {
			return err
		}
		defer config.Strategies.Close()
	}
	server := api.New(config)
	return daemon.Run(ctx, daemon.Part{Name: "api", Run: func(ctx context.Context) error { return server.Run(ctx, listener) }})
}

// lister reads what the analyzers say that their market lists. While none has
// said so it is as if the market could not list.
func lister(bucket *stream.Bucket) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		tickers, err := bucket.Tickers(ctx)
		if errors.Is(err, stream.ErrNotFound) {
			return nil, fmt.Errorf("%w: no analyzer that runs has published one", universe.ErrCannotList)
		}
		return tickers, err
	}
}
