package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
)

// retry calls once and again while the outcome is ErrUnavailable, with a
// jittered, doubling wait between, until ctx ends or publishPatience has
// passed. Errors come back classified and with what was being done. When the
// caller's own ctx was cancelled the error is both ErrUnavailable (an attempt
// may have arrived) and the context's.
func retry(ctx context.Context, nc *nats.Conn, log *slog.Logger, what string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, publishPatience)
	defer cancel()
	wait := retryMin
	for attempt := 1; ; attempt++ {
		err := once(ctx, nc, call)
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

// errLost ends an attempt whose answer cannot come any more.
var errLost = fmt.Errorf("%w: the connection was lost", ErrUnavailable)

// once makes one attempt. The client would wait the whole timeout for an
// answer on a connection that is gone, so its loss ends the attempt at once.
func once(ctx context.Context, nc *nats.Conn, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	lost := nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	defer nc.RemoveStatusListener(lost)
	go func() {
		select {
		case <-lost:
			lose(errLost)
		case <-ctx.Done():
		}
	}()
	err := call(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errLost) {
		return errLost
	}
	return classify(err)
}

func orSilent(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
