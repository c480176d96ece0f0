package query

import (
	"context"
	"fmt"
	"math"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Details implements store.Reader.
func (r *Reader) Details(ctx context.Context, q store.DetailsQuery) (list store.Page[store.Detail], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	bySeq := q.BySeq || q.SinceSeq > 0
	read := r.detailsInOrder
	if bySeq {
		read = r.detailsBySeq
	}
	after, err := detailsPlace(q, bySeq)
	if err != nil {
		return list, err
	}
	err = r.read(ctx, "details of job "+q.JobID, func(tx Tx, at store.Position) error {
		var total int
		if err := one(ctx, tx, `SELECT total FROM jobs WHERE id = $1`, []any{q.JobID}, &total); err != nil {
			return err
		}
		items, err := read(ctx, tx, q, after, total)
		list = page(items, q.Limit, at.Seq, func(last store.Detail) store.Cursor {
			if bySeq {
				return encodeCursor(place{List: "details-seq", Numbers: []int64{int64(last.Seq), int64(last.Position)}})
			}
			return encodeCursor(place{List: "details", Numbers: []int64{int64(last.Position)}})
		})
		return err
	})
	return list, err
}

// detailsPlace is where the page begins: after a position, or after a
// (sequence, position) when ordered by sequence.
func detailsPlace(q store.DetailsQuery, bySeq bool) ([]int64, error) {
	if bySeq && q.Status == store.DetailPending {
		return nil, fmt.Errorf("%w: pending tickers have no sequence", store.ErrQuery)
	}
	switch {
	case q.After != "" && bySeq:
		at, err := decodeCursor(q.After, "details-seq", 2, 0, 0)
		return at.Numbers, err
	case q.After != "":
		at, err := decodeCursor(q.After, "details", 1, 0, 0)
		return at.Numbers, err
	case bySeq:
		return []int64{int64(q.SinceSeq), math.MaxInt64}, nil
	}
	return []int64{-1}, nil
}

// detailsBySeq reads recorded details in the order of their sequences.
func (r *Reader) detailsBySeq(ctx context.Context, tx Tx, q store.DetailsQuery, after []int64, _ int) ([]store.Detail, error) {
	s := selectFrom(detailColumns, `details WHERE job_id = ?`, q.JobID).
		addIf(q.Status != "", ` AND status = ?`, q.Status).
		addIf(q.Code != "", ` AND code = ?`, string(q.Code)).
		add(` AND (seq, position) > (?, ?) ORDER BY seq, position LIMIT ?`, after[0], after[1], q.Limit+1)
	return all(ctx, tx, s, scanDetail)
}

// detailsInOrder reads details in the order of the job's list, pending ones among them.
func (r *Reader) detailsInOrder(ctx context.Context, tx Tx, q store.DetailsQuery, after []int64, total int) ([]store.Detail, error) {
	switch {
	case q.Status == store.DetailPending && q.Code == "":
		return pendingDetails(ctx, tx, q, after[0])
	case q.Status == "" && q.Code == "":
		return mergedDetails(ctx, tx, q, after[0], total)
	}
	s := selectFrom(detailColumns, `details WHERE job_id = ?`, q.JobID).
		addIf(q.Status != "", ` AND status = ?`, q.Status).
		addIf(q.Code != "", ` AND code = ?`, string(q.Code)).
		add(` AND position > ? ORDER BY position LIMIT ?`, after[0], q.Limit+1)
	return all(ctx, tx, s, scanDetail)
}

// mergedDetails reads the next places of the list, and fetches the list itself
// only if one of them has no detail.
func mergedDetails(ctx context.Context, tx Tx, q store.DetailsQuery, after int64, total int) ([]store.Detail, error) {
	end := min(after+int64(q.Limit)+1, int64(total)-1)
	if after >= end {
		return []store.Detail{}, nil
	}
	rows, err := all(ctx, tx, selectFrom(detailColumns, `details WHERE job_id = ?
		AND position > ? AND position <= ? ORDER BY position`, q.JobID, after, end), scanDetail)
	if err != nil || int64(len(rows)) == end-after {
		return rows, err
	}
	tickers, err := jobTickers(ctx, tx, q.JobID)
	if err != nil {
		return nil, err
	}
	merged := make([]store.Detail, 0, end-after)
	for i := int(after) + 1; i <= int(end) && i < len(tickers); i++ {
		if len(rows) > 0 && rows[0].Position == i {
			merged, rows = append(merged, rows[0]), rows[1:]
			continue
		}
		merged = append(merged, pending(q.JobID, tickers[i], i))
	}
	return merged, nil
}

// pendingDetails lists the places without a detail after one.
func pendingDetails(ctx context.Context, tx Tx, q store.DetailsQuery, after int64) ([]store.Detail, error) {
	tickers, err := jobTickers(ctx, tx, q.JobID)
	if err != nil {
		return nil, err
	}
	recorded, err := recordedPositions(ctx, tx, q.JobID, after)
	if err != nil {
		return nil, err
	}
	items := []store.Detail{}
	for i := max(after, -1) + 1; i < int64(len(tickers)) && len(items) <= q.Limit; i++ {
		if !recorded[int(i)] {
			items = append(items, pending(q.JobID, tickers[i], int(i)))
		}
	}
	return items, nil
}

func pending(jobID, ticker string, at int) store.Detail {
	return store.Detail{JobID: jobID, Ticker: ticker, Position: at, Status: store.DetailPending}
}

// jobTickers reads the list of a job; ErrNotFound if there is no such job.
func jobTickers(ctx context.Context, tx Tx, jobID string) ([]string, error) {
	var list string
	if err := one(ctx, tx, `SELECT tickers FROM jobs WHERE id = $1`, []any{jobID}, &list); err != nil {
		return nil, err
	}
	return texts(list)
}

// recordedPositions tells which places after one have a detail.
func recordedPositions(ctx context.Context, tx Tx, jobID string, after int64) (map[int]bool, error) {
	places, err := all(ctx, tx, selectFrom(`position`, `details WHERE job_id = ? AND position > ?`, jobID, after), scalar[int])
	if err != nil {
		return nil, err
	}
	recorded := make(map[int]bool, len(places))
	for _, at := range places {
		recorded[at] = true
	}
	return recorded, nil
}
