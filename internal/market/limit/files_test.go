package limit_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/limit"
)

// TestFilesAreShared: grants of two programs on one folder are an interval
// apart, however they are asked for.
func TestFilesAreShared(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rates")
	const each, interval = 60, 10 * time.Millisecond
	var mu sync.Mutex
	var grants []time.Time
	var wait sync.WaitGroup
	for range 4 { // each with locks of its own, as processes have
		books := limit.NewFiles(dir)
		wait.Go(func() {
			for range each {
				at, err := books.Book(t.Context(), "yahoo", 1, interval)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				grants = append(grants, at)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if len(grants) != 4*each {
		t.Fatalf("%d grants", len(grants))
	}
	slices.SortFunc(grants, time.Time.Compare)
	for i := range grants[1:] {
		if apart := grants[i+1].Sub(grants[i]); apart < interval {
			t.Fatalf("two grants are %s apart", apart)
		}
	}
}

// TestFilesOutliveTheProgram: a pause holds for the next one, for its provider
// alone; what was written badly is as a first start.
func TestFilesOutliveTheProgram(t *testing.T) {
	dir := t.TempDir()
	until := time.Now().Add(15 * time.Minute).Round(0)
	if err := limit.NewFiles(dir).Pause(t.Context(), "yahoo", until); err != nil {
		t.Fatal(err)
	}
	next := limit.NewFiles(dir)
	if got, err := next.Paused(t.Context(), "yahoo"); err != nil || !got.Equal(until) {
		t.Errorf("paused until %s, %v", got, err)
	}
	if first, err := next.Book(t.Context(), "yahoo", 1, time.Second); err != nil || first.Before(until) {
		t.Errorf("a grant at %s, %v", first, err)
	}
	if first, err := next.Book(t.Context(), "nse", 1, time.Second); err != nil || !first.Before(until) {
		t.Errorf("another's grant at %s, %v", first, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "yahoo.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if first, err := next.Book(t.Context(), "yahoo", 1, time.Second); err != nil || !first.Before(until) {
		t.Errorf("after a bad file: %s, %v", first, err)
	}
}

// TestFilesThatCannotBeWritten: the error says which.
func TestFilesThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := limit.NewFiles(filepath.Join(file, "rates")).Book(t.Context(), "yahoo", 1, time.Second); err == nil {
		t.Error("no error")
	}
}
