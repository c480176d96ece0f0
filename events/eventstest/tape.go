// Package eventstest gives tests of subscribers a tape of their own: a NATS
// server in the test's process, with the stream, the consumers and the
// permissions that tapedeck gives to a subscriber.
package eventstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/loopback"
)

const (
	adminUser = "eventstest"
	password  = "eventstest" // the server listens on loopback for the length of a test
	// patience is how long a test waits for the server before it fails: long
	// for a busy machine, within the default timeout of a test.
	patience = 20 * time.Second
	// poll is how often WaitDone looks.
	poll = 5 * time.Millisecond
)

// A Tape is a NATS server with the stream TAPE. It ends with the test. Its
// methods fail the test instead of returning an error.
type Tape struct {
	// URL is where the server listens: 127.0.0.1, any port, kept by Restart.
	URL string
	// NC is connected as a user who may do everything, also Replay.
	NC *nats.Conn

	tb      testing.TB
	js      jetstream.JetStream
	options *server.Options
	server  *server.Server
}

// A Subscriber is what 'tapedeck subscriber add' prints: how to connect. Its
// user may do what Subscribe needs and nothing else.
type Subscriber struct {
	Name, URL, User, Password string
}

// New starts a server with an empty tape.
func New(tb testing.TB) *Tape {
	tb.Helper()
	t := &Tape{tb: tb, options: &server.Options{
		ServerName: "eventstest", Host: "127.0.0.1", Port: loopback.Port(tb),
		JetStream: true, StoreDir: tb.TempDir(), NoLog: true, NoSigs: true,
		Users: []*server.User{{Username: adminUser, Password: password}},
	}}
	tb.Cleanup(t.stop)
	t.start()
	t.URL = t.server.ClientURL()
	var err error
	t.NC, err = events.Connect(t.URL, adminUser, password)
	t.must("connecting", err)
	tb.Cleanup(t.NC.Close)
	t.js, err = jetstream.New(t.NC)
	t.must("using JetStream", err)
	ctx, cancel := t.context()
	defer cancel()
	_, err = t.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: events.StreamName, Subjects: []string{"tape.>"}, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, DenyDelete: true, DenyPurge: true,
		AllowDirect: true, AllowAtomicPublish: true,
	})
	t.must("creating the stream", err)
	return t
}

// Publish puts events on the tape and returns their sequences. A fact that
// stands there already is not stored again: its sequence is the first one's.
func (t *Tape) Publish(data ...events.Data) []uint64 {
	t.tb.Helper()
	ctx, cancel := t.context()
	defer cancel()
	seqs := make([]uint64, 0, len(data))
	for _, d := range data {
		msg, err := events.Encode(events.New("tapedeck/eventstest", time.Now(), d))
		t.must("encoding", err)
		ack, err := t.js.PublishMsg(ctx, msg)
		t.must("publishing", err)
		seqs = append(seqs, ack.Sequence)
	}
	return seqs
}

// AddSubscriber does what 'tapedeck subscriber add' does: it makes the durable
// consumer, with one event in flight, from the beginning of the tape, and a
// user with the permissions for it. No kinds means all; an empty ticker, all.
func (t *Tape) AddSubscriber(name string, kinds []events.Type, ticker string) Subscriber {
	t.tb.Helper()
	durable, err := events.DurableName(name)
	t.must("naming", err)
	filters, err := events.FilterSubjects(kinds, ticker)
	t.must("filtering", err)
	ctx, cancel := t.context()
	defer cancel()
	_, err = t.js.CreateConsumer(ctx, events.StreamName, jetstream.ConsumerConfig{
		Durable: durable, AckPolicy: jetstream.AckExplicitPolicy, FilterSubjects: filters,
		MaxAckPending: 1, MaxDeliver: -1,
	})
	t.must("creating the consumer", err)
	options := t.options.Clone()
	options.Users = append(options.Users, &server.User{
		Username: durable, Password: password, Permissions: permissions(durable),
	})
	t.must("adding the user", t.server.ReloadOptions(options.Clone()))
	t.options = options
	return Subscriber{Name: name, URL: t.URL, User: durable, Password: password}
}

func permissions(durable string) *server.Permissions {
	consumer := events.StreamName + "." + durable
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			"$JS.API.CONSUMER.INFO." + consumer,
			"$JS.API.CONSUMER.MSG.NEXT." + consumer,
			"$JS.ACK." + consumer + ".>",
			"$JS.ACK.*.*." + consumer + ".>",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{events.InboxPrefix(durable) + ".>"}},
	}
}

// Connect connects as the subscriber, until the end of the test.
func (t *Tape) Connect(subscriber Subscriber) *nats.Conn {
	t.tb.Helper()
	nc, err := events.Connect(subscriber.URL, subscriber.User, subscriber.Password)
	t.must("connecting", err)
	t.tb.Cleanup(nc.Close)
	return nc
}

// WaitDone returns when the subscriber has answered every event that is on
// the tape for it.
func (t *Tape) WaitDone(subscriber Subscriber) {
	t.tb.Helper()
	ctx, cancel := t.context()
	defer cancel()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		var waiting uint64
		consumer, err := t.js.Consumer(ctx, events.StreamName, subscriber.User)
		if err == nil {
			info := consumer.CachedInfo()
			waiting = info.NumPending + uint64(info.NumAckPending)
			var last uint64
			if last, err = t.lastFor(ctx, info.Config); err == nil && waiting == 0 && info.AckFloor.Stream >= last {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.tb.Fatalf("eventstest: subscriber %s still has %d events to answer after %s (last error: %v)", subscriber.Name, waiting, patience, err)
		case <-ticker.C:
		}
	}
}

// lastFor is the sequence of the last event that a consumer is for, 0 if there
// is none. A consumer learns of what is published a moment later, and counts
// nothing as waiting until then.
func (t *Tape) lastFor(ctx context.Context, config jetstream.ConsumerConfig) (last uint64, err error) {
	stream, err := t.js.Stream(ctx, events.StreamName)
	if err != nil {
		return 0, err
	}
	filters := config.FilterSubjects
	if config.FilterSubject != "" {
		filters = []string{config.FilterSubject}
	}
	if len(filters) == 0 {
		return stream.CachedInfo().State.LastSeq, nil
	}
	for _, filter := range filters {
		message, err := stream.GetLastMsgForSubject(ctx, filter)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		last = max(last, message.Sequence)
	}
	return last, nil
}

// Restart stops the server and starts it again with what it had stored, at
// the same URL: a test that a program survives it.
func (t *Tape) Restart() {
	t.tb.Helper()
	before := t.NC.Stats().Reconnects // right after the stop, NC may not have noticed it yet
	t.stop()
	t.start()
	deadline := time.After(patience)
	for t.NC.Stats().Reconnects == before || !t.NC.IsConnected() {
		select {
		case <-deadline:
			t.tb.Fatalf("eventstest: not connected again after %s", patience)
		case <-time.After(poll):
		}
	}
}

func (t *Tape) start() {
	t.tb.Helper()
	var err error
	t.server, err = server.NewServer(t.options.Clone())
	t.must("making the server", err)
	t.server.Start()
	if !t.server.ReadyForConnections(patience) {
		t.tb.Fatalf("eventstest: the server was not ready after %s", patience)
	}
}

func (t *Tape) stop() {
	if t.server != nil {
		t.server.Shutdown()
		t.server.WaitForShutdown()
	}
}

func (t *Tape) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func (t *Tape) must(doing string, err error) {
	t.tb.Helper()
	if err != nil {
		t.tb.Fatalf("eventstest: %s: %v", doing, err)
	}
}
