package postgres_test

import (
	"testing"

	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// BenchmarkCommit records the same tape as SQLite's, in batches of 500, on a
// server that waits for its disk.
func BenchmarkCommit(b *testing.B) {
	const batch = 500
	steps := storetest.Tape(1, 8, 2500)
	server := postgrestest.Start(b, "", postgrestest.Options{})
	b.ReportAllocs()
	events := 0
	for b.Loop() {
		b.StopTimer()
		name := postgrestest.Name("bench")
		must(b, postgrestest.Exec(server.URL(), "CREATE DATABASE "+name))
		w := recording(b, postgres.Options{URL: postgrestest.WithDatabase(server.URL(), name)})
		lease := acquire(b, w, "first")
		b.StartTimer()
		for at := 0; at < len(steps); at += batch {
			lease = commit(b, w, lease, steps[at:min(at+batch, len(steps))])
		}
		events += len(steps)
		b.StopTimer()
		must(b, w.Close())
		b.StartTimer()
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
