package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// directGet asks any replica; it fails in whatever way when the message is not there.
func directGet(ctx context.Context, nc *nats.Conn, request []byte) (Message, error) {
	reply, err := nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+Tape, request)
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
func leaderGet(ctx context.Context, nc *nats.Conn, request []byte) (Message, error) {
	reply, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+Tape, request)
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
