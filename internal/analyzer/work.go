package analyzer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// errStrategy says that a job's strategy document cannot be used.
var errStrategy = errors.New("the job's strategy document is not usable")

// work takes one delivery of a work item to its end. A nil error means that
// the item is settled: its outcome stands on the tape, or its job was
// cancelled. Otherwise the item is to be delivered again.
func (a *Analyzer) work(ctx context.Context, item stream.Item, attempt int) error {
	began := a.now()
	doc, cancelled, err := a.jobs.look(ctx, item.JobID)
	switch {
	case cancelled: // an outcome would not count
		return nil
	case errors.Is(err, errJobLost), errors.Is(err, errStrategy):
		return a.fail(ctx, item, attempt, began, Action{Code: events.FailureInternal, Message: events.CleanText(err.Error())})
	case err != nil:
		return err
	case began.After(item.Deadline):
		return a.fail(ctx, item, attempt, began, Action{Code: events.FailureDeadline, Message: "the job's deadline had passed when the ticker came up"})
	case attempt > MaxDeliveries:
		message := fmt.Sprintf("delivered %d times without an outcome: the analyzers that took it died", attempt-1)
		return a.fail(ctx, item, attempt, began, Action{Code: events.FailureAttemptsExhausted, Message: message})
	}
	report, err := a.attempt(ctx, item, doc)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // the process is stopping: not the ticker's fault
	}
	if err != nil {
		action := Decide(attempt, err)
		if action.Retry {
			return err
		}
		return a.fail(ctx, item, attempt, began, action)
	}
	err = a.outbox.store(ctx, events.New(a.source, a.now(), &events.TickerAnalyzed{
		JobID:        item.JobID,
		Ticker:       item.Ticker,
		Kind:         item.Kind,
		StrategyName: doc.Name,
		StrategyHash: item.StrategyHash,
		Attempts:     attempt,
		StartedAt:    began.UTC(),
		CompletedAt:  a.now().UTC(),
		Analyzer:     a.name,
		Report:       wireReport(report),
	}))
	if errors.Is(err, events.ErrMalformed) || errors.Is(err, events.ErrTooLarge) { // a bug, and repeating it helps nobody
		return a.fail(ctx, item, attempt, began, Action{Code: events.FailureInternal, Message: events.CleanText(err.Error())})
	}
	return err
}

// attempt gets the bars and analyses them, within AttemptTime. A panic in
// either is an error of this ticker, not of the process.
func (a *Analyzer) attempt(ctx context.Context, item stream.Item, doc strategy.Document) (report analysis.Report, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errPanic, cause)
			a.log.Error("analysis panicked", "job_id", item.JobID, "ticker", item.Ticker, "err", err)
		}
	}()
	if item.Kind != events.KindAnalysis {
		return report, fmt.Errorf("%w: this analyzer does not know jobs of kind %q", analysis.ErrParameters, item.Kind)
	}
	ctx, cancel := context.WithTimeout(ctx, a.attemptTime)
	defer cancel()
	series, err := a.provider.Daily(ctx, item.Ticker, item.Options.Bars)
	if err != nil {
		return report, fmt.Errorf("getting bars: %w", err)
	}
	return analysis.Analyze(series, doc, analysis.Params{
		Capital:              item.Capital,
		RiskPercent:          item.Options.RiskPercent,
		PositionLimitPercent: item.Options.PositionLimitPercent,
		MinRiskReward:        item.Options.MinRiskReward,
	})
}

func (a *Analyzer) fail(ctx context.Context, item stream.Item, attempt int, began time.Time, action Action) error {
	return a.outbox.store(ctx, events.New(a.source, a.now(), &events.TickerFailed{
		JobID:       item.JobID,
		Ticker:      item.Ticker,
		Kind:        item.Kind,
		Code:        action.Code,
		Message:     action.Message,
		Attempts:    attempt,
		StartedAt:   began.UTC(),
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
