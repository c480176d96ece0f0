package schema_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/schema"
)

func migrations(t *testing.T, dialect schema.Dialect) []schema.Migration {
	t.Helper()
	steps, err := schema.Migrations(dialect)
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) == 0 {
		t.Fatalf("%s has no migrations", dialect)
	}
	return steps
}

// TestDialectsAgree takes the types and storage options out of both dialects
// and wants the rest to be equal: numbers, names, tables, columns, rules, indexes.
func TestDialectsAgree(t *testing.T) {
	lite, pg := migrations(t, schema.SQLite), migrations(t, schema.Postgres)
	if len(lite) != len(pg) {
		t.Fatalf("%d migrations of sqlite, %d of postgres", len(lite), len(pg))
	}
	for i := range lite {
		a, b := lite[i], pg[i]
		a.SQL, b.SQL = neutral(a.SQL), neutral(b.SQL)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("migration %d (-sqlite +postgres):\n%s", a.Number, diff)
		}
	}
}

func neutral(sql string) string {
	types := strings.NewReplacer(`TEXT COLLATE "C"`, "TEXT", "BIGINT", "INTEGER", "DOUBLE PRECISION", "REAL", "BYTEA", "BLOB",
		") STRICT, WITHOUT ROWID", ")", ") STRICT", ")")
	comments := regexp.MustCompile(`(?m)--.*$`)
	return strings.Join(strings.Fields(types.Replace(comments.ReplaceAllString(sql, ""))), " ")
}

// TestPostgresTextsAreBytewise finds text columns that would sort by locale.
func TestPostgresTextsAreBytewise(t *testing.T) {
	for _, step := range migrations(t, schema.Postgres) {
		for _, line := range strings.Split(step.SQL, "\n") {
			if regexp.MustCompile(`^\s+\w+\s+TEXT\b`).MatchString(line) && !strings.Contains(line, `COLLATE "C"`) {
				t.Errorf("%04d_%s: %s", step.Number, step.Name, strings.TrimSpace(line))
			}
		}
	}
}

func TestUnknownDialect(t *testing.T) {
	if _, err := schema.Migrations("oracle"); err == nil {
		t.Error("an unknown dialect has migrations")
	}
}
