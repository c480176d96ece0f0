package pubsub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// A Publisher is a message.Publisher on JetStream: the topic is the subject,
// the UUID the message id, metadata the headers. Events of tapedeck do not go
// through it: they need the guards of stream.TapeClient. Safe for concurrent use.
type Publisher struct {
	js     jetstream.JetStream
	log    *slog.Logger
	closed atomic.Bool
}

// NewPublisher makes a publisher. A nil logger is silent.
func NewPublisher(js jetstream.JetStream, log *slog.Logger) *Publisher {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Publisher{js: js, log: log}
}

// Publish stores the messages in order, durable on return, in atomic batches
// (the stream must allow them). A message whose UUID the stream has seen
// within its window of duplicates counts as stored.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	if p.closed.Load() {
		return fmt.Errorf("publishing to %s: %w", topic, ErrClosed)
	}
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	var batch []*nats.Msg
	size := 0
	for _, m := range messages {
		msg := toNATS(topic, m)
		if len(batch) == stream.MaxBatch || size+msg.Size() > stream.MaxBatchBytes {
			if err := p.publish(ctx, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		batch = append(batch, msg)
		size += msg.Size()
	}
	return p.publish(ctx, batch)
}

// publish stores a batch, or, when it holds what is there already, each of its
// messages on its own.
func (p *Publisher) publish(ctx context.Context, batch []*nats.Msg) error {
	err := stream.PublishAtomic(ctx, p.js, p.log, batch)
	if err == nil || !errors.Is(err, stream.ErrExists) {
		return err
	}
	for _, msg := range batch {
		single := nats.NewMsg(msg.Subject) // without the headers of the batch
		single.Data = msg.Data
		for key, values := range msg.Header {
			if !isBatchHeader(key) {
				single.Header[key] = values
			}
		}
		if err := stream.PublishAtomic(ctx, p.js, p.log, []*nats.Msg{single}); err != nil && !errors.Is(err, stream.ErrExists) {
			return err
		}
	}
	return nil
}

func isBatchHeader(key string) bool {
	return key == "Nats-Batch-Id" || key == "Nats-Batch-Sequence" || key == "Nats-Batch-Commit"
}

func toNATS(topic string, m *message.Message) *nats.Msg {
	msg := nats.NewMsg(topic)
	msg.Data = m.Payload
	for key, value := range m.Metadata {
		msg.Header.Set(key, value)
	}
	if m.UUID != "" {
		msg.Header.Set(nats.MsgIdHdr, m.UUID)
	}
	return msg
}

// Close refuses further messages. Nothing is buffered, and the connection is
// the caller's.
func (p *Publisher) Close() error {
	p.closed.Store(true)
	return nil
}
