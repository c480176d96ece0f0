package store

import (
	"context"
	"fmt"

	"github.com/tapedeck/tapedeck/schema"
)

// Program is the number that a migration's min_program is compared with. It
// grows with the first release that can use tables which older ones cannot.
const Program = 1

// ProjectionVersion is the version of the fold: events -> rows. A change of
// what rows the same events give needs a new one, and a rebuild. That a type
// which no earlier release wrote gets rows is none: where a newer analyzer ran
// beside an older recorder, the events are poison until a rebuild folds them.
const ProjectionVersion = 1

// Migrated is one row of table migrations: a step that was carried out.
type Migrated struct {
	Number     int
	Name       string
	MinProgram int
}

// Migrator is what Migrate needs of a database. The caller holds the lock that
// keeps a second migrator out.
type Migrator interface {
	// Migrated lists the steps that were carried out, in order; none on an empty database.
	Migrated(ctx context.Context) ([]Migrated, error)
	// Apply carries out one step and records it, in one transaction.
	Apply(ctx context.Context, step schema.Migration) error
}

// Migrate brings the tables forward to the last of the steps, saying each one
// in a line. ErrSchema if they are of a newer program that excludes this one.
func Migrate(ctx context.Context, db Migrator, steps []schema.Migration, say func(line string)) error {
	done, err := db.Migrated(ctx)
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	if err := fits(done, steps); err != nil {
		return err
	}
	for _, step := range steps {
		if step.Number <= len(done) {
			continue
		}
		if err := db.Apply(ctx, step); err != nil {
			return fmt.Errorf("carrying out migration %04d_%s: %w", step.Number, step.Name, err)
		}
		say(fmt.Sprintf("migrated the database: %04d_%s", step.Number, step.Name))
	}
	return nil
}

// CheckSchema reports whether this program may use tables on which done was
// carried out: ErrNoDatabase if nothing was, ErrSchema with what to do if they
// are too old or too new.
func CheckSchema(done []Migrated, steps []schema.Migration) error {
	if len(done) == 0 {
		return fmt.Errorf("%w: start the recorder, or run 'tapedeck migrate'", ErrNoDatabase)
	}
	if err := fits(done, steps); err != nil {
		return err
	}
	if len(done) < len(steps) {
		return fmt.Errorf("%w: it has migration %d, this program needs %d: run 'tapedeck migrate'",
			ErrSchema, len(done), len(steps))
	}
	return nil
}

// fits refuses tables with steps that are not ours or that exclude this program.
func fits(done []Migrated, steps []schema.Migration) error {
	for i, m := range done {
		if m.Number != i+1 {
			return fmt.Errorf("%w: migration %d is missing: restore a backup or rebuild into a new database", ErrSchema, i+1)
		}
		if i < len(steps) && m.Name != steps[i].Name {
			return fmt.Errorf("%w: migration %d is %q, not %q: is this another program's database?",
				ErrSchema, m.Number, m.Name, steps[i].Name)
		}
		if m.MinProgram > Program {
			return fmt.Errorf("%w: migration %04d_%s needs program %d or newer, this is %d: upgrade tapedeck, or rebuild into a new database",
				ErrSchema, m.Number, m.Name, m.MinProgram, Program)
		}
	}
	return nil
}
