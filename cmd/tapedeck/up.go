package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/daemon"
	"github.com/tapedeck/tapedeck/internal/market/source"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
	"github.com/tapedeck/tapedeck/internal/standalone"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/universe"
)

type upCmd struct {
	config.Market
	config.HTTP
	config.Analyzer
	config.Reconcile
	config.RolePasswords
	config.Monitor
	config.AcceptLoss
	config.Strategies
	config.Universes
	dataDir
	NATSListen  string        `name:"nats-listen" placeholder:"HOST:PORT" help:"Open the embedded NATS server to subscribers outside."`
	NATSURL     string        `name:"nats-url" placeholder:"nats://HOST:4222" help:"External nats-server instead of the embedded one."`
	DatabaseURL config.Secret `name:"database-url" placeholder:"sqlite:PATH|postgres://..." help:"Database; SQLite in the data directory by default."`
}

// dataDir is where the embedded mode keeps everything.
type dataDir struct {
	Data string `type:"path" placeholder:"DIR" help:"Data directory of the embedded mode; the XDG data directory's tapedeck by default."`
}

// path is the data directory, the default resolved.
func (d dataDir) path() (string, error) {
	if d.Data != "" {
		return d.Data, nil
	}
	if base := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "tapedeck"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the data directory; name one with --data: %w", err)
	}
	return filepath.Join(home, ".local", "share", "tapedeck"), nil
}

// Run runs the whole pipeline until it is stopped.
func (cmd upCmd) Run(a *app) error {
	daemon.LastResort(a.ctx, func() {
		fmt.Fprintf(a.err, "tapedeck: stopped before all had ended: %v\n", daemon.ErrLate)
		os.Exit(exitOK)
	})
	if err := source.Check(cmd.Market); err != nil {
		return exitError{exitUsage, err.Error()}
	}
	dir, err := cmd.path()
	if err != nil {
		return err
	}
	listener, err := cmd.HTTP.Listen()
	if err != nil {
		return err
	}
	own, err := openStrategies(cmd.Strategies)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if own != nil {
		defer own.Close()
	}
	deck, err := standalone.Open(a.ctx, standalone.Config{
		Log:            a.logs.Logger(slog.LevelInfo),
		DataDir:        dir,
		Listener:       listener,
		OpenMarket:     cmd.openMarket,
		Slots:          source.Slots(cmd.Market, cmd.Analyzer),
		ReconcileEvery: cmd.ReconcileEvery,
		AllowedHosts:   cmd.AllowedHosts,
		APILimits:      api.Limits{ConnectionsPerIP: int(cmd.ConnectionsPerAddress)},
		Strategies:     own,
		Universes:      universe.Config{Dir: cmd.UniverseDir, NSEURL: cmd.UniverseNSEURL, NASDAQURL: cmd.UniverseNASDAQURL},
		NATSListen:     cmd.NATSListen,
		NATSURL:        cmd.NATSURL,
		Passwords:      cmd.passwords(),
		Monitor:        stream.Monitor{URLs: cmd.NATSMonitor},
		AcceptLoss:     cmd.AcceptLossOnPowerFailure,
		DatabaseURL:    cmd.DatabaseURL.Reveal(),
	})
	if err != nil {
		return a.unlessWanted(errors.Join(err, listener.Close()))
	}
	fmt.Fprintf(a.err, "data      %s\napi       http://%s\n", dir, listener.Addr())
	if url := deck.NATSURL(); url != "" {
		fmt.Fprintf(a.err, "nats      %s\n", url)
	}
	return a.unlessWanted(errors.Join(deck.Run(a.ctx), deck.CloseInTime()))
}

// unlessWanted is the error with which a service ends: none, but a message, if
// it was asked to end and only that has cut it short.
func (a *app) unlessWanted(err error) error {
	how, wanted := daemon.Wanted(a.ctx, err)
	if !wanted {
		return err
	}
	fmt.Fprintf(a.err, "tapedeck: %s: %v\n", how, err)
	return nil
}

// beside runs work beside a deck. It is no failure either that not all of the
// deck had ended in time after somebody asked for that.
func (a *app) beside(ctx context.Context, deck, work func(ctx context.Context) error) error {
	return daemon.While(ctx, func(ctx context.Context) error { return a.unlessWanted(deck(ctx)) }, work)
}

// openStrategies opens the users' folder of strategies; nil if there is none.
func openStrategies(s config.Strategies) (*folder.Folder, error) {
	if s.Strategies == "" {
		return nil, nil
	}
	own, err := folder.Open(s.Strategies)
	if err != nil {
		return nil, exitError{exitUsage, fmt.Sprintf("--strategies cannot be used: %v", err)}
	}
	return own, nil
}

// openMarket opens what --market names. A folder that is not there is a wrong
// command line, a server that does not answer is not.
func (cmd upCmd) openMarket(ctx context.Context, ports source.Ports) (*source.Market, error) {
	opened, err := source.Open(ctx, cmd.Market, ports)
	if err == nil || errors.Is(err, stream.ErrNoStream) || errors.Is(err, stream.ErrUnavailable) {
		return opened, err
	}
	return nil, exitError{exitUsage, err.Error()}
}

func (cmd upCmd) passwords() map[stream.Role]string {
	return map[stream.Role]string{
		stream.RoleAPI:      cmd.NATSAPIPassword.Reveal(),
		stream.RoleAnalyzer: cmd.NATSAnalyzerPassword.Reveal(),
		stream.RoleRecorder: cmd.NATSRecorderPassword.Reveal(),
	}
}

type demoCmd struct {
	Serve bool   `help:"Keep running afterwards, to look at the results over HTTP."`
	HTTP  string `name:"http" default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Address of the api; a free port by default."`
}

// demoUniverse is what the demonstration analyses.
const demoUniverse = "nifty50"

// Run shows the pipeline at work on invented bars.
func (cmd demoCmd) Run(a *app) error {
	dir, err := os.MkdirTemp("", "tapedeck-demo-")
	if err != nil {
		return fmt.Errorf("making the temporary directory: %w", err)
	}
	provider, err := synthetic.New(synthetic.Config{})
	if err != nil {
		return fmt.Errorf("making the synthetic market: %w", err)
	}
	listener, err := config.HTTP{HTTPAddr: cmd.HTTP}.Listen()
	if err != nil {
		return err
	}
	deck, err := standalone.Open(a.ctx, standalone.Config{
		Log: a.log, DataDir: dir, Listener: listener, Provider: provider, Slots: config.Analyzer{}.Slots(),
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintf(a.err, "One job over the %s on SYNTHETIC data: the bars are invented, the verdicts mean nothing.\n", demoUniverse)
	err = a.beside(a.ctx, deck.Run, func(ctx context.Context) error { return cmd.show(a.with(ctx), listener.Addr(), dir) })
	return errors.Join(err, deck.Close())
}

// show submits the job, follows it, and tells where everything is.
func (cmd demoCmd) show(a *app, addr net.Addr, dir string) error {
	base := fmt.Sprintf("http://%s", addr)
	command := analyzeCmd{server: server{Server: base}, following: following{Progress: "auto", FailOn: "any"}, Universe: demoUniverse}
	if err := command.Run(a); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "\nAll of these data are synthetic.\nStored in %s: the tape in nats, the tables in %s.\n", dir, standalone.DatabaseFile)
	fmt.Fprintf(a.err, "Look again:  tapedeck up --market synthetic --data %s\nRemove:      rm -r %s\n", dir, dir)
	if !cmd.Serve {
		return nil
	}
	fmt.Fprintf(a.err, "\nServing at %s until Ctrl-C.\n", base)
	<-a.ctx.Done()
	return nil
}
