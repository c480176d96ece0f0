package stream_test

import (
	"os"
	"path/filepath"
	"testing"
)

// copyDir copies the files of a stopped server.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	ok(t, os.CopyFS(to, os.DirFS(filepath.Join(dir, "nats", "jetstream"))))
	return to
}

// restoreDir puts them back.
func restoreDir(t *testing.T, from, dir string) {
	t.Helper()
	store := filepath.Join(dir, "nats", "jetstream")
	ok(t, os.RemoveAll(store))
	ok(t, os.CopyFS(store, os.DirFS(from)))
}
