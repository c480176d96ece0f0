package loopback_test

import (
	"net"
	"testing"

	"github.com/tapedeck/tapedeck/internal/loopback"
)

// TestPortsAreApart: nobody gets a port twice, used or not; each can be
// listened on, again and again.
func TestPortsAreApart(t *testing.T) {
	given := map[string]bool{}
	for range 200 {
		address := loopback.Address(t)
		if given[address] {
			t.Fatalf("%s was given twice", address)
		}
		given[address] = true
		for range 2 {
			listener, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			listener.Close()
		}
	}
}
