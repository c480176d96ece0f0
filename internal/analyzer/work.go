package analyzer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// errStrategy says that a job's strategy document cannot be used.
var errStrategy = errors.New("the job's strategy document is not usable")

// HandlerConfig is what a Handler is made of. All fields but Lock are needed.
type HandlerConfig struct {
	Log  *slog.Logger
	Tape JobEvents
	Work Work
	Name string           // of this process, in outcomes: "analyzer-host-1234"
	Now  func() time.Time // stamps outcomes; deadlines are held against it

	// Analyze and Backtest do with one ticker what its job is for.
	Analyze  func(ctx context.Context, item stream.Item, plan Plan) (events.Report, error)
	Backtest func(ctx context.Context, item stream.Item, plan Plan) (events.BacktestReport, error)
	// Store returns nil once an outcome of the event's ticker stands on the
	// tape, this one or an earlier one.
	Store func(ctx context.Context, event events.Event) error
	// Lock makes a lock that is held while the tape is asked about one job; nil
	// makes mutexes. Where deliveries are coroutines, not goroutines, a mutex
	// would hold up their only thread.
	Lock func() sync.Locker
}

// A Handler takes deliveries of work items to their end, from the look at the
// job to the outcome on the tape. It starts no goroutine and reads no clock but
// Now. Safe for concurrent use, as far as its parts are.
type Handler struct {
	HandlerConfig
	jobs   *jobs
	source string
}

// NewHandler makes a handler that knows no job yet.
func NewHandler(cfg HandlerConfig) *Handler {
	if cfg.Lock == nil {
		cfg.Lock = func() sync.Locker { return new(sync.Mutex) }
	}
	return &Handler{HandlerConfig: cfg, jobs: newJobs(cfg), source: "tapedeck/" + cfg.Name}
}

// A delivery is one attempt at a work item.
type delivery struct {
	item    stream.Item
	attempt int // from 1
	began   time.Time
}

// Handle takes the delivery number attempt (from 1) of one message of the work
// queue. A nil error means that the message is settled and to be acknowledged.
// Otherwise it is to be delivered again, not before retryAfter has passed.
func (h *Handler) Handle(ctx context.Context, payload []byte, attempt int) (retryAfter time.Duration, err error) {
	item, err := stream.DecodeItem(payload)
	if err != nil { // it can only be dropped; the reconciler dispatches its ticker again
		h.Log.Error("not a work item, dropped", "err", err)
		return 0, nil
	}
	if err := h.work(ctx, item, attempt); err != nil {
		return Wait(err, item.Deadline.Sub(h.Now())), fmt.Errorf("job %s, ticker %s, attempt %d: %w", item.JobID, item.Ticker, attempt, err)
	}
	return 0, nil
}

// work takes one delivery of a work item to its end. A nil error means that
// the item is settled: its outcome stands on the tape, or its job was
// cancelled. Otherwise the item is to be delivered again.
func (h *Handler) work(ctx context.Context, item stream.Item, attempt int) error {
	d := delivery{item, attempt, h.Now()}
	p, cancelled, err := h.jobs.look(ctx, item.JobID)
	switch {
	case cancelled: // an outcome would not count
		return nil
	case errors.Is(err, errJobLost), errors.Is(err, errStrategy):
		return h.fail(ctx, d, Action{Code: events.FailureInternal, Message: events.CleanText(err.Error())})
	case err != nil:
		return err
	case d.began.After(item.Deadline):
		return h.fail(ctx, d, Action{Code: events.FailureDeadline, Message: "the job's deadline had passed when the ticker came up"})
	case attempt > MaxDeliveries:
		message := fmt.Sprintf("delivered %d times without an outcome: the analyzers that took it died", attempt-1)
		return h.fail(ctx, d, Action{Code: events.FailureAttemptsExhausted, Message: message})
	}
	outcome, err := h.attempt(ctx, d, p)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // the process is stopping: not the ticker's fault
	}
	if err != nil {
		action := Decide(attempt, err)
		if action.Retry {
			return err
		}
		return h.fail(ctx, d, action)
	}
	err = h.Store(ctx, events.New(h.source, h.Now(), outcome))
	if errors.Is(err, events.ErrMalformed) || errors.Is(err, events.ErrTooLarge) { // a bug, and repeating it helps nobody
		return h.fail(ctx, d, Action{Code: events.FailureInternal, Message: events.CleanText(err.Error())})
	}
	return err
}

// attempt does with a ticker what the job is for. A panic in it is an error of
// this ticker, not of the process.
func (h *Handler) attempt(ctx context.Context, d delivery, p Plan) (outcome events.Data, err error) {
	item := d.item
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errPanic, cause)
			h.Log.Error("analysis panicked", "job_id", item.JobID, "ticker", item.Ticker, "err", err)
		}
	}()
	switch item.Kind {
	case events.KindAnalysis:
		report, err := h.Analyze(ctx, item, p)
		return &events.TickerAnalyzed{
			JobID: item.JobID, Ticker: item.Ticker, Kind: item.Kind, StrategyName: p.Document.Name, StrategyHash: item.StrategyHash,
			Attempts: d.attempt, StartedAt: d.began.UTC(), CompletedAt: h.Now().UTC(), Analyzer: h.Name, Report: report,
		}, err
	case events.KindBacktest:
		report, err := h.Backtest(ctx, item, p)
		return &events.TickerBacktested{
			JobID: item.JobID, Ticker: item.Ticker, Kind: item.Kind, StrategyName: p.Document.Name, StrategyHash: item.StrategyHash,
			Attempts: d.attempt, StartedAt: d.began.UTC(), CompletedAt: h.Now().UTC(), Analyzer: h.Name, Report: report,
		}, err
	}
	return nil, fmt.Errorf("%w: this analyzer does not know jobs of kind %q", analysis.ErrParameters, item.Kind)
}

// analyze gets the bars of one ticker, within the attempt's time, and analyses them.
func (a *Analyzer) analyze(ctx context.Context, item stream.Item, p Plan) (events.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, a.attemptTime)
	defer cancel()
	series, err := a.provider.Daily(ctx, item.Ticker, item.Options.Bars)
	if err != nil {
		return events.Report{}, fmt.Errorf("getting bars: %w", err)
	}
	report, err := analysis.Analyze(series, p.Document, analysisParams(item))
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

// fail stores why a ticker has no result. An item with names that no event can
// bear is dropped: it would come again for ever.
func (h *Handler) fail(ctx context.Context, d delivery, action Action) error {
	err := h.Store(ctx, events.New(h.source, h.Now(), &events.TickerFailed{
		JobID:       d.item.JobID,
		Ticker:      d.item.Ticker,
		Kind:        d.item.Kind,
		Code:        action.Code,
		Message:     action.Message,
		Attempts:    d.attempt,
		StartedAt:   d.began.UTC(),
		CompletedAt: h.Now().UTC(),
		Analyzer:    h.Name,
	}))
	if errors.Is(err, events.ErrMalformed) || errors.Is(err, events.ErrTooLarge) {
		h.Log.Error("a work item whose outcome no event can tell, dropped", "job_id", d.item.JobID, "ticker", d.item.Ticker, "err", err)
		return nil
	}
	return err
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
