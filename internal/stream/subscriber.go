package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
)

// ErrSubscriber says that a subscriber's name or filter is not acceptable.
var ErrSubscriber = errors.New("bad subscriber")

// subscriberPrefix is what events.DurableName puts before a name.
const subscriberPrefix = "sub-"

// A SubscriberConfig says which events a program outside tapedeck gets. Its
// durable consumer keeps its place on the tape while the program is away.
type SubscriberConfig struct {
	Name   string        // [a-z0-9][a-z0-9_-]{0,31}
	Kinds  []events.Type // empty: every event
	Ticker string        // canonical; only this ticker's outcomes. Empty: all
	From   uint64        // the first sequence to deliver; 0: only what is new
}

// A Subscriber is a subscription as it stands on the server.
type Subscriber struct {
	Name    string
	Filters []string // subjects
	Pending uint64   // events that it has not fetched yet
	Unacked int      // fetched and not acknowledged
}

// SubscriberConsumer is the name of a subscriber's durable on TAPE, of its
// NATS user, and the tail of its inbox prefix: "sub-NAME".
func SubscriberConsumer(name string) string { return subscriberPrefix + name }

// CheckSubscriberName tells whether a name can be a subscriber's: ErrSubscriber if not.
func CheckSubscriberName(name string) error {
	if _, err := events.DurableName(name); err != nil {
		return fmt.Errorf("%w: %w", ErrSubscriber, err)
	}
	return nil
}

// AddSubscriber makes the durable of a subscriber, or changes the filter of an
// existing one, which keeps its place. Its user is made by natsd, or by hand
// on an external server from SubscriberUser.
func AddSubscriber(ctx context.Context, js jetstream.JetStream, cfg SubscriberConfig) error {
	if err := CheckSubscriberName(cfg.Name); err != nil {
		return err
	}
	filters, err := events.FilterSubjects(cfg.Kinds, cfg.Ticker)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSubscriber, err)
	}
	want := jetstream.ConsumerConfig{
		Durable: SubscriberConsumer(cfg.Name), Description: "tapedeck: subscriber " + cfg.Name,
		DeliverPolicy: jetstream.DeliverNewPolicy, FilterSubjects: filters,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait,
		MaxDeliver: -1, MaxAckPending: subscriberMaxPending,
	}
	if cfg.From > 0 {
		want.DeliverPolicy, want.OptStartSeq = jetstream.DeliverByStartSequencePolicy, cfg.From
	}
	return provisionConsumer(ctx, js, Tape, want)
}

// RemoveSubscriber deletes a subscriber's durable; ErrNotFound if there is none.
func RemoveSubscriber(ctx context.Context, js jetstream.JetStream, name string) error {
	if err := CheckSubscriberName(name); err != nil {
		return err
	}
	return wrapf(js.DeleteConsumer(ctx, Tape, SubscriberConsumer(name)), "removing subscriber %s", name)
}

// Subscribers lists the subscribers that have a durable.
func Subscribers(ctx context.Context, js jetstream.JetStream) ([]Subscriber, error) {
	tape, err := js.Stream(ctx, Tape)
	if err != nil {
		return nil, wrapf(err, "listing subscribers")
	}
	var subs []Subscriber
	lister := tape.ListConsumers(ctx)
	for info := range lister.Info() {
		name, ok := strings.CutPrefix(info.Name, subscriberPrefix)
		if !ok {
			continue
		}
		filters := info.Config.FilterSubjects
		if info.Config.FilterSubject != "" {
			filters = []string{info.Config.FilterSubject}
		}
		subs = append(subs, Subscriber{Name: name, Filters: filters, Pending: info.NumPending, Unacked: info.NumAckPending})
	}
	return subs, wrapf(lister.Err(), "listing subscribers")
}
