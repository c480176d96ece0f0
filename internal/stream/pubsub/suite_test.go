package pubsub_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

// TestPubSubReconnect is the suite's test of a broker that dies: the server is
// killed twice without a word and started again on the same files.
func TestPubSubReconnect(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a server under load")
	}
	dir := t.TempDir()
	server := streamtest.Process(t, dir, streamtest.Bare())
	pidFile := filepath.Join(dir, "pid")
	writePid := func() {
		if err := os.WriteFile(pidFile, []byte(fmt.Sprint(server.Pid())), 0o600); err != nil {
			t.Error(err)
		}
	}
	writePid()
	var restarts atomic.Int32
	stop := server.Supervise(func() { restarts.Add(1); writePid() })
	defer stop()
	s := suite{slots: 64, connect: func() *nats.Conn { return server.Conn(streamtest.Admin) }}
	f := features()
	f.RestartServiceCommand = []string{"sh", "-c", "kill -9 $(cat " + pidFile + ")"}
	tests.TestReconnect(t, tests.TestContext{TestID: tests.NewTestID(), Features: f}, s.make)
	if n := restarts.Load(); n != 2 {
		t.Errorf("the server was killed %d times, want 2", n)
	}
}
