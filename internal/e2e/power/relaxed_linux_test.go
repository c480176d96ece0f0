package power_test

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var relaxed = flag.Bool("relaxed", false, "show that the test sees losses, on programs that are built to lose")

// A change makes a program that keeps its promises less well: in a file of the
// module, from is replaced by to.
type change struct{ file, from, to string }

// syncLate is the server's own default. It acknowledges before the fsync.
var syncLate = change{"nats.conf", "sync_interval: always", `sync_interval: "2m"`}

// recordAtOnce makes the database safer than a tape that syncs late.
var recordAtOnce = change{filepath.Join("internal", "store", "sqlite", "writer.go"), `synchronous: "NORMAL"`, `synchronous: "FULL"`}

// TestRelaxed shows that TestPower would see it: programs whose tape is synced
// late lose acknowledged jobs, and one whose database is synced at once is
// ahead of its tape then.
func TestRelaxed(t *testing.T) {
	if !*relaxed {
		t.Skip("builds programs that lose jobs: run it with -relaxed")
	}
	needDisks(t)
	t.Run("tape synced late", func(t *testing.T) { losing(t, "late", syncLate) })
	t.Run("database synced before the tape", func(t *testing.T) { losing(t, "ahead", syncLate, recordAtOnce) })
}

// losing wants that a changed program loses something in one cut of a few.
func losing(t *testing.T, name string, changes ...change) {
	t.Helper()
	program := build(t, name, "-overlay", overlay(t, changes))
	random := rand.New(rand.NewPCG(*seed, 1))
	const tries = 5
	for range tries {
		d, l := newDeck(t, program, diskSize), newLedger()
		position := d.cut(l, random)
		d.up.Start()
		if err := d.readyOrEnded(); err != nil {
			t.Logf("seen: %d jobs were acknowledged; after the cut, recorded up to %d, it does not start: %v\n%s", len(l.jobs), position.Seq, err, lastLine(d.up.Logs()))
			d.up.Wait(0, 1)
			return
		}
		lost := append(d.ahead(position), d.missing(l)...)
		d.up.Kill()
		if len(lost) > 0 {
			t.Logf("seen: of %d acknowledged jobs %d things are lost, the first: %s", len(l.jobs), len(lost), lost[0])
			return
		}
	}
	t.Errorf("nothing was seen to be lost in %d cuts", tries)
}

func lastLine(log string) string {
	log = strings.TrimSpace(log)
	return log[strings.LastIndexByte(log, '\n')+1:]
}

// overlay writes changed copies of files of the module and what the go command
// needs to use them instead. A change that does not apply fails the test.
func overlay(t *testing.T, changes []change) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for _, c := range changes {
		path := filepath.Join(root, c.file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(text), c.from) != 1 {
			t.Fatalf("%s does not hold %q once: bring the change up to date", c.file, c.from)
		}
		replace[path] = filepath.Join(dir, filepath.Base(c.file))
		if err := os.WriteFile(replace[path], []byte(strings.Replace(string(text), c.from, c.to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
