package streamtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/loopback"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A Proc is a nats-server in a process of its own, with nats.conf, which can
// be killed without a word.
type Proc struct {
	tb      testing.TB
	dir     string
	port    int
	cmd     *exec.Cmd // nil while it is down
	name    string    // in its cluster
	monitor string    // URL of its monitoring, likewise
}

// Process starts a nats-server on a directory, provisioned, that ends with the
// test. It builds the server of go.mod once per machine.
func Process(tb testing.TB, dir string, opts ...Option) *Proc {
	tb.Helper()
	var c config
	for _, opt := range opts {
		opt(&c)
	}
	conf := string(Conf())
	if c.change != nil {
		conf = c.change(conf)
	}
	p := newProc(tb, dir, []byte(conf))
	p.Start()
	tb.Cleanup(p.Kill)
	if !c.bare {
		provision(tb, jetStream(tb, p.Conn(Admin)), c.limits)
	}
	return p
}

// newProc writes the configuration of a server that does not run yet.
func newProc(tb testing.TB, dir string, conf []byte) *Proc {
	tb.Helper()
	p := &Proc{tb: tb, dir: dir, port: loopback.Port(tb)}
	if err := os.WriteFile(filepath.Join(dir, "nats.conf"), conf, 0o600); err != nil {
		tb.Fatal(err)
	}
	return p
}

// Start starts the server on its directory and port, and waits until it takes
// connections.
func (p *Proc) Start() {
	p.tb.Helper()
	if err := p.start(binary(p.tb)); err != nil {
		p.tb.Fatalf("starting nats-server: %v", err)
	}
}

func (p *Proc) start(binary string) error {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	p.cmd = exec.Command(binary, "-c", filepath.Join(p.dir, "nats.conf"), "-a", "127.0.0.1", "-p", fmt.Sprint(p.port))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), stream.StoreVariable+"="+p.dir)
	for _, role := range stream.Roles() {
		p.cmd.Env = append(p.cmd.Env, stream.PasswordVariable(role)+"="+p.Password(role))
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	for {
		nc, err := nats.Connect(p.URL(), nats.UserInfo(string(Admin), adminPassword))
		if err == nil {
			nc.Close()
			return nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("it does not answer: %w\n%s", err, text)
		}
		time.Sleep(20 * time.Millisecond) // poll a port: nothing else tells
	}
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Proc) Kill() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Kill() //nolint:errcheck // it may have ended by itself
	p.cmd.Wait()         //nolint:errcheck // killed
	p.cmd = nil
}

func (p *Proc) log() string { return filepath.Join(p.dir, "nats-server.log") }

// Logs is all that the server has written in its lives so far.
func (p *Proc) Logs() []byte {
	text, err := os.ReadFile(p.log())
	if err != nil {
		p.tb.Error(err)
	}
	return text
}

// Pid is the process id of the running server, for signals such as SIGSTOP.
func (p *Proc) Pid() int { return p.cmd.Process.Pid }

// URL is the server's address, the same across restarts.
func (p *Proc) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", p.port) }

// Password is that of a role, or of Admin.
func (p *Proc) Password(role stream.Role) string {
	if role == Admin {
		return adminPassword
	}
	return "test-" + string(role)
}

// Conn connects as a role, until the test ends.
func (p *Proc) Conn(role stream.Role) *nats.Conn {
	p.tb.Helper()
	return connect(p.tb, stream.ConnectConfig{URL: p.URL(), Role: role, Password: p.Password(role)})
}

// JetStream is a client of a connection of its own.
func (p *Proc) JetStream(role stream.Role) jetstream.JetStream {
	p.tb.Helper()
	return jetStream(p.tb, p.Conn(role))
}

// binary builds nats-server, or finds the one that another test built.
func binary(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("tapedeck-nats-server-%s-%s-%d", natsd.Version, runtime.Version(), os.Getuid())
	path := filepath.Join(os.TempDir(), name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	defer cancel()
	built := fmt.Sprintf("%s-%d", path, os.Getpid())
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", built, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		tb.Fatalf("building nats-server: %v\n%s", err, out)
	}
	if err := os.Rename(built, path); err != nil { // whole or not at all, whoever else builds
		tb.Fatal(err)
	}
	return path
}
