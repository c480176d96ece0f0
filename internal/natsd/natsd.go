// Package natsd is the embedded NATS server: the configuration of nats.conf
// with a directory of its own, no TCP unless asked for, and two Unix sockets
// through which other processes of the same owner reach it: one speaks NATS
// (Dial), one adds and removes the users of subscribers (AddUser).
//
// In the data directory it owns the folder nats, mode 0700: the stream files,
// the passwords, the effective configuration and the sockets.
package natsd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tapedeck/tapedeck"
	"github.com/tapedeck/tapedeck/internal/stream"
)

var (
	// ErrLocked says that another process runs a server on this data directory.
	ErrLocked = errors.New("the data directory is in use by another process")
	// ErrNotRunning says that no server runs on this data directory.
	ErrNotRunning = errors.New("no embedded NATS server runs on this data directory")
)

// Version is the version of the embedded nats-server.
const Version = server.VERSION

// Config is what Start needs.
type Config struct {
	// DataDir is where the server keeps everything, below its folder nats.
	// Made when missing. One server per directory.
	DataDir string
	// Conf is the text of nats.conf. Default: the file that came with the program.
	Conf []byte
	// Listen is the TCP address for outside clients, "127.0.0.1:4222"; port 0
	// takes a free one. Empty: no TCP.
	Listen string
	// Passwords of the roles. Those that are missing are made up once and kept
	// in the directory.
	Passwords map[stream.Role]string
	// MaxStore is the most bytes that all streams may take on disk. Default:
	// max_file_store of Conf.
	MaxStore int64
	// Logger gets the server's warnings and errors. Default: none.
	Logger *slog.Logger
}

// A Server is a running embedded server. It is a nats.InProcessConnProvider.
// Safe for concurrent use.
type Server struct {
	cfg       Config
	paths     paths
	passwords map[stream.Role]string
	lock      *os.File

	serverMu sync.RWMutex // guards server, which a restart changes
	server   *server.Server

	usersMu sync.Mutex // guards the files of users and configuration, reloads and restarts

	trouble  atomic.Pointer[error] // what Storing says; nil: nothing
	restarts restarts              // owned by Watch

	bridge   *listener // NATS for other processes
	admin    *listener // AddUser and RemoveUser for other processes
	shutdown sync.Once
}

// Start runs a server and returns when it takes connections. ErrLocked: one
// runs on this directory already.
func Start(cfg Config) (*Server, error) {
	if cfg.Conf == nil {
		cfg.Conf = tapedeck.NATSConf
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, paths: pathsOf(cfg.DataDir)}
	if err := s.paths.prepare(); err != nil {
		return nil, fmt.Errorf("starting the NATS server: %w", err)
	}
	var err error
	if s.lock, err = lockFile(s.paths.lock); err != nil {
		return nil, fmt.Errorf("starting the NATS server in %s: %w", cfg.DataDir, err)
	}
	if err := s.start(); err != nil {
		s.Shutdown()
		return nil, fmt.Errorf("starting the NATS server in %s: %w", cfg.DataDir, err)
	}
	return s, nil
}

func (s *Server) start() error {
	var err error
	if s.passwords, err = loadPasswords(s.paths.passwords, s.cfg.Passwords); err != nil {
		return err
	}
	if err := s.run(); err != nil {
		return err
	}
	if err := writeFile(s.paths.address, []byte(s.URL())); err != nil {
		return err
	}
	if s.bridge, err = listen(s.paths.socket, s.serveNATS); err != nil {
		return err
	}
	s.admin, err = listen(s.paths.admin, s.serveUsers)
	return err
}

// run starts a server and returns when it takes connections.
func (s *Server) run() error {
	opts, err := s.options()
	if err != nil {
		return err
	}
	running, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	running.SetLoggerV2(logger{s.cfg.Logger}, false, false, false)
	s.serverMu.Lock()
	s.server = running
	s.serverMu.Unlock()
	running.Start()
	if !running.ReadyForConnections(startTimeout) {
		return fmt.Errorf("not ready after %s; the log says why", startTimeout)
	}
	if !running.JetStreamEnabled() {
		return errors.New("JetStream is off; the log says why")
	}
	if host, port, err := net.SplitHostPort(s.cfg.Listen); err == nil && port == "0" {
		if taken, ok := running.Addr().(*net.TCPAddr); ok {
			s.cfg.Listen = net.JoinHostPort(host, strconv.Itoa(taken.Port)) // a restart keeps it; nobody else reads it yet
		}
	}
	return nil
}

// running is the server of now.
func (s *Server) running() *server.Server {
	s.serverMu.RLock()
	defer s.serverMu.RUnlock()
	return s.server
}

// options writes the effective configuration and reads it as the server does,
// then sets what belongs to a server inside a process.
func (s *Server) options() (*server.Options, error) {
	users, err := loadUsers(s.paths.users)
	if err != nil {
		return nil, err
	}
	conf, err := render(s.cfg.Conf, s.paths.dir, s.passwords, users)
	if err != nil {
		return nil, err
	}
	if err := writeFile(s.paths.conf, conf); err != nil {
		return nil, err
	}
	opts, err := server.ProcessConfigFile(s.paths.conf)
	if err != nil {
		return nil, fmt.Errorf("reading nats.conf: %w", err)
	}
	opts.StoreDir = s.paths.dir
	opts.NoSigs, opts.NoLog = true, true
	opts.DisableJetStreamBanner = true
	if s.cfg.MaxStore > 0 {
		opts.JetStreamMaxStore = s.cfg.MaxStore
	}
	if s.cfg.Listen == "" {
		opts.DontListen = true
		return opts, nil
	}
	host, port, err := net.SplitHostPort(s.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("reading the address to listen on: %w", err)
	}
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("reading the address to listen on: %w", err)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	opts.Host = host
	return opts, nil
}

// reload brings the running server to the current files. Clients whose users
// did not change stay connected. Called with usersMu held.
func (s *Server) reload() error {
	opts, err := s.options()
	if err != nil {
		return err
	}
	if err := s.running().ReloadOptions(opts); err != nil {
		return fmt.Errorf("reloading the NATS server: %w", err)
	}
	return nil
}

// InProcessConn opens a connection without a socket; the client still says
// user and password.
func (s *Server) InProcessConn() (net.Conn, error) { return s.running().InProcessConn() }

// URL is the address for TCP clients; empty without Listen.
func (s *Server) URL() string {
	if s.cfg.Listen == "" {
		return ""
	}
	return s.running().ClientURL()
}

// SyncAlways reports whether an acknowledged message is on the disk, fsynced,
// so that a power failure cannot take it.
func (s *Server) SyncAlways() bool {
	config := s.running().JetStreamConfig()
	return config != nil && config.SyncAlways
}

// Password is the password of a role's user.
func (s *Server) Password(role stream.Role) string { return s.passwords[role] }

// Shutdown ends the bridge, then the server, and returns when all is on disk.
// Clients should have drained before. Again is harmless.
func (s *Server) Shutdown() {
	s.shutdown.Do(func() {
		s.admin.close()
		s.bridge.close()
		end(s.running())
		_ = os.Remove(s.paths.address) // a stale one misleads nobody: Address is asked of a running server
		unlockFile(s.lock)
	})
}

// end ends a server, if there is one, and returns when all is on disk.
func end(running *server.Server) {
	if running != nil {
		running.Shutdown()
		running.WaitForShutdown()
	}
}

// Address is where programs outside reach the server that another process runs
// on dataDir; empty if it does not listen.
func Address(dataDir string) (string, error) {
	text, err := os.ReadFile(pathsOf(dataDir).address)
	if err != nil {
		return "", fmt.Errorf("reading the address of the NATS server: %w: %w", ErrNotRunning, err)
	}
	return string(text), nil
}

// paths are the files of the server.
type paths struct {
	dir, lock, conf, passwords, users, address, socket, admin string
}

func pathsOf(dataDir string) paths {
	dir := filepath.Join(dataDir, "nats")
	return paths{
		dir: dir, lock: filepath.Join(dir, "lock"), conf: filepath.Join(dir, "server.conf"),
		passwords: filepath.Join(dir, "passwords.json"), users: filepath.Join(dir, "subscribers.json"),
		address: filepath.Join(dir, "address"),
		socket:  socketPath(dir, "nats.sock"), admin: socketPath(dir, "admin.sock"),
	}
}

func (p paths) prepare() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(p.dir, 0o700); err != nil { // it may be there already, and hold secrets from now on
		return err
	}
	return preparePrivate(filepath.Dir(p.socket), p.dir)
}

// logger passes on what an operator should see; the server's notices and
// debug lines are about itself.
type logger struct{ log *slog.Logger }

func (l logger) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Plaintext passwords") {
		return // they are random, in a file that only the owner reads, and needed in clear by the clients
	}
	l.log.Warn("nats-server: " + fmt.Sprintf(format, v...))
}
func (l logger) Errorf(format string, v ...any) {
	said := fmt.Sprintf(format, v...)
	if strings.Contains(said, " - Problem registering with account ") && strings.HasSuffix(said, server.ErrConnectionClosed.Error()) {
		return // a client that left while it was being let in, such as a program that was asked to end
	}
	l.log.Error("nats-server: " + said)
}
func (l logger) Fatalf(format string, v ...any) {
	l.log.Error("nats-server: " + fmt.Sprintf(format, v...))
}
func (logger) Noticef(string, ...any) {}
func (logger) Debugf(string, ...any)  {}
func (logger) Tracef(string, ...any)  {}
