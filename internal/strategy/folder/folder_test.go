package folder_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
)

// fill writes files into dir.
func fill(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t *testing.T, dir string) *folder.Folder {
	t.Helper()
	f, err := folder.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// listed returns the names and the errors of a folder.
func listed(f *folder.Folder) (names, wrong []string) {
	list, broken := f.List()
	for _, d := range list {
		names = append(names, d.Name)
	}
	for _, err := range broken {
		wrong = append(wrong, err.Error())
	}
	return names, wrong
}

// TestBrokenHidesNoOther: each broken file is named with line and reason, and
// the good ones are there all the same.
func TestBrokenHidesNoOther(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]string{
		"good.json":     `{"name":"good"}`,
		"better.yaml":   "name: better\nindicators: {supertrend: {weight: 2}}\n",
		"best.yml":      "name: best\n",
		"typo.yaml":     "name: typo\n\nindicators:\n  rsi:\n    perod: 3\nmin_bars: 1\n",
		"cut.json":      "{\n\"name\": \"cut\"",
		"other.yaml":    "name: else\n",
		"balanced.yaml": "name: balanced\n",
		"twin.json":     `{"name":"twin"}`,
		"twin.yml":      "name: twin\n",
		"Upper.json":    `{"name":"Upper"}`,
		"large.yaml":    "name: large\n" + strings.Repeat("#", strategy.MaxBytes),
		"README.md":     "not one", ".hidden.json": "not one", "noname": "x",
	})
	if err := os.Mkdir(filepath.Join(dir, "inner.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	names, wrong := listed(open(t, dir))
	if diff := cmp.Diff([]string{"best", "better", "good"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"Upper.json:1: name must be of a-z, 0-9 and _, a letter first",
		"balanced.yaml: balanced is a built-in strategy; give yours another name, in the file and as the file's name",
		"cut.json:2: is not JSON: it ends too early",
		"large.yaml: must have at most 65536 bytes, has 65548",
		"other.yaml: the strategy's name is else; name the file else.yaml, or the strategy other",
		"twin.json: twin.yml holds the same strategy; keep one of both",
		"twin.yml: twin.json holds the same strategy; keep one of both",
		"typo.yaml:5: indicators.rsi.perod is unknown; indicators.rsi has weight, period, oversold, overbought; line 6: min_bars must be from 2 to 5000, is 1",
	}, wrong); diff != "" {
		t.Error(diff)
	}
}

func TestGet(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]string{"mine.yaml": "name: mine\n", "broken.json": `{"name":"broken","min_bars":1}`, "twin.json": `{"name":"twin"}`, "twin.yml": "name: twin\n",
		"balanced.json": `{"name":"balanced","title":"Not the one you know"}`})
	f := open(t, dir)
	if d, err := f.Get("mine"); err != nil || d.Name != "mine" || d.Validate() != nil {
		t.Errorf("%+v %v", d, err)
	}
	for _, name := range []string{"broken", "twin", "balanced"} {
		var file *folder.FileError
		if _, err := f.Get(name); !errors.As(err, &file) || !errors.Is(err, folder.ErrBroken) || errors.Is(err, folder.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	outside := filepath.Join(filepath.Dir(dir), "secret.json")
	fill(t, filepath.Dir(dir), map[string]string{"secret.json": `{"name":"secret"}`})
	for _, name := range []string{"", "nosuch", "mine.yaml", "../secret", outside, strings.TrimSuffix(outside, ".json"), "Mine", ".", "..", "mine\x00", strings.Repeat("x", 5000)} {
		_, err := f.Get(name)
		if !errors.Is(err, folder.ErrUnknown) || !strings.HasSuffix(err.Error(), "; choose from balanced, trend_following, mean_reversion, momentum_breakout, weekly_4, mine") || len(err.Error()) > 300 {
			t.Errorf("%.50q: %v", name, err)
		}
	}
}

// TestHot: what changes in the folder is seen by the next call.
func TestHot(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	if names, wrong := listed(f); names != nil || wrong != nil {
		t.Errorf("%q %q", names, wrong)
	}
	fill(t, dir, map[string]string{"mine.json": `{"name":"mine","min_bars":60}`})
	if d, err := f.Get("mine"); err != nil || d.MinBars != 60 {
		t.Errorf("added: %+v %v", d, err)
	}
	fill(t, dir, map[string]string{"mine.json": `{"name":"mine","min_bars":70}`}) // the same size, perhaps the same time
	if d, err := f.Get("mine"); err != nil || d.MinBars != 70 {
		t.Errorf("changed: %+v %v", d, err)
	}
	if err := os.Remove(filepath.Join(dir, "mine.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get("mine"); !errors.Is(err, folder.ErrUnknown) {
		t.Errorf("removed: %v", err)
	}
}

// TestLinks: a link within the folder is followed, one out of it is not.
func TestLinks(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "strategies")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	fill(t, outer, map[string]string{"stolen.json": `{"name":"stolen"}`})
	fill(t, dir, map[string]string{"data": "name: linked\n"})
	for link, to := range map[string]string{"linked.yaml": "data", "stolen.json": "../stolen.json", "stolen2.json": filepath.Join(outer, "stolen.json"), "gone.yml": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip("SKIPPED, NOT CHECKED: no symbolic links here")
		}
	}
	names, wrong := listed(open(t, dir))
	if diff := cmp.Diff([]string{"linked"}, names); diff != "" {
		t.Error(diff)
	}
	if len(wrong) != 3 || slices.ContainsFunc(wrong, func(text string) bool { return strings.Contains(text, "name is stolen") }) {
		t.Errorf("%q", wrong)
	}
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	for i := range folder.MaxFiles {
		name := fmt.Sprintf("s%03d", i)
		fill(t, dir, map[string]string{name + ".yaml": "name: " + name})
	}
	f := open(t, dir)
	if names, wrong := listed(f); len(names) != folder.MaxFiles || wrong != nil {
		t.Errorf("at the limit: %d %q", len(names), wrong)
	}
	fill(t, dir, map[string]string{"t.yaml": "name: t"})
	names, wrong := listed(f)
	if len(names) != folder.MaxFiles || len(wrong) != 1 || !strings.Contains(wrong[0], "at most 200 strategies, holds 201; those from t.yaml on are not read") {
		t.Errorf("past the limit: %d %q", len(names), wrong)
	}
	if d, err := f.Get("t"); err != nil || d.Name != "t" {
		t.Errorf("by its name: %v", err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]string{"file": ""})
	for _, path := range []string{filepath.Join(dir, "nosuch"), filepath.Join(dir, "file"), ""} {
		if f, err := folder.Open(path); err == nil {
			t.Errorf("%q: opened", path)
			f.Close()
		}
	}
}

// TestConcurrent: readers beside a writer see the old or the new strategy whole,
// or that the file is broken while it is written.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]string{"mine.json": `{"name":"mine"}`, "still.json": `{"name":"still"}`})
	f := open(t, dir)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := f.Get("still"); err != nil {
					t.Error(err)
				}
				if d, err := f.Get("mine"); err == nil && d.Validate() != nil || err != nil && !errors.Is(err, folder.ErrBroken) {
					t.Errorf("%+v %v", d, err)
				}
			}
		})
	}
	for i := range 50 {
		fill(t, dir, map[string]string{"mine.json": fmt.Sprintf(`{"name":"mine","min_bars":%d}`, 50+i)})
	}
	wg.Wait()
}
