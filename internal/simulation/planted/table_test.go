package planted_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const introduction = `# Planted bugs

A test that never went red proves nothing. So these bugs are planted in the
product on purpose, one at a time, each a patch under
[internal/simulation/planted](../internal/simulation/planted), and of each a
test must go red by what it asserts; code that does not compile catches nothing.
The promises are those of [ARCHITECTURE.md](ARCHITECTURE.md). The seed is the
first that fails in the simulation, played from 1 on:
` + "`go test ./internal/simulation -run TestSeeds`" + `. Where a second line of defence
hides a bug, both lines are broken at once, and the note says so.

Written by ` + "`go test ./internal/simulation/planted -all -timeout 2h -update`" + `;
only ` + "`-sample N`" + ` of those that are quick belong to every change.

| patch | bug | breaks | caught by | first failing seed |
|---|---|---|---|---|
`

// unknown stands where a bug was not planted since its patch was written.
const unknown = "?"

// table is the page for bugs, with the first failing seeds; none for those that
// no simulation looks for.
func table(list []bug, seeds map[string]string) string {
	var text strings.Builder
	text.WriteString(introduction)
	for _, b := range list {
		caught := make([]string, len(b.tests))
		seed := ""
		for i, target := range b.tests {
			caught[i] = "`" + target.String() + "`"
			if target.simulated() {
				seed = unknown
			}
		}
		if known, ok := seeds[b.name]; ok && seed != "" {
			seed = known
		}
		what := b.what
		if b.notes != "" {
			what += " (" + b.notes + ")"
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", b.name, what, b.breaks, strings.Join(caught, " "), seed)
	}
	fmt.Fprintf(&text, "\n%d bugs.\n", len(list))
	return text.String()
}

var row = regexp.MustCompile(`(?m)^\| (\S+) \|.*\| (\d+|\?) \|$`)

func page(t *testing.T) string { return filepath.Join(root(t), "docs", "PLANTED_BUGS.md") }

// figures are the seeds that the page has.
func figures(text string) map[string]string {
	seeds := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		seeds[m[1]] = m[2]
	}
	return seeds
}

// writeTable writes the page, with the old figures but those that are given.
func writeTable(t *testing.T, found map[string]int) {
	t.Helper()
	before, err := os.ReadFile(page(t))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	seeds := figures(string(before))
	for name, seed := range found {
		seeds[name] = strconv.Itoa(seed)
	}
	if err := os.WriteFile(page(t), []byte(table(bugs(t), seeds)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTable holds the page against the patches: the same bugs, the same words,
// and a figure for each that the simulation must catch.
func TestTable(t *testing.T) {
	if *update {
		writeTable(t, nil)
	}
	got, err := os.ReadFile(page(t))
	if err != nil {
		t.Fatal(err)
	}
	seeds := figures(string(got))
	if diff := cmp.Diff(table(bugs(t), seeds), string(got)); diff != "" {
		t.Errorf("docs/PLANTED_BUGS.md is not what the patches say (-want +got); write it with -update:\n%s", diff)
	}
	for name, seed := range seeds {
		if seed == unknown {
			t.Errorf("docs/PLANTED_BUGS.md: nobody has looked yet which seed catches %s; plant it with -only '^%s$' -update", name, name)
		}
	}
}
