package standalone_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
)

// TestWritesThatFail: while nothing can be appended to the tape, as on a full
// disk, no job is accepted; when it can again, everything goes on by itself.
func TestWritesThatFail(t *testing.T) {
	dir := t.TempDir()
	c, stop := start(t, dir)
	defer stop()
	before := finish(t, c, 300)
	lift := forbidAppending(t, dir)
	defer lift()
	submit := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // a server that cannot write does not answer
		defer cancel()
		_, err := c.Submit(ctx, client.Submission{Tickers: []string{"A"}}, "")
		return err
	}
	if err := submit(); err == nil {
		t.Fatal("a job was accepted that could not be stored")
	}
	lift()
	deadline := time.Now().Add(patience)
	for err := submit(); err != nil; err = submit() {
		if time.Now().After(deadline) {
			t.Fatalf("%s after writes work again there is still no job accepted: %v", patience, err)
		}
		time.Sleep(100 * time.Millisecond) // asks again, as a user does
	}
	if after := finish(t, c, 5); after.Analyzed != 5 {
		t.Errorf("a job afterwards reads %+v", after)
	}
	if again, err := c.Job(t.Context(), before.JobID); err != nil || again.Analyzed != 300 {
		t.Errorf("the job from before reads %+v, %v", again, err)
	}
}

// forbidAppending makes this process fail to write beyond the end that the
// tape's file has now, until lift. The limit is far above what the test's own
// log needs.
func forbidAppending(t *testing.T, dir string) (lift func()) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "*", "jetstream", "*", "streams", "TAPE", "msgs", "*.blk"))
	if err != nil || len(blocks) != 1 {
		t.Fatalf("the tape's files are %v, %v", blocks, err)
	}
	file, err := os.Stat(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	set := func(current uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: current, Max: was.Max}); err != nil {
			t.Fatal(err)
		}
	}
	set(uint64(file.Size()))
	return func() { set(was.Cur) }
}
