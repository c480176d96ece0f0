package analyzer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// errStrategy says that a job's strategy document cannot be used.
var errStrategy = errors.New("the job's strategy document is not usable")

// A delivery is one attempt at a work item.
type delivery struct {
	item    stream.Item
	attempt int // from 1
	began   time.Time
}

// work takes one delivery of a work item to its end. A nil error means that
// the item is settled: its outcome stands on the tape, or its job was
// cancelled. Otherwise the item is to be delivered again.
func (a *Analyzer) work(ctx context.Context, item stream.Item, attempt int) error {
	d := delivery{item, attempt, a.now()}
	p, cancelled, err := a.jobs.look(ctx, item.JobID)
	switch {
	case cancelled: // an outcome would not count
		return nil
	case errors.Is(err, errJobLost), errors.Is(err, errStrategy):
		return a.fail(ctx, d, Action{Code: events.FailureInternal, Message: events.CleanText(err.Error())})
	case err != nil:
		return err
	case d.began.After(item.Deadline):
		return a.fail(ctx, d, Action{Code: events.FailureDeadline, Message: "the job's deadline had passed when the ticker came up"})
	case attempt > MaxDeliveries:
		message := fmt.Sprintf("delivered %d times without an outcome: the analyzers that took it died", attempt-1)
		return a.fail(ctx, d, Action{Code: events.FailureAttemptsExhausted, Message: message})
	}
	outcome, err := a.attempt(ctx, d, p)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // the process is stopping: not the ticker's fault
	}
	if err != nil {
		action := Decide(attempt, err)
		if action.Retry {
			return err
		}
		return a.fail(ctx, d, action)
	}
	err = a.outbox.store(ctx, events.New(a.source, a.now(), outcome))
	if errors.Is(err, events.ErrMalformed) || errors.Is(err, events.ErrTooLarge) { // a bug, and repeating it helps nobody
		return a.fail(ctx, d, Action{Code: events.FailureInternal, Message: events.CleanText(err.Error())})
	}
	return err
}

// attempt gets the bars, within AttemptTime, and does with them what the job is
// for. A panic in either is an error of this ticker, not of the process.
func (a *Analyzer) attempt(ctx context.Context, d delivery, p plan) (outcome events.Data, err error) {
	item := d.item
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errPanic, cause)
			a.log.Error("analysis panicked", "job_id", item.JobID, "ticker", item.Ticker, "err", err)
		}
	}()
	switch item.Kind {
	case events.KindAnalysis:
		report, err := a.analyze(ctx, item, p)
		return &events.TickerAnalyzed{
			JobID: item.JobID, Ticker: item.Ticker, Kind: item.Kind, StrategyName: p.doc.Name, StrategyHash: item.StrategyHash,
			Attempts: d.attempt, StartedAt: d.began.UTC(), CompletedAt: a.now().UTC(), Analyzer: a.name, Report: report,
		}, err
	case events.KindBacktest:
		report, err := a.backtestOf(ctx, item, p)
		return &events.TickerBacktested{
			JobID: item.JobID, Ticker: item.Ticker, Kind: item.Kind, StrategyName: p.doc.Name, StrategyHash: item.StrategyHash,
			Attempts: d.attempt, StartedAt: d.began.UTC(), CompletedAt: a.now().UTC(), Analyzer: a.name, Report: report,
		}, err
	}
	return nil, fmt.Errorf("%w: this analyzer does not know jobs of kind %q", analysis.ErrParameters, item.Kind)
}

func (a *Analyzer) analyze(ctx context.Context, item stream.Item, p plan) (events.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, a.attemptTime)
	defer cancel()
	series, err := a.provider.Daily(ctx, item.Ticker, item.Options.Bars)
	if err != nil {
		return events.Report{}, fmt.Errorf("getting bars: %w", err)
	}
	report, err := analysis.Analyze(series, p.doc, analysisParams(item))
	if err != nil {
		return events.Report{}, err
	}
	return wireReport(report, series.Notes), nil
}

func analysisParams(item stream.Item) analysis.Params {
	return analysis.Params{
		Capital:              item.Capital,
		RiskPercent:          item.Options.RiskPercent,
		PositionLimitPercent: item.Options.PositionLimitPercent,
		MinRiskReward:        item.Options.MinRiskReward,
	}
}

func (a *Analyzer) fail(ctx context.Context, d delivery, action Action) error {
	return a.outbox.store(ctx, events.New(a.source, a.now(), &events.TickerFailed{
		JobID:       d.item.JobID,
		Ticker:      d.item.Ticker,
		Kind:        d.item.Kind,
		Code:        action.Code,
		Message:     action.Message,
		Attempts:    d.attempt,
		StartedAt:   d.began.UTC(),
		CompletedAt: a.now().UTC(),
		Analyzer:    a.name,
	}))
}

// asQueued is the body of a recorded JobQueued.
func asQueued(recorded events.Recorded) (*events.JobQueued, error) {
	queued, ok := recorded.Data.(*events.JobQueued)
	if !ok {
		return nil, fmt.Errorf("%w: sequence %d holds a %s", errJobLost, recorded.Seq, recorded.Data.EventType())
	}
	return queued, nil
}

// unknown reports whether a publish's answer leaves open what happened.
func unknown(err error) bool { return err != nil && !errors.Is(err, stream.ErrExists) }
