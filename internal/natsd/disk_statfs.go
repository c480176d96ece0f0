//go:build linux || darwin || freebsd

package natsd

import (
	"fmt"
	"syscall"
)

// FreeBytes is how much the disk under a directory has free for this user.
func FreeBytes(dir string) (uint64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	return uint64(max(stat.Bavail, 0)) * uint64(stat.Bsize), nil // the types differ between systems
}
