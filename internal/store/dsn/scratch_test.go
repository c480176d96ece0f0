package dsn_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store/dsn"
)

// scratchIn is the variable that makes this test's program one that verifies.
const scratchIn = "TAPEDECK_TEST_SCRATCH_HOLDER"

// TestScratchOfTheDead: the scratch database of a process that was killed is
// removed at the next start, that of one that lives is not.
func TestScratchOfTheDead(t *testing.T) {
	if os.Getenv(scratchIn) != "" {
		holdScratch()
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	_, remove, err := dsn.Scratch(t.Context()) // of this process, which lives
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "tapedeck-scratch-foreign") // nobody can tell whose it is
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	killed := scratchHolder(t)
	alive := scratchHolder(t)
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	if have := scratches(t, dir); have != 4 {
		t.Fatalf("%d scratch databases", have)
	}
	if err := dsn.RemoveDeadScratch(); err != nil {
		t.Fatal(err)
	}
	if have := scratches(t, dir); have != 3 {
		t.Errorf("%d scratch databases are left of the four, of which one is of a dead process", have)
	}
	remove()
	if err := alive.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = alive.Wait()
	if err := dsn.RemoveDeadScratch(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != filepath.Base(foreign) {
		t.Errorf("%v is left, %v", left, err)
	}
}

// scratchHolder starts a process that has a scratch database open.
func scratchHolder(t *testing.T) *exec.Cmd {
	t.Helper()
	holder := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestScratchOfTheDead$")
	holder.Env = append(os.Environ(), scratchIn+"=1")
	holder.Stderr = t.Output()
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "made") {
		t.Fatalf("it says %q, %v", line, err)
	}
	return holder
}

// holdScratch makes a scratch database, says so, and waits to be killed.
func holdScratch() {
	if _, _, err := dsn.Scratch(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("made")
	select {}
}

func scratches(t *testing.T, dir string) int {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "tapedeck-scratch-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
