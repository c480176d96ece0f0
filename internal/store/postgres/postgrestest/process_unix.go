//go:build unix

package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// The ways to end a server: fast, immediate, and without a word.
const (
	interrupt = syscall.SIGINT
	quit      = syscall.SIGQUIT
	kill      = syscall.SIGKILL
)

// unprivileged makes a process run as somebody whom the server accepts: it
// refuses to run as root.
func unprivileged() *syscall.SysProcAttr {
	attributes := ownSession()
	if uid, gid, err := account(); os.Geteuid() == 0 && err == nil {
		attributes.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return attributes
}

// ownSession keeps the signals of the terminal away from a process.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// own gives a directory to the user that the server runs as.
func own(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := account()
	if err != nil {
		return err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return fmt.Errorf("giving the server its directory: %w", err)
	}
	return nil
}

// account finds the user for a server that root starts.
func account() (uid, gid uint32, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(found.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(found.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return uint32(uid), uint32(gid), nil
		}
	}
	return 0, 0, errors.New("postgres does not run as root, and there is neither a user postgres nor nobody")
}

// exited reports whether a child has ended, without waiting for it: a
// goroutine that waits would be taken for a leak by the tests that look for them.
func exited(process *os.Process) bool {
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(process.Pid, &status, syscall.WNOHANG, nil)
	return pid == process.Pid || errors.Is(err, syscall.ECHILD)
}
