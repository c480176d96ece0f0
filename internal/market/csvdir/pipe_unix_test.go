//go:build unix

package csvdir_test

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tapedeck/tapedeck/internal/market"
)

// Without O_NONBLOCK this test would never end.
func TestNamedPipeDoesNotHang(t *testing.T) {
	dir := folder(t, nil)
	if err := syscall.Mkfifo(filepath.Join(dir, "PIPE.csv"), 0o600); err != nil {
		t.Skip("no named pipes here: ", err)
	}
	_, err := open(t, dir).Daily(context.Background(), "PIPE", 1)
	wantFault(t, err, market.CodeBadData, "PIPE.csv", "not a regular file")
}
