package query

import (
	"context"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
)

func resultColumns() string { return store.ResultsTable().ColumnList("r.") }

// Results implements store.Reader.
func (r *Reader) Results(ctx context.Context, q store.ResultsQuery) (list store.Page[store.Result], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	s := selectFrom(resultColumns(), `results r WHERE r.job_id = ?`, q.JobID).
		addIf(q.Verdict != "", ` AND r.verdict = ?`, string(q.Verdict))
	if q.After != "" {
		after, err := decodeCursor(q.After, "results", 0, 1, 1)
		if err != nil {
			return list, err
		}
		score := after.Floats[0]
		s.add(` AND r.score <= ? AND (r.score < ? OR r.ticker > ?)`, score, score, after.Texts[0])
	}
	s.add(` ORDER BY r.score DESC, r.ticker LIMIT ?`, q.Limit+1)
	err = r.read(ctx, "results of job "+q.JobID, func(tx Tx, at store.Position) error {
		var total int
		if err := one(ctx, tx, `SELECT total FROM jobs WHERE id = $1`, []any{q.JobID}, &total); err != nil {
			return err
		}
		items, err := all(ctx, tx, s, scanResult)
		list = page(items, q.Limit, at.Seq, func(last store.Result) store.Cursor {
			return encodeCursor(place{List: "results", Texts: []string{last.Ticker}, Floats: []float64{last.Score}})
		})
		return err
	})
	return list, err
}

// Screen implements store.Reader. It reads the table of newest days in the
// order of scores and skips what is too old, since each strategy has its own
// newest day.
func (r *Reader) Screen(ctx context.Context, q store.ScreenQuery) (list store.Page[store.Result], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	if q.Class != store.ClassReal && q.Class != store.ClassSynthetic || q.MaxAgeDays < 0 {
		return list, fmt.Errorf("%w: class %q, at most %d days old", store.ErrQuery, q.Class, q.MaxAgeDays)
	}
	var after *place
	if q.After != "" {
		at, err := decodeCursor(q.After, "screen", 0, 2, 1)
		if err != nil {
			return list, err
		}
		after = &at
	}
	err = r.read(ctx, "the screen", func(tx Tx, at store.Position) error {
		oldest, err := oldestDays(ctx, tx, q)
		if err != nil {
			return err
		}
		items := []store.Result{}
		for len(items) <= q.Limit {
			rows, err := all(ctx, tx, screenStatement(q, after), scanResult)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if row.TradingDay >= oldest[row.StrategyHash] {
					items = append(items, row)
				}
			}
			if len(rows) <= q.Limit {
				break
			}
			after = screenPlace(rows[len(rows)-1])
		}
		items = items[:min(len(items), q.Limit+1)]
		list = page(items, q.Limit, at.Seq, func(last store.Result) store.Cursor { return encodeCursor(*screenPlace(last)) })
		return nil
	})
	return list, err
}

func screenPlace(last store.Result) *place {
	return &place{List: "screen", Texts: []string{last.Ticker, last.StrategyHash}, Floats: []float64{last.Score}}
}

func screenStatement(q store.ScreenQuery, after *place) *statement {
	s := selectFrom(resultColumns(), `latest l JOIN results r ON r.seq = l.result_seq WHERE l.class = ?`, q.Class).
		addIf(q.StrategyHash != "", ` AND l.strategy_hash = ?`, q.StrategyHash).
		addIf(q.Verdict != "", ` AND l.verdict = ?`, string(q.Verdict))
	if after != nil {
		score := after.Floats[0]
		s.add(` AND l.score <= ? AND (l.score < ? OR (l.ticker, l.strategy_hash) > (?, ?))`,
			score, score, after.Texts[0], after.Texts[1])
	}
	return s.add(` ORDER BY l.score DESC, l.ticker, l.strategy_hash LIMIT ?`, q.Limit+1)
}

// oldestDays is, for each strategy, the oldest day that a screen still shows.
func oldestDays(ctx context.Context, tx Tx, q store.ScreenQuery) (map[string]string, error) {
	s := selectFrom(`strategy_hash, max(trading_day)`, `latest WHERE class = ?`, q.Class).
		addIf(q.StrategyHash != "", ` AND strategy_hash = ?`, q.StrategyHash).
		add(` GROUP BY strategy_hash`)
	newest, err := all(ctx, tx, s, func(rows Rows) (row [2]string, err error) {
		err = rows.Scan(&row[0], &row[1])
		return row, err
	})
	if err != nil {
		return nil, err
	}
	oldest := make(map[string]string, len(newest))
	for _, row := range newest {
		day, err := time.Parse(time.DateOnly, row[1])
		if err != nil {
			return nil, fmt.Errorf("reading a trading day: %w", err)
		}
		oldest[row[0]] = day.AddDate(0, 0, -q.MaxAgeDays).Format(time.DateOnly)
	}
	return oldest, nil
}

// History implements store.Reader.
func (r *Reader) History(ctx context.Context, q store.HistoryQuery) (list store.Page[store.Result], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	s, err := historyStatement(q)
	if err != nil {
		return list, err
	}
	err = r.read(ctx, "the history of "+q.Ticker, func(tx Tx, at store.Position) error {
		items, err := all(ctx, tx, s, scanResult)
		list = page(items, q.Limit, at.Seq, func(last store.Result) store.Cursor {
			if q.Daily {
				return encodeCursor(place{List: "days", Texts: []string{last.TradingDay}, Numbers: []int64{int64(last.Seq)}})
			}
			return encodeCursor(place{List: "history", Numbers: []int64{int64(last.Seq)}})
		})
		return err
	})
	return list, err
}

func historyStatement(q store.HistoryQuery) (*statement, error) {
	var s *statement
	if q.Daily {
		s = selectFrom(resultColumns(), `days d JOIN results r ON r.seq = d.result_seq WHERE d.ticker = ?`, q.Ticker).
			addIf(q.Class != "", ` AND d.class = ?`, q.Class)
	} else {
		s = selectFrom(resultColumns(), `results r WHERE r.ticker = ?`, q.Ticker).
			addIf(q.Class == store.ClassReal, ` AND r.synthetic = 0`).
			addIf(q.Class == store.ClassSynthetic, ` AND r.synthetic = 1`)
	}
	if q.Class != "" && q.Class != store.ClassReal && q.Class != store.ClassSynthetic {
		return nil, fmt.Errorf("%w: class %q", store.ErrQuery, q.Class)
	}
	s.addIf(q.StrategyName != "", ` AND r.strategy_name = ?`, q.StrategyName).
		addIf(q.JobID != "", ` AND r.job_id = ?`, q.JobID).
		addIf(q.TradingDay != "", ` AND r.trading_day = ?`, q.TradingDay)
	if q.Daily {
		if q.After != "" {
			at, err := decodeCursor(q.After, "days", 1, 1, 0)
			if err != nil {
				return nil, err
			}
			s.add(` AND (d.trading_day, d.result_seq) < (?, ?)`, at.Texts[0], at.Numbers[0])
		}
		return s.add(` ORDER BY d.trading_day DESC, d.result_seq DESC LIMIT ?`, q.Limit+1), nil
	}
	if q.After != "" {
		at, err := decodeCursor(q.After, "history", 1, 0, 0)
		if err != nil {
			return nil, err
		}
		s.add(` AND r.seq < ?`, at.Numbers[0])
	}
	return s.add(` ORDER BY r.seq DESC LIMIT ?`, q.Limit+1), nil
}
