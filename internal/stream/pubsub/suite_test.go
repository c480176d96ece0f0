package pubsub_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/stream/pubsub"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// suite makes publishers and subscribers for Watermill's tests: one stream for
// each topic, because the suite publishes the same ids to several, and one
// durable per topic and group.
type suite struct {
	connect func() *nats.Conn
	slots   int
}

func (s suite) make(t *testing.T) (message.Publisher, message.Subscriber) {
	return s.makeGroup(t, "default")
}

func (s suite) makeGroup(t *testing.T, group string) (message.Publisher, message.Subscriber) {
	nc := s.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := pubsub.NewSubscriber(pubsub.SubscriberConfig{
		Conn: nc, Slots: s.slots, Grace: 100 * time.Millisecond,
		Backoff: func(uint64) time.Duration { return 0 },
		Topics: func(topic string) ([]pubsub.Source, error) {
			name := addStream(t, js, topic)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_, err := js.CreateOrUpdateConsumer(ctx, name, jetstream.ConsumerConfig{
				Durable: group, AckPolicy: jetstream.AckExplicitPolicy,
				AckWait: 10 * time.Second, MaxDeliver: -1, MaxAckPending: 1000,
			})
			return []pubsub.Source{{Stream: name, Consumer: group, Weight: 1}}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return adding{pubsub.NewPublisher(js, nil), t, js}, initializing{sub}
}

// adding makes the stream of a topic before the first message.
type adding struct {
	*pubsub.Publisher
	t  *testing.T
	js jetstream.JetStream
}

func (a adding) Publish(topic string, messages ...*message.Message) error {
	addStream(a.t, a.js, topic)
	return a.Publisher.Publish(topic, messages...)
}

var added sync.Map // streams that addStream has made, by name

func addStream(t *testing.T, js jetstream.JetStream, topic string) (name string) {
	t.Helper()
	name = strings.ReplaceAll(topic, ".", "_")
	if _, ok := added.Load(name); ok {
		return name
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{topic}, AllowAtomicPublish: true,
	})
	if err != nil {
		t.Error(err)
	}
	added.Store(name, true)
	return name
}

// initializing makes a durable before the first message, as groups need it.
type initializing struct {
	*pubsub.Subscriber
}

func (i initializing) SubscribeInitialize(topic string) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := i.Subscribe(ctx, topic)
	return err
}

func features() tests.Features {
	return tests.Features{
		ConsumerGroups: true, Persistent: true,
		ExactlyOnceDelivery: false, // a lost ack brings a message again
		// The durables are the state; there is none that begins at the start.
		NewSubscriberReceivesOldMessages: false,
		GenerateTopicFunc:                func(tc tests.TestContext) string { return "suite." + string(tc.TestID) },
		ForceShort:                       testing.Short(),
	}
}

// TestPubSub is Watermill's own suite, with many slots and no promise of order.
func TestPubSub(t *testing.T) {
	server := streamtest.Server(t, streamtest.Bare())
	s := suite{slots: 16, connect: func() *nats.Conn { return server.Conn(streamtest.Admin) }}
	tests.TestPubSub(t, features(), s.make, s.makeGroup)
}

// TestPubSubInOrder is the suite with one slot: messages come in order, and
// the next only after the ack.
func TestPubSubInOrder(t *testing.T) {
	server := streamtest.Server(t, streamtest.Bare())
	s := suite{slots: 1, connect: func() *nats.Conn { return server.ConnTCP(streamtest.Admin) }}
	f := features()
	f.GuaranteedOrder, f.GuaranteedOrderWithSingleSubscriber = true, true
	f.ForceShort = true // the long form is the other test's
	tests.TestPubSub(t, f, s.make, s.makeGroup)
}

// TestServerDies kills the server twice while ten publishers and a subscriber
// are at work, and starts it again on the same files: every message whose
// publish succeeded arrives. (Watermill's TestReconnect does the same, but
// compares with its list of published messages while that is still written.)
func TestServerDies(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a server under load")
	}
	server := streamtest.Process(t, t.TempDir(), streamtest.Bare())
	s := suite{slots: 64, connect: func() *nats.Conn { return server.Conn(streamtest.Admin) }}
	pub, sub := s.make(t)
	topic := "dies." + string(tests.NewTestID())
	const publishers, each = 10, 300
	arrived := make(chan string)
	messages, err := sub.Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for msg := range messages {
			msg.Ack()
			select {
			case arrived <- msg.UUID:
			case <-t.Context().Done(): // all had arrived: this one again
			}
		}
	}()
	published := make(chan struct{}, publishers*each)
	var running sync.WaitGroup
	for p := range publishers {
		running.Go(func() {
			for i := range each {
				msg := message.NewMessage(fmt.Sprintf("%d-%d", p, i), []byte("x"))
				for pub.Publish(topic, msg) != nil && t.Context().Err() == nil { // until it succeeds: same id, so once
				}
				published <- struct{}{}
			}
		})
	}
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for range 2 {
			for range publishers * each / 3 {
				<-published
			}
			server.Kill()
			server.Start()
		}
	}()
	missing := map[string]bool{}
	for p := range publishers {
		for i := range each {
			missing[fmt.Sprintf("%d-%d", p, i)] = true
		}
	}
	deadline := time.After(time.Minute)
	for len(missing) > 0 {
		select {
		case id := <-arrived:
			delete(missing, id)
		case <-deadline:
			t.Fatalf("%d of %d messages never arrived", len(missing), publishers*each)
		}
	}
	<-killed
	running.Wait()
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
}
