package chaos_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/stream"
)

const (
	// deepest is how many pieces a server says at most before it falls silent:
	// more than it takes each program to begin.
	deepest = 9
	// heldTime is how long a program may take to come so far. Some never do: an
	// api that nobody asks does not ask the database.
	heldTime = 3 * time.Second
	// moments is how often a program is asked to end in its first momentsTime.
	moments     = 12
	momentsTime = 400 * time.Millisecond
)

// A stopping is a program that is asked to end while it starts.
type stopping struct {
	*processes.Program
	what  string
	held  *link     // it waits there; nil: nowhere
	must  bool      // it cannot have begun
	since time.Time // of its start
	asked time.Time // zero while it was not
}

// TestStopWhileStarting asks every program to end at every stage of its start:
// while a server that it needs has fallen silent after the first pieces of what
// it says, from none on, and at moments of a start that nothing hinders. A
// wanted stop is no failure: each ends within drainTime with 0, and says when
// it had not begun.
func TestStopWhileStarting(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left out under -short")
	}
	t.Parallel() // it mostly waits
	d := newServers(t, setup{nodes: 1})
	nats, postgres := strings.TrimPrefix(d.nats[0].URL(), "nats://"), hostOf(t, d.owner)
	var list []*stopping
	add := func(role, server string, after int64, program func(through string) *processes.Program) {
		silent := newLink(t, server, batchBytes)
		silent.left.Store(after + 1)
		list = append(list, &stopping{
			Program: program(silent.address()), what: fmt.Sprintf("%s, %s silent after %d", role, server, after),
			held: silent, must: after == 0 && !(role == "api" && server == postgres), since: time.Now(),
		})
		askHeld(t, list)
	}
	for after := range int64(deepest + 1) {
		for _, role := range []string{"api", "analyzer", "recorder", "up"} {
			add(role, nats, after, func(through string) *processes.Program { return d.begin(role, "nats://"+through, d.owner) })
			if role == "analyzer" {
				continue // it has no database
			}
			add(role, postgres, after, func(through string) *processes.Program {
				return d.begin(role, d.nats[0].URL(), replaceHost(t, d.owner, through))
			})
		}
	}
	for askHeld(t, list) > 0 {
		time.Sleep(lookEvery) // between two looks at programs that say nothing
	}
	ended(t, list)

	for i := range moments {
		list = nil
		for _, role := range []string{"api", "analyzer", "recorder", "up", "embedded"} {
			list = append(list, &stopping{Program: d.begin(role, d.nats[0].URL(), d.owner), what: fmt.Sprintf("%s, moment %d", role, i)})
		}
		time.Sleep(momentsTime * time.Duration(i) / moments) // a moment, not a wait for something
		for _, s := range list {
			s.ask(t)
		}
		ended(t, list)
	}
}

// begin starts a program of a role, or all of them in one process: with the
// servers, or with those that are embedded.
func (d *deck) begin(role, nats, database string) *processes.Program {
	d.t.Helper()
	env := []string{"TAPEDECK_NATS_URL=" + nats, "TAPEDECK_DATABASE_URL=" + database}
	password := func(role stream.Role) string { return d.nats[0].Password(role) }
	binary, args := role, []string{}
	switch role {
	case "api":
		env = append(env, "TAPEDECK_NATS_PASSWORD="+password(stream.RoleAPI))
		args = []string{"--http", "127.0.0.1:0"}
	case "analyzer":
		env = append(env[:1], "TAPEDECK_NATS_PASSWORD="+password(stream.RoleAnalyzer))
		args = []string{"--market", "synthetic"}
	case "recorder":
		env = append(env, "TAPEDECK_NATS_PASSWORD="+password(stream.RoleRecorder))
	case "up", "embedded":
		binary, args = "tapedeck", []string{"up", "--market", "synthetic", "--data", d.t.TempDir(), "--http", "127.0.0.1:0"}
		for _, one := range []stream.Role{stream.RoleAPI, stream.RoleAnalyzer, stream.RoleRecorder} {
			env = append(env, fmt.Sprintf("TAPEDECK_NATS_%s_PASSWORD=%s", strings.ToUpper(string(one)), password(one)))
		}
		if role == "embedded" {
			env = nil
		}
	}
	return processes.Start(d.t, role, filepath.Join(binaries, binary), env, args...)
}

// askHeld asks those to end that are held, or will not be any more, and counts
// the others.
func askHeld(t *testing.T, list []*stopping) (waiting int) {
	t.Helper()
	for _, s := range list {
		switch {
		case !s.asked.IsZero():
		case s.held.left.Load() == 0 || time.Since(s.since) > heldTime:
			s.ask(t)
		default:
			waiting++
		}
	}
	return waiting
}

func (s *stopping) ask(t *testing.T) {
	t.Helper()
	s.asked = time.Now()
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("%s: it had ended by itself: %v\n%s", s.what, err, s.Logs())
	}
}

// ended holds how all end that were asked to.
func ended(t *testing.T, list []*stopping) {
	t.Helper()
	var longest time.Duration
	for _, s := range list {
		code := s.Ended(max(drainTime-time.Since(s.asked), lookEvery))
		longest = max(longest, time.Since(s.asked))
		logs := s.Logs()
		if code == -1 && logs == "" && s.held == nil {
			continue // ended before its first instruction: it could not have done anything
		}
		unbegun := strings.Contains(logs, "stopped before it had begun")
		if code != 0 || strings.Contains(logs, "level=ERROR") || s.must && !unbegun {
			t.Errorf("%s: asked to end, it ended with %d, saying:\n%s", s.what, code, logs)
		}
	}
	if list[0].held != nil {
		t.Logf("%d programs that were held in their start ended within %v", len(list), longest.Round(10*time.Millisecond))
	}
}
