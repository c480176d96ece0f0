package planted_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A bug is one patch: what its header says, and the files that it changes.
type bug struct {
	name   string // of the patch, without ".patch"
	path   string // of the patch, absolute
	what   string
	breaks string
	notes  string
	tests  []target
	says   *regexp.Regexp // nil: anything
	seeds  int            // to look through for the first that fails
	quick  bool           // belongs to the sample
	files  []string       // relative to the root
}

// A target is a test that must go red.
type target struct{ pkg, test string }

func (t target) String() string { return strings.TrimPrefix(t.pkg, "./") + "." + t.test }

// simulated: it plays seeds.
func (t target) simulated() bool { return t.pkg == "./internal/simulation" && t.test == "TestSeeds" }

// usualSeeds is how many seeds are played before a bug counts as not caught.
const usualSeeds = 400

var changed = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`)

// readBug reads a patch and checks its header.
func readBug(path string) (bug, error) {
	b := bug{name: strings.TrimSuffix(filepath.Base(path), ".patch"), path: path, seeds: usualSeeds}
	text, err := os.ReadFile(path)
	if err != nil {
		return b, err
	}
	header, diff, found := strings.Cut(string(text), "\ndiff --git ")
	if !found {
		return b, errors.New("it has no line 'diff --git'")
	}
	for line := range strings.Lines(header) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := b.take(line); err != nil {
			return b, fmt.Errorf("line %q of the header: %w", line, err)
		}
	}
	if b.what == "" || b.breaks == "" || len(b.tests) == 0 {
		return b, errors.New("its header must have the lines bug, breaks and test")
	}
	for _, m := range changed.FindAllStringSubmatch(diff, -1) {
		if strings.HasSuffix(m[1], "_test.go") || slices.Contains(b.files, m[1]) {
			return b, fmt.Errorf("it must change %s once, and no test", m[1])
		}
		b.files = append(b.files, m[1])
	}
	if len(b.files) == 0 {
		return b, errors.New("it changes no file")
	}
	return b, nil
}

func (b *bug) take(line string) (err error) {
	key, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch key {
	case "bug":
		b.what = value
	case "breaks":
		b.breaks = value
	case "note":
		b.notes = value
	case "says":
		b.says, err = regexp.Compile(value)
	case "seeds":
		b.seeds, err = strconv.Atoi(value)
	case "sample":
		b.quick = value == "yes"
	case "test":
		pkg, test, found := strings.Cut(value, " ")
		if !found {
			return errors.New("it must name a package and a test")
		}
		b.tests = append(b.tests, target{pkg, strings.TrimSpace(test)})
	default:
		return errors.New("no such key")
	}
	return err
}

// apply patches copies of the files in dir, and returns where each stands.
func (b bug) apply(root, dir string) (copies map[string]string, err error) {
	copies = map[string]string{}
	for _, file := range b.files {
		original, copied := filepath.Join(root, filepath.FromSlash(file)), filepath.Join(dir, filepath.FromSlash(file))
		text, err := os.ReadFile(original)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(copied, text, 0o644); err != nil {
			return nil, err
		}
		copies[original] = copied
	}
	cmd := exec.Command("git", "apply", "--whitespace=nowarn", b.path)
	cmd.Dir = dir
	// Whatever repository there is around us must not matter.
	cmd.Env = append(os.Environ(), "GIT_DIR="+filepath.Join(dir, "none"), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return copies, nil
}
