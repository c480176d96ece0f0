package recorder_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// lost is how many events each case of TestMissing takes from the tape: the 12
// of job gone, and JobQueued and five outcomes of job cut.
const lost = 18

// TestMissing: whatever takes the oldest events from the tape, rebuild and
// verify say what exactly is left and change nothing; if that is accepted,
// verify compares what is left, and after a rebuild of it is silent again.
func TestMissing(t *testing.T) {
	for _, test := range []struct {
		by      string
		rig     func(*testing.T, ...streamtest.Option) *rig
		prepare func(*rig)
		middle  func(*rig) // while exactly what is lost is on the tape
		end     func(*rig)
	}{
		{by: "a limit of messages", rig: newRig, end: (*rig).limitMessages},
		{by: "a limit of bytes", rig: newPostgresRig, end: (*rig).limitBytes},
		{by: "a limit of age", rig: newRig, middle: (*rig).limitAge},
		{by: "a purge", rig: newPostgresRig, prepare: (*rig).allowPurge, end: (*rig).purge},
	} {
		t.Run(test.by, func(t *testing.T) {
			t.Parallel()
			g := test.rig(t)
			for _, do := range []func(*rig){test.prepare, (*rig).recordLost, test.middle, (*rig).recordRest, test.end} {
				if do != nil {
					do(g)
				}
			}
			g.saysWhatIsLeft()
			g.comparesWhatIsLeft()
			g.rebuildsWhatIsLeft()
		})
	}
}

// recordLost puts on the tape what will be lost of it, and has it recorded.
func (g *rig) recordLost() {
	g.t.Helper()
	g.start("one")
	g.job("gone", 10)
	g.awaitJob("gone", "announced", announced)
	g.publish(queued("cut", names("C", 10)...))
	g.outcomesOfCut(0, 5)
	g.awaitTapeEnd()
}

func (g *rig) outcomesOfCut(from, to int) {
	g.t.Helper()
	for _, ticker := range names("C", 10)[from:to] {
		g.publish(analyzed("cut", ticker))
	}
}

func (g *rig) recordRest() {
	g.t.Helper()
	g.outcomesOfCut(5, 10)
	g.awaitJob("cut", "announced", announced)
	for _, id := range []string{"whole", "whole-too"} {
		g.job(id, 10)
		g.awaitJob(id, "announced", announced)
	}
	g.awaitTapeEnd()
}

func (g *rig) saysWhatIsLeft() {
	t := g.t
	t.Helper()
	before := g.sum()
	_, rebuilt := g.latest.Rebuild(t.Context(), recorder.RebuildRequest{}, nil)
	_, verified := g.verify()
	for _, err := range []error{rebuilt, verified} {
		if !errors.Is(err, recorder.ErrMissing) {
			t.Fatalf("not refused: %v", err)
		}
		for _, want := range []string{"its first event is 19, events 1 to 18 are gone", "of 4 jobs recorded up to 48, 2 can be rebuilt whole (whole and",
			"1 are cut (cut:", "1 are gone", "nothing was changed"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("it does not say %q: %v", want, err)
			}
		}
	}
	if g.sum() != before {
		t.Error("a refusal changed the tables")
	}
}

// comparesWhatIsLeft: rows that the rest of the tape decides are compared, the
// others are counted.
func (g *rig) comparesWhatIsLeft() {
	t := g.t
	t.Helper()
	accept := recorder.VerifyRequest{AcceptMissing: true}
	result, err := g.verifyAs(accept)
	if err != nil {
		t.Fatal(err)
	}
	// Of job gone its row, progress, 10 details, 7 results and 7 indicators; of job
	// cut its row, progress, and each ticker's detail, result, indicators, day and latest day.
	if result.Count != 0 || result.First != lost+1 || result.Seq != 48 || result.NotCompared != 26+52 || result.JobsNotCompared != 2 {
		t.Errorf("%+v", result)
	}
	for _, want := range []string{"begins with event 19", "events 1 to 18", "78 rows, of 2 jobs"} {
		if !strings.Contains(result.Unverified(), want) {
			t.Errorf("it does not say %q: %s", want, result.Unverified())
		}
	}
	for i, statement := range []string{
		`UPDATE results SET score = 0.99 WHERE job_id = 'whole' AND ticker = 'T3.NS'`,
		`DELETE FROM latest WHERE ticker = 'T4.NS'`,
		`UPDATE days SET result_seq = 2 WHERE ticker = 'T4.NS'`, // of job gone; whole-too has a newer one
		`UPDATE progress SET duplicates = 7 WHERE job_id = 'whole-too'`,
		`UPDATE details SET attempts = 9 WHERE job_id = 'cut'`, // nothing tells any more that this is wrong
	} {
		g.tamper(statement)
		result, err := g.verifyAs(accept)
		if want := min(i+1, 4); err != nil || result.Count != want {
			t.Errorf("%d differences after %s, want %d, %v: %s", result.Count, statement, want, err, strings.Join(result.Differences, "\n"))
		}
	}
}

func (g *rig) rebuildsWhatIsLeft() {
	t := g.t
	t.Helper()
	g.provision()
	if _, err := g.latest.Rebuild(t.Context(), recorder.RebuildRequest{AcceptMissing: true}, nil); err != nil {
		t.Fatal(err)
	}
	left, err := g.reader.Jobs(t.Context(), store.JobsQuery{Limit: 10})
	if err != nil || len(left.Items) != 2 {
		t.Errorf("%d jobs were rebuilt, %v", len(left.Items), err)
	}
	// JobCompleted and five outcomes of job cut are on the tape without their job.
	if _, n, err := g.reader.Poisoned(t.Context(), 10); err != nil || n != 6 {
		t.Errorf("%d events were set aside, %v", n, err)
	}
	g.job("after", 5)
	g.awaitJob("after", "announced", announced)
	g.awaitTapeEnd()
	if result := g.verifies(); result.First != lost+1 || result.NotCompared != 0 || result.Unverified() == "" {
		t.Errorf("%+v: %s", result, result.Unverified())
	}
}

// limitMessages and limitBytes let the tape hold only its newest messages, as
// an operator's limit does.
func (g *rig) limitMessages() {
	g.t.Helper()
	g.reconfigure(func(config *jetstream.StreamConfig, state jetstream.StreamState) {
		config.MaxMsgs = int64(state.Msgs - lost)
	})
	g.begins(lost + 1)
}

func (g *rig) limitBytes() {
	g.t.Helper()
	for first := uint64(2); first <= lost+1; first++ { // a byte too few takes the oldest message alone
		g.reconfigure(func(config *jetstream.StreamConfig, state jetstream.StreamState) {
			config.MaxBytes = int64(state.Bytes - 1)
		})
		g.begins(first)
	}
}

// limitAge lets all age out that is on the tape, then takes the limit away as
// the operator is told to.
func (g *rig) limitAge() {
	g.t.Helper()
	const shortest = 100 * time.Millisecond // that the server takes
	g.reconfigure(func(config *jetstream.StreamConfig, _ jetstream.StreamState) {
		config.MaxAge, config.Duplicates = shortest, shortest
	})
	g.begins(lost + 1)
	g.provision()
}

// provision takes a limit away again.
func (g *rig) provision() {
	g.t.Helper()
	if err := stream.Provision(g.t.Context(), g.server.JetStream(streamtest.Admin), stream.Limits{}); err != nil {
		g.t.Fatal(err)
	}
	if have := g.stream().CachedInfo().Config; have.MaxAge != 0 || have.MaxMsgs != -1 || have.MaxBytes != stream.DefaultTapeMaxBytes || have.Discard != jetstream.DiscardNew {
		g.t.Errorf("a limit is left: %+v", have)
	}
}

// allowPurge makes the tape anew without what protects it: the server refuses
// to purge the one that was provisioned, and to take the protection away.
func (g *rig) allowPurge() {
	t := g.t
	t.Helper()
	js := g.server.JetStream(streamtest.Admin)
	tape := g.stream()
	config := tape.CachedInfo().Config
	if err := tape.Purge(t.Context()); err == nil {
		t.Error("a tape that was provisioned can be purged")
	}
	config.DenyPurge = false
	if _, err := js.UpdateStream(t.Context(), config); err == nil {
		t.Error("the protection can be taken away")
	}
	if err := js.DeleteStream(t.Context(), stream.Tape); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

func (g *rig) purge() {
	g.t.Helper()
	if err := g.stream().Purge(g.t.Context(), jetstream.WithPurgeSequence(lost+1)); err != nil {
		g.t.Fatal(err)
	}
	g.begins(lost + 1)
}

func (g *rig) stream() jetstream.Stream {
	g.t.Helper()
	tape, err := g.server.JetStream(streamtest.Admin).Stream(g.t.Context(), stream.Tape)
	if err != nil {
		g.t.Fatal(err)
	}
	return tape
}

// reconfigure gives the tape another limit, at which it drops the oldest.
func (g *rig) reconfigure(change func(*jetstream.StreamConfig, jetstream.StreamState)) {
	g.t.Helper()
	info := g.stream().CachedInfo()
	config := info.Config
	config.Discard = jetstream.DiscardOld
	change(&config, info.State)
	if _, err := g.server.JetStream(streamtest.Admin).UpdateStream(g.t.Context(), config); err != nil {
		g.t.Fatal(err)
	}
}

// begins waits until the tape begins at first.
func (g *rig) begins(first uint64) {
	g.t.Helper()
	await(g.t, fmt.Sprintf("the tape begins at %d", first), func() bool {
		state, err := g.tape.State(g.t.Context())
		if err != nil {
			g.t.Fatal(err)
		}
		if state.First > first {
			g.t.Fatalf("the tape begins at %d", state.First)
		}
		return state.First == first
	})
}
