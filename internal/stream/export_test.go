package stream

import (
	"context"
	"time"
)

// PublishTickersAt is PublishTickers of a time.
func (b *Bucket) PublishTickersAt(ctx context.Context, tickers []string, now time.Time) (bool, error) {
	return b.publishTickers(ctx, tickers, now)
}

// TickersAt is Tickers of a time.
func (b *Bucket) TickersAt(ctx context.Context, now time.Time) ([]string, error) {
	return b.tickers(ctx, now)
}

// MakeClock is a comparison with a server whose clock is not this machine's.
func MakeClock(sent, received, server time.Time) Clock {
	return Clock{sent: sent, received: received, server: server}
}

// Classify wraps an answer of the server with what callers decide by.
var Classify = classify
