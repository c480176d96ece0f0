package natsd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ErrNotStoring says that the server cannot store what it is given, or would
// soon have no room for it.
var ErrNotStoring = errors.New("the NATS server of the data directory stores nothing new")

// Storing is nil, or says as of the last look of Watch why nothing should be
// given to the server to store: ErrNotStoring, with what to do.
func (s *Server) Storing() error {
	if trouble := s.trouble.Load(); trouble != nil {
		return *trouble
	}
	return nil
}

// restarts are those that did not help yet.
type restarts struct {
	next  time.Time // none before
	pause time.Duration
}

// Watch looks after the disk until ctx ends, and returns nil then. A stream that
// met a full disk stays unwritable in this server until it is started again,
// also when there is room: so Watch starts it again then. Clients reconnect.
func (s *Server) Watch(ctx context.Context) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			s.look(now)
		}
	}
}

func (s *Server) look(now time.Time) {
	free, err := FreeBytes(s.paths.dir)
	if err != nil {
		s.cfg.Logger.Warn("the free space of the disk is unknown", "err", err)
		free = ReservedBytes
	}
	broken := writeError(s.running())
	s.tell(broken, free)
	if broken == "" {
		s.restarts = restarts{}
		return
	}
	if free < restartBytes || now.Before(s.restarts.next) {
		return
	}
	s.restarts.pause = min(max(firstPause, 2*s.restarts.pause), lastPause)
	s.restarts.next = now.Add(s.restarts.pause)
	s.cfg.Logger.Warn("restarting the NATS server, since its streams stay unwritable after a write that failed", "free_bytes", free, "err", broken)
	if err := s.Restart(); err != nil {
		s.cfg.Logger.Error("restarting the NATS server failed; trying again", "err", err)
		return
	}
	s.tell(writeError(s.running()), free)
}

// tell sets what Storing says, and logs a change.
func (s *Server) tell(broken string, free uint64) {
	var trouble error
	switch {
	case broken != "":
		trouble = fmt.Errorf("%w: %s; with %d MiB free on the disk of the data directory it goes on by itself, now %d MiB are",
			ErrNotStoring, broken, restartBytes>>20, free>>20)
	case free < ReservedBytes:
		trouble = fmt.Errorf("%w: the disk of the data directory has %d MiB free, and %d are kept for jobs that were accepted; make room",
			ErrNotStoring, free>>20, ReservedBytes>>20)
	}
	before := s.Storing()
	if trouble == nil {
		s.trouble.Store(nil)
	} else {
		s.trouble.Store(&trouble)
	}
	switch {
	case before == nil && trouble != nil:
		s.cfg.Logger.Error("new jobs are refused", "err", trouble)
	case before != nil && trouble == nil:
		s.cfg.Logger.Info("the disk has room, new jobs are taken again", "free_bytes", free)
	}
}

// writeError is why a server stores nothing; empty if it does.
func writeError(running *server.Server) string {
	switch {
	case !running.Running():
		return "it does not run"
	case !running.JetStreamEnabled():
		return "JetStream has turned itself off"
	}
	for _, e := range running.Healthz(&server.HealthzOptions{Details: true}).Errors {
		if strings.Contains(e.Error, "write error") { // the server has no other mark for it
			return e.Error
		}
	}
	return ""
}

// Restart ends the server and starts it again on the same files and the same
// address. Its clients lose their connections and reconnect.
func (s *Server) Restart() error {
	s.usersMu.Lock()
	defer s.usersMu.Unlock()
	end(s.running())
	if err := s.run(); err != nil {
		return fmt.Errorf("restarting the NATS server in %s: %w", s.cfg.DataDir, err)
	}
	return nil
}
