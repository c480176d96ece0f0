package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
)

// An Item is one work item: analyse this ticker for that job. It carries all
// that an analyzer needs but the strategy document, which it reads once per
// job from JobQueued.
type Item struct {
	JobID        string         `json:"job_id"`
	Ticker       string         `json:"ticker"` // canonical
	Lane         Lane           `json:"lane"`
	Kind         events.Kind    `json:"kind"`
	StrategyHash string         `json:"strategy_hash"`
	Capital      float64        `json:"capital"`
	Options      events.Options `json:"options"`
	Deadline     time.Time      `json:"deadline"` // after it the ticker fails
}

// Subject is where the item stands in the queue: work.<lane>.<job>.<ticker>.
func (i Item) Subject() string {
	return "work." + i.Lane.Name() + "." + events.EncodeToken(i.JobID) + "." + events.EncodeToken(i.Ticker)
}

// guard is the filter that the item's message excludes others from, in
// whatever lane.
func (i Item) guard() string {
	return "work.*." + events.EncodeToken(i.JobID) + "." + events.EncodeToken(i.Ticker)
}

// Message is the item as Dispatch sends it, under its guard.
func (i Item) Message() (*nats.Msg, error) {
	body, err := json.Marshal(i)
	if err != nil {
		return nil, fmt.Errorf("encoding the work item of %s in job %s: %w", i.Ticker, i.JobID, err)
	}
	msg := nats.NewMsg(i.Subject())
	msg.Data = body
	setGuard(msg, i.guard())
	return msg, nil
}

// DecodeItem reads an item from the body of a message of WORK. An error means
// that the message is not one: it can only be dropped.
func DecodeItem(data []byte) (Item, error) {
	var item Item
	if err := json.Unmarshal(data, &item); err != nil {
		return Item{}, fmt.Errorf("decoding a work item: %.300v", err) // it may quote the item whole
	}
	if item.JobID == "" || item.Ticker == "" || item.Lane < LaneSmall || item.Lane > LaneHuge {
		return Item{}, fmt.Errorf("decoding a work item: job %.64q, ticker %.64q, lane %d", item.JobID, item.Ticker, item.Lane)
	}
	return item, nil
}

// dispatchRounds is how often DispatchMissing asks what is outstanding before
// it gives up: each round but the last was refused because another dispatcher
// of the same job was faster.
const dispatchRounds = 10

// A WorkClient fills and watches the work queue. Safe for concurrent use.
type WorkClient struct {
	js  jetstream.JetStream
	log *slog.Logger
}

// NewWork makes a client of the stream WORK. A nil logger is silent.
func NewWork(js jetstream.JetStream, log *slog.Logger) *WorkClient {
	return &WorkClient{js: js, log: orSilent(log)}
}

// Dispatch queues all items or none, durable on return: at most MaxBatch, each
// refused while its (job, ticker) is outstanding. ErrExists: at least one is,
// and nothing was queued now (or an earlier attempt of this call queued all).
// Items carry no message id: a purged one may be queued again at once.
// Others: ErrFull, ErrUnavailable, ErrTooLarge.
func (c *WorkClient) Dispatch(ctx context.Context, items []Item) error {
	if len(items) == 0 {
		return nil
	}
	msgs := make([]*nats.Msg, len(items))
	for i, item := range items {
		msg, err := item.Message()
		if err != nil {
			return err
		}
		msgs[i] = msg
	}
	return PublishAtomic(ctx, c.js, c.log, msgs)
}

// DispatchMissing queues those items that are not outstanding, in batches of
// at most MaxBatch, and returns how many it queued itself. All items are of
// one job. Items with an outcome are the caller's to leave out.
func (c *WorkClient) DispatchMissing(ctx context.Context, items []Item) (sent int, err error) {
	return DispatchMissing(ctx, c, items)
}

// A Queue is what DispatchMissing needs of WORK; *WorkClient is one.
type Queue interface {
	// Dispatch queues all items or none; ErrExists.
	Dispatch(ctx context.Context, items []Item) error
	// Outstanding is the set of a job's tickers with an item in the queue.
	Outstanding(ctx context.Context, jobID string) (map[string]bool, error)
}

// DispatchMissing is WorkClient.DispatchMissing on any queue.
func DispatchMissing(ctx context.Context, queue Queue, items []Item) (sent int, err error) {
	for len(items) > 0 {
		chunk := items[:min(len(items), MaxBatch)]
		items = items[len(chunk):]
		n, err := dispatchChunk(ctx, queue, chunk)
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func dispatchChunk(ctx context.Context, queue Queue, chunk []Item) (int, error) {
	var err error
	for range dispatchRounds {
		if len(chunk) == 0 {
			return 0, nil
		}
		if err = queue.Dispatch(ctx, chunk); err == nil {
			return len(chunk), nil
		}
		if !errors.Is(err, ErrExists) {
			return 0, err
		}
		outstanding, err := queue.Outstanding(ctx, chunk[0].JobID)
		if err != nil {
			return 0, err
		}
		var rest []Item
		for _, item := range chunk {
			if !outstanding[item.Ticker] {
				rest = append(rest, item)
			}
		}
		chunk = rest
	}
	return 0, fmt.Errorf("dispatching job %s: others dispatch it too: %w", chunk[0].JobID, err)
}

// Outstanding is the set of tickers of a job that have a message in the
// queue, delivered or not.
func (c *WorkClient) Outstanding(ctx context.Context, jobID string) (map[string]bool, error) {
	filter := "work.*." + events.EncodeToken(jobID) + ".>"
	var subjects map[string]uint64
	err := retry(ctx, c.js.Conn(), c.log, "looking up the work of job "+jobID, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, Work)
		if err != nil {
			return err
		}
		info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter)) // pages by itself
		if err != nil {
			return err
		}
		subjects = info.State.Subjects
		return nil
	})
	if err != nil {
		return nil, err
	}
	tickers := make(map[string]bool, len(subjects))
	for subject := range subjects {
		ticker, err := events.DecodeToken(subject[strings.LastIndexByte(subject, '.')+1:])
		if err != nil {
			continue // not an item of ours; a worker drops it
		}
		tickers[ticker] = true
	}
	return tickers, nil
}

// Purge removes the items of a job from the queue. Items in the hands of
// workers are gone too, and their acks then mean nothing.
func (c *WorkClient) Purge(ctx context.Context, jobID string) error {
	filter := "work.*." + events.EncodeToken(jobID) + ".>"
	return retry(ctx, c.js.Conn(), c.log, "purging the work of job "+jobID, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, Work)
		if err != nil {
			return err
		}
		return s.Purge(ctx, jetstream.WithPurgeSubject(filter))
	})
}

// Lane is the consumer of a lane; ErrNotFound or ErrNoStream when it is gone.
func (c *WorkClient) Lane(ctx context.Context, lane Lane) (jetstream.Consumer, error) {
	return c.consumer(ctx, Work, lane.Consumer())
}

// DispatchQueue is the consumer that dispatchers share, on TAPE.
func (c *WorkClient) DispatchQueue(ctx context.Context) (jetstream.Consumer, error) {
	return c.consumer(ctx, Tape, DispatchConsumer)
}

func (c *WorkClient) consumer(ctx context.Context, stream, name string) (jetstream.Consumer, error) {
	var consumer jetstream.Consumer
	err := retry(ctx, c.js.Conn(), c.log, "looking up consumer "+name, func(ctx context.Context) error {
		var err error
		consumer, err = c.js.Consumer(ctx, stream, name)
		return err
	})
	return consumer, err
}

// Ensure makes WORK and its lanes again when they are gone, with the default
// size and as many replicas as the tape has; what exists it leaves alone. It
// is for the reconciler, which then fills the queue. The new queue's sequences
// are above all of the old one's, which took less than a microsecond each: the
// server knows an ack by its sequence alone, so one for an old item would take
// a new one out.
func (c *WorkClient) Ensure(ctx context.Context) error {
	return retry(ctx, c.js.Conn(), c.log, "restoring the work queue", func(ctx context.Context) error {
		tape, err := c.js.Stream(ctx, Tape)
		if err != nil {
			return err
		}
		lim := Limits{Replicas: tape.CachedInfo().Config.Replicas}.orDefaults()
		if _, err := c.js.Stream(ctx, Work); errors.Is(err, jetstream.ErrStreamNotFound) {
			c.log.Warn("the work queue is gone, making it again")
			config := workConfig(lim)
			config.FirstSeq = uint64(time.Now().UnixMicro())
			_, err = c.js.CreateStream(ctx, config)
			if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				return err
			}
		} else if err != nil {
			return err
		}
		for _, lane := range Lanes() {
			if err := c.ensureLane(ctx, lane); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *WorkClient) ensureLane(ctx context.Context, lane Lane) error {
	_, err := c.js.Consumer(ctx, Work, lane.Consumer())
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	c.log.Warn("a lane's consumer is gone, making it again", "stage", lane.Consumer())
	_, err = c.js.CreateConsumer(ctx, Work, laneConfig(lane))
	if errors.Is(err, jetstream.ErrConsumerExists) {
		return nil
	}
	return err
}
