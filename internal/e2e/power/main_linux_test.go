package power_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// inside marks the process that has its own table of mounts.
const inside = "TAPEDECK_POWER_INSIDE"

// scratch is a directory for programs; it goes when the tests have ended.
var scratch string

// TestMain runs the tests in a process with a table of mounts of its own: the
// kernel unmounts and detaches everything when it ends, however it does.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getuid() != 0 {
		os.Exit(m.Run()) // to skip each test aloud
	}
	if os.Getenv(inside) == "" {
		os.Exit(again())
	}
	os.Exit(run(m))
}

// again runs this program once more, inside.
func again() int {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "running the tests with their own table of mounts:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

func run(m *testing.M) int {
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err != nil {
		fmt.Fprintln(os.Stderr, "parting from the table of mounts:", err)
		return 1
	}
	if scratch, err = os.MkdirTemp("", "tapedeck-power-"); err != nil {
		fmt.Fprintln(os.Stderr, "making a directory for the programs:", err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}
