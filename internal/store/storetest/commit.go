package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

func testRoundTrip(t *testing.T, db opened) {
	steps := Tape(1, 6, 8)
	s := db.recording()
	s.record(steps, 5)
	changes, last := Batch(steps)
	r := db.reader()
	wantRows(t, r, changes)
	at, err := r.Position(t.Context())
	must(t, err)
	wantEqual(t, "position", at, last)
	lease, err := s.Acquire(t.Context(), "first", longLease)
	must(t, err)
	wantEqual(t, "the lease's position", lease.Position, last)
}

// wantRows compares all rows with changes that hold everything.
func wantRows(t *testing.T, r store.Reading, changes store.Changes) {
	t.Helper()
	progress := map[string]store.Progress{}
	for _, p := range changes.Progress {
		progress[p.JobID] = p
	}
	for _, job := range changes.Jobs {
		view, _, err := r.Job(t.Context(), job.ID)
		must(t, err)
		wantEqual(t, "job "+job.ID, view, store.JobView{Job: job, Progress: progress[job.ID]})
		var details []store.Detail
		for _, d := range changes.Details {
			if d.JobID == job.ID {
				details = append(details, d)
			}
		}
		page, err := r.Details(t.Context(), store.DetailsQuery{JobID: job.ID, BySeq: true, Limit: store.MaxPage})
		must(t, err)
		wantEqual(t, "details of "+job.ID, page.Items, sortedDetails(details, bySeq))
		results := collect(t, func(after store.Cursor) (store.Page[store.Result], error) {
			return r.Results(t.Context(), store.ResultsQuery{JobID: job.ID, After: after, Limit: 3})
		})
		backtests := collect(t, func(after store.Cursor) (store.Page[store.Backtest], error) {
			return r.Backtests(t.Context(), store.BacktestsQuery{JobID: job.ID, After: after, Limit: 3})
		})
		wantEqual(t, "backtests of "+job.ID, backtests, backtestsOf(changes, job.ID))
		wantEqual(t, "results of "+job.ID, results, sortedResults(changes.Results, func(x store.Result) bool { return x.JobID == job.ID }, byScore))
	}
	for _, i := range changes.Indicators {
		got, err := r.Indicators(t.Context(), i.Seq)
		must(t, err)
		want, err := store.DecodeIndicators(i.Data)
		must(t, err)
		wantEqual(t, fmt.Sprintf("indicators of %d", i.Seq), got, want)
	}
}

func testExtremes(t *testing.T, db opened) {
	s := db.recording()
	late := time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)
	wide := strings.Repeat("日本語🎺\"\\\n\t'%s;--$1?", 200)
	const most = math.MaxInt32
	job := store.Job{ID: "j/ü?", Kind: events.KindBacktest, Origin: events.OriginImport, ParentID: wide, Universe: wide,
		Tickers: []string{"M&M.NS", "^NSEI", wide}, Total: most, Capital: math.MaxFloat64, StrategyName: wide,
		StrategyHash: wide, Strategy: []byte(wide), Options: events.Options{RiskPercent: math.SmallestNonzeroFloat64,
			PositionLimitPercent: 100, MinRiskReward: 1e300, Bars: most}, RequestSHA256: wide,
		Backtest: &events.Backtest{From: wide, To: "9999-12-31", CostPercent: math.MaxFloat64, SlippagePercent: math.SmallestNonzeroFloat64}, Deadline: late,
		CreatedAt: late, Seq: math.MaxInt64}
	progress := store.Progress{JobID: job.ID, Status: events.StatusRunning, Total: most, Analyzed: most - 2, Failed: 1,
		Cancelled: 1, Late: most, Duplicates: most, StartedAt: late, CompletedAt: late, LastSeq: math.MaxInt64,
		CancelSeq: math.MaxInt64, AnnouncedSeq: math.MaxInt64}
	detail := store.Detail{JobID: job.ID, Ticker: "M&M.NS", Position: 0, Status: store.DetailFailed, Code: "no_data",
		Message: wide, Attempts: most, StartedAt: late, CompletedAt: late, Seq: math.MaxInt64}
	bare := store.Detail{JobID: job.ID, Ticker: "^NSEI", Position: 1, Status: store.DetailAnalyzed, Seq: 1}
	lost := store.Detail{JobID: job.ID, Ticker: wide, Position: 2, Status: store.DetailAnalyzed, Seq: 2}
	full := extremeResult(wide, late)
	full.JobID, full.Ticker = job.ID, lost.Ticker
	empty := store.Result{JobID: job.ID, Ticker: bare.Ticker, Seq: 1, RecordedAt: time.UnixMilli(0).UTC(), Origin: events.OriginAPI,
		Verdict: events.Hold, Score: math.Copysign(0, -1), Warnings: []string{}, Plan: events.Plan{Adjustments: []string{}},
		Lineage: events.Lineage{Warnings: []string{}, Notes: []string{}}}
	changes := store.Changes{Jobs: []store.Job{job}, Progress: []store.Progress{progress},
		Details: []store.Detail{detail, bare, lost}, Results: []store.Result{full, empty},
		Indicators: []store.Indicators{{Seq: 1, Data: mustEncode(nil)}},
		Poison:     []store.Poison{{Seq: math.MaxInt64, RecordedAt: late, Subject: wide, EventID: wide, EventType: wide, Reason: wide, Body: []byte{}}}}
	at := store.Position{Stream: wide, Created: time.Unix(0, math.MaxInt64).UTC(), Seq: math.MaxInt64, Anchor: wide}
	must(t, s.Commit(t.Context(), s.lease, at, changes))
	r := db.reader()
	wantRows(t, r, changes)
	got, err := r.Position(t.Context())
	must(t, err)
	wantEqual(t, "position", got, at)
	poison, _, err := r.Poisoned(t.Context(), 1)
	must(t, err)
	wantEqual(t, "poison", poison, changes.Poison)
	history, err := r.History(t.Context(), store.HistoryQuery{Ticker: bare.Ticker, Limit: 1})
	must(t, err)
	if math.Signbit(history.Items[0].Score) {
		t.Error("a score of -0 came back as -0: the databases would differ")
	}
}

func extremeResult(wide string, late time.Time) store.Result {
	r := store.Result{Seq: 2, RecordedAt: late, Origin: events.OriginSchedule, StrategyName: wide, StrategyHash: wide,
		TradingDay: "9999-12-31", Verdict: events.StrongSell, Score: -math.MaxFloat64, Coverage: 0.1 + 0.2, Regime: wide,
		Warnings: []string{wide, ""}, Attempts: math.MaxInt32, StartedAt: late, CompletedAt: late,
		Plan: events.Plan{Side: wide, Entry: math.SmallestNonzeroFloat64, Stop: math.MaxFloat64, Target: 1.0 / 3, RiskReward: 1e-300,
			Size: math.MaxInt64, RiskAmount: 123456789.123456789, Value: -1, Adjustments: []string{wide}},
		Lineage: events.Lineage{Provider: wide, Synthetic: true, Adjustment: wide, Currency: wide, Bars: math.MaxInt32,
			FirstBar: wide, LastBar: wide, Warnings: []string{wide}, Notes: []string{wide}}}
	for i, number := range store.NumberFields(&r.Numbers) {
		value := math.Sqrt(float64(i)) * math.Pow(10, float64(i*12-150))
		*number = &value
	}
	return r
}

// wantUntouched runs f and sees to it that no row changed.
func wantUntouched(t *testing.T, db opened, f func()) {
	t.Helper()
	r := db.reader()
	before := hash(t, r)
	f()
	wantEqual(t, "the dump after nothing should have changed", hash(t, r), before)
}

func testFencedBySequence(t *testing.T, db opened) {
	steps := Tape(2, 3, 6)
	s := db.recording()
	s.record(steps[:10], 10)
	wantUntouched(t, db, func() {
		changes, next := Batch(steps[10:])
		stale := s.lease
		stale.Position = steps[8].Position
		wantError(t, "a commit from an older position", s.Commit(t.Context(), stale, next, changes), store.ErrFenced)
		stale.Position = steps[11].Position
		wantError(t, "a commit from a later position", s.Commit(t.Context(), stale, next, changes), store.ErrFenced)
	})
	s.record(steps[10:], 7)
}

func testFencedByEpoch(t *testing.T, db opened) {
	steps := Tape(3, 3, 6)
	s := db.recording()
	s.record(steps[:10], 10)
	must(t, db.Exec(`UPDATE checkpoint SET epoch = epoch + 1`))
	wantUntouched(t, db, func() {
		changes, next := Batch(steps[10:])
		wantError(t, "a commit under an old epoch", s.Commit(t.Context(), s.lease, next, changes), store.ErrFenced)
	})
	must(t, db.Exec(`UPDATE checkpoint SET epoch = epoch - 1, owner = 'thief'`))
	wantUntouched(t, db, func() {
		changes, next := Batch(steps[10:])
		wantError(t, "a commit of another owner", s.Commit(t.Context(), s.lease, next, changes), store.ErrFenced)
	})
}

func testFencedByTape(t *testing.T, db opened) {
	steps := Tape(4, 3, 6)
	s := db.recording()
	s.record(steps[:10], 10)
	changes, next := Batch(steps[10:])
	for _, change := range []func(*store.Position){
		func(p *store.Position) { p.Stream = "OTHER" },
		func(p *store.Position) { p.Created = p.Created.Add(1) },
		func(p *store.Position) { p.Anchor = "another" },
	} {
		wantUntouched(t, db, func() {
			stale := s.lease
			change(&stale.Position)
			wantError(t, "a commit from another tape", s.Commit(t.Context(), stale, next, changes), store.ErrFenced)
		})
	}
}

// testRacingWriters lets two writers take the lease from each other while both
// commit: whoever wins, the rows are those of one tape.
func testRacingWriters(t *testing.T, db opened) {
	steps := Tape(5, 8, 12)
	db.migrated()
	var wg sync.WaitGroup
	for _, owner := range []string{"first", "second"} {
		w := db.writer()
		wg.Go(func() { race(t, db, w, owner, steps) })
	}
	wg.Wait()
	other := opened{Database: db.Database, t: t}
	changes, _ := Batch(steps)
	wantRows(t, other.reader(), changes)
}

// race records steps, taking the lease whenever it is lost, until all are there.
func race(t *testing.T, db opened, w store.Recording, owner string, steps []Step) {
	for turn := 0; ; turn++ {
		if err := db.Exec(`UPDATE checkpoint SET lease_until = 0`); err != nil {
			t.Error(err)
			return
		}
		lease, err := w.Acquire(t.Context(), owner, longLease)
		if errors.Is(err, store.ErrLeaseHeld) {
			continue // the other took it first
		}
		for err == nil && lease.Position.Seq < uint64(len(steps)) {
			from := int(lease.Position.Seq)
			changes, next := Batch(steps[from:min(from+1+turn%5, len(steps))])
			if err = w.Commit(t.Context(), lease, next, changes); err == nil {
				lease.Position = next
			}
		}
		if err == nil {
			return
		}
		if !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: %v", owner, err)
			return
		}
	}
}

func testProgressReplaces(t *testing.T, db opened) {
	steps := Tape(6, 1, 4)
	s := db.recording()
	r := db.reader()
	for _, step := range steps {
		s.record([]Step{step}, 1)
		view, asOf, err := r.Job(t.Context(), steps[0].Changes.Jobs[0].ID)
		must(t, err)
		wantEqual(t, "as of", asOf, step.Position.Seq)
		if len(step.Changes.Progress) > 0 {
			wantEqual(t, "progress", view.Progress, step.Changes.Progress[0])
		}
	}
}

func testDaysKeepTheNewest(t *testing.T, db opened) {
	s := db.recording()
	steps := daySteps(s.t, []dayOf{
		{"A.NS", "2026-11-03", 0.1}, {"A.NS", "2026-11-03", 0.2}, {"A.NS", "2026-11-05", 0.3}, {"A.NS", "2026-11-04", 0.4},
	})
	s.record(steps, 1)
	// A day with a lower sequence never replaces one with a higher.
	stale := store.Changes{Days: []store.Day{{Ticker: "A.NS", StrategyHash: "h", Class: store.ClassReal,
		TradingDay: "2026-11-03", ResultSeq: steps[0].Changes.Results[0].Seq}}}
	next := At(s.lease.Position.Seq + 1)
	must(t, s.Commit(t.Context(), s.lease, next, stale))
	page, err := db.reader().History(t.Context(), store.HistoryQuery{Ticker: "A.NS", Daily: true, Limit: 10})
	must(t, err)
	wantEqual(t, "scores of days", scores(page.Items), []float64{0.3, 0.4, 0.2})
	screen, err := db.reader().Screen(t.Context(), store.ScreenQuery{Class: store.ClassReal, Limit: 10})
	must(t, err)
	wantEqual(t, "scores of the screen", scores(screen.Items), []float64{0.3})
}

func testConstraints(t *testing.T, db opened) {
	steps := Tape(7, 4, 6)
	s := db.recording()
	s.record(steps[:12], 12)
	recorded, _ := Batch(steps[:12])
	job, progress := recorded.Jobs[0], recorded.Progress[0]
	progress.Analyzed = progress.Total + 1
	unknown := recorded.Details[0]
	unknown.JobID = "no-such-job"
	word := recorded.Progress[0]
	word.Status = "paused"
	uncoded := recorded.Details[0]
	uncoded.Ticker, uncoded.Position, uncoded.Status, uncoded.Code = "NEW.NS", 1000, store.DetailFailed, ""
	fresh := job
	fresh.ID = "fresh"
	bad := map[string]store.Changes{
		"a job twice":                  {Jobs: []store.Job{fresh, fresh}},
		"a job again":                  {Jobs: []store.Job{fresh, job}},
		"a detail again":               {Jobs: []store.Job{fresh}, Details: recorded.Details[:1]},
		"a detail of no job":           {Jobs: []store.Job{fresh}, Details: []store.Detail{unknown}},
		"progress of no job":           {Jobs: []store.Job{fresh}, Progress: []store.Progress{{JobID: "no-such-job", Status: "queued", Total: 1}}},
		"counts above the total":       {Jobs: []store.Job{fresh}, Progress: []store.Progress{progress}},
		"an unknown status":            {Jobs: []store.Job{fresh}, Progress: []store.Progress{word}},
		"a failure without a code":     {Jobs: []store.Job{fresh}, Details: []store.Detail{uncoded}},
		"a result again":               {Jobs: []store.Job{fresh}, Results: recorded.Results[:1]},
		"indicators of no result":      {Jobs: []store.Job{fresh}, Indicators: []store.Indicators{{Seq: 1 << 40, Data: []byte{1}}}},
		"a backtest of no detail":      {Jobs: []store.Job{fresh}, Backtests: []store.BacktestRow{{Backtest: store.Backtest{JobID: "fresh", Ticker: "A", Seq: 1 << 40, Origin: "api", Metrics: events.BacktestMetrics{Days: events.Days{Sessions: 1}}}}}},
		"a backtest of no session":     {Jobs: []store.Job{fresh}, Backtests: []store.BacktestRow{{Backtest: store.Backtest{JobID: recorded.Details[0].JobID, Ticker: recorded.Details[0].Ticker, Seq: 1 << 40, Origin: "api"}}}},
		"a day of no result":           {Jobs: []store.Job{fresh}, Days: []store.Day{{Ticker: "A", StrategyHash: "h", Class: store.ClassReal, TradingDay: "2026-01-01", ResultSeq: 1 << 40}}},
		"a job without any ticker":     {Jobs: []store.Job{{ID: "none", Kind: "analysis", Origin: "api", CreatedAt: time.Now()}}},
		"a job of an unknown kind":     {Jobs: []store.Job{{ID: "none", Kind: "guess", Origin: "api", Total: 1, CreatedAt: time.Now()}}},
		"indicators of a result again": {Jobs: []store.Job{fresh}, Indicators: recorded.Indicators[:1]},
	}
	for name, changes := range bad {
		wantUntouched(t, db, func() {
			err := s.Commit(t.Context(), s.lease, At(100), changes)
			wantError(t, name, err, store.ErrConstraint)
		})
	}
	s.record(steps[12:], 7) // the writer goes on as if nothing had been
}

func testCancelledContext(t *testing.T, db opened) {
	steps := Tape(8, 2, 6)
	s := db.recording()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantUntouched(t, db, func() {
		changes, next := Batch(steps)
		if err := s.Commit(ctx, s.lease, next, changes); err == nil {
			t.Fatal("a commit under a cancelled context succeeded")
		}
	})
	s.record(steps, 9)
}

func testLoad(t *testing.T, db opened) {
	steps := Tape(9, 4, 6)
	s := db.recording()
	s.record(steps, 6)
	changes, _ := Batch(steps)
	ids := []string{"no-such-job"}
	want := map[string]store.State{}
	for _, job := range changes.Jobs {
		ids = append(ids, job.ID)
		state := store.State{Job: job}
		for _, p := range changes.Progress {
			if p.JobID == job.ID {
				state.Progress = p
			}
		}
		for _, d := range sortedDetails(changes.Details, byTicker) {
			if d.JobID == job.ID {
				state.Outcomes = append(state.Outcomes, d.Ticker)
			}
		}
		want[job.ID] = state
	}
	states, err := s.Load(t.Context(), ids)
	must(t, err)
	got := map[string]store.State{}
	for _, state := range states {
		state.Outcomes = sortedTexts(state.Outcomes)
		got[state.Job.ID] = state
	}
	wantEqual(t, "states", got, want)
	none, err := s.Load(t.Context(), nil)
	must(t, err)
	wantEqual(t, "states of no jobs", len(none), 0)
}
