package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// A Step is what one event of a tape changes, and the position after it.
type Step struct {
	Changes  store.Changes
	Position store.Position
}

// StreamName and StreamCreated are the identity of the tape that Tape makes.
const StreamName = "TAPE"

// StreamCreated is when the stream of Tape was created, to the nanosecond.
func StreamCreated() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC) }

// firstDay is the first trading day of a Tape; each job trades one day later.
func firstDay() time.Time { return time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC) }

// Tape makes the changes of a tape with jobs of so many tickers each: queued
// one after the other while the earlier ones run, with outcomes of all kinds
// in any order, some jobs cancelled, some left unfinished, some poison. The
// same arguments give the same steps. Jobs after the first two thirds do not end.
func Tape(seed uint64, jobs, tickers int) []Step {
	g := &generator{rand: rand.New(rand.NewPCG(seed, seed)), tickers: tickers, total: jobs}
	for len(g.running) > 0 || g.queued < jobs {
		g.next()
	}
	return g.steps
}

// Batch joins steps into the changes of one commit, with the position after it.
func Batch(steps []Step) (store.Changes, store.Position) {
	var c store.Changes
	progress, days := map[string]int{}, map[store.Day]int{}
	for _, s := range steps {
		c.Jobs = append(c.Jobs, s.Changes.Jobs...)
		c.Details = append(c.Details, s.Changes.Details...)
		c.Results = append(c.Results, s.Changes.Results...)
		c.Indicators = append(c.Indicators, s.Changes.Indicators...)
		c.Backtests = append(c.Backtests, s.Changes.Backtests...)
		c.Poison = append(c.Poison, s.Changes.Poison...)
		for _, p := range s.Changes.Progress {
			if at, ok := progress[p.JobID]; ok {
				c.Progress[at] = p
				continue
			}
			progress[p.JobID] = len(c.Progress)
			c.Progress = append(c.Progress, p)
		}
		for _, d := range s.Changes.Days {
			key := d
			key.ResultSeq = 0
			if at, ok := days[key]; ok {
				c.Days[at] = d
				continue
			}
			days[key] = len(c.Days)
			c.Days = append(c.Days, d)
		}
	}
	return c, steps[len(steps)-1].Position
}

// At is the position of Tape after a sequence.
func At(seq uint64) store.Position {
	return store.Position{Stream: StreamName, Created: StreamCreated(), Seq: seq, Anchor: fmt.Sprintf("%032x", seq*7919)}
}

type generator struct {
	rand    *rand.Rand
	tickers int
	total   int
	queued  int
	seq     uint64
	steps   []Step
	running []*runningJob
}

type runningJob struct {
	store.JobView
	number int
	left   []int // positions without an outcome
}

func (g *generator) next() {
	switch {
	case g.queued < g.total && (len(g.running) == 0 || g.rand.IntN(g.tickers) == 0):
		g.queue()
	case len(g.running) == 0:
	case g.rand.IntN(40) == 0:
		g.poison()
	default:
		at := g.rand.IntN(len(g.running))
		if g.advance(g.running[at]) {
			g.running = append(g.running[:at], g.running[at+1:]...)
		}
	}
}

// at is the tape's time of the current sequence.
func (g *generator) at() time.Time {
	return time.UnixMilli(1_790_000_000_000 + int64(g.seq)*137).UTC()
}

func (g *generator) step(c store.Changes) {
	g.steps = append(g.steps, Step{Changes: c, Position: At(g.seq)})
}

func (g *generator) queue() {
	g.queued++
	g.seq++
	job := g.job(g.queued)
	j := &runningJob{number: g.queued, JobView: store.JobView{Job: job, Progress: store.Progress{
		JobID: job.ID, Status: events.StatusQueued, Total: job.Total, LastSeq: g.seq}}}
	for i := range job.Tickers {
		j.left = append(j.left, i)
	}
	g.rand.Shuffle(len(j.left), func(a, b int) { j.left[a], j.left[b] = j.left[b], j.left[a] })
	g.running = append(g.running, j)
	g.step(store.Changes{Jobs: []store.Job{job}, Progress: []store.Progress{j.Progress}})
}

func (g *generator) job(n int) store.Job {
	j := store.Job{
		ID:      fmt.Sprintf("0197a000-0000-7000-8000-%012d", n),
		Kind:    events.KindAnalysis,
		Origin:  []events.Origin{events.OriginAPI, events.OriginWatchlist, events.OriginSchedule}[n%3],
		Total:   g.tickers,
		Capital: 100000 + float64(n)/3, StrategyName: []string{"balanced", "momentum"}[n%2],
		StrategyHash: fmt.Sprintf("%064x", n%2+1), Strategy: []byte(`{"name":"balanced","weights":{"rsi":0.1}}`),
		Options:       events.Options{RiskPercent: 2, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 250},
		RequestSHA256: fmt.Sprintf("%064x", n), Deadline: g.at().Add(72 * time.Hour), CreatedAt: g.at(), Seq: g.seq,
	}
	if n%4 == 0 {
		j.ParentID, j.Origin = fmt.Sprintf("0197a000-0000-7000-8000-%012d", n-1), events.OriginRetry
	}
	if n%6 == 4 {
		j.Kind = events.KindBacktest
		j.Backtest = &events.Backtest{From: "2023-11-25", To: "2026-11-24", CostPercent: 0.1, SlippagePercent: 1.0 / 3}
	}
	if n%5 == 0 {
		j.Universe = "nifty50"
	}
	for i := range g.tickers {
		j.Tickers = append(j.Tickers, fmt.Sprintf("T%d.NS", (i+n*5)%(g.tickers*2)))
	}
	return j
}

// advance records the next event of a job and reports whether it was its last.
func (g *generator) advance(j *runningJob) (ended bool) {
	g.seq++
	j.Progress.LastSeq = g.seq
	var c store.Changes
	switch {
	case j.Progress.Status == events.StatusQueued:
		j.Progress.Status, j.Progress.StartedAt = events.StatusRunning, g.at()
	case j.Progress.Status.Ended():
		j.Progress.AnnouncedSeq = g.seq
		ended = true
	case j.number%5 == 3 && len(j.left) <= g.tickers/2:
		c = g.cancel(j)
	default:
		c = g.outcome(j)
		unfinished := j.number > (g.total*2+2)/3
		ended = unfinished && len(j.left) <= g.tickers/3 || j.Progress.Status.Ended() && j.number%7 == 2
	}
	c.Progress = []store.Progress{j.Progress}
	g.step(c)
	return ended
}

func (g *generator) outcome(j *runningJob) store.Changes {
	at := j.left[0]
	j.left = j.left[1:]
	d := store.Detail{JobID: j.ID, Ticker: j.Tickers[at], Position: at, Attempts: 1 + g.rand.IntN(3),
		StartedAt: g.at().Add(-time.Second), CompletedAt: g.at().Add(-time.Millisecond), Seq: g.seq}
	var c store.Changes
	if g.rand.IntN(8) == 0 || j.number%11 == 5 {
		codes := events.Failures()
		d.Status, d.Code = store.DetailFailed, codes[g.rand.IntN(len(codes))].Code
		d.Message = fmt.Sprintf("no bars of %q — why: π≈3", d.Ticker)
		j.Progress.Failed++
	} else {
		d.Status = store.DetailAnalyzed
		j.Progress.Analyzed++
		if j.Kind == events.KindBacktest {
			g.backtest(&c, j, d)
		} else {
			g.result(&c, j, d)
		}
	}
	c.Details = []store.Detail{d}
	if len(j.left) == 0 {
		j.Progress.Status, j.Progress.CompletedAt = events.StatusCompleted, g.at()
		if j.Progress.Analyzed == 0 {
			j.Progress.Status = events.StatusFailed
		}
	}
	return c
}

func (g *generator) cancel(j *runningJob) (c store.Changes) {
	for _, at := range j.left {
		c.Details = append(c.Details, store.Detail{JobID: j.ID, Ticker: j.Tickers[at], Position: at,
			Status: store.DetailCancelled, CompletedAt: g.at(), Seq: g.seq})
	}
	j.Progress.Cancelled, j.left = len(j.left), nil
	j.Progress.Status, j.Progress.CompletedAt, j.Progress.CancelSeq = events.StatusCancelled, g.at(), g.seq
	return c
}

func (g *generator) poison() {
	g.seq++
	g.step(store.Changes{Poison: []store.Poison{{Seq: g.seq, RecordedAt: g.at(), Subject: "tape.job.x.queued",
		EventID: fmt.Sprintf("id-%d", g.seq), EventType: "tapedeck.v1.job_queued", Reason: "not JSON",
		Body: []byte{0xff, 0, '{', byte(g.seq)}}}})
}
