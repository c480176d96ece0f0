package memory

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// A stored row stands beside the values of its columns, of which the canonical
// dump is made. Neither changes once it is stored.
type stored[T any] struct {
	row    T
	values []any
}

// A job is a row of jobs with all that hangs on it.
type job struct {
	stored[store.Job]
	created  int64
	progress *stored[store.Progress] // nil: none yet
	outcomes map[string]*outcome     // by ticker
	places   map[int]*outcome        // by position
	order    []*outcome              // as they were recorded
}

// An outcome is a row of details with those that hang on it.
type outcome struct {
	job        *job
	detail     *stored[store.Detail]
	result     *stored[store.Result]
	indicators *stored[store.Indicators]
	backtest   *stored[store.BacktestRow]
}

// latestKey is the key of table latest.
type latestKey struct{ ticker, strategyHash, class string }

// tables are the rows that are folded from the tape. The maps are only looked
// up in; lists are sorted where they are read.
type tables struct {
	jobs      map[string]*job
	results   map[uint64]*outcome
	backtests map[uint64]*outcome
	history   map[string][]*outcome // results by ticker, as they were recorded
	days      map[store.Day]uint64  // the key has ResultSeq 0
	latest    map[latestKey]store.Day
	poison    map[uint64]*stored[store.Poison]
	poisoned  []*stored[store.Poison] // by sequence

	// Jobs with a progress row, oldest first.
	all, active, silent ordered
}

func newTables() *tables {
	return &tables{
		jobs: map[string]*job{}, results: map[uint64]*outcome{}, backtests: map[uint64]*outcome{},
		history: map[string][]*outcome{}, days: map[store.Day]uint64{}, latest: map[latestKey]store.Day{},
		poison: map[uint64]*stored[store.Poison]{},
	}
}

// ordered are jobs in the order of (created_at, id).
type ordered []*job

func older(a, b *job) int {
	return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.row.ID, b.row.ID))
}

func (o *ordered) set(j *job, member bool) {
	at, found := slices.BinarySearchFunc(*o, j, older)
	switch {
	case member && !found:
		*o = slices.Insert(*o, at, j)
	case !member && found:
		*o = slices.Delete(*o, at, at+1)
	}
}

// A change applies one batch, and takes it back if a row of it breaks a rule.
type change struct {
	*tables
	undo []func()
}

// apply writes the rows of a batch, all or none.
func (t *tables) apply(c *store.Changes) error {
	b := &change{tables: t}
	if err := b.write(c); err != nil {
		for _, undo := range slices.Backward(b.undo) {
			undo()
		}
		return fmt.Errorf("%w: %w", store.ErrConstraint, err)
	}
	return nil
}

// write takes each table after those that its foreign keys name.
func (b *change) write(c *store.Changes) error {
	for _, step := range []func() error{
		func() error { return each("jobs", c.Jobs, b.job) },
		func() error { return each("progress", c.Progress, b.progress) },
		func() error { return each("details", c.Details, b.detail) },
		func() error { return each("results", c.Results, b.result) },
		func() error { return each("indicators", c.Indicators, b.indicators) },
		func() error { return each("backtests", c.Backtests, b.backtest) },
		func() error { return each("days", c.Days, b.day) },
		func() error { return each("poison", c.Poison, b.poisoned) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func each[T any](table string, rows []T, insert func(*T) error) error {
	for i := range rows {
		row := rows[i]
		if err := insert(&row); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}

func (b *change) job(row *store.Job) error {
	if b.jobs[row.ID] != nil {
		return fmt.Errorf("%w: %s", errTwice, row.ID)
	}
	if err := checkJob(row); err != nil {
		return err
	}
	normalJob(row)
	values, err := sound(store.JobValues(nil, row))
	if err != nil {
		return err
	}
	b.jobs[row.ID] = &job{stored: stored[store.Job]{*row, values}, created: row.CreatedAt.UnixMilli(),
		outcomes: map[string]*outcome{}, places: map[int]*outcome{}}
	b.undo = append(b.undo, func() { delete(b.jobs, row.ID) })
	return nil
}

func (b *change) progress(row *store.Progress) error {
	j := b.jobs[row.JobID]
	if j == nil {
		return fmt.Errorf("%w: job %s", errMissing, row.JobID)
	}
	if err := checkProgress(row); err != nil {
		return err
	}
	row.StartedAt, row.CompletedAt = normalTime(row.StartedAt), normalTime(row.CompletedAt)
	values, err := sound(append(store.ProgressValues(nil, row), j.created))
	if err != nil {
		return err
	}
	before := j.progress
	b.undo = append(b.undo, func() { b.setProgress(j, before) })
	b.setProgress(j, &stored[store.Progress]{*row, values})
	return nil
}

func (t *tables) setProgress(j *job, p *stored[store.Progress]) {
	j.progress = p
	ended := p != nil && p.row.Status.Ended()
	t.all.set(j, p != nil)
	t.active.set(j, p != nil && !ended)
	t.silent.set(j, ended && p.row.AnnouncedSeq == 0)
}

func (b *change) detail(row *store.Detail) error {
	j := b.jobs[row.JobID]
	switch {
	case j == nil:
		return fmt.Errorf("%w: job %s", errMissing, row.JobID)
	case j.outcomes[row.Ticker] != nil, j.places[row.Position] != nil:
		return fmt.Errorf("%w: %s of job %s at %d", errTwice, row.Ticker, row.JobID, row.Position)
	}
	if err := checkDetail(row); err != nil {
		return err
	}
	row.StartedAt, row.CompletedAt = normalTime(row.StartedAt), normalTime(row.CompletedAt)
	values, err := sound(store.DetailValues(nil, row))
	if err != nil {
		return err
	}
	o := &outcome{job: j, detail: &stored[store.Detail]{*row, values}}
	j.outcomes[row.Ticker], j.places[row.Position] = o, o
	j.order = append(j.order, o)
	b.undo = append(b.undo, func() {
		delete(j.outcomes, row.Ticker)
		delete(j.places, row.Position)
		j.order = j.order[:len(j.order)-1]
	})
	return nil
}

// outcome is the detail that a row hangs on, if there is one.
func (b *change) outcome(jobID, ticker string) (*outcome, error) {
	if j := b.jobs[jobID]; j != nil && j.outcomes[ticker] != nil {
		return j.outcomes[ticker], nil
	}
	return nil, fmt.Errorf("%w: the detail of %s in job %s", errMissing, ticker, jobID)
}

func (b *change) result(row *store.Result) error {
	o, err := b.outcome(row.JobID, row.Ticker)
	if err != nil {
		return err
	}
	if o.result != nil || b.results[row.Seq] != nil {
		return fmt.Errorf("%w: %s of job %s at sequence %d", errTwice, row.Ticker, row.JobID, row.Seq)
	}
	if err := checkResult(row); err != nil {
		return err
	}
	normalResult(row)
	values, err := sound(store.ResultValues(nil, row))
	if err != nil {
		return err
	}
	before := b.history[row.Ticker]
	o.result, b.results[row.Seq] = &stored[store.Result]{*row, values}, o
	b.history[row.Ticker] = append(before, o)
	b.undo = append(b.undo, func() {
		o.result = nil
		delete(b.results, row.Seq)
		b.history[row.Ticker] = before
	})
	return nil
}

func (b *change) indicators(row *store.Indicators) error {
	o := b.results[row.Seq]
	switch {
	case o == nil:
		return fmt.Errorf("%w: the result at sequence %d", errMissing, row.Seq)
	case o.indicators != nil:
		return fmt.Errorf("%w: of the result at sequence %d", errTwice, row.Seq)
	}
	o.indicators = &stored[store.Indicators]{*row, store.IndicatorsValues(nil, row)}
	b.undo = append(b.undo, func() { o.indicators = nil })
	return nil
}

func (b *change) backtest(row *store.BacktestRow) error {
	o, err := b.outcome(row.JobID, row.Ticker)
	if err != nil {
		return err
	}
	if o.backtest != nil || b.backtests[row.Seq] != nil {
		return fmt.Errorf("%w: %s of job %s at sequence %d", errTwice, row.Ticker, row.JobID, row.Seq)
	}
	if err := checkBacktest(row); err != nil {
		return err
	}
	normalBacktest(&row.Backtest)
	values, err := sound(store.BacktestValues(nil, row))
	if err != nil {
		return err
	}
	o.backtest, b.backtests[row.Seq] = &stored[store.BacktestRow]{*row, values}, o
	b.undo = append(b.undo, func() {
		o.backtest = nil
		delete(b.backtests, row.Seq)
	})
	return nil
}

// day moves the day's answer, and the newest day that latest follows from it.
func (b *change) day(row *store.Day) error {
	if row.Class != store.ClassReal && row.Class != store.ClassSynthetic {
		return fmt.Errorf("%w: class %q", errWord, row.Class)
	}
	if b.results[row.ResultSeq] == nil {
		return fmt.Errorf("%w: the result at sequence %d", errMissing, row.ResultSeq)
	}
	if _, err := sound(store.DayValues(nil, row)); err != nil {
		return err
	}
	key := *row
	key.ResultSeq = 0
	if before, known := b.days[key]; !known || row.ResultSeq > before {
		b.days[key] = row.ResultSeq
		b.undo = append(b.undo, func() { restore(b.days, key, before, known) })
	}
	newest := latestKey{row.Ticker, row.StrategyHash, row.Class}
	before, known := b.latest[newest]
	if !known || row.TradingDay > before.TradingDay ||
		row.TradingDay == before.TradingDay && row.ResultSeq > before.ResultSeq {
		b.latest[newest] = *row
		b.undo = append(b.undo, func() { restore(b.latest, newest, before, known) })
	}
	return nil
}

func restore[K comparable, V any](m map[K]V, key K, before V, known bool) {
	if known {
		m[key] = before
		return
	}
	delete(m, key)
}

func (b *change) poisoned(row *store.Poison) error {
	if b.poison[row.Seq] != nil {
		return fmt.Errorf("%w: sequence %d", errTwice, row.Seq)
	}
	row.RecordedAt = normalTime(row.RecordedAt)
	if row.Body == nil {
		row.Body = []byte{}
	}
	values, err := sound(store.PoisonValues(nil, row))
	if err != nil {
		return err
	}
	p := &stored[store.Poison]{*row, values}
	at, _ := slices.BinarySearchFunc(b.tables.poisoned, p, func(a, b *stored[store.Poison]) int { return cmp.Compare(a.row.Seq, b.row.Seq) })
	b.poison[row.Seq] = p
	b.tables.poisoned = slices.Insert(b.tables.poisoned, at, p)
	b.undo = append(b.undo, func() {
		delete(b.poison, row.Seq)
		b.tables.poisoned = slices.Delete(b.tables.poisoned, at, at+1)
	})
	return nil
}

// copied are equal tables: the same rows, written again.
func (t *tables) copied() *tables {
	var c store.Changes
	for _, j := range t.jobs {
		c.Jobs = append(c.Jobs, j.row)
		if j.progress != nil {
			c.Progress = append(c.Progress, j.progress.row)
		}
		for _, o := range j.order {
			c.Details = append(c.Details, o.detail.row)
			if o.result != nil {
				c.Results = append(c.Results, o.result.row)
			}
			if o.indicators != nil {
				c.Indicators = append(c.Indicators, o.indicators.row)
			}
			if o.backtest != nil {
				c.Backtests = append(c.Backtests, o.backtest.row)
			}
		}
	}
	for key, seq := range t.days {
		key.ResultSeq = seq
		c.Days = append(c.Days, key)
	}
	for _, p := range t.poisoned {
		c.Poison = append(c.Poison, p.row)
	}
	other := newTables()
	if err := other.apply(&c); err != nil {
		panic(err) // rows that were taken before
	}
	for _, list := range other.history {
		slices.SortFunc(list, func(a, b *outcome) int { return cmp.Compare(a.result.row.Seq, b.result.row.Seq) })
	}
	return other
}

var statuses = []events.Status{events.StatusQueued, events.StatusRunning, events.StatusCompleted, events.StatusFailed, events.StatusCancelled}
