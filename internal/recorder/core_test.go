package recorder_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// How long a lease is good for, and how often who has none asks for it.
const (
	leaseTime = 3 * time.Second
	askEvery  = 250 * time.Millisecond
)

// A play drives a core by hand. It keeps the outputs that wait for an answer.
type play struct {
	t    *testing.T
	core *recorder.Core
	now  time.Time
	open []recorder.Output // not answered
	wake time.Time
	end  *recorder.Finish
}

func newPlay(t *testing.T) *play {
	p := &play{t: t, core: recorder.NewCore("me", 1), now: t0}
	p.step(recorder.Tick{})
	return p
}

func (p *play) step(in recorder.Input) {
	p.t.Helper()
	for _, out := range p.core.Step(p.now, in) {
		switch out := out.(type) {
		case recorder.Wake:
			p.wake = out.At
		case recorder.Finish:
			p.end = &out
		default:
			p.open = append(p.open, out)
		}
	}
}

// tick lets time pass until the core wants to be woken.
func (p *play) tick() {
	p.t.Helper()
	if p.wake.After(p.now) {
		p.now = p.wake
	}
	p.step(recorder.Tick{})
}

// want takes the one waiting output of a type.
func want[T recorder.Output](p *play) T {
	p.t.Helper()
	for i, out := range p.open {
		if out, ok := out.(T); ok {
			p.open = append(p.open[:i:i], p.open[i+1:]...)
			return out
		}
	}
	var none T
	p.t.Fatalf("no %T among %v", none, names_(p.open))
	return none
}

func has[T recorder.Output](p *play) bool {
	for _, out := range p.open {
		if _, ok := out.(T); ok {
			return true
		}
	}
	return false
}

func names_(list []recorder.Output) (names []string) {
	for _, out := range list {
		names = append(names, fmt.Sprint(reflect.TypeOf(out)))
	}
	return names
}

var fresh = stream.TapeState{Stream: "TAPE", Created: t0, First: 1}

// lead brings the core to an open tail on a fresh tape.
func (p *play) lead(at store.Position, state stream.TapeState, anchor string) {
	p.t.Helper()
	want[recorder.Acquire](p)
	p.step(recorder.Acquired{Lease: store.Lease{Owner: "me", Epoch: 1, TTL: time.Second, Position: at}})
	check := want[recorder.CheckTape](p)
	p.step(recorder.Checked{Era: check.Era, State: state, Anchor: anchor, Held: anchor != ""})
	if p.end != nil || !has[recorder.Open](p) {
		return
	}
	open := want[recorder.Open](p)
	p.step(recorder.Opened{Era: open.Era})
	want[recorder.Scan](p)
	p.step(recorder.Scanned{})
}

func TestCoreReadsAheadWhileItCommits(t *testing.T) {
	p := newPlay(t)
	p.lead(store.Position{}, fresh, "")
	tape := tapeOf(t, queued("j", "A.NS"), analyzed("j", "A.NS"))
	read := want[recorder.ReadTape](p)
	p.step(recorder.Arrived{Era: read.Era, Messages: tape[:1]})
	want[recorder.Load](p)
	p.step(recorder.Loaded{})
	commit := want[recorder.Commit](p)
	read = want[recorder.ReadTape](p) // asked for while the commit is under way
	p.step(recorder.Arrived{Era: read.Era, Messages: tape[1:]})
	if has[recorder.Commit](p) || commit.Next.Seq != 1 || commit.Next.Anchor != tape[0].Anchor() {
		t.Fatalf("committing %+v and %v", commit.Next, names_(p.open))
	}
	p.step(recorder.Committed{})
	if next := want[recorder.Commit](p); next.Next.Seq != 2 || next.Lease.Position != commit.Next {
		t.Errorf("next commit %+v", next)
	}
	p.step(recorder.Committed{})
	said := want[recorder.Announce](p).Event.Data.(*events.JobCompleted)
	if said.Status != events.StatusCompleted || said.Analyzed != 1 {
		t.Errorf("announced %+v", said)
	}
}

func TestCoreComparesTheAnchor(t *testing.T) {
	tape := tapeOf(t, queued("j", "A.NS"), analyzed("j", "A.NS"), queued("k", "A.NS"))
	at := store.Position{Stream: "TAPE", Created: t0, Seq: 2, Anchor: tape[1].Anchor()}
	state := fresh
	state.Last = 3
	for _, test := range []struct {
		name   string
		pos    func(*store.Position)
		state  func(*stream.TapeState)
		anchor string
		first  stream.Message // what the tail begins with
		want   error
	}{
		{"fits", nil, nil, at.Anchor, tape[1], nil},
		{"another name", func(p *store.Position) { p.Stream = "OTHER" }, nil, at.Anchor, tape[1], recorder.ErrOtherTape},
		{"another time", func(p *store.Position) { p.Created = t0.Add(1) }, nil, at.Anchor, tape[1], recorder.ErrOtherTape},
		{"shorter", nil, func(s *stream.TapeState) { s.Last = 1 }, "", tape[1], recorder.ErrShorterTape},
		{"lost its start", nil, func(s *stream.TapeState) { s.First = 4 }, "", tape[1], recorder.ErrTapeStart},
		{"another event", nil, nil, "x", tape[1], recorder.ErrAnchor},
		{"a hole at the checkpoint", nil, nil, "", tape[1], recorder.ErrAnchor},
		{"refilled between check and tail", nil, nil, at.Anchor, message(t, 2, analyzed("x", "A.NS")), recorder.ErrAnchor},
		{"another sequence", nil, nil, at.Anchor, tape[2], recorder.ErrAnchor},
		{"the same event, stored again", nil, nil, at.Anchor, storedAgain(tape[1]), recorder.ErrAnchor},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, pos, state := newPlay(t), at, state
			if test.pos != nil {
				test.pos(&pos)
			}
			if test.state != nil {
				test.state(&state)
			}
			p.lead(pos, state, test.anchor)
			if has[recorder.ReadTape](p) {
				read := want[recorder.ReadTape](p)
				p.step(recorder.Arrived{Era: read.Era, Messages: []stream.Message{test.first}})
			}
			if test.want == nil {
				if p.core.Position() != at || has[recorder.Load](p) {
					t.Errorf("at %+v, does %v", p.core.Position(), names_(p.open))
				}
				return
			}
			want[recorder.Release](p)
			p.step(recorder.Released{})
			if p.end == nil || !errors.Is(p.end.Err, test.want) {
				t.Errorf("ended %+v, want %v", p.end, test.want)
			}
			if has[recorder.Load](p) || has[recorder.Commit](p) {
				t.Error("it recorded something")
			}
		})
	}
}

func TestCoreNeverSkipsAGap(t *testing.T) {
	p := newPlay(t)
	p.lead(store.Position{}, fresh, "")
	read := want[recorder.ReadTape](p)
	p.step(recorder.Arrived{Era: read.Era, Messages: []stream.Message{message(t, 2, queued("j", "A.NS"))}})
	want[recorder.Release](p)
	p.step(recorder.Released{})
	if p.end == nil || !errors.Is(p.end.Err, stream.ErrGap) {
		t.Errorf("ended %+v", p.end)
	}
}

// TestCoreRenewsAndStandsBy: the lease is renewed in time, lost on a fence,
// asked for again; old answers of the tape mean nothing then.
func TestCoreRenewsAndStandsBy(t *testing.T) {
	p := newPlay(t)
	p.lead(store.Position{}, fresh, "")
	read := want[recorder.ReadTape](p)
	for range 3 {
		for !has[recorder.Renew](p) {
			if p.now.Sub(t0) > time.Minute {
				t.Fatal("never renewed")
			}
			if has[recorder.CheckTape](p) {
				check := want[recorder.CheckTape](p)
				p.step(recorder.Checked{Era: check.Era, State: fresh})
				continue
			}
			p.tick()
		}
		if !p.core.Leading(p.now) {
			t.Fatal("does not lead")
		}
		want[recorder.Renew](p)
		p.step(recorder.Renewed{})
	}
	if p.now.Sub(t0) != 3*(leaseTime/3) {
		t.Errorf("three renewals took %v", p.now.Sub(t0))
	}
	p.tick()
	for !has[recorder.Renew](p) {
		p.tick()
	}
	want[recorder.Renew](p)
	p.step(recorder.Renewed{Err: store.ErrFenced})
	if p.core.Leading(p.now) || !has[recorder.CloseTail](p) {
		t.Fatal("still leads")
	}
	p.step(recorder.Arrived{Era: read.Era, Messages: tapeOf(t, queued("j", "A.NS"))})
	if has[recorder.Load](p) {
		t.Fatal("an old answer was taken")
	}
	p.tick()
	want[recorder.Acquire](p)
	at := p.now
	p.step(recorder.Acquired{Err: store.ErrLeaseHeld})
	p.tick()
	want[recorder.Acquire](p)
	if wait := p.now.Sub(at); wait < askEvery*3/4 || wait > askEvery*5/4 {
		t.Errorf("a standby asks after %v", wait)
	}
}

// TestCoreTakesOverInTime: a recorder that comes, or stood by, when the one that
// recorded is killed right after it lengthened its lease, takes no lease that
// lives and has it soon after its end: of the five seconds in which a restarted
// recorder records, a second and a half is left for all else.
func TestCoreTakesOverInTime(t *testing.T) {
	var latest time.Duration
	for seed := range uint64(1000) {
		p := &play{t: t, core: recorder.NewCore("other", seed), now: t0}
		p.step(recorder.Tick{})
		for want[recorder.Acquire](p); p.now.Before(t0.Add(leaseTime)); want[recorder.Acquire](p) {
			p.step(recorder.Acquired{Err: store.ErrLeaseHeld})
			if has[recorder.Open](p) || has[recorder.Commit](p) {
				t.Fatalf("without a lease it does %v", names_(p.open))
			}
			p.tick()
		}
		latest = max(latest, p.now.Sub(t0))
	}
	if latest > leaseTime+askEvery*5/4 || latest > 3500*time.Millisecond {
		t.Errorf("the latest ask that could succeed came %v after the kill", latest)
	}
}

// TestCoreLeaseEndsByItself: while the database hangs, nobody may believe that
// this recorder leads beyond the lease.
func TestCoreLeaseEndsByItself(t *testing.T) {
	p := newPlay(t)
	p.lead(store.Position{}, fresh, "")
	p.now = p.now.Add(leaseTime / 3)
	p.step(recorder.Tick{})
	want[recorder.Renew](p) // never answered
	if p.now = t0.Add(leaseTime - 1); !p.core.Leading(p.now) {
		t.Error("the lease ended too soon")
	}
	if p.now = t0.Add(leaseTime); p.core.Leading(p.now) {
		t.Error("the lease did not end")
	}
}

// TestCoreBacksOff: failures wait from 100 ms, doubling, to 5 s.
func TestCoreBacksOff(t *testing.T) {
	p := newPlay(t)
	wait := 100 * time.Millisecond
	for range 12 {
		want[recorder.Acquire](p)
		at := p.now
		p.step(recorder.Acquired{Err: errors.New("away")})
		p.tick()
		if got := p.now.Sub(at); got < wait*3/4 || got > wait*5/4 {
			t.Errorf("waits %v, want about %v", got, wait)
		}
		wait = min(2*wait, 5*time.Second)
	}
}

// TestCorePauses: nothing is committed between Paused and Resume, and the
// lease is taken for longer before the pause begins, however fresh it was.
func TestCorePauses(t *testing.T) {
	p := newPlay(t)
	p.lead(store.Position{}, fresh, "")
	read := want[recorder.ReadTape](p)
	p.step(recorder.Pause{})
	if renew := want[recorder.Renew](p); renew.Lease.TTL <= leaseTime || renew.Lease.TTL >= store.LongestLease {
		t.Errorf("the lease is taken for %v", renew.Lease.TTL)
	}
	p.step(recorder.Renewed{})
	want[recorder.Paused](p)
	p.step(recorder.Arrived{Era: read.Era, Messages: tapeOf(t, queued("j", "A.NS"))})
	p.step(recorder.Stop{})
	if has[recorder.Load](p) || has[recorder.Commit](p) || has[recorder.Release](p) || p.end != nil {
		t.Fatalf("paused, it does %v", names_(p.open))
	}
	if p.now = p.now.Add(leaseTime); !p.core.Leading(p.now) {
		t.Error("it does not lead while it pauses")
	}
	p.step(recorder.Resume{})
	if renew := want[recorder.Renew](p); renew.Lease.TTL > leaseTime {
		t.Errorf("after the pause the lease is taken for %v", renew.Lease.TTL)
	}
	p.step(recorder.Renewed{})
	want[recorder.Load](p)
}

// TestCoreStops: what was read is recorded, then the lease is given up.
func TestCoreStops(t *testing.T) {
	p := newPlay(t)
	p.lead(store.Position{}, fresh, "")
	read := want[recorder.ReadTape](p)
	p.step(recorder.Arrived{Era: read.Era, Messages: tapeOf(t, queued("j", "A.NS"))})
	want[recorder.Load](p)
	p.step(recorder.Stop{})
	p.step(recorder.Loaded{})
	want[recorder.Commit](p)
	p.step(recorder.Committed{})
	if release := want[recorder.Release](p); release.Lease.Position.Seq != 1 {
		t.Errorf("released at %+v", release.Lease)
	}
	p.step(recorder.Released{})
	if p.end == nil || p.end.Err != nil {
		t.Errorf("ended %+v", p.end)
	}
}

// TestCoreAnnounces until it is stored, and finds at takeover what others left.
func TestCoreAnnounces(t *testing.T) {
	p := newPlay(t)
	want[recorder.Acquire](p)
	p.step(recorder.Acquired{Lease: store.Lease{Epoch: 1}})
	check := want[recorder.CheckTape](p)
	p.step(recorder.Checked{Era: check.Era, State: fresh})
	want[recorder.Scan](p)
	left := store.Progress{JobID: "left", Status: events.StatusCancelled, Total: 1, Cancelled: 1}
	p.step(recorder.Scanned{Ended: []store.Progress{left, left}})
	for _, err := range []error{stream.ErrUnavailable, stream.ErrFull, stream.ErrExists} {
		for !has[recorder.Announce](p) {
			if p.now.Sub(t0) > time.Minute {
				t.Fatal("it gave up")
			}
			for has[recorder.Renew](p) {
				want[recorder.Renew](p)
				p.step(recorder.Renewed{})
			}
			p.tick()
		}
		if id := want[recorder.Announce](p).Event.Data.Job(); id != "left" {
			t.Errorf("announced %s", id)
		}
		p.step(recorder.Announced{Err: err})
	}
	if has[recorder.Announce](p) {
		t.Error("announced again")
	}
}

// storedAgain is a message that a tape lost and was given a second time.
func storedAgain(msg stream.Message) stream.Message {
	msg.At = msg.At.Add(time.Second)
	return msg
}
