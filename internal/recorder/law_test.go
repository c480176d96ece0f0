package recorder_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// An engine makes an empty database for each case of a law.
type engine func(tb testing.TB) func() store.Recording

func inMemory(tb testing.TB) func() store.Recording {
	return func() store.Recording {
		return migrate(tb, memory.New(func() time.Time { return t0 }).OpenWriter())
	}
}

func onSQLite(tb testing.TB) func() store.Recording {
	dir, n := tb.TempDir(), 0
	var last store.Recording
	return func() store.Recording {
		if last != nil {
			_ = last.Close()
		}
		n++
		last = migrate(tb, sqlite.OpenWriter(filepath.Join(dir, fmt.Sprintf("%d.db", n))))
		return last
	}
}

func onPostgres(tb testing.TB) func() store.Recording {
	url := postgrestest.Database(tb)
	w, err := postgres.OpenRecording(postgres.Options{URL: url})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = w.Close() })
	migrate(tb, w)
	var statements []string
	for _, table := range store.Tables() { // the last hang on those before
		statements = append([]string{"DELETE FROM tapedeck." + table.Name}, statements...)
	}
	empty := strings.Join(append(statements, `UPDATE tapedeck.checkpoint SET stream = '', stream_created = 0, seq = 0, anchor = ''`), "; ")
	return func() store.Recording {
		if err := postgrestest.Exec(url, empty); err != nil {
			tb.Fatal(err)
		}
		return w
	}
}

func migrate(tb testing.TB, w store.Recording) store.Recording {
	tb.Helper()
	if err := w.Migrate(context.Background(), func(string) {}); err != nil {
		tb.Fatal(err)
	}
	return w
}

// foldedInOne are tables in memory that hold a tape, folded and committed as one batch.
func foldedInOne(tb testing.TB, tape []stream.Message) store.Reading {
	w := inMemory(tb)()
	lease, err := w.Acquire(context.Background(), "x", time.Minute)
	if err != nil {
		tb.Fatal(err)
	}
	p, batch := recorder.NewProjection(), entries(tape)
	p.Learn(p.Missing(batch), nil)
	last := tape[len(tape)-1]
	next := store.Position{Stream: "TAPE", Created: t0, Seq: last.Seq, Anchor: last.Anchor()}
	if err := w.Commit(context.Background(), lease, next, p.Fold(batch)); err != nil {
		tb.Fatal(err)
	}
	return w.Reading()
}

// TestCutsMakeNoDifference is the batch law on each database: however the tape
// is cut into batches, and whatever is forgotten, lost or done again between
// them, the tables are those of the whole tape in one batch, so the same dump
// on all three; the prefix law: so they are at commits on the way; and at
// every commit the counters are those of the rows. -rapid.checks says how many
// tapes are tried in memory; the others get a part of them.
func TestCutsMakeNoDifference(t *testing.T) {
	for _, test := range []struct {
		name   string
		engine engine
		part   int
	}{{"memory", inMemory, 1}, {"SQLite", onSQLite, 4}, {"PostgreSQL", onPostgres, 4}} {
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() && test.name == "SQLite" {
				t.Skip("the driver is Go and slow under the race detector, which sees the same on PostgreSQL")
			}
			empty := test.engine(t)
			fewer(t, test.part)
			rapid.Check(t, func(rt *rapid.T) {
				tape := anyTape(rt, t)
				db := empty()
				record(rt, db, tape, func(seq uint64) {
					wantCounters(rt, db.Reading())
					if oneIn(rt, 4, "compared") {
						wantSame(rt, t, "on the way", db.Reading(), tape[:seq])
					}
				})
				wantSame(rt, t, "at the end", db.Reading(), tape)
			})
		})
	}
}

// fewer divides the number of checks for the rest of the test. Rapid has no
// other way to say it than its flag.
func fewer(t *testing.T, part int) {
	checks := flag.Lookup("rapid.checks")
	n, err := strconv.Atoi(checks.Value.String())
	if err != nil {
		t.Fatal(err)
	}
	set := func(n int) {
		if err := flag.Set(checks.Name, strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
	}
	set(max(1, n/part))
	t.Cleanup(func() { set(n) })
}

// A counted row is what wantCounters reads of a dump's row.
type counted struct {
	JobID       string `json:"job_id"`
	Status      string `json:"status"`
	Total       int    `json:"total"`
	Analyzed    int    `json:"analyzed"`
	Failed      int    `json:"failed"`
	Cancelled   int    `json:"cancelled"`
	CompletedAt *int64 `json:"completed_at"`
}

// wantCounters holds progress against the rows of its job, in one snapshot.
func wantCounters(rt *rapid.T, db store.Dumper) {
	var progress []counted
	details, found := map[string]map[string]int{}, map[string]int{}
	_, err := db.Dump(context.Background(), func(table, _ string, row []byte) (err error) {
		var c counted
		switch table {
		case "progress", "details", "results", "backtests":
			err = json.Unmarshal(row, &c)
		}
		switch table {
		case "progress":
			progress, details[c.JobID] = append(progress, c), map[string]int{}
		case "details":
			details[c.JobID][c.Status]++
		case "results", "backtests":
			found[c.JobID]++
		}
		return err
	})
	if err != nil {
		rt.Fatalf("dumping: %v", err)
	}
	for _, p := range progress {
		counts := details[p.JobID]
		if counts["analyzed"] != p.Analyzed || counts["failed"] != p.Failed || counts["cancelled"] != p.Cancelled {
			rt.Fatalf("the counters of %+v are not those of the details %v", p, counts)
		}
		if found[p.JobID] != p.Analyzed {
			rt.Fatalf("%d results and backtests of %+v", found[p.JobID], p)
		}
		pending := p.Total - p.Analyzed - p.Failed - p.Cancelled
		if ended := events.Status(p.Status).Ended(); ended != (pending == 0) || ended == (p.CompletedAt == nil) {
			rt.Fatalf("job %+v ended or did not, with %d pending", p, pending)
		}
	}
}

// TestProgressNeverGoesBack: what readers saw of a job stays true.
func TestProgressNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tape := anyTape(rt, t)
		p := recorder.NewProjection()
		last := map[string]store.Progress{}
		for i := range tape {
			e := entries(tape[i : i+1])
			missing := p.Missing(e)
			p.Learn(missing, nil)
			for _, now := range p.Fold(e).Progress {
				old, known := last[now.JobID]
				if known && (now.Analyzed < old.Analyzed || now.Failed < old.Failed || now.Cancelled < old.Cancelled ||
					now.LastSeq <= old.LastSeq || old.Status.Ended() && now.Status != old.Status || now.Pending() < 0) {
					rt.Fatalf("from %+v to %+v", old, now)
				}
				last[now.JobID] = now
			}
			// No Settle: it only forgets what does not exist, and nothing can be loaded here.
		}
	})
}
