package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A Tape is what the recorder needs of the tape; OnStream makes one. The
// errors are those of package stream. Safe for concurrent use.
type Tape interface {
	// State asks for the tape's state; stream.ErrNoStream when there is none.
	State(ctx context.Context) (stream.TapeState, error)
	// At reads the message with a sequence; stream.ErrNotFound.
	At(ctx context.Context, seq uint64) (stream.Message, error)
	// Tail follows the tape from a sequence on.
	Tail(ctx context.Context, from uint64) (Tail, error)
	// Publish stores an event under its guard; stream.ErrExists.
	Publish(ctx context.Context, event events.Event) (uint64, error)
}

// A Tail is an open reading of the tape, see stream.Tail.
type Tail interface {
	// Next waits for messages and returns at most limit, in order, without a gap.
	Next(ctx context.Context, limit int) ([]stream.Message, error)
	// Stop closes the tail. It is not called while Next runs.
	Stop()
}

// OnStream is the tape on JetStream.
func OnStream(client *stream.TapeClient) Tape { return onStream{client} }

type onStream struct{ *stream.TapeClient }

func (t onStream) Tail(ctx context.Context, from uint64) (Tail, error) {
	tail, err := t.TapeClient.Tail(ctx, from)
	if err != nil {
		return nil, err // not the nil *stream.Tail in an interface
	}
	return tail, nil
}

// A Store is the database as the recorder writes it.
type Store interface {
	store.Writer
	store.Rebuilder
}

// A Reading is the same database as it is read.
type Reading interface {
	store.Backlog
	store.Remainder
	store.Dumper
	// Position is the checkpoint.
	Position(ctx context.Context) (store.Position, error)
}

// Config is what a Recorder is made of. All fields but Now and Seed are needed.
type Config struct {
	Log     *slog.Logger
	Store   Store   // owned by the Recorder while it runs
	Reading Reading // of the same database
	Tape    Tape
	// Owner is the name that the lease is held in, unique per process that
	// runs: a process that takes an Owner's lease takes it from its namesake.
	Owner string
	// Seed varies the waits of this recorder; 0 takes it from the clock.
	Seed uint64
	// Now is the clock; nil is time.Now. Only waits depend on it, no row does.
	Now func() time.Time
}

// A Recorder records the tape while it holds the lease, and stands by while
// another does. Safe for concurrent use, but Run runs once.
type Recorder struct {
	cfg        Config
	log        *slog.Logger
	requests   chan request  // pauses for a swap
	stopped    chan struct{} // closed when Run has ended
	rebuilding sync.Mutex    // held by the one rebuild
	status     atomic.Pointer[Status]
	lead       leadership
}

// New makes a recorder; Run starts it.
func New(cfg Config) *Recorder {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Seed == 0 {
		cfg.Seed = uint64(cfg.Now().UnixNano())
	}
	r := &Recorder{cfg: cfg, log: cfg.Log.With("stage", "recorder"), requests: make(chan request), stopped: make(chan struct{})}
	r.lead.changed = make(chan struct{})
	r.status.Store(&Status{Role: RoleStandby})
	return r
}

// Run records until ctx ends; then it commits what it has in hand, gives the
// lease up and returns nil. It returns an error when it must not go on: the
// tape is not the one that was recorded (ErrOtherTape, ErrShorterTape,
// ErrAnchor, ErrTapeStart, stream.ErrGap), an event cannot be recorded
// (ErrEvent), or the schema does not fit (store.ErrSchema, store.ErrNoDatabase).
// Everything else it waits out.
func (r *Recorder) Run(ctx context.Context) error {
	defer close(r.stopped)
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d := &driver{
		Recorder: r, core: NewCore(r.cfg.Owner, r.cfg.Seed), work: work, cancel: cancel,
		ports:   Ports{Owner: r.cfg.Owner, Store: r.cfg.Store, Reading: r.cfg.Reading, Tape: r.cfg.Tape},
		answers: make(chan answer, 16), timer: time.NewTimer(0), progress: newReporter(r.log),
	}
	r.log.Info("recorder started", "owner", r.cfg.Owner)
	err := d.loop(ctx)
	cancel()
	d.drain()
	d.publish(err)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	r.log.Info("recorder stopped", "seq", d.core.Position().Seq)
	return nil
}

// A driver carries out what the core says. All fields are owned by Run's
// goroutine; the goroutines that carry out outputs only send answers.
type driver struct {
	*Recorder
	core     *Core
	ports    Ports
	work     context.Context // of all calls; outlives Run's until what is in hand is recorded
	cancel   context.CancelFunc
	answers  chan answer
	calls    sync.WaitGroup
	timer    *time.Timer
	follow   *follower
	waiting  *request // a pause that was asked for or is on
	commit   *Commit  // under way
	leading  bool     // as last logged
	poisoned int
	lastAt   time.Time // of the last commit
	progress *reporter
	trouble  error // of the last call that failed, until one succeeds
}

// An answer is an input on its way from the goroutine that carried out an output.
type answer struct {
	in     Input
	follow *follower // of Opened and Arrived
}

// A follower is a tail and the context that its era lives in.
type follower struct {
	ctx    context.Context
	cancel context.CancelFunc
	tail   Tail
	busy   bool
}

// A request asks for a pause (lease gets the answer) or ends one.
type request struct {
	pause   bool
	swapped bool
	lease   chan store.Lease
}

func (d *driver) loop(ctx context.Context) error {
	done := ctx.Done()
	for {
		var in Input
		select {
		case a := <-d.answers:
			d.received(a)
			in = a.in
		case <-d.timer.C:
			in = Tick{}
		case req := <-d.requests:
			in = d.requested(req)
		case <-done:
			done = nil
			limit := time.AfterFunc(StopTime, d.cancel)
			defer limit.Stop()
			in = Stop{}
		}
		d.note(in)
		for _, out := range d.core.Step(d.cfg.Now(), in) {
			if finish, ok := out.(Finish); ok {
				return finish.Err
			}
			d.perform(out)
		}
		d.publish(nil)
	}
}

// drain waits for the calls that are under way; their context has ended.
func (d *driver) drain() {
	d.timer.Stop()
	go func() {
		d.calls.Wait()
		close(d.answers)
	}()
	for a := range d.answers {
		d.received(a)
	}
	d.closeTail()
}

func (d *driver) requested(req request) Input {
	if req.pause {
		d.waiting = &req
		return Pause{}
	}
	d.waiting = nil
	return Resume{Swapped: req.swapped}
}

// received keeps the tail's book: an era that was closed while its call was
// under way is closed now.
func (d *driver) received(a answer) {
	if a.follow == nil {
		return
	}
	a.follow.busy = false
	if a.follow != d.follow {
		a.follow.close()
	}
}

func (f *follower) close() {
	f.cancel()
	if f.tail != nil && !f.busy {
		f.tail.Stop()
	}
}

func (d *driver) closeTail() {
	if d.follow != nil {
		d.follow.close()
		d.follow = nil
	}
}

// note logs what the input tells and remembers it for the status.
func (d *driver) note(in Input) {
	switch in := in.(type) {
	case Committed:
		d.committed(in.Err)
	case Acquired:
		d.tell("taking the lease", in.Err, store.ErrLeaseHeld)
	case Renewed:
		d.tell("renewing the lease", in.Err, nil)
	case Loaded:
		d.tell("loading jobs", in.Err, nil)
	case Scanned:
		d.tell("looking for ended jobs", in.Err, nil)
	case Checked:
		d.tell("looking at the tape", in.Err, context.Canceled)
	case Opened:
		d.tell("opening the tape", in.Err, context.Canceled)
	case Arrived:
		d.tell("reading the tape", in.Err, context.Canceled)
	case Announced:
		d.tell("announcing the end of a job", in.Err, stream.ErrExists)
	}
}

// tell warns of a call that failed, and says that it is tried again: the core
// does so, or stops with the error. expected is no trouble.
func (d *driver) tell(what string, err, expected error) {
	switch {
	case err == nil:
		d.trouble = nil
	case expected != nil && errors.Is(err, expected), d.work.Err() != nil:
	default:
		d.trouble = fmt.Errorf("%s: %w", what, err)
		d.log.Warn(what+" failed; trying again", "err", err, "seq", d.core.Position().Seq)
	}
}

func (d *driver) committed(err error) {
	commit := d.commit
	d.commit = nil
	d.tell("recording a batch", err, nil)
	if err != nil {
		return
	}
	d.lastAt = d.cfg.Now()
	d.poisoned += len(commit.Changes.Poison)
	for _, p := range commit.Changes.Poison {
		d.log.Warn("an event was set aside", "seq", p.Seq, "subject", p.Subject, "err", p.Reason)
	}
	d.progress.report(d.lastAt, commit.Changes.Progress)
}
