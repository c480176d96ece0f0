package events

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// StreamName is the JetStream stream that is the tape.
const StreamName = "TAPE"

// Malformed is a message of the tape that is not an event, as it came.
type Malformed struct {
	Seq     uint64    // its sequence on the tape
	At      time.Time // the tape's timestamp of it
	Subject string
	Header  nats.Header
	Body    []byte
	Err     error // ErrMalformed with what is wrong and where
}

// FromMessage reads an event from a message that a JetStream consumer of the
// tape delivered, for programs with a consumer of their own. On ErrMalformed
// Seq and At of the result are filled all the same.
func FromMessage(msg jetstream.Msg) (Recorded, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Recorded{}, fmt.Errorf("%w: not delivered from a stream: %w", ErrMalformed, err)
	}
	recorded := Recorded{Seq: meta.Sequence.Stream, At: meta.Timestamp.UTC().Truncate(time.Millisecond)}
	recorded.Event, err = Decode(msg.Subject(), msg.Headers(), msg.Data())
	return recorded, err
}

func newMalformed(msg jetstream.Msg, recorded Recorded, err error) Malformed {
	return Malformed{
		Seq: recorded.Seq, At: recorded.At, Subject: msg.Subject(),
		Header: msg.Headers(), Body: msg.Data(), Err: err,
	}
}
