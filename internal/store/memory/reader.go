package memory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// A Reader implements store.Reading but for lists, which lists.go has. What it
// returns is a snapshot; no read is held up by the caller of another.
type Reader struct {
	s      *Store
	closed bool // guarded by s.mu
}

var _ store.Reading = (*Reader)(nil)

// OpenReader opens a reading side; each call another one.
func (s *Store) OpenReader() *Reader { return &Reader{s: s} }

// read runs f on the live tables while nothing changes.
func (r *Reader) read(ctx context.Context, what string, f func(p *space) error) error {
	r.s.mu.Lock() // to write: check remembers what it found
	defer r.s.mu.Unlock()
	err := ctx.Err()
	if err == nil && r.closed {
		err = errClosed
	}
	if err == nil {
		err = r.s.live.check()
	}
	if err == nil {
		err = f(r.s.live)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return nil
}

// Ping implements store.Reading.
func (r *Reader) Ping(ctx context.Context) error {
	return r.read(ctx, "the tables", func(*space) error { return nil })
}

// Close implements store.Reading.
func (r *Reader) Close() error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.closed = true
	return nil
}

// Position implements store.Reader.
func (r *Reader) Position(ctx context.Context) (at store.Position, err error) {
	err = r.read(ctx, "the checkpoint", func(p *space) error {
		at = p.at
		return nil
	})
	return at, err
}

// Standing implements store.Backlog.
func (r *Reader) Standing(ctx context.Context) (s store.Standing, err error) {
	err = r.read(ctx, "the lease", func(p *space) error {
		s = store.Standing{Owner: p.owner, Epoch: p.epoch, Projection: p.projection,
			SchemaVersion: p.migrations[len(p.migrations)-1].Number}
		if p.owner != "" {
			s.LeaseLeft = time.Duration(p.until-r.s.now().UnixMilli()) * time.Millisecond
		}
		return nil
	})
	return s, err
}

// Job implements store.Reader.
func (r *Reader) Job(ctx context.Context, id string) (view store.JobView, asOf uint64, err error) {
	err = r.read(ctx, "job "+id, func(p *space) error {
		asOf = p.at.Seq
		j := p.tables.jobs[id]
		if j == nil || j.progress == nil {
			return store.ErrNotFound
		}
		view = store.JobView{Job: j.row, Progress: j.progress.row}
		return nil
	})
	return view, asOf, err
}

// Indicators implements store.Reader.
func (r *Reader) Indicators(ctx context.Context, seq uint64) (list []events.Indicator, err error) {
	err = r.read(ctx, fmt.Sprintf("indicators of result %d", seq), func(p *space) (err error) {
		o := p.tables.results[seq]
		if o == nil || o.indicators == nil {
			return store.ErrNotFound
		}
		list, err = store.DecodeIndicators(o.indicators.row.Data)
		return err
	})
	return list, err
}

// Unfinished implements store.Backlog.
func (r *Reader) Unfinished(ctx context.Context, limit int) (list store.Page[store.JobView], err error) {
	if err := checkLimit(limit); err != nil {
		return list, err
	}
	err = r.read(ctx, "unfinished jobs", func(p *space) error {
		list = store.Page[store.JobView]{Items: p.tables.active.views(limit), AsOf: p.at.Seq}
		return nil
	})
	return list, err
}

// Unannounced implements store.Backlog.
func (r *Reader) Unannounced(ctx context.Context, limit int) (views []store.JobView, err error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	err = r.read(ctx, "unannounced jobs", func(p *space) error {
		views = p.tables.silent.views(limit)
		return nil
	})
	return views, err
}

// views are the first jobs as lists show them.
func (o ordered) views(limit int) []store.JobView {
	views := make([]store.JobView, min(limit, len(o)))
	for i := range views {
		views[i] = o[i].view()
	}
	return views
}

// view is a job as lists show it, without the wide columns.
func (j *job) view() store.JobView {
	v := store.JobView{Job: j.row, Progress: j.progress.row}
	v.Tickers, v.Strategy, v.Backtest = nil, nil, nil
	return v
}

// Outstanding implements store.Backlog.
func (r *Reader) Outstanding(ctx context.Context, jobID string) (tickers []string, asOf uint64, err error) {
	err = r.read(ctx, "outstanding tickers of job "+jobID, func(p *space) error {
		asOf = p.at.Seq
		j := p.tables.jobs[jobID]
		if j == nil {
			return store.ErrNotFound
		}
		tickers = []string{}
		for i, ticker := range j.row.Tickers {
			if j.places[i] == nil {
				tickers = append(tickers, ticker)
			}
		}
		return nil
	})
	return tickers, asOf, err
}

// Poisoned implements store.Backlog.
func (r *Reader) Poisoned(ctx context.Context, limit int) (rows []store.Poison, count int, err error) {
	if err := checkLimit(limit); err != nil {
		return nil, 0, err
	}
	err = r.read(ctx, "poisoned events", func(p *space) error {
		count = len(p.tables.poisoned)
		rows = []store.Poison{}
		for i := count - 1; i >= 0 && len(rows) < limit; i-- {
			rows = append(rows, p.tables.poisoned[i].row)
		}
		return nil
	})
	return rows, count, err
}

// Backtest implements store.BacktestReader.
func (r *Reader) Backtest(ctx context.Context, jobID, ticker string) (whole store.BacktestWhole, asOf uint64, err error) {
	err = r.read(ctx, "the backtest of "+ticker+" in job "+jobID, func(p *space) error {
		asOf = p.at.Seq
		j := p.tables.jobs[jobID]
		if j == nil || j.outcomes[ticker] == nil || j.outcomes[ticker].backtest == nil {
			return store.ErrNotFound
		}
		row := j.outcomes[ticker].backtest.row
		whole.Backtest = row.Backtest
		if err := store.Unpack(row.Packed.Metrics, &whole.Metrics); err != nil {
			return err
		}
		return errors.Join(store.Unpack(row.Packed.Curve, &whole.Curve), store.Unpack(row.Packed.Trades, &whole.Trades))
	})
	return whole, asOf, err
}
