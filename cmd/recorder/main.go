// Command recorder writes what stands on the tape into the database, as the
// only one that does. Run two for availability: one records, the other stands
// by. The reconciler runs inside the one that records.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/google/uuid"

	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/daemon"
	"github.com/tapedeck/tapedeck/internal/reconciler"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream"
)

type settings struct {
	config.Log
	config.NATS
	config.Monitor
	config.AcceptLoss
	config.Database
	config.Reconcile
	config.Health
}

func main() {
	ctx, stop := daemon.Signals(context.Background())
	defer stop()
	var s settings
	config.Parse(&s, "recorder", "Record the tape into the database.")
	os.Exit(daemon.Main(ctx, s.Logger(slog.LevelInfo), "recorder", func() error { return run(ctx, s) }))
}

func run(ctx context.Context, s settings) error {
	log := s.Logger(slog.LevelInfo)
	if err := config.Require(s.NATSURL, "nats-url", "TAPEDECK_NATS_URL", "--nats-url nats://127.0.0.1:4222"); err != nil {
		return err
	}
	if err := config.Require(s.DatabaseURL.Reveal(), "database-url", "TAPEDECK_DATABASE_URL", "--database-url postgres://owner@127.0.0.1/tapedeck"); err != nil {
		return err
	}
	nc, js, err := stream.OpenContext(ctx, stream.ConnectConfig{
		URL: s.NATSURL, Role: stream.RoleRecorder, User: s.NATSUser, Password: s.NATSPassword.Reveal(), Logger: log,
	})
	if err != nil {
		return err
	}
	defer nc.Close()
	database, err := dsn.OpenWriter(s.DatabaseURL.Reveal(), dsn.Options{Logger: log})
	if err != nil {
		return err
	}
	defer database.Close()
	if err := database.Migrate(ctx, func(line string) { log.Info(line) }); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	tape := stream.NewTape(js, log)
	if err := tape.RequireDurable(ctx, stream.Monitor{URLs: s.NATSMonitor}, s.AcceptLossOnPowerFailure); err != nil {
		return err
	}
	record := recorder.New(recorder.Config{
		Log: log, Store: database, Reading: database.Reading(), Tape: recorder.OnStream(tape), Owner: "recorder-" + uuid.NewString(),
	})
	reconcile := reconciler.New(reconciler.Config{
		Log: log, Backlog: database.Reading(), Tape: tape, Work: stream.NewWork(js, log), Interval: s.ReconcileEvery,
	})
	if err := dsn.RemoveDeadScratch(); err != nil {
		log.Warn("room on the disk is lost", "err", err)
	}
	handlers := record.Handlers(dsn.Scratch)
	return daemon.Run(ctx,
		daemon.Part{Name: "reconciler", Run: func(ctx context.Context) error { return record.WhileLeading(ctx, reconcile.Run) }},
		daemon.Part{Name: "control", Run: func(ctx context.Context) error {
			return record.WhileLeading(ctx, func(ctx context.Context) error { return stream.ServeControl(ctx, nc, handlers) })
		}},
		daemon.Part{Name: "recorder", Run: record.Run},
		daemon.Health(s.HealthAddr, daemon.Check{Name: "recorder", Run: func(context.Context) error { return fit(record.Status()) }}),
	)
}

// maxLag is how many events a fit recorder may be behind: two seconds of work.
const maxLag = 10_000

func fit(status recorder.Status) error {
	switch {
	case status.Err != nil:
		return status.Err
	case status.Role == recorder.RoleLeading && status.Lag > maxLag:
		return fmt.Errorf("%d events behind the tape: %w", status.Lag, errBehind)
	}
	return nil
}

var errBehind = errors.New("the database is slower than the events; look at its disk")
