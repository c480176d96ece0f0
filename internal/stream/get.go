package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// directGet asks any replica of target, a stream, or "stream.subject" for the
// last message of the subject; it fails in whatever way when the message is not there.
func directGet(ctx context.Context, nc *nats.Conn, target string, request []byte) (Message, error) {
	reply, err := nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+target, request)
	if err != nil {
		return Message{}, err
	}
	if reply.Header.Get("Status") == "404" {
		return Message{}, ErrNotFound
	}
	seq, err := strconv.ParseUint(reply.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return Message{}, fmt.Errorf("reading the sequence of a direct get: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, reply.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return Message{}, fmt.Errorf("reading the time of a direct get: %w", err)
	}
	return Message{
		Subject: reply.Header.Get(jetstream.SubjectHeader), Header: reply.Header, Data: reply.Data,
		Seq: seq, At: storedAt(at),
	}, nil
}

// leaderGet asks the stream's leader, whose "not found" is the truth.
func leaderGet(ctx context.Context, nc *nats.Conn, stream string, request []byte) (Message, error) {
	reply, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, request)
	if err != nil {
		return Message{}, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return Message{}, fmt.Errorf("reading the answer to a get: %w", err)
	}
	if answer.Error != nil {
		return Message{}, answer.Error
	}
	if answer.Message == nil {
		return Message{}, fmt.Errorf("reading the answer to a get: no message in %.200q", reply.Data)
	}
	m := answer.Message
	header := nats.Header{}
	if len(m.Header) > 0 {
		if header, err = nats.DecodeHeadersMsg(m.Header); err != nil {
			return Message{}, fmt.Errorf("reading the headers of message %d: %w", m.Seq, err)
		}
	}
	return Message{Subject: m.Subject, Header: header, Data: m.Data, Seq: m.Seq, At: storedAt(m.Time)}, nil
}

// errTooMany says that a multi-get asked for more subjects than the server gives.
var errTooMany = errors.New("too many subjects in one multi-get")

// lastSubjects returns the subjects of the last message under each filter, and
// whether there are more than fit into one answer. The server sends the
// messages too; lastBytes bounds them.
func lastSubjects(ctx context.Context, nc *nats.Conn, filters []string) (subjects []string, more bool, err error) {
	body, err := json.Marshal(map[string]any{"multi_last": filters, "max_bytes": lastBytes})
	if err != nil {
		return nil, false, fmt.Errorf("encoding a multi-get: %w", err)
	}
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return nil, false, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone, and the subscription with it
	if err := nc.PublishRequest("$JS.API.DIRECT.GET."+Tape, sub.Subject, body); err != nil {
		return nil, false, err
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, false, err
		}
		switch status := msg.Header.Get("Status"); status {
		case "": // a message
			subjects = append(subjects, msg.Header.Get(jetstream.SubjectHeader))
		case "204": // the end of the answer
			return subjects, msg.Header.Get("Nats-Num-Pending") != "0", nil
		case "404":
			return subjects, false, nil
		case "413":
			return nil, false, errTooMany
		case "503":
			return nil, false, nats.ErrNoResponders
		default:
			return nil, false, fmt.Errorf("multi-get refused: %s %s", status, msg.Header.Get("Description"))
		}
	}
}
