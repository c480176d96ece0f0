package natsd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// Dial gives connections to the server that another process runs on dataDir,
// through its socket. Without one a connection fails with ErrNotRunning.
func Dial(dataDir string) nats.InProcessConnProvider { return dialer(pathsOf(dataDir).socket) }

// Password reads the password of a role's user from a data directory.
func Password(dataDir string, role stream.Role) (string, error) {
	passwords := map[stream.Role]string{}
	if err := readJSON(pathsOf(dataDir).passwords, &passwords); err != nil {
		return "", fmt.Errorf("reading the password of %s: %w", role, err)
	}
	if passwords[role] == "" {
		return "", fmt.Errorf("reading the password of %s: %w: %s", role, ErrNotRunning, dataDir)
	}
	return passwords[role], nil
}

type dialer string

// InProcessConn implements nats.InProcessConnProvider.
func (d dialer) InProcessConn() (net.Conn, error) {
	conn, err := net.Dial("unix", string(d))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	return conn, nil
}

// socketPath is where a socket of dir stands: in it, or, when that path is too
// long for a socket, under a name of its own in the temporary directory.
func socketPath(dir, name string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	path := filepath.Join(dir, name)
	if len(path) <= maxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), fmt.Sprintf("tapedeck-%d", os.Getuid()), hex.EncodeToString(sum[:8])+"-"+name)
}

// preparePrivate makes the directory of the sockets when it is not the
// server's own. In the temporary directory anybody could have made it before.
func preparePrivate(dir, own string) error {
	if abs, err := filepath.Abs(own); err == nil && abs == dir {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !ownedByUs(info) {
		return fmt.Errorf("the directory %s of the socket must be ours alone (mode 0700); remove it, or use a shorter data directory", dir)
	}
	return nil
}

// A listener serves connections of a Unix socket until it is closed.
type listener struct {
	net  net.Listener
	path string
	wg   sync.WaitGroup

	mu     sync.Mutex // guards conns and closed
	conns  map[net.Conn]bool
	closed bool
}

// listen opens a socket for the owner only and serves each connection in a
// goroutine of its own. The lock is held, so a file there is a dead one's.
func listen(path string, serve func(net.Conn)) (*listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("opening socket %s: %w", path, err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("opening socket %s: %w", path, err), ln.Close())
	}
	l := &listener{net: ln, path: path, conns: map[net.Conn]bool{}}
	l.wg.Go(func() { l.accept(serve) })
	return l, nil
}

func (l *listener) accept(serve func(net.Conn)) {
	for {
		conn, err := l.net.Accept()
		if err != nil {
			return // closed; nothing else ends a listener of ours
		}
		if !l.track(conn) {
			conn.Close()
			return
		}
		l.wg.Go(func() {
			defer l.forget(conn)
			serve(conn)
		})
	}
}

func (l *listener) track(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.conns[conn] = true
	}
	return !l.closed
}

func (l *listener) forget(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, conn)
	conn.Close()
}

// close ends the socket and its connections and waits for their goroutines.
func (l *listener) close() {
	if l == nil {
		return
	}
	l.net.Close() // removes the file
	l.mu.Lock()
	l.closed = true
	for conn := range l.conns {
		conn.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
}

// serveNATS carries bytes between a client in another process and the server.
func (s *Server) serveNATS(client net.Conn) {
	inside, err := s.InProcessConn()
	if err != nil {
		s.cfg.Logger.Warn("a client of the NATS socket was turned away", "err", err)
		return
	}
	done := make(chan struct{})
	go func() {
		io.Copy(inside, client) //nolint:errcheck // either end closes; the other learns it
		inside.Close()
		close(done)
	}()
	io.Copy(client, inside) //nolint:errcheck // as above
	client.Close()
	<-done
}
