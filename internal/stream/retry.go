package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// retry calls once and again while the outcome is ErrUnavailable, with a
// jittered, doubling wait between, until ctx ends or publishPatience has
// passed. Errors come back classified and with what was being done. When the
// caller's own ctx was cancelled the error is both ErrUnavailable (an attempt
// may have arrived) and the context's.
func retry(ctx context.Context, log *slog.Logger, what string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, publishPatience)
	defer cancel()
	wait := retryMin
	for attempt := 1; ; attempt++ {
		err := once(ctx, call)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) && !errors.Is(err, ErrUnavailable) {
			return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
		}
		if !errors.Is(err, ErrUnavailable) {
			return fmt.Errorf("%s: %w", what, err)
		}
		log.Debug("no decided answer, trying again", "stage", what, "attempt", attempt, "err", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: gave up after %d attempts: %w", what, attempt, err)
		case <-time.After(wait/2 + rand.N(wait/2+1)):
		}
		wait = min(2*wait, retryMax)
	}
}

func once(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return classify(call(ctx))
}

func orSilent(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
