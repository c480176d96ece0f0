package api

import (
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// maxAddresses bounds the memory of rates: beyond it the table is begun anew,
// which forgives everyone once.
const maxAddresses = 10_000

// rates is a token bucket per client address.
type rates struct {
	perSecond rate.Limit
	burst     int
	now       func() time.Time

	mu      sync.Mutex // guards buckets
	buckets map[string]*rate.Limiter
}

func newRates(perSecond float64, burst int, now func() time.Time) *rates {
	return &rates{perSecond: rate.Limit(perSecond), burst: burst, now: now, buckets: map[string]*rate.Limiter{}}
}

// take takes one token of an address, or tells how many seconds to wait.
func (r *rates) take(address string) error {
	r.mu.Lock()
	bucket := r.buckets[address]
	if bucket == nil {
		if len(r.buckets) >= maxAddresses {
			clear(r.buckets)
		}
		bucket = rate.NewLimiter(r.perSecond, r.burst)
		r.buckets[address] = bucket
	}
	r.mu.Unlock()
	now := r.now()
	if bucket.AllowN(now, 1) {
		return nil
	}
	missing := 1 - bucket.TokensAt(now)
	seconds := int(math.Ceil(missing / float64(r.perSecond)))
	return problem(http.StatusTooManyRequests, "rate_limited", "too many submissions from this address; wait as Retry-After says").after(max(seconds, 1))
}

// streams counts the open streams, in all and per address.
type streams struct {
	total, perAddress int

	mu   sync.Mutex // guards open and of
	open int
	of   map[string]int
}

// newStreams counts up to limits.
func newStreams(total, perAddress int) *streams {
	return &streams{total: total, perAddress: perAddress, of: map[string]int{}}
}

// enter counts a stream in; the caller calls leave once.
func (t *streams) enter(address string) (leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[address] >= t.perAddress {
		return nil, problem(http.StatusTooManyRequests, "too_many_streams", "this address has too many open streams; close one").after(retryAfterBusy)
	}
	if t.open >= t.total {
		return nil, problem(http.StatusServiceUnavailable, "too_many_streams", "too many streams are open; poll the job instead").after(retryAfterBusy)
	}
	t.open++
	t.of[address]++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.open--
		if t.of[address]--; t.of[address] == 0 {
			delete(t.of, address)
		}
	}, nil
}

// count is the number of open streams.
func (t *streams) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// tapeFill knows, about a second old, how full the tape is, and how much more
// the accepted jobs will need of it.
type tapeFill struct {
	tape   Tape
	reader store.Reader
	now    func() time.Time

	turn     chan struct{} // holds one token: who has it may look and write the fields below
	at       time.Time
	state    stream.TapeState
	promised int64     // bytes of the outcomes that accepted jobs are still without
	lookAt   time.Time // when the database is asked again after it did not answer
}

func newTapeFill(tape Tape, reader store.Reader, now func() time.Time) *tapeFill {
	f := &tapeFill{tape: tape, reader: reader, now: now, turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	return f
}

// promisedBytes is what so many outcomes will take of the tape.
func promisedBytes(kind events.Kind, tickers int) int64 {
	if kind == events.KindBacktest {
		return int64(tickers) * backtestBytes
	}
	return int64(tickers) * outcomeBytes
}

// check reports whether the tape is too full for a job whose outcomes will take
// so many bytes; if it is not, they count as promised.
func (f *tapeFill) check(ctx context.Context, bytes int64) (full bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	select {
	case <-f.turn:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { f.turn <- struct{}{} }()
	if f.at.IsZero() || f.now().Sub(f.at) >= tapeStateAge {
		if f.state, err = f.tape.State(ctx); err != nil {
			return false, err
		}
		f.at = f.now()
		f.look(ctx)
	}
	// Beside other jobs a job must fit with all their outcomes; alone it may use
	// the reserve.
	need := f.promised + bytes
	if tooFull(f.state) || f.state.MaxBytes > 0 && f.promised > 0 && int64(f.state.Bytes)+need > f.state.MaxBytes {
		return true, nil
	}
	f.promised += bytes
	return false, nil
}

// look counts what is promised. While the database is away the last count
// stands, and grows: submissions do not depend on it, and do not wait for one
// that hangs, but for a moment from time to time.
func (f *tapeFill) look(ctx context.Context) {
	if f.now().Before(f.lookAt) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	page, err := f.reader.Jobs(ctx, store.JobsQuery{Active: true, Limit: store.MaxPage})
	if err != nil {
		f.lookAt = f.now().Add(lookAgain)
		return
	}
	f.promised = 0
	for _, job := range page.Items {
		f.promised += promisedBytes(job.Kind, job.Progress.Pending())
	}
}

// tooFull reports whether the tape must take no new jobs.
func tooFull(state stream.TapeState) bool {
	return state.MaxBytes > 0 && float64(state.Bytes) > fullShare*float64(state.MaxBytes)
}
