package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/standalone"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// tapeAccess is how operators' commands reach the tape: an external server by
// its address, or the embedded one of a data directory, through its socket
// while it runs and by starting it while nothing does.
type tapeAccess struct {
	dataDir
	config.NATS
}

// A tapeConn is an operator's connection with the rights of the provisioner.
type tapeConn struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	embedded bool          // the server is the embedded one
	server   *natsd.Server // set if it was started for this command
}

func (t tapeAccess) open(a *app) (*tapeConn, error) {
	c := &tapeConn{}
	config := stream.ConnectConfig{
		URL: t.NATSURL, Role: stream.RoleProvisioner, User: t.NATSUser, Password: t.NATSPassword.Reveal(), Logger: a.log,
	}
	if t.NATSURL == "" {
		dir, err := t.path()
		if err != nil {
			return nil, err
		}
		if err := c.openEmbedded(a, dir, &config); err != nil {
			return nil, err
		}
	}
	var err error
	if c.nc, c.js, err = stream.OpenContext(a.ctx, config); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// openEmbedded finds the server that runs on dir, or starts one.
func (c *tapeConn) openEmbedded(a *app, dir string, config *stream.ConnectConfig) (err error) {
	c.embedded = true
	if conn, err := natsd.Dial(dir).InProcessConn(); err == nil {
		if config.Password, err = natsd.Password(dir, stream.RoleProvisioner); err != nil {
			return errors.Join(err, conn.Close())
		}
		config.InProcess = natsd.Dial(dir)
		return conn.Close()
	}
	if c.server, err = natsd.Start(natsd.Config{DataDir: dir, Logger: a.log}); err != nil {
		return err
	}
	config.InProcess, config.Password = c.server, c.server.Password(stream.RoleProvisioner)
	return nil
}

func (c *tapeConn) close() {
	if c.nc != nil {
		c.nc.Close()
	}
	if c.server != nil {
		c.server.Shutdown()
	}
}

// running reports whether a recorder answers control requests.
func (c *tapeConn) running() bool { return c.server == nil }

type provisionCmd struct {
	config.NATS
	TapeMaxBytes int64 `default:"0" placeholder:"BYTES" help:"Most bytes of the tape; 8 GiB by default."`
	WorkMaxBytes int64 `default:"0" placeholder:"BYTES" help:"Most bytes of the work queue; 1 GiB by default."`
	Replicas     int   `default:"1" help:"Copies of each stream in a cluster: 1, 3 or 5."`
}

// Run makes the streams and their consumers, or changes them where they differ.
func (cmd provisionCmd) Run(a *app) error {
	if err := config.Require(cmd.NATSURL, "nats-url", "TAPEDECK_NATS_URL", "--nats-url nats://127.0.0.1:4222"); err != nil {
		return exitError{exitUsage, err.Error() + "; the embedded server is provisioned by `tapedeck up` itself"}
	}
	c, err := tapeAccess{NATS: cmd.NATS}.open(a)
	if err != nil {
		return err
	}
	defer c.close()
	limits := stream.Limits{TapeMaxBytes: cmd.TapeMaxBytes, WorkMaxBytes: cmd.WorkMaxBytes, Replicas: cmd.Replicas}
	if err := stream.Provision(a.ctx, c.js, limits); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "streams %s and %s are ready\n", stream.Tape, stream.Work)
	return nil
}

// databaseAccess is how operators' commands reach the database.
type databaseAccess struct {
	DatabaseURL config.Secret `name:"database-url" placeholder:"sqlite:PATH|postgres://..." help:"Database; SQLite in the data directory by default."`
}

type migrateCmd struct {
	dataDir
	databaseAccess
}

// Run brings the tables up to this program, a line per step.
func (cmd migrateCmd) Run(a *app) error {
	writer, err := cmd.openWriter(a, cmd.dataDir)
	if err != nil {
		return err
	}
	defer writer.Close()
	steps := 0
	err = writer.Migrate(a.ctx, func(line string) {
		steps++
		fmt.Fprintln(a.out, line)
	})
	if err == nil && steps == 0 {
		fmt.Fprintln(a.out, "the tables are up to date")
	}
	return err
}

// control sends a request to the recorder and gives its progress to show.
func control(ctx context.Context, c *tapeConn, verb string, request any, show func([]byte)) ([]byte, error) {
	answer, err := stream.CallControl(ctx, c.nc, verb, request, show)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("no recorder answers on this server; is one running? %w", err)
	}
	return answer, err
}

// address is where results are recorded.
func (d databaseAccess) address(dir dataDir) (string, error) {
	if d.DatabaseURL != "" {
		return d.DatabaseURL.Reveal(), nil
	}
	path, err := dir.path()
	if err != nil {
		return "", err
	}
	return "sqlite:" + filepath.Join(path, standalone.DatabaseFile), nil
}

func (d databaseAccess) openWriter(a *app, dir dataDir) (store.Recording, error) {
	address, err := d.address(dir)
	if err != nil {
		return nil, err
	}
	return dsn.OpenWriter(address, dsn.Options{Logger: a.log})
}

func (d databaseAccess) openReader(a *app, dir dataDir) (store.Reading, error) {
	address, err := d.address(dir)
	if err != nil {
		return nil, err
	}
	return dsn.OpenReader(address, dsn.Options{Logger: a.log})
}
