package memory_test

import (
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// BenchmarkCommit commits a tape event by event, over and over into new
// databases: a commit costs what the batch has, whatever is there.
func BenchmarkCommit(b *testing.B) {
	for name, tape := range map[string][]storetest.Step{"20 jobs": storetest.Tape(1, 20, 10), "1000 jobs": storetest.Tape(1, 1000, 10)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var w *memory.Writer
			var lease store.Lease
			left := tape[:0]
			for b.Loop() {
				if len(left) == 0 {
					b.StopTimer()
					w, lease = fresh(b)
					left = tape
					b.StartTimer()
				}
				if err := w.Commit(b.Context(), lease, left[0].Position, left[0].Changes); err != nil {
					b.Fatal(err)
				}
				lease.Position, left = left[0].Position, left[1:]
			}
		})
	}
}

// BenchmarkNew makes a database ready to be written.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		fresh(b)
	}
}

func fresh(tb testing.TB) (*memory.Writer, store.Lease) {
	w := memory.New(time.Now).OpenWriter()
	if err := w.Migrate(tb.Context(), func(string) {}); err != nil {
		tb.Fatal(err)
	}
	lease, err := w.Acquire(tb.Context(), "first", time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	return w, lease
}
