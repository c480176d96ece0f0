package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// This file says in plain Go what the queries must answer.

func bySeq(a, b store.Detail) int {
	return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Position, b.Position))
}

func byTicker(a, b store.Detail) int { return strings.Compare(a.Ticker, b.Ticker) }

func byScore(a, b store.Result) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Ticker, b.Ticker), strings.Compare(a.StrategyHash, b.StrategyHash))
}

func newestFirst(a, b store.Result) int { return cmp.Compare(b.Seq, a.Seq) }

func newestDayFirst(a, b store.Result) int {
	return cmp.Or(strings.Compare(b.TradingDay, a.TradingDay), cmp.Compare(b.Seq, a.Seq))
}

func sortedDetails(details []store.Detail, order func(a, b store.Detail) int) []store.Detail {
	return slices.SortedFunc(slices.Values(details), order)
}

func sortedTexts(texts []string) []string { return slices.Sorted(slices.Values(texts)) }

// sortedResults are those of the results that f keeps, in an order; never nil.
func sortedResults(results []store.Result, f func(store.Result) bool, order func(a, b store.Result) int) []store.Result {
	kept := []store.Result{}
	for _, r := range results {
		if f(r) {
			kept = append(kept, r)
		}
	}
	slices.SortFunc(kept, order)
	return kept
}

func scores(results []store.Result) []float64 {
	list := []float64{}
	for _, r := range results {
		list = append(list, r.Score)
	}
	return list
}

// latest is, of each ticker, strategy and class, the newest day's answer.
func latest(results []store.Result) []store.Result {
	newest := map[[3]string]store.Result{}
	for _, r := range results {
		key := [3]string{r.Ticker, r.StrategyHash, ClassOf(r)}
		if old, ok := newest[key]; !ok || newestDayFirst(r, old) < 0 {
			newest[key] = r
		}
	}
	list := []store.Result{}
	for _, r := range newest {
		list = append(list, r)
	}
	return list
}

// views are the jobs as lists show them, newest first.
func views(changes store.Changes) []store.JobView {
	progress := map[string]store.Progress{}
	for _, p := range changes.Progress {
		progress[p.JobID] = p
	}
	list := []store.JobView{}
	for _, job := range changes.Jobs {
		job.Tickers, job.Strategy, job.Backtest = nil, nil, nil
		list = append(list, store.JobView{Job: job, Progress: progress[job.ID]})
	}
	slices.SortFunc(list, func(a, b store.JobView) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	})
	return list
}

func keep[T any](items []T, f func(T) bool) []T {
	kept := []T{}
	for _, item := range items {
		if f(item) {
			kept = append(kept, item)
		}
	}
	return kept
}

// collect reads a list to its end, page by page.
func collect[T any](t *testing.T, next func(after store.Cursor) (store.Page[T], error)) []T {
	t.Helper()
	items, after := []T{}, store.Cursor("")
	for {
		page, err := next(after)
		must(t, err)
		items = append(items, page.Items...)
		if page.Next == "" {
			return items
		}
		if len(page.Items) == 0 || page.Next == after {
			t.Fatalf("a page of %d rows goes on at %q after %q", len(page.Items), page.Next, after)
		}
		after = page.Next
	}
}

// wantPages reads a list in pages of every size up to one past its length, and wants the same rows.
func wantPages[T any](t *testing.T, what string, want []T, next func(after store.Cursor, limit int) (store.Page[T], error)) {
	t.Helper()
	for limit := 1; limit <= len(want)+1; limit++ {
		pages := 0
		got := collect(t, func(after store.Cursor) (store.Page[T], error) {
			pages++
			page, err := next(after, limit)
			if len(page.Items) > limit {
				t.Fatalf("%s: a page of %d rows for a limit of %d", what, len(page.Items), limit)
			}
			return page, err
		})
		wantEqual(t, fmt.Sprintf("%s in pages of %d", what, limit), got, want)
		if most := max(1, (len(want)+limit-1)/limit); pages != most {
			t.Fatalf("%s: %d pages of %d for %d rows, want %d", what, pages, limit, len(want), most)
		}
	}
}

// A dayOf is a result that daySteps makes.
type dayOf struct {
	ticker string
	day    string
	score  float64
}

// daySteps are a job with a result for each of days, under strategy "h" and
// real data, in the order of sequences.
func daySteps(t *testing.T, days []dayOf) []Step {
	t.Helper()
	created := time.UnixMilli(1_790_000_000_000).UTC()
	var steps []Step
	for i, d := range days {
		seq := uint64(i + 1)
		job := store.Job{ID: fmt.Sprintf("job-%d", seq), Kind: events.KindAnalysis, Origin: events.OriginAPI,
			Tickers: []string{d.ticker}, Total: 1, CreatedAt: created, Seq: seq}
		steps = append(steps, Step{Position: At(seq), Changes: store.Changes{
			Jobs:     []store.Job{job},
			Progress: []store.Progress{{JobID: job.ID, Status: events.StatusCompleted, Total: 1, Analyzed: 1, LastSeq: seq}},
			Details:  []store.Detail{{JobID: job.ID, Ticker: d.ticker, Status: store.DetailAnalyzed, Seq: seq}},
			Results: []store.Result{{JobID: job.ID, Ticker: d.ticker, Seq: seq, RecordedAt: created, Origin: events.OriginAPI,
				StrategyName: "h", StrategyHash: "h", TradingDay: d.day, Verdict: verdict(d.score), Score: d.score}},
			Days: []store.Day{{Ticker: d.ticker, StrategyHash: "h", Class: store.ClassReal, TradingDay: d.day, ResultSeq: seq}},
		}})
	}
	return steps
}
