package power_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

// A disk is an ext4 file system in a file.
type disk struct {
	t     *testing.T
	image string
	dir   string // where it is mounted
}

// needDisks skips a test where no file system can be mounted.
func needDisks(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: mounting file systems needs root")
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("SKIPPED: there is no mkfs.ext4 (package e2fsprogs)")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("SKIPPED: there are no loop devices")
	}
}

// newDisk makes and mounts a disk of size bytes.
func newDisk(t *testing.T, size int64) *disk {
	t.Helper()
	base := t.TempDir()
	d := &disk{t: t, image: filepath.Join(base, "image"), dir: filepath.Join(base, "disk")}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, size); err != nil {
		t.Fatal(err)
	}
	d.run("mkfs.ext4", "-q", "-F", "-m", "0", d.image)
	d.mount()
	t.Cleanup(func() { syscall.Unmount(d.dir, syscall.MNT_DETACH) }) //nolint:errcheck // not mounted after a failure in between
	return d
}

func (d *disk) mount() {
	d.t.Helper()
	d.run("mount", "-o", "loop", d.image, d.dir)
}

// unmount unmounts it; a process that has just ended may still hold it for a moment.
func (d *disk) unmount() {
	d.t.Helper()
	processes.Until(d.t, readyTime, "the disk to be unmounted", func() error { return syscall.Unmount(d.dir, 0) })
}

func (d *disk) run(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("running %s %v: %v\n%s", name, args, err, out)
	}
}

const (
	// fsShutdown is FS_IOC_SHUTDOWN of the kernel's uapi/linux/fs.h.
	fsShutdown = 0x8004587D
	// noLogFlush is EXT4_GOING_FLAGS_NOLOGFLUSH: the journal is left as it is.
	noLogFlush = 2
)

// cut is what a power failure does to a file system: from now on nothing
// reaches the disk, not even what the kernel has taken.
func (d *disk) cut() {
	d.t.Helper()
	dir, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer dir.Close()
	flags := uint32(noLogFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), fsShutdown, uintptr(unsafe.Pointer(&flags)))
	if errno != 0 {
		d.t.Fatal(fmt.Errorf("cutting the power: %w", errno))
	}
}
