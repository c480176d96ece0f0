package postgrestest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The environment variables that decide where tests find PostgreSQL.
const (
	// EnvURL names a running server, with a user that may create databases and roles.
	EnvURL = "TAPEDECK_TEST_POSTGRES"
	// EnvRequire set to 1 makes a missing server a failure instead of a skip.
	EnvRequire = "TAPEDECK_TEST_REQUIRE_POSTGRES"
)

// shared is the one server of this test process. It is a variable of the
// package because it must outlive every test: initdb costs a second, which is
// paid once. Its watcher ends it with the process.
var shared struct {
	mu       sync.Mutex // guards all below
	url      string
	err      error
	instance *Instance // held, as a collected pipe would be closed and end the server; nil if the server was given
}

// Server returns the URL of the shared server's database "postgres", as a
// user that may do everything. Roles that a test creates are seen by all
// tests on the server: give them names of their own (Name) and drop them.
func Server(tb testing.TB) string {
	tb.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.url == "" && shared.err == nil {
		shared.url, shared.instance, shared.err = startShared()
	}
	if shared.err != nil {
		unavailable(tb, shared.err)
	}
	return shared.url
}

// Database creates an empty database for the test and returns its URL, as the
// user of Server. It is dropped with all its connections when the test ends.
// Its collation is a language's, not C, so that a query whose order should be
// bytewise and does not say so is found out.
func Database(tb testing.TB) (adminURL string) {
	tb.Helper()
	server := Server(tb)
	name := Name("test")
	err := createDatabase(server, name)
	if err != nil {
		tb.Fatalf("creating a test database: %v", err)
	}
	tb.Cleanup(func() {
		if err := Exec(server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("dropping the test database: %v", err)
		}
	})
	return WithDatabase(server, name)
}

// Name returns prefix with a random ending, fit for a database or a role.
func Name(prefix string) string {
	random := make([]byte, 6)
	rand.Read(random) // never fails
	return prefix + "_" + hex.EncodeToString(random)
}

// WithDatabase returns serverURL with another database.
func WithDatabase(serverURL, name string) string {
	return edit(serverURL, func(u *url.URL) { u.Path = "/" + name })
}

// WithUser returns serverURL with another user and no password.
func WithUser(serverURL, user string) string {
	return edit(serverURL, func(u *url.URL) { u.User = url.User(user) })
}

func edit(serverURL string, change func(*url.URL)) string {
	u, err := url.Parse(serverURL)
	if err != nil {
		panic(fmt.Sprintf("postgrestest: %v", err)) // a URL of ours
	}
	change(u)
	return u.String()
}

// Exec runs statements, none of which has arguments, on a connection of their own.
func Exec(databaseURL string, statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), StartTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// createDatabase prefers the collation of a language; servers before
// version 15 or without ICU have only the default.
func createDatabase(server, name string) error {
	err := Exec(server, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	if err == nil {
		return nil
	}
	return Exec(server, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'")
}

func startShared() (string, *Instance, error) {
	if given := os.Getenv(EnvURL); given != "" {
		if err := Exec(given, "SELECT 1"); err != nil {
			return "", nil, fmt.Errorf("connecting to the server that %s names: %w", EnvURL, err)
		}
		return given, nil, nil
	}
	// A throw-away server: nothing of it is worth a wait for the disk.
	instance, err := create("", unixPort, Options{settings: []string{"fsync=off", "full_page_writes=off", "synchronous_commit=off"}})
	if err != nil {
		return "", nil, err
	}
	if err := instance.start(time.Now().Add(StartTimeout)); err != nil {
		return "", nil, errors.Join(err, instance.remove())
	}
	return instance.URL(), instance, nil
}

// unavailable ends the test: loudly skipped, or failed where a server is required.
func unavailable(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" || os.Getenv(EnvRequire) == "1" {
		tb.Fatalf("no PostgreSQL for this test: %v", err)
	}
	tb.Skipf("SKIPPED, no PostgreSQL for this test: %v (install the server's binaries, or name a server in %s)", err, EnvURL)
}
