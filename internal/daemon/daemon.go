// Package daemon runs the parts of a program together: all start, the first
// that fails stops the others, and a wanted stop is no error.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

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
// a word.
func Run(ctx context.Context, parts ...Part) error {
	type handle struct {
		stop context.CancelFunc
		done chan error
	}
	ended := make(chan struct{}, len(parts))
	handles := make([]handle, len(parts))
	for i, part := range parts {
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		handles[i] = handle{stop, make(chan error, 1)}
		go func() {
			err := part.Run(own)
			if err == nil && own.Err() == nil {
				err = errors.New("it stopped by itself")
			}
			if err != nil {
				err = fmt.Errorf("running %s: %w", part.Name, err)
			}
			handles[i].done <- err
			ended <- struct{}{}
		}()
	}
	if len(parts) > 0 {
		select {
		case <-ctx.Done():
		case <-ended:
		}
	}
	var errs []error
	for _, h := range handles {
		h.stop()
		errs = append(errs, <-h.done)
	}
	return errors.Join(errs...)
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
