package natsd_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/leaktest"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/stream"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func start(t *testing.T, cfg natsd.Config) *natsd.Server {
	t.Helper()
	s, err := natsd.Start(cfg)
	ok(t, err)
	t.Cleanup(s.Shutdown)
	return s
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func isErr(err, want error) bool { return errors.Is(err, want) }

func connect(t *testing.T, cfg stream.ConnectConfig) *nats.Conn {
	t.Helper()
	nc, err := stream.Connect(cfg)
	ok(t, err)
	t.Cleanup(nc.Close)
	return nc
}

func publish(t *testing.T, nc *nats.Conn, job string) uint64 {
	t.Helper()
	js, err := jetstream.New(nc)
	ok(t, err)
	seq, err := stream.NewTape(js, nil).Publish(context.Background(),
		events.New("test", time.Now(), &events.JobCancelled{JobID: job}))
	ok(t, err)
	return seq
}

func provision(t *testing.T, s *natsd.Server) {
	t.Helper()
	js, err := jetstream.New(connect(t, stream.ConnectConfig{InProcess: s, Role: stream.RoleProvisioner, Password: s.Password(stream.RoleProvisioner)}))
	ok(t, err)
	ok(t, stream.Provision(context.Background(), js, stream.Limits{}))
}

// TestRestart keeps the tape and the passwords.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, natsd.Config{DataDir: dir})
	if !s.SyncAlways() {
		t.Error("an acknowledged message may be lost when the power fails")
	}
	if s.URL() != "" {
		t.Errorf("it listens on %s without being asked to", s.URL())
	}
	provision(t, s)
	password := s.Password(stream.RoleAPI)
	if seq := publish(t, connect(t, stream.ConnectConfig{InProcess: s, Role: stream.RoleAPI, Password: password}), "a"); seq != 1 {
		t.Errorf("sequence %d, want 1", seq)
	}
	s.Shutdown()
	s.Shutdown()
	s = start(t, natsd.Config{DataDir: dir})
	if s.Password(stream.RoleAPI) != password {
		t.Error("the password changed")
	}
	if seq := publish(t, connect(t, stream.ConnectConfig{InProcess: s, Role: stream.RoleAPI, Password: password}), "b"); seq != 2 {
		t.Errorf("sequence %d after a restart, want 2", seq)
	}
	s.Shutdown()
	s = start(t, natsd.Config{DataDir: dir, Passwords: map[stream.Role]string{stream.RoleAPI: "5k"}}) // a number to a careless reader
	publish(t, connect(t, stream.ConnectConfig{InProcess: s, Role: stream.RoleAPI, Password: "5k"}), "c")
}

// TestRestartInPlace restarts a running server: clients of each kind come back
// by themselves, to the same address.
func TestRestartInPlace(t *testing.T) {
	dir := t.TempDir()
	s := start(t, natsd.Config{DataDir: dir, Listen: "127.0.0.1:0"})
	provision(t, s)
	password, url := s.Password(stream.RoleAPI), s.URL()
	clients := []*nats.Conn{
		connect(t, stream.ConnectConfig{InProcess: s, Role: stream.RoleAPI, Password: password}),
		connect(t, stream.ConnectConfig{InProcess: natsd.Dial(dir), Role: stream.RoleAPI, Password: password}),
		connect(t, stream.ConnectConfig{URL: url, Role: stream.RoleAPI, Password: password}),
	}
	for i, nc := range clients {
		publish(t, nc, fmt.Sprint("before", i))
	}
	ok(t, s.Restart())
	if s.URL() != url {
		t.Errorf("it listens on %s, not %s any more", s.URL(), url)
	}
	for i, nc := range clients {
		if seq := publish(t, nc, fmt.Sprint("after", i)); seq != uint64(len(clients)+i+1) {
			t.Errorf("sequence %d after the restart", seq)
		}
	}
	if _, err := natsd.AddUser(dir, "later"); err != nil {
		t.Errorf("adding a user after the restart: %v", err)
	}
	if err := s.Storing(); err != nil {
		t.Errorf("it stores, but says %v", err)
	}
}

func TestOnePerDirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, natsd.Config{DataDir: dir})
	if _, err := natsd.Start(natsd.Config{DataDir: dir}); !isErr(err, natsd.ErrLocked) {
		t.Errorf("a second server: %v, want %v", err, natsd.ErrLocked)
	}
}

// TestSocket speaks NATS through the socket, over a restart of the server.
func TestSocket(t *testing.T) {
	for name, dir := range map[string]string{
		"short": t.TempDir(),
		"long":  filepath.Join(t.TempDir(), strings.Repeat("long", 30)),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := natsd.Dial(dir).InProcessConn(); !isErr(err, natsd.ErrNotRunning) {
				t.Errorf("dialling nothing: %v, want %v", err, natsd.ErrNotRunning)
			}
			if _, err := natsd.Password(dir, stream.RoleAPI); !isErr(err, natsd.ErrNotRunning) {
				t.Errorf("a password of nothing: %v, want %v", err, natsd.ErrNotRunning)
			}
			s := start(t, natsd.Config{DataDir: dir})
			provision(t, s)
			password, err := natsd.Password(dir, stream.RoleAPI)
			ok(t, err)
			nc := connect(t, stream.ConnectConfig{InProcess: natsd.Dial(dir), Role: stream.RoleAPI, Password: password})
			publish(t, nc, "a")
			s.Shutdown()
			start(t, natsd.Config{DataDir: dir})
			publish(t, nc, "b") // reconnected by itself
			if _, err := stream.Connect(stream.ConnectConfig{InProcess: natsd.Dial(dir), Role: stream.RoleAPI, Password: "wrong"}); err == nil {
				t.Error("a wrong password is taken")
			}
		})
	}
}

// TestPrivate looks at the modes of everything that the server wrote.
func TestPrivate(t *testing.T) {
	dir := t.TempDir()
	ok(t, os.MkdirAll(filepath.Join(dir, "nats"), 0o755)) // an older program's, or an operator's
	s := start(t, natsd.Config{DataDir: dir})
	_, err := s.AddUser("alerts")
	ok(t, err)
	for name, want := range map[string]os.FileMode{
		"": 0o700, "server.conf": 0o600, "passwords.json": 0o600, "subscribers.json": 0o600, "nats.sock": 0o600, "admin.sock": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, "nats", name))
		ok(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("nats/%s has mode %o, want %o", name, got, want)
		}
	}
}

// TestUsers adds and removes a subscriber's user on a running server, from
// this process and through the socket, and while none runs.
func TestUsers(t *testing.T) {
	dir := t.TempDir()
	early, err := natsd.AddUser(dir, "early")
	ok(t, err)
	s := start(t, natsd.Config{DataDir: dir, Listen: "127.0.0.1:0"})
	var lost atomic.Int32
	bystander := connect(t, stream.ConnectConfig{InProcess: s, Role: stream.RoleAPI, Password: s.Password(stream.RoleAPI)})
	bystander.SetDisconnectErrHandler(func(*nats.Conn, error) { lost.Add(1) })
	connectAs(t, s, "early", early).Close()
	first, err := natsd.AddUser(dir, "alerts") // as the CLI does
	ok(t, err)
	second, err := s.AddUser("alerts") // a lost password is replaced
	ok(t, err)
	if first == second {
		t.Error("the password is the old one")
	}
	if _, err := tryAs(s, "alerts", first); err == nil {
		t.Error("the old password is taken")
	}
	nc := connectAs(t, s, "alerts", second)
	ok(t, nc.Flush())
	users, err := natsd.Users(dir)
	ok(t, err)
	if diff := cmp.Diff([]string{"alerts", "early"}, users); diff != "" {
		t.Error(diff)
	}
	ok(t, natsd.RemoveUser(dir, "alerts"))
	if err := natsd.RemoveUser(dir, "alerts"); !isErr(err, natsd.ErrNoUser) {
		t.Errorf("removing again: %v, want %v", err, natsd.ErrNoUser)
	}
	if _, err := tryAs(s, "alerts", second); err == nil {
		t.Error("a removed user is taken")
	}
	if _, err := natsd.AddUser(dir, "../x"); err == nil {
		t.Error("a bad name is taken")
	}
	ok(t, bystander.Flush())
	if lost.Load() != 0 {
		t.Error("a bystander lost its connection")
	}
	s.Shutdown()
	ok(t, natsd.RemoveUser(dir, "early"))
	s = start(t, natsd.Config{DataDir: dir, Listen: "127.0.0.1:0"})
	if _, err := tryAs(s, "early", early); err == nil {
		t.Error("a user that was removed while no server ran is taken")
	}
}

func tryAs(s *natsd.Server, name, password string) (*nats.Conn, error) {
	return stream.Connect(stream.ConnectConfig{URL: s.URL(), User: stream.SubscriberConsumer(name), Password: password})
}

func connectAs(t *testing.T, s *natsd.Server, name, password string) *nats.Conn {
	t.Helper()
	nc, err := tryAs(s, name, password)
	ok(t, err)
	t.Cleanup(nc.Close)
	return nc
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]natsd.Config{
		"no place for subscribers": {Conf: []byte("listen: 127.0.0.1:4222\n")},
		"not a configuration":      {Conf: []byte("jetstream {{{\n" + stream.ConfSubscribers)},
		"no address":               {Listen: "nonsense"},
		"no JetStream":             {Conf: []byte("authorization { users: [\n" + stream.ConfSubscribers + "] }\n")},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.DataDir = t.TempDir()
			cfg.Logger = slog.New(slog.DiscardHandler)
			if s, err := natsd.Start(cfg); err == nil {
				s.Shutdown()
				t.Error("it starts")
			}
			// What failed holds nothing: the directory can be used.
			s, err := natsd.Start(natsd.Config{DataDir: cfg.DataDir})
			ok(t, err)
			s.Shutdown()
		})
	}
}
