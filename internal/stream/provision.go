package stream

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/nats-io/nats.go/jetstream"
)

// Provision makes the streams, consumers and buckets of tapedeck, or brings existing
// ones to the wanted configuration. It touches only what differs, because an
// update makes a server forget delayed messages. Limits of age and number are
// taken away; other settings that it does not know of stay as they are.
func Provision(ctx context.Context, js jetstream.JetStream, lim Limits) error {
	lim = lim.orDefaults()
	if err := provisionStream(ctx, js, tapeConfig(lim)); err != nil {
		return err
	}
	if err := provisionConsumer(ctx, js, Tape, dispatchConfig()); err != nil {
		return err
	}
	if err := provisionStream(ctx, js, workConfig(lim)); err != nil {
		return err
	}
	for _, lane := range Lanes() {
		if err := provisionConsumer(ctx, js, Work, laneConfig(lane)); err != nil {
			return err
		}
	}
	if err := provisionStream(ctx, js, marketConfig(lim)); err != nil {
		return err
	}
	return provisionStream(ctx, js, barsConfig(lim))
}

func provisionStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateStream(ctx, want)
		return wrapf(err, "creating stream %s", want.Name)
	}
	if err != nil {
		return wrapf(err, "looking up stream %s", want.Name)
	}
	have := s.CachedInfo().Config
	next := have
	next.Subjects, next.Description = want.Subjects, want.Description
	next.Retention, next.Storage, next.Discard = want.Retention, want.Storage, want.Discard
	next.MaxBytes, next.MaxMsgSize, next.Replicas, next.Duplicates = want.MaxBytes, want.MaxMsgSize, want.Replicas, want.Duplicates
	next.DenyDelete, next.DenyPurge = want.DenyDelete, want.DenyPurge
	next.MaxAge, next.MaxMsgs, next.MaxMsgsPerSubject = 0, -1, -1 // such a limit was set by hand, and drops what must stay
	next.AllowAtomicPublish, next.AllowDirect = want.AllowAtomicPublish, want.AllowDirect
	if want.MaxMsgsPerSubject > 0 {
		next.MaxMsgsPerSubject = want.MaxMsgsPerSubject
	}
	next.AllowMsgTTL = next.AllowMsgTTL || want.AllowMsgTTL // the server never turns it off again
	if reflect.DeepEqual(have, next) {
		return nil
	}
	_, err = js.UpdateStream(ctx, next)
	return wrapf(err, "updating stream %s", want.Name)
}

func provisionConsumer(ctx context.Context, js jetstream.JetStream, stream string, want jetstream.ConsumerConfig) error {
	c, err := js.Consumer(ctx, stream, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		_, err = js.CreateConsumer(ctx, stream, want)
		return wrapf(err, "creating consumer %s of %s", want.Durable, stream)
	}
	if err != nil {
		return wrapf(err, "looking up consumer %s of %s", want.Durable, stream)
	}
	have := c.CachedInfo().Config
	next := have
	next.Description = want.Description
	next.FilterSubject, next.FilterSubjects = want.FilterSubject, want.FilterSubjects
	next.AckWait, next.MaxDeliver, next.MaxAckPending = want.AckWait, want.MaxDeliver, want.MaxAckPending
	if reflect.DeepEqual(have, next) {
		return nil
	}
	_, err = js.UpdateConsumer(ctx, stream, next)
	return wrapf(err, "updating consumer %s of %s", want.Durable, stream)
}

// wrapf classifies an error and says what was being done; nil stays nil.
func wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, classify(err))...)
}
