// Package daemon runs the parts of a program together: all start, the first
// that fails stops the others, and a wanted stop is no error.
package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// A Part is one long-running piece of a program. Run blocks until ctx ends and
// returns nil then; anything else is a failure of the whole program.
type Part struct {
	Name string
	Run  func(ctx context.Context) error
}

// Run runs parts until ctx ends or one of them returns. A part that returns nil
// before it was asked to stops the program too: nothing of it may be missing
// without a word.
func Run(ctx context.Context, parts ...Part) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		group.Go(func() error {
			err := part.Run(ctx)
			if err != nil {
				return fmt.Errorf("running %s: %w", part.Name, err)
			}
			if ctx.Err() == nil {
				return fmt.Errorf("running %s: it stopped by itself", part.Name)
			}
			return nil
		})
	}
	return group.Wait()
}

// Signals returns a context that ends at SIGINT or SIGTERM. A second signal
// ends the process at once: no guarantee depends on an orderly stop.
func Signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from here on the default action is back
	return ctx, stop
}
