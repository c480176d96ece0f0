package processes

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"
)

const (
	// CommandTime bounds a program that runs to its end.
	CommandTime = 2 * time.Minute
	// PollEvery is the pause between two looks at what a process shows: nothing
	// tells this process when another one has come so far.
	PollEvery = 20 * time.Millisecond
)

// Command runs the program at path to its end, with flags and with variables
// besides those of Environment, and returns what it printed; any exit code but
// the wanted one fails the test.
func Command(tb testing.TB, code int, path string, env []string, args ...string) (out, errOut string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), CommandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = append(Environment(), env...), &stdout, &stderr
	cmd.SysProcAttr = endsWithUs()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatalf("running %s %v: %v", path, args, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		tb.Fatalf("%s %v ended with %d, not %d:\n%s%s", path, args, got, code, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

// Until looks again and again until there is nothing left to complain about,
// and fails the test with the last complaint when that takes longer than within.
func Until(tb testing.TB, within time.Duration, what string, look func() error) {
	tb.Helper()
	deadline := time.Now().Add(within)
	for {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("waited %v for %s: %v", within, what, err)
		}
		time.Sleep(PollEvery)
	}
}
