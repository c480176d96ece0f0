// Package stream is all that tapedeck knows of JetStream: the two streams and
// the two buckets, their consumers and subjects, who may do what on them (this
// file), and the clients that the stages use: TapeClient and Tail for the
// tape, WorkClient for the work queue, Bucket for what analyzers share of
// their market data, ServeControl and CallControl for requests to a process.
package stream

import (
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
)

// The streams, the one shared consumer of the tape, and the buckets (a bucket
// is a stream by the rules of NATS key-value stores, so that their tools show it).
const (
	Tape             = "TAPE"     // the facts: every event, never deleted, the truth
	Work             = "WORK"     // the work queue: what analyzers have yet to do; can be rebuilt
	DispatchConsumer = "dispatch" // on TAPE: the dispatchers share the queued jobs

	MarketBucket = "market" // stream KV_market: the providers' rates, and the tickers that the market lists
	BarsBucket   = "bars"   // stream KV_bars: bars that analyzers share; a cache, all of it can be lost
)

// The subjects.
//
//	tape.job.<job>.queued|started|cancelled|completed   events of a job
//	tape.ticker.<job>.<ticker>.analyzed|failed          the one outcome of a ticker
//	work.<lane>.<job>.<ticker>                          work items
//	$KV.market.limit.<provider>                         when the provider may be asked next
//	$KV.market.list                                     the tickers that the market lists
//	$KV.bars.<key>                                      the bars of one ticker, until they are out of date
//	ctl.recorder.rebuild|verify|status                  requests to the recorder, not stored
const (
	tapeSubjects  = "tape.>"
	workSubjects  = "work.>"
	queuedFilter  = "tape.job.*.queued"
	controlPrefix = "ctl.recorder."
	listKey       = "list"
	limitPrefix   = "limit."
)

// Limits are what an operator sets of the streams. The zero value of a field
// takes its default.
type Limits struct {
	TapeMaxBytes int64 // default DefaultTapeMaxBytes
	WorkMaxBytes int64 // default DefaultWorkMaxBytes
	BarsMaxBytes int64 // default DefaultBarsMaxBytes
	Replicas     int   // copies of each stream in a cluster: 1 (default), 3 or 5
}

// tapeConfig is the stream of facts. A message of it is never deleted, so a
// gap in its sequences always means loss.
func tapeConfig(lim Limits) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Tape, Subjects: []string{tapeSubjects},
		Description: "tapedeck: every event, in order, for ever",
		Retention:   jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, MaxBytes: lim.TapeMaxBytes, MaxMsgSize: maxMessageBytes,
		Replicas: lim.Replicas, Duplicates: duplicateWindow,
		DenyDelete: true, DenyPurge: true,
		AllowAtomicPublish: true, // group commit: one batch costs four fsyncs, whatever its size
		AllowDirect:        true, // events of a job are read by subject
	}
}

// workConfig is the queue of work items. An ack removes an item, so "there is
// a message" means "outstanding", and the guards of work.go rest on it.
func workConfig(lim Limits) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Work, Subjects: []string{workSubjects},
		Description: "tapedeck: tickers that wait for an analyzer",
		Retention:   jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, MaxBytes: lim.WorkMaxBytes, MaxMsgSize: maxMessageBytes,
		Replicas: lim.Replicas, Duplicates: duplicateWindow,
		AllowAtomicPublish: true,
	}
}

// marketConfig is the bucket of small shared state: one message per key.
func marketConfig(lim Limits) jetstream.StreamConfig {
	config := bucketConfig(MarketBucket, lim)
	config.Description = "tapedeck: the providers' shared rates, and the tickers that the market lists"
	config.Discard, config.MaxBytes = jetstream.DiscardNew, marketMaxBytes
	return config
}

// barsConfig is the shared cache of bars. Each message lives as long as its
// bars are up to date; a full bucket drops the oldest, which costs a request
// to the provider when they are wanted again.
func barsConfig(lim Limits) jetstream.StreamConfig {
	config := bucketConfig(BarsBucket, lim)
	config.Description = "tapedeck: bars that analyzers share, a cache"
	config.Discard, config.MaxBytes = jetstream.DiscardOld, lim.BarsMaxBytes
	config.AllowMsgTTL = true
	return config
}

// bucketConfig is what the two buckets have in common. They are on file, so
// that a restarted server neither forgets a provider's pause nor asks for
// everything again.
func bucketConfig(bucket string, lim Limits) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: bucketStream(bucket), Subjects: []string{bucketSubject(bucket, ">")},
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		MaxMsgSize: maxMessageBytes, MaxMsgsPerSubject: 1,
		Replicas: lim.Replicas, Duplicates: duplicateWindow,
		AllowDirect: true,
	}
}

func bucketStream(bucket string) string { return "KV_" + bucket }

func bucketSubject(bucket, key string) string { return "$KV." + bucket + "." + key }

// dispatchConfig is the consumer that the dispatchers share. What was queued
// before it existed the reconciler finds.
func dispatchConfig() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: DispatchConsumer, Description: "tapedeck: queued jobs, shared by the dispatchers",
		FilterSubject: queuedFilter, DeliverPolicy: jetstream.DeliverNewPolicy,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait,
		MaxDeliver: -1, MaxAckPending: dispatchMaxPending,
	}
}

// laneConfig is the consumer of one lane. Attempts are counted by the workers:
// with a MaxDeliver the server would leave an exhausted item in the queue,
// undeliverable. No BackOff: its first entry would replace AckWait.
func laneConfig(lane Lane) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: lane.Consumer(), Description: "tapedeck: work items of lane " + lane.Name(),
		FilterSubject: "work." + lane.Name() + ".>",
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy, AckWait: AckWait,
		MaxDeliver: -1, MaxAckPending: laneMaxPending,
	}
}

// A Role is what a process does, and the name of its NATS user.
type Role string

// The roles. Subscribers have users of their own, see SubscriberPermissions.
const (
	RoleAPI         Role = "api"
	RoleAnalyzer    Role = "analyzer" // the dispatcher runs inside it
	RoleRecorder    Role = "recorder" // the reconciler runs inside it
	RoleProvisioner Role = "provisioner"
)

// Roles lists the roles in the order of nats.conf.
func Roles() []Role { return []Role{RoleAPI, RoleAnalyzer, RoleRecorder, RoleProvisioner} }

// Permissions are the subjects that a user may use. Everything else is refused.
type Permissions struct {
	Publish     []string
	PublishDeny []string // exceptions from Publish
	Subscribe   []string
}

// readTape lets a role read events by subject and sequence, and ask for the
// tape's state. MSG.GET asks the leader, DIRECT.GET any replica.
var readTape = []string{
	"$JS.API.STREAM.INFO.TAPE", "$JS.API.STREAM.MSG.GET.TAPE",
	"$JS.API.DIRECT.GET.TAPE", "$JS.API.DIRECT.GET.TAPE.>",
}

// tailTape lets a role follow the tape with a consumer of its own making. A
// consumer's name is one token, so the shared one is kept out by notDispatch.
var tailTape = []string{
	"$JS.API.CONSUMER.CREATE.TAPE.*", "$JS.API.CONSUMER.DELETE.TAPE.*",
	"$JS.API.CONSUMER.INFO.TAPE.*", "$JS.API.CONSUMER.MSG.NEXT.TAPE.*",
}

var notDispatch = []string{
	"$JS.API.CONSUMER.CREATE.TAPE.dispatch", "$JS.API.CONSUMER.DELETE.TAPE.dispatch",
	"$JS.API.CONSUMER.INFO.TAPE.dispatch", "$JS.API.CONSUMER.MSG.NEXT.TAPE.dispatch",
}

// readList lets the api read one key of a bucket, the list of tickers.
var readList = []string{"$JS.API.DIRECT.GET.KV_market.$KV.market." + listKey}

// shareMarket lets analyzers share rates, bars and the list of tickers: the
// rates are read from the leader (MSG.GET), by whose clock they are kept
// (STREAM.INFO), and written under the condition that nobody wrote meanwhile.
var shareMarket = []string{
	"$JS.API.STREAM.INFO.KV_market", "$JS.API.STREAM.MSG.GET.KV_market",
	"$KV.market." + limitPrefix + "*", "$KV.market." + listKey,
	"$JS.API.DIRECT.GET.KV_bars.$KV.bars.>", "$KV.bars.>",
}

// RolePermissions is the table that nats.conf is generated from: what each
// role does, and nothing more. The second form of $JS.ACK is the one that the
// server's feature flag js_ack_fc_v2 switches to.
func RolePermissions(role Role) Permissions {
	inbox := InboxPrefix(string(role)) + ".>"
	switch role {
	case RoleAPI: // accepts and cancels jobs, reads events back, follows the tape for SSE, reads what the market lists
		return Permissions{
			Publish:     join([]string{"tape.job.*.queued", "tape.job.*.cancelled"}, readTape, tailTape, readList),
			PublishDeny: notDispatch,
			Subscribe:   []string{inbox},
		}
	case RoleAnalyzer: // dispatches queued jobs, works the lanes, publishes outcomes, shares market data
		return Permissions{
			Publish: join([]string{
				"tape.job.*.started", "tape.ticker.>", "work.>",
				"$JS.API.CONSUMER.INFO.TAPE.dispatch", "$JS.API.CONSUMER.MSG.NEXT.TAPE.dispatch",
				"$JS.ACK.TAPE.dispatch.>", "$JS.ACK.*.*.TAPE.dispatch.>",
				"$JS.API.CONSUMER.INFO.WORK.*", "$JS.API.CONSUMER.MSG.NEXT.WORK.*",
				"$JS.ACK.WORK.>", "$JS.ACK.*.*.WORK.>",
				"$JS.API.STREAM.INFO.WORK", "$JS.API.STREAM.PURGE.WORK",
			}, readTape, shareMarket),
			Subscribe: []string{inbox},
		}
	case RoleRecorder: // follows the tape; announces ends, re-dispatches, fails what is past its deadline, mends WORK
		return Permissions{
			Publish: join([]string{
				"tape.job.*.completed", "tape.ticker.*.*.failed", "work.>",
				"$JS.API.STREAM.INFO.WORK", "$JS.API.STREAM.CREATE.WORK",
				"$JS.API.CONSUMER.INFO.WORK.*", "$JS.API.CONSUMER.CREATE.WORK.>",
				InboxPrefix(string(RoleProvisioner)) + ".>", // answers to control requests
			}, readTape, tailTape),
			PublishDeny: notDispatch,
			Subscribe:   []string{inbox, controlPrefix + "*"},
		}
	case RoleProvisioner: // the operator's: streams, consumers, subscribers, control requests; never an event
		return Permissions{
			Publish:   []string{"$JS.API.>", controlPrefix + "*"},
			Subscribe: []string{inbox},
		}
	}
	return Permissions{}
}

// SubscriberPermissions are those of the user of one subscriber: pull and
// acknowledge its own durable, nothing else.
func SubscriberPermissions(name string) Permissions {
	consumer := SubscriberConsumer(name)
	return Permissions{
		Publish: []string{
			"$JS.API.CONSUMER.INFO.TAPE." + consumer, "$JS.API.CONSUMER.MSG.NEXT.TAPE." + consumer,
			"$JS.ACK.TAPE." + consumer + ".>", "$JS.ACK.*.*.TAPE." + consumer + ".>",
		},
		Subscribe: []string{InboxPrefix(consumer) + ".>"},
	}
}

// InboxPrefix is the prefix of a user's reply subjects. Each user has its own,
// because a shared one would let any client read the others' answers.
func InboxPrefix(user string) string { return events.InboxPrefix(user) }

func join(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func (lim Limits) orDefaults() Limits {
	if lim.TapeMaxBytes == 0 {
		lim.TapeMaxBytes = DefaultTapeMaxBytes
	}
	if lim.WorkMaxBytes == 0 {
		lim.WorkMaxBytes = DefaultWorkMaxBytes
	}
	if lim.BarsMaxBytes == 0 {
		lim.BarsMaxBytes = DefaultBarsMaxBytes
	}
	if lim.Replicas == 0 {
		lim.Replicas = 1
	}
	return lim
}

// maxMessageBytes is an event's body and its headers.
const maxMessageBytes = MaxEventBytes + 16<<10

// laneSizes are the largest totals of the lanes s, m and l.
var laneSizes = [...]int{50, 500, 2500}

// A Lane separates jobs by size, so that small ones never wait behind big
// ones. Lower is smaller; the values are 0 to 3.
type Lane int

// The lanes.
const (
	LaneSmall  Lane = iota // up to 50 tickers
	LaneMedium             // up to 500
	LaneLarge              // up to 2,500
	LaneHuge               // more
)

// Lanes lists the lanes from the smallest jobs to the largest.
func Lanes() []Lane { return []Lane{LaneSmall, LaneMedium, LaneLarge, LaneHuge} }

// LaneFor is the lane of a job with total tickers.
func LaneFor(total int) Lane {
	for i, most := range laneSizes {
		if total <= most {
			return Lane(i)
		}
	}
	return LaneHuge
}

// Name is the lane's token in subjects: s, m, l or xl.
func (l Lane) Name() string { return [...]string{"s", "m", "l", "xl"}[l] }

// Consumer is the name of the lane's consumer on WORK.
func (l Lane) Consumer() string { return "lane-" + l.Name() }

// Weight is the lane's share of the workers while all lanes have work: 8, 4, 2 and 1.
func (l Lane) Weight() int { return 8 >> int(l) }

// HeartbeatInterval is how often a handler says that it still works: often
// enough that two lost beats do not cost the message.
const HeartbeatInterval = AckWait / 3
