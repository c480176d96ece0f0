package api_test

import (
	"context"
	"net"
	"testing"

	"github.com/tapedeck/tapedeck/internal/api"
)

// TestStopAtOnce stops servers that have hardly begun: each returns.
func TestStopAtOnce(t *testing.T) {
	r := newRig(t)
	for range 50 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		server := api.New(api.Config{Tape: r.api, Reader: r.writer.Reading()})
		if err := server.Run(ctx, listener); err != nil {
			t.Errorf("stopping: %v", err)
		}
	}
}
