package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// roles makes the three roles of doc.go under names of their own.
func roles(t *testing.T, admin string) (options postgres.Options, api string) {
	t.Helper()
	reader, user, owner := postgrestest.Name("reader"), postgrestest.Name("api"), postgrestest.Name("recorder")
	must(t, postgrestest.Exec(admin,
		"CREATE ROLE "+reader+" NOLOGIN", "CREATE ROLE "+user+" LOGIN IN ROLE "+reader, "CREATE ROLE "+owner+" LOGIN",
		`DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO `+owner+`', current_database()); END $$`))
	t.Cleanup(func() {
		for _, role := range []string{reader, user, owner} {
			if err := postgrestest.Exec(admin, "DROP OWNED BY "+role+" CASCADE", "DROP ROLE "+role); err != nil {
				t.Error(err)
			}
		}
	})
	return postgres.Options{URL: postgrestest.WithUser(admin, owner), ReaderRole: reader}, postgrestest.WithUser(admin, user)
}

// TestReaderRole: the api's user can read, before and after a rebuild, and do
// nothing else, also without the setting that makes its sessions read-only.
func TestReaderRole(t *testing.T) {
	admin := postgrestest.Database(t)
	options, api := roles(t, admin)
	w := recording(t, options)
	steps := storetest.Tape(5, 2, 5)
	lease := commit(t, w, acquire(t, w, "first"), steps)
	r := reading(t, postgres.Options{URL: api})

	wantReadOnly := func() {
		t.Helper()
		must(t, r.Ping(t.Context()))
		hash(t, r) // reads every table
		for _, sql := range []string{
			"INSERT INTO poison VALUES (1, 1, '', '', '', '', '')", "UPDATE checkpoint SET epoch = 99", "DELETE FROM days",
			"TRUNCATE poison", "DROP TABLE poison", "CREATE TABLE tapedeck.mine (x int)", "DO $$ BEGIN LOCK TABLE checkpoint IN EXCLUSIVE MODE; END $$",
			"ALTER SCHEMA tapedeck RENAME TO mine", "CREATE SCHEMA mine",
		} {
			if err := postgrestest.Exec(api, "SET search_path = tapedeck", sql); err == nil || !strings.Contains(err.Error(), "42501") {
				t.Errorf("the api's user: %s: %v, want permission denied", sql, err)
			}
		}
	}
	wantReadOnly()
	shadow, err := w.Shadow(t.Context())
	must(t, err)
	commit(t, shadow, acquire(t, shadow, "filler"), steps)
	must(t, shadow.Swap(t.Context(), lease))
	wantReadOnly()
}

// TestRoleMadeDuringRebuild: a role that is younger than the shadow can read
// the tables when they are swapped in.
func TestRoleMadeDuringRebuild(t *testing.T) {
	admin := postgrestest.Database(t)
	role := postgrestest.Name("reader")
	w := recording(t, postgres.Options{URL: admin, ReaderRole: role})
	lease := acquire(t, w, "first")
	shadow, err := w.Shadow(t.Context())
	must(t, err)
	must(t, postgrestest.Exec(admin, "CREATE ROLE "+role+" LOGIN"))
	t.Cleanup(func() { must(t, postgrestest.Exec(admin, "DROP OWNED BY "+role+" CASCADE", "DROP ROLE "+role)) })
	must(t, shadow.Swap(t.Context(), lease))
	must(t, reading(t, postgres.Options{URL: postgrestest.WithUser(admin, role)}).Ping(t.Context()))
}

// TestReaderSessionIsReadOnly: an owner's URL given to the api does not let it write.
func TestReaderSessionIsReadOnly(t *testing.T) {
	_, options := database(t)
	recording(t, options)
	if err := reading(t, options).Exec(t.Context(), "DELETE FROM tapedeck.poison"); err == nil || !strings.Contains(err.Error(), "25006") {
		t.Errorf("a reader's DELETE: %v, want read-only", err)
	}
}

// TestUserWithoutGrants is told what is missing.
func TestUserWithoutGrants(t *testing.T) {
	admin := postgrestest.Database(t)
	options, api := roles(t, admin)
	recording(t, postgres.Options{URL: options.URL, ReaderRole: "no_such_role"})
	err := reading(t, postgres.Options{URL: api}).Ping(t.Context())
	if !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), "GRANT") {
		t.Errorf("a user who may not read: %v", err)
	}
	stranger := postgres.Options{URL: api}
	w, err := postgres.OpenRecording(stranger)
	must(t, err)
	defer w.Close()
	if err := w.Migrate(t.Context(), func(string) {}); err == nil {
		t.Error("a user without CREATE could migrate")
	}
}
