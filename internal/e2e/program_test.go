package e2e_test

import (
	"path/filepath"
	"testing"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

// start starts a program until the test ends; see processes.Start.
func start(t *testing.T, name, binary string, env []string, args ...string) *processes.Program {
	t.Helper()
	return processes.Start(t, name, path(binary), env, args...)
}

// command runs a program to its end; see processes.Command.
func command(t testing.TB, code int, env []string, binary string, args ...string) (out, errOut string) {
	t.Helper()
	return processes.Command(t, code, path(binary), env, args...)
}

// path is where a program is: one of tapedeck's by its name, any other by its path.
func path(binary string) string {
	if filepath.IsAbs(binary) {
		return binary
	}
	return filepath.Join(binaries, binary)
}
