package nse_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

func TestHotFolder(t *testing.T) {
	dir := t.TempDir()
	clock := friday.Add(20 * time.Hour)
	p := open(t, nse.Config{Dir: dir, Now: func() time.Time { return clock }})
	put(t, dir, "2024-07-10", rows("X EQ 10 12 9 11 11 77"))
	count := func(want int, close float64) {
		t.Helper()
		series, err := p.Daily(t.Context(), "X.NS", 9)
		if err != nil || len(series.Bars) != want || series.Bars[want-1].Close != close {
			t.Fatalf("%v, %v; want %d bars", series.Bars, err, want)
		}
	}
	count(1, 11)
	name := put(t, dir, "2024-07-11", rows("X EQ 10 12 9 11.5 11 77"))
	count(2, 11.5)
	// Rewritten in place: the folder's time stays, the clock says when to look.
	if err := os.WriteFile(filepath.Join(dir, name), nsetest.File(day("2024-07-11"), rows("X EQ 10 12 9 10.25 11 77")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, name), clock, clock); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(time.Minute)
	count(2, 10.25)
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	count(1, 11)
}

// A file rewritten in place between the look at the folder and its reading is
// no part of that look: the caller comes again.
func TestAFileThatChangesUnderTheReader(t *testing.T) {
	dir := t.TempDir()
	clock := friday.Add(20 * time.Hour)
	name := put(t, dir, "2024-07-11", rows("X EQ 10 12 9 11 11 77"))
	p := open(t, nse.Config{Dir: dir, Now: func() time.Time { return clock }})
	if err := os.WriteFile(filepath.Join(dir, name), nsetest.File(day("2024-07-11"), rows("X EQ 10 12 9 11.25 11 777")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := p.Daily(t.Context(), "X.NS", 1)
	wantFault(t, err, market.CodeUnavailable, name, "the file changed while it was read")
	clock = clock.Add(time.Minute)
	if series, err := p.Daily(t.Context(), "X.NS", 1); err != nil || series.Bars[0].Close != 11.25 {
		t.Errorf("%v, %v", series.Bars, err)
	}
}

// A series is made of one state of the folder, whatever is written meanwhile:
// here every state says its own price on every day.
func TestSeriesAreOfOneState(t *testing.T) {
	root := t.TempDir()
	sessions := nsetest.Weekdays(15, friday)
	state := func(n int) string {
		dir := filepath.Join(root, fmt.Sprint("state", n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, session := range sessions[:len(sessions)-1+n%2] {
			put(t, dir, session.Format(time.DateOnly), rows(fmt.Sprintf("X EQ %d %[1]d %[1]d %[1]d %[1]d 5", n+10)))
		}
		return dir
	}
	live := filepath.Join(root, "live")
	var states []string
	for n := range 10 {
		states = append(states, state(n))
	}
	swap := func(n int) {
		if err := os.Symlink(states[n%len(states)], live+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(live+".new", live); err != nil {
			t.Fatal(err)
		}
	}
	swap(0)
	p := open(t, nse.Config{Dir: live})
	stop := make(chan struct{})
	done := make(chan int)
	go func() {
		seen := map[float64]bool{}
		for {
			select {
			case <-stop:
				done <- len(seen)
				return
			default:
			}
			series, err := p.Daily(t.Context(), "X.NS", 50)
			if err != nil {
				if fault, _ := errors.AsType[*market.Error](err); fault == nil || fault.Code != market.CodeUnavailable {
					t.Errorf("%v", err)
				}
				continue
			}
			first := series.Bars[0].Close
			seen[first] = true
			if want := len(sessions) - 1 + int(first)%2; len(series.Bars) != want {
				t.Errorf("%d bars of a state that has %d", len(series.Bars), want)
			}
			for _, bar := range series.Bars {
				if bar.Close != first {
					t.Errorf("prices %v and %v in one series", first, bar.Close)
				}
			}
		}
	}()
	for n := range 1500 {
		swap(n)
	}
	close(stop)
	if n := <-done; n < 2 {
		t.Skipf("SKIPPED: only %d states were seen", n)
	}
}
