package shared

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A Lister tells the api, which has no market, what the provider lists: it
// writes the list down at its start and when it has changed.
type Lister struct {
	log      *slog.Logger
	bucket   *stream.Bucket
	provider market.Provider
}

// NewLister returns a Lister of provider. Run it once.
func NewLister(log *slog.Logger, bucket *stream.Bucket, provider market.Provider) *Lister {
	return &Lister{log: log, bucket: bucket, provider: provider}
}

// Run looks every hour until ctx ends. A look that fails is warned about and
// made again a minute later: analysis does not depend on it.
func (l *Lister) Run(ctx context.Context) error {
	for {
		wait := listEvery
		if err := l.Look(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("the list of tickers was not published; trying again in a minute", "stage", "lister", "err", err)
			wait = listRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// Look asks the provider once and publishes the list if the bucket has another
// one. A provider that cannot list has nothing to say.
func (l *Lister) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	tickers, err := l.provider.Tickers(ctx)
	if fault, ok := errors.AsType[*market.Error](err); ok && fault.Code == market.CodeInvalid {
		return nil
	}
	if err != nil {
		return err
	}
	changed, err := l.bucket.PublishTickers(ctx, tickers)
	if changed {
		l.log.Info("the list of tickers is published", "stage", "lister", "tickers", len(tickers))
	}
	return err
}
