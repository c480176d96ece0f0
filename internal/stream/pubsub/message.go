package pubsub

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
)

// The metadata that a subscriber adds to the message's headers.
const (
	MetaSubject  = "tapedeck-subject"  // the NATS subject
	MetaSeq      = "tapedeck-seq"      // the stream's sequence, decimal
	MetaAttempts = "tapedeck-attempts" // deliveries of this message so far, from 1, decimal

	metaRetryAfter = "tapedeck-retry-after" // see RetryAfter; nanoseconds, decimal
)

// Attempts is how often the message was delivered, this time included.
func Attempts(msg *message.Message) int { return metaInt(msg, MetaAttempts) }

// Seq is the message's sequence in its stream.
func Seq(msg *message.Message) uint64 { return uint64(metaInt(msg, MetaSeq)) }

// RetryAfter says, before the handler fails, that to bring the message again
// earlier than this is in vain: the wait after its Nack is that much longer.
func RetryAfter(msg *message.Message, wait time.Duration) {
	msg.Metadata.Set(metaRetryAfter, strconv.FormatInt(int64(max(wait, 0)), 10))
}

func retryAfter(msg *message.Message) time.Duration {
	return time.Duration(metaInt(msg, metaRetryAfter))
}

// Subject is the NATS subject that the message was stored under.
func Subject(msg *message.Message) string { return msg.Metadata.Get(MetaSubject) }

func metaInt(msg *message.Message, key string) int {
	n, _ := strconv.Atoi(msg.Metadata.Get(key)) // written by toWatermill
	return n
}

// delivery is a message from the server with what the protocol says of it.
type delivery struct {
	msg  *nats.Msg
	meta *nats.MsgMetadata
}

// toWatermill makes the message of the handlers. Its UUID is the message id,
// or, for messages without one, stream and sequence. Of a header with several
// values the first counts.
func (d delivery) toWatermill() *message.Message {
	id := d.msg.Header.Get(nats.MsgIdHdr)
	if id == "" {
		id = d.meta.Stream + "-" + strconv.FormatUint(d.meta.Sequence.Stream, 10)
	}
	out := message.NewMessage(id, d.msg.Data)
	for key, values := range d.msg.Header {
		if len(values) > 0 {
			out.Metadata.Set(key, values[0])
		}
	}
	out.Metadata.Set(MetaSubject, d.msg.Subject)
	out.Metadata.Set(MetaSeq, strconv.FormatUint(d.meta.Sequence.Stream, 10))
	out.Metadata.Set(MetaAttempts, strconv.FormatUint(d.meta.NumDelivered, 10))
	return out
}

// The acknowledgements of the JetStream protocol. They go out without an
// answer: a lost one brings the message again, which handlers must stand.
var (
	ackBytes      = []byte("+ACK")
	progressBytes = []byte("+WPI")
)

// nakBytes gives a message back, for another to have after a delay: a
// millisecond at least, because a server forgets a nak without one when it
// restarts, and then waits for the whole AckWait.
func nakBytes(delay time.Duration) []byte {
	delay = max(delay, time.Millisecond)
	return fmt.Appendf(nil, `-NAK {"delay": %d}`, delay.Nanoseconds())
}

// pullRequest is what CONSUMER.MSG.NEXT takes.
type pullRequest struct {
	Batch     int           `json:"batch"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Expires   time.Duration `json:"expires,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
}

func (r pullRequest) encode() []byte {
	data, _ := json.Marshal(r) // numbers and a bool
	return data
}

// The status codes by which the server answers a pull request.
const (
	statusHeartbeat    = "100"
	statusNoMessages   = "404"
	statusTimeout      = "408" // expired, or what there was has been sent
	statusConflict     = "409" // the consumer is gone, or its limits are reached
	statusNoResponders = "503"
)
