package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

const subscriberName = "chaos"

// A watch is all that is told to clients that follow, over server-sent events
// and as a subscriber of the tape, whatever breaks in between.
type watch struct {
	t      *testing.T
	client *client.Client
	ctx    context.Context // ends with the watching
	group  sync.WaitGroup
	slots  chan struct{}

	mu      sync.Mutex // guards all below
	jobs    map[string]*followed
	all     map[uint64]string // ticker events of the stream of all jobs: sequence to job/ticker
	last    uint64
	resyncs [][2]uint64     // sequences (from, to] that a client was told to read anew
	subs    map[uint64]bool // sequences that the subscriber got
	again   int             // that it got more than once
	rejoins int             // how often the subscriber left and came back
}

// A followed is what a client was told of one job.
type followed struct {
	tickers map[string]uint64
	last    uint64
	ended   bool
	wrong   error
}

func newWatch(ctx context.Context, t *testing.T, c *client.Client) *watch {
	return &watch{
		t: t, client: c, ctx: ctx, slots: make(chan struct{}, followers),
		jobs: map[string]*followed{}, all: map[uint64]string{}, subs: map[uint64]bool{},
	}
}

// follow follows a job to its end, if not too many are followed already.
func (w *watch) follow(job *accepted) {
	select {
	case w.slots <- struct{}{}:
	default:
		return
	}
	f := &followed{tickers: map[string]uint64{}}
	w.mu.Lock()
	w.jobs[job.id] = f
	w.mu.Unlock()
	w.group.Go(func() {
		defer func() { <-w.slots }()
		err := w.client.Follow(w.ctx, job.id, func(event client.Event) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			f.take(event)
			return true
		})
		if err != nil && w.ctx.Err() == nil {
			w.t.Errorf("following job %s: %v", job.id, err)
		}
	})
}

// A told is the body of any event of a stream.
type told struct {
	JobID  string `json:"job_id"`
	Ticker string `json:"ticker"`
	AsOf   uint64 `json:"as_of_seq"`
}

func (f *followed) take(event client.Event) {
	switch event.Name {
	case "end":
		f.ended = true
	case "ticker":
		var data told
		seq, err := strconv.ParseUint(event.ID, 10, 64)
		if err == nil {
			err = json.Unmarshal(event.Data, &data)
		}
		if err == nil && seq <= f.last {
			err = fmt.Errorf("event %d came after %d", seq, f.last)
		}
		if err != nil && f.wrong == nil {
			f.wrong = err
		}
		f.last = seq
		f.tickers[data.Ticker] = seq
	}
}

// everything follows all jobs until the end of the watching.
func (w *watch) everything() {
	err := w.client.Follow(w.ctx, "", func(event client.Event) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		var data told
		if err := json.Unmarshal(event.Data, &data); err != nil {
			w.t.Errorf("event %s is %q: %v", event.Name, event.Data, err)
			return true
		}
		if event.Name == "resync" {
			w.resyncs = append(w.resyncs, [2]uint64{w.last, data.AsOf})
			w.last = data.AsOf
		}
		if event.ID == "" {
			return true
		}
		seq, err := strconv.ParseUint(event.ID, 10, 64)
		if err != nil {
			w.t.Errorf("event %s has id %q: %v", event.Name, event.ID, err)
			return true
		}
		if event.Name == "ticker" {
			if seq <= w.last {
				w.t.Errorf("the stream of all jobs tells of %d after %d", seq, w.last)
			}
			w.all[seq] = data.JobID + "/" + data.Ticker
		}
		w.last = max(w.last, seq)
		return true
	})
	if w.ctx.Err() == nil {
		w.t.Errorf("following all jobs ended: %v", err)
	}
}

// subscribe is a subscriber that leaves now and then and comes back.
func (w *watch) subscribe(url, password string, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 300))
	for w.ctx.Err() == nil {
		ctx, leave := context.WithTimeout(w.ctx, 2*time.Second+time.Duration(rng.Int64N(int64(8*time.Second))))
		err := w.subscribed(ctx, url, password)
		leave()
		w.mu.Lock()
		w.rejoins++
		w.mu.Unlock()
		if err != nil && w.ctx.Err() == nil { // no server answers: come again
			pause(w.ctx, rng, 500*time.Millisecond)
		}
	}
}

func (w *watch) subscribed(ctx context.Context, url, password string) error {
	nc, err := events.Connect(url, string(streamtest.Admin), password,
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // it prints to the test's output otherwise
	if err != nil {
		return err
	}
	defer nc.Close()
	note := func(seq uint64) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.subs[seq] {
			w.again++
		}
		w.subs[seq] = true
	}
	config := events.SubscribeConfig{
		Name: subscriberName, Logger: slog.New(slog.DiscardHandler), Grace: time.Second,
		OnMalformed: func(_ context.Context, m events.Malformed) error {
			note(m.Seq)
			return nil
		},
	}
	return events.Subscribe(ctx, nc, config, events.Handlers{
		JobQueued:      noting[*events.JobQueued](note),
		JobStarted:     noting[*events.JobStarted](note),
		JobCancelled:   noting[*events.JobCancelled](note),
		JobCompleted:   noting[*events.JobCompleted](note),
		TickerAnalyzed: noting[*events.TickerAnalyzed](note),
		TickerFailed:   noting[*events.TickerFailed](note),
		Unknown:        noting[*events.Unknown](note),
	})
}

func noting[D events.Data](note func(uint64)) func(context.Context, events.Recorded, D) error {
	return func(_ context.Context, recorded events.Recorded, _ D) error {
		note(recorded.Seq)
		return nil
	}
}

// missing are the sequences up to last that the subscriber has not got.
func (w *watch) missing(last uint64) (list []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for seq := uint64(1); seq <= last; seq++ {
		if !w.subs[seq] {
			list = append(list, seq)
		}
	}
	return list
}
