package limit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Files keep accounts for the processes of one machine that name the same
// folder, and from one start to the next: a file per provider, changed under
// its lock. A refusal that the provider keeps up for a quarter of an hour is
// not forgotten because a program was started again. Use NewFiles.
type Files struct {
	dir string
	mu  sync.Mutex // guards the files in this process: locks are between processes
}

// NewFiles returns the Books in dir, which is made with the first account.
// Provider names must be names of files.
func NewFiles(dir string) *Files { return &Files{dir: dir} }

// Book implements Books. Errors say which file cannot be read or written.
func (f *Files) Book(ctx context.Context, provider string, n int, interval time.Duration) (first time.Time, err error) {
	err = f.change(ctx, provider, func(a Account) Account {
		a, first = a.Book(time.Now(), n, interval)
		return a
	})
	return first, err
}

// Pause implements Books. Errors are as of Book.
func (f *Files) Pause(ctx context.Context, provider string, until time.Time) error {
	return f.change(ctx, provider, func(a Account) Account { return a.Pause(time.Now(), until) })
}

// Paused implements Books. Errors are as of Book. It takes no lock: a page is
// written at once, and a pause that is being written is not known yet.
func (f *Files) Paused(_ context.Context, provider string) (time.Time, error) {
	a, err := f.load(provider)
	return a.PausedUntil(time.Now()), err
}

func (f *Files) path(provider string) string { return filepath.Join(f.dir, provider+".json") }

func (f *Files) load(provider string) (Account, error) {
	text, err := os.ReadFile(f.path(provider))
	if errors.Is(err, fs.ErrNotExist) {
		return Account{}, nil
	}
	if err != nil {
		return Account{}, fmt.Errorf("reading the rate of %s: %w", provider, err)
	}
	var a Account
	// What is longer than an account, of whoever, leaves its end behind each one
	// that is written over it.
	if json.NewDecoder(bytes.NewReader(text)).Decode(&a) != nil {
		return Account{}, nil // a machine that lost power wrote it: as after a first start
	}
	return a, nil
}

// store writes in place, always as many bytes: to put a new file in the place of
// another makes ext4 wait for the disk, and a grant must not.
func (f *Files) store(provider string, text []byte) error {
	file, err := os.OpenFile(f.path(provider), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("writing the rate of %s: %w", provider, err)
	}
	padded := append(text, bytes.Repeat([]byte{' '}, max(0, accountBytes-len(text)))...)
	_, err = file.WriteAt(padded, 0)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the rate of %s: %w", provider, err)
	}
	return nil
}

func (f *Files) change(ctx context.Context, provider string, how func(Account) Account) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of rates: %w", err)
	}
	lock := flock.New(filepath.Join(f.dir, provider+".lock"))
	defer lock.Close() //nolint:errcheck // it unlocks, which cannot fail on an open file
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return fmt.Errorf("locking the rate of %s: %w", provider, err)
	}
	a, err := f.load(provider)
	if err != nil {
		return err
	}
	text, err := json.Marshal(how(a))
	if err != nil {
		return fmt.Errorf("encoding the rate of %s: %w", provider, err)
	}
	return f.store(provider, text)
}
