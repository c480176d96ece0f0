package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/store/sqlite"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// BenchmarkCommit records outcomes with indicators in batches of 500 events,
// from jobs of 2,500 tickers.
func BenchmarkCommit(b *testing.B) {
	const batch = 500
	steps := storetest.Tape(1, 8, 2500)
	b.ReportAllocs()
	events := 0
	for b.Loop() {
		w := sqlite.OpenWriter(filepath.Join(b.TempDir(), "t.db"))
		if err := w.Migrate(b.Context(), func(string) {}); err != nil {
			b.Fatal(err)
		}
		lease, err := w.Acquire(b.Context(), "first", time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		for at := 0; at < len(steps); at += batch {
			changes, next := storetest.Batch(steps[at:min(at+batch, len(steps))])
			if err := w.Commit(b.Context(), lease, next, changes); err != nil {
				b.Fatal(err)
			}
			lease.Position = next
		}
		events += len(steps)
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
