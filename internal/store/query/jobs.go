package query

import (
	"context"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// The conditions are spelled as in the partial indexes, so that these serve
// them. Unannounced jobs are few: the rest of their condition names no index.
const (
	isActive    = `p.status IN ('queued', 'running')`
	isEnded     = `p.status IN ('completed', 'failed', 'cancelled')`
	isSilentEnd = `p.announced_seq = 0 AND p.status NOT IN ('queued', 'running')`
)

// Job implements store.Reader.
func (r *Reader) Job(ctx context.Context, id string) (view store.JobView, asOf uint64, err error) {
	err = r.read(ctx, "job "+id, func(tx Tx, at store.Position) error {
		asOf = at.Seq
		views, err := all(ctx, tx, selectFrom(wholeJob, jobViews+` WHERE p.job_id = ?`, id), scanWholeJob)
		if err != nil {
			return err
		}
		if len(views) == 0 {
			return store.ErrNotFound
		}
		view = views[0]
		return nil
	})
	return view, asOf, err
}

// Jobs implements store.Reader.
func (r *Reader) Jobs(ctx context.Context, q store.JobsQuery) (list store.Page[store.JobView], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	if q.Active && q.Status != "" {
		return list, fmt.Errorf("%w: active and a status exclude each other", store.ErrQuery)
	}
	s := selectFrom(jobViewColumns, jobViews+` WHERE 1 = 1`).
		addIf(q.Active || q.Status != "" && !q.Status.Ended(), ` AND `+isActive).
		addIf(q.Status.Ended(), ` AND `+isEnded).
		addIf(q.Status != "", ` AND p.status = ?`, string(q.Status))
	if q.After != "" {
		after, err := decodeCursor(q.After, "jobs", 1, 1, 0)
		if err != nil {
			return list, err
		}
		s.add(` AND (p.created_at, p.job_id) < (?, ?)`, after.Numbers[0], after.Texts[0])
	}
	s.add(` ORDER BY p.created_at DESC, p.job_id DESC LIMIT ?`, q.Limit+1)
	err = r.read(ctx, "jobs", func(tx Tx, at store.Position) error {
		views, err := all(ctx, tx, s, scanListedJob)
		list = page(views, q.Limit, at.Seq, func(last store.JobView) store.Cursor {
			return encodeCursor(place{List: "jobs", Numbers: []int64{last.CreatedAt.UnixMilli()}, Texts: []string{last.ID}})
		})
		return err
	})
	return list, err
}

// Unfinished implements store.Backlog.
func (r *Reader) Unfinished(ctx context.Context, limit int) (list store.Page[store.JobView], err error) {
	if err := checkLimit(limit); err != nil {
		return list, err
	}
	err = r.read(ctx, "unfinished jobs", func(tx Tx, at store.Position) (err error) {
		list.AsOf = at.Seq
		list.Items, err = all(ctx, tx, selectFrom(jobViewColumns, jobViews+` WHERE `+isActive+
			` ORDER BY p.created_at, p.job_id LIMIT ?`, limit), scanListedJob)
		return err
	})
	return list, err
}

// Unannounced implements store.Backlog.
func (r *Reader) Unannounced(ctx context.Context, limit int) (views []store.JobView, err error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	err = r.read(ctx, "unannounced jobs", func(tx Tx, _ store.Position) (err error) {
		views, err = all(ctx, tx, selectFrom(jobViewColumns, jobViews+` WHERE `+isSilentEnd+
			` ORDER BY p.created_at, p.job_id LIMIT ?`, limit), scanListedJob)
		return err
	})
	return views, err
}

// Outstanding implements store.Backlog.
func (r *Reader) Outstanding(ctx context.Context, jobID string) (tickers []string, asOf uint64, err error) {
	err = r.read(ctx, "outstanding tickers of job "+jobID, func(tx Tx, at store.Position) error {
		asOf = at.Seq
		list, err := jobTickers(ctx, tx, jobID)
		if err != nil {
			return err
		}
		recorded, err := recordedPositions(ctx, tx, jobID, -1)
		if err != nil {
			return err
		}
		tickers = []string{}
		for i, ticker := range list {
			if !recorded[i] {
				tickers = append(tickers, ticker)
			}
		}
		return nil
	})
	return tickers, asOf, err
}

// Poisoned implements store.Backlog.
func (r *Reader) Poisoned(ctx context.Context, limit int) (poison []store.Poison, count int, err error) {
	if err := checkLimit(limit); err != nil {
		return nil, 0, err
	}
	err = r.read(ctx, "poisoned events", func(tx Tx, _ store.Position) (err error) {
		if err := one(ctx, tx, `SELECT count(*) FROM poison`, nil, &count); err != nil {
			return err
		}
		poison, err = all(ctx, tx, selectFrom(`seq, recorded_at, subject, event_id, event_type, reason, body`,
			`poison ORDER BY seq DESC LIMIT ?`, limit), scanPoison)
		return err
	})
	return poison, count, err
}

// Standing implements store.Backlog.
func (r *Reader) Standing(ctx context.Context) (s store.Standing, err error) {
	err = r.read(ctx, "the lease", func(tx Tx, _ store.Position) error {
		var left int64
		err := one(ctx, tx, `SELECT owner, epoch, lease_until - `+r.now+`, projection_version,
			(SELECT max(number) FROM migrations) FROM checkpoint WHERE id = 1`, nil,
			&s.Owner, &s.Epoch, &left, &s.Projection, &s.SchemaVersion)
		if s.Owner != "" {
			s.LeaseLeft = time.Duration(left) * time.Millisecond
		}
		return err
	})
	return s, err
}

// Indicators implements store.Reader.
func (r *Reader) Indicators(ctx context.Context, seq uint64) (list []events.Indicator, err error) {
	err = r.read(ctx, fmt.Sprintf("indicators of result %d", seq), func(tx Tx, _ store.Position) error {
		var data []byte
		if err := one(ctx, tx, `SELECT data FROM indicators WHERE seq = $1`, []any{int64(seq)}, &data); err != nil {
			return err
		}
		list, err = store.DecodeIndicators(data)
		return err
	})
	return list, err
}
