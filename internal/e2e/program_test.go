package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// drainTime is how long a program may take to stop when it is asked to:
	// what a supervisor grants.
	drainTime = 15 * time.Second
	// commandTime bounds one command of tapedeck.
	commandTime = 2 * time.Minute
	// shownLog is how much of each log a failed test shows.
	shownLog = 6 << 10
)

// A program is one of tapedeck's programs, running as a process of its own
// until the test ends. It can be killed and started again. Its methods are for
// one goroutine at a time.
type program struct {
	t    *testing.T
	name string // in the test's messages
	path string
	args []string
	env  []string
	log  string // standard error of all its lives

	cmd    *exec.Cmd
	wanted bool          // its end was asked for
	ended  chan struct{} // closed when it has ended
}

// start starts a program with flags and variables besides the usual ones.
func start(t *testing.T, name, binary string, env []string, args ...string) *program {
	t.Helper()
	p := &program{
		t: t, name: name, path: path(binary), args: args, env: append(environment(), env...),
		log: filepath.Join(t.TempDir(), name+".log"),
	}
	p.start()
	t.Cleanup(p.cleanup)
	return p
}

// environment is that of the test without tapedeck's settings.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TAPEDECK_") })
}

// start starts the program again after kill or stop.
func (p *program) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close() // the child has its own
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, log, log
	p.cmd.SysProcAttr = endsWithUs()
	p.wanted, p.ended = false, make(chan struct{})
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("starting %s: %v", p.name, err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		cmd.Wait() //nolint:errcheck // its state is looked at where it matters
	}(p.cmd, p.ended)
}

// running reports whether it has not ended.
func (p *program) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends it with SIGKILL; it must have been alive until then.
func (p *program) kill() {
	p.t.Helper()
	if !p.running() {
		p.t.Fatalf("%s is to be killed but has ended by itself: %s", p.name, p.cmd.ProcessState)
	}
	p.wanted = true
	p.cmd.Process.Kill() //nolint:errcheck // waited for below
	<-p.ended
}

// stop asks it to end and checks that it does so in time and without an error.
func (p *program) stop() {
	p.t.Helper()
	p.wanted = true
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stopping %s: %v", p.name, err)
	}
	p.wait(drainTime, 0)
}

// wait waits until it has ended with an exit code.
func (p *program) wait(within time.Duration, code int) {
	p.t.Helper()
	p.wanted = true
	select {
	case <-p.ended:
	case <-time.After(within):
		p.t.Fatalf("%s has not ended within %v", p.name, within)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("%s ended with %d, not %d", p.name, got, code)
	}
}

// cleanup ends it, and holds what every test does of every process: none ends
// by itself, and none has met a locked database.
func (p *program) cleanup() {
	if !p.wanted && !p.running() {
		p.t.Errorf("%s has ended by itself: %s", p.name, p.cmd.ProcessState)
	}
	if p.running() {
		p.kill()
	}
	log := p.logs()
	for line := range strings.Lines(log) {
		if strings.Contains(line, "database is locked") {
			p.t.Errorf("%s met a locked database: %s", p.name, line)
		}
	}
	if p.t.Failed() {
		p.t.Logf("the end of the log of %s:\n%s", p.name, log[max(0, len(log)-shownLog):])
	}
}

// logs is all that it has written.
func (p *program) logs() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// command runs a program to its end and returns what it printed; any exit code
// but the wanted one fails the test.
func command(t testing.TB, code int, env []string, binary string, args ...string) (out, errOut string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path(binary), args...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = append(environment(), env...), &stdout, &stderr
	cmd.SysProcAttr = endsWithUs()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running %s %v: %v", binary, args, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%s %v ended with %d, not %d:\n%s%s", binary, args, got, code, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

// freeAddress is an address that nothing listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return fmt.Sprint(listener.Addr())
}

// path is where a program is: one of tapedeck's by its name, any other by its path.
func path(binary string) string {
	if filepath.IsAbs(binary) {
		return binary
	}
	return filepath.Join(binaries, binary)
}
