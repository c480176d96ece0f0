// Command analyzer takes tickers from the work queue, analyses them and
// publishes their outcomes; it also dispatches queued jobs. Run as many as you
// like. It needs NATS and market data, no database.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/internal/analyzer"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/daemon"
	"github.com/tapedeck/tapedeck/internal/dispatcher"
	"github.com/tapedeck/tapedeck/internal/market/shared"
	"github.com/tapedeck/tapedeck/internal/market/source"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/pubsub"
)

type settings struct {
	config.Log
	config.NATS
	config.Market
	config.Analyzer
	config.Health
}

func main() {
	ctx, stop := daemon.Signals(context.Background())
	defer stop()
	var s settings
	config.Parse(&s, "analyzer", "Analyse tickers from the work queue.")
	os.Exit(daemon.Main(ctx, s.Logger(slog.LevelInfo), "analyzer", func() error { return run(ctx, s) }))
}

func run(ctx context.Context, s settings) error {
	log := s.Logger(slog.LevelInfo)
	if err := config.Require(s.NATSURL, "nats-url", "TAPEDECK_NATS_URL", "--nats-url nats://127.0.0.1:4222"); err != nil {
		return err
	}
	if err := source.Check(s.Market); err != nil {
		return err
	}
	nc, js, err := stream.OpenContext(ctx, stream.ConnectConfig{
		URL: s.NATSURL, Role: stream.RoleAnalyzer, User: s.NATSUser, Password: s.NATSPassword.Reveal(), Logger: log,
	})
	if err != nil {
		return err
	}
	defer nc.Close()
	rates := stream.NewMarketBucket(js, log)
	provider, err := source.Open(ctx, s.Market, source.Cluster(rates, stream.NewBarsBucket(js, log), "", log))
	if err != nil {
		return err
	}
	defer provider.Close() //nolint:errcheck // it only stops downloads, which are safe to stop at any time
	tape, work := stream.NewTape(js, log), stream.NewWork(js, log)
	slots := source.Slots(s.Market, s.Analyzer)
	items, err := pubsub.NewSubscriber(pubsub.SubscriberConfig{Conn: nc, Topics: pubsub.LaneTopics, Slots: slots, Logger: log})
	if err != nil {
		return err
	}
	name := processName()
	log.Info("analyzer starts", "name", name, "slots", slots, "market", provider.Name(), "processors", runtime.NumCPU())
	dispatch := dispatcher.New(log, tape, work, "tapedeck/"+name)
	analyze := analyzer.New(analyzer.Config{Log: log, Tape: tape, Work: work, Items: items, Provider: provider, Name: name})
	parts := []daemon.Part{{Name: "dispatcher", Run: dispatch.Run}, {Name: "analyzer", Run: analyze.Run}, {Name: "market", Run: provider.Run}}
	if provider.Lists {
		parts = append(parts, daemon.Part{Name: "lister", Run: shared.NewLister(log, rates, provider).Run})
	}
	return daemon.Run(ctx, append(parts,
		daemon.Health(s.HealthAddr, daemon.Check{Name: "nats", Run: func(context.Context) error { return connected(nc) }}),
	)...)
}

// processName tells this process from others of its kind, also after a restart.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("analyzer-%s-%d", host, os.Getpid())
}

func connected(nc *nats.Conn) error {
	if nc.Status() != nats.CONNECTED {
		return errors.New("not connected to NATS; reconnecting")
	}
	return nil
}
