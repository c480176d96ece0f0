package main

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/standalone"
)

// TestSoak soaks a deck of its own for some seconds: nothing is wrong with it.
func TestSoak(t *testing.T) {
	command(t, "soak", "--for=2s", "--rate=300").want(t, exitOK,
		"goroutines of tapedeck", "bytes in the database per event", "differences 0", "wrong       0", "soaked ")
}

// TestSoakFindsALeak soaks a deck that runs, in whose process goroutines pile up.
func TestSoakFindsALeak(t *testing.T) {
	if testing.Short() {
		t.Skip("left out under -short, like what only repeats")
	}
	dir := t.TempDir()
	base := deck(t, func(cfg *standalone.Config) { cfg.DataDir = dir })
	leaking, stop := context.WithCancel(t.Context())
	var leaked sync.WaitGroup
	leaked.Go(func() {
		const perSecond = 2000
		for n, began := 0, time.Now(); leaking.Err() == nil; time.Sleep(time.Millisecond) { // between two leaks
			for ; n < int(time.Since(began).Seconds()*perSecond); n++ {
				leaked.Go(func() { <-leaking.Done() })
			}
		}
	})
	said := command(t, "soak", "--for=2s", "--rate=300", "--url="+base, "--data="+dir)
	stop()
	leaked.Wait()
	said.want(t, exitFailure, "it grows: goroutines of tapedeck", "differences 0", "wrong       0")
}

// TestSoakIsEnded: Ctrl-C ends it early, and it says how long it ran.
func TestSoakIsEnded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // as Ctrl-C does
	defer cancel()
	var out, errOut bytes.Buffer
	code := run(ctx, []string{"soak", "--for=1h"}, &out, &errOut)
	said{code, out.String(), errOut.String()}.want(t, exitOK, " s of the 1 h asked for", "differences 0", "wrong       0")
}

// TestSoakUsage: who has a running deck says where all of it is.
func TestSoakUsage(t *testing.T) {
	command(t, "soak").want(t, exitUsage, "--for")
	command(t, "soak", "--for=1s", "--url=http://127.0.0.1:1").want(t, exitUsage, "--nats-url")
	command(t, "soak", "--for=1s", "--data="+t.TempDir()).want(t, exitUsage, "--url")
	command(t, "soak", "--for=1s", "--url=http://127.0.0.1:1", "--data="+t.TempDir(), "--metrics=analyzer").want(t, exitUsage, "--metrics")
	command(t, "soak", "--for=1s", "--url=http://127.0.0.1:1", "--data="+t.TempDir()).want(t, exitFailure, "metrics of tapedeck")
}
