package chaos_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

// binaries is the directory of the programs, as TestMain built them.
var binaries string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if testing.Short() {
		return m.Run() // every test is left out
	}
	dir, err := os.MkdirTemp("", "tapedeck-chaos-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a directory for the programs:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := processes.Build(filepath.Join("..", "..", ".."), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binaries = dir
	return m.Run()
}
