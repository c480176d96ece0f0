package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A Clock is the time of a bucket's server, as known from one comparison with
// this process's monotonic clock. Processes that share instants write them in
// this time, so their own clocks may be wrong by any amount. It is exact to
// the round trip of the comparison; a server's clock that is set is noticed
// with the next one, within half a minute.
type Clock struct {
	sent, received time.Time // of the comparison, here
	server         time.Time // somewhere between the two, there
}

// Earliest is the least that the server's clock may show at the local instant at.
func (c Clock) Earliest(at time.Time) time.Time { return c.server.Add(at.Sub(c.received)) }

// Latest is the most that the server's clock may show at the local instant at.
func (c Clock) Latest(at time.Time) time.Time { return c.server.Add(at.Sub(c.sent)) }

// Local is the local instant from which on the server's clock certainly shows
// server or later.
func (c Clock) Local(server time.Time) time.Time { return c.received.Add(server.Sub(c.server)) }

// clockKeeper keeps the newest comparison.
type clockKeeper struct {
	mu    sync.Mutex // guards clock
	clock Clock
}

// Clock returns the server's time, compared at most half a minute ago.
// ErrNoStream, ErrUnavailable.
func (b *Bucket) Clock(ctx context.Context) (Clock, error) {
	b.clock.mu.Lock()
	clock := b.clock.clock
	b.clock.mu.Unlock()
	if !clock.received.IsZero() && time.Since(clock.received) < clockAge {
		return clock, nil
	}
	err := retry(ctx, b.js.Conn(), b.log, "asking for the time of bucket "+b.name, func(ctx context.Context) (err error) {
		clock, err = b.compare(ctx)
		return err
	})
	if err != nil {
		return Clock{}, b.explain(err)
	}
	b.clock.mu.Lock()
	b.clock.clock = clock
	b.clock.mu.Unlock()
	return clock, nil
}

// compare asks the leader, which also stamps the messages, for its time.
func (b *Bucket) compare(ctx context.Context) (Clock, error) {
	clock := Clock{sent: time.Now()}
	reply, err := b.js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.INFO."+bucketStream(b.name), nil)
	if err != nil {
		return Clock{}, err
	}
	clock.received = time.Now()
	var answer struct {
		Error *jetstream.APIError `json:"error"`
		Now   time.Time           `json:"ts"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return Clock{}, fmt.Errorf("reading the server's time: %w", err)
	}
	if answer.Error != nil {
		return Clock{}, answer.Error
	}
	if answer.Now.IsZero() {
		return Clock{}, errors.New("reading the server's time: the answer has none; nats-server 2.15 or newer is needed")
	}
	clock.server = answer.Now
	return clock, nil
}
