package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/query"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// explained asks for the plan of every query before it.
type explained struct {
	db    *sql.DB
	plans []string
}

func (e *explained) Read(_ context.Context, f func(query.Tx) error) error { return f(e) }

func (e *explained) Query(ctx context.Context, text string, args ...any) (query.Rows, error) {
	rows, err := e.db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		return nil, err
	}
	var id, parent, unused int
	var line string
	for rows.Next() {
		if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
			return nil, err
		}
		e.plans = append(e.plans, line+"   of   "+strings.Join(strings.Fields(text), " "))
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	return e.db.QueryContext(ctx, text, args...)
}

// TestPlans sees to it that every list is read from an index in its order: no
// table is scanned and nothing is sorted, first page and later ones alike.
func TestPlans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	steps := storetest.Tape(5, 30, 40)
	recorded(t, path, steps)
	file, err := filepath.EvalSymlinks(path)
	must(t, err)
	changes, _ := storetest.Batch(steps)
	e := &explained{}
	for _, prepare := range []string{`SELECT 1`, `ANALYZE`} { // as a fresh database plans, and as one that knows its rows
		db, err := foreign(file)
		must(t, err)
		_, err = db.Exec(prepare)
		must(t, err)
		must(t, db.Close()) // statistics are read when a connection opens
		e.db, err = foreign(file)
		must(t, err)
		e.plans = append(e.plans, prepare)
		askAll(t, query.New(e, `0`), changes)
		must(t, e.db.Close())
	}
	small := regexp.MustCompile(`^(SCAN (CONSTANT ROW|migrations)|SEARCH migrations|SCAN poison( |$)|SEARCH checkpoint|SCALAR SUBQUERY)`)
	for _, plan := range e.plans {
		if small.MatchString(plan) {
			continue
		}
		ordered := strings.HasPrefix(plan, "SCAN p USING") && strings.Contains(plan, "LIMIT") // the list of all jobs
		if strings.HasPrefix(plan, "SCAN") && !ordered || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("slow: %s", plan[:90]+plan[strings.Index(plan, " FROM "):])
		}
	}
	if len(e.plans) < 40 {
		t.Fatalf("only %d plans", len(e.plans))
	}
}

// askAll makes every kind of query, in two pages where there are pages.
func askAll(t *testing.T, r *query.Reader, changes store.Changes) {
	ctx, job, ticker := t.Context(), changes.Jobs[3], changes.Results[10].Ticker
	twice := func(what string, ask func(store.Cursor) (store.Cursor, error)) {
		next, err := ask("")
		if err == nil && next != "" {
			_, err = ask(next)
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for _, q := range []store.JobsQuery{{}, {Active: true}, {Status: events.StatusFailed}} {
		twice(fmt.Sprintf("%+v", q), func(c store.Cursor) (store.Cursor, error) {
			q.After, q.Limit = c, 1
			p, err := r.Jobs(ctx, q)
			return p.Next, err
		})
	}
	for _, q := range []store.DetailsQuery{{}, {BySeq: true}, {Status: "failed"}, {Status: "pending"}} {
		twice(fmt.Sprintf("%+v", q), func(c store.Cursor) (store.Cursor, error) {
			q.JobID, q.After, q.Limit = job.ID, c, 1
			p, err := r.Details(ctx, q)
			return p.Next, err
		})
	}
	twice("results", func(c store.Cursor) (store.Cursor, error) {
		p, err := r.Results(ctx, store.ResultsQuery{JobID: job.ID, After: c, Limit: 1})
		return p.Next, err
	})
	tested := changes.Backtests[0]
	twice("backtests", func(c store.Cursor) (store.Cursor, error) {
		p, err := r.Backtests(ctx, store.BacktestsQuery{JobID: tested.JobID, After: c, Limit: 1})
		return p.Next, err
	})
	for _, hash := range []string{"", job.StrategyHash} {
		twice("screen "+hash, func(c store.Cursor) (store.Cursor, error) {
			p, err := r.Screen(ctx, store.ScreenQuery{StrategyHash: hash, Class: store.ClassReal, MaxAgeDays: 100, After: c, Limit: 1})
			return p.Next, err
		})
	}
	for _, daily := range []bool{false, true} {
		twice("history", func(c store.Cursor) (store.Cursor, error) {
			p, err := r.History(ctx, store.HistoryQuery{Ticker: ticker, Daily: daily, After: c, Limit: 1})
			return p.Next, err
		})
		twice("history of a job", func(c store.Cursor) (store.Cursor, error) {
			p, err := r.History(ctx, store.HistoryQuery{Ticker: ticker, JobID: job.ID, Daily: daily, After: c, Limit: 1})
			return p.Next, err
		})
	}
	_, _, e1 := r.Job(ctx, job.ID)
	_, e2 := r.Unfinished(ctx, 10)
	_, e3 := r.Unannounced(ctx, 10)
	_, _, e4 := r.Outstanding(ctx, job.ID)
	_, _, e5 := r.Poisoned(ctx, 10)
	_, e6 := r.Standing(ctx)
	_, e7 := r.Indicators(ctx, changes.Indicators[0].Seq)
	_, e8 := r.Load(ctx, []string{job.ID})
	_, _, e9 := r.Backtest(ctx, tested.JobID, tested.Ticker)
	_, e10 := r.Curves(ctx, tested.JobID, func(store.BacktestCurve) error { return nil })
	for i, err := range []error{e1, e2, e3, e4, e5, e6, e7, e8, e9, e10} {
		if err != nil {
			t.Fatalf("query %d: %v", i+1, err)
		}
	}
}
