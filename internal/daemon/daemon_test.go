package daemon_test

import (
	"context"
	"errors"
	"strings"
	"testing"

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
