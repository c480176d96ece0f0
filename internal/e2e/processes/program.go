package processes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/loopback"
)

const (
	// DrainTime is how long a program may take to stop when it is asked to:
	// what a supervisor grants.
	DrainTime = 15 * time.Second
	// ShownLog is how many bytes of a program's log a failed test shows.
	ShownLog = 6 << 10
)

// Build builds tapedeck's programs into dir; root is the directory of go.mod.
func Build(root, dir string) error {
	build := exec.Command("go", "build", "-o", dir, "./cmd/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the programs: %w\n%s", err, out)
	}
	return nil
}

// Environment is this process's own without tapedeck's settings.
func Environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TAPEDECK_") })
}

// FreeAddress is a loopback address that nothing listens on.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	return loopback.Address(tb)
}

// A Program is a program that runs as a process until the test ends. It can be
// ended and started again. Its methods are for one goroutine at a time.
type Program struct {
	tb   testing.TB
	name string // in the test's messages
	path string
	args []string
	env  []string
	log  string // standard output and error of all its lives

	cmd    *exec.Cmd
	wanted bool          // its end was asked for
	ended  chan struct{} // closed when it has ended
}

// Start starts the program at path under a name for messages, with flags and
// with variables besides those of Environment.
func Start(tb testing.TB, name, path string, env []string, args ...string) *Program {
	tb.Helper()
	p := &Program{
		tb: tb, name: name, path: path, args: args, env: append(Environment(), env...),
		log: filepath.Join(tb.TempDir(), name+".log"),
	}
	p.Start()
	tb.Cleanup(p.cleanup)
	return p
}

// Start starts the program again after its end.
func (p *Program) Start() {
	p.tb.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.tb.Fatal(err)
	}
	defer log.Close() // the child has its own
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, log, log
	p.cmd.SysProcAttr = endsWithUs()
	p.wanted, p.ended = false, make(chan struct{})
	if err := p.cmd.Start(); err != nil {
		p.tb.Fatalf("starting %s: %v", p.name, err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		cmd.Wait() //nolint:errcheck // its state is looked at where it matters
	}(p.cmd, p.ended)
}

// Pid is the process's id.
func (p *Program) Pid() int { return p.cmd.Process.Pid }

// Running reports whether it has not ended.
func (p *Program) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Kill ends it with SIGKILL; it must have been alive until then.
func (p *Program) Kill() {
	p.tb.Helper()
	if !p.Running() {
		p.tb.Fatalf("%s is to be killed but has ended by itself: %s", p.name, p.cmd.ProcessState)
	}
	p.wanted = true
	p.cmd.Process.Kill() //nolint:errcheck // waited for below
	<-p.ended
}

// Crash ends it with SIGKILL, whether or not it still runs, and reports whether
// it did: for tests in which a program may have ended by itself before.
func (p *Program) Crash() (ran bool) {
	ran, p.wanted = p.Running(), true
	p.cmd.Process.Kill() //nolint:errcheck // waited for below
	<-p.ended
	return ran
}

// Signal sends it a signal that does not end it, such as SIGSTOP.
func (p *Program) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Stop asks it to end, and fails the test unless it does so within DrainTime
// and without an error.
func (p *Program) Stop() {
	p.tb.Helper()
	p.wanted = true
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.tb.Fatalf("stopping %s: %v", p.name, err)
	}
	p.Wait(DrainTime, 0)
}

// Wait waits until it has ended, and fails the test when that takes longer than
// within or its exit code is another.
func (p *Program) Wait(within time.Duration, code int) {
	p.tb.Helper()
	if got := p.Ended(within); got != code {
		p.tb.Errorf("%s ended with %d, not %d", p.name, got, code)
	}
}

// Ended waits until it has ended and returns its exit code, and fails the test
// when that takes longer than within.
func (p *Program) Ended(within time.Duration) (code int) {
	p.tb.Helper()
	p.wanted = true
	select {
	case <-p.ended:
	case <-time.After(within):
		p.tb.Fatalf("%s has not ended within %v", p.name, within)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Logs is all that it has written in its lives so far.
func (p *Program) Logs() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		p.tb.Fatal(err)
	}
	return string(text)
}

// cleanup ends it, and holds what is so of every process: none ends by
// itself, and none has met a locked database.
func (p *Program) cleanup() {
	if !p.wanted && !p.Running() {
		p.tb.Errorf("%s has ended by itself: %s", p.name, p.cmd.ProcessState)
	}
	if p.Running() {
		p.Kill()
	}
	log := p.Logs()
	for line := range strings.Lines(log) {
		if strings.Contains(line, "database is locked") {
			p.tb.Errorf("%s met a locked database: %s", p.name, line)
		}
	}
	if p.tb.Failed() {
		p.tb.Logf("the end of the log of %s:\n%s", p.name, log[max(0, len(log)-ShownLog):])
	}
}
