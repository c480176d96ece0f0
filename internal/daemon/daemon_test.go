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

// TestBudget: whatever hangs, a program has ended in time and says what it has
// left behind; and a part that comes last has its whole time all the same.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hang := func(context.Context) error {
			<-release
			return nil
		}
		closed := func() error { return nil }
		last := daemon.Part{Name: "recorder", Run: func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(daemon.PartTime - time.Millisecond)
			return nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan time.Time, 1)
		daemon.LastResort(ctx, func() { ended <- time.Now() })
		asked := time.Now()
		cancel()
		err := errors.Join(
			daemon.Run(ctx, daemon.Part{Name: "api", Run: hang}, daemon.Part{Name: "analyzer", Run: hang}, last),
			daemon.Close(daemon.Closing{Name: "the market", Close: closed}, daemon.Closing{Name: "the database", Close: func() error { return hang(ctx) }},
				daemon.Closing{Name: "the server", Close: closed}),
		)
		took := time.Since(asked)
		if took != daemon.DrainTime+daemon.CloseTime || took >= daemon.LastTime || daemon.LastTime >= daemon.StopTime {
			t.Errorf("it ended after %v, at the latest after %v, of %v", took, daemon.LastTime, daemon.StopTime)
		}
		late := strings.Split(err.Error(), "\n")
		for i, want := range []string{"stopping api: ", "stopping analyzer: ", "closing the database, the server: "} {
			if len(late) != 3 || late[i] != want+daemon.ErrLate.Error() {
				t.Fatalf("it says %q", late)
			}
		}
		if how, wanted := daemon.Wanted(ctx, err); !wanted || how != "stopped before all had ended" {
			t.Errorf("%q, %t", how, wanted)
		}
		if resort := <-ended; resort.Sub(asked) != daemon.LastTime {
			t.Errorf("the last resort came after %v", resort.Sub(asked))
		}
		close(release)
	})
}

// TestCloseInOrder: each is closed when the one before it has, and what fails is told.
func TestCloseInOrder(t *testing.T) {
	broken := errors.New("broken")
	var order []string
	closing := func(name string, err error) daemon.Closing {
		return daemon.Closing{Name: name, Close: func() error {
			order = append(order, name)
			return err
		}}
	}
	err := daemon.Close(closing("the market", nil), closing("the database", broken), closing("the server", nil))
	if !errors.Is(err, broken) || errors.Is(err, daemon.ErrLate) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"the market", "the database", "the server"}, order); diff != "" {
		t.Error(diff)
	}
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
