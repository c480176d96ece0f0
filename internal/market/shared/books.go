// Package shared is what the analyzers of a cluster share of their market
// data, in the buckets of package stream: the rate at which each provider may
// be asked, the bars that one of them fetched already, and, for the api, the
// list of tickers.
package shared

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Books are limit.Books for all processes on one NATS server or cluster: one
// key per provider, changed by compare-and-set, so that no two processes get
// the same grant. Instants stand there in the server's time (stream.Clock):
// the clocks of the processes may differ by any amount.
type Books struct{ bucket *stream.Bucket }

var _ limit.Books = (*Books)(nil)

// NewBooks returns the books in the bucket "market".
func NewBooks(bucket *stream.Bucket) *Books { return &Books{bucket} }

// Check reads the bucket once: nil when rates can be shared, else an error that
// says what to do. Programs ask at their start.
func (b *Books) Check(ctx context.Context) error {
	if _, _, err := b.load(ctx, "check"); err != nil {
		return fmt.Errorf("looking for the shared rates: %w", err)
	}
	return nil
}

// An account is the wire form of limit.Account, in the server's time.
type account struct {
	Next   time.Time `json:"next"`
	Paused time.Time `json:"paused_until"`
}

// Book implements limit.Books. It counts from the latest that the server's
// clock may show and answers with the earliest that it certainly shows, so
// that an inexact comparison of clocks makes a grant later, never earlier.
func (b *Books) Book(ctx context.Context, provider string, n int, interval time.Duration) (time.Time, error) {
	var first time.Time
	clock, err := b.change(ctx, provider, func(a limit.Account, now time.Time) limit.Account {
		a, first = a.Book(now, n, interval)
		return a
	})
	if err != nil {
		return time.Time{}, err
	}
	return clock.Local(first), nil
}

// Pause implements limit.Books.
func (b *Books) Pause(ctx context.Context, provider string, until time.Time) error {
	rest := time.Until(until)
	_, err := b.change(ctx, provider, func(a limit.Account, now time.Time) limit.Account { return a.Pause(now, now.Add(rest)) })
	return err
}

// Paused implements limit.Books.
func (b *Books) Paused(ctx context.Context, provider string) (time.Time, error) {
	clock, err := b.bucket.Clock(ctx)
	if err != nil {
		return time.Time{}, err
	}
	a, _, err := b.load(ctx, provider)
	paused := a.PausedUntil(clock.Latest(time.Now()))
	if err != nil || paused.IsZero() {
		return time.Time{}, err
	}
	return clock.Local(paused), nil
}

// change applies edit to the account and writes it, again and again until
// nobody wrote in between. now is the latest that the server's clock may show.
func (b *Books) change(ctx context.Context, provider string, edit func(a limit.Account, now time.Time) limit.Account) (stream.Clock, error) {
	for wait := contentionMin; ; wait = min(2*wait, contentionMax) {
		clock, err := b.bucket.Clock(ctx)
		if err != nil {
			return clock, err
		}
		a, revision, err := b.load(ctx, provider)
		if err != nil {
			return clock, err
		}
		next := edit(a, clock.Latest(time.Now()))
		if next == a {
			return clock, nil
		}
		data, err := json.Marshal(account{next.Next.UTC(), next.Paused.UTC()})
		if err != nil {
			return clock, fmt.Errorf("encoding the rate of %s: %w", provider, err)
		}
		if _, err = b.bucket.Replace(ctx, keyOf(provider), data, revision); !errors.Is(err, stream.ErrExists) {
			return clock, err
		}
		select { // jitter, so that those who met do not meet again
		case <-ctx.Done():
			return clock, ctx.Err()
		case <-time.After(rand.N(wait)):
		}
	}
}

// load reads an account. One that nobody can read is as none: the next write
// replaces it.
func (b *Books) load(ctx context.Context, provider string) (limit.Account, uint64, error) {
	data, revision, err := b.bucket.Get(ctx, keyOf(provider))
	if errors.Is(err, stream.ErrNotFound) {
		return limit.Account{}, 0, nil
	}
	if err != nil {
		return limit.Account{}, 0, err
	}
	var a account
	if json.Unmarshal(data, &a) != nil {
		return limit.Account{}, revision, nil
	}
	return limit.Account{Next: a.Next, Paused: a.Paused}, revision, nil
}

func keyOf(provider string) string { return "limit." + stream.BucketToken(provider) }
