// Package daemon runs the parts of a program together: all start, the first
// that fails stops the others, and a wanted stop is no error.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// ErrLate says that something had not ended within its part of the budget of a stop.
var ErrLate = errors.New("it had not ended in time; what it had in hand comes again")

// A Part is one long-running piece of a program. Run blocks until ctx ends and
// returns nil then; anything else is a failure of the whole program.
type Part struct {
	Name string
	Run  func(ctx context.Context) error
}

// Run runs parts until ctx ends or one of them returns, then stops them one
// after the other in the order given: those that take work in come first, so
// that those behind them can still finish it. A part that returns nil before
// it was asked to stops the program too: nothing of it may be missing without
// a word. After OrderlyTime all parts are stopped at once, and after DrainTime
// those that have not ended are left to the end of the process: ErrLate.
func Run(ctx context.Context, parts ...Part) error {
	type handle struct {
		stop  context.CancelFunc
		ended chan struct{} // closed when err is there
		err   error
	}
	ended := make(chan struct{}, len(parts))
	handles := make([]*handle, len(parts))
	for i, part := range parts {
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		handles[i] = &handle{stop: stop, ended: make(chan struct{})}
		go func() {
			err := part.Run(own)
			if err == nil && own.Err() == nil {
				err = errors.New("it stopped by itself")
			}
			if err != nil {
				err = &partError{part.Name, err}
			}
			handles[i].err = err
			close(handles[i].ended)
			ended <- struct{}{}
		}()
	}
	if len(parts) > 0 {
		select {
		case <-ctx.Done():
		case <-ended:
		}
	}
	// From here on time is counted: see the budget.
	orderly, cancel := context.WithTimeout(context.WithoutCancel(ctx), OrderlyTime)
	defer cancel()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainTime)
	defer cancel()
	for _, h := range handles {
		h.stop()
		select {
		case <-h.ended:
		case <-orderly.Done():
		}
	}
	var errs []error
	for i, h := range handles {
		select {
		case <-h.ended:
		case <-drain.Done():
		}
		// One that ended in time was not late, however long those before it took.
		select {
		case <-h.ended:
			errs = append(errs, h.err)
		default:
			errs = append(errs, fmt.Errorf("stopping %s: %w", parts[i].Name, ErrLate))
		}
	}
	return errors.Join(errs...)
}

// A Closing is one of the things that the parts worked with.
type Closing struct {
	Name  string
	Close func() error
}

// Close closes them one after the other when the parts have ended. After
// CloseTime those that are left go with the process: ErrLate, which names them.
func Close(things ...Closing) error {
	limit := time.NewTimer(CloseTime)
	defer limit.Stop()
	var errs []error
	for i, thing := range things {
		closed := make(chan error, 1)
		go func() { closed <- thing.Close() }()
		select {
		case err := <-closed:
			errs = append(errs, err)
		case <-limit.C:
			names := make([]string, len(things)-i)
			for k, left := range things[i:] {
				names[k] = left.Name
			}
			return errors.Join(append(errs, fmt.Errorf("closing %s: %w", strings.Join(names, ", "), ErrLate))...)
		}
	}
	return errors.Join(errs...)
}

// A partError is the failure of a part that ran.
type partError struct {
	name string
	err  error
}

func (e *partError) Error() string { return fmt.Sprintf("running %s: %v", e.name, e.err) }
func (e *partError) Unwrap() error { return e.err }

// Wanted reports whether err is no failure but tells how a wanted stop went: it
// came before Run had its parts, and what the program was doing has been given
// up; or not all parts have ended (ErrLate). how says which, for a message.
func Wanted(ctx context.Context, err error) (how string, ok bool) {
	var failed *partError
	switch {
	case err == nil || ctx.Err() == nil || errors.As(err, &failed):
		return "", false
	case errors.Is(err, ErrLate):
		return "stopped before all had ended", true
	}
	return "stopped before it had begun", true
}

// Main runs a program whose signals end ctx, logs how it ends, and returns its
// exit code; it ends the process itself if that outlives the budget of a stop.
func Main(ctx context.Context, log *slog.Logger, name string, run func() error) (code int) {
	LastResort(ctx, func() {
		log.Warn(name+" stopped before all had ended", "err", ErrLate)
		os.Exit(0)
	})
	return End(ctx, log, name, run())
}

// End logs how a program ends that ran until ctx did or err came, and returns
// its exit code.
func End(ctx context.Context, log *slog.Logger, name string, err error) (code int) {
	how, wanted := Wanted(ctx, err)
	switch {
	case err == nil:
		return 0
	case wanted:
		log.Warn(name+" "+how, "err", err)
		return 0
	}
	log.Error(name+" stopped", "err", err)
	return 1
}

// Signals returns a context that ends at SIGINT or SIGTERM. A second signal
// ends the process at once: no guarantee depends on an orderly stop.
func Signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from here on the default action is back
	return ctx, stop
}

// While runs work beside a service: the service is stopped when work is done,
// and work when the service fails.
func While(ctx context.Context, service, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		defer cancel()
		served <- service(ctx)
	}()
	err := work(ctx)
	cancel()
	return errors.Join(err, <-served)
}
