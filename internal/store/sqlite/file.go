package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/tapedeck/tapedeck/internal/store"
)

// generationMark stands between the path and the number of a generation.
const generationMark = ".g"

// companions are the files that SQLite keeps beside a database.
func companions() []string { return []string{"", "-wal", "-shm", "-journal"} }

// current is the file that the link at path leads to, or path itself if it is
// a plain file. store.ErrNoDatabase if there is none.
func current(path string) (string, error) {
	target, err := os.Readlink(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w at %s: start the recorder, or run 'tapedeck migrate'", store.ErrNoDatabase, path)
	case errors.Is(err, syscall.EINVAL): // a file, no link
		return path, nil
	case err != nil:
		return "", fmt.Errorf("looking for the database: %w", err)
	case filepath.IsAbs(target):
		return target, nil
	}
	return filepath.Join(filepath.Dir(path), target), nil
}

// generations are the numbers of the generations beside path, whether the
// link leads to them or not.
func generations(path string) (numbers []int, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("listing the generations of the database: %w", err)
	}
	prefix := filepath.Base(path) + generationMark
	for _, entry := range entries {
		tail, ok := strings.CutPrefix(entry.Name(), prefix)
		if n, err := strconv.Atoi(tail); ok && err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

func generation(path string, n int) string { return path + generationMark + strconv.Itoa(n) }

// create makes the link to the first generation where there is nothing yet.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the database's directory: %w", err)
	}
	err := os.Symlink(filepath.Base(generation(path, 1)), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the database: %w", err)
	}
	return syncDir(path)
}

// turn makes the link at path lead to file, durably: at every moment there is
// the old link or the new one.
func turn(path, file string) error {
	fresh := path + ".link"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing an unfinished link: %w", err)
	}
	if err := os.Symlink(filepath.Base(file), fresh); err != nil {
		return fmt.Errorf("making a link: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("turning the link: %w", err)
	}
	return syncDir(path)
}

// remove deletes a database with what SQLite keeps beside it. The database
// itself goes last, so that a second call finds what the first one left.
func remove(file string) error {
	names := companions()
	for i := range names {
		err := os.Remove(file + names[len(names)-1-i])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing an old generation: %w", err)
		}
	}
	return nil
}

// syncFile makes a closed file durable.
func syncFile(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("syncing the database: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("syncing the database: %w", err)
	}
	return nil
}

// syncDir makes the names in the directory of a path durable.
func syncDir(path string) error { return syncFile(filepath.Dir(path)) }

// open prepares connections to a file. Pragmas stand in the name, so that they
// hold on every connection of the pool.
func open(file, mode string, pragmas ...string) (*sql.DB, error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	values := url.Values{"mode": {mode}, "_pragma": append([]string{
		fmt.Sprintf("busy_timeout(%d)", BusyTimeout.Milliseconds()), "temp_store(MEMORY)"}, pragmas...)}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: absolute}).EscapedPath()+"?"+values.Encode())
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return db, nil
}

// openToRead opens a file that nobody of this pool can change.
func openToRead(file string) (*sql.DB, error) {
	db, err := open(file, "ro", "query_only(1)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(ReadConnections)
	db.SetMaxIdleConns(idleConnections)
	return db, nil
}

// openToWrite opens a file, which must exist unless mode is "rwc".
func openToWrite(file, mode, synchronous string) (*sql.DB, error) {
	db, err := open(file, mode, "journal_mode(WAL)", "foreign_keys(1)", "synchronous("+synchronous+")",
		fmt.Sprintf("journal_size_limit(%d)", walBytes))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}
