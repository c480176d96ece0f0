package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/store/sqlite"
)

// TestDurability: the log is written ahead and synced before it is copied into
// the tables, so a power cut takes at most the newest commits, and never an
// older one or half of one.
func TestDurability(t *testing.T) {
	w := sqlite.OpenWriter(filepath.Join(t.TempDir(), "db"))
	defer w.Close()
	if err := w.Migrate(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Acquire(t.Context(), "one", time.Minute); err != nil {
		t.Fatal(err)
	}
	for pragma, want := range map[string]string{
		"journal_mode": "wal",
		"synchronous":  "1", // NORMAL
		"foreign_keys": "1",
	} {
		if got := w.Setting(t.Context(), pragma); got != want {
			t.Errorf("%s is %q, want %q", pragma, got, want)
		}
	}
}
