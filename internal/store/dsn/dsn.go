// Package dsn opens the database that an address names. It is the one place
// that knows which databases there are.
package dsn

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
)

// ErrURL says that an address is not one of a database.
var ErrURL = errors.New("not the address of a database: say sqlite:PATH or postgres://USER@HOST:PORT/DATABASE")

// Reading is an opened database for those who only read.
type Reading = store.Reading

// Recording is an opened database for the recorder.
type Recording = store.Recording

// The engines.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// An Address names a database. Its String never shows a password.
type Address struct {
	Engine string // SQLite or Postgres
	Path   string // of SQLite: the file, relative to the working directory if not absolute
	url    string // of Postgres: as given, with its password
}

// Options are what opening needs beside the address.
type Options struct {
	// Logger hears of migrations, rebuilds and lost connections. Nil is silence.
	Logger *slog.Logger
}

// Parse reads an address: sqlite:PATH, or postgres://... (postgresql://...)
// as libpq takes it. ErrURL otherwise, with a text that does not repeat it.
func Parse(address string) (Address, error) {
	scheme, rest, ok := strings.Cut(address, ":")
	switch {
	case !ok:
		return Address{}, ErrURL
	case scheme == SQLite:
		return parsePath(rest)
	case (scheme == Postgres || scheme == "postgresql") && strings.HasPrefix(rest, "//"):
		u, err := url.Parse(address)
		if err != nil {
			return Address{}, fmt.Errorf("%w (what follows postgres:// is malformed; special characters of a password are written %%XX)", ErrURL)
		}
		if strings.Contains(address, "#") || strings.Contains(u.EscapedPath()+u.RawQuery, "@") {
			// A password or a name was cut there, and half of it would be shown as host and path.
			return Address{}, fmt.Errorf("%w (in what follows postgres:// a # is written %%23; in names, passwords and parameters / is %%2F, ? is %%3F and @ is %%40)", ErrURL)
		}
		if u.Host == "" && u.Query().Get("host") == "" {
			return Address{}, fmt.Errorf("%w (postgres:// without a host)", ErrURL)
		}
		return Address{Engine: Postgres, url: address}, nil
	}
	return Address{}, ErrURL
}

func parsePath(path string) (Address, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return Address{}, fmt.Errorf("%w (sqlite: without a path)", ErrURL)
	}
	if strings.Contains(path, ":memory:") {
		return Address{}, fmt.Errorf("%w (recorder and api meet in a file, a database in memory is not one)", ErrURL)
	}
	return Address{Engine: SQLite, Path: filepath.Clean(path)}, nil
}

// String is the address without its password.
func (a Address) String() string {
	if a.Engine == SQLite {
		return SQLite + ":" + a.Path
	}
	u, err := url.Parse(a.url)
	if err != nil {
		return Postgres + "://..."
	}
	query := u.Query()
	for name := range query {
		switch {
		case name == "password" || name == "sslpassword":
			query.Set(name, "xxxxx")
		case !slices.Contains(shown, name): // a ? in a name puts the password behind it here
			query.Del(name)
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}

// shown are the parameters that the text of an address holds. A constant table.
var shown = []string{"application_name", "connect_timeout", "dbname", "host", "port", "sslmode", "sslrootcert", "target_session_attrs", "user"}

// OpenReader opens a database to read. It need not be there yet (see
// store.Reading). ErrURL if the address is not understood; no error and no log
// line holds its password.
func OpenReader(address string, options Options) (Reading, error) {
	at, err := Parse(address)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	if at.Engine == SQLite {
		return sqlite.OpenReader(at.Path), nil
	}
	r, err := postgres.OpenReading(postgres.Options{URL: at.url, Logger: options.Logger})
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return r, nil
}

// OpenWriter opens a database to record. Call its Migrate before anything
// else: it makes the tables. Errors are as OpenReader's.
func OpenWriter(address string, options Options) (Recording, error) {
	at, err := Parse(address)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	if at.Engine == SQLite {
		return sqlite.OpenWriter(at.Path), nil
	}
	w, err := postgres.OpenRecording(postgres.Options{URL: at.url, Logger: options.Logger})
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return w, nil
}
