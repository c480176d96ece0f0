package pubsub

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestWheel deals fifteen turns among lanes that all have work: 8, 4, 2, 1,
// spread evenly.
func TestWheel(t *testing.T) {
	w := newWheel([]int{8, 4, 2, 1})
	counts := make([]int, 4)
	var order []int
	for range 15 {
		lane := w.next(func(int) bool { return true })
		counts[lane]++
		order = append(order, lane)
	}
	if diff := cmp.Diff([]int{8, 4, 2, 1}, counts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0}, order); diff != "" {
		t.Error(diff)
	}
	if lane := w.next(func(int) bool { return false }); lane != -1 {
		t.Errorf("turn of lane %d while none is eligible", lane)
	}
	if lane := w.next(func(i int) bool { return i == 3 }); lane != 3 {
		t.Errorf("turn of lane %d while only 3 is eligible", lane)
	}
}

// TestLanesKeepTheirSlots drives the state machine with whatever a server may
// say, in any order, and holds that no more messages are in hand than there
// are slots, that slots come back, and that no work is forgotten.
func TestLanesKeepTheirSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 10).Draw(t, "slots")
		l := newLanes([]int{8, 4, 2, 1}, slots)
		now := time.Unix(0, 0)
		working := 0
		open := map[int]request{} // by id
		sent := func(asked []request) {
			for _, r := range asked {
				open[r.id] = r
			}
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			out, asked := l.deal(now)
			working += len(out)
			sent(asked)
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1: // a message, asked for or not
				if l.arrived(rapid.IntRange(0, 3).Draw(t, "lane"), delivery{}) {
					working++
				}
			case 2:
				if working > 0 {
					working--
					l.released()
				}
			case 3:
				for id, r := range open {
					code := rapid.SampledFrom([]string{"100", "404", "408", "409", "503"}).Draw(t, "code")
					sent(l.status(r.lane, id, code, now))
					delete(open, id)
					break
				}
			case 4:
				now = now.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "seconds")) * time.Second)
				sent(l.tick(now))
			case 5:
				sent(l.reconnected(now))
			}
			promised := 0
			for i := range l.list {
				promised += l.list[i].promised
				if m := l.list[i]; m.promised > 0 && m.mode != laneProbing {
					t.Fatalf("lane %d promises %d slots to no request", i, m.promised)
				}
			}
			if l.free < 0 || working > slots || working+promised+l.free != slots {
				t.Fatalf("%d slots: %d in work, %d promised, %d free", slots, working, promised, l.free)
			}
		}
	})
}
