// Package schema is the database's migrations as files: one folder per
// dialect, the same numbers, names, tables and columns in both.
package schema

import (
	"embed"
	"fmt"
	"path"
	"strconv"
	"strings"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// A Dialect names a folder of migrations.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// A Migration is one forward step of the tables.
type Migration struct {
	Number     int    // from 1, without a gap
	Name       string // "tables" of 0001_tables.sql
	MinProgram int    // the oldest program (store.Program) that can run on tables with this step
	SQL        string // statements, to be carried out in one transaction
}

// minProgramMark begins the first line of each file.
const minProgramMark = "-- min_program: "

// Migrations returns the steps of a dialect in their order. It fails only if
// the files are not what this package says, which its test excludes.
func Migrations(dialect Dialect) ([]Migration, error) {
	entries, err := files.ReadDir(string(dialect))
	if err != nil {
		return nil, fmt.Errorf("listing migrations of %s: %w", dialect, err)
	}
	steps := make([]Migration, 0, len(entries))
	for i, entry := range entries {
		text, err := files.ReadFile(path.Join(string(dialect), entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading migration %s: %w", entry.Name(), err)
		}
		step, err := parse(entry.Name(), string(text))
		if err != nil {
			return nil, err
		}
		if step.Number != i+1 {
			return nil, fmt.Errorf("migration %s of %s: its number is not %d", entry.Name(), dialect, i+1)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func parse(file, text string) (Migration, error) {
	number, name, ok := strings.Cut(strings.TrimSuffix(file, ".sql"), "_")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || len(number) != 4 {
		return Migration{}, fmt.Errorf("migration %q: its name is not NNNN_name.sql", file)
	}
	first, _, _ := strings.Cut(text, "\n")
	mark, found := strings.CutPrefix(first, minProgramMark)
	program, err := strconv.Atoi(strings.TrimSpace(mark))
	if !found || err != nil || program < 1 {
		return Migration{}, fmt.Errorf("migration %q: its first line is not %q and a number", file, minProgramMark)
	}
	return Migration{Number: n, Name: name, MinProgram: program, SQL: text}, nil
}
