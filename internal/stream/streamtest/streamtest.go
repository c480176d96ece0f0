// Package streamtest gives tests a real NATS server with the streams of
// tapedeck: Server embeds one, Process runs one that can be killed.
package streamtest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck"
	"github.com/tapedeck/tapedeck/internal/loopback"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Admin is a user that only test servers have; it may do everything. As a role
// it connects tests that do not care about permissions.
const Admin stream.Role = "admin"

const adminPassword = "admin"

// patience bounds what a test server may take to start and to provision, on a
// machine that runs many tests at once.
const patience = 30 * time.Second

type config struct {
	limits stream.Limits
	bare   bool
	log    *slog.Logger
	change func(conf string) string
}

// An Option changes how a test server begins.
type Option func(*config)

// WithLimits provisions the streams with limits of the test's own.
func WithLimits(lim stream.Limits) Option { return func(c *config) { c.limits = lim } }

// Bare leaves out the provisioning.
func Bare() Option { return func(c *config) { c.bare = true } }

// WithConf changes nats.conf before a Process reads it.
func WithConf(change func(conf string) string) Option { return func(c *config) { c.change = change } }

// WithLog passes the server's warnings to a logger.
func WithLog(log *slog.Logger) Option { return func(c *config) { c.log = log } }

// An Embedded server runs in the test's process, with nats.conf and a
// temporary directory, in-process and on TCP.
type Embedded struct {
	tb     testing.TB
	cfg    natsd.Config
	mu     sync.Mutex    // guards server
	server *natsd.Server // nil while it is stopped
}

// Server starts an embedded server, provisioned, that ends with the test.
func Server(tb testing.TB, opts ...Option) *Embedded {
	tb.Helper()
	var c config
	for _, opt := range opts {
		opt(&c)
	}
	e := &Embedded{tb: tb, cfg: natsd.Config{DataDir: tb.TempDir(), Conf: Conf(), Listen: loopback.Address(tb), Logger: c.log}}
	e.Start()
	tb.Cleanup(e.Stop)
	if !c.bare {
		provision(tb, e.JetStream(Admin), c.limits)
	}
	return e
}

// Conf is nats.conf with the user Admin.
func Conf() []byte {
	admin := "    { user: " + string(Admin) + ", password: " + adminPassword + " }\n" + stream.ConfSubscribers
	return bytes.Replace(tapedeck.NATSConf, []byte(stream.ConfSubscribers), []byte(admin), 1)
}

func provision(tb testing.TB, js jetstream.JetStream, lim stream.Limits) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := stream.Provision(ctx, js, lim); err != nil {
		tb.Fatalf("provisioning the test server: %v", err)
	}
}

// Start starts the server again after Stop, on the same directory and port.
func (e *Embedded) Start() {
	e.tb.Helper()
	server, err := natsd.Start(e.cfg)
	if err != nil {
		e.tb.Fatalf("starting the test server: %v", err)
	}
	e.mu.Lock()
	e.server = server
	e.mu.Unlock()
}

// Stop shuts the server down; connections stay and reconnect after Start.
func (e *Embedded) Stop() {
	e.mu.Lock()
	server := e.server
	e.server = nil
	e.mu.Unlock()
	if server != nil {
		server.Shutdown()
	}
}

// Restart stops and starts the server.
func (e *Embedded) Restart() {
	e.tb.Helper()
	e.Stop()
	e.Start()
}

// Natsd is the server itself; nil while stopped.
func (e *Embedded) Natsd() *natsd.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server
}

// InProcessConn implements nats.InProcessConnProvider, across restarts.
func (e *Embedded) InProcessConn() (net.Conn, error) {
	if server := e.Natsd(); server != nil {
		return server.InProcessConn()
	}
	return nil, errors.New("the test server is stopped")
}

// URL is the server's address for TCP clients.
func (e *Embedded) URL() string { return "nats://" + e.cfg.Listen }

// Dir is the data directory.
func (e *Embedded) Dir() string { return e.cfg.DataDir }

// Password is that of a role, or of Admin.
func (e *Embedded) Password(role stream.Role) string {
	if role == Admin {
		return adminPassword
	}
	password, err := natsd.Password(e.cfg.DataDir, role)
	if err != nil {
		e.tb.Fatal(err)
	}
	return password
}

// Conn connects in-process as a role, until the test ends.
func (e *Embedded) Conn(role stream.Role) *nats.Conn {
	e.tb.Helper()
	return connect(e.tb, stream.ConnectConfig{InProcess: e, Role: role, Password: e.Password(role)})
}

// ConnTCP connects over TCP as a role, until the test ends.
func (e *Embedded) ConnTCP(role stream.Role) *nats.Conn {
	e.tb.Helper()
	return connect(e.tb, stream.ConnectConfig{URL: e.URL(), Role: role, Password: e.Password(role)})
}

// JetStream is a client of a connection of its own.
func (e *Embedded) JetStream(role stream.Role) jetstream.JetStream {
	e.tb.Helper()
	return jetStream(e.tb, e.Conn(role))
}

// Tape is a TapeClient with a connection of its own.
func (e *Embedded) Tape(role stream.Role) *stream.TapeClient {
	e.tb.Helper()
	return stream.NewTape(e.JetStream(role), nil)
}

// Work is a WorkClient with a connection of its own.
func (e *Embedded) Work(role stream.Role) *stream.WorkClient {
	e.tb.Helper()
	return stream.NewWork(e.JetStream(role), nil)
}

func connect(tb testing.TB, cfg stream.ConnectConfig) *nats.Conn {
	tb.Helper()
	nc, err := stream.Connect(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nc.Close)
	return nc
}

func jetStream(tb testing.TB, nc *nats.Conn) jetstream.JetStream {
	tb.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		tb.Fatal(err)
	}
	return js
}
