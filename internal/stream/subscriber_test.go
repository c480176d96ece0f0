package stream_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// TestSubscriber is the life of one: its user and its durable, what it gets
// and nothing else.
func TestSubscriber(t *testing.T) {
	s := streamtest.Server(t)
	admin := s.JetStream(stream.RoleProvisioner)
	tape := s.Tape(stream.RoleAnalyzer)
	fill(t, tape, "before", 1)
	ok(t, stream.AddSubscriber(ctx, admin, stream.SubscriberConfig{
		Name: "alerts", Kinds: []events.Type{events.TypeTickerAnalyzed}, Ticker: "BRK.B",
	}))
	ok(t, stream.AddSubscriber(ctx, admin, stream.SubscriberConfig{Name: "all", From: 1}))
	password, err := s.Natsd().AddUser("alerts")
	ok(t, err)
	nc, err := stream.Connect(stream.ConnectConfig{URL: s.URL(), User: "sub-alerts", Password: password})
	ok(t, err)
	t.Cleanup(nc.Close)
	for _, ev := range []events.Event{analyzed("j", "BRK.B"), analyzed("j", "A"), failed("k", "BRK.B")} {
		_, err := tape.Publish(ctx, ev)
		ok(t, err)
	}
	subs, err := stream.Subscribers(ctx, admin)
	ok(t, err)
	want := []stream.Subscriber{
		{Name: "alerts", Filters: []string{"tape.ticker.*.BRK%2EB.analyzed"}, Pending: 1},
		{Name: "all", Filters: []string{"tape.>"}, Pending: 4},
	}
	if diff := cmp.Diff(want, subs); diff != "" {
		t.Errorf("subscribers differ (-want +got):\n%s", diff)
	}
	js, err := jetstream.New(nc)
	ok(t, err)
	consumer, err := js.Consumer(ctx, stream.Tape, stream.SubscriberConsumer("alerts"))
	ok(t, err)
	msg, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
	ok(t, err)
	ok(t, msg.DoubleAck(ctx))
	// A new filter keeps the place.
	ok(t, stream.AddSubscriber(ctx, admin, stream.SubscriberConfig{Name: "alerts", Kinds: []events.Type{events.TypeTickerFailed}}))
	subs, err = stream.Subscribers(ctx, admin)
	ok(t, err)
	if subs[0].Pending != 1 {
		t.Errorf("after a change of filter %+v", subs[0])
	}
	ok(t, stream.RemoveSubscriber(ctx, admin, "alerts"))
	wantErr(t, stream.RemoveSubscriber(ctx, admin, "alerts"), stream.ErrNotFound)
	for _, bad := range []stream.SubscriberConfig{{Name: "No"}, {Name: "a.b"}, {Name: ""}, {Name: "x", Kinds: []events.Type{"odd"}}, {Name: "x", Kinds: []events.Type{events.TypeJobQueued}, Ticker: "A"}} {
		wantErr(t, stream.AddSubscriber(ctx, admin, bad), stream.ErrSubscriber)
	}
}
