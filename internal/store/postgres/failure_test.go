package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// TestTerminatedInMidCommit ends the backend while the commit waits for a lock.
func TestTerminatedInMidCommit(t *testing.T) {
	url, options := database(t)
	steps := storetest.Tape(3, 3, 5)
	w := recording(t, options)
	lease := commit(t, w, acquire(t, w, "first"), steps[:10])
	before := hash(t, w.Reading())

	blocker, watch := behind(t, url), behind(t, url)
	exec(t, blocker, `BEGIN`)
	exec(t, blocker, `LOCK TABLE details IN SHARE MODE`)
	changes, next := storetest.Batch(steps[10:])
	result := make(chan error, 1)
	go func() { result <- w.Commit(t.Context(), lease, next, changes) }()
	eventually(t, "the commit waits", waiting(t, watch))
	exec(t, watch, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'tapedeck' AND wait_event_type = 'Lock'`)
	err := <-result
	if err == nil || errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrConstraint) {
		t.Errorf("the commit: %v, want an error that leaves open what happened", err)
	}
	exec(t, blocker, `ROLLBACK`)

	again := acquire(t, w, "first") // reconnects
	if again.Position != lease.Position || hash(t, w.Reading()) != before {
		t.Errorf("the terminated commit left traces: at %+v", again.Position)
	}
	commit(t, w, again, steps[10:])
}

// TestReadOfAServerThatIsAway holds that a read says when the server is away,
// whether its connection breaks or cannot be made.
func TestReadOfAServerThatIsAway(t *testing.T) {
	server := postgrestest.Start(t, "", postgrestest.Options{})
	w := recording(t, postgres.Options{URL: server.URL()})
	reading := w.Reading()
	commit(t, w, acquire(t, w, "first"), storetest.Tape(4, 8, 25))
	if _, err := reading.Position(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Stop(true)
	for range 3 {
		if _, err := reading.Position(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a read while the server is away: %v", err)
		}
	}
	server.Restart(t)
	if _, err := reading.Position(t.Context()); err != nil {
		t.Error(err)
	}
	if _, _, err := reading.Job(t.Context(), "no such job"); !errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a job that does not exist: %v", err)
	}
}

// TestKilledServer kills the server between and during commits: what a commit
// had returned for is there, and nothing is there in part.
func TestKilledServer(t *testing.T) {
	server := postgrestest.Start(t, "", postgrestest.Options{})
	w := recording(t, postgres.Options{URL: server.URL()})
	steps := storetest.Tape(4, 8, 25)
	lease := acquire(t, w, "first")
	for kill := range 3 {
		acked := lease.Position
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for int(lease.Position.Seq) < len(steps) {
				from := int(lease.Position.Seq)
				changes, next := storetest.Batch(steps[from:min(from+3, len(steps))])
				if w.Commit(t.Context(), lease, next, changes) != nil {
					return
				}
				lease.Position, acked = next, next
			}
		}()
		if kill > 0 {
			eventually(t, "a read", func() bool {
				at, err := w.Reading().Position(t.Context())
				return err == nil && at.Seq > 10*uint64(kill)
			})
		}
		server.Kill()
		<-stopped
		server.Restart(t)
		if _, err := w.Acquire(t.Context(), "first", leaseTime); err != nil {
			t.Logf("the first call over the dead connection: %v", err) // if no commit met it
		}
		lease = acquire(t, w, "first")
		if lease.Position.Seq < acked.Seq || lease.Position.Seq > acked.Seq+3 {
			t.Fatalf("at %d after the kill; %d had been committed", lease.Position.Seq, acked.Seq)
		}
	}
	if rest := steps[lease.Position.Seq:]; len(rest) > 0 {
		commit(t, w, lease, rest)
	}
	_, other := database(t)
	whole := recording(t, other)
	commit(t, whole, acquire(t, whole, "first"), steps)
	if hash(t, w.Reading()) != hash(t, whole.Reading()) {
		t.Error("the rows are not those of a server that was never killed")
	}
}

// TestReaderAfterRestart: a read over connections that died with the old
// server succeeds at once.
func TestReaderAfterRestart(t *testing.T) {
	url, options := database(t)
	recording(t, options)
	r := reading(t, options)
	openAll(t, r, postgres.ReadConnections)
	admin := behind(t, url)
	exec(t, admin, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'tapedeck'`)
	eventually(t, "the backends are gone", func() bool { return backends(t, admin) == 0 })
	if _, err := r.Position(t.Context()); err != nil {
		t.Errorf("a read after all connections were ended: %v", err)
	}
	if n := backends(t, admin); n != 1 {
		t.Errorf("%d connections after one read, want 1", n)
	}
}

// TestReaderOfStoppedServer: an error, at once; and no error once it is back.
func TestReaderOfStoppedServer(t *testing.T) {
	server := postgrestest.Start(t, "", postgrestest.Options{})
	options := postgres.Options{URL: server.URL()}
	recording(t, options)
	r := reading(t, options)
	must(t, r.Ping(t.Context()))
	server.Stop(true)
	if _, err := r.Position(t.Context()); err == nil {
		t.Error("a read of a stopped server succeeded")
	}
	server.Restart(t)
	must(t, r.Ping(t.Context()))
}

// openAll makes a Reader open all of its connections. Reads that wait for each
// other would run into their timeout while a busy machine opens the last of them.
func openAll(t *testing.T, r *postgres.Reader, size int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, r.Open(ctx, size))
}

// backends counts the store's connections.
func backends(t *testing.T, conn *pgx.Conn) int {
	return query[int](t, conn, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'tapedeck'`)
}

// TestBlackHole lets the network swallow everything: calls fail within their
// timeouts, none hangs, and all is well when the network is back.
func TestBlackHole(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED, takes as long as the timeouts that it proves")
	}
	server := postgrestest.Start(t, "", postgrestest.Options{TCP: true})
	link := newLink(t, server.URL())
	options := postgres.Options{URL: link.url, ReadConnections: 2}
	w := recording(t, options)
	r := reading(t, options)
	lease := acquire(t, w, "first")
	if _, err := r.Position(t.Context()); err != nil {
		t.Fatal(err)
	}
	link.swallow(requests, answers)
	var wg sync.WaitGroup
	for range 4 { // two have to wait for a connection
		wg.Go(func() {
			givesUp(t, "a read", func(ctx context.Context) error { _, err := r.Position(ctx); return err })
		})
	}
	wg.Go(func() {
		givesUp(t, "a renewal", func(ctx context.Context) error { return w.Renew(ctx, lease) })
	})
	wg.Wait()
	link.swallow()
	must(t, r.Ping(t.Context()))
	must(t, w.Renew(t.Context(), lease))
}

// TestForgottenConnections: idle connections that a firewall has forgotten
// cost a read a moment each, and no place in the pool.
func TestForgottenConnections(t *testing.T) {
	server := postgrestest.Start(t, "", postgrestest.Options{TCP: true})
	recording(t, postgres.Options{URL: server.URL()})
	link := newLink(t, server.URL())
	r := reading(t, postgres.Options{URL: link.url, ReadConnections: 2})
	openAll(t, r, 2)
	if n := r.Age(t.Context()); n != 2 {
		t.Fatalf("%d connections are idle, want 2", n)
	}
	link.forget()
	start := time.Now()
	if _, err := r.Position(t.Context()); err != nil {
		t.Errorf("a read over forgotten connections: %v after %v", err, time.Since(start))
	}
	openAll(t, r, 2) // both places are free
}

// TestLostAnswer: the commit happens, its answer does not arrive. The error
// leaves open what happened, and the lease taken again tells.
func TestLostAnswer(t *testing.T) {
	server := postgrestest.Start(t, "", postgrestest.Options{TCP: true})
	link := newLink(t, server.URL())
	w := recording(t, postgres.Options{URL: link.url})
	steps := storetest.Tape(10, 3, 5)
	most := len(steps) - 3 // the first commit prepares the statements of the second, which takes answers
	lease := commit(t, w, acquire(t, w, "first"), steps[:most])

	link.swallow(answers)
	direct := reading(t, postgres.Options{URL: server.URL()})
	ctx, cancel := context.WithCancel(t.Context())
	changes, next := storetest.Batch(steps[most:])
	result := make(chan error, 1)
	go func() { result <- w.Commit(ctx, lease, next, changes) }()
	eventually(t, "the batch is committed", func() bool {
		at, err := direct.Position(t.Context())
		must(t, err)
		return at == next
	})
	cancel()
	err := <-result
	if err == nil || errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrConstraint) {
		t.Errorf("a commit without an answer: %v, want an error that leaves open what happened", err)
	}
	link.swallow()
	if again := acquire(t, w, "first"); again.Position != next {
		t.Errorf("the lease taken again stands at %+v, want %+v", again.Position, next)
	}
}

// givesUp holds that a call ends by itself, with an error, when no answer
// comes. The test's own patience, many times the store's, only ends a hang.
func givesUp(t *testing.T, what string, call func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	start := time.Now()
	if err := call(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("%s through a black hole: %v after %v, want an error of its own", what, err, time.Since(start))
	}
}

// TestSlowStatement: the server ends a statement that takes too long, also one
// that nobody here ends.
func TestSlowStatement(t *testing.T) {
	url, options := database(t)
	recording(t, options)
	r := reading(t, options)
	blocker := behind(t, url)
	exec(t, blocker, `BEGIN`)
	exec(t, blocker, `LOCK TABLE poison IN ACCESS EXCLUSIVE MODE`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Exec(ctx, `SELECT count(*) FROM poison`); err == nil || !strings.Contains(err.Error(), "statement timeout") {
		t.Errorf("a read that waits for a lock: %v", err)
	}
}

// TestCloseEndsReads: Close ends the reads in progress. A dump is one that
// neither this side nor the server would end for hours.
func TestCloseEndsReads(t *testing.T) {
	url, options := database(t)
	recording(t, options)
	r := reading(t, options)
	blocker := behind(t, url)
	exec(t, blocker, `BEGIN`)
	exec(t, blocker, `LOCK TABLE poison IN ACCESS EXCLUSIVE MODE`)
	read, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Dump(t.Context(), func(string, string, []byte) error { return nil })
		read <- err
	}()
	eventually(t, "the read waits", waiting(t, behind(t, url)))
	go func() { closed <- r.Close() }()
	select {
	case err := <-closed:
		must(t, err)
	case <-time.After(patience):
		t.Fatal("Close waits for the read")
	}
	if err := <-read; err == nil {
		t.Error("the read ended as if all was well")
	}
	if _, err := r.Position(t.Context()); err == nil {
		t.Error("a read after Close succeeded")
	}
}

// TestURL: what is wrong with a URL is said without its password.
func TestURL(t *testing.T) {
	for _, bad := range []string{
		"postgres://user:hunter2@host:port/db", "postgres://user:hunter2@host/db?sslmode=perhaps",
		"postgres://user:hunter2@ho st/db", "user:hunter2@host", "password=hunter2 port=x", "postgres://user:hunter2@%zz/db",
	} {
		_, err := postgres.OpenReading(postgres.Options{URL: bad})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
		_, err = postgres.OpenRecording(postgres.Options{URL: bad})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	pooled := "postgres://user:hunter2@host/db?pool_min_conns=3"
	if _, err := postgres.OpenReading(postgres.Options{URL: pooled}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%s: %v, want it refused", pooled, err)
	}
	r := reading(t, postgres.Options{URL: "postgres://user:hunter2@127.0.0.1:1/db"})
	if err := r.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a server that is not there: %v", err)
	}
	missing := reading(t, postgres.Options{URL: postgrestest.WithDatabase(postgrestest.Server(t), "no_such_database")})
	if err := missing.Ping(t.Context()); !errors.Is(err, store.ErrNoDatabase) {
		t.Errorf("a database that is not there: %v, want ErrNoDatabase", err)
	}
}
