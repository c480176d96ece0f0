package e2e_test

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/standalone"
)

// foreignLock is how long a foreign session keeps the database locked.
const foreignLock = 3 * time.Second

// TestForeignLock holds a write transaction on the database from outside, as
// somebody's sqlite3 session would, in the middle of a job: nothing is
// recorded meanwhile, reads go on, and the job completes. That nobody logs
// 'database is locked' is held for every program of every test.
func TestForeignLock(t *testing.T) {
	long(t)
	t.Parallel()
	d := startUp(t, "synthetic", slow...)
	tickers := synthetic("LOCK", 2000)
	id := d.submit(client.Submission{Tickers: tickers}).JobID
	d.recorded(id, killedEvery)

	unlock := lock(t, filepath.Join(d.dir, standalone.DatabaseFile))
	before, err := d.job(id)
	if err != nil {
		t.Fatalf("reading beside the foreign session: %v", err)
	}
	locked, reads := time.NewTimer(foreignLock), 0
	for waiting := true; waiting; {
		select {
		case <-locked.C:
			waiting = false
		case <-time.After(processes.PollEvery):
			now, err := d.job(id)
			if err != nil || now.AsOfSeq != before.AsOfSeq {
				t.Fatalf("beside the foreign session the job reads %+v, %v; at its beginning %+v", now, err, before)
			}
			reads++
		}
	}
	unlock()
	if before.Pending == 0 {
		t.Fatal("nothing was left to record; the job is too small")
	}
	d.completed(id, time.Minute)
	t.Logf("%d reads while %d tickers were pending", reads, before.Pending)
	d.oneOutcomeEach(id, tickers)
	d.verified()
}

// lock begins a write transaction on a database in a session that knows
// nothing of tapedeck.
func lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?mode=rw&_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatalf("locking the database: %v", err)
	}
	return func() {
		t.Helper()
		if err := tx.Rollback(); err != nil {
			t.Fatalf("unlocking the database: %v", err)
		}
	}
}
