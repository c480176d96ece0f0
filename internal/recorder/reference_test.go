package recorder_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
)

// A reference says in plain words what a tape comes to: event by event, with
// nothing remembered but the rows. Of what is poison by its contents it knows
// what anyTape draws; TestPoison has the rest.
type reference struct {
	jobs     map[string]*events.JobQueued
	progress map[string]*store.Progress
	outcomes map[[2]string]outcomeOf
	days     map[store.Day]uint64
}

// An outcomeOf is what a ticker came to.
type outcomeOf struct {
	Status string
	Code   events.FailureCode
	Seq    uint64
}

// take takes the next event and reports whether it is poison.
func (r *reference) take(e recorder.Entry) (poison bool) {
	id, ticker, _, err := events.ParseSubject(e.Message.Subject)
	if job := r.jobs[id]; !sound(e, job) {
		if err == nil && job != nil && ticker != "" && slices.Contains(job.Tickers, ticker) {
			r.outcome(e, id, ticker, outcomeOf{store.DetailFailed, events.FailureInternal, e.Message.Seq})
		}
		return true
	}
	queued, isNew := e.Event.Data.(*events.JobQueued)
	switch {
	case isNew && r.jobs[id] != nil, !isNew && r.jobs[id] == nil:
		return true
	case isNew:
		r.jobs[id] = queued
		r.progress[id] = &store.Progress{JobID: id, Status: events.StatusQueued, Total: len(queued.Tickers), LastSeq: e.Message.Seq}
		return false
	case ticker != "" && !slices.Contains(r.jobs[id].Tickers, ticker):
		return true
	}
	p := r.progress[id]
	switch data := e.Event.Data.(type) {
	case *events.JobStarted:
		if p.Status == events.StatusQueued {
			p.Status, p.StartedAt, p.LastSeq = events.StatusRunning, e.Message.At, e.Message.Seq
		}
	case *events.JobCancelled:
		r.cancel(e, id)
	case *events.JobCompleted:
		if !p.Status.Ended() {
			return true
		}
		if p.AnnouncedSeq == 0 {
			p.AnnouncedSeq, p.LastSeq = e.Message.Seq, e.Message.Seq
		}
	case *events.TickerFailed:
		r.outcome(e, id, ticker, outcomeOf{store.DetailFailed, data.Code.Known(), e.Message.Seq})
	case *events.TickerBacktested:
		r.outcome(e, id, ticker, outcomeOf{store.DetailAnalyzed, "", e.Message.Seq})
	case *events.TickerAnalyzed:
		if r.outcome(e, id, ticker, outcomeOf{store.DetailAnalyzed, "", e.Message.Seq}) {
			class := map[bool]string{true: store.ClassSynthetic, false: store.ClassReal}[data.Report.Lineage.Synthetic]
			r.days[store.Day{Ticker: ticker, StrategyHash: data.StrategyHash, Class: class, TradingDay: data.Report.TradingDay}] = e.Message.Seq
		}
	}
	return false
}

// sound tells whether the contents of an event are legal for its job, if there is one.
func sound(e recorder.Entry, job *events.JobQueued) bool {
	if e.Err != nil {
		return false
	}
	kind, strategy := events.Kind(""), ""
	switch data := e.Event.Data.(type) {
	case *events.Unknown:
		return false
	case *events.JobQueued:
		return data.Capital > 0
	case *events.TickerFailed:
		if data.Attempts < 0 {
			return false
		}
		kind = data.Kind
	case *events.TickerBacktested:
		kind, strategy = data.Kind, data.StrategyHash
	case *events.TickerAnalyzed:
		kind, strategy = data.Kind, data.StrategyHash
	}
	return job == nil || (kind == "" || kind == job.Kind) && (strategy == "" || strategy == job.StrategyHash)
}

// outcome: only the first one of a ticker counts, and none after a cancel.
func (r *reference) outcome(e recorder.Entry, id, ticker string, o outcomeOf) bool {
	p, key := r.progress[id], [2]string{id, ticker}
	p.LastSeq = e.Message.Seq
	if p.CancelSeq > 0 {
		p.Late++
		return false
	}
	if _, taken := r.outcomes[key]; taken {
		p.Duplicates++
		return false
	}
	r.outcomes[key] = o
	if o.Status == store.DetailAnalyzed {
		p.Analyzed++
	} else {
		p.Failed++
	}
	if p.StartedAt.IsZero() {
		p.Status, p.StartedAt = events.StatusRunning, e.Message.At
	}
	if p.Analyzed+p.Failed == p.Total {
		p.CompletedAt = e.Message.At
		if p.Status = events.StatusCompleted; p.Analyzed == 0 {
			p.Status = events.StatusFailed
		}
	}
	return true
}

func (r *reference) cancel(e recorder.Entry, id string) {
	p := r.progress[id]
	if p.Status.Ended() {
		return
	}
	for _, ticker := range r.jobs[id].Tickers {
		if _, taken := r.outcomes[[2]string{id, ticker}]; !taken {
			r.outcomes[[2]string{id, ticker}] = outcomeOf{store.DetailCancelled, "", e.Message.Seq}
			p.Cancelled++
		}
	}
	p.Status, p.CompletedAt, p.CancelSeq, p.LastSeq = events.StatusCancelled, e.Message.At, e.Message.Seq, e.Message.Seq
}

// TestFoldIsTheReference: the fold comes to what plain words say, for any tape.
func TestFoldIsTheReference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tape := anyTape(rt, t)
		got := foldedInOne(t, tape)
		poisoned := poisonOf(rt, got)
		want := &reference{jobs: map[string]*events.JobQueued{}, progress: map[string]*store.Progress{},
			outcomes: map[[2]string]outcomeOf{}, days: map[store.Day]uint64{}}
		for _, e := range entries(tape) {
			if poison := want.take(e); poison != poisoned[e.Message.Seq] {
				rt.Fatalf("event %d on %s: poisoned %v, want %v", e.Message.Seq, e.Message.Subject, !poison, poison)
			}
		}
		want.compare(rt, got)
	})
}

func poisonOf(rt *rapid.T, r store.Reading) map[uint64]bool {
	rows, count, err := r.Poisoned(context.Background(), store.MaxPage)
	if err != nil || count != len(rows) {
		rt.Fatalf("%d poisoned, %d rows: %v", count, len(rows), err)
	}
	poisoned := map[uint64]bool{}
	for _, row := range rows {
		poisoned[row.Seq] = true
	}
	return poisoned
}

// compare reads the tables back, in the form of the reference.
func (r *reference) compare(rt *rapid.T, tables store.Reading) {
	ctx := context.Background()
	progress, outcomes, days := map[string]*store.Progress{}, map[[2]string]outcomeOf{}, map[store.Day]uint64{}
	jobs, err := tables.Jobs(ctx, store.JobsQuery{Limit: store.MaxPage})
	for _, view := range jobs.Items {
		progress[view.ID] = &view.Progress
		details, e := tables.Details(ctx, store.DetailsQuery{JobID: view.ID, BySeq: true, Limit: store.MaxPage})
		if e != nil {
			err = e
		}
		for _, d := range details.Items {
			outcomes[[2]string{d.JobID, d.Ticker}] = outcomeOf{d.Status, d.Code, d.Seq}
			if d.Position != slices.Index(r.jobs[d.JobID].Tickers, d.Ticker) {
				rt.Fatalf("%s stands at %d of job %s", d.Ticker, d.Position, d.JobID)
			}
		}
	}
	for _, ticker := range someTickers() {
		for _, class := range []string{store.ClassReal, store.ClassSynthetic} {
			daily, e := tables.History(ctx, store.HistoryQuery{Ticker: ticker, Class: class, Daily: true, Limit: store.MaxPage})
			if e != nil {
				err = e
			}
			for _, x := range daily.Items {
				days[store.Day{Ticker: ticker, StrategyHash: x.StrategyHash, Class: class, TradingDay: x.TradingDay}] = x.Seq
			}
		}
	}
	if err != nil {
		rt.Fatalf("reading the tables: %v", err)
	}
	if diff := cmp.Diff(r.progress, progress) + cmp.Diff(r.outcomes, outcomes) + cmp.Diff(r.days, days); diff != "" {
		rt.Fatalf("the fold is not the reference (-reference +fold):\n%s", diff)
	}
}
