package dsn_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
)

func TestParse(t *testing.T) {
	for address, want := range map[string]string{
		"sqlite:tapedeck.db":                       "sqlite:tapedeck.db",
		"sqlite:/var/lib/tape deck/a.db":           "sqlite:/var/lib/tape deck/a.db",
		"sqlite:./a/../b.db":                       "sqlite:b.db",
		"postgres://u@h:5432/db?sslmode=disable":   "postgres://u@h:5432/db?sslmode=disable",
		"postgresql://u:hunter2@h/db":              "postgresql://u:xxxxx@h/db",
		"postgres:///db?host=/tmp":                 "postgres:///db?host=%2Ftmp",
		"postgres://h/db?password=hunter2&user=u":  "postgres://h/db?password=xxxxx&user=u",
		"postgres://u:hunter2@h/db?sslpassword=hu": "postgres://u:xxxxx@h/db?sslpassword=xxxxx",
	} {
		at, err := dsn.Parse(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if got := at.String(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, address := range []string{"", "tapedeck.db", "sqlite:", "sqlite::memory:", "sqlite:a\x00b", "sqlite:file:a?mode=memory:memory:",
		"mysql://u:hunter2@h/db", "postgres:u:hunter2@h", "postgres://u:hunter2", "postgres://u:hunter2%zz@h/db", "postgres:///db?password=hunter2",
		"postgres://u:hunter2@h:port/db", "u:hunter2@h"} {
		_, err := dsn.Parse(address)
		if !errors.Is(err, dsn.ErrURL) {
			t.Errorf("%q: got %v, want ErrURL", address, err)
		}
		for _, err := range []error{err, opening(dsn.OpenReader(address, dsn.Options{})), opening(dsn.OpenWriter(address, dsn.Options{}))} {
			if text := fmt.Sprint(err); strings.Contains(text, "hunter2") {
				t.Errorf("%q: the error shows the password: %s", address, text)
			}
		}
	}
}

func opening[T any](_ T, err error) error { return err }

func TestOpenSQLite(t *testing.T) {
	address := "sqlite:" + filepath.Join(t.TempDir(), "a", "b.db")
	r, err := dsn.OpenReader(address, dsn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Ping(t.Context()); !errors.Is(err, store.ErrNoDatabase) {
		t.Fatalf("ping: got %v, want ErrNoDatabase", err)
	}
	w, err := dsn.OpenWriter(address, dsn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Migrate(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	if err := r.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOpenPostgres(t *testing.T) {
	const address = "postgres://u:hunter2@127.0.0.1:1/db?connect_timeout=1"
	r, err := dsn.OpenReader(address, dsn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("ping where nothing listens: %v", err)
	}
	w, err := dsn.OpenWriter(address, dsn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Migrate(t.Context(), func(string) {}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("migrating where nothing listens: %v", err)
	}
}
