package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// BeginTape makes the stream TAPE, which is missing or empty, anew, such that
// its first message gets the sequence first: a database that was recorded from
// a lost tape then never meets a sequence twice. A tape that holds messages is
// left alone with ErrExists. The limits are the lost tape's where it is still
// there, else the defaults.
func BeginTape(ctx context.Context, js jetstream.JetStream, first uint64) error {
	config := tapeConfig(Limits{}.orDefaults())
	switch tape, err := js.Stream(ctx, Tape); {
	case errors.Is(err, jetstream.ErrStreamNotFound):
	case err != nil:
		return wrapf(err, "looking up stream %s", Tape)
	case tape.CachedInfo().State.Msgs > 0:
		return fmt.Errorf("beginning the tape anew: it holds %d messages: %w", tape.CachedInfo().State.Msgs, ErrExists)
	default:
		config = tape.CachedInfo().Config
		if err := js.DeleteStream(ctx, Tape); err != nil {
			return wrapf(err, "removing the empty stream %s", Tape)
		}
	}
	config.FirstSeq = first
	if _, err := js.CreateStream(ctx, config); err != nil {
		return wrapf(err, "creating stream %s", Tape)
	}
	return provisionConsumer(ctx, js, Tape, dispatchConfig())
}
