package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// unanswered remembers that a server which answers questions did not answer
// the last job that was given to it: one whose disk was full stores nothing, and
// says nothing, until it is started again.
type unanswered struct {
	now func() time.Time

	mu sync.Mutex // guards at
	at time.Time  // zero if the last one was answered
}

func (u *unanswered) set(at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.at = at
}

// lately reports whether the last job had no answer, not long ago: without
// jobs nothing else would show that it is over.
func (u *unanswered) lately() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.at.IsZero() && u.now().Sub(u.at) < unansweredAge
}

// noAnswer notes a job without an answer, unless the server is away altogether:
// readiness says that by itself.
func (s *Server) noAnswer() {
	ctx, cancel := context.WithTimeout(s.base, awayTimeout)
	defer cancel()
	if _, err := s.config.Tape.State(ctx); err == nil {
		s.unanswered.set(s.config.Clock())
	}
}

// notStoring is why no job should be given to the tape now, or nil.
func (s *Server) notStoring() error {
	if s.config.Storing == nil {
		return nil
	}
	return s.config.Storing()
}

// diskFull is for a tape that cannot be given anything.
func diskFull() *Problem {
	return problem(http.StatusServiceUnavailable, "disk_full",
		"the disk of the tape is full or nearly so, and this request submitted nothing; once there is room new jobs are taken again; tapedeck doctor says more").after(retryAfterDisk)
}

// storingCheck tells whether the tape takes what it is given.
func (s *Server) storingCheck() check {
	if s.notStoring() != nil { // its text, with paths, is in the log
		return check{"storing", checkFail, "the disk of the data directory is full or nearly so; make room and it goes on by itself; see tapedeck doctor"}
	}
	if s.unanswered.lately() {
		return check{"storing", checkFail, fmt.Sprintf("a job was given to the tape less than %v ago and had no answer: "+
			"if the disk of nats-server was full, make room and restart it, until then it stores nothing; tapedeck doctor --nats-monitor says more", unansweredAge)}
	}
	return check{"storing", checkOK, ""}
}
