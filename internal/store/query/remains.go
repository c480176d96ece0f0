package query

import (
	"context"

	"github.com/tapedeck/tapedeck/internal/store"
)

const (
	countRemainsSQL = `
SELECT count(*), coalesce(sum(CASE WHEN j.seq >= $1 THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN j.seq < $1 AND p.last_seq >= $1 THEN 1 ELSE 0 END), 0)
FROM jobs j JOIN progress p ON p.job_id = j.id`
	countDaysSQL = `
SELECT count(*), coalesce(sum(CASE WHEN j.seq >= $1 THEN 1 ELSE 0 END), 0)
FROM days d JOIN results r ON r.seq = d.result_seq JOIN jobs j ON j.id = r.job_id`
)

// Remains implements store.Remainder. It reads every job's and day's row, which
// have no index for it: it is asked when something is lost.
func (r *Reader) Remains(ctx context.Context, first uint64) (left store.Remains, err error) {
	at := int64(first)
	err = r.read(ctx, "what is left of the jobs", func(tx Tx, _ store.Position) error {
		if err := one(ctx, tx, countRemainsSQL, []any{at}, &left.Jobs, &left.Whole, &left.Cut); err != nil {
			return err
		}
		if err := one(ctx, tx, countDaysSQL, []any{at}, &left.Days, &left.WholeDays); err != nil {
			return err
		}
		whole, err := all(ctx, tx, selectFrom(`id`, `jobs WHERE seq >= ? ORDER BY seq LIMIT 1`, at), scanID)
		if err != nil {
			return err
		}
		if len(whole) > 0 {
			left.FirstID = whole[0]
		}
		left.CutIDs, err = all(ctx, tx, selectFrom(`j.id`, `jobs j JOIN progress p ON p.job_id = j.id
			WHERE j.seq < ? AND p.last_seq >= ? ORDER BY j.seq LIMIT ?`, at, at, store.MaxNamedJobs), scanID)
		return err
	})
	return left, err
}

func scanID(rows Rows) (id string, err error) {
	err = rows.Scan(&id)
	return id, err
}
