package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analyzer"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// pollEvery is how often an analyzer asks its queues again when nothing tells
// it to: the life of a pull request.
const pollEvery = 5 * time.Second

// An analysing is an analyzer process: the product's Handler for each
// delivery, its group commit, and a dispatcher.
type analysing struct {
	*process
	handler *analyzer.Handler
	commit  *analyzer.Commit
	stored  map[int]func() // wakes the handlers whose outcomes wait
	offers  int
	wakes   int
	lanes   *pump
	jobs    *pump
	gather  gathering
}

func newAnalyzer(w *world, name string) *analysing {
	a := &analysing{process: &process{w: w, name: name}}
	a.start = a.begins
	return a
}

func (a *analysing) begins() {
	streams := client{a.process, publishPatience}
	a.commit = analyzer.NewCommit()
	a.stored = map[int]func(){}
	a.gather = gathering{}
	a.handler = analyzer.NewHandler(analyzer.HandlerConfig{
		Log: silent, Tape: streams, Work: streams, Name: a.name, Now: a.wall, Analyze: a.analyze,
		Backtest: func(context.Context, stream.Item, analyzer.Plan) (events.BacktestReport, error) {
			return events.BacktestReport{}, errors.New("not simulated")
		},
		Store: a.store, Lock: func() sync.Locker { return &lock{p: a.process} },
	})
	a.lanes = newPump(a.process, 8, a.w.work.lanes, a.handle)
	a.jobs = newPump(a.process, 4, []*consumer{a.w.tape.dispatch}, a.dispatch)
	a.lanes.ask()
	a.jobs.ask()
}

// handle takes one delivery through the product's handler.
func (a *analysing) handle(c *coroutine, d delivery) {
	retryAfter, err := a.handler.Handle(context.Background(), d.msg.Data, d.count)
	if err != nil {
		a.w.note(a.name, "gives back", d.seq, err.Error())
		wait := min(time.Second<<min(d.count-1, 6), time.Minute) // as pubsub.Backoff
		a.lanes.nak(d, retryAfter+a.w.rnd.span(0, wait)+time.Millisecond)
		return
	}
	a.lanes.ack(d)
}

// analyze is the simulated provider and analysis.
func (a *analysing) analyze(_ context.Context, item stream.Item, _ analyzer.Plan) (events.Report, error) {
	rnd := &a.w.rnd
	c := a.w.cur
	c.sleep(rnd.span(time.Millisecond, 200*time.Millisecond))
	if a.w.answers != nil {
		return reportOf(item.Ticker), a.w.answers(item)
	}
	switch {
	case rnd.chance(a.w.rates.hang):
		c.sleep(analyzer.AttemptTime)
		return events.Report{}, fmt.Errorf("getting bars: %w", context.DeadlineExceeded)
	case a.w.hopeless && len(item.Ticker)%2 == 0:
		return events.Report{}, &market.Error{Code: market.CodeUnavailable, Ticker: item.Ticker, Err: errors.New("for ever")}
	case rnd.chance(a.w.rates.provider):
		return events.Report{}, a.providerFails(item)
	}
	return reportOf(item.Ticker), nil
}

func (a *analysing) providerFails(item stream.Item) error {
	codes := []market.Code{
		market.CodeUnknownTicker, market.CodeNoData, market.CodeBadData, market.CodeUnavailable, market.CodeRateLimited, "panic",
	}
	code := oneOf(&a.w.rnd, codes)
	if code == "panic" {
		panic("a bar out of the blue")
	}
	return &market.Error{Code: code, Ticker: item.Ticker, Err: errors.New("simulated"), RetryAfter: a.w.rnd.span(0, 20*time.Second)}
}

// reportOf is what the analysis of a ticker always finds.
func reportOf(ticker string) events.Report {
	score := float64(len(ticker)%5)/4 - 0.5
	return events.Report{
		TradingDay: "2026-02-27", Verdict: events.Hold, Score: score, Coverage: 1, Regime: "choppy", Warnings: []string{},
		Plan:       events.Plan{Side: "none", Entry: 100, Stop: 95, Target: 110, RiskReward: 2, Adjustments: []string{}},
		Indicators: []events.Indicator{{Name: "rsi", Category: "momentum", Available: true, Values: map[string]float64{"rsi": 50}}},
		Lineage:    events.Lineage{Provider: "simulated", Adjustment: "none", Currency: "INR", Bars: 250, FirstBar: "2025-02-27", LastBar: "2026-02-27", Warnings: []string{}},
	}
}

// store is the outbox: it waits until an outcome of the ticker is on the tape.
func (a *analysing) store(_ context.Context, ev events.Event) error {
	msg, err := events.Encode(ev)
	if err != nil {
		return err
	}
	c := a.w.cur
	a.offers++
	id := a.offers
	a.stored[id] = c.waiter()
	a.after(0, func() { a.step(analyzer.Offered{ID: id, Event: ev, Size: msg.Size()}) })
	c.park()
	return nil
}

// step gives the group commit an input and carries out what it says.
func (a *analysing) step(in analyzer.CommitInput) {
	ctx := context.Background()
	tape := client{a.process, analyzer.CommitTime}
	for _, out := range a.commit.Step(a.w.now, in) {
		switch out := out.(type) {
		case analyzer.Publish:
			a.w.note(a.name, ">publish", uint64(len(out.Events)), out.Events[0].Data.NATSSubject())
			a.spawn(func(*coroutine) {
				var err error
				if len(out.Events) == 1 {
					_, err = tape.Publish(ctx, out.Events[0])
				} else {
					err = tape.PublishBatch(ctx, out.Events)
				}
				a.after(0, func() { a.step(analyzer.Published{Err: err}) })
			})
		case analyzer.AskTaken:
			a.w.note(a.name, ">ask taken", uint64(len(out.Events)), "")
			outcomes := make([]events.Data, len(out.Events))
			for i, ev := range out.Events {
				outcomes[i] = ev.Data
			}
			a.spawn(func(*coroutine) {
				taken, err := tape.Taken(ctx, outcomes)
				a.after(0, func() { a.step(analyzer.TakenAnswer{Taken: taken, Err: err}) })
			})
		case analyzer.Resolve:
			for _, id := range out.IDs {
				if wake := a.stored[id]; wake != nil {
					delete(a.stored, id)
					wake()
				}
			}
		case analyzer.Wake:
			a.wakes++
			n := a.wakes
			a.after(out.At.Sub(a.w.now), func() {
				if n == a.wakes {
					a.step(analyzer.Tick{})
				}
			})
		}
	}
}

// waiter is a waker that may be called from anywhere.
func (c *coroutine) waiter() func() {
	wake := c.waker()
	return func() { c.p.after(0, wake) }
}

// A lock makes coroutines of a process wait for each other.
type lock struct {
	p       *process
	held    bool
	waiting []func()
}

func (l *lock) Lock() {
	for l.held {
		c := l.p.w.cur
		l.waiting = append(l.waiting, c.waiter())
		c.park()
	}
	l.held = true
}

func (l *lock) Unlock() {
	l.held = false
	waiting := l.waiting
	l.waiting = nil
	for _, wake := range waiting {
		wake()
	}
}
