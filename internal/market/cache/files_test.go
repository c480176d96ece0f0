package cache_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/cache"
)

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache", "bars")
	reopen := func(most int64) *cache.Files {
		t.Helper()
		return cache.NewFiles(dir, most)
	}
	files := reopen(0)
	want := func(f *cache.Files, key, value string) {
		t.Helper()
		got, found, err := f.Get(t.Context(), key)
		if err != nil || found != (value != "") || string(got) != value {
			t.Errorf("%q: %q, %v, %v; want %q", key, got, found, err, value)
		}
	}
	put := func(f *cache.Files, key, value string, life time.Duration) {
		t.Helper()
		ok(t, f.Put(t.Context(), key, []byte(value), time.Now().Add(life)))
	}
	want(files, "a", "")
	put(files, "a", "one", time.Hour)
	put(files, "a", "two", time.Hour)
	put(files, "../../b \x00", "three", time.Hour)
	put(files, "past", "gone", -time.Second)
	for range 2 {
		want(files, "a", "two")
		want(files, "../../b \x00", "three")
		want(files, "past", "")
		want(files, "other", "")
		files = reopen(0)
	}
	if names, err := filepath.Glob(filepath.Join(dir, "..", "..", "*")); err != nil || len(names) != 1 {
		t.Errorf("beside the cache: %q, %v", names, err)
	}
	// A file that was cut, spoiled or belongs to another key is not there.
	names, err := filepath.Glob(filepath.Join(dir, "*.bars"))
	ok(t, err)
	for _, name := range names {
		body, err := os.ReadFile(name)
		ok(t, err)
		if bytes.HasSuffix(body, []byte("two")) {
			for _, bad := range [][]byte{nil, body[:10], body[:len(body)-1], flip(body, 12), flip(body, len(body)-1), bytes.ReplaceAll(body, []byte("two"), []byte("twp"))} {
				ok(t, os.WriteFile(name, bad, 0o600))
				want(files, "a", "")
			}
		}
	}
	put(files, "a", "whole again", time.Hour)
	want(files, "a", "whole again")
}

// The folder never takes more than it may; what has expired goes first, then
// what was put first. Half a file of a process that died is swept up.
func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	const most = 20_000
	files := cache.NewFiles(dir, most)
	value := make([]byte, 1000)
	ok(t, files.Put(t.Context(), "first", value, time.Now().Add(time.Hour)))
	ok(t, files.Put(t.Context(), "expired", make([]byte, 3000), time.Now().Add(-time.Hour)))
	for i := range 100 {
		if i == 99 {
			age(t, dir) // the file system's clock may show the same time for all of them
		}
		ok(t, files.Put(t.Context(), fmt.Sprint(i), value, time.Now().Add(time.Hour)))
		if got := folderBytes(t, dir); got > most {
			t.Fatalf("%d bytes after %d puts", got, i+3)
		}
		if _, found, _ := files.Get(t.Context(), "first"); i == 16 && !found {
			t.Error("a valid one went before the expired one")
		}
	}
	if _, found, _ := files.Get(t.Context(), "99"); !found {
		t.Error("the newest is not there")
	}
	if _, found, _ := files.Get(t.Context(), "first"); found {
		t.Error("the oldest is still there")
	}
	half := filepath.Join(dir, "x.123.part")
	ok(t, os.WriteFile(half, value, 0o600))
	ok(t, os.WriteFile(filepath.Join(dir, "README"), value, 0o600))
	smaller := cache.NewFiles(dir, most/2)
	ok(t, smaller.Put(t.Context(), "one more", value, time.Now().Add(time.Hour)))
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Error("half a file stayed")
	}
	if got := folderBytes(t, dir) - int64(len(value)); got > most/2 {
		t.Errorf("%d bytes with a smaller limit", got)
	}
	if _, found, _ := smaller.Get(t.Context(), "99"); !found {
		t.Error("the newest did not survive")
	}
}

// age makes everything in a folder an hour older.
func age(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	ok(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		ok(t, err)
		before := info.ModTime().Add(-time.Hour)
		ok(t, os.Chtimes(filepath.Join(dir, entry.Name()), before, before))
	}
}

func folderBytes(t *testing.T, dir string) (sum int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	ok(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		ok(t, err)
		sum += info.Size()
	}
	return sum
}
