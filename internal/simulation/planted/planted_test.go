package planted_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

var (
	all    = flag.Bool("all", false, "plant every bug")
	only   = flag.String("only", "", "plant the bugs whose names match this expression")
	sample = flag.Int("sample", 0, "plant so many bugs of those that are caught quickly, others every day")
	turn   = flag.Int("turn", int(time.Now().Unix()/86400), "which turn of -sample: the number of the day, if not given")
	update = flag.Bool("update", false, "write docs/PLANTED_BUGS.md, with the figures of the bugs that were planted now")
)

// stale says what to do with a patch that does not fit the code any more.
const stale = `%s.patch does not apply any more: %v
the code that it changes has moved. Plant the same bug in the code as it is, with the same header:
edit the product, 'git diff' into the patch below its header, put the product back`

// root is the module's.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test")
	return ""
}

// bugs reads all patches, in the order of their names.
func bugs(t *testing.T) []bug {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root(t), "internal", "simulation", "planted", "testdata", "*.patch"))
	if err != nil {
		t.Fatal(err)
	}
	list := make([]bug, len(paths))
	for i, path := range paths {
		if list[i], err = readBug(path); err != nil {
			t.Fatalf("reading %s: %v", filepath.Base(path), err)
		}
	}
	return list
}

// fewest is how many bugs there must be.
const fewest = 30

// TestEveryPatchApplies compiles nothing, so it can run with every change.
func TestEveryPatchApplies(t *testing.T) {
	list := bugs(t)
	if len(list) < fewest {
		t.Errorf("%d bugs, there must be %d", len(list), fewest)
	}
	for _, b := range list {
		if _, err := b.apply(root(t), t.TempDir()); err != nil {
			t.Errorf(stale, b.name, err)
		}
	}
}

// TestCaught plants bugs, and a test must go red on each.
func TestCaught(t *testing.T) {
	chosen := choose(t, bugs(t))
	if len(chosen) == 0 {
		t.Skip("plants bugs only with -sample, -all or -only")
	}
	for _, b := range chosen {
		t.Run(b.name, func(t *testing.T) {
			began := time.Now()
			seed := b.catch(t, root(t))
			t.Logf("caught by %v in %s, first failing seed %d", b.tests, time.Since(began).Round(time.Second/10), seed)
			if *update { // after each, so that a run that is ended keeps what it found
				writeTable(t, map[string]int{b.name: seed})
			}
		})
	}
}

// choose is what the flags ask for.
func choose(t *testing.T, list []bug) (chosen []bug) {
	t.Helper()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		if *all || *only != "" && wanted.MatchString(b.name) || *sample > 0 && *only == "" && b.quick {
			chosen = append(chosen, b)
		}
	}
	if *all || *only != "" || len(chosen) <= *sample {
		return chosen
	}
	begin := *turn * *sample % len(chosen)
	return append(chosen[begin:], chosen[:begin]...)[:*sample]
}
