package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// A server is what the product talks to through its clients: the simulated
// streams, or a nats-server. Each statement below holds for both, so that the
// model cannot drift from what it stands for.
type server interface {
	tapePort
	workPort
	// raw stores messages as anybody can, all or none, without the clients' checks.
	raw(msgs ...*nats.Msg) error
	// pull draws at most n messages from a consumer; less if there are less now.
	pull(consumer string, n int) []pulled
	// tail follows the tape from a sequence.
	tail(from uint64) (follower, error)
	// pass lets time pass.
	pass(d time.Duration)
	// ackWait and window are the times of this server's consumers and of its message ids.
	ackWait() time.Duration
	window() time.Duration

	limitPending(consumer string, most int)
	remakeConsumer(consumer string)
	loseWork()
	remakeTape()
	fill()
}

type tapePort interface {
	Publish(ctx context.Context, ev events.Event) (uint64, error)
	PublishBatch(ctx context.Context, evs []events.Event) error
	Taken(ctx context.Context, outcomes []events.Data) ([]bool, error)
	JobEvent(ctx context.Context, jobID, what string) (events.Recorded, error)
	At(ctx context.Context, seq uint64) (stream.Message, error)
	State(ctx context.Context) (stream.TapeState, error)
}

type workPort interface {
	Dispatch(ctx context.Context, items []stream.Item) error
	DispatchMissing(ctx context.Context, items []stream.Item) (int, error)
	Outstanding(ctx context.Context, jobID string) (map[string]bool, error)
	Purge(ctx context.Context, jobID string) error
	Ensure(ctx context.Context) error
}

// A pulled message is a delivery; count is from 1.
type pulled struct {
	subject   string
	seq       uint64
	count     int
	ack, beat func()
	nak       func(d time.Duration)
}

// A follower is an open tail. next returns nothing if nothing comes for a while.
type follower interface {
	next(most int) ([]stream.Message, error)
}

const smallLane = "lane-s"

func done(job, ticker string) events.Event {
	return events.New("test", began, &events.TickerAnalyzed{JobID: job, Ticker: ticker, Kind: events.KindAnalysis})
}

func failing(job, ticker string) events.Event {
	return events.New("test", began, &events.TickerFailed{JobID: job, Ticker: ticker, Kind: events.KindAnalysis})
}

func queueing(job string) events.Event {
	return events.New("test", began, &events.JobQueued{JobID: job, Kind: events.KindAnalysis, Tickers: []string{"A"}, Strategy: []byte("{}")})
}

func itemOf(job, ticker string, lane stream.Lane) stream.Item {
	return stream.Item{JobID: job, Ticker: ticker, Lane: lane, Kind: events.KindAnalysis}
}

func plain(subject, id string) *nats.Msg {
	msg := nats.NewMsg(subject)
	msg.Data = []byte("x")
	if id != "" {
		msg.Header.Set(nats.MsgIdHdr, id)
	}
	return msg
}

func guardedMsg(t *testing.T, ev events.Event) *nats.Msg {
	t.Helper()
	msg, err := stream.Guarded(ev)
	must(t, err)
	return msg
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// holds reports the tape's subjects, and that its sequences begin at 1 and have no gap.
func holds(t *testing.T, s server, subjects ...string) {
	t.Helper()
	state, err := s.State(context.Background())
	must(t, err)
	var got []string
	for seq := uint64(1); seq <= state.Last; seq++ {
		msg, err := s.At(context.Background(), seq)
		must(t, err)
		if msg.Seq != seq {
			t.Errorf("message %d says that it is %d", seq, msg.Seq)
		}
		got = append(got, msg.Subject)
	}
	if diff := cmp.Diff(subjects, got); diff != "" {
		t.Errorf("the tape holds (-want +got):\n%s", diff)
	}
	if _, err := s.At(context.Background(), state.Last+1); !errors.Is(err, stream.ErrNotFound) {
		t.Errorf("behind the end: %v", err)
	}
}

// got says the deliveries in a few words: "subject#count".
func got(list []pulled) []string {
	var texts []string
	for _, d := range list {
		texts = append(texts, fmt.Sprintf("%s#%d", workKey(d.subject), d.count))
	}
	return texts
}

func pulls(t *testing.T, s server, n int, want ...string) []pulled {
	t.Helper()
	list := s.pull(smallLane, n)
	if diff := cmp.Diff(want, got(list)); diff != "" {
		t.Fatalf("delivered (-want +got):\n%s", diff)
	}
	return list
}

func items(job string, tickers ...string) (list []stream.Item) {
	for _, ticker := range tickers {
		list = append(list, itemOf(job, ticker, stream.LaneSmall))
	}
	return list
}

// TestConformance holds the simulated streams and a nats-server to the same statements.
func TestConformance(t *testing.T) {
	statements := slices.Concat(tapeStatements, workStatements)
	var groups sync.WaitGroup // not t.Parallel, which has one for each processor: most of it is waiting
	defer groups.Wait()
	for group := range conformanceGroups {
		groups.Go(func() {
			t.Run(fmt.Sprint("group ", group), func(t *testing.T) {
				embedded := streamtest.Server(t)
				for i := group; i < len(statements); i += conformanceGroups {
					one := statements[i]
					t.Run(one.name+"/simulated", func(t *testing.T) { one.test(t, newSimulated(t)) })
					t.Run(one.name+"/nats-server", func(t *testing.T) { one.test(t, newReal(t, embedded)) })
				}
			})
		})
	}
}

// conformanceGroups is how many nats-servers are started, each for its share.
const conformanceGroups = 12

type statement struct {
	name string
	test func(t *testing.T, s server)
}

var tapeStatements = []statement{
	{"a guard refuses the second of a fact", func(t *testing.T, s server) {
		ctx := context.Background()
		seq, err := s.Publish(ctx, queueing("j"))
		must(t, err)
		if seq != 1 {
			t.Errorf("sequence %d", seq)
		}
		other := queueing("j")
		other.ID = "another"
		_, err = s.Publish(ctx, other)
		fails(t, err, stream.ErrExists)
		holds(t, s, "tape.job.j.queued")
	}},
	{"one outcome of a ticker excludes every other", func(t *testing.T, s server) {
		ctx := context.Background()
		_, err := s.Publish(ctx, done("j", "A"))
		must(t, err)
		_, err = s.Publish(ctx, failing("j", "A"))
		fails(t, err, stream.ErrExists)
		_, err = s.Publish(ctx, failing("j", "AB"))
		must(t, err)
		_, err = s.Publish(ctx, failing("jj", "A"))
		must(t, err)
		holds(t, s, "tape.ticker.j.A.analyzed", "tape.ticker.j.AB.failed", "tape.ticker.jj.A.failed")
	}},
	{"anything of a job refuses its JobQueued", func(t *testing.T, s server) {
		ctx := context.Background()
		must(t, s.raw(plain("tape.ticker.j.A.failed", "")))
		_, err := s.Publish(ctx, queueing("j"))
		fails(t, err, stream.ErrExists)
		_, err = s.Publish(ctx, queueing("jj"))
		must(t, err)
		holds(t, s, "tape.ticker.j.A.failed", "tape.job.jj.queued")
	}},
	{"a batch is stored in order", func(t *testing.T, s server) {
		must(t, s.PublishBatch(context.Background(), []events.Event{done("j", "C"), failing("j", "A"), done("j", "B")}))
		holds(t, s, "tape.ticker.j.C.analyzed", "tape.ticker.j.A.failed", "tape.ticker.j.B.analyzed")
	}},
	{"one taken guard refuses the whole batch", func(t *testing.T, s server) {
		ctx := context.Background()
		must(t, s.raw(plain("tape.ticker.j.B.failed", "")))
		fails(t, s.PublishBatch(ctx, []events.Event{done("j", "A"), done("j", "B"), done("j", "C")}), stream.ErrExists)
		holds(t, s, "tape.ticker.j.B.failed")
		taken, err := s.Taken(ctx, []events.Data{done("j", "A").Data, failing("j", "B").Data, done("j", "B").Data})
		must(t, err)
		if diff := cmp.Diff([]bool{false, true, true}, taken); diff != "" {
			t.Errorf("taken (-want +got):\n%s", diff)
		}
	}},
	{"the guards of a batch look at the state before it", func(t *testing.T, s server) {
		must(t, s.raw(guardedMsg(t, done("j", "A")), guardedMsg(t, failing("j", "A"))))
		holds(t, s, "tape.ticker.j.A.analyzed", "tape.ticker.j.A.failed")
	}},
	{"a message id is remembered for the window", func(t *testing.T, s server) {
		must(t, s.raw(plain("tape.x", "id")))
		fails(t, s.raw(plain("tape.y", "id")), stream.ErrExists)
		fails(t, s.raw(plain("tape.a", "new"), plain("tape.b", "id")), stream.ErrExists)
		must(t, s.raw(plain("tape.z", "other")))
		s.pass(s.window() * 2)
		must(t, s.raw(plain("tape.y", "id")))
		holds(t, s, "tape.x", "tape.z", "tape.y")
	}},
	{"one id twice in a batch refuses it", func(t *testing.T, s server) {
		fails(t, s.raw(plain("tape.a", "id"), plain("tape.b", "id")), stream.ErrExists)
		holds(t, s)
	}},
	{"a full tape refuses, whole batches too", func(t *testing.T, s server) {
		ctx := context.Background()
		s.fill()
		before, err := s.State(ctx)
		must(t, err)
		_, err = s.Publish(ctx, queueing("j"))
		fails(t, err, stream.ErrFull)
		fails(t, s.PublishBatch(ctx, []events.Event{done("j", "A"), done("j", "B")}), stream.ErrFull)
		after, err := s.State(ctx)
		must(t, err)
		if after.Last != before.Last {
			t.Errorf("the tape ended at %d, now at %d", before.Last, after.Last)
		}
	}},
	{"events of a job are found by their names", func(t *testing.T, s server) {
		ctx := context.Background()
		_, err := s.JobEvent(ctx, "j", "queued")
		fails(t, err, stream.ErrNotFound)
		_, err = s.Publish(ctx, queueing("j"))
		must(t, err)
		recorded, err := s.JobEvent(ctx, "j", "queued")
		must(t, err)
		if recorded.Seq != 1 || recorded.Data.Job() != "j" {
			t.Errorf("found %+v", recorded)
		}
		must(t, s.raw(plain("tape.job.j.cancelled", "")))
		_, err = s.JobEvent(ctx, "j", "cancelled")
		fails(t, err, events.ErrMalformed)
	}},
	{"a tail begins where it is asked to, and goes on", func(t *testing.T, s server) {
		for i := range 5 {
			must(t, s.raw(plain(fmt.Sprintf("tape.%d", i+1), "")))
		}
		tail, err := s.tail(3)
		must(t, err)
		follows(t, tail, 2, 3, 4)
		follows(t, tail, 9, 5)
		follows(t, tail, 9)
		must(t, s.raw(plain("tape.6", "")))
		follows(t, tail, 9, 6)
	}},
	{"a tail may begin behind the end", func(t *testing.T, s server) {
		tail, err := s.tail(1)
		must(t, err)
		follows(t, tail, 9)
		must(t, s.raw(plain("tape.1", "")))
		follows(t, tail, 9, 1)
	}},
	{"a tail does not go on with another tape", func(t *testing.T, s server) {
		must(t, s.raw(plain("tape.1", "")))
		tail, err := s.tail(1)
		must(t, err)
		follows(t, tail, 9, 1)
		s.remakeTape()
		must(t, s.raw(plain("tape.1", "")))
		must(t, s.raw(plain("tape.2", "")))
		for range 20 {
			if _, err = tail.next(9); err != nil {
				break
			}
		}
		fails(t, err, stream.ErrGap)
	}},
	{"dispatchers share what is queued, and nothing else", func(t *testing.T, s server) {
		ctx := context.Background()
		_, err := s.Publish(ctx, done("j", "A"))
		must(t, err)
		for _, job := range []string{"k", "l"} {
			_, err := s.Publish(ctx, queueing(job))
			must(t, err)
		}
		first, second := s.pull("dispatch", 1), s.pull("dispatch", 9)
		if len(first) != 1 || len(second) != 1 || first[0].subject != "tape.job.k.queued" || second[0].subject != "tape.job.l.queued" {
			t.Fatalf("delivered %v and %v", got(first), got(second))
		}
		first[0].ack()
		s.pass(s.ackWait() * 3 / 2)
		again := s.pull("dispatch", 9)
		if len(again) != 1 || again[0].subject != "tape.job.l.queued" || again[0].count != 2 {
			t.Errorf("delivered again: %v", got(again))
		}
	}},
}

func follows(t *testing.T, tail follower, most int, want ...uint64) {
	t.Helper()
	var seqs []uint64
	for range len(want) + 1 {
		batch, err := tail.next(most - len(seqs))
		must(t, err)
		for _, msg := range batch {
			seqs = append(seqs, msg.Seq)
		}
		if len(batch) == 0 || len(seqs) >= most {
			break
		}
	}
	if diff := cmp.Diff(want, seqs); diff != "" {
		t.Fatalf("followed (-want +got):\n%s", diff)
	}
}
