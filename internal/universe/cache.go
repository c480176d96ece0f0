package universe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A copy is a list as it was fetched.
type copied struct {
	fetched time.Time
	source  string
	tickers []string
}

const (
	fetchedLine = "# fetched: "
	sourceLine  = "# source: "
)

// load returns the kept copy of the list called name; fs.ErrNotExist when there
// is none. A file that a user put there without the two lines at its head is
// as old as the file. name stands in the table of lists: no path gets in here.
func (s *Source) load(name string) (copied, error) {
	if s.cfg.Dir == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		kept, ok := s.kept[name]
		if !ok {
			return copied{}, fs.ErrNotExist
		}
		return kept, nil
	}
	path := s.path(name)
	shown := filepath.Base(path) // what is said of it is told over HTTP: where the folder is concerns nobody there
	data, err := os.ReadFile(path)
	if err != nil {
		return copied{}, err
	}
	tickers, err := ParseFile(bytes.NewReader(data), shown)
	if err != nil {
		return copied{}, err
	}
	kept := copied{source: "the file " + shown, tickers: tickers}
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		if at, ok := strings.CutPrefix(text, fetchedLine); ok {
			if kept.fetched, err = time.Parse(time.RFC3339, at); err != nil {
				return copied{}, fmt.Errorf("%s: the time of fetching: %w", shown, err)
			}
		}
		if source, ok := strings.CutPrefix(text, sourceLine); ok {
			kept.source = source
		}
		if !strings.HasPrefix(text, "#") {
			break
		}
	}
	if kept.fetched.IsZero() {
		info, err := os.Stat(path)
		if err != nil {
			return copied{}, err
		}
		kept.fetched = info.ModTime()
	}
	return kept, nil
}

// save keeps a copy: whole or not at all, whoever else writes.
func (s *Source) save(name string, c copied) error {
	if s.cfg.Dir == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.kept[name] = c
		return nil
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "# %s, written by tapedeck; can be used as @file\n%s%s\n%s%s\n", name, fetchedLine, c.fetched.UTC().Format(time.RFC3339), sourceLine, c.source)
	for _, one := range c.tickers {
		text.WriteString(one + "\n")
	}
	if err := os.MkdirAll(s.cfg.Dir, 0o755); err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	if err := replace(s.path(name), text.Bytes()); err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	return nil
}

func (s *Source) path(name string) string { return filepath.Join(s.cfg.Dir, name+".txt") }

// replace writes a file beside path and renames it, so that a reader and a
// crash find the old one or the new one.
func replace(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // gone after the rename
	if _, err := tmp.Write(data); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Chmod(0o644), tmp.Sync()); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
