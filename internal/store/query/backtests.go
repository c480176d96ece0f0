package query

import (
	"context"
	"fmt"

	"github.com/tapedeck/tapedeck/internal/store"
)

// backtestColumns are those of a backtest without its curve and trades.
const backtestColumns = `seq, job_id, ticker, recorded_at, origin, strategy_name, strategy_hash,
	first_day, last_day, warnings, attempts, started_at, completed_at, provider, synthetic,
	adjustment, currency, bars, first_bar, last_bar, data_warnings, data_notes, trades_left_out, metrics`

// Backtests implements store.BacktestReader.
func (r *Reader) Backtests(ctx context.Context, q store.BacktestsQuery) (list store.Page[store.Backtest], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	s := selectFrom(backtestColumns, `backtests WHERE job_id = ?`, q.JobID)
	if q.After != "" {
		after, err := decodeCursor(q.After, "backtests", 0, 1, 1)
		if err != nil {
			return list, err
		}
		best := after.Floats[0]
		s.add(` AND return_percent <= ? AND (return_percent < ? OR ticker > ?)`, best, best, after.Texts[0])
	}
	s.add(` ORDER BY return_percent DESC, ticker LIMIT ?`, q.Limit+1)
	err = r.read(ctx, "backtests of job "+q.JobID, func(tx Tx, at store.Position) error {
		var total int
		if err := one(ctx, tx, `SELECT total FROM jobs WHERE id = $1`, []any{q.JobID}, &total); err != nil {
			return err
		}
		items, err := all(ctx, tx, s, func(rows Rows) (store.Backtest, error) { return scanBacktest(rows) })
		list = page(items, q.Limit, at.Seq, func(last store.Backtest) store.Cursor {
			return encodeCursor(place{List: "backtests", Texts: []string{last.Ticker}, Floats: []float64{last.Metrics.Growth.ReturnPercent}})
		})
		return err
	})
	return list, err
}

// Backtest implements store.BacktestReader.
func (r *Reader) Backtest(ctx context.Context, jobID, ticker string) (whole store.BacktestWhole, asOf uint64, err error) {
	s := selectFrom(backtestColumns+`, curve, trade_list`, `backtests WHERE job_id = ? AND ticker = ?`, jobID, ticker)
	err = r.read(ctx, "the backtest of "+ticker+" in job "+jobID, func(tx Tx, at store.Position) error {
		asOf = at.Seq
		found, err := all(ctx, tx, s, scanWholeBacktest)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return store.ErrNotFound
		}
		whole = found[0]
		return nil
	})
	return whole, asOf, err
}

// Curves implements store.BacktestReader, row by row: a job's curves together
// may be large.
func (r *Reader) Curves(ctx context.Context, jobID string, yield func(store.BacktestCurve) error) (asOf uint64, err error) {
	err = r.read(ctx, "the curves of job "+jobID, func(tx Tx, at store.Position) error {
		asOf = at.Seq
		rows, err := tx.Query(ctx, `SELECT ticker, metrics, curve FROM backtests WHERE job_id = $1 ORDER BY ticker`, jobID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			c, err := scanCurve(rows)
			if err != nil {
				return err
			}
			if err := yield(c); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return rows.Close()
	})
	return asOf, err
}

func scanCurve(rows Rows) (c store.BacktestCurve, err error) {
	var metrics, curve []byte
	if err := rows.Scan(&c.Ticker, &metrics, &curve); err != nil {
		return c, fmt.Errorf("scanning a curve: %w", err)
	}
	if err := store.Unpack(metrics, &c.Metrics); err != nil {
		return c, err
	}
	return c, store.Unpack(curve, &c.Curve)
}

func scanWholeBacktest(rows Rows) (w store.BacktestWhole, err error) {
	var curve, trades []byte
	if w.Backtest, err = scanBacktest(rows, &curve, &trades); err != nil {
		return w, err
	}
	if err := store.Unpack(curve, &w.Curve); err != nil {
		return w, err
	}
	return w, store.Unpack(trades, &w.Trades)
}

// scanBacktest scans backtestColumns and what more is asked for.
func scanBacktest(rows Rows, more ...any) (b store.Backtest, err error) {
	var recorded, started, completed *int64
	var warnings, dataWarnings, notes string
	var synthetic int64
	var metrics []byte
	l := &b.Lineage
	dest := []any{&b.Seq, &b.JobID, &b.Ticker, &recorded, &b.Origin, &b.StrategyName, &b.StrategyHash,
		&b.FirstDay, &b.LastDay, &warnings, &b.Attempts, &started, &completed, &l.Provider, &synthetic,
		&l.Adjustment, &l.Currency, &l.Bars, &l.FirstBar, &l.LastBar, &dataWarnings, &notes, &b.TradesLeftOut, &metrics}
	if err := rows.Scan(append(dest, more...)...); err != nil {
		return b, fmt.Errorf("scanning a backtest: %w", err)
	}
	b.RecordedAt, b.StartedAt, b.CompletedAt = store.Time(recorded), store.Time(started), store.Time(completed)
	l.Synthetic = synthetic == 1
	for text, list := range map[*string]*[]string{&warnings: &b.Warnings, &dataWarnings: &l.Warnings, &notes: &l.Notes} {
		if *list, err = texts(*text); err != nil {
			return b, err
		}
	}
	return b, store.Unpack(metrics, &b.Metrics)
}
