package planted_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long a test may take to go red, beyond anything that any needs.
const patience = 5 * time.Minute

// catch plants the bug and demands that each of its tests goes red. It returns
// the first seed that failed, 0 if none of the tests plays seeds.
func (b bug) catch(t *testing.T, root string) (seed int) {
	t.Helper()
	dir := t.TempDir()
	copies, err := b.apply(root, dir)
	if err != nil {
		t.Fatalf(stale, b.name, err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": copies})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, target := range b.tests {
		program := filepath.Join(dir, "planted.test")
		build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", program, target.pkg)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("the patched code does not compile, which catches nothing: %v\n%s", err, out)
		}
		out, err := run(t, program, filepath.Join(root, filepath.FromSlash(target.pkg)), target, b.seeds)
		if err := b.judge(target, out, err); err != nil {
			t.Fatalf("%s: %s\nmend the test, or add one and name it in the patch\n%s", target, err, last(out))
		}
		if target.simulated() {
			seed = firstSeed(out)
		}
	}
	return seed
}

// run runs one test of a test program in the folder of its package.
func run(t *testing.T, program, folder string, target target, seeds int) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience+time.Minute) // it ends by itself before
	defer cancel()
	// Each part of a name is to match whole, so that no other test runs with it.
	pattern := "^" + strings.ReplaceAll(target.test, "/", "$/^") + "$"
	cmd := exec.CommandContext(ctx, program, "-test.run", pattern, "-test.timeout", patience.String(), "-test.v")
	if target.simulated() {
		cmd.Args = append(cmd.Args, "-seeds", strconv.Itoa(seeds), "-first", "1")
	}
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// judge is nil if the test failed by what it asserts.
func (b bug) judge(target target, out string, err error) error {
	name, _, _ := strings.Cut(target.test, "/")
	var exit *exec.ExitError
	switch {
	case strings.Contains(out, "--- SKIP: "+name):
		return errors.New("the test was skipped")
	case err == nil:
		return errors.New("NOT CAUGHT: the test passes with the bug in the code")
	case !errors.As(err, &exit):
		return fmt.Errorf("the test could not be run: %w", err)
	case crashed.MatchString(out):
		return errors.New("the test crashed or ran out of time, instead of saying what is wrong")
	case !strings.Contains(out, "--- FAIL: "+target.test):
		return errors.New("something failed, and not the test")
	case b.says != nil && !b.says.MatchString(out):
		return fmt.Errorf("it failed, and not with %q", b.says)
	case target.simulated() && firstSeed(out) == 0:
		return errors.New("it failed without naming a seed")
	}
	return nil
}

// crashed is the end of a test program that did not get to its verdict.
var crashed = regexp.MustCompile(`(?m)^(panic: |fatal error: |SIG[A-Z]+: )`)

var failedSeed = regexp.MustCompile(`(?m)^\s*\w+_test\.go:\d+: seed (\d+): `)

// firstSeed is the lowest seed that failed. All below it were played.
func firstSeed(out string) (first int) {
	for _, m := range failedSeed.FindAllStringSubmatch(out, -1) {
		if n, err := strconv.Atoi(m[1]); err == nil && (first == 0 || n < first) {
			first = n
		}
	}
	return first
}

// last is the end of a long text.
func last(out string) string {
	const most = 4000
	if len(out) > most {
		return "..." + out[len(out)-most:]
	}
	return out
}
