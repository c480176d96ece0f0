package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Remains implements store.Remainder.
func (r *Reader) Remains(ctx context.Context, first uint64) (left store.Remains, err error) {
	err = r.read(ctx, "what is left of the jobs", func(p *space) error {
		var whole, cut []store.Job
		for _, j := range p.tables.jobs {
			switch {
			case j.progress == nil:
				continue
			case j.row.Seq >= first:
				whole = append(whole, j.row)
			case j.progress.row.LastSeq >= first:
				cut = append(cut, j.row)
			}
			left.Jobs++
		}
		bySeq := func(a, b store.Job) int { return cmp.Compare(a.Seq, b.Seq) }
		slices.SortFunc(whole, bySeq)
		slices.SortFunc(cut, bySeq)
		left.Whole, left.Cut, left.Days, left.CutIDs = len(whole), len(cut), len(p.tables.days), []string{}
		if len(whole) > 0 {
			left.FirstID = whole[0].ID
		}
		for _, job := range cut[:min(len(cut), store.MaxNamedJobs)] {
			left.CutIDs = append(left.CutIDs, job.ID)
		}
		for _, seq := range p.tables.days {
			if job := p.tables.jobs[p.tables.results[seq].result.row.JobID]; job.row.Seq >= first {
				left.WholeDays++
			}
		}
		return nil
	})
	return left, err
}
