package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Jobs implements store.Reader.
func (r *Reader) Jobs(ctx context.Context, q store.JobsQuery) (list store.Page[store.JobView], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	if q.Active && q.Status != "" {
		return list, fmt.Errorf("%w: active and a status exclude each other", store.ErrQuery)
	}
	where := func(v store.JobView) place {
		return place{List: "jobs", Numbers: []int64{v.CreatedAt.UnixMilli()}, Texts: []string{v.ID}}
	}
	after, err := placeOf(q.After, where(store.JobView{}))
	if err != nil {
		return list, err
	}
	err = r.read(ctx, "jobs", func(p *space) error {
		l := lister[store.JobView]{place: where, after: after, past: func(v store.JobView, at place) bool {
			return cmp.Or(cmp.Compare(v.CreatedAt.UnixMilli(), at.Numbers[0]), strings.Compare(v.ID, at.Texts[0])) < 0
		}}
		for _, j := range slices.Backward(p.tables.all) {
			status := j.progress.row.Status
			if (q.Status == "" || status == q.Status) && (!q.Active || !status.Ended()) {
				l.rows = append(l.rows, j.view())
			}
		}
		list = l.page(q.Limit, p.at.Seq)
		return nil
	})
	return list, err
}

// Details implements store.Reader.
func (r *Reader) Details(ctx context.Context, q store.DetailsQuery) (list store.Page[store.Detail], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	l := lister[store.Detail]{}
	bySeq := q.BySeq || q.SinceSeq > 0
	if bySeq {
		if q.Status == store.DetailPending {
			return list, fmt.Errorf("%w: pending tickers have no sequence", store.ErrQuery)
		}
		l.place = func(d store.Detail) place {
			return place{List: "details-seq", Numbers: []int64{int64(d.Seq), int64(d.Position)}}
		}
		l.past = func(d store.Detail, p place) bool { return slices.Compare(l.place(d).Numbers, p.Numbers) > 0 }
	} else {
		l.place = func(d store.Detail) place { return place{List: "details", Numbers: []int64{int64(d.Position)}} }
		l.past = func(d store.Detail, p place) bool { return int64(d.Position) > p.Numbers[0] }
	}
	if l.after, err = placeOf(q.After, l.place(store.Detail{})); err != nil {
		return list, err
	}
	err = r.read(ctx, "details of job "+q.JobID, func(p *space) error {
		j := p.tables.jobs[q.JobID]
		if j == nil {
			return store.ErrNotFound
		}
		if bySeq {
			l.rows = j.recorded(q)
		} else {
			l.rows = j.listed(q)
		}
		list = l.page(q.Limit, p.at.Seq)
		return nil
	})
	return list, err
}

func wanted(d store.Detail, q store.DetailsQuery) bool {
	return (q.Status == "" || d.Status == q.Status) && (q.Code == "" || d.Code == q.Code)
}

// recorded are the details in the order of their sequences.
func (j *job) recorded(q store.DetailsQuery) (rows []store.Detail) {
	for _, o := range j.order {
		if d := o.detail.row; wanted(d, q) && d.Seq > q.SinceSeq {
			rows = append(rows, d)
		}
	}
	slices.SortFunc(rows, func(a, b store.Detail) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Position, b.Position))
	})
	return rows
}

// listed are the details in the order of the job's list, pending ones among them.
func (j *job) listed(q store.DetailsQuery) (rows []store.Detail) {
	for i, ticker := range j.row.Tickers {
		d := store.Detail{JobID: j.row.ID, Ticker: ticker, Position: i, Status: store.DetailPending}
		if o := j.places[i]; o != nil {
			d = o.detail.row
		}
		if wanted(d, q) {
			rows = append(rows, d)
		}
	}
	return rows
}

// bestFirst is the order of results in lists, and where each stands.
func bestFirst(a, b store.Result) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Ticker, b.Ticker), strings.Compare(a.StrategyHash, b.StrategyHash))
}

// Results implements store.Reader.
func (r *Reader) Results(ctx context.Context, q store.ResultsQuery) (list store.Page[store.Result], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	l := lister[store.Result]{place: func(x store.Result) place {
		return place{List: "results", Texts: []string{x.Ticker}, Floats: []float64{x.Score}}
	}, past: func(x store.Result, p place) bool {
		return cmp.Or(cmp.Compare(p.Floats[0], x.Score), strings.Compare(x.Ticker, p.Texts[0])) > 0
	}}
	if l.after, err = placeOf(q.After, l.place(store.Result{})); err != nil {
		return list, err
	}
	err = r.read(ctx, "results of job "+q.JobID, func(p *space) error {
		j := p.tables.jobs[q.JobID]
		if j == nil {
			return store.ErrNotFound
		}
		for _, o := range j.order {
			if o.result != nil && (q.Verdict == "" || o.result.row.Verdict == q.Verdict) {
				l.rows = append(l.rows, o.result.row)
			}
		}
		slices.SortFunc(l.rows, bestFirst)
		list = l.page(q.Limit, p.at.Seq)
		return nil
	})
	return list, err
}

// Screen implements store.Reader.
func (r *Reader) Screen(ctx context.Context, q store.ScreenQuery) (list store.Page[store.Result], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	if q.Class != store.ClassReal && q.Class != store.ClassSynthetic || q.MaxAgeDays < 0 {
		return list, fmt.Errorf("%w: class %q, at most %d days old", store.ErrQuery, q.Class, q.MaxAgeDays)
	}
	l := lister[store.Result]{place: func(x store.Result) place {
		return place{List: "screen", Texts: []string{x.Ticker, x.StrategyHash}, Floats: []float64{x.Score}}
	}, past: func(x store.Result, p place) bool {
		return cmp.Or(cmp.Compare(p.Floats[0], x.Score), slices.Compare([]string{x.Ticker, x.StrategyHash}, p.Texts)) > 0
	}}
	if l.after, err = placeOf(q.After, l.place(store.Result{})); err != nil {
		return list, err
	}
	err = r.read(ctx, "the screen", func(p *space) (err error) {
		if l.rows, err = p.tables.screen(q); err != nil {
			return err
		}
		list = l.page(q.Limit, p.at.Seq)
		return nil
	})
	return list, err
}

// screen is what a screen shows, whole.
func (t *tables) screen(q store.ScreenQuery) (rows []store.Result, err error) {
	newest := map[string]string{} // by strategy
	for key, day := range t.latest {
		if key.class == q.Class {
			newest[key.strategyHash] = max(newest[key.strategyHash], day.TradingDay)
		}
	}
	for hash, day := range newest {
		last, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return nil, fmt.Errorf("reading a trading day: %w", err)
		}
		newest[hash] = last.AddDate(0, 0, -q.MaxAgeDays).Format(time.DateOnly)
	}
	for key, day := range t.latest {
		result := t.results[day.ResultSeq].result.row
		if key.class == q.Class && (q.StrategyHash == "" || key.strategyHash == q.StrategyHash) &&
			(q.Verdict == "" || result.Verdict == q.Verdict) && day.TradingDay >= newest[key.strategyHash] {
			rows = append(rows, result)
		}
	}
	slices.SortFunc(rows, bestFirst)
	return rows, nil
}

// History implements store.Reader.
func (r *Reader) History(ctx context.Context, q store.HistoryQuery) (list store.Page[store.Result], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	if q.Class != "" && q.Class != store.ClassReal && q.Class != store.ClassSynthetic {
		return list, fmt.Errorf("%w: class %q", store.ErrQuery, q.Class)
	}
	l := lister[store.Result]{place: func(x store.Result) place {
		return place{List: "history", Numbers: []int64{int64(x.Seq)}}
	}, past: func(x store.Result, p place) bool { return int64(x.Seq) < p.Numbers[0] }}
	if q.Daily {
		l.place = func(x store.Result) place {
			return place{List: "days", Texts: []string{x.TradingDay}, Numbers: []int64{int64(x.Seq)}}
		}
		l.past = func(x store.Result, p place) bool {
			return cmp.Or(strings.Compare(x.TradingDay, p.Texts[0]), cmp.Compare(int64(x.Seq), p.Numbers[0])) < 0
		}
	}
	if l.after, err = placeOf(q.After, l.place(store.Result{})); err != nil {
		return list, err
	}
	err = r.read(ctx, "the history of "+q.Ticker, func(p *space) error {
		l.rows = p.tables.historyOf(q)
		list = l.page(q.Limit, p.at.Seq)
		return nil
	})
	return list, err
}

// historyOf are the results that a history asks for, newest first.
func (t *tables) historyOf(q store.HistoryQuery) (rows []store.Result) {
	for _, o := range t.history[q.Ticker] {
		x := o.result.row
		day := store.Day{Ticker: x.Ticker, StrategyHash: x.StrategyHash, Class: classOf(x), TradingDay: x.TradingDay}
		if (!q.Daily || t.days[day] == x.Seq) && (q.Class == "" || q.Class == day.Class) &&
			(q.JobID == "" || x.JobID == q.JobID) && (q.TradingDay == "" || x.TradingDay == q.TradingDay) &&
			(q.StrategyName == "" || x.StrategyName == q.StrategyName) {
			rows = append(rows, x)
		}
	}
	slices.SortFunc(rows, func(a, b store.Result) int {
		if order := strings.Compare(b.TradingDay, a.TradingDay); q.Daily && order != 0 {
			return order
		}
		return cmp.Compare(b.Seq, a.Seq)
	})
	return rows
}

func classOf(x store.Result) string {
	if x.Lineage.Synthetic {
		return store.ClassSynthetic
	}
	return store.ClassReal
}

// Backtests implements store.BacktestReader.
func (r *Reader) Backtests(ctx context.Context, q store.BacktestsQuery) (list store.Page[store.Backtest], err error) {
	if err := checkLimit(q.Limit); err != nil {
		return list, err
	}
	l := lister[store.Backtest]{place: func(b store.Backtest) place {
		return place{List: "backtests", Texts: []string{b.Ticker}, Floats: []float64{b.Metrics.Growth.ReturnPercent}}
	}, past: func(b store.Backtest, p place) bool {
		return cmp.Or(cmp.Compare(p.Floats[0], b.Metrics.Growth.ReturnPercent), strings.Compare(b.Ticker, p.Texts[0])) > 0
	}}
	if l.after, err = placeOf(q.After, l.place(store.Backtest{})); err != nil {
		return list, err
	}
	err = r.read(ctx, "backtests of job "+q.JobID, func(p *space) (err error) {
		j := p.tables.jobs[q.JobID]
		if j == nil {
			return store.ErrNotFound
		}
		for _, row := range j.backtests() {
			l.rows = append(l.rows, row.Backtest)
			if err := store.Unpack(row.Packed.Metrics, &l.rows[len(l.rows)-1].Metrics); err != nil {
				return err
			}
		}
		slices.SortStableFunc(l.rows, func(a, b store.Backtest) int {
			return cmp.Compare(b.Metrics.Growth.ReturnPercent, a.Metrics.Growth.ReturnPercent)
		})
		list = l.page(q.Limit, p.at.Seq)
		return nil
	})
	return list, err
}

// backtests are those of a job, in the order of tickers.
func (j *job) backtests() (rows []store.BacktestRow) {
	for _, o := range j.order {
		if o.backtest != nil {
			rows = append(rows, o.backtest.row)
		}
	}
	slices.SortFunc(rows, func(a, b store.BacktestRow) int { return strings.Compare(a.Ticker, b.Ticker) })
	return rows
}

// Curves implements store.BacktestReader.
func (r *Reader) Curves(ctx context.Context, jobID string, yield func(store.BacktestCurve) error) (asOf uint64, err error) {
	var rows []store.BacktestRow
	err = r.read(ctx, "the curves of job "+jobID, func(p *space) error {
		asOf = p.at.Seq
		if j := p.tables.jobs[jobID]; j != nil {
			rows = j.backtests()
		}
		return nil
	})
	for i := 0; i < len(rows) && err == nil; i++ {
		c := store.BacktestCurve{Ticker: rows[i].Ticker}
		if err = store.Unpack(rows[i].Packed.Metrics, &c.Metrics); err == nil {
			err = store.Unpack(rows[i].Packed.Curve, &c.Curve)
		}
		if err == nil {
			err = yield(c)
		}
	}
	return asOf, err
}
