package chaos_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// linkBuffer is how much of a connection is passed on at a time.
const linkBuffer = 32 << 10

// From how many bytes on a client's writes are taken for a request that counts.
const (
	batchBytes = 1500 // of PostgreSQL and NATS: a lease, a ping and a read are shorter
	callBytes  = 100  // of HTTP: every request
)

// A link is the network between one kind of clients and one server: TCP
// connections to its address are passed on to the server's, and can be delayed,
// silenced, refused, reset and cut in the middle of a request or of its answer.
// toxiproxy's library would bring six modules and could not tell the answer of a
// COMMIT from any other bytes.
type link struct {
	listener net.Listener
	server   string // address
	counts   int64  // from how many bytes on a request may be cut

	latency   atomic.Int64 // of each piece, in nanoseconds
	left      atomic.Int64 // pieces from the server until the link falls silent by itself; 0: it does not
	cutting   atomic.Int32 // what happens to the next request: cutNothing, cutRequest or cutAnswer
	cuts      atomic.Int64 // how many have happened
	mu        sync.Mutex   // guards all below
	refusing  bool
	silence   chan struct{} // not nil: nothing passes until it is closed
	connected map[*wire]bool
}

const (
	cutNothing int32 = iota
	cutRequest       // half of a request arrives
	cutAnswer        // the request arrives, and what the server says to it is lost
)

// A wire is one connection through a link.
type wire struct {
	client, server net.Conn
	gone           chan struct{} // closed when it is cut
	once           sync.Once
	asked          atomic.Int64 // bytes from the client since the server spoke last
}

// newLink opens a link to a server that may not run yet.
func newLink(t *testing.T, server string, counts int64) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, server: server, counts: counts, connected: map[*wire]bool{}}
	go l.serve()
	t.Cleanup(func() {
		listener.Close()
		l.reset()
	})
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

// silent lets nothing pass, as a cable that is pulled does: nobody is told.
// What came meanwhile passes when it is over.
func (l *link) silent(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if on == (l.silence != nil) {
		return
	}
	if !on {
		close(l.silence)
		l.silence = nil
		return
	}
	l.silence = make(chan struct{})
}

// refuse resets what is connected, and whoever connects.
func (l *link) refuse(on bool) {
	l.mu.Lock()
	l.refusing = on
	l.mu.Unlock()
	if on {
		l.reset()
	}
}

// reset resets every connection.
func (l *link) reset() {
	l.mu.Lock()
	wires := make([]*wire, 0, len(l.connected))
	for w := range l.connected {
		wires = append(wires, w)
	}
	l.mu.Unlock()
	for _, w := range wires {
		w.end(false)
	}
}

func (l *link) serve() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.connect(client)
	}
}

func (l *link) connect(client net.Conn) {
	w := &wire{client: client, gone: make(chan struct{})}
	l.mu.Lock()
	refused := l.refusing
	l.mu.Unlock()
	var err error
	if !refused {
		w.server, err = net.DialTimeout("tcp", l.server, time.Second)
	}
	if refused || err != nil {
		abandon(client)
		return
	}
	l.mu.Lock()
	l.connected[w] = true
	l.mu.Unlock()
	go l.pass(w, w.client, w.server, true)
	l.pass(w, w.server, w.client, false)
	l.mu.Lock()
	delete(l.connected, w)
	l.mu.Unlock()
}

// pass carries one direction of a wire until it ends or is cut.
func (l *link) pass(w *wire, from, to net.Conn, request bool) {
	farewell := false
	defer func() { w.end(farewell) }()
	buffer := make([]byte, linkBuffer)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !request && l.left.Load() > 0 && l.left.Add(-1) == 0 {
			l.silent(true) // this piece is the first that does not pass
		}
		if n > 0 && !(l.wait(w) && l.deliver(w, to, buffer[:n], request)) {
			return
		}
		if err != nil {
			farewell = errors.Is(err, io.EOF)
			return
		}
	}
}

// wait holds a piece back for as long as the link is silent or slow; false when
// the wire was cut meanwhile.
func (l *link) wait(w *wire) bool {
	if latency := l.latency.Load(); latency > 0 {
		select {
		case <-time.After(time.Duration(latency)):
		case <-w.gone:
			return false
		}
	}
	l.mu.Lock()
	silence := l.silence
	l.mu.Unlock()
	if silence == nil {
		return true
	}
	select {
	case <-silence:
		return true
	case <-w.gone:
		return false
	}
}

// deliver passes a piece on, or cuts the wire where that was asked for.
func (l *link) deliver(w *wire, to io.Writer, piece []byte, request bool) bool {
	if request {
		asked := w.asked.Add(int64(len(piece)))
		if asked >= l.counts && l.cutting.CompareAndSwap(cutRequest, cutNothing) {
			l.cuts.Add(1)
			_, _ = to.Write(piece[:len(piece)/2]) // the server may be gone too
			return false
		}
	} else if w.asked.Swap(0) >= l.counts && l.cutting.CompareAndSwap(cutAnswer, cutNothing) {
		l.cuts.Add(1)
		return false
	}
	_, err := to.Write(piece)
	return err == nil
}

// end closes both ends, with a farewell or with a reset.
func (w *wire) end(farewell bool) {
	w.once.Do(func() {
		close(w.gone)
		if farewell {
			w.client.Close()
			w.server.Close()
			return
		}
		abandon(w.client)
		abandon(w.server)
	})
}

// abandon closes a connection with a reset instead of a farewell.
func abandon(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}
