package recorder

import (
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// An Input tells the Core what happened. Each Output but Wake, CloseTail,
// Paused and Finish is answered by one Input, in any order and at any time.
type Input interface{ input() }

// An Output is what the Core wants done. Outputs of Acquire, Renew, Release,
// Load, Commit and Scan never overlap each other, so the writer has one caller.
type Output interface{ output() }

// The inputs.
type (
	// Tick says that the time of a Wake has come, or just that time passed.
	Tick struct{}
	// Stop asks for an orderly end: what is in hand is recorded, the lease given up.
	Stop struct{}
	// Pause asks the leading recorder to stop committing until Resume.
	Pause struct{}
	// Resume ends a pause. Swapped: other tables serve now, or it is not known.
	Resume struct{ Swapped bool }

	// Acquired answers Acquire.
	Acquired struct {
		Lease store.Lease
		Err   error // store.ErrLeaseHeld: another's
	}
	// Renewed answers Renew.
	Renewed struct{ Err error }
	// Released answers Release; an error only delays the next recorder.
	Released struct{ Err error }
	// Loaded answers Load with the states of those jobs that exist.
	Loaded struct {
		States []store.State
		Err    error
	}
	// Committed answers Commit.
	Committed struct{ Err error }
	// Scanned answers Scan with jobs that ended without an announcement, at
	// most maxAnnouncements.
	Scanned struct {
		Ended []store.Progress
		Err   error
	}
	// Announced answers Announce. Err nil or stream.ErrExists: it is on the tape.
	Announced struct{ Err error }
	// Checked answers CheckTape.
	Checked struct {
		Era    uint64
		State  stream.TapeState
		Anchor string // of the message at the asked sequence, if Held
		Held   bool   // the tape holds a message with that sequence
		Err    error
	}
	// Opened answers Open.
	Opened struct {
		Era uint64
		Err error
	}
	// Arrived answers ReadTape.
	Arrived struct {
		Era      uint64
		Messages []stream.Message
		Err      error
	}
)

// The outputs.
type (
	// Wake asks for a Tick at a time. It replaces the Wake before.
	Wake struct{ At time.Time }
	// Acquire takes the lease.
	Acquire struct{}
	// Renew lengthens the lease.
	Renew struct{ Lease store.Lease }
	// Release gives the lease up.
	Release struct{ Lease store.Lease }
	// Load reads the states of jobs.
	Load struct{ JobIDs []string }
	// Commit records a batch.
	Commit struct {
		Lease   store.Lease
		Next    store.Position
		Changes store.Changes
	}
	// Scan looks for jobs that ended without an announcement.
	Scan struct{ Limit int }
	// Announce publishes a JobCompleted under its guard.
	Announce struct{ Event events.Event }
	// CheckTape asks for the tape's state and for the message at Seq (0: none).
	CheckTape struct {
		Era uint64
		Seq uint64
	}
	// Open opens the tail at a sequence. The one before was closed.
	Open struct {
		Era  uint64
		From uint64
	}
	// ReadTape waits for messages of the tail, at most Max.
	ReadTape struct {
		Era uint64
		Max int
	}
	// CloseTail closes the tail; what still comes of older eras is ignored.
	CloseTail struct{}
	// Paused tells that nothing is committed until Resume, and under which
	// lease and at which position the live tables stand.
	Paused struct{ Lease store.Lease }
	// Finish is the last output. Err is nil after Stop, else why the recorder
	// must not go on.
	Finish struct{ Err error }
)

func (Tick) input()      {}
func (Stop) input()      {}
func (Pause) input()     {}
func (Resume) input()    {}
func (Acquired) input()  {}
func (Renewed) input()   {}
func (Released) input()  {}
func (Loaded) input()    {}
func (Committed) input() {}
func (Scanned) input()   {}
func (Announced) input() {}
func (Checked) input()   {}
func (Opened) input()    {}
func (Arrived) input()   {}

func (Wake) output()      {}
func (Acquire) output()   {}
func (Renew) output()     {}
func (Release) output()   {}
func (Load) output()      {}
func (Commit) output()    {}
func (Scan) output()      {}
func (Announce) output()  {}
func (CheckTape) output() {}
func (Open) output()      {}
func (ReadTape) output()  {}
func (CloseTail) output() {}
func (Paused) output()    {}
func (Finish) output()    {}
