package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/tapedeck/tapedeck/events"
)

// A TapeClient publishes on the tape and reads from it. Each publish is
// guarded: a fact that is there already is refused, for ever, by whomever it
// was published. A method that the server answered has its word; ErrUnavailable
// means that nobody knows. Safe for concurrent use.
type TapeClient struct {
	js  jetstream.JetStream
	log *slog.Logger
}

// NewTape makes a client of the stream TAPE. A nil logger is silent.
func NewTape(js jetstream.JetStream, log *slog.Logger) *TapeClient {
	return &TapeClient{js: js, log: orSilent(log)}
}

// TapeState is what the server says of the tape.
type TapeState struct {
	Stream   string    // its name, TAPE
	Created  time.Time // another time is another tape
	First    uint64    // the lowest sequence; 1 on a whole tape, Last+1 on an empty one that lost its start
	Last     uint64    // the highest sequence; 0 on an empty tape
	Bytes    uint64
	MaxBytes int64 // -1: no limit
	Messages uint64
	Volatile string // why the server acknowledges before it writes, or never does; empty if the stream's configuration says neither
}

// Publish stores one event and returns its sequence; on return it is durable.
// An outcome is refused while its (job, ticker) has any outcome, a JobQueued
// while anything of its job is there, another event while its own subject has
// one: ErrExists. Undecided answers are tried again,
// with the same id, until ctx ends or half a minute has passed: then
// ErrUnavailable. An attempt may meet what an earlier one stored, so a caller
// to whom "stored by me" matters reads the event after ErrExists and compares.
// Others: ErrFull, ErrTooLarge.
func (c *TapeClient) Publish(ctx context.Context, ev events.Event) (uint64, error) {
	msg, err := Guarded(ev)
	if err != nil {
		return 0, err
	}
	var seq uint64
	err = retry(ctx, c.js.Conn(), c.log, "publishing "+msg.Subject, func(ctx context.Context) error {
		ack, err := c.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
		if err != nil {
			return err
		}
		if ack.Duplicate { // a cluster answers so where a single server says 10071
			return fmt.Errorf("%w: sequence %d", ErrExists, ack.Sequence)
		}
		seq = ack.Sequence
		return nil
	})
	return seq, err
}

// PublishBatch stores all events or none, in order, durable on return: at most
// MaxBatch events and MaxBatchBytes (else ErrTooLarge), guarded as Publish
// does, not two outcomes of one (job, ticker) in one batch or in two at a
// time. ErrExists: at least one guard is taken and nothing was stored now; ask
// Taken which, and send the rest. Retries as Publish does; after ErrExists
// everything may be taken, by an earlier attempt of this call.
func (c *TapeClient) PublishBatch(ctx context.Context, evs []events.Event) error {
	if len(evs) == 0 {
		return nil
	}
	msgs, err := GuardedBatch(evs)
	if err != nil {
		return err
	}
	return PublishAtomic(ctx, c.js, c.log, msgs)
}

// PublishAtomic stores all messages or none, in order, in one stream, durable
// on return: the one door to atomic batches. At most MaxBatch messages and
// MaxBatchBytes (else ErrTooLarge). It sets headers of the messages. Retries
// while nobody knows, as Publish does; ErrExists, ErrFull, ErrUnavailable as there.
func PublishAtomic(ctx context.Context, js jetstream.JetStream, log *slog.Logger, msgs []*nats.Msg) error {
	if len(msgs) == 0 {
		return nil
	}
	if len(msgs) > MaxBatch {
		return fmt.Errorf("publishing a batch: %w: %d messages, at most %d", ErrTooLarge, len(msgs), MaxBatch)
	}
	size := 0
	for _, msg := range msgs {
		if msg.Header == nil {
			msg.Header = nats.Header{} // the library writes into it
		}
		size += msg.Size()
	}
	if size > MaxBatchBytes {
		return fmt.Errorf("publishing a batch: %w: %d bytes, at most %d", ErrTooLarge, size, MaxBatchBytes)
	}
	what := fmt.Sprintf("publishing a batch of %d", len(msgs))
	return retry(ctx, js.Conn(), log, what, func(ctx context.Context) error {
		if len(msgs) == 1 { // a batch costs four fsyncs, a single message one
			ack, err := js.PublishMsg(ctx, msgs[0], jetstream.WithRetryAttempts(0))
			if err == nil && ack.Duplicate {
				return ErrExists
			}
			return err
		}
		_, err := jetstreamext.PublishMsgBatch(ctx, js, msgs, jetstreamext.BatchFlowControl{})
		for _, msg := range msgs {
			msg.Reply = "" // the library leaves its reply subject on the first
		}
		return err
	})
}

// Taken tells for each outcome whether its (job, ticker) has one on the tape,
// of whatever kind. In a cluster an answer may be a moment old: true is true,
// false may be false no more; the guard decides.
func (c *TapeClient) Taken(ctx context.Context, outcomes []events.Data) ([]bool, error) {
	taken := make([]bool, len(outcomes))
	places := make(map[string][]int, len(outcomes))
	var open []string
	for i, data := range outcomes {
		guard := guardOf(data.NATSSubject())
		if places[guard] == nil {
			open = append(open, guard)
		}
		places[guard] = append(places[guard], i)
	}
	for len(open) > 0 {
		asked := open[:min(len(open), maxGetSubjects)]
		open = open[len(asked):]
		found, err := c.takenGuards(ctx, asked)
		if err != nil {
			return nil, fmt.Errorf("looking up which outcomes exist: %w", err)
		}
		for _, guard := range found {
			for _, i := range places[guard] {
				taken[i] = true
			}
		}
	}
	return taken, nil
}

// takenGuards returns those guards that a message of the tape answers to. The
// server stops an answer at a number of bytes and says how many are pending;
// a guard with several messages, which cannot be, could make it refuse the
// number: then the question is halved.
func (c *TapeClient) takenGuards(ctx context.Context, guards []string) ([]string, error) {
	asked := make(map[string]bool, len(guards))
	for _, guard := range guards {
		asked[guard] = true
	}
	var found []string
	for len(asked) > 0 {
		subjects := make([]string, 0, len(asked))
		for guard := range asked {
			subjects = append(subjects, guard)
		}
		var got []string
		var more bool
		err := retry(ctx, c.js.Conn(), c.log, "reading last messages", func(ctx context.Context) error {
			var err error
			got, more, err = lastSubjects(ctx, c.js.Conn(), subjects)
			return err
		})
		if errors.Is(err, errTooMany) && len(guards) > 1 {
			return c.takenHalves(ctx, guards)
		}
		if err != nil {
			return nil, err
		}
		for _, subject := range got {
			if guard := guardOf(subject); asked[guard] {
				delete(asked, guard)
				found = append(found, guard)
			}
		}
		if !more || len(got) == 0 {
			break
		}
	}
	return found, nil
}

func (c *TapeClient) takenHalves(ctx context.Context, guards []string) ([]string, error) {
	low, err := c.takenGuards(ctx, guards[:len(guards)/2])
	if err != nil {
		return nil, err
	}
	high, err := c.takenGuards(ctx, guards[len(guards)/2:])
	return append(low, high...), err
}

// JobEvent reads the event of a job of which there is at most one: what is
// queued, started, cancelled or completed. ErrNotFound: not on the tape, by
// the leader's word. What cannot be decoded is events.ErrMalformed.
func (c *TapeClient) JobEvent(ctx context.Context, jobID, what string) (events.Recorded, error) {
	msg, err := c.get(ctx, getRequest{LastBySubject: events.JobSubject(jobID, what)})
	if err != nil {
		return events.Recorded{}, fmt.Errorf("reading event %s of job %s: %w", what, jobID, err)
	}
	return msg.Decode()
}

// At reads the message with a sequence; ErrNotFound when the tape has none.
func (c *TapeClient) At(ctx context.Context, seq uint64) (Message, error) {
	if seq == 0 {
		return Message{}, fmt.Errorf("reading message 0: %w", ErrNotFound)
	}
	msg, err := c.get(ctx, getRequest{Seq: seq})
	if err != nil {
		return Message{}, fmt.Errorf("reading message %d: %w", seq, err)
	}
	return msg, nil
}

// State asks the server for the tape's state; ErrNoStream when there is none.
func (c *TapeClient) State(ctx context.Context) (TapeState, error) {
	var state TapeState
	err := retry(ctx, c.js.Conn(), c.log, "asking for the tape's state", func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, Tape)
		if err != nil {
			return err
		}
		state = tapeState(s.CachedInfo())
		return nil
	})
	return state, err
}

func tapeState(info *jetstream.StreamInfo) TapeState {
	return TapeState{
		Stream: info.Config.Name, Created: info.Created.UTC(),
		First: info.State.FirstSeq, Last: info.State.LastSeq, Messages: info.State.Msgs,
		Bytes: info.State.Bytes, MaxBytes: info.Config.MaxBytes, Volatile: volatile(info.Config),
	}
}

type getRequest struct {
	Seq           uint64 `json:"seq,omitempty"`
	LastBySubject string `json:"last_by_subj,omitempty"`
}

// get reads one message, from any replica first: what is on the tape never
// changes, so a found message is right. Only the leader may say "not found".
func (c *TapeClient) get(ctx context.Context, req getRequest) (Message, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return Message{}, fmt.Errorf("encoding a get: %w", err)
	}
	var msg Message
	err = retry(ctx, c.js.Conn(), c.log, "reading a message", func(ctx context.Context) error {
		var err error
		if msg, err = directGet(ctx, c.js.Conn(), Tape, body); err == nil {
			return nil
		}
		msg, err = leaderGet(ctx, c.js.Conn(), Tape, body)
		return err
	})
	return msg, err
}

// Guarded is the message that Publish sends: the event under its guard.
func Guarded(ev events.Event) (*nats.Msg, error) {
	msg, err := events.Encode(ev)
	if errors.Is(err, events.ErrTooLarge) {
		return nil, fmt.Errorf("publishing: %w: %w", ErrTooLarge, err)
	}
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	setGuard(msg, guardOf(msg.Subject))
	return msg, nil
}

// GuardedBatch is the messages that PublishBatch sends. It refuses two events
// under one guard, as the server checks a batch against the state before it.
func GuardedBatch(evs []events.Event) ([]*nats.Msg, error) {
	msgs := make([]*nats.Msg, len(evs))
	guards := make(map[string]bool, len(evs))
	for i, ev := range evs {
		msg, err := Guarded(ev)
		if err != nil {
			return nil, err
		}
		guard := guardOf(msg.Subject)
		if guards[guard] {
			return nil, fmt.Errorf("publishing a batch: two events under %s; the server would store both", guard)
		}
		guards[guard] = true
		msgs[i] = msg
	}
	return msgs, nil
}

// setGuard makes the server refuse msg while any message matches filter.
func setGuard(msg *nats.Msg, filter string) {
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	msg.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, filter)
}

// guardOf is the filter under which an event's subject may have one message:
// an outcome excludes every other outcome of its (job, ticker), and nothing at
// all of a job may come before its JobQueued, as an outcome would take the only
// place of one that counts; anything else excludes only itself.
func guardOf(subject string) string {
	jobID, ticker, what, err := events.ParseSubject(subject)
	switch {
	case err != nil:
		return subject
	case ticker != "":
		return events.TickerSubject(jobID, ticker, "*")
	case what == "queued":
		return "tape.*." + events.EncodeToken(jobID) + ".>"
	}
	return subject
}
