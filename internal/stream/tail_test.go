package stream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// readTo reads until a sequence and fails unless each follows the one before.
func readTo(t *testing.T, tail *stream.Tail, last, to uint64) uint64 {
	t.Helper()
	for last < to {
		batch, err := tail.Next(within(t), 500)
		ok(t, err)
		if len(batch) == 0 {
			t.Fatal("Next returned nothing and no error")
		}
		for _, msg := range batch {
			if msg.Seq != last+1 {
				t.Fatalf("message %d after %d", msg.Seq, last)
			}
			last = msg.Seq
		}
	}
	return last
}

func fill(t *testing.T, tape *stream.TapeClient, job string, n int) {
	t.Helper()
	evs := outcomes(job, 0, n)
	for len(evs) > 0 {
		chunk := evs[:min(len(evs), stream.MaxBatch)]
		evs = evs[len(chunk):]
		ok(t, tape.PublishBatch(ctx, chunk))
	}
}

func TestTail(t *testing.T) {
	s := streamtest.Server(t)
	fill(t, s.Tape(stream.RoleAnalyzer), "j", 5000)
	for name, nc := range map[string]*nats.Conn{"in-process": s.Conn(stream.RoleRecorder), "tcp": s.ConnTCP(stream.RoleRecorder)} {
		t.Run(name, func(t *testing.T) {
			js, err := jetstream.New(nc)
			ok(t, err)
			tail, err := stream.NewTape(js, nil).Tail(ctx, 1)
			ok(t, err)
			defer tail.Stop()
			batch, err := tail.Next(within(t), 7)
			ok(t, err)
			if len(batch) > 7 {
				t.Errorf("%d messages, at most 7 were asked for", len(batch))
			}
			readTo(t, tail, batch[len(batch)-1].Seq, 5000)
			ev, err := batch[0].Decode()
			ok(t, err)
			if ev.Seq != 1 || ev.Data.(*events.TickerAnalyzed).Ticker != "T0.NS" {
				t.Errorf("first event %+v", ev)
			}
			quiet, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			_, err = tail.Next(quiet, 500)
			wantErr(t, err, context.DeadlineExceeded)
		})
	}
}

// TestTailFromAhead opens a tail at a message that is not written yet.
func TestTailFromAhead(t *testing.T) {
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAnalyzer)
	tail, err := s.Tape(stream.RoleAPI).Tail(ctx, 11)
	ok(t, err)
	defer tail.Stop()
	fill(t, tape, "j", 20)
	readTo(t, tail, 10, 20)
}

// TestTailStop leaves no consumer behind.
func TestTailStop(t *testing.T) {
	s := streamtest.Server(t)
	fill(t, s.Tape(stream.RoleAnalyzer), "j", 10)
	tail, err := s.Tape(stream.RoleAPI).Tail(ctx, 1)
	ok(t, err)
	readTo(t, tail, 0, 10)
	if names := tails(t, s); len(names) != 1 {
		t.Fatalf("consumers of tails: %v, want one", names)
	}
	tail.Stop()
	tail.Stop()
	eventually(t, func() bool { return len(tails(t, s)) == 0 })
}

func tails(t *testing.T, s *streamtest.Embedded) []string {
	t.Helper()
	tape, err := s.JetStream(streamtest.Admin).Stream(ctx, stream.Tape)
	ok(t, err)
	var names []string
	for name := range tape.ConsumerNames(ctx).Name() {
		if name != stream.DispatchConsumer {
			names = append(names, name)
		}
	}
	return names
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatal("it never came true")
		}
		time.Sleep(10 * time.Millisecond) // poll: the server sends no word of it
	}
}

// TestTailAcrossRestart restarts the embedded server between and during reads.
func TestTailAcrossRestart(t *testing.T) {
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAnalyzer)
	fill(t, tape, "a", 1000)
	tail, err := s.Tape(stream.RoleRecorder).Tail(ctx, 1)
	ok(t, err)
	defer tail.Stop()
	last := readTo(t, tail, 0, 200) // more is prefetched
	s.Restart()
	fill(t, tape, "b", 1000)
	last = readTo(t, tail, last, 2000)
	next := make(chan error, 1)
	go func() { // waits while the server goes away and comes back
		batch, err := tail.Next(within(t), 500)
		if err == nil && batch[0].Seq != last+1 {
			err = fmt.Errorf("message %d after %d", batch[0].Seq, last)
		}
		next <- err
	}()
	s.Stop()
	s.Start()
	fill(t, tape, "c", 1)
	ok(t, <-next)
}

// TestTailAcrossKill kills the server's process, several times, while a
// publisher and a tail are at work.
func TestTailAcrossKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a server under load")
	}
	const batches, size = 60, 50
	p := streamtest.Process(t, t.TempDir())
	tape := stream.NewTape(p.JetStream(stream.RoleAnalyzer), nil)
	published := make(chan int)
	go func() {
		defer close(published)
		for i := range batches {
			err := tape.PublishBatch(ctx, outcomes(fmt.Sprint("j", i), 0, size))
			if err != nil && !errors.Is(err, stream.ErrExists) { // an attempt that was stored, its answer lost
				t.Errorf("publishing: %v", err)
				return
			}
			published <- i
		}
	}()
	tail, err := stream.NewTape(p.JetStream(stream.RoleRecorder), nil).Tail(ctx, 1)
	ok(t, err)
	defer tail.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range published {
			if i%20 == 10 {
				p.Kill()
				p.Start()
			}
		}
	}()
	last := readTo(t, tail, 0, batches*size)
	<-done
	state, err := tape.State(ctx)
	ok(t, err)
	if state.Last != last || state.Messages != last {
		t.Errorf("read up to %d, the tape is %+v", last, state)
	}
}

// TestTailLosesItsConsumer deletes the consumer under a waiting tail.
func TestTailLosesItsConsumer(t *testing.T) {
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAnalyzer)
	fill(t, tape, "a", 10)
	tail, err := s.Tape(stream.RoleRecorder).Tail(ctx, 1)
	ok(t, err)
	defer tail.Stop()
	last := readTo(t, tail, 0, 10)
	for _, name := range tails(t, s) {
		ok(t, s.JetStream(streamtest.Admin).DeleteConsumer(ctx, stream.Tape, name))
	}
	fill(t, tape, "b", 10)
	readTo(t, tail, last, 20)
}

// recreate replaces the tape by another, as a restored disk would.
func recreate(t *testing.T, js jetstream.JetStream, first uint64) {
	t.Helper()
	old, err := js.Stream(ctx, stream.Tape)
	ok(t, err)
	cfg := old.CachedInfo().Config
	ok(t, js.DeleteStream(ctx, stream.Tape))
	cfg.FirstSeq = first
	cfg.DenyDelete, cfg.DenyPurge = false, false
	_, err = js.CreateStream(ctx, cfg)
	ok(t, err)
}

func TestTailOnAnotherTape(t *testing.T) {
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAnalyzer)
	fill(t, tape, "a", 10)
	tail, err := s.Tape(stream.RoleRecorder).Tail(ctx, 1)
	ok(t, err)
	defer tail.Stop()
	readTo(t, tail, 0, 10)
	recreate(t, s.JetStream(streamtest.Admin), 0)
	fill(t, tape, "a", 20) // begins with the same messages
	_, err = tail.Next(within(t), 500)
	wantErr(t, err, stream.ErrGap)
}

func TestTailWithoutTape(t *testing.T) {
	s := streamtest.Server(t)
	tail, err := s.Tape(stream.RoleRecorder).Tail(ctx, 1)
	ok(t, err)
	defer tail.Stop()
	ok(t, s.JetStream(streamtest.Admin).DeleteStream(ctx, stream.Tape))
	_, err = tail.Next(within(t), 500)
	wantErr(t, err, stream.ErrNoStream)
}

// TestTailGap deletes a message in the middle of a tape that lets it.
func TestTailGap(t *testing.T) {
	s := streamtest.Server(t)
	admin := s.JetStream(streamtest.Admin)
	recreate(t, admin, 0)
	tape := s.Tape(stream.RoleAnalyzer)
	fill(t, tape, "a", 100)
	js, err := admin.Stream(ctx, stream.Tape)
	ok(t, err)
	ok(t, js.DeleteMsg(ctx, 50))
	tail, err := s.Tape(stream.RoleRecorder).Tail(ctx, 1)
	ok(t, err)
	defer tail.Stop()
	readTo(t, tail, 0, 49)
	_, err = tail.Next(within(t), 500)
	wantErr(t, err, stream.ErrGap)
}

func TestTailBeforeTheFirst(t *testing.T) {
	s := streamtest.Server(t)
	recreate(t, s.JetStream(streamtest.Admin), 100)
	fill(t, s.Tape(stream.RoleAnalyzer), "a", 10)
	tail, err := s.Tape(stream.RoleRecorder).Tail(ctx, 1)
	if err == nil {
		defer tail.Stop()
		_, err = tail.Next(within(t), 500)
	}
	wantErr(t, err, stream.ErrGap)
}

// TestTailRefilled restarts the server on a tape whose tail was lost and has
// filled again: as long as before, created at the same time, with another
// message in place of the last one read.
func TestTailRefilled(t *testing.T) {
	s := streamtest.Server(t)
	admin := s.JetStream(streamtest.Admin)
	recreate(t, admin, 0)
	tape := s.Tape(stream.RoleAnalyzer)
	fill(t, tape, "a", 5)
	s.Stop()
	copied := copyDir(t, s.Dir())
	s.Start()
	fill(t, tape, "b", 5)
	tail, err := s.Tape(stream.RoleRecorder).Tail(ctx, 1)
	ok(t, err)
	defer tail.Stop()
	readTo(t, tail, 0, 10)
	s.Stop()
	restoreDir(t, copied, s.Dir())
	s.Start()
	fill(t, tape, "c", 20)
	_, err = tail.Next(within(t), 500)
	wantErr(t, err, stream.ErrGap)
}
