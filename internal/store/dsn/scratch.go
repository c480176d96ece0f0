package dsn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
)

const (
	// scratchPrefix begins the names of scratch databases' folders.
	scratchPrefix = "tapedeck-scratch-"
	// scratchLock is the file in such a folder that its process keeps locked
	// for as long as it lives, however it ends.
	scratchLock = "lock"
)

// Scratch makes an empty SQLite database in a temporary directory, for one
// verification; remove closes and removes it. It takes as much of the disk as
// the tables that are verified. What a killed process leaves RemoveDeadScratch
// removes.
func Scratch(ctx context.Context) (db store.Scratch, remove func(), err error) {
	dir, lock, err := scratchDir()
	if err != nil {
		return nil, nil, fmt.Errorf("making a scratch database: %w", err)
	}
	database := sqlite.OpenWriter(filepath.Join(dir, "scratch.db"))
	remove = func() { // nothing in it is worth an error
		_ = database.Close()
		_ = os.RemoveAll(dir)
		_ = lock.Close()
	}
	if err := database.Migrate(ctx, func(string) {}); err != nil {
		remove()
		return nil, nil, errors.Join(fmt.Errorf("making a scratch database in %s", dir), err)
	}
	return scratch{database, database.Reading()}, remove, nil
}

// scratchDir makes a folder and locks it. It gets its name when it is locked,
// so that nobody takes it for a dead one before.
func scratchDir() (dir string, lock *flock.Flock, err error) {
	made, err := os.MkdirTemp("", "tapedeck-new-")
	if err != nil {
		return "", nil, err
	}
	lock = flock.New(filepath.Join(made, scratchLock))
	if _, err := lock.TryLock(); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(made))
	}
	dir = filepath.Join(filepath.Dir(made), scratchPrefix+filepath.Base(made)[len("tapedeck-new-"):])
	if err := os.Rename(made, dir); err != nil {
		return "", nil, errors.Join(err, lock.Close(), os.RemoveAll(made))
	}
	return dir, lock, nil
}

// RemoveDeadScratch removes the scratch databases of processes that were killed
// and left them in the temporary directory; those of living ones stay. Folders
// that another user made, or that have no lock, are not touched.
func RemoveDeadScratch() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*"))
	if err != nil {
		return fmt.Errorf("looking for scratch databases that were left behind: %w", err)
	}
	var errs []error
	for _, dir := range dirs {
		if err := removeDead(dir); err != nil {
			errs = append(errs, fmt.Errorf("removing a scratch database that was left behind: %w", err))
		}
	}
	return errors.Join(errs...)
}

func removeDead(dir string) error {
	for path, mode := range map[string]fs.FileMode{dir: fs.ModeDir | 0o700, filepath.Join(dir, scratchLock): 0o600} {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return nil // another has removed it, or it is another user's
		case err != nil:
			return err
		case info.Mode() != mode:
			return nil // not of our making
		}
	}
	lock := flock.New(filepath.Join(dir, scratchLock), flock.SetFlag(os.O_RDWR))
	dead, err := lock.TryLock()
	if err != nil || !dead {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return err
	}
	return errors.Join(os.RemoveAll(dir), lock.Close())
}

type scratch struct {
	store.Writer
	store.Dumper
}
