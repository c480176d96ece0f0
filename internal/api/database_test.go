package api_test

import (
	"path/filepath"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
)

// openDatabase makes an empty database that goes with the test.
func openDatabase(t *testing.T) store.Recording {
	t.Helper()
	w := sqlite.OpenWriter(filepath.Join(t.TempDir(), "tapedeck.db"))
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Migrate(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	return w
}
