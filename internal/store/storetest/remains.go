package storetest

import (
	"cmp"
	"slices"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
)

// testRemains asks what is left for every place at which a tape could begin.
func testRemains(t *testing.T, db opened) {
	steps := Tape(23, store.MaxNamedJobs+3, 4)
	ended, at := Batch(steps)
	for _, p := range ended.Progress { // an outcome of each comes once more, so that many are cut at a time
		at = At(at.Seq + 1)
		p.Duplicates++
		p.LastSeq = at.Seq
		steps = append(steps, Step{Changes: store.Changes{Progress: []store.Progress{p}}, Position: at})
	}
	db.recording().record(steps, 50)
	changes, _ := Batch(steps)
	r := db.reader()
	most := 0
	for first := uint64(0); first <= at.Seq+1; first++ {
		left, err := r.Remains(t.Context(), first)
		must(t, err)
		want := remains(changes, first)
		wantEqual(t, "what is left", left, want)
		wantEqual(t, "jobs that are gone", left.Gone(), want.Jobs-want.Whole-want.Cut)
		most = max(most, want.Cut)
	}
	if all := remains(changes, 1); most <= store.MaxNamedJobs || all.Whole != len(changes.Jobs) || all.Days == 0 || remains(changes, at.Seq+1).Whole != 0 {
		t.Fatalf("at most %d jobs are cut, from the start %+v: the test proves nothing", most, all)
	}
}

// remains is the model of Remains.
func remains(changes store.Changes, first uint64) store.Remains {
	left := store.Remains{Jobs: len(changes.Jobs), CutIDs: []string{}}
	last, began := map[string]uint64{}, map[string]uint64{}
	for _, p := range changes.Progress {
		last[p.JobID] = p.LastSeq
	}
	jobs := slices.SortedFunc(slices.Values(changes.Jobs), func(a, b store.Job) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, job := range jobs {
		began[job.ID] = job.Seq
		switch {
		case job.Seq >= first:
			if left.Whole++; left.Whole == 1 {
				left.FirstID = job.ID
			}
		case last[job.ID] >= first:
			if left.Cut++; left.Cut <= store.MaxNamedJobs {
				left.CutIDs = append(left.CutIDs, job.ID)
			}
		}
	}
	of := map[uint64]string{}
	for _, result := range changes.Results {
		of[result.Seq] = result.JobID
	}
	for _, day := range changes.Days {
		left.Days++
		if began[of[day.ResultSeq]] >= first {
			left.WholeDays++
		}
	}
	return left
}
