package reconciler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A Tape is what the reconciler needs of the tape; *stream.TapeClient is one.
type Tape interface {
	// State asks for the tape's state.
	State(ctx context.Context) (stream.TapeState, error)
	// PublishBatch stores all events or none; stream.ErrExists: one is there already.
	PublishBatch(ctx context.Context, list []events.Event) error
	// Taken tells which outcomes exist.
	Taken(ctx context.Context, outcomes []events.Data) ([]bool, error)
}

// A Work is what the reconciler needs of the work queue; *stream.WorkClient is one.
type Work interface {
	// Ensure makes WORK and its lanes where they are gone.
	Ensure(ctx context.Context) error
	// Outstanding is the set of a job's tickers with an item in the queue.
	Outstanding(ctx context.Context, jobID string) (map[string]bool, error)
	// DispatchMissing queues items that are not outstanding, and counts them.
	DispatchMissing(ctx context.Context, items []stream.Item) (int, error)
}

// A Backlog is what the reconciler reads of the database; every store.Backlog is one.
type Backlog interface {
	// Unfinished lists the jobs that have not ended, oldest first.
	Unfinished(ctx context.Context, limit int) (store.Page[store.JobView], error)
	// Outstanding lists a job's tickers without an outcome, as of a checkpoint.
	Outstanding(ctx context.Context, jobID string) (tickers []string, asOf uint64, err error)
}

// Config is what a Reconciler is made of. Log, Backlog, Tape and Work are needed.
type Config struct {
	Log      *slog.Logger
	Backlog  Backlog
	Tape     Tape
	Work     Work
	Interval time.Duration    // between rounds; 0 is DefaultInterval
	Now      func() time.Time // the clock that deadlines are held against; nil is time.Now
	// Wait lets a time pass, or returns the error of ctx that ended first; nil
	// waits by the machine's clock.
	Wait func(ctx context.Context, d time.Duration) error
}

// A Reconciler runs rounds. Run one at a time, in the process that holds the
// recorder's lease. Nudge is safe for concurrent use.
type Reconciler struct {
	cfg   Config
	log   *slog.Logger
	nudge chan struct{}
}

// New makes a reconciler; Run starts it.
func New(cfg Config) *Reconciler {
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Wait == nil {
		cfg.Wait = wait
	}
	return &Reconciler{cfg: cfg, log: cfg.Log.With("stage", "reconciler"), nudge: make(chan struct{}, 1)}
}

// Nudge asks for a round now, or after the one that runs.
func (r *Reconciler) Nudge() {
	select {
	case r.nudge <- struct{}{}:
	default: // one is asked for already
	}
}

// Run makes a round at once, then one per interval, until ctx ends; then it
// returns nil. A round that fails is logged and made again.
func (r *Reconciler) Run(ctx context.Context) error {
	for {
		round := r.Round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		timer := time.NewTimer(round.Pause(r.cfg.Interval))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-r.nudge:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// Round makes one round and logs what it did.
func (r *Reconciler) Round(ctx context.Context) Round {
	var core Core
	var in Input = Begin{}
	for {
		out := core.Step(r.cfg.Now(), in)
		if finish, ok := out.(Finish); ok {
			r.report(ctx, finish.Round)
			return finish.Round
		}
		in = r.perform(ctx, out)
	}
}

func (r *Reconciler) report(ctx context.Context, round Round) {
	switch {
	case ctx.Err() != nil:
	case round.Err != nil:
		r.log.Warn("reconciling failed; trying again", "err", round.Err)
	case round.Behind:
		r.log.Info("reconciling waits: the recorder is behind the tape")
	case round.Dispatched+round.Expired > 0:
		r.log.Info("reconciled", "jobs", round.Jobs, "dispatched", round.Dispatched, "expired", round.Expired)
	}
}

func (r *Reconciler) perform(ctx context.Context, out Output) Input {
	switch out := out.(type) {
	case Ensure:
		return Ensured{Err: r.cfg.Work.Ensure(ctx)}
	case List:
		page, err := r.cfg.Backlog.Unfinished(ctx, out.Limit)
		return Listed{Jobs: page.Items, Err: err}
	case Look:
		return r.look(ctx, out)
	case Dispatch:
		n, err := r.cfg.Work.DispatchMissing(ctx, out.Items)
		return Done{Count: n, Err: err}
	case Fail:
		n, err := r.publishMissing(ctx, out.Events)
		return Done{Count: n, Err: err}
	}
	return Done{Err: fmt.Errorf("reconciling: unknown output %T", out)}
}

// look reads in the order that Look prescribes.
func (r *Reconciler) look(ctx context.Context, look Look) Looked {
	var inWork map[string]bool
	if look.InWork {
		var err error
		if inWork, err = r.cfg.Work.Outstanding(ctx, look.JobID); err != nil {
			return Looked{Err: err}
		}
	}
	state, err := r.cfg.Tape.State(ctx)
	if err != nil {
		return Looked{Err: err}
	}
	for waited := time.Duration(0); ; waited += reachEvery {
		tickers, asOf, err := r.cfg.Backlog.Outstanding(ctx, look.JobID)
		if err != nil {
			return Looked{Err: err}
		}
		if asOf >= state.Last {
			return Looked{Outstanding: tickers, InWork: inWork, Reached: true}
		}
		if waited >= reachTimeout {
			return Looked{}
		}
		if err := r.cfg.Wait(ctx, reachEvery); err != nil {
			return Looked{Err: err}
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// publishMissing publishes those of the outcomes that do not exist.
func (r *Reconciler) publishMissing(ctx context.Context, list []events.Event) (int, error) {
	var err error
	for range publishRounds {
		if len(list) == 0 {
			return 0, nil
		}
		if err = r.cfg.Tape.PublishBatch(ctx, list); err == nil {
			return len(list), nil
		}
		if !errors.Is(err, stream.ErrExists) {
			return 0, err
		}
		if list, err = r.missing(ctx, list); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("publishing deadlines: refused %d times: %w", publishRounds, stream.ErrExists)
}

func (r *Reconciler) missing(ctx context.Context, list []events.Event) ([]events.Event, error) {
	datas := make([]events.Data, len(list))
	for i := range list {
		datas[i] = list[i].Data
	}
	taken, err := r.cfg.Tape.Taken(ctx, datas)
	if err != nil {
		return nil, err
	}
	var rest []events.Event
	for i := range list {
		if !taken[i] {
			rest = append(rest, list[i])
		}
	}
	return rest, nil
}
