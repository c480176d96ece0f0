package postgres_test

import (
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// The two ways of a link.
const (
	requests = "requests" // from the store to the server
	answers  = "answers"
)

// A link is a network between the store and a server: it passes bytes on, or
// swallows them without a word.
type link struct {
	url string // of the server, through the link

	server string

	mu        sync.Mutex // guards all below
	swallowed []string   // the ways that lead nowhere
	conns     []net.Conn
	forgotten int // how many of conns lead nowhere, whatever is swallowed
	closed    bool
}

func newLink(t *testing.T, serverURL string) *link {
	t.Helper()
	u, err := url.Parse(serverURL)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := &link{server: u.Host}
	u.Host = listener.Addr().String()
	l.url = u.String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			l.join(&wg, client)
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.closeAll()
		wg.Wait()
	})
	return l
}

func (l *link) join(wg *sync.WaitGroup, client net.Conn) {
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		client.Close()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		client.Close()
		server.Close()
		return
	}
	number := len(l.conns)
	l.conns = append(l.conns, client, server)
	wg.Go(func() { l.pass(requests, number, server, client) })
	wg.Go(func() { l.pass(answers, number, client, server) })
}

func (l *link) pass(way string, number int, to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if l.swallows(way, number) {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// swallow makes these ways, and no others, lead nowhere.
func (l *link) swallow(ways ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.swallowed = ways
}

// forget makes the connections of now lead nowhere, as a firewall does that
// has forgotten them; later ones are passed on.
func (l *link) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgotten = len(l.conns)
}

func (l *link) swallows(way string, number int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return number < l.forgotten || slices.Contains(l.swallowed, way)
}

func (l *link) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, conn := range l.conns {
		conn.Close()
	}
}
