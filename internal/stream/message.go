package stream

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
)

// A Message is one message of the tape as it stands there.
type Message struct {
	Subject string
	Header  nats.Header
	Data    []byte
	Seq     uint64    // from 1, without gaps
	At      time.Time // when the server stored it: UTC, cut to milliseconds
}

// Anchor is a fingerprint of the message and when it was stored: 32 hex digits,
// the first 16 bytes of the SHA-256 of subject, event id and body, then "@" and
// the tape's time in milliseconds. A checkpoint keeps that of its last message,
// and finds by it whether the tape is still the same one. The time tells a fact
// that a tape lost and was told again, such as a JobStarted, which is the same
// to the byte; what stands before it may be another history.
func (m Message) Anchor() string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(m.Subject), []byte(m.Header.Get(events.HeaderID)), m.Data} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]) + "@" + strconv.FormatInt(m.At.UnixMilli(), 10)
}

// SameAnchor reports whether two anchors are of one message. Those that were
// kept by programs before this one have no time: then the rest decides.
func SameAnchor(a, b string) bool {
	messageA, atA, timedA := strings.Cut(a, "@")
	messageB, atB, timedB := strings.Cut(b, "@")
	return messageA == messageB && (!timedA || !timedB || atA == atB)
}

// Decode reads the event. What is not one is events.ErrMalformed; a type that
// this program does not know is an *events.Unknown and no error.
func (m Message) Decode() (events.Recorded, error) {
	event, err := events.Decode(m.Subject, m.Header, m.Data)
	if err != nil {
		return events.Recorded{}, fmt.Errorf("decoding message %d: %w", m.Seq, err)
	}
	return events.Recorded{Event: event, Seq: m.Seq, At: m.At}, nil
}

func storedAt(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func messageOf(msg jetstream.Msg, meta *jetstream.MsgMetadata) Message {
	return Message{
		Subject: msg.Subject(), Header: msg.Headers(), Data: msg.Data(),
		Seq: meta.Sequence.Stream, At: storedAt(meta.Timestamp),
	}
}
