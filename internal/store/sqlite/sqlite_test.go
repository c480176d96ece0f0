package sqlite_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

func TestStore(t *testing.T) {
	if testing.Short() {
		t.Skip("the driver is Go and slow under the race detector, which sees the same suite on PostgreSQL")
	}
	storetest.Test(t, func(t *testing.T) storetest.Database {
		path := filepath.Join(t.TempDir(), "tape deck?%20#.db") // no character of a path is special
		return storetest.Database{
			Writer: func() (store.Recording, error) { return sqlite.OpenWriter(path), nil },
			Reader: func() (store.Reading, error) { return sqlite.OpenReader(path), nil },
			Exec:   func(text string) error { return exec(path, text) },
		}
	})
}

// exec does what somebody with the sqlite3 shell does.
func exec(path, text string) error {
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	db, err := foreign(file)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(text)
	return err
}

// foreign is a connection of another program.
func foreign(file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?mode=rw&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}
