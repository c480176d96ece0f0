package limit_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/limit"
)

// FuzzAccount: whatever stands in the file of a rate, grants go on: the first
// is not before now and not for ever away, and the one after it is an interval
// later.
func FuzzAccount(f *testing.F) {
	f.Add([]byte(`{"next":"2026-11-25T12:00:00Z","paused_until":"2026-11-25T12:00:00Z"}`))
	f.Add([]byte(`{"next":"9999-12-31T23:59:59.999999999Z","paused_until":"9999-12-31T23:59:59Z"}`))
	f.Add([]byte(`{"next":"0000-01-01T00:00:00Z","paused_until":"0000-01-01T00:00:00+23:59"}   `))
	f.Add([]byte(`{"next":1}`))
	f.Add([]byte(`{"next":"2026-11-25T12:00:00Z"`))
	f.Add([]byte("\x00\x00\x00"))
	f.Add([]byte(`null`))
	dir := f.TempDir()
	const interval = time.Second
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, "p.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		books := limit.NewFiles(dir)
		began := time.Now()
		if _, err := books.Paused(t.Context(), "p"); err != nil {
			t.Fatal(err)
		}
		first, err := books.Book(t.Context(), "p", 3, interval)
		if err != nil {
			t.Fatalf("no grant with %q: %v", data, err)
		}
		if first.Before(began.Add(-time.Millisecond)) || first.After(began.Add(48*time.Hour)) {
			t.Fatalf("a grant at %v, now it is %v, with %q", first, began, data)
		}
		second, err := books.Book(t.Context(), "p", 1, interval)
		if err != nil || second.Before(first.Add(3*interval-time.Millisecond)) {
			t.Fatalf("grants at %v and %v, %v, with %q", first, second, err, data)
		}
	})
}
