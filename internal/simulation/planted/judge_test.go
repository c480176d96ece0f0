package planted_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestJudge: a bug counts as caught by nothing but the verdict of its test.
func TestJudge(t *testing.T) {
	failed := exec.Command("go", "no-such-command").Run()
	if failed == nil {
		t.Fatal("the go command has learned a new word")
	}
	simulated := target{"./internal/simulation", "TestSeeds"}
	plain := target{"./internal/recorder", "TestPoison"}
	for name, test := range map[string]struct {
		target target
		out    string
		err    error
		want   string // empty: caught
	}{
		"fails":                 {plain, "--- FAIL: TestPoison (0.1s)\n    I7: gone", failed, ""},
		"passes":                {plain, "--- PASS: TestPoison", nil, "NOT CAUGHT"},
		"is skipped":            {plain, "--- SKIP: TestPoison", nil, "skipped"},
		"fails for another":     {plain, "--- FAIL: TestPoison (0.1s)\n    no database", failed, "not with"},
		"another fails":         {plain, "--- FAIL: TestMain\n    I7: gone", failed, "not the test"},
		"panics":                {plain, "--- FAIL: TestPoison\nI7: gone\npanic: index out of range", failed, "crashed"},
		"runs out of time":      {plain, "panic: test timed out after 5m0s", failed, "crashed"},
		"a seed fails":          {simulated, "--- FAIL: TestSeeds\n    simulation_test.go:9: seed 4: I7: gone\n", failed, ""},
		"fails without a seed":  {simulated, "--- FAIL: TestSeeds\n    I7: gone", failed, "without naming a seed"},
		"the program is absent": {plain, "I7: gone", os.ErrNotExist, "could not be run"},
	} {
		err := bug{says: regexp.MustCompile("I7: gone")}.judge(test.target, test.out, test.err)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestStalePatch: what does not fit the code is an error, whatever repository
// there is around the copies.
func TestStalePatch(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"gone":  "diff --git a/doc.go b/doc.go\n--- a/doc.go\n+++ b/doc.go\n@@ -1,1 +1,1 @@\n-what never stood there\n+x\n",
		"empty": "",
	} {
		path := filepath.Join(dir, name+".patch")
		if err := os.WriteFile(path, []byte("bug: b\nbreaks: I1\ntest: ./p TestX\n\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
		b, err := readBug(path)
		if err == nil {
			_, err = b.apply(filepath.Join(root(t), "internal", "simulation", "planted"), t.TempDir())
		}
		if err == nil {
			t.Errorf("patch %s applies", name)
		}
	}
}
