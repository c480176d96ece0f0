package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"pgregory.net/rapid"
)

// TestFeedNeverSkips: a follower that starts anywhere, reads at any time and
// reads from the database where the window ends, gets each frame once, in order.
func TestFeedNeverSkips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint64Range(0, 20).Draw(t, "start")
		f := feed{limit: rapid.IntRange(1, 8).Draw(t, "limit"), floor: start, head: start}
		var all []frame
		after := rapid.Uint64Range(start, start+3).Draw(t, "after")
		first, got := after, []uint64(nil)
		read := func() {
			frames, behind := f.since(after)
			if behind { // the database has everything up to the head
				for _, one := range all {
					if one.seq > after {
						frames = append(frames, one)
					}
				}
			}
			for _, one := range frames {
				got = append(got, one.seq)
			}
			after = max(after, f.head)
		}
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			var fresh []frame
			to := f.head
			for range rapid.IntRange(0, 6).Draw(t, "frames") {
				to += rapid.Uint64Range(1, 2).Draw(t, "step")
				for range rapid.IntRange(1, 2).Draw(t, "same") {
					fresh = append(fresh, frame{seq: to})
				}
			}
			f.add(fresh, to)
			all = append(all, fresh...)
			if rapid.Bool().Draw(t, "reads") {
				read()
			}
			if len(f.frames) > f.limit {
				t.Fatalf("the window holds %d frames, its limit is %d", len(f.frames), f.limit)
			}
		}
		read()
		var want []uint64
		for _, one := range all {
			if one.seq > first {
				want = append(want, one.seq)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("frames (-want +got):\n%s", diff)
		}
	})
}

func TestFeedIgnoresOlderLooks(t *testing.T) {
	f := feed{limit: 4, floor: 5, head: 9}
	f.add([]frame{{seq: 7}}, 8)
	if len(f.frames) != 0 || f.head != 9 {
		t.Errorf("%+v", f)
	}
}

func view(id string, seq, last uint64, status events.Status) store.JobView {
	return store.JobView{Job: store.Job{ID: id, Seq: seq}, Progress: store.Progress{JobID: id, Status: status, LastSeq: last}}
}

func rows(id string, seqs ...uint64) []store.Detail {
	list := make([]store.Detail, len(seqs))
	for i, seq := range seqs {
		list[i] = store.Detail{JobID: id, Seq: seq, Status: store.DetailAnalyzed}
	}
	return list
}

// told is what an event says, in short.
type told struct {
	Kind Kind
	Seq  uint64
	Job  string
}

func short(list []Event) []told {
	var out []told
	for _, e := range list {
		out = append(out, told{e.Kind, e.Seq, e.JobID})
	}
	return out
}

func TestOutcomesOfACancel(t *testing.T) {
	list := append(rows("a", 3, 4), store.Detail{JobID: "a", Seq: 9, Status: store.DetailCancelled}, store.Detail{JobID: "a", Seq: 9, Status: store.DetailCancelled})
	want := []told{{KindTicker, 4, "a"}, {KindCancelled, 9, "a"}}
	if diff := cmp.Diff(want, short(outcomes(list, 3, 20))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMerged: in the tape's order, nothing beyond the lowest checkpoint, and
// where a job stands only as of then.
func TestMerged(t *testing.T) {
	readings := []reading{
		{view: view("a", 1, 12, events.StatusCompleted), rows: rows("a", 6, 8, 12), asOf: 12},
		{view: view("b", 7, 9, events.StatusCompleted), rows: rows("b", 9), asOf: 10},
	}
	want := []told{{KindTicker, 6, "a"}, {KindQueued, 7, "b"}, {KindTicker, 8, "a"}, {KindTicker, 9, "b"}, {KindEnd, 0, "b"}}
	if diff := cmp.Diff(want, short(merged(readings, 5, 10))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
