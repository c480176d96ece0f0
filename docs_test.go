package tapedeck_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link is a relative link of Markdown: a path, a place in it, or both.
var link = regexp.MustCompile(`\]\(([^()\s:]*)\)`)

// TestLinks follows the relative links of the documents: the files exist, and
// so do the headings.
func TestLinks(t *testing.T) {
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for _, document := range append(documents, "README.md", "CHANGELOG.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(withoutCode(string(text)), -1) {
			followed++
			path, place, _ := strings.Cut(match[1], "#")
			target := document
			if path != "" {
				target = filepath.Join(filepath.Dir(document), filepath.FromSlash(path))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", document, match[1])
			} else if place != "" && !hasHeading(t, target, place) {
				t.Errorf("%s links to %s, but %s has no such heading", document, match[1], target)
			}
		}
	}
	if followed < len(documents) {
		t.Errorf("only %d links were found: does the test still read them?", followed)
	}
}

var fence = regexp.MustCompile("(?s)```.*?```")

func withoutCode(text string) string { return fence.ReplaceAllString(text, "") }

var (
	heading     = regexp.MustCompile(`(?m)^#+ (.*)$`)
	punctuation = regexp.MustCompile(`[^\pL\pN _-]`)
)

// hasHeading looks for the heading with the name that is made of its text as
// forges do: lower case, no punctuation, a dash for a space.
func hasHeading(t *testing.T, file, place string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range heading.FindAllStringSubmatch(withoutCode(string(text)), -1) {
		name := strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-")
		if name == place {
			return true
		}
	}
	return false
}

// named is a test as the documents name it: its package's folder and its name.
var named = regexp.MustCompile("`([a-z0-9/]*)\\.((?:Test|Fuzz)[A-Za-z0-9_]*)`")

// TestNamedTests looks for each test that the promises in ARCHITECTURE.md rest on.
func TestNamedTests(t *testing.T) {
	text, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := named.FindAllStringSubmatch(string(text), -1)
	if len(tests) == 0 {
		t.Fatal("no test is named there: does this test still read it?")
	}
	for _, match := range tests {
		files, err := filepath.Glob(filepath.Join(".", filepath.FromSlash(match[1]), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(code), "\nfunc "+match[2]+"(")
		}
		if !found {
			t.Errorf("docs/ARCHITECTURE.md names %s, which is not in folder %q", match[2], match[1])
		}
	}
}
