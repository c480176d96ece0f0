package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Bucket is a client of one of the two buckets: what analyzers share of
// their market data. Keys are tokens of [A-Za-z0-9_=/-] (see BucketToken) with
// dots between. Safe for concurrent use.
//
// Get and Replace go to the stream's leader, so that what they say is the
// truth; they try again while nobody answers, until ctx ends or half a minute
// has passed. Load and Keep are for a cache: one attempt, any replica.
type Bucket struct {
	js    jetstream.JetStream
	log   *slog.Logger
	name  string
	clock clockKeeper
}

// NewMarketBucket makes a client of the bucket "market". A nil logger is silent.
func NewMarketBucket(js jetstream.JetStream, log *slog.Logger) *Bucket {
	return &Bucket{js: js, log: orSilent(log), name: MarketBucket}
}

// NewBarsBucket makes a client of the bucket "bars". A nil logger is silent.
func NewBarsBucket(js jetstream.JetStream, log *slog.Logger) *Bucket {
	return &Bucket{js: js, log: orSilent(log), name: BarsBucket}
}

// Get returns the value of key and its revision, by which Replace decides.
// ErrNotFound: there is none, its revision is 0. ErrNoStream, ErrUnavailable.
func (b *Bucket) Get(ctx context.Context, key string) (data []byte, revision uint64, err error) {
	msg, err := b.get(ctx, key)
	return msg.Data, msg.Seq, err
}

func (b *Bucket) get(ctx context.Context, key string) (msg Message, err error) {
	request, err := json.Marshal(map[string]string{"last_by_subj": bucketSubject(b.name, key)})
	if err != nil {
		return Message{}, fmt.Errorf("encoding a get: %w", err)
	}
	err = retry(ctx, b.js.Conn(), b.log, "reading "+key+" of bucket "+b.name, func(ctx context.Context) error {
		msg, err = leaderGet(ctx, b.js.Conn(), bucketStream(b.name), request)
		return err
	})
	if err != nil {
		return Message{}, b.explain(err)
	}
	return msg, nil
}

// Replace sets the value of key if its revision is still the one given (0: it
// has no value) and returns the new one, durable on return. ErrExists: somebody
// wrote meanwhile, which may have been an earlier attempt of this call whose
// answer was lost; read and decide again. ErrTooLarge above MaxEntryBytes.
func (b *Bucket) Replace(ctx context.Context, key string, data []byte, revision uint64) (uint64, error) {
	what := "writing " + key + " of bucket " + b.name
	if len(data) > MaxEntryBytes {
		return 0, fmt.Errorf("%s: %w: %d bytes, at most %d", what, ErrTooLarge, len(data), MaxEntryBytes)
	}
	var next uint64
	err := retry(ctx, b.js.Conn(), b.log, what, func(ctx context.Context) error {
		msg := &nats.Msg{Subject: bucketSubject(b.name, key), Data: data, Header: nats.Header{}}
		ack, err := b.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(revision), jetstream.WithRetryAttempts(0))
		if err == nil {
			next = ack.Sequence
		}
		return err
	})
	return next, b.explain(err)
}

// Load returns the value of key from any replica, so it may be a moment old.
// ErrNotFound: there is none, or its time is over. ErrUnavailable.
func (b *Bucket) Load(ctx context.Context, key string) ([]byte, error) {
	msg, err := b.load(ctx, key)
	return msg.Data, err
}

func (b *Bucket) load(ctx context.Context, key string) (msg Message, err error) {
	err = once(ctx, b.js.Conn(), func(ctx context.Context) (err error) {
		msg, err = directGet(ctx, b.js.Conn(), bucketStream(b.name)+"."+bucketSubject(b.name, key), nil)
		return err
	})
	if err != nil {
		return Message{}, b.explain(fmt.Errorf("reading %s of bucket %s: %w", key, b.name, err))
	}
	return msg, nil
}

// Keep sets the value of key for ttl, cut to whole seconds and counted by the
// server's clock; a shorter one than a second is not kept at all. ErrTooLarge
// above MaxEntryBytes, ErrUnavailable.
func (b *Bucket) Keep(ctx context.Context, key string, data []byte, ttl time.Duration) error {
	what := "keeping " + key + " in bucket " + b.name
	if len(data) > MaxEntryBytes {
		return fmt.Errorf("%s: %w: %d bytes, at most %d", what, ErrTooLarge, len(data), MaxEntryBytes)
	}
	if ttl < minTTL {
		return nil
	}
	err := once(ctx, b.js.Conn(), func(ctx context.Context) error {
		msg := &nats.Msg{Subject: bucketSubject(b.name, key), Data: data, Header: nats.Header{}}
		_, err := b.js.PublishMsg(ctx, msg, jetstream.WithMsgTTL(ttl.Truncate(minTTL)), jetstream.WithRetryAttempts(0))
		return err
	})
	if err != nil {
		return b.explain(fmt.Errorf("%s: %w", what, err))
	}
	return nil
}

// BucketToken spells any text, but the empty one, as a key of one token, with
// the letters that keys may have: letters, digits, "-", "_" and "/" stand for
// themselves, every other byte becomes "=XX", its code in hexadecimal.
// Different texts have different tokens.
func BucketToken(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '/' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "=%02X", c)
	}
	return b.String()
}

// explain adds what to do where the bucket itself is missing.
func (b *Bucket) explain(err error) error {
	switch {
	case errors.Is(err, ErrNoStream):
		return fmt.Errorf("%w; run `tapedeck provision`", err)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w; if the bucket was never made, run `tapedeck provision`", err)
	}
	return err
}
