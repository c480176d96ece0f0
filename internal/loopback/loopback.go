// Package loopback gives tests addresses for servers that are started later,
// or stopped and started again, and must then find their port free.
package loopback

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

const (
	// lowest and highest bound the ports: below those that systems give to
	// whoever asks for any (from 32768 on Linux), which all the other servers
	// and connections of tests that run at the same time do.
	lowest, highest = 20000, 32000

	// tries is how many ports are looked at: far more than can be taken.
	tries = 1000
)

// Port is a port of 127.0.0.1 that nothing listens on. Until the test ends it
// is given to nobody else who asks this package, in whatever process.
func Port(tb testing.TB) int {
	tb.Helper()
	var err error
	for range tries {
		port := lowest + rand.IntN(highest-lowest)
		if err = take(tb, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port
		}
	}
	tb.Fatalf("no free port of %d tried: %v", tries, err)
	return 0
}

// Address is 127.0.0.1 with such a port.
func Address(tb testing.TB) string {
	tb.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Port(tb)))
}

// take keeps the UDP port of the same number, which ends with the process
// whatever becomes of it, as the sign that the TCP port is taken.
func take(tb testing.TB, address string) error {
	sign, err := net.ListenPacket("udp4", address)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		sign.Close() //nolint:errcheck // nothing was sent
		return err
	}
	tb.Cleanup(func() { sign.Close() }) //nolint:errcheck // nothing was sent
	return listener.Close()
}
