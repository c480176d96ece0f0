package recorder_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// The alphabets of anyTape: few jobs and tickers, so that everything meets
// everything.
func jobIDs() []string      { return []string{"j0", "j1", "j2", "j/3?", "j4", "j5"} }
func someTickers() []string { return []string{"A.NS", "M&M.NS", "^NSEI", "BRK-B", "B.NS"} }
func tradingDays() []string { return []string{"2026-11-23", "2026-11-24", "2026-11-25"} }
func edgeFloats() []float64 {
	return []float64{0, math.Copysign(0, -1), 0.25, -1, 1, 0.1 + 0.2, -1e-300, 1.0 / 3}
}
func verdicts() []events.Verdict {
	return []events.Verdict{events.StrongBuy, events.Buy, events.Hold, events.Sell, events.StrongSell}
}

// A tapeMaker draws tapes. It knows the jobs that it queued, so that most of
// what it draws fits one of them.
type tapeMaker struct {
	t    *rapid.T
	jobs []*events.JobQueued // the first of each id, in the order of the tape
}

// anyTape draws a tape, legal and illegal: jobs of both kinds, retries and
// second JobQueued; outcomes of every type, of the wrong kind, before their
// job, twice with other values, after a cancel; cancels and announcements at
// any time; the same message again; poison of every sort.
func anyTape(t *rapid.T, tb testing.TB) []stream.Message {
	maker := &tapeMaker{t: t}
	n := one(t, "events", 3, 10, 20, 40, 60, 80)
	list := make([]stream.Message, 0, n)
	for seq := uint64(1); seq <= uint64(n); seq++ {
		var m stream.Message
		if seq > 1 && oneIn(t, 12, "again") { // as a publisher that lost the answer does
			m = list[rapid.IntRange(0, int(seq)-2).Draw(t, "which")]
		} else {
			m = message(tb, seq, maker.event())
			if oneIn(t, 16, "spoiled") {
				maker.spoil(&m)
			}
		}
		m.Seq, m.At = seq, at(seq/2) // two events in a millisecond
		list = append(list, m)
	}
	return list
}

// even draws a number that is spread evenly, but for 0, to which it shrinks:
// rapid prefers small ones, of which few rare things come.
func even(t *rapid.T, label string) uint64 {
	return rapid.Uint64().Draw(t, label) * 0x9e3779b97f4a7c15 >> 32
}

// oneIn is true about once in n draws. It shrinks to false.
func oneIn(t *rapid.T, n uint64, label string) bool { return even(t, label)%n == n-1 }

// one draws one of the values. It shrinks to the first.
func one[V any](t *rapid.T, label string, values ...V) V {
	return values[even(t, label)%uint64(len(values))]
}

func (g *tapeMaker) event() events.Data {
	if len(g.jobs) == 0 && !oneIn(g.t, 8, "before any job") || len(g.jobs) < len(jobIDs()) && oneIn(g.t, 6, "one more job") {
		j := g.job(jobIDs()[len(g.jobs)])
		g.jobs = append(g.jobs, j)
		return j
	}
	id, ticker := one(g.t, "job", jobIDs()...), one(g.t, "ticker", someTickers()...)
	of := queued(id, ticker)
	if len(g.jobs) > 0 && !oneIn(g.t, 12, "stray") {
		of = one(g.t, "of", g.jobs...)
		id, ticker = of.JobID, one(g.t, "of its list", of.Tickers...)
	}
	switch what := one(g.t, "what", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19); {
	case what == 0:
		return g.job(id) // a second one
	case what == 1:
		return &events.JobStarted{JobID: id, Total: 3}
	case what == 2 && oneIn(g.t, 2, "cancelled"):
		return &events.JobCancelled{JobID: id, Reason: "why — not?"}
	case what <= 4:
		return &events.JobCompleted{JobID: id, Status: events.StatusCompleted}
	case what <= 8:
		return g.failed(of, ticker)
	case (of.Kind == events.KindBacktest) != oneIn(g.t, 16, "of the other kind"):
		return g.backtested(of, ticker)
	default:
		return g.analyzed(of, ticker)
	}
}

func (g *tapeMaker) job(id string) *events.JobQueued {
	tickers := rapid.Permutation(someTickers()).Draw(g.t, "list")[:one(g.t, "total", 2, 1, 3, 4, 5)]
	q := queued(id, tickers...)
	switch one(g.t, "sort of job", 0, 1, 2, 3) {
	case 0:
		q = backtestQueued(id, tickers...)
	case 1:
		q.Origin, q.ParentJobID = events.OriginRetry, "j0"
	case 2:
		q.StrategyName, q.StrategyHash, q.Universe = "momentum", "g", "nifty50"
	}
	q.Capital += one(g.t, "capital", edgeFloats()...)
	if oneIn(g.t, 16, "no capital") {
		q.Capital = 0
	}
	return q
}

func (g *tapeMaker) failed(of *events.JobQueued, ticker string) *events.TickerFailed {
	f := failed(of.JobID, ticker, one(g.t, "code", events.FailureNoData, events.FailureInternal, "a_newer_code"))
	f.Kind = of.Kind
	f.Message = one(g.t, "message", "", "no bars — why?", nul, "'; --")
	f.Attempts = one(g.t, "attempts", 1, 2, 3)
	if oneIn(g.t, 16, "attempts below 0") {
		f.Attempts = -1
	}
	return f
}

func (g *tapeMaker) backtested(of *events.JobQueued, ticker string) *events.TickerBacktested {
	b := backtested(of.JobID, ticker)
	b.StrategyName, b.StrategyHash, b.Attempts = of.StrategyName, of.StrategyHash, one(g.t, "attempts", 1, 2, 3)
	b.Report.Metrics.Growth.ReturnPercent = one(g.t, "return", edgeFloats()...)
	return b
}

func (g *tapeMaker) analyzed(of *events.JobQueued, ticker string) *events.TickerAnalyzed {
	a := analyzed(of.JobID, ticker)
	a.StrategyName, a.StrategyHash = of.StrategyName, of.StrategyHash
	if oneIn(g.t, 16, "another strategy") {
		a.StrategyHash = "other"
	}
	r := &a.Report
	r.TradingDay, r.Verdict, r.Score = one(g.t, "day", tradingDays()...), one(g.t, "verdict", verdicts()...), one(g.t, "score", edgeFloats()...)
	r.Lineage.Synthetic = oneIn(g.t, 4, "synthetic")
	if oneIn(g.t, 16, "NUL") {
		r.Regime = nul
	}
	if x := one(g.t, "number", edgeFloats()...); x != 0 {
		r.Numbers.RSI14, r.Plan.Entry, r.Indicators[0].Values["rsi"] = &x, x, x
		r.Warnings, r.Lineage.Notes = []string{"few bars — π"}, []string{"split 2:1"}
	}
	switch one(g.t, "times", 0, 1, 2, 3) {
	case 0:
		a.StartedAt = time.Time{}
	case 1:
		a.StartedAt = a.StartedAt.In(time.FixedZone("IST", 19800))
	}
	return a
}

// spoil makes poison of most messages, and another message of some.
func (g *tapeMaker) spoil(m *stream.Message) {
	switch one(g.t, "how", 0, 1, 2, 3, 4, 5, 6) {
	case 0:
		m.Data = []byte("no json")
	case 1:
		m.Header = nats.Header{}
	case 2:
		m.Header.Set(events.HeaderType, "tapedeck.v2.x")
	case 3:
		m.Subject = events.TickerSubject("j1", "A.NS", "failed")
	case 4:
		m.Subject = "tape.x"
	case 5:
		m.Data = bytes.Replace(m.Data, []byte(`":"`), []byte("\":\"\xff\\u0000"), 2)
	case 6:
		m.Header.Set(events.HeaderID, "id\x00\xff")
	}
}
