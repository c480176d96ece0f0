package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"
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
	checks := []check{{Name: "nats", Status: checkOK}, {Name: "tape", Status: checkOK}, {Name: "database", Status: checkOK}, {Name: "recorder_lag", Status: checkOK}, s.syncCheck()}
	nats, tape, database, lag := &checks[0], &checks[1], &checks[2], &checks[3]
	if tapeErr != nil {
		*nats = check{"nats", checkFail, "no answer about the tape; is the server up, is the tape provisioned?"}
		*tape = check{"tape", checkFail, "unknown"}
	} else {
		tape.Detail = fmt.Sprintf("last sequence %d", state.Last)
		if state.MaxBytes > 0 && float64(state.Bytes) > fullShare*float64(state.MaxBytes) {
			*tape = check{"tape", checkFail, "nearly full: new jobs are refused; see tapedeck doctor"}
		}
	}
	if databaseErr != nil {
		*database = check{"database", checkFail, "no answer; is it up, is it migrated?"}
	}
	switch {
	case tapeErr != nil || databaseErr != nil:
		*lag = check{"recorder_lag", checkWarn, "unknown"}
	default:
		events := behind(state.Last, position.Seq)
		lag.Detail = fmt.Sprintf("%d events behind", events)
		if events > lagEvents {
			lag.Status = checkWarn
		}
	}
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

func (s *Server) syncCheck() check {
	switch s.config.SyncProfile {
	case "always":
		return check{"sync_profile", checkOK, "always: accepted jobs outlive a power failure"}
	case "":
		return check{"sync_profile", checkWarn, "unknown: see that the NATS server runs with sync_interval always"}
	}
	return check{"sync_profile", checkWarn, capped(s.config.SyncProfile) + ": a power failure can lose accepted jobs"}
}
