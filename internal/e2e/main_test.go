package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// binaries is the directory of the four programs, as TestMain built them.
var binaries string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tapedeck-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a directory for the programs:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", dir, "./cmd/...")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
		return 1
	}
	binaries = dir
	return m.Run()
}

// long leaves a test out under -short.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long: left out under -short")
	}
}

// pollEvery is the pause between two looks at what a process shows: nothing
// tells this process when another one has come so far.
const pollEvery = 20 * time.Millisecond

// until looks again and again until there is nothing left to complain about,
// and fails the test with the last complaint when that takes longer than within.
func until(t testing.TB, within time.Duration, what string, look func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s: %v", within, what, err)
		}
		time.Sleep(pollEvery)
	}
}
