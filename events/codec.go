package events

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

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

var (
	// ErrMalformed says that a message is not an event: a header is missing
	// or twice there, the body is not the JSON of its type, or body and
	// subject disagree.
	ErrMalformed = errors.New("malformed event")
	// ErrTooLarge says that the body of an event is above MaxBodyBytes.
	ErrTooLarge = errors.New("event too large")
)

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

// Encode makes the NATS message of an event, with Nats-Msg-Id and without any
// guard. It refuses what Decode would refuse: an event that was published can
// be read. The error is ErrTooLarge, ErrMalformed or that of the JSON (a NaN).
func Encode(event Event) (*nats.Msg, error) {
	data := event.Data
	if data == nil {
		return nil, fmt.Errorf("encoding event %s: %w: no data", event.ID, ErrMalformed)
	}
	body, err := encodeBody(data)
	if err != nil {
		return nil, fmt.Errorf("encoding %s of job %s: %w", data.EventType(), data.Job(), err)
	}
	msg := nats.NewMsg(data.NATSSubject())
	msg.Data = body
	for _, h := range [][2]string{
		{HeaderSpecVersion, specVersion},
		{HeaderID, event.ID},
		{HeaderSource, event.Source},
		{HeaderType, string(data.EventType())},
		{HeaderTime, event.Time.UTC().Format(time.RFC3339Nano)},
		{HeaderSubject, ceSubject(data)},
		{HeaderContentType, contentType},
		{nats.MsgIdHdr, event.ID},
	} {
		msg.Header.Set(h[0], h[1])
	}
	if _, _, err := decodeEnvelope(msg.Header); err != nil {
		return nil, fmt.Errorf("encoding %s of job %s: %w", data.EventType(), data.Job(), err)
	}
	if err := checkRoute(data, msg.Subject, msg.Header); err != nil {
		return nil, fmt.Errorf("encoding %s of job %s: %w", data.EventType(), data.Job(), err)
	}
	return msg, nil
}

// encodeBody leaves '&' and '<' as they are: "M&M.NS" stays readable, and a
// strategy document keeps the bytes that its hash was made of.
func encodeBody(data Data) ([]byte, error) {
	if unknown, ok := data.(*Unknown); ok {
		return unknown.Raw, nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil {
		return nil, err
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return body, checkBody(body)
}

// checkBody refuses a body before anything is made of it.
func checkBody(body []byte) error {
	switch {
	case len(body) > MaxBodyBytes:
		return fmt.Errorf("%w: its body has %d bytes, the limit is %d", ErrTooLarge, len(body), MaxBodyBytes)
	case !utf8.Valid(body): // the decoder would put replacement characters in and go on
		return fmt.Errorf("%w: the body is not UTF-8", ErrMalformed)
	case hasNUL(body):
		return fmt.Errorf("%w: the body holds a NUL character", ErrMalformed)
	}
	return nil
}

func ceSubject(data Data) string {
	switch d := data.(type) {
	case *TickerAnalyzed:
		return d.JobID + "/" + d.Ticker
	case *TickerBacktested:
		return d.JobID + "/" + d.Ticker
	case *TickerFailed:
		return d.JobID + "/" + d.Ticker
	}
	return data.Job()
}

// Decode reads an event from a message's subject, headers and body. A type
// that it does not know gives an *Unknown body and no error; everything else
// that is wrong is ErrMalformed with what and where. Fields of the body that
// it does not know are ignored. The body is not kept, except as Unknown.Raw.
func Decode(subject string, header nats.Header, body []byte) (Event, error) {
	event, kind, err := decodeEnvelope(header)
	if err != nil {
		return Event{}, err
	}
	data := newData(kind)
	if data == nil {
		jobID, _, _, _ := ParseSubject(subject) // an unknown type may come with a subject of its own
		event.Data = &Unknown{Type: kind, Subject: subject, JobID: jobID, Raw: body}
		return event, nil
	}
	if err := checkBody(body); err != nil {
		return Event{}, malformed(err)
	}
	if err := json.Unmarshal(body, data); err != nil {
		return Event{}, fmt.Errorf("%w: body of %s: %w", ErrMalformed, kind, err)
	}
	if err := checkRoute(data, subject, header); err != nil {
		return Event{}, err
	}
	event.Data = data
	return event, nil
}

func malformed(err error) error {
	if errors.Is(err, ErrMalformed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

func decodeEnvelope(header nats.Header) (event Event, kind Type, err error) {
	var version, typeName, at string
	for _, h := range []struct {
		name string
		into *string
	}{
		{HeaderSpecVersion, &version}, {HeaderID, &event.ID}, {HeaderSource, &event.Source},
		{HeaderType, &typeName}, {HeaderTime, &at},
	} {
		if *h.into, err = need(header, h.name); err != nil {
			return Event{}, "", err
		}
	}
	if version != specVersion {
		return Event{}, "", fmt.Errorf("%w: %s is %.16q, not %q", ErrMalformed, HeaderSpecVersion, version, specVersion)
	}
	when, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return Event{}, "", fmt.Errorf("%w: %s: %.64q is not RFC 3339", ErrMalformed, HeaderTime, at)
	}
	event.Time = when.UTC()
	return event, Type(typeName), checkContentType(header)
}

// checkRoute holds body, subject and ce-subject together. A body without a
// job or ticker has no subject that could be its own.
func checkRoute(data Data, subject string, header nats.Header) error {
	want := data.NATSSubject()
	if want != subject {
		return fmt.Errorf("%w: the body belongs to subject %.128q, it came on %.128q", ErrMalformed, want, subject)
	}
	if _, ok := data.(*Unknown); ok {
		return nil
	}
	if _, _, _, err := ParseSubject(want); err != nil {
		return fmt.Errorf("%w: the body names no job or no ticker: %w", ErrMalformed, err)
	}
	about, err := one(header, HeaderSubject)
	if err != nil {
		return err
	}
	if about != "" && about != ceSubject(data) {
		return fmt.Errorf("%w: %s is %.128q, the body says %.128q", ErrMalformed, HeaderSubject, about, ceSubject(data))
	}
	return nil
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
	case TypeTickerBacktested:
		return &TickerBacktested{}
	case TypeTickerFailed:
		return &TickerFailed{}
	}
	return nil
}
