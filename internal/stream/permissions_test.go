package stream_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

const subscriberRole stream.Role = "sub-alerts"

// An action is a subject that somebody may use, and who. Nobody else may.
type action struct {
	subject string
	who     []stream.Role
}

const (
	api, analyzer, recorder, provisioner = stream.RoleAPI, stream.RoleAnalyzer, stream.RoleRecorder, stream.RoleProvisioner
)

// publishes is what roles do by publishing, and what nobody may.
var publishes = []action{
	{"tape.job.j.queued", []stream.Role{api}},
	{"tape.job.j.cancelled", []stream.Role{api}},
	{"tape.job.j.started", []stream.Role{analyzer}},
	{"tape.job.j.completed", []stream.Role{recorder}},
	{"tape.job.j.deleted", nil},
	{"tape.ticker.j.A.analyzed", []stream.Role{analyzer}},
	{"tape.ticker.j.A.failed", []stream.Role{analyzer, recorder}},
	{"work.s.j.A", []stream.Role{analyzer, recorder}},
	{"ctl.recorder.rebuild", []stream.Role{provisioner}},
	{"ctl.recorder.verify", []stream.Role{provisioner}},
	{"$JS.API.STREAM.INFO.TAPE", []stream.Role{api, analyzer, recorder, provisioner}},
	{"$JS.API.STREAM.INFO.WORK", []stream.Role{analyzer, recorder, provisioner}},
	{"$JS.API.STREAM.MSG.GET.TAPE", []stream.Role{api, analyzer, recorder, provisioner}},
	{"$JS.API.DIRECT.GET.TAPE", []stream.Role{api, analyzer, recorder, provisioner}},
	{"$JS.API.STREAM.MSG.GET.WORK", []stream.Role{provisioner}},
	{"$JS.API.STREAM.CREATE.TAPE", []stream.Role{provisioner}},
	{"$JS.API.STREAM.CREATE.WORK", []stream.Role{recorder, provisioner}},
	{"$JS.API.STREAM.UPDATE.TAPE", []stream.Role{provisioner}},
	{"$JS.API.STREAM.UPDATE.WORK", []stream.Role{provisioner}},
	{"$JS.API.STREAM.DELETE.TAPE", []stream.Role{provisioner}},
	{"$JS.API.STREAM.DELETE.WORK", []stream.Role{provisioner}},
	{"$JS.API.STREAM.PURGE.TAPE", []stream.Role{provisioner}},
	{"$JS.API.STREAM.PURGE.WORK", []stream.Role{analyzer, provisioner}},
	{"$JS.API.STREAM.MSG.DELETE.TAPE", []stream.Role{provisioner}},
	{"$JS.API.CONSUMER.CREATE.TAPE.tail-x", []stream.Role{api, recorder, provisioner}},
	{"$JS.API.CONSUMER.DELETE.TAPE.tail-x", []stream.Role{api, recorder, provisioner}},
	{"$JS.API.CONSUMER.INFO.TAPE.tail-x", []stream.Role{api, recorder, provisioner}},
	{"$JS.API.CONSUMER.MSG.NEXT.TAPE.tail-x", []stream.Role{api, recorder, provisioner}},
	{"$JS.API.CONSUMER.CREATE.TAPE.dispatch", []stream.Role{provisioner}},
	{"$JS.API.CONSUMER.DELETE.TAPE.dispatch", []stream.Role{provisioner}},
	{"$JS.API.CONSUMER.INFO.TAPE.dispatch", []stream.Role{analyzer, provisioner}},
	{"$JS.API.CONSUMER.MSG.NEXT.TAPE.dispatch", []stream.Role{analyzer, provisioner}},
	{"$JS.API.CONSUMER.MSG.NEXT.WORK.lane-s", []stream.Role{analyzer, provisioner}},
	{"$JS.API.CONSUMER.INFO.WORK.lane-s", []stream.Role{analyzer, recorder, provisioner}},
	{"$JS.API.CONSUMER.CREATE.WORK.lane-s.work.s.x", []stream.Role{recorder, provisioner}},
	{"$JS.API.CONSUMER.DELETE.WORK.lane-s", []stream.Role{provisioner}},
	{"$JS.API.CONSUMER.INFO.TAPE.sub-alerts", []stream.Role{subscriberRole, api, recorder, provisioner}},
	{"$JS.API.CONSUMER.MSG.NEXT.TAPE.sub-alerts", []stream.Role{subscriberRole, api, recorder, provisioner}},
	{"$JS.API.CONSUMER.MSG.NEXT.TAPE.sub-other", []stream.Role{api, recorder, provisioner}},
	{"$JS.API.CONSUMER.LIST.TAPE", []stream.Role{provisioner}},
	{"$JS.ACK.TAPE.dispatch.1.1.1.1.0", []stream.Role{analyzer}},
	{"$JS.ACK.WORK.lane-s.1.1.1.1.0", []stream.Role{analyzer}},
	{"$JS.ACK.TAPE.sub-alerts.1.1.1.1.0", []stream.Role{subscriberRole}},
	{"$JS.ACK.TAPE.sub-other.1.1.1.1.0", nil},
	{"$KV.market.limit.yahoo", []stream.Role{analyzer}},
	{"$KV.market.list", []stream.Role{analyzer}},
	{"$KV.market.else", nil},
	{"$KV.bars.v1.x", []stream.Role{analyzer}},
	{"$KV.else.x", nil},
	{"$JS.API.STREAM.INFO.KV_market", []stream.Role{analyzer, provisioner}},
	{"$JS.API.STREAM.MSG.GET.KV_market", []stream.Role{analyzer, provisioner}},
	{"$JS.API.DIRECT.GET.KV_market", []stream.Role{provisioner}},
	{"$JS.API.DIRECT.GET.KV_market.$KV.market.list", []stream.Role{api, provisioner}},
	{"$JS.API.DIRECT.GET.KV_market.$KV.market.limit.yahoo", []stream.Role{provisioner}},
	{"$JS.API.DIRECT.GET.KV_bars.$KV.bars.v1.x", []stream.Role{analyzer, provisioner}},
	{"$JS.API.STREAM.INFO.KV_bars", []stream.Role{provisioner}},
	{"$JS.API.STREAM.MSG.GET.KV_bars", []stream.Role{provisioner}},
	{"$JS.API.STREAM.CREATE.KV_bars", []stream.Role{provisioner}},
	{"$JS.API.STREAM.PURGE.KV_bars", []stream.Role{provisioner}},
	{"$JS.API.STREAM.PURGE.KV_market", []stream.Role{provisioner}},
	{"$JS.API.STREAM.MSG.DELETE.KV_market", []stream.Role{provisioner}},
	{"$JS.API.CONSUMER.CREATE.KV_market.x", []stream.Role{provisioner}},
	{"$JS.API.CONSUMER.CREATE.KV_bars.x", []stream.Role{provisioner}},
	{"_INBOX_provisioner.x", []stream.Role{recorder}},
	{"_INBOX_api.x", nil},
	{"$SYS.REQ.SERVER.PING", nil},
	{"anything", nil},
}

var subscribes = []action{
	{"_INBOX_api.x", []stream.Role{api}},
	{"_INBOX_analyzer.x", []stream.Role{analyzer}},
	{"_INBOX_recorder.x", []stream.Role{recorder}},
	{"_INBOX_provisioner.x", []stream.Role{provisioner}},
	{"_INBOX_sub-alerts.x", []stream.Role{subscriberRole}},
	{"_INBOX.x", nil},
	{"ctl.recorder.rebuild", []stream.Role{recorder}},
	{"tape.>", nil},
	{"work.>", nil},
	{"$KV.>", nil},
	{"$JS.API.>", nil},
	{"$SYS.>", nil},
	{">", nil},
}

// TestPermissions tries every action as every role on a server that has read
// nats.conf; it has no streams, so that nothing comes of it.
func TestPermissions(t *testing.T) {
	s := streamtest.Server(t, streamtest.Bare())
	passwords := map[stream.Role]string{}
	for _, role := range stream.Roles() {
		passwords[role] = s.Password(role)
	}
	var err error
	passwords[subscriberRole], err = s.Natsd().AddUser("alerts")
	ok(t, err)
	for role, password := range passwords {
		t.Run(string(role), func(t *testing.T) {
			c := newCounter(t, s, role, password)
			for _, a := range publishes {
				c.expect(t, "publish", a, func() error { return c.nc.Publish(a.subject, []byte("{}")) })
			}
			for _, a := range subscribes {
				c.expect(t, "subscribe", a, func() error {
					_, err := c.nc.SubscribeSync(a.subject)
					return err
				})
			}
		})
	}
}

// A counter is a connection that counts refusals.
type counter struct {
	role    stream.Role
	nc      *nats.Conn
	mu      sync.Mutex
	refused int
}

func newCounter(t *testing.T, s *streamtest.Embedded, role stream.Role, password string) *counter {
	t.Helper()
	c := &counter{role: role}
	var err error
	c.nc, err = stream.Connect(stream.ConnectConfig{InProcess: s, Role: role, Password: password})
	ok(t, err)
	t.Cleanup(c.nc.Close)
	c.nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			c.mu.Lock()
			c.refused++
			c.mu.Unlock()
		}
	})
	return c
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// expect compares what the server said to an action with who may. A refusal
// comes before the answer to a flush; its handler runs a little later.
func (c *counter) expect(t *testing.T, verb string, a action, do func() error) {
	t.Helper()
	before := c.count()
	ok(t, do())
	ok(t, c.nc.Flush())
	if slices.Contains(a.who, c.role) {
		if c.count() > before {
			t.Errorf("%s may not %s %s", c.role, verb, a.subject)
		}
		return
	}
	deadline := time.Now().Add(patience)
	for c.count() == before {
		if time.Now().After(deadline) {
			t.Errorf("%s may %s %s", c.role, verb, a.subject)
			return
		}
		time.Sleep(time.Millisecond) // poll: the handler has no other sign
	}
}

// TestRolesDoTheirWork does all that each role does, with its own user, and
// counts refusals.
func TestRolesDoTheirWork(t *testing.T) {
	s := streamtest.Server(t)
	counters := map[stream.Role]*counter{}
	js := map[stream.Role]jetstream.JetStream{}
	for _, role := range stream.Roles() {
		counters[role] = newCounter(t, s, role, s.Password(role))
		var err error
		js[role], err = jetstream.New(counters[role].nc)
		ok(t, err)
	}
	ok(t, stream.Provision(ctx, js[provisioner], stream.Limits{}))
	ok(t, stream.AddSubscriber(ctx, js[provisioner], stream.SubscriberConfig{Name: "alerts"}))
	if subs, err := stream.Subscribers(ctx, js[provisioner]); err != nil || len(subs) != 1 {
		t.Errorf("subscribers %v, %v", subs, err)
	}
	ok(t, stream.RemoveSubscriber(ctx, js[provisioner], "alerts"))

	tape := map[stream.Role]*stream.TapeClient{}
	for _, role := range []stream.Role{api, analyzer, recorder} {
		tape[role] = stream.NewTape(js[role], nil)
	}
	publish := func(role stream.Role, data events.Data) {
		t.Helper()
		_, err := tape[role].Publish(ctx, events.New("test", epoch, data))
		ok(t, err)
	}
	publish(api, queued("j").Data)
	publish(api, &events.JobCancelled{JobID: "j"})
	publish(analyzer, &events.JobStarted{JobID: "j", Total: 1})
	publish(recorder, &events.JobCompleted{JobID: "j", Status: events.StatusCancelled, Total: 1, Cancelled: 1})
	publish(recorder, failed("j", "R").Data)
	ok(t, tape[analyzer].PublishBatch(ctx, outcomes("j", 0, 10)))
	for _, role := range []stream.Role{api, recorder} {
		tail, err := tape[role].Tail(ctx, 1)
		ok(t, err)
		readTo(t, tail, 0, 15)
		tail.Stop()
	}
	for role := range tape {
		_, err := tape[role].JobEvent(ctx, "j", "queued")
		ok(t, err)
		_, err = tape[role].JobEvent(ctx, "j", "nothing")
		wantErr(t, err, stream.ErrNotFound)
		_, err = tape[role].Taken(ctx, []events.Data{analyzed("j", "T0.NS").Data})
		ok(t, err)
		_, err = tape[role].State(ctx)
		ok(t, err)
	}
	for _, role := range []stream.Role{analyzer, recorder} {
		work := stream.NewWork(js[role], nil)
		_, err := work.DispatchMissing(ctx, items(string(role), 30))
		ok(t, err)
		_, err = work.DispatchMissing(ctx, items(string(role), 40))
		ok(t, err)
	}
	ok(t, stream.NewWork(js[recorder], nil).Ensure(ctx))
	work := stream.NewWork(js[analyzer], nil)
	for name, consumer := range map[string]func() (jetstream.Consumer, error){
		"dispatch": func() (jetstream.Consumer, error) { return work.DispatchQueue(ctx) },
		"lane":     func() (jetstream.Consumer, error) { return work.Lane(ctx, stream.LaneSmall) },
	} {
		c, err := consumer()
		ok(t, err)
		msg, err := c.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			t.Fatalf("pulling from %s: %v", name, err)
		}
		ok(t, msg.DoubleAck(ctx))
	}
	ok(t, work.Purge(ctx, "analyzer"))
	shareMarket(t, js[analyzer], js[api])
	for role, c := range counters {
		ok(t, c.nc.Flush())
		if n := c.count(); n != 0 {
			t.Errorf("%s was refused %d times: %v", role, n, c.nc.LastError())
		}
	}
}

// shareMarket does what analyzers do with the buckets, and the api reads the list.
func shareMarket(t *testing.T, analyzer, api jetstream.JetStream) {
	t.Helper()
	market, bars := stream.NewMarketBucket(analyzer, nil), stream.NewBarsBucket(analyzer, nil)
	_, err := market.Clock(ctx)
	ok(t, err)
	_, _, err = market.Get(ctx, "limit.x")
	wantErr(t, err, stream.ErrNotFound)
	_, err = market.Replace(ctx, "limit.x", []byte("1"), 0)
	ok(t, err)
	_, err = market.PublishTickers(ctx, []string{"A"})
	ok(t, err)
	ok(t, bars.Keep(ctx, "v1.x", []byte("1"), time.Minute))
	_, err = bars.Load(ctx, "v1.x")
	ok(t, err)
	_, err = stream.NewMarketBucket(api, nil).Tickers(ctx)
	ok(t, err)
}
