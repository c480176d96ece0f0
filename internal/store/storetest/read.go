package storetest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// filled is a database with a tape of jobs, read by another than wrote it.
func filled(t *testing.T, db opened, seed uint64, jobs, tickers int) (store.Reading, store.Changes) {
	t.Helper()
	steps := Tape(seed, jobs, tickers)
	db.recording().record(steps, 50)
	changes, _ := Batch(steps)
	return db.reader(), changes
}

func testJob(t *testing.T, db opened) {
	r, changes := filled(t, db, 10, 2, 5)
	wantRows(t, r, changes)
	_, _, err := r.Job(t.Context(), "no-such-job")
	wantError(t, "an unknown job", err, store.ErrNotFound)
	_, err = r.Details(t.Context(), store.DetailsQuery{JobID: "no-such-job", Limit: 1})
	wantError(t, "details of an unknown job", err, store.ErrNotFound)
	_, err = r.Results(t.Context(), store.ResultsQuery{JobID: "no-such-job", Limit: 1})
	wantError(t, "results of an unknown job", err, store.ErrNotFound)
	_, _, err = r.Outstanding(t.Context(), "no-such-job")
	wantError(t, "outstanding tickers of an unknown job", err, store.ErrNotFound)
	_, err = r.Indicators(t.Context(), 1<<40)
	wantError(t, "indicators of an unknown result", err, store.ErrNotFound)
}

func testJobs(t *testing.T, db opened) {
	r, changes := filled(t, db, 11, 15, 4)
	jobs := views(changes)
	list := func(q store.JobsQuery) func(store.Cursor, int) (store.Page[store.JobView], error) {
		return func(after store.Cursor, limit int) (store.Page[store.JobView], error) {
			q.After, q.Limit = after, limit
			return r.Jobs(t.Context(), q)
		}
	}
	wantPages(t, "jobs", jobs, list(store.JobsQuery{}))
	wantPages(t, "active jobs", keep(jobs, func(v store.JobView) bool { return !v.Progress.Status.Ended() }), list(store.JobsQuery{Active: true}))
	for _, status := range []events.Status{"queued", "running", "completed", "failed", "cancelled", "none of these"} {
		want := keep(jobs, func(v store.JobView) bool { return v.Progress.Status == status })
		wantPages(t, "jobs that are "+string(status), want, list(store.JobsQuery{Status: status}))
	}
	page, err := r.Jobs(t.Context(), store.JobsQuery{Limit: 1})
	must(t, err)
	at, err := r.Position(t.Context())
	must(t, err)
	wantEqual(t, "as of", page.AsOf, at.Seq)
}

// inOrder are a job's details in the order of its list, pending ones among them.
func inOrder(job store.Job, details []store.Detail) []store.Detail {
	byTicker := map[string]store.Detail{}
	for _, d := range details {
		if d.JobID == job.ID {
			byTicker[d.Ticker] = d
		}
	}
	list := []store.Detail{}
	for i, ticker := range job.Tickers {
		d, ok := byTicker[ticker]
		if !ok {
			d = store.Detail{JobID: job.ID, Ticker: ticker, Position: i, Status: store.DetailPending}
		}
		list = append(list, d)
	}
	return list
}

func testDetails(t *testing.T, db opened) {
	r, changes := filled(t, db, 12, 8, 9)
	list := func(q store.DetailsQuery) func(store.Cursor, int) (store.Page[store.Detail], error) {
		return func(after store.Cursor, limit int) (store.Page[store.Detail], error) {
			q.After, q.Limit = after, limit
			return r.Details(t.Context(), q)
		}
	}
	statuses := map[string]int{}
	for _, job := range changes.Jobs {
		all := inOrder(job, changes.Details)
		wantPages(t, "details", all, list(store.DetailsQuery{JobID: job.ID}))
		for _, status := range []string{"pending", "analyzed", "failed", "cancelled"} {
			want := keep(all, func(d store.Detail) bool { return d.Status == status })
			statuses[status] += len(want)
			wantPages(t, status+" details", want, list(store.DetailsQuery{JobID: job.ID, Status: status}))
		}
		recorded := sortedDetails(keep(all, func(d store.Detail) bool { return d.Status != store.DetailPending }), bySeq)
		wantPages(t, "details by sequence", recorded, list(store.DetailsQuery{JobID: job.ID, BySeq: true}))
		if len(recorded) == 0 {
			continue
		}
		since := recorded[len(recorded)/2].Seq
		wantPages(t, "details since a sequence", keep(recorded, func(d store.Detail) bool { return d.Seq > since }),
			list(store.DetailsQuery{JobID: job.ID, SinceSeq: since}))
		for _, f := range events.Failures() {
			want := keep(all, func(d store.Detail) bool { return d.Code == f.Code })
			wantPages(t, "details that failed by "+string(f.Code), want, list(store.DetailsQuery{JobID: job.ID, Code: f.Code}))
		}
		wantPages(t, "failed details by sequence", keep(recorded, func(d store.Detail) bool { return d.Status == store.DetailFailed }),
			list(store.DetailsQuery{JobID: job.ID, Status: store.DetailFailed, BySeq: true}))
	}
	for _, status := range []string{"pending", "analyzed", "failed", "cancelled"} {
		if statuses[status] == 0 {
			t.Errorf("the tape has no %s details: the test proves nothing of them", status)
		}
	}
}

// testDetailsPending reads a job before any outcome, and as they come in.
func testDetailsPending(t *testing.T, db opened) {
	steps := Tape(13, 1, 5)
	s := db.recording()
	r := db.reader()
	job := steps[0].Changes.Jobs[0]
	for i, step := range steps {
		s.record([]Step{step}, 1)
		so, _ := Batch(steps[:i+1])
		want := inOrder(job, so.Details)
		page, err := r.Details(t.Context(), store.DetailsQuery{JobID: job.ID, Limit: len(want)})
		must(t, err)
		wantEqual(t, "details", page, store.Page[store.Detail]{Items: want, AsOf: step.Position.Seq})
		tickers, asOf, err := r.Outstanding(t.Context(), job.ID)
		must(t, err)
		wantEqual(t, "as of", asOf, step.Position.Seq)
		left := []string{}
		for _, d := range want {
			if d.Status == store.DetailPending {
				left = append(left, d.Ticker)
			}
		}
		wantEqual(t, "outstanding", tickers, left)
	}
}

func testResults(t *testing.T, db opened) {
	r, changes := filled(t, db, 14, 4, 12)
	for _, job := range changes.Jobs {
		for _, verdict := range []events.Verdict{"", events.StrongBuy, events.Buy, events.Hold, events.Sell, events.StrongSell} {
			want := sortedResults(changes.Results, func(x store.Result) bool {
				return x.JobID == job.ID && (verdict == "" || x.Verdict == verdict)
			}, byScore)
			wantPages(t, "results "+string(verdict), want, func(after store.Cursor, limit int) (store.Page[store.Result], error) {
				return r.Results(t.Context(), store.ResultsQuery{JobID: job.ID, Verdict: verdict, After: after, Limit: limit})
			})
		}
	}
}

func testScreen(t *testing.T, db opened) {
	r, changes := filled(t, db, 15, 9, 6)
	hashes := []string{"", changes.Jobs[0].StrategyHash, changes.Jobs[1].StrategyHash, "no-such-strategy"}
	rows := 0
	for _, class := range []string{store.ClassReal, store.ClassSynthetic} {
		for _, hash := range hashes {
			for _, verdict := range []events.Verdict{"", events.Buy, events.Sell} {
				want := sortedResults(latest(changes.Results), func(x store.Result) bool {
					return ClassOf(x) == class && (hash == "" || x.StrategyHash == hash) && (verdict == "" || x.Verdict == verdict)
				}, byScore)
				rows += len(want)
				wantPages(t, fmt.Sprintf("screen of %s %s %s", class, hash, verdict), want, func(after store.Cursor, limit int) (store.Page[store.Result], error) {
					return r.Screen(t.Context(), store.ScreenQuery{StrategyHash: hash, Class: class, Verdict: verdict, MaxAgeDays: 1000, After: after, Limit: limit})
				})
			}
		}
	}
	if rows == 0 {
		t.Error("the tape has no rows for screens: the test proves nothing")
	}
}

func testScreenAge(t *testing.T, db opened) {
	s := db.recording()
	s.record(daySteps(t, []dayOf{
		{"A.NS", "2026-10-30", 0.9}, {"B.NS", "2026-11-03", 0.8}, {"C.NS", "2026-11-03", 0.8},
		{"D.NS", "2026-11-05", 0.8}, {"E.NS", "2026-11-05", -0.8}, {"F.NS", "2026-10-31", 0.85}, {"F.NS", "2026-11-05", 0},
	}), 3)
	r := db.reader()
	for age, want := range map[int][]string{
		0: {"D.NS", "F.NS", "E.NS"},
		1: {"D.NS", "F.NS", "E.NS"},
		2: {"B.NS", "C.NS", "D.NS", "F.NS", "E.NS"},
		5: {"B.NS", "C.NS", "D.NS", "F.NS", "E.NS"},
		6: {"A.NS", "B.NS", "C.NS", "D.NS", "F.NS", "E.NS"},
	} {
		for limit := 1; limit <= len(want)+1; limit++ {
			got := []string{}
			for _, x := range collect(t, func(after store.Cursor) (store.Page[store.Result], error) {
				return r.Screen(t.Context(), store.ScreenQuery{Class: store.ClassReal, MaxAgeDays: age, After: after, Limit: limit})
			}) {
				got = append(got, x.Ticker)
			}
			wantEqual(t, fmt.Sprintf("screen of at most %d days in pages of %d", age, limit), got, want)
		}
	}
}

func testHistory(t *testing.T, db opened) {
	r, changes := filled(t, db, 16, 12, 4)
	tickers := map[string]bool{"NOBODY.NS": true}
	for _, x := range changes.Results {
		tickers[x.Ticker] = true
	}
	winners := map[uint64]bool{}
	for _, d := range changes.Days {
		winners[d.ResultSeq] = true
	}
	for ticker := range tickers {
		some := store.Result{JobID: "no-such-job", TradingDay: "2001-01-01"}
		for _, x := range changes.Results {
			if x.Ticker == ticker {
				some = x
			}
		}
		for _, q := range []store.HistoryQuery{{}, {StrategyName: "balanced"}, {Class: store.ClassReal}, {Class: store.ClassSynthetic, StrategyName: "momentum"},
			{JobID: some.JobID}, {TradingDay: some.TradingDay}, {JobID: some.JobID, TradingDay: "2001-01-01"}} {
			for _, daily := range []bool{false, true} {
				q.Ticker, q.Daily = ticker, daily
				order := newestFirst
				if daily {
					order = newestDayFirst
				}
				want := sortedResults(changes.Results, func(x store.Result) bool {
					return x.Ticker == ticker && (!daily || winners[x.Seq]) &&
						(q.StrategyName == "" || x.StrategyName == q.StrategyName) && (q.Class == "" || ClassOf(x) == q.Class) &&
						(q.JobID == "" || x.JobID == q.JobID) && (q.TradingDay == "" || x.TradingDay == q.TradingDay)
				}, order)
				wantPages(t, fmt.Sprintf("history %+v", q), want, func(after store.Cursor, limit int) (store.Page[store.Result], error) {
					q.After, q.Limit = after, limit
					return r.History(t.Context(), q)
				})
			}
		}
	}
}

func testBacklog(t *testing.T, db opened) {
	r, changes := filled(t, db, 17, 15, 5)
	jobs := views(changes)
	for i, j := 0, len(jobs)-1; i < j; i, j = i+1, j-1 {
		jobs[i], jobs[j] = jobs[j], jobs[i] // oldest first
	}
	unfinished := keep(jobs, func(v store.JobView) bool { return !v.Progress.Status.Ended() })
	silent := keep(jobs, func(v store.JobView) bool { return v.Progress.Status.Ended() && v.Progress.AnnouncedSeq == 0 })
	if len(unfinished) == 0 || len(silent) == 0 {
		t.Fatalf("the tape has %d unfinished and %d unannounced jobs: the test proves nothing", len(unfinished), len(silent))
	}
	at, err := r.Position(t.Context())
	must(t, err)
	for limit := 1; limit <= len(jobs); limit++ {
		page, err := r.Unfinished(t.Context(), limit)
		must(t, err)
		wantEqual(t, "unfinished", page, store.Page[store.JobView]{Items: unfinished[:min(limit, len(unfinished))], AsOf: at.Seq})
		list, err := r.Unannounced(t.Context(), limit)
		must(t, err)
		wantEqual(t, "unannounced", list, silent[:min(limit, len(silent))])
	}
}

func testPoisoned(t *testing.T, db opened) {
	r, changes := filled(t, db, 19, 6, 20)
	if len(changes.Poison) < 2 {
		t.Fatalf("the tape has %d poisoned events: the test proves nothing", len(changes.Poison))
	}
	for limit := 1; limit <= len(changes.Poison)+1; limit++ {
		rows, count, err := r.Poisoned(t.Context(), limit)
		must(t, err)
		wantEqual(t, "count", count, len(changes.Poison))
		want := []store.Poison{}
		for i := len(changes.Poison) - 1; i >= 0 && len(want) < limit; i-- {
			want = append(want, changes.Poison[i])
		}
		wantEqual(t, "poison", rows, want)
	}
}

// testQueries asks for what no list can give.
func testQueries(t *testing.T, db opened) {
	r, changes := filled(t, db, 19, 1, 3)
	ctx, id := t.Context(), changes.Jobs[0].ID
	for _, limit := range []int{-1, 0, store.MaxPage + 1, math.MaxInt64} {
		_, e1 := r.Jobs(ctx, store.JobsQuery{Limit: limit})
		_, e2 := r.Details(ctx, store.DetailsQuery{JobID: id, Limit: limit})
		_, e3 := r.Results(ctx, store.ResultsQuery{JobID: id, Limit: limit})
		_, e4 := r.Screen(ctx, store.ScreenQuery{Class: store.ClassReal, Limit: limit})
		_, e5 := r.History(ctx, store.HistoryQuery{Ticker: "A", Limit: limit})
		_, e6 := r.Unfinished(ctx, limit)
		_, e7 := r.Unannounced(ctx, limit)
		_, _, e8 := r.Poisoned(ctx, limit)
		for i, err := range []error{e1, e2, e3, e4, e5, e6, e7, e8} {
			wantError(t, fmt.Sprintf("query %d with limit %d", i+1, limit), err, store.ErrQuery)
		}
	}
	_, e1 := r.Jobs(ctx, store.JobsQuery{Limit: 1, Active: true, Status: "queued"})
	_, e2 := r.Details(ctx, store.DetailsQuery{JobID: id, Limit: 1, BySeq: true, Status: store.DetailPending})
	_, e3 := r.Screen(ctx, store.ScreenQuery{Limit: 1})
	_, e4 := r.Screen(ctx, store.ScreenQuery{Limit: 1, Class: "unreal"})
	_, e5 := r.History(ctx, store.HistoryQuery{Limit: 1, Class: "unreal"})
	wantError(t, "odd queries", errors.Join(e1, e2, e3, e4, e5), store.ErrQuery)
	for i, err := range []error{e1, e2, e3, e4, e5} {
		wantError(t, fmt.Sprintf("odd query %d", i+1), err, store.ErrQuery)
	}
	if _, err := r.Jobs(ctx, store.JobsQuery{Limit: store.MaxPage}); err != nil {
		t.Fatalf("a page of the largest size: %v", err)
	}
}

// testCursors gives each list what is no cursor of it.
func testCursors(t *testing.T, db opened) {
	r, changes := filled(t, db, 20, 6, 8)
	ctx, job := t.Context(), changes.Jobs[0]
	lists := map[string]func(after store.Cursor) (store.Cursor, error){
		"jobs": func(after store.Cursor) (store.Cursor, error) {
			p, err := r.Jobs(ctx, store.JobsQuery{After: after, Limit: 1})
			return p.Next, err
		},
		"details": func(after store.Cursor) (store.Cursor, error) {
			p, err := r.Details(ctx, store.DetailsQuery{JobID: job.ID, After: after, Limit: 1})
			return p.Next, err
		},
		"details by sequence": func(after store.Cursor) (store.Cursor, error) {
			p, err := r.Details(ctx, store.DetailsQuery{JobID: job.ID, BySeq: true, After: after, Limit: 1})
			return p.Next, err
		},
		"results": func(after store.Cursor) (store.Cursor, error) {
			p, err := r.Results(ctx, store.ResultsQuery{JobID: job.ID, After: after, Limit: 1})
			return p.Next, err
		},
		"screen": func(after store.Cursor) (store.Cursor, error) {
			p, err := r.Screen(ctx, store.ScreenQuery{Class: store.ClassReal, MaxAgeDays: 99, After: after, Limit: 1})
			return p.Next, err
		},
		"history": func(after store.Cursor) (store.Cursor, error) {
			p, err := r.History(ctx, store.HistoryQuery{Ticker: busiest(changes), After: after, Limit: 1})
			return p.Next, err
		},
		"days": func(after store.Cursor) (store.Cursor, error) {
			p, err := r.History(ctx, store.HistoryQuery{Ticker: busiest(changes), Daily: true, After: after, Limit: 1})
			return p.Next, err
		},
	}
	cursors := map[string]store.Cursor{"nonsense": "nonsense!", "padding": "e30=", "empty": "e30", "null": "bnVsbA", "long": store.Cursor(make([]byte, 1<<16))}
	for name, list := range lists {
		next, err := list("")
		must(t, err)
		if next == "" {
			t.Fatalf("%s has one page: the test proves nothing", name)
		}
		cursors[name] = next
		cursors[name+", cut"] = next[:len(next)-1]
		cursors[name+", of another version"] = otherVersion(t, next)
	}
	for name, list := range lists {
		for of, cursor := range cursors {
			_, err := list(cursor)
			if of == name {
				must(t, err)
				continue
			}
			wantError(t, fmt.Sprintf("list %s after a cursor of %s", name, of), err, store.ErrCursor)
		}
	}
}

// otherVersion is a cursor as a later program may write it.
func otherVersion(t *testing.T, c store.Cursor) store.Cursor {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(string(c))
	must(t, err)
	other := strings.Replace(string(text), `"v":1`, `"v":2`, 1)
	return store.Cursor(base64.RawURLEncoding.EncodeToString([]byte(other)))
}

// busiest is the ticker with the most results.
func busiest(changes store.Changes) (most string) {
	counts := map[string]int{}
	for _, x := range changes.Results {
		counts[x.Ticker]++
		if counts[x.Ticker] > counts[most] {
			most = x.Ticker
		}
	}
	return most
}
