package stream

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
)

// ErrSubscriber says that a subscriber's name or filter is not acceptable.
var ErrSubscriber = errors.New("bad subscriber")

const (
	subscriberPrefix = "sub-"
	// typePrefix is the version of the contract that subscribers filter by.
	typePrefix = "tapedeck.v1."
)

var subscriberName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

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
	Filters []string // subjects; empty: every event
	Pending uint64   // events that it has not fetched yet
	Unacked int      // fetched and not acknowledged
}

// SubscriberConsumer is the name of a subscriber's durable on TAPE, of its
// NATS user, and the tail of its inbox prefix: "sub-NAME".
func SubscriberConsumer(name string) string { return subscriberPrefix + name }

// CheckSubscriberName tells whether a name can be a subscriber's: ErrSubscriber if not.
func CheckSubscriberName(name string) error {
	if !subscriberName.MatchString(name) {
		return fmt.Errorf("%w: name %.64q must match %s", ErrSubscriber, name, subscriberName)
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
	filters, err := subscriberFilters(cfg)
	if err != nil {
		return err
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

// subscriberFilters are the subjects of the wanted kinds. The type says the
// subject: tapedeck.v1.ticker_analyzed is tape.ticker.<job>.<ticker>.analyzed.
func subscriberFilters(cfg SubscriberConfig) ([]string, error) {
	token := "*"
	if cfg.Ticker != "" {
		token = events.EncodeToken(cfg.Ticker)
	}
	if len(cfg.Kinds) == 0 {
		if cfg.Ticker == "" {
			return nil, nil
		}
		return []string{"tape.ticker.*." + token + ".*"}, nil
	}
	var filters []string
	for _, kind := range cfg.Kinds {
		noun, what, ok := strings.Cut(strings.TrimPrefix(string(kind), typePrefix), "_")
		switch {
		case !ok || !strings.HasPrefix(string(kind), typePrefix):
			return nil, fmt.Errorf("%w: %.64q is no type of v1", ErrSubscriber, kind)
		case noun == "ticker":
			filters = append(filters, "tape.ticker.*."+token+"."+events.EncodeToken(what))
		case noun == "job" && cfg.Ticker == "":
			filters = append(filters, "tape.job.*."+events.EncodeToken(what))
		case noun == "job":
			return nil, fmt.Errorf("%w: %s has no ticker to filter by; leave the ticker out or name only outcomes", ErrSubscriber, kind)
		default:
			return nil, fmt.Errorf("%w: %.64q is no type of v1", ErrSubscriber, kind)
		}
	}
	return filters, nil
}
