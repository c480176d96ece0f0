package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/store"
)

// moveSQL is the fence: it moves the checkpoint if lease and position are the
// database's, and fails otherwise, by a division by zero. That an UPDATE found
// no row would be no error, and the statements behind it would be committed.
const moveSQL = `
WITH moved AS (
    UPDATE checkpoint
    SET stream = $7, stream_created = $8, seq = $9, anchor = $10, lease_until = ` + now + ` + $11
    WHERE id = 1 AND owner = $1 AND epoch = $2
      AND stream = $3 AND stream_created = $4 AND seq = $5 AND anchor = $6
    RETURNING 1
)
SELECT 1 / count(*) FROM moved`

// insertSQL are rows that are new; a key that is there already is a violation.
func insertSQL(table string) string {
	return `INSERT INTO ` + table + ` ({columns}) SELECT * FROM unnest({arrays})`
}

// progressSQL takes created_at from the job, which stands before it in the
// batch if not in the table.
const progressSQL = `
INSERT INTO progress ({columns}, created_at)
SELECT new.*, jobs.created_at
FROM unnest({arrays}) AS new ({columns}) LEFT JOIN jobs ON jobs.id = new.job_id
ON CONFLICT (job_id) DO UPDATE SET
    status = excluded.status, total = excluded.total, analyzed = excluded.analyzed,
    failed = excluded.failed, cancelled = excluded.cancelled, late = excluded.late,
    duplicates = excluded.duplicates, started_at = excluded.started_at,
    completed_at = excluded.completed_at, last_seq = excluded.last_seq,
    cancel_seq = excluded.cancel_seq, announced_seq = excluded.announced_seq`

const daysSQL = `
INSERT INTO days ({columns}) SELECT * FROM unnest({arrays})
ON CONFLICT (ticker, strategy_hash, class, trading_day) DO UPDATE SET result_seq = excluded.result_seq
WHERE days.result_seq < excluded.result_seq`

// latestSQL takes of each ticker, strategy and class the newest of the new
// days, as no statement may change a row twice, and keeps what is newer still.
const latestSQL = `
INSERT INTO latest ({columns}, verdict, score)
SELECT DISTINCT ON (new.ticker, new.strategy_hash, new.class) new.*, results.verdict, results.score
FROM unnest({arrays}) AS new ({columns}) JOIN results ON results.seq = new.result_seq
ORDER BY new.ticker, new.strategy_hash, new.class, new.trading_day COLLATE "C" DESC, new.result_seq DESC
ON CONFLICT (ticker, strategy_hash, class) DO UPDATE SET
    trading_day = excluded.trading_day, result_seq = excluded.result_seq,
    verdict = excluded.verdict, score = excluded.score
WHERE (latest.trading_day, latest.result_seq) < (excluded.trading_day, excluded.result_seq)`

// inserts are the statements of Commit behind the fence.
type inserts struct {
	jobs, progress, details, results, indicators, backtests, days, latest, poison insert
}

func newInserts() inserts {
	whole := func(table store.Table) insert { return newInsert(insertSQL(table.Name), table.Columns) }
	progress := store.ProgressTable().Columns
	days := store.DaysTable().Columns
	return inserts{
		jobs:       whole(store.JobsTable()),
		progress:   newInsert(progressSQL, progress[:len(progress)-1]),
		details:    whole(store.DetailsTable()),
		results:    whole(store.ResultsTable()),
		indicators: whole(store.IndicatorsTable()),
		backtests:  whole(store.BacktestsTable()),
		days:       newInsert(daysSQL, days),
		latest:     newInsert(latestSQL, days),
		poison:     whole(store.PoisonTable()),
	}
}

// Commit implements store.Writer. The whole batch goes out in one write, with
// one Sync behind it, which makes it one transaction without BEGIN and COMMIT:
// one round trip.
func (w *Writer) Commit(ctx context.Context, lease store.Lease, next store.Position, changes store.Changes) error {
	batch := &pgx.Batch{}
	at := lease.Position
	batch.Queue(moveSQL, lease.Owner, lease.Epoch,
		at.Stream, store.CreatedNanos(at.Created), int64(at.Seq), at.Anchor,
		next.Stream, store.CreatedNanos(next.Created), int64(next.Seq), next.Anchor,
		lease.TTL.Milliseconds())
	w.queueChanges(batch, &changes)
	return w.call(ctx, "committing a batch", func(ctx context.Context, conn *pgx.Conn) error {
		return translate(conn.SendBatch(ctx, batch).Close())
	})
}

// queueChanges puts the changes behind the fence, in the order in which the
// foreign keys ask for them.
func (w *Writer) queueChanges(batch *pgx.Batch, c *store.Changes) {
	queue(batch, w.inserts.jobs, c.Jobs, store.JobValues)
	queue(batch, w.inserts.progress, c.Progress, store.ProgressValues)
	queue(batch, w.inserts.details, c.Details, store.DetailValues)
	queue(batch, w.inserts.results, c.Results, store.ResultValues)
	queue(batch, w.inserts.indicators, c.Indicators, store.IndicatorsValues)
	queue(batch, w.inserts.backtests, c.Backtests, store.BacktestValues)
	queue(batch, w.inserts.days, c.Days, store.DayValues)
	queue(batch, w.inserts.latest, c.Days, store.DayValues)
	queue(batch, w.inserts.poison, c.Poison, store.PoisonValues)
}
