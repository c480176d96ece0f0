package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNotDurable says that the tape is known to lose acknowledged events when the
// power fails.
var ErrNotDurable = errors.New("a power failure can take from the tape what it acknowledged")

// SyncAlways is the profile of a tape that keeps what it acknowledged.
const SyncAlways = "always"

// SyncProfile tells how the tape keeps what it acknowledged: SyncAlways, or what
// is wrong with it, or nothing when that cannot be known: without a Monitor a
// client sees how the stream is stored, but not how often it is synced.
func (c *TapeClient) SyncProfile(ctx context.Context, monitor Monitor) (profile string, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	state, err := c.State(ctx)
	if err != nil {
		return "", err
	}
	if state.Volatile != "" || !monitor.Known() {
		return state.Volatile, nil
	}
	interval, err := monitor.SyncInterval(ctx)
	switch {
	case err != nil:
		return "", err
	case interval > 0:
		return fmt.Sprintf("sync_interval %v", interval), nil
	}
	return SyncAlways, nil
}

// RequireDurable refuses a tape that is known to be less durable than the
// database, which is on a disk: after a power failure the database would be
// ahead of it. ErrNotDurable, unless it is accepted. What cannot be known now is
// no error, but logged.
func (c *TapeClient) RequireDurable(ctx context.Context, monitor Monitor, accept bool) error {
	profile, err := c.SyncProfile(ctx, monitor)
	switch {
	case err != nil:
		c.log.Warn("it is not known whether the tape keeps what it acknowledged", "err", err)
	case profile == "" || profile == SyncAlways:
	case accept:
		c.log.Warn("a power failure can lose accepted jobs, as was accepted", "profile", profile)
	default:
		return fmt.Errorf("%w (%s), and the database would be ahead of it then: keep the stream in files and set sync_interval: always in the nats.conf of its server, "+
			"or, where that may happen, say --accept-loss-on-power-failure", ErrNotDurable, profile)
	}
	return nil
}

// volatile says why a stream does not keep what it acknowledged; empty if its
// configuration is not why.
func volatile(config jetstream.StreamConfig) string {
	switch {
	case config.Storage == jetstream.MemoryStorage:
		return "storage memory"
	case config.PersistMode == jetstream.AsyncPersistMode:
		return "persist_mode async"
	}
	return ""
}
