package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/schema"
)

func steps(names ...string) (list []schema.Migration) {
	for i, name := range names {
		list = append(list, schema.Migration{Number: i + 1, Name: name, MinProgram: 1})
	}
	return list
}

// book is a database that only keeps its migrations.
type book struct {
	done []store.Migrated
	fail string // the step that fails
}

func (b *book) Migrated(context.Context) ([]store.Migrated, error) { return b.done, nil }

func (b *book) Apply(_ context.Context, step schema.Migration) error {
	if step.Name == b.fail {
		return errors.New("the disk is full")
	}
	b.done = append(b.done, store.Migrated{Number: step.Number, Name: step.Name, MinProgram: step.MinProgram})
	return nil
}

func TestMigrate(t *testing.T) {
	db := &book{fail: "three"}
	var said []string
	say := func(line string) { said = append(said, line) }
	err := store.Migrate(t.Context(), db, steps("one", "two", "three"), say)
	if err == nil || !strings.Contains(err.Error(), "0003_three") {
		t.Fatalf("a step that fails: %v", err)
	}
	db.fail = ""
	if err := store.Migrate(t.Context(), db, steps("one", "two", "three"), say); err != nil {
		t.Fatal(err)
	}
	want := []string{"migrated the database: 0001_one", "migrated the database: 0002_two", "migrated the database: 0003_three"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestCheckSchema(t *testing.T) {
	done := func(program int, names ...string) (list []store.Migrated) {
		for i, name := range names {
			list = append(list, store.Migrated{Number: i + 1, Name: name, MinProgram: program})
		}
		return list
	}
	gap := done(1, "one", "two")
	gap[1].Number = 3
	for name, c := range map[string]struct {
		done []store.Migrated
		want error
		says string
	}{
		"none":          {nil, store.ErrNoDatabase, "start the recorder"},
		"fits":          {done(1, "one", "two"), nil, ""},
		"older":         {done(1, "one"), store.ErrSchema, "tapedeck migrate"},
		"newer, usable": {done(store.Program, "one", "two", "three"), nil, ""},
		"newer":         {done(store.Program+1, "one", "two", "three"), store.ErrSchema, "upgrade tapedeck"},
		"a gap":         {gap, store.ErrSchema, "migration 2 is missing"},
		"another's":     {done(1, "one", "zwei"), store.ErrSchema, "another program"},
	} {
		err := store.CheckSchema(c.done, steps("one", "two"))
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %v that says %q", name, err, c.want, c.says)
		}
	}
}
