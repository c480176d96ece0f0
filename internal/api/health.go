package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// A check is one part that the api needs.
type check struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok, warn (works, but look at it) or fail
	Detail string `json:"detail,omitempty"`
}

const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

// getLive is GET /livez.
func (s *Server) getLive(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return sendJSON(c, map[string]string{"status": checkOK})
}

// getReady is GET /readyz: 200 if jobs can be taken and read, else 503, with
// every check by name. It scans no table.
func (s *Server) getReady(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), checkTimeout)
	defer cancel()
	state, tapeErr := s.config.Tape.State(ctx)
	position, databaseErr := s.config.Reader.Position(ctx)
	nats, database := check{"nats", checkOK, ""}, check{"database", checkOK, ""}
	tape, lag := tapeCheck(state), lagCheck(state, position)
	if tapeErr != nil {
		nats = check{"nats", checkFail, "no answer about the tape; is the server up, is the tape provisioned?"}
		tape = check{"tape", checkFail, "unknown"}
	}
	if databaseErr != nil {
		database = check{"database", checkFail, "no answer; is it up, is it migrated?"}
	}
	if tapeErr != nil || databaseErr != nil {
		lag = check{"recorder_lag", checkWarn, "unknown"}
	}
	checks := []check{nats, tape, s.storingCheck(), database, lag, s.syncCheck()}
	status := http.StatusOK
	answer := checkOK
	for _, one := range checks {
		if one.Status == checkFail {
			status, answer = http.StatusServiceUnavailable, checkFail
		}
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Status(status)
	return sendJSON(c, map[string]any{"status": answer, "checks": checks})
}

func tapeCheck(state stream.TapeState) check {
	if tooFull(state) {
		return check{"tape", checkFail, "nearly full: new jobs are refused; see tapedeck doctor"}
	}
	return check{"tape", checkOK, fmt.Sprintf("last sequence %d", state.Last)}
}

func lagCheck(state stream.TapeState, position store.Position) check {
	events := behind(state.Last, position.Seq)
	lag := check{"recorder_lag", checkOK, fmt.Sprintf("%d events behind", events)}
	if events > lagEvents {
		lag.Status = checkWarn
	}
	return lag
}

func (s *Server) syncCheck() check {
	switch s.config.SyncProfile {
	case stream.SyncAlways:
		return check{"sync_profile", checkOK, "always: accepted jobs outlive a power failure"}
	case "":
		return check{"sync_profile", checkWarn, "unknown: see that the NATS server runs with sync_interval always"}
	}
	return check{"sync_profile", checkWarn, capped(s.config.SyncProfile) + ": a power failure can lose accepted jobs"}
}
