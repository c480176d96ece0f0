package storetest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
)

// testReadersSeeWholeBatches reads all the time while batches are committed:
// counters are those of the details in the same answer, and nothing goes back.
func testReadersSeeWholeBatches(t *testing.T, db opened) {
	steps := Tape(21, 2, 150)
	s := db.recording()
	s.record(steps[:1], 1)
	job := steps[0].Changes.Jobs[0]
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		r := db.reader()
		wg.Go(func() {
			var seen uint64
			for ctx.Err() == nil {
				if !wholeBatch(t, r, job, &seen) {
					return
				}
			}
		})
	}
	s.record(steps[1:], 9)
	stop()
	wg.Wait()
}

// wholeBatch reads a job's details and compares them with the dump's counters.
func wholeBatch(t *testing.T, r store.Reading, job store.Job, seen *uint64) bool {
	page, err := r.Details(t.Context(), store.DetailsQuery{JobID: job.ID, Limit: store.MaxPage})
	if err != nil {
		t.Errorf("reading while writing: %v", err)
		return false
	}
	if page.AsOf < *seen {
		t.Errorf("the checkpoint went back from %d to %d", *seen, page.AsOf)
		return false
	}
	*seen = page.AsOf
	for _, d := range page.Items {
		if d.Seq > page.AsOf {
			t.Errorf("a detail of sequence %d in an answer as of %d", d.Seq, page.AsOf)
			return false
		}
	}
	view, asOf, err := r.Job(t.Context(), job.ID)
	if err != nil {
		t.Errorf("reading while writing: %v", err)
		return false
	}
	if view.Progress.LastSeq > asOf {
		t.Errorf("progress of sequence %d in an answer as of %d", view.Progress.LastSeq, asOf)
		return false
	}
	if asOf != page.AsOf {
		return true
	}
	recorded := keep(page.Items, func(d store.Detail) bool { return d.Status != store.DetailPending })
	if left := view.Progress.Pending(); left != job.Total-len(recorded) {
		t.Errorf("as of %d: %d pending by progress, %d by details", asOf, left, job.Total-len(recorded))
		return false
	}
	return true
}

// testDumpIgnoresCuts records one tape in batches of three sizes, each into
// tables of its own (a shadow is as good as another database).
func testDumpIgnoresCuts(t *testing.T, db opened) {
	steps := Tape(22, 7, 9)
	s := db.recording()
	s.record(steps, len(steps))
	want := hash(t, s.Reading())
	for _, size := range []int{1, 2, 13} {
		shadow, err := s.Shadow(t.Context())
		must(t, err)
		filler := db.session(s.Recording, shadow, "filler")
		filler.record(steps, size)
		must(t, shadow.Swap(t.Context(), s.lease))
		must(t, shadow.Discard(t.Context()))
		wantEqual(t, "the dump after other cuts", hash(t, db.reader()), want)
	}
}

func testDumpCompare(t *testing.T, db opened) {
	steps := Tape(23, 6, 6)
	s := db.recording()
	s.record(steps, 8)
	r := db.reader()
	before := lines(t, r)
	changes, last := Batch(steps)
	rows := len(changes.Jobs) + len(changes.Progress) + len(changes.Details) + len(changes.Results) + len(changes.Indicators) +
		len(changes.Backtests) + len(changes.Days) + len(latest(changes.Results)) + len(changes.Poison)
	_, count, at, err := store.HashDump(t.Context(), r)
	must(t, err)
	wantEqual(t, "rows of the dump", count, rows)
	wantEqual(t, "position of the dump", at, last)
	for i := 1; i < len(before); i++ {
		if a, b := before[i-1], before[i]; a.Table == b.Table && a.Key >= b.Key {
			t.Fatalf("table %s: key %q stands before %q", a.Table, a.Key, b.Key)
		}
	}
	none := differences(t, r, dumped(before))
	wantEqual(t, "differences of equal dumps", len(none), 0)
	d := changes.Details[2]
	must(t, db.Exec(`UPDATE details SET attempts = attempts + 1 WHERE job_id = '`+d.JobID+`' AND ticker = '`+d.Ticker+`'`))
	must(t, db.Exec(`DELETE FROM poison`))
	found := differences(t, dumped(before), r)
	if len(found) != 1+len(changes.Poison) || found[0].Table != "details" || found[0].Key != d.JobID+"/"+d.Ticker ||
		found[0].A == nil || found[0].B == nil {
		t.Fatalf("differences: %v", found)
	}
	for _, x := range found[1:] {
		if x.Table != "poison" || x.A == nil || x.B != nil {
			t.Fatalf("differences: %v", found)
		}
	}
}

func differences(t *testing.T, a, b store.Dumper) (list []store.Difference) {
	t.Helper()
	must(t, store.Compare(t.Context(), a, b, func(d store.Difference) { list = append(list, d) }))
	return list
}

// dumped is a dump that was kept.
type dumped []line

// A line is a row with its table and key.
type line struct{ Table, Key, Row string }

func lines(t *testing.T, d store.Dumper) (kept []line) {
	t.Helper()
	_, err := d.Dump(t.Context(), func(table, key string, row []byte) error {
		kept = append(kept, line{table, strings.Clone(key), string(row)})
		return nil
	})
	must(t, err)
	return kept
}

// Dump implements store.Dumper.
func (d dumped) Dump(_ context.Context, emit func(table, key string, row []byte) error) (store.Position, error) {
	for _, l := range d {
		if err := emit(l.Table, l.Key, []byte(l.Row)); err != nil {
			return store.Position{}, err
		}
	}
	return store.Position{}, nil
}
