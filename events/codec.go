package events

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// The headers of the envelope: CloudEvents 1.0 in binary mode.
const (
	HeaderSpecVersion = "ce-specversion"
	HeaderID          = "ce-id"
	HeaderSource      = "ce-source"
	HeaderType        = "ce-type"
	HeaderTime        = "ce-time"
	HeaderSubject     = "ce-subject"
	HeaderContentType = "content-type"
)

const (
	specVersion = "1.0"
	contentType = "application/json"
)

// ErrMalformed says that a message is not an event: a header is missing, the
// body is not the JSON of its type, or body and subject disagree.
var ErrMalformed = errors.New("malformed event")

// New makes an event of data, said by source at a time. Its id follows from
// the fact, so that every publisher of one fact gives it the same id.
func New(source string, at time.Time, data Data) Event {
	return Event{ID: FactID(data), Source: source, Time: at.UTC(), Data: data}
}

// FactID is the id of the fact that data states: a UUID of version 8 from the
// SHA-256 of its type and subject.
func FactID(data Data) string {
	sum := sha256.Sum256([]byte(string(data.EventType()) + "\x00" + data.NATSSubject()))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// Encode makes the NATS message of an event, with Nats-Msg-Id and without any guard.
func Encode(event Event) (*nats.Msg, error) {
	body, err := json.Marshal(event.Data)
	if err != nil {
		return nil, fmt.Errorf("encoding %s of job %s: %w", event.Data.EventType(), event.Data.Job(), err)
	}
	msg := nats.NewMsg(event.Data.NATSSubject())
	msg.Data = body
	msg.Header.Set(HeaderSpecVersion, specVersion)
	msg.Header.Set(HeaderID, event.ID)
	msg.Header.Set(HeaderSource, event.Source)
	msg.Header.Set(HeaderType, string(event.Data.EventType()))
	msg.Header.Set(HeaderTime, event.Time.UTC().Format(time.RFC3339Nano))
	msg.Header.Set(HeaderSubject, ceSubject(event.Data))
	msg.Header.Set(HeaderContentType, contentType)
	msg.Header.Set(nats.MsgIdHdr, event.ID)
	return msg, nil
}

func ceSubject(data Data) string {
	switch d := data.(type) {
	case *TickerAnalyzed:
		return d.JobID + "/" + d.Ticker
	case *TickerFailed:
		return d.JobID + "/" + d.Ticker
	}
	return data.Job()
}

// Decode reads an event from a message's subject, headers and body. A type
// that it does not know gives an *Unknown body and no error; everything else
// that is wrong is ErrMalformed with what and where.
func Decode(subject string, header nats.Header, body []byte) (Event, error) {
	event := Event{ID: header.Get(HeaderID), Source: header.Get(HeaderSource)}
	if event.ID == "" {
		return Event{}, fmt.Errorf("%w: no %s header", ErrMalformed, HeaderID)
	}
	if v := header.Get(HeaderSpecVersion); v != specVersion {
		return Event{}, fmt.Errorf("%w: %s is %.16q, not %q", ErrMalformed, HeaderSpecVersion, v, specVersion)
	}
	at, err := time.Parse(time.RFC3339Nano, header.Get(HeaderTime))
	if err != nil {
		return Event{}, fmt.Errorf("%w: %s: %.64q is not RFC 3339", ErrMalformed, HeaderTime, header.Get(HeaderTime))
	}
	event.Time = at.UTC()
	data := newData(Type(header.Get(HeaderType)))
	if data == nil {
		jobID, _, _, _ := ParseSubject(subject) // an unknown type may come with a subject of its own
		event.Data = &Unknown{Type: Type(header.Get(HeaderType)), Subject: subject, JobID: jobID, Raw: body}
		return event, nil
	}
	if err := json.Unmarshal(body, data); err != nil {
		return Event{}, fmt.Errorf("%w: body of %s: %w", ErrMalformed, data.EventType(), err)
	}
	if want := data.NATSSubject(); want != subject {
		return Event{}, fmt.Errorf("%w: the body belongs to subject %.128q, it came on %.128q", ErrMalformed, want, subject)
	}
	event.Data = data
	return event, nil
}

func newData(t Type) Data {
	switch t {
	case TypeJobQueued:
		return &JobQueued{}
	case TypeJobStarted:
		return &JobStarted{}
	case TypeJobCancelled:
		return &JobCancelled{}
	case TypeJobCompleted:
		return &JobCompleted{}
	case TypeTickerAnalyzed:
		return &TickerAnalyzed{}
	case TypeTickerFailed:
		return &TickerFailed{}
	}
	return nil
}
