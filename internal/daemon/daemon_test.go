package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/daemon"
)

// waiting is a part that notes when it stops.
func waiting(name string, stops chan<- string) daemon.Part {
	return daemon.Part{Name: name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		stops <- name
		return nil
	}}
}

func TestStopsInOrder(t *testing.T) {
	stops := make(chan string, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := daemon.Run(ctx, waiting("api", stops), waiting("analyzer", stops), waiting("recorder", stops)); err != nil {
		t.Fatal(err)
	}
	got := []string{<-stops, <-stops, <-stops}
	if diff := cmp.Diff([]string{"api", "analyzer", "recorder"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFailureStopsTheOthers(t *testing.T) {
	stops := make(chan string, 1)
	broken := errors.New("broken")
	failing := daemon.Part{Name: "recorder", Run: func(context.Context) error { return broken }}
	err := daemon.Run(t.Context(), waiting("api", stops), failing)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "recorder") {
		t.Errorf("got %v", err)
	}
	if got := <-stops; got != "api" {
		t.Errorf("stopped %q", got)
	}
}

func TestSilentReturnIsAFailure(t *testing.T) {
	quitting := daemon.Part{Name: "api", Run: func(context.Context) error { return nil }}
	if err := daemon.Run(t.Context(), quitting); err == nil {
		t.Error("no error")
	}
}

// TestStopIsBounded: a part that does not stop keeps neither the others from
// stopping in their order, nor the program from ending.
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck := daemon.Part{Name: "dispatcher", Run: func(context.Context) error {
			<-release
			return nil
		}}
		stops := make(chan string, 2)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		asked := time.Now()
		err := daemon.Run(ctx, waiting("api", stops), stuck, waiting("recorder", stops))
		if took := time.Since(asked); took != daemon.DrainTime || !errors.Is(err, daemon.ErrLate) || !strings.Contains(err.Error(), "dispatcher") {
			t.Errorf("ended after %v with %v", took, err)
		}
		if diff := cmp.Diff([]string{"api", "recorder"}, []string{<-stops, <-stops}); diff != "" {
			t.Error(diff)
		}
		if how, wanted := daemon.Wanted(ctx, err); !wanted || how != "stopped before all had ended" {
			t.Errorf("%q, %t", how, wanted)
		}
		close(release)
	})
}

// TestWanted: what a stop cuts short is no failure, what fails while it stops is.
func TestWanted(t *testing.T) {
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken")
	failing := daemon.Part{Name: "recorder", Run: func(context.Context) error { return broken }}
	for _, test := range []struct {
		name   string
		ctx    context.Context
		err    error
		wanted bool
		code   int
	}{
		{"an end without an error", stopped, nil, false, 0},
		{"a start that was cut short", stopped, broken, true, 0},
		{"a start that failed", t.Context(), broken, false, 1},
		{"a part that fails while it stops", stopped, daemon.Run(stopped, failing), false, 1},
		{"a part that fails while another is late", stopped, errors.Join(daemon.ErrLate, daemon.Run(stopped, failing)), false, 1},
	} {
		_, wanted := daemon.Wanted(test.ctx, test.err)
		code := daemon.End(test.ctx, slog.New(slog.DiscardHandler), "api", test.err)
		if wanted != test.wanted || code != test.code {
			t.Errorf("%s: wanted %t, code %d", test.name, wanted, code)
		}
	}
}
