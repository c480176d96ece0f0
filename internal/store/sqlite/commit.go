package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/tapedeck/tapedeck/internal/store"
)

// advanceSQL moves the checkpoint: the compare-and-set that fences a writer
// whose lease was taken or whose picture of the tape is old. That a lease has
// run out without being taken fences nobody: work is not thrown away for it.
const advanceSQL = `UPDATE checkpoint SET stream = ?, stream_created = ?, seq = ?, anchor = ?, lease_until = ` + now + ` + ?
	WHERE id = 1 AND owner = ? AND epoch = ? AND stream = ? AND stream_created = ? AND seq = ? AND anchor = ?`

const progressSQL = `INSERT INTO progress (job_id, status, total, analyzed, failed, cancelled, late, duplicates,
	started_at, completed_at, last_seq, cancel_seq, announced_seq, created_at)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, (SELECT created_at FROM jobs WHERE id = ?1))
	ON CONFLICT (job_id) DO UPDATE SET status = excluded.status, total = excluded.total,
	analyzed = excluded.analyzed, failed = excluded.failed, cancelled = excluded.cancelled,
	late = excluded.late, duplicates = excluded.duplicates, started_at = excluded.started_at,
	completed_at = excluded.completed_at, last_seq = excluded.last_seq,
	cancel_seq = excluded.cancel_seq, announced_seq = excluded.announced_seq`

const daysSQL = `INSERT INTO days (ticker, strategy_hash, class, trading_day, result_seq) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (ticker, strategy_hash, class, trading_day) DO UPDATE SET result_seq = excluded.result_seq
	WHERE excluded.result_seq > days.result_seq`

const latestSQL = `INSERT INTO latest (ticker, strategy_hash, class, trading_day, result_seq, verdict, score)
	SELECT ?1, ?2, ?3, ?4, ?5, r.verdict, r.score FROM results r WHERE r.seq = ?5
	ON CONFLICT (ticker, strategy_hash, class) DO UPDATE SET trading_day = excluded.trading_day,
	result_seq = excluded.result_seq, verdict = excluded.verdict, score = excluded.score
	WHERE (excluded.trading_day, excluded.result_seq) > (latest.trading_day, latest.result_seq)`

// inserts are the statements of a batch, prepared once for each connection.
type inserts struct {
	jobs, progress, details, results, indicators, backtests, days, latest, poison *sql.Stmt
}

func prepare(ctx context.Context, conn *sql.Conn) (*inserts, error) {
	s := &inserts{}
	for _, p := range []struct {
		statement **sql.Stmt
		text      string
	}{
		{&s.jobs, insertSQL(store.JobsTable())}, {&s.progress, progressSQL},
		{&s.details, insertSQL(store.DetailsTable())}, {&s.results, insertSQL(store.ResultsTable())},
		{&s.indicators, insertSQL(store.IndicatorsTable())}, {&s.backtests, insertSQL(store.BacktestsTable())}, {&s.days, daysSQL}, {&s.latest, latestSQL},
		{&s.poison, insertSQL(store.PoisonTable())},
	} {
		var err error
		if *p.statement, err = conn.PrepareContext(ctx, p.text); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func insertSQL(t store.Table) string {
	return "INSERT INTO " + t.Name + " (" + t.ColumnList("") + ") VALUES (?" + strings.Repeat(", ?", len(t.Columns)-1) + ")"
}

func (s *inserts) close() (err error) {
	if s == nil {
		return nil
	}
	for _, statement := range []*sql.Stmt{s.jobs, s.progress, s.details, s.results, s.indicators, s.backtests, s.days, s.latest, s.poison} {
		if statement != nil {
			err = errors.Join(err, statement.Close())
		}
	}
	return err
}

// Commit implements store.Writer.
func (w *Writer) Commit(ctx context.Context, lease store.Lease, next store.Position, changes store.Changes) error {
	return w.call(ctx, fmt.Sprintf("committing up to sequence %d", next.Seq), func() (err error) {
		if w.inserts == nil {
			if w.inserts, err = prepare(ctx, w.conn); err != nil {
				return err
			}
		}
		return w.inTransaction(ctx, func() error {
			if err := w.advance(ctx, lease, next); err != nil {
				return err
			}
			return w.inserts.write(ctx, &changes)
		})
	})
}

func (w *Writer) advance(ctx context.Context, lease store.Lease, next store.Position) error {
	from := lease.Position
	return w.fencedExec(ctx, advanceSQL, next.Stream, store.CreatedNanos(next.Created), int64(next.Seq), next.Anchor,
		lease.TTL.Milliseconds(), lease.Owner, lease.Epoch,
		from.Stream, store.CreatedNanos(from.Created), int64(from.Seq), from.Anchor)
}

// write inserts the rows of a batch, each table after those that its foreign keys name.
func (s *inserts) write(ctx context.Context, c *store.Changes) error {
	return firstError(
		func() error { return insert(ctx, s.jobs, c.Jobs, store.JobValues) },
		func() error { return insert(ctx, s.progress, c.Progress, store.ProgressValues) },
		func() error { return insert(ctx, s.details, c.Details, store.DetailValues) },
		func() error { return insert(ctx, s.results, c.Results, store.ResultValues) },
		func() error { return insert(ctx, s.indicators, c.Indicators, store.IndicatorsValues) },
		func() error { return insert(ctx, s.backtests, c.Backtests, store.BacktestValues) },
		func() error { return insert(ctx, s.days, c.Days, store.DayValues) },
		func() error { return insert(ctx, s.latest, c.Days, store.DayValues) },
		func() error { return insert(ctx, s.poison, c.Poison, store.PoisonValues) },
	)
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// insert carries a statement out for each row. The context is looked at
// between rows: given to the statements it would cost a goroutine for each.
func insert[T any](ctx context.Context, statement *sql.Stmt, rows []T, values func([]any, *T) []any) error {
	var args []any
	for i := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		args = values(args[:0], &rows[i])
		if _, err := statement.ExecContext(context.WithoutCancel(ctx), args...); err != nil {
			return err
		}
	}
	return nil
}
