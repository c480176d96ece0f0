package main

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"

	"github.com/tapedeck/tapedeck/internal/daemon"
)

// TestLateStop: a deck beside which something is done, and of which a part does
// not end in time, is a message after Ctrl-C and a failure without.
func TestLateStop(t *testing.T) {
	for name, test := range map[string]struct {
		interrupted bool
		code        int
		says        string
	}{
		"Ctrl-C":     {true, exitOK, "tapedeck: stopped before all had ended: stopping analyzer: "},
		"by its end": {false, exitFailure, "tapedeck: stopping analyzer: "},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				var out, errOut bytes.Buffer
				a := &app{ctx: ctx, out: &out, err: &errOut}
				release := make(chan struct{})
				stuck := daemon.Part{Name: "analyzer", Run: func(context.Context) error {
					<-release
					return nil
				}}
				code := a.exit(a.beside(ctx, func(ctx context.Context) error { return daemon.Run(ctx, stuck) }, func(context.Context) error {
					if test.interrupted {
						interrupt()
					}
					return nil
				}))
				close(release)
				said{code, out.String(), errOut.String()}.want(t, test.code, test.says)
			})
		})
	}
}
